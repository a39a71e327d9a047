/**
 * JSON of some vendor's shape, read and rebuilt field by field. Typing three vendors' whole protocols here would be
 * a second set of wire types that agrees with our own.
 */
// oxlint-disable-next-line typescript/no-explicit-any
export type Foreign = any
export type Loose = Record<string, Foreign>

/** What a caller sent besides text: `bytes` of inline data, or the address it named. */
export interface Media { kind: 'image' | 'audio' | 'video' | 'file'; mediaType: string; bytes?: number; url?: string }

/** One turn of the conversation, no dialect's words in it. */
export interface Turn { role: 'system' | 'user' | 'assistant' | 'tool'; text: string; media?: readonly Media[] }

export interface Tool { name: string; schema?: unknown; form?: 'function' | 'custom' }

/** What the fake understood of a request: enough to answer sensibly and to assert on. */
export interface Asked {
  dialect: string
  model: string
  stream: boolean
  /** Only OpenAI's dialect asks: report usage in the stream. */
  usageInStream?: boolean
  obfuscate?: boolean
  turns: readonly Turn[]
  tools: readonly Tool[]
  choice: 'auto' | 'none' | 'required' | { name: string }
  /** `true` for any JSON object, else the JSON Schema. */
  format?: unknown
  effort?: string
  showReasoning?: boolean
  stop: readonly string[]
  maxTokens?: number
  choices: number
  logprobs: boolean
  /** The whole request, of operations that are no conversations. */
  body?: Loose
  /** Why the real provider would refuse this request with a 400. */
  problem?: string
}

/** What the echo answers to: the last turn, its order if it begins with `#fake`, and the words of the whole prompt. */
export function heard(
  turns: readonly Turn[],
): { text: string; words: number; media: readonly Media[]; order?: string; fromTool: boolean } {
  const last = turns.findLast((turn) => turn.role === 'user' || turn.role === 'tool')
  const speakers = [last, turns.find((turn) => turn.role === 'system')]
  const ordering = speakers.find((turn) => turn?.text.startsWith('#fake '))
  const [line = '', ...rest] = ordering?.text.split('\n') ?? []
  const textOf = (turn: Turn) => (turn === ordering ? rest.join('\n') : turn.text)
  return {
    text: last ? textOf(last).trim() : '',
    words: turns.reduce((sum, turn) => sum + countWords(textOf(turn)), 0),
    media: turns.flatMap((turn) => turn.media ?? []),
    order: ordering && line.slice('#fake '.length).trim(),
    fromTool: last?.role === 'tool',
  }
}

export const countWords = (text: string) => text.match(/\S+/g)?.length ?? 0

/** Reads an address that may be a data URL: its media type and decoded size, or the address itself. */
export function mediaOf(kind: Media['kind'], url: string, mediaType = 'unknown'): Media {
  const match = /^data:([^;,]*)(?:;[^,]*)?,/.exec(url)
  if (!match) return { kind, mediaType, url }
  return { kind, mediaType: match[1] || mediaType, bytes: Buffer.byteLength(url.slice(match[0].length), 'base64') }
}

export const list = (value: unknown): Loose[] => (
  Array.isArray(value) ? value.filter((it) => typeof it === 'object' && it !== null) : []
)
export const texts = (value: unknown): string[] =>
  typeof value === 'string' ? [value] : Array.isArray(value) ? value.filter((it) => typeof it === 'string') : []
export const count = (value: unknown): number | undefined => (
  Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : undefined
)
