import type { Loose } from '../asked.ts'
import type { Frame } from '../frames.ts'

interface MessagesDeviation { says: string; stream?(frames: readonly Frame[]): readonly Frame[] }

const delta0 = (delta: Loose): Frame =>
  ({ event: 'content_block_delta', data: { type: 'content_block_delta', index: 0, delta } })
const overloaded: Frame = {
  event: 'error',
  data: { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' }, request_id: 'req_fake' },
}
const ping: Frame = { event: 'ping', data: { type: 'ping' } }
const dataOf = (frame: Frame) => frame.data as Loose
const isType = (type: string) => (frame: Frame) => frame.event === type
const edited = (frame: Frame, data: Loose): Frame => ({ ...frame, data: { ...dataOf(frame), ...data } })
const insertBefore = (type: string, ...extra: Frame[]) => (frames: readonly Frame[]) => {
  const at = frames.findIndex(isType(type))
  return [...frames.slice(0, at), ...extra, ...frames.slice(at)]
}

/** What readers of this dialect meet besides the manual. Native finish words (`refusal`, `pause_turn`) are `finish`. */
export const MESSAGES_SHAPES = {
  pings: {
    says: 'pings everywhere: before the first block, between its start and its deltas, before the end',
    stream: (frames) => frames.flatMap((frame) => [ping, frame]),
  },
  'no-pings': { says: 'no ping at all', stream: (frames) => frames.filter((frame) => frame.event !== 'ping') },
  padded: {
    says: 'blanks inside the JSON before the last brace',
    stream: (frames) => frames.map((frame, i) => ({
      ...frame, data: JSON.stringify(frame.data).slice(0, -1) + ' '.repeat(i % 9) + '}'
    })),
  },
  'full-input-in-start': {
    says: 'the whole tool input in content_block_start, no deltas (programmatic callers)',
    stream: (frames) => {
      const inputs = new Map<number, string>()
      for (const { index, delta } of frames.map(dataOf)) {
        if (delta?.type === 'input_json_delta') inputs.set(index, (inputs.get(index) ?? '') + delta.partial_json)
      }
      return frames.flatMap((frame) => {
        const { index, content_block: block, delta } = dataOf(frame)
        if (delta?.type === 'input_json_delta') return []
        return block?.type === 'tool_use'
          ? [edited(frame, { content_block: { ...block, input: JSON.parse(inputs.get(index) || '{}') } })]
          : [frame]
      })
    },
  },
  'duplicate-message-start': { says: 'message_start twice', stream: (frames) => [frames[0]!, ...frames] },
  'spliced-message-start': {
    says: 'a broken attempt first: its block is never closed, then message_start again with the indices from 0',
    stream: (frames) => [frames[0]!,
      {
        event: 'content_block_start',
        data: { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }
      },
      delta0({ type: 'text_delta', text: 'abandoned' }), ...frames],
  },
  'thinking-omitted': { says: 'thinking is empty, only its signature is there (display: omitted)' },
  'revised-input-tokens': {
    says: 'message_start counts less input than message_delta',
    stream: (frames) => frames.map((frame, i) => {
      const { message } = dataOf(frame)
      const usage = message?.usage
      return i === 0 && usage
        ? edited(
          frame, { message: { ...message, usage: { ...usage, input_tokens: Math.floor(usage.input_tokens / 2) } } }
        )
        : frame
    }),
  },
  'usage-delta-output-only': {
    says: 'message_delta counts output only, the rest was in message_start (older models, most bridges)',
    stream: (frames) => frames.map((frame) => (frame.event === 'message_delta' && dataOf(frame).usage
      ? edited(frame, { usage: { output_tokens: dataOf(frame).usage.output_tokens } }) : frame)),
  },
  'error-event': {
    says: 'an overloaded_error event where the end was due',
    stream: (frames) => [...frames.slice(0, frames.findIndex(isType('message_delta'))),
      overloaded],
  },
  'error-first': {
    says: 'an overloaded_error event as the first event',
    stream: () => [{
      event: 'error',
      data: { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' }, request_id: 'req_fake' }
    }],
  },
  'unknown-events': {
    says: 'an event type and a delta type that nobody knows yet',
    stream: insertBefore('content_block_stop', { event: 'novelty', data: { type: 'novelty', index: 0 } },
      delta0({ type: 'novel_delta', value: 1 })),
  },
  'no-event-lines': {
    says: 'no event: lines, the type is only in the JSON',
    stream: (frames) => frames.map(({ data, piece }) => ({ data, piece }))
  },
  'no-message-stop': {
    says: 'the stream ends after message_delta',
    stream: (frames) => frames.filter((frame) => frame.event !== 'message_stop')
  },
} satisfies Record<string, MessagesDeviation>
export type MessagesShape = keyof typeof MESSAGES_SHAPES

/** In the order of the table, except that padding turns data into text and so comes last. */
export function reshapeMessages(frames: readonly Frame[], shapes: ReadonlySet<string>): readonly Frame[] {
  const { padded, ...others } = MESSAGES_SHAPES as Record<string, MessagesDeviation>
  const found = Object.entries({ ...others, padded }).flatMap(([name, shape]) => (
    shapes.has(name) && shape?.stream ? [shape.stream] : []
  ))
  return found.reduce((sum, reshape) => reshape(sum), frames)
}
