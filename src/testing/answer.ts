import type { Asked } from './asked.ts'
import { ERROR_WORDS } from './dialects/dialect.ts'
import type { FakeDialect } from './dialects/dialect.ts'
import { FRAMING_SHAPES, jsonArray, sse } from './frames.ts'
import type { Order } from './order.ts'
import type { Answer } from './perform.ts'
import { replyTo } from './reply.ts'

/** The bytes that answer a request under an order. Throws a TypeError when the dialect has no such shape. */
export function answerOf(dialect: FakeDialect, asked: Asked, order: Order, serial: number, query: string): Answer {
  const shapes = new Set<string>(order.shapes)
  for (const name of shapes) {
    if (name in FRAMING_SHAPES || name in dialect.shapes) continue
    const known = [...Object.keys(dialect.shapes), ...Object.keys(FRAMING_SHAPES)]
    throw new TypeError(`${dialect.name} has no shape "${name}"; it has ${known.join(', ')}`)
  }
  if (order.body === undefined && order.status !== undefined && order.status !== 200) {
    return withHeaders(
      errorAnswer(dialect, order.status, ERROR_WORDS[order.status] ?? 'The request failed.', shapes, serial), order
    )
  }
  const filler = asked.stream ? ': keep-alive\n\n' : '\n'
  const send = (type: string, rest: Pick<Answer, 'events' | 'stream' | 'loop'>): Answer => withHeaders(
    { status: order.status ?? 200, headers: { 'content-type': type, ...dialect.headers(serial) }, filler, ...rest },
    order,
  )
  if (order.body !== undefined) {
    const text = typeof order.body === 'string' ? order.body : JSON.stringify(order.body)
    return send('application/json', { events: [text], stream: false })
  }
  const reply = replyTo(asked, order, serial)
  if (!asked.stream) {
    const text = JSON.stringify(merged(dialect.whole(reply, asked, shapes), order.extra))
    const loop = { after: 0, text: `{"endless":"${'x'.repeat(1024)}` }
    return send('application/json', { events: [shapes.has('comments') ? `\n\n${text}` : text], stream: false, loop })
  }
  const frames = (order.events?.map((data) => ({ data, piece: false })) ?? dialect.stream(reply, asked, shapes))
    .map((frame) => ({ ...frame, data: merged(frame.data, order.extra) }))
  const array = dialect.arrayStream?.(query) ?? false
  const { framing } = dialect
  const events = framing ? framing.write(frames, shapes) : array ? jsonArray(frames) : sse(frames, shapes, dialect.eol)
  const at = frames.findLastIndex((frame) => frame.piece)
  const loop = { after: at + 1, text: events[at] ?? filler }
  const type = framing?.type ?? (array ? 'application/json; charset=UTF-8' : 'text/event-stream; charset=utf-8')
  return send(type, { events, stream: true, loop })
}

/** An error as the dialect words it. */
export function errorAnswer(
  dialect: FakeDialect, status: number, message: string, shapes: ReadonlySet<string>, serial: number,
): Answer {
  const body = status === 204 || status === 304 ? '' : JSON.stringify(dialect.error(status, message, shapes))
  return {
    status, headers: { 'content-type': 'application/json', ...dialect.headers(serial), ...dialect.errorHeaders?.(status) },
    events: [body], stream: false,
    filler: '\n'
  }
}

const withHeaders = (answer: Answer, { headers }: Order): Answer => (
  { ...answer, headers: { ...answer.headers, ...headers } }
)
const merged = (value: unknown, extra: Order['extra']) => (
  extra && typeof value === 'object' ? { ...value, ...extra } : value
)
