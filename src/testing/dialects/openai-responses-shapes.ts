import type { Loose } from '../asked.ts'
import type { Frame } from '../frames.ts'

interface ResponsesDeviation { says: string; stream?(frames: readonly Frame[]): readonly Frame[] }

const dataOf = (frame: Frame) => frame.data as Loose
const typeOf = (frame: Frame): string => dataOf(frame).type
const edited = (frame: Frame, data: Loose): Frame => ({ ...frame, data: { ...dataOf(frame), ...data } })
/** Counts the events anew, as a server that sends other ones does. */
const counted = (frames: readonly Frame[]): readonly Frame[] => frames.map((frame, sequence_number) => edited(frame, { sequence_number }))
const framed = (data: Loose): Frame => ({ event: data.type, data })
const FAILURE = { code: 'server_error', message: 'The model is overloaded.' }
const failed = (frames: readonly Frame[]): Frame =>
  framed({ type: 'response.failed', response: { ...dataOf(frames[0]!).response, status: 'failed', error: FAILURE } })
const ENDS = ['response.completed', 'response.incomplete']

/** What readers of this dialect meet besides the manual. */
export const RESPONSES_SHAPES = {
  'rotating-ids': {
    says: 'every event has another item id (Copilot)',
    stream: (frames) => frames.map((frame, i) => {
      const { item, item_id: id } = dataOf(frame)
      return edited(frame, { ...(id ? { item_id: `${id}_${i}` } : {}), ...(item ? { item: { ...item, id: `${item.id}_${i}` } } : {}) })
    }),
  },
  'no-argument-deltas': {
    says: 'the arguments of a call come whole, in .done (LM Studio)',
    stream: (frames) => counted(frames.filter((frame) => typeOf(frame) !== 'response.function_call_arguments.delta')),
  },
  'only-completed': {
    says: 'nothing but the response at its beginning and at its end',
    stream: (frames) => counted(frames.filter((frame) => ['response.created', ...ENDS].includes(typeOf(frame)))),
  },
  'reasoning-closed-late': {
    says: 'the reasoning item is done after the message, under another id at the end (OpenRouter)',
    stream: (frames) => {
      const at = frames.findIndex((frame) => typeOf(frame) === 'response.output_item.done' && dataOf(frame).item.type === 'reasoning')
      const end = frames.findIndex((frame) => ENDS.includes(typeOf(frame)))
      if (at < 0) return frames
      const { response } = dataOf(frames[end]!)
      const renamed = response.output.map((item: Loose) => (item.type === 'reasoning' ? { ...item, id: `${item.id}_again` } : item))
      const last = edited(frames[end]!, { response: { ...response, output: renamed } })
      return counted([...frames.slice(0, at), ...frames.slice(at + 1, end), frames[at]!, last])
    },
  },
  'responses-done': {
    says: '[DONE] after the last event (OpenRouter, vLLM)',
    stream: (frames) => [...frames, { data: '[DONE]' }],
  },
  'responses-no-event-lines': {
    says: 'no event: lines, the type is only in the JSON',
    stream: (frames) => frames.map(({ data, piece }) => ({ data, piece })),
  },
  'responses-unknown-events': {
    says: 'an event and an item of a type that nobody knows yet',
    stream: (frames) => {
      const item = { type: 'novelty_call', id: 'nv_fake', status: 'completed' }
      const news = [framed({ type: 'response.output_item.added', output_index: 90, item }), framed({ type: 'response.novelty.delta', delta: 1 }),
        framed({ type: 'response.output_item.done', output_index: 90, item })]
      return counted([...frames.slice(0, 2), ...news, ...frames.slice(2)])
    },
  },
  'error-nested': {
    says: 'a nested error event where the end was due, and response.failed behind it (OpenAI)',
    stream: (frames) => counted([...frames.slice(0, -1), framed({ type: 'error', error: { type: 'server_error', ...FAILURE, param: null } }), failed(frames)]),
  },
  'error-flat': {
    says: 'a flat error event where the end was due (older servers)',
    stream: (frames) => counted([...frames.slice(0, -1), framed({ type: 'error', ...FAILURE, param: null })]),
  },
  'failed-first': {
    says: 'a 200 whose first event after the beginning is response.failed (xAI, proxies)',
    stream: (frames) => counted([frames[0]!, failed(frames)]),
  },
  'no-end': {
    says: 'the stream closes after its last item, without response.completed',
    stream: (frames) => frames.slice(0, -1),
  },
} satisfies Record<string, ResponsesDeviation>
export type ResponsesShape = keyof typeof RESPONSES_SHAPES

/** In the order of the table, except that what takes the events' names away comes last. */
export function reshapeResponses(frames: readonly Frame[], shapes: ReadonlySet<string>): readonly Frame[] {
  const { 'responses-no-event-lines': bare, 'responses-done': done, ...others } = RESPONSES_SHAPES as Record<string, ResponsesDeviation>
  const found = Object.entries({ ...others, 'responses-no-event-lines': bare, 'responses-done': done })
    .flatMap(([name, shape]) => (shapes.has(name) && shape?.stream ? [shape.stream] : []))
  return found.reduce((sum, reshape) => reshape(sum), frames)
}
