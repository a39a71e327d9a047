import { countWords, heard } from './asked.ts'
import type { Asked, Media } from './asked.ts'
import { instanceOf } from './instance.ts'
import { joined } from './order.ts'
import type { Call, Order, Part, TokenLogprob, Usage } from './order.ts'

/** An answer without any dialect's words, ready to be written in one. */
export interface Reply {
  readonly serial: number
  readonly model: string
  readonly parts: readonly Part[]
  /** stop, length, tool_calls, content_filter; or a native word, to be sent verbatim. */
  readonly finish: string
  /** The stop sequence that ended the text. */
  readonly stop?: string
  readonly usage?: Usage
  readonly logprobs?: readonly TokenLogprob[]
}

const SPEECH = [
  'text', 'reasoning', 'signature', 'encrypted', 'calls', 'refusal', 'citations', 'images', 'audio', 'parts'
] as const

/** What to say to a request under an order: what the order says, or the echo when it says nothing. */
export function replyTo(asked: Asked, order: Order, serial: number): Reply {
  const spoken = SPEECH.some((key) => order[key] !== undefined)
  const said: Pick<Reply, 'parts' | 'finish' | 'stop'> = spoken ? ordered(order) : echo(asked)
  const parts = order.hugeEvent === undefined ? said.parts
    : [...said.parts, { type: 'text' as const, text: ['x'.repeat(order.hugeEvent)] }]
  const text = parts.flatMap(
    (part) => (part.type === 'text' && typeof part.text === 'string' ? part.text.match(/\s*\S+/g) ?? [] : [])
  )
  return {
    serial, parts,
    model: order.model ?? asked.model,
    finish: order.finish ?? said.finish,
    stop: said.stop,
    usage: order.usage === null ? undefined : { ...counted(asked, parts), ...order.usage },
    logprobs: order.logprobs ?? (
      asked.logprobs ? text.map((token, i) => ({ token, logprob: -(i + 1) / 8 })) : undefined
    ),
  }
}

function ordered(order: Order): Pick<Reply, 'parts' | 'finish'> {
  const parts: Part[] = []
  if (order.reasoning !== undefined || order.signature !== undefined) {
    parts.push({ type: 'reasoning', text: order.reasoning ?? '', signature: order.signature })
  }
  if (order.encrypted !== undefined) parts.push({ type: 'sealed', data: order.encrypted })
  if (order.refusal !== undefined) parts.push({ type: 'refusal', text: order.refusal })
  if (order.text !== undefined || order.citations) {
    parts.push({ type: 'text', text: order.text ?? '', citations: order.citations })
  }
  for (const image of order.images ?? []) parts.push({ type: 'image', ...image })
  if (order.audio) parts.push({ type: 'audio', ...order.audio })
  for (const call of order.calls ?? []) parts.push({ type: 'call', ...call })
  const all = order.parts ?? parts
  return { parts: all, finish: all.some((part) => part.type === 'call') ? 'tool_calls' : 'stop' }
}

/**
 * The default answer: calls a tool when told to, fills a demanded schema, otherwise repeats the last user's text and
 * adds a line for the media and the reasoning effort that arrived. A word is a token.
 */
function echo(asked: Asked): Pick<Reply, 'parts' | 'finish' | 'stop'> {
  const { text, media, fromTool } = heard(asked.turns)
  const tool = toolWanted(asked, fromTool ? '' : text)
  if (tool) {
    const call: Call = {
      name: tool.name, form: tool.form,
      arguments: tool.form === 'custom' ? text : JSON.stringify(instanceOf(tool.schema) ?? {})
    }
    return { parts: [{ type: 'call', ...call }], finish: 'tool_calls' }
  }
  const effort = asked.effort === undefined ? [] : [`effort: ${asked.effort}`]
  const whole = asked.format === undefined ? [text || 'ok', ...describe(media), ...effort].join('\n')
    : asked.format === true ? JSON.stringify({ echo: text }) : JSON.stringify(instanceOf(asked.format))
  const stop = asked.stop.filter((sequence) => sequence && whole.includes(sequence))
    .toSorted((a, b) => whole.indexOf(a) - whole.indexOf(b))[0]
  const stopped = stop === undefined ? whole : whole.slice(0, whole.indexOf(stop))
  const words = stopped.match(/\s*\S+/g) ?? []
  const long = asked.maxTokens !== undefined && words.length > asked.maxTokens
  const parts: Part[] = [{ type: 'text', text: long ? words.slice(0, asked.maxTokens).join('') : stopped }]
  if (asked.showReasoning) {
    parts.unshift({ type: 'reasoning', text: 'Weighing the request.', signature: 'c2lnbmVkLWJ5LWZha2U=' })
  }
  return { parts, finish: long ? 'length' : 'stop', stop: long ? undefined : stop }
}

function toolWanted({ tools, choice }: Asked, text: string) {
  if (choice === 'none' || tools.length === 0) return undefined
  if (typeof choice === 'object') return tools.find((tool) => tool.name === choice.name)
  const named = /\bcall (?:the )?([\w.-]+)/i.exec(text)?.[1]
  return tools.find((tool) => tool.name === named) ?? (choice === 'required' || named === 'tool' ? tools[0] : undefined)
}

/** "1 image, image/png, 68 bytes": a line for each kind and media type. */
function describe(media: readonly Media[]): string[] {
  const groups = Map.groupBy(media, (it) => `${it.kind}, ${it.url === undefined ? it.mediaType : 'by address'}`)
  return [...groups].map(([name, items]) => {
    const [kind, type] = name.split(', ')
    const bytes = items[0]!.url === undefined ? `, ${items.reduce((sum, it) => sum + (it.bytes ?? 0), 0)} bytes` : ''
    return `${items.length} ${kind}${items.length > 1 ? 's' : ''}, ${type}${bytes}`
  })
}

function counted(asked: Asked, parts: readonly Part[]): Usage {
  let output = 0
  let reasoning = 0
  for (const part of parts) {
    if (part.type === 'reasoning') reasoning += countWords(joined(part.text))
    if (part.type === 'text' || part.type === 'refusal') output += countWords(joined(part.text))
    if (part.type === 'call') output += countWords(joined(part.arguments ?? ''))
  }
  return {
    input: heard(asked.turns).words, output: (output + reasoning) * asked.choices, reasoning: reasoning * asked.choices
  }
}
