import { createHash } from 'node:crypto'
import { inBreakpoints, inControls, withoutControls } from './breakpoints.ts'
import type { Flags } from './quirks.ts'
import type { Loose } from './wire.ts'

/** What is asked of the messages of a body. */
export interface MessageRules {
  readonly flags: Flags
  /** The endpoint's own id of the model: generations of one vendor differ in what they must get back. */
  readonly upstreamModel: string
  /** The model reasons: others have no place for thoughts in what they said. */
  readonly thinks: boolean
  /** The model takes OpenAI's own marks of a prompt cache. */
  readonly breakpoints: boolean
  /** JSON mode was asked for. */
  readonly json: boolean
}

/**
 * The messages of a body as an endpoint takes them. What needs no change stays the same object, and a list without a
 * change the same list, so that a large body can be spliced. Keys that only callers of a router send (`reasoning`,
 * `reasoning_details`, `images`, `annotations`, `model`) are a 400 at OpenAI and Groq: they go.
 */
export function adaptMessages(messages: readonly Loose[], rules: MessageRules): readonly Loose[] {
  const { flags } = rules
  let list = toolMediaOut(eachAdapted(messages, rules, replayRule(rules)))
  if (flags.noTools) list = withoutTools(list)
  if (flags.alternate) list = alternating(list)
  if (flags.prefix && list.at(-1)?.['role'] === 'assistant' && list.at(-1)!['prefix'] !== true) {
    list = [...list.slice(0, -1), { ...list.at(-1)!, prefix: true }]
  }
  if (flags.jsonWord && rules.json && !mentionsJson(list)) list = [{ role: 'system', content: 'Answer with JSON.' }, ...list]
  return list
}

/** Every message adapted; the list is copied when the first of them changes. */
function eachAdapted(messages: readonly Loose[], rules: MessageRules, replays: 'none' | 'loop' | 'all'): readonly Loose[] {
  const lastUser = replays === 'loop' ? messages.findLastIndex((message) => message['role'] === 'user') : -1
  let copy: Loose[] | null = null
  for (let at = 0; at < messages.length; at++) {
    const adapted = adaptMessage(messages[at]!, rules, replays === 'all' || (replays === 'loop' && at > lastUser))
    if (adapted === messages[at]) continue
    copy ??= [...messages]
    copy[at] = adapted
  }
  return copy ?? messages
}

/**
 * Which assistant turns get their reasoning back as text: R1-like models refuse it but in the tool loop behind the
 * last user message; later generations of the same vendor answer 400 when any turn lacks it, even an empty one.
 */
function replayRule({ flags, upstreamModel, thinks }: MessageRules): 'none' | 'loop' | 'all' {
  if (flags.replay === 'chunks') return thinks ? 'all' : 'none'
  if (flags.replay !== 'text') return 'none'
  return /(^|[^a-z0-9])r1([^0-9]|$)|reasoner/i.test(upstreamModel) ? 'loop' : 'all'
}

const ROUTER_ONLY = ['reasoning', 'reasoning_content', 'reasoning_details', 'images', 'annotations', 'model'] as const

function adaptMessage(message: Loose, { flags, breakpoints }: MessageRules, replay: boolean): Loose {
  let out = message
  const role = message['role']
  if (role === 'developer' && !flags.completionTokens && flags.control !== 'object') out = { ...out, role: 'system' }
  if (role === 'assistant') out = adaptAssistant(out, flags, replay)
  if (role === 'tool' && flags.nineIds) out = withNineId(out, 'tool_call_id')
  if (flags.cacheControl) return flags.breakpoints ? out : inControls(out)
  return breakpoints ? inBreakpoints(out) : withoutControls(out)
}

function adaptAssistant(message: Loose, flags: Flags, replay: boolean): Loose {
  let out = message
  if (flags.replay !== 'details' && ROUTER_ONLY.some((key) => key in message)) {
    const { reasoning, reasoning_content: alias, reasoning_details: details, images: _, annotations: __, model: ___, ...rest } = message
    out = rest
    if (replay) {
      const text = reasoning ?? alias ?? detailText(details)
      if (flags.replay === 'chunks') out = withThought(out, text)
      else for (const field of flags.reasoningFields) out = { ...out, [field]: text }
    }
  } else if (replay && flags.replay === 'text') {
    for (const field of flags.reasoningFields) if (typeof out[field] !== 'string') out = { ...out, [field]: '' }
  }
  const calls = out['tool_calls'] as Loose[] | null | undefined
  if (flags.nineIds && calls?.some((call) => !NINE.test(call['id']))) {
    out = { ...out, tool_calls: calls.map((call) => withNineId(call, 'id')) }
  }
  return out
}

