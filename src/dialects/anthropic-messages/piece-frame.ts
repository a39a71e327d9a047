import { placeOf, type Frame } from '../openai-chat/prefix-cache.ts'
import { isLoose, textOf, type Loose } from './wire.ts'

/** What stands around the string of events that are one piece of one block. */
export interface PieceFrame extends Frame {
  readonly block: number
  readonly type: PieceType
}

/** The deltas that are a piece of text and nothing else, with the field that has it. */
const FIELDS = { text_delta: 'text', thinking_delta: 'thinking', input_json_delta: 'partial_json' } as const
export type PieceType = keyof typeof FIELDS

/** A frame of an event whose only meaning is a piece; null of any other, and of one that says anything beside it. */
export function learn(data: string, value: Loose): PieceFrame | null {
  const { type, index, delta } = value
  if (type !== 'content_block_delta' || typeof index !== 'number' || !isLoose(delta) || Object.keys(value).length !== 3 || Object.keys(delta).length !== 2) return null
  const field = Object.hasOwn(FIELDS, textOf(delta['type'])) ? FIELDS[delta['type'] as PieceType] : undefined
  if (field === undefined || typeof delta[field] !== 'string') return null
  const place = placeOf(data, field, (of) => of['delta']?.[field])
  return place && { ...place, block: index, type: delta['type'] as PieceType }
}

const BLANK = 0x20

/** An event without the blanks before its last brace, by which Anthropic hides how long its pieces are. */
export function unpadded(data: string): string {
  let end = data.length - 1
  if (data.charCodeAt(end - 1) !== BLANK || data[end] !== '}') return data
  while (data.charCodeAt(end - 1) === BLANK) end--
  return `${data.slice(0, end)}}`
}
