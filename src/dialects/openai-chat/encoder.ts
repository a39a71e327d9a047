import type { Block, ChatEvent, JsonObject, Note, Seal } from '../../core/index.ts'
import type { Encoder, ReplyMeta } from '../dialect.ts'
import { writeAnnotation } from './annotations.ts'
import { errorChunk } from './faults.ts'
import { callSealEntry, sealEntry } from './reasoning-details.ts'
import { writeUsage } from './usage-out.ts'

/** What a delta of a block is wrapped in, made once when the block opens: the hot path only quotes the text. */
interface OpenBlock {
  readonly block: Block
  readonly choice: number
  readonly head: string
  readonly tail: string
  /** Reasoning goes out twice, as text and as a typed detail: what stands between the two copies. */
  readonly middle: string
  /** The index in `reasoning_details` or `tool_calls`. */
  readonly ordinal: number
  /** Images go out whole: their base64 gathers here. */
  gathered: string
}

interface OpenChoice {
  calls: number
  details: number
  finished: boolean
}

/**
 * Events as chunks. The first chunk of a choice has the role; one chunk has its finish; the last one has the usage
 * and no choices; then `[DONE]`. A batch becomes one string.
 */
export function createEncoder(meta: ReplyMeta): Encoder {
  let head = headOf(meta, undefined)
  const blocks: (OpenBlock | undefined)[] = []
  const choices: OpenChoice[] = []
  let usage: JsonObject | undefined
  let over = false

  const chunk = (choice: number, delta: string, rest = ',"finish_reason":null'): string =>
    `${head},"choices":[{"index":${choice},"delta":${delta}${rest}}]}\n\n`

  /** The choice, and the chunk that introduces it when it is new. */
  const enter = (index: number): string => {
    let out = ''
    while (choices.length <= index) {
      out += chunk(choices.length, '{"role":"assistant","content":""}')
      choices.push({ calls: 0, details: 0, finished: false })
    }
    return out
  }

  const details = (choice: number, entry: JsonObject): string => chunk(choice, `{"reasoning_details":[${JSON.stringify(entry)}]}`)

  const open = (event: Extract<ChatEvent, { type: 'block-open' }>): string => {
    const { block, choice, index } = event
    const out = enter(choice)
    const state = choices[choice]!
    const wrap = (before: string, after: string, ordinal = 0, middle = ''): void => {
      const [front, back] = chunk(choice, `${before}\u0000${after}`).split('\u0000') as [string, string]
      blocks[index] = { block, choice, head: front, tail: back, middle, ordinal, gathered: '' }
    }
    switch (block.type) {
      case 'text': wrap('{"content":', '}'); return out
      case 'refusal': wrap('{"refusal":', '}'); return out
      case 'reasoning': {
        const ordinal = state.details++
        const kind = block.summary ? '"reasoning.summary","summary":' : '"reasoning.text","text":'
        const id = block.id === undefined ? '' : `"id":${JSON.stringify(block.id)},`
        wrap('{"reasoning":', `,${id}"format":${JSON.stringify(block.format ?? 'unknown')},"index":${ordinal}}]}`, ordinal, `,"reasoning_details":[{"type":${kind}`)
        return out
      }
      case 'tool-call': {
        const ordinal = state.calls++
        const custom = block.form === 'custom'
        wrap(`{"tool_calls":[{"index":${ordinal},${custom ? '"custom":{"input":' : '"function":{"arguments":'}`, '}}]}', ordinal)
        const body = custom ? { custom: { name: block.name, input: '' } } : { function: { name: block.name, arguments: '' } }
        return out + chunk(choice, JSON.stringify({ tool_calls: [{ index: ordinal, id: block.id, type: block.form, ...body }] }))
      }
      case 'media':
        wrap('{"audio":{"data":', '}}')
        if (block.kind !== 'audio') return out
        return out + chunk(choice, JSON.stringify({
          audio: { ...(block.id !== undefined && { id: block.id }), ...(block.expiresAt !== undefined && { expires_at: block.expiresAt }) },
        }))
      case 'native':
        wrap('{"content":', '}')
        // What another dialect made up has no word here; our own are details of reasoning.
        return block.dialect === 'openai-chat' && isDetail(block.value) ? out + details(choice, { ...block.value, index: state.details++ }) : out
    }
  }

  const delta = (event: Extract<ChatEvent, { type: 'block-delta' }>): string => {
    const at = blocks[event.index]
    if (!at) return ''
    if (at.middle !== '') {
      const text = JSON.stringify(event.text)
      return at.head + text + at.middle + text + at.tail
    }
    if (at.block.type === 'media' && at.block.kind !== 'audio') {
      at.gathered += event.text
      return ''
    }
    return at.block.type === 'native' ? '' : at.head + JSON.stringify(event.text) + at.tail
  }

  const close = (index: number, seal: Seal | undefined): string => {
    const at = blocks[index]
    if (!at) return ''
    blocks[index] = undefined
    const { block, choice } = at
    if (block.type === 'media' && block.kind === 'image') {
      const url = block.url ?? `data:${block.mime ?? 'image/png'};base64,${at.gathered}`
      return chunk(choice, JSON.stringify({ images: [{ type: 'image_url', image_url: { url } }] }))
    }
    if (!seal) return ''
    if (block.type === 'reasoning') return details(choice, sealEntry(seal, block.id, at.ordinal))
    return details(choice, callSealEntry(seal, block.type === 'tool-call' ? block.id : undefined, choices[choice]!.details++))
  }

  const note = (choice: number, of: Note): string => {
    const out = enter(choice)
    if (of.type === 'annotation') return out + chunk(choice, JSON.stringify({ annotations: [writeAnnotation(of.annotation)] }))
    if (of.type === 'transcript') return out + chunk(choice, JSON.stringify({ audio: { transcript: of.text } }))
    const logprobs = { content: of.content ?? null, refusal: of.refusal ?? null }
    return out + chunk(choice, '{"content":""}', `,"logprobs":${JSON.stringify(logprobs)},"finish_reason":null`)
  }

  const write = (event: ChatEvent): string => {
    switch (event.type) {
      case 'block-delta': return delta(event)
      case 'start':
        head = headOf(meta, event.fingerprint)
        return ''
      case 'block-open': return open(event)
      case 'block-close': return close(event.index, event.seal)
      case 'note': return note(event.choice, event.note)
      case 'usage':
        usage = writeUsage(event.usage, event.charge)
        return ''
      case 'finish': {
        const out = enter(event.choice)
        choices[event.choice]!.finished = true
        return out + chunk(event.choice, '{}', `,"finish_reason":"${event.reason}","native_finish_reason":${JSON.stringify(event.native ?? event.reason)}`)
      }
      case 'fault': {
        over = true
        const open = choices.flatMap((choice, index) => (choice.finished ? [] : [index]))
        return errorChunk(event.fault, meta, choices.length === 0 ? [0] : open, usage)
      }
    }
  }

  return {
    push(batch) {
      let out = ''
      for (const event of batch) if (!over) out += write(event)
      return out
    },
    end(metadata) {
      if (over) return ''
      over = true
      const rest = (usage ? `,"usage":${JSON.stringify(usage)}` : '') + (metadata ? `,"openrouter_metadata":${JSON.stringify(metadata)}` : '')
      return `${rest === '' ? '' : `${head},"choices":[]${rest}}\n\n`}data: [DONE]\n\n`
    },
  }
}

/** What every chunk begins with. A fingerprint that is not known is left out: `null` makes the official SDK throw. */
function headOf(meta: ReplyMeta, fingerprint: string | undefined): string {
  const fields = {
    id: meta.id,
    object: 'chat.completion.chunk',
    created: meta.created,
    model: meta.model,
    provider: meta.provider,
    ...(fingerprint !== undefined && { system_fingerprint: fingerprint }),
    ...(typeof meta.tier === 'string' && { service_tier: meta.tier }),
  }
  return `data: ${JSON.stringify(fields).slice(0, -1)}`
}

const isDetail = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && String((value as JsonObject)['type']).startsWith('reasoning.')