/** A thought as the first chunk of the content, which Mistral sends so and takes back so. */
function withThought(message: Loose, text: unknown): Loose {
  if (typeof text !== 'string' || text === '') return message
  const content = message['content'] as string | Loose[] | null | undefined
  const said = typeof content === 'string' ? (content === '' ? [] : [{ type: 'text', text: content }]) : content ?? []
  return { ...message, content: [{ type: 'thinking', thinking: [{ type: 'text', text }] }, ...said] }
}

const detailText = (details: unknown): string =>
  (Array.isArray(details) ? details : []).map((detail: Loose) => detail['text'] ?? detail['summary'] ?? '').join('')

const NINE = /^[a-zA-Z0-9]{9}$/
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** An id of nine letters and digits, always the same for the same id, so that calls and results still meet. */
export function nineId(id: string): string {
  if (NINE.test(id)) return id
  const bytes = createHash('sha256').update(id).digest()
  let out = ''
  for (let i = 0; i < 9; i++) out += ALPHABET[bytes.readUInt16BE(i * 2) % ALPHABET.length]
  return out
}

const withNineId = (at: Loose, key: string): Loose =>
  (NINE.test(String(at[key])) ? at : { ...at, [key]: nineId(String(at[key])) })

/** Results of tools are text in this format: their media moves to a user message behind the run of results. */
function toolMediaOut(messages: readonly Loose[]): readonly Loose[] {
  if (!messages.some(hasMedia)) return messages
  const out: Loose[] = []
  let media: Loose[] = []
  for (const message of messages) {
    if (message['role'] !== 'tool' && media.length > 0) {
      out.push({ role: 'user', content: media })
      media = []
    }
    if (hasMedia(message)) {
      const parts = message['content'] as Loose[]
      media.push(...parts.filter((part) => part['type'] !== 'text'))
      const texts = parts.filter((part) => part['type'] === 'text')
      out.push({ ...message, content: texts.length > 0 ? texts : '' })
    } else out.push(message)
  }
  if (media.length > 0) out.push({ role: 'user', content: media })
  return out
}

const hasMedia = (message: Loose): boolean => message['role'] === 'tool' && Array.isArray(message['content'])
  && message['content'].some((part: Loose) => part['type'] !== 'text')

/** Calls and results as plain text, for search models that take no tools but continue such conversations. */
function withoutTools(messages: readonly Loose[]): readonly Loose[] {
  if (!messages.some((message) => message['role'] === 'tool' || message['tool_calls'])) return messages
  return messages.map((message) => {
    if (message['role'] === 'tool') return { role: 'user', content: message['content'] }
    if (!message['tool_calls']) return message
    const { tool_calls: calls, ...rest } = message
    const named = (calls as Loose[]).map((call) => call['function']?.name ?? call['custom']?.name).join(', ')
    return { ...rest, content: rest['content'] || `Called: ${named}` }
  })
}

/** Neighbours of one role become one message; a conversation that ends with the assistant gets an empty wish to go on. */
function alternating(messages: readonly Loose[]): readonly Loose[] {
  const out: Loose[] = []
  for (const message of messages) {
    const before = out.at(-1)
    if (before && before['role'] === message['role'] && message['role'] !== 'system') {
      out[out.length - 1] = { ...before, content: joined(before['content'], message['content']) }
    } else out.push(message)
  }
  if (out.at(-1)?.['role'] === 'assistant') out.push({ role: 'user', content: 'Continue.' })
  return out.length === messages.length && out.every((message, at) => message === messages[at]) ? messages : out
}

function joined(a: unknown, b: unknown): unknown {
  if (typeof a === 'string' && typeof b === 'string') return `${a}\n\n${b}`
  return [...asParts(a), ...asParts(b)]
}

const asParts = (content: unknown): Loose[] => (Array.isArray(content) ? content : content ? [{ type: 'text', text: content }] : [])

function mentionsJson(messages: readonly Loose[]): boolean {
  return messages.some(({ content }) => (typeof content === 'string' ? /json/i.test(content)
    : Array.isArray(content) && content.some((part: Loose) => typeof part['text'] === 'string' && /json/i.test(part['text']))))
}
