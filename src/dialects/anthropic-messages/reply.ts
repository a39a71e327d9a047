import { FAULTS, useIn, type Annotation, type ChatReply, type JsonObject, type ReplyPart, type ServerToolUse, type ToolCallPart } from '../../core/index.ts'
import { isJson } from '../json.ts'
import type { Rendered, ReplyMeta } from '../dialect.ts'
import { labelled } from '../seals.ts'
import { endingOf, failureOf } from './ending.ts'
import { errorBody } from './errors-out.ts'
import { blockOf } from './seals.ts'
import { blocksOfUse } from './server-tools.ts'
import { writeUsage } from './usage-out.ts'
import { DIALECT } from './wire.ts'

/**
 * A whole reply as a message. This format has one choice and no way to say that an answer broke off: a reply that
 * failed is an error, since nothing of it was sent yet.
 */
export function renderReply(reply: ChatReply, meta: ReplyMeta, metadata?: JsonObject): Rendered {
  const choice = reply.choices[0]
  const failed = reply.fault ?? (choice?.reason === 'error' ? failureOf(choice.native) : undefined)
  if (failed) return { status: FAULTS[failed.kind].status, body: errorBody(failed, meta.id, metadata && { openrouter_metadata: metadata }) }
  const parts = choice?.parts ?? []
  const refusal = parts.map((part) => (part.type === 'refusal' ? part.text : '')).join('')
  const head = JSON.stringify({ id: meta.id, type: 'message', role: 'assistant', model: meta.model, provider: meta.provider })
  const rest = JSON.stringify({
    ...endingOf({ reason: choice?.reason ?? null, native: choice?.native, stop: choice?.stop, refusal }),
    container: null,
    usage: writeUsage(reply.usage, reply.charge, meta.tier),
    openrouter_metadata: metadata,
  })
  return { status: 200, body: `${head.slice(0, -1)},"content":[${contentOf(parts, choice?.annotations ?? []).join(',')}],${rest.slice(1)}` }
}

/** The blocks as JSON text: the arguments of calls go in as the model wrote them. Citations stand on the last text. */
function contentOf(parts: readonly ReplyPart[], annotations: readonly Annotation[]): string[] {
  const out: string[] = []
  const texts = parts.filter((part) => part.type === 'text' && part.text !== '')
  const told = citationsByText(texts.map((part) => (part as { text: string }).text), annotations)
  let text = 0
  for (const part of parts) {
    switch (part.type) {
      case 'text':
        if (part.text !== '') out.push(JSON.stringify(textBlock(part.text, told[text++]!)))
        if (part.seal) out.push(JSON.stringify({ type: 'redacted_thinking', data: labelled({ seal: part.seal, ofText: true }) }))
        break
      case 'reasoning':
        if (part.text !== '' || part.seal || part.id !== undefined) out.push(JSON.stringify(blockOf(part)))
        break
      case 'tool-call':
        out.push(callText(part))
        if (part.seal) out.push(JSON.stringify({ type: 'redacted_thinking', data: labelled({ seal: part.seal, call: part.id }) }))
        break
      case 'native': {
        const use = useIn(part)
        if (part.dialect === DIALECT) out.push(JSON.stringify(part.value))
        else if (use !== null) out.push(...useTexts(use))
        break
      }
      // A refusal is told beside the content; pictures and sound have no block in this format.
      default: break
    }
  }
  if (texts.length === 0 && annotations.length > 0) out.push(JSON.stringify(textBlock('', annotations)))
  return out
}

const textBlock = (text: string, annotations: readonly Annotation[]): JsonObject => {
  const citations = annotations.map(citationOf).filter((citation) => citation !== null)
  return { type: 'text', text, ...(citations.length > 0 && { citations }) }
}

/** The annotations of a reply to the texts that they point into; without a place, to the last one. */
function citationsByText(texts: readonly string[], annotations: readonly Annotation[]): Annotation[][] {
  const told: Annotation[][] = texts.map(() => [])
  for (const annotation of annotations) {
    const end = annotation.type === 'file' ? undefined : annotation.end
    let at = texts.length - 1
    if (end !== undefined && end > 0) {
      let upTo = 0
      at = texts.findIndex((text) => (upTo += text.length) >= end)
    }
    told.at(at)?.push(annotation)
  }
  return told
}

/** A citation of a reply: Anthropic's own as it was, any other as the result of a search; a parsed file is none. */
export function citationOf(annotation: Annotation): JsonObject | null {
  if (annotation.type === 'file') return null
  if (annotation.type === 'native') return annotation.dialect === DIALECT ? annotation.value : null
  if (annotation.native?.dialect === DIALECT) return annotation.native.value
  return {
    type: 'web_search_result_location', url: annotation.url, title: annotation.title ?? null, cited_text: annotation.content ?? '', encrypted_index: '',
  }
}

function useTexts(use: ServerToolUse): readonly string[] {
  const blocks = blocksOfUse(use)
  return blocks === null ? [] : [`${JSON.stringify(blocks.call).slice(0, -1)},"input":${objectText(use.input)}}`, JSON.stringify(blocks.result)]
}

function callText({ id, name, form, input }: ToolCallPart): string {
  const text = form === 'custom' ? JSON.stringify({ input }) : objectText(input)
  return `{"type":"tool_use","id":${JSON.stringify(id)},"name":${JSON.stringify(name)},"input":${text}}`
}

/** `input` has to be an object: `""` and `null` are `{}`, and what a model garbled stays readable. */
export function objectText(input: string): string {
  const text = input.trim()
  if (text === '' || text === 'null') return '{}'
  return text.startsWith('{') && isJson(text) ? text : JSON.stringify({ input })
}
