import { crc32 } from 'node:zlib'

/** One event of a stream. `data` that is text goes out verbatim, anything else as JSON. `piece`: it has visible text. */
export interface Frame { event?: string; data: unknown; piece?: boolean }

/** Deviations of the framing itself; they fit every dialect that streams by SSE. */
export const FRAMING_SHAPES = {
  crlf: 'lines end in CRLF',
  cr: 'lines end in a lone CR',
  lf: 'lines end in LF, also where the vendor sends CRLF (Gemini)',
  comments: 'comment lines before and between events; a whole answer begins with blank lines (DeepSeek)',
  'no-space-after-data': '"data:{" without the blank',
  'multi-line-data': 'the JSON of an event is spread over several data lines',
  bom: 'a byte order mark before the first byte',
  'no-last-blank': 'no blank line after the last event',
  'no-done': 'the [DONE] mark is missing',
  'data-after-done': 'one more event after [DONE]',
} as const
export type FramingShape = keyof typeof FRAMING_SHAPES

/** Writes frames as server-sent events, one text per event. */
export function sse(frames: readonly Frame[], shapes: ReadonlySet<string>, usual: '\n' | '\r\n' = '\n'): string[] {
  const eol = shapes.has('crlf') ? '\r\n' : shapes.has('cr') ? '\r' : shapes.has('lf') ? '\n' : usual
  const space = shapes.has('no-space-after-data') ? '' : ' '
  const multi = shapes.has('multi-line-data')
  const kept = shapes.has('no-done') ? frames.filter((frame) => frame.data !== '[DONE]') : frames
  const events = kept.map(({ event, data }) => {
    const head = event === undefined ? '' : `event:${space}${event}${eol}`
    if (!multi || typeof data === 'string') return `${head}data:${space}${asText(data)}${eol}${eol}`
    const lines = JSON.stringify(data, null, 1).split('\n')
    return head + lines.map((line) => `data:${space}${line}${eol}`).join('') + eol
  })
  if (shapes.has('data-after-done')) events.push(`data:${space}{"late":true}${eol}${eol}`)
  if (shapes.has('comments')) {
    // Between and before: a reader that only skips comments at the start passes half of the test.
    events.forEach(
      (text, i) => { events[i] = `: ${i === 0 ? 'OPENROUTER PROCESSING' : 'keep-alive'}${eol}${i % 2 ? '' : eol}${text}` }
    )
  }
  if (shapes.has('bom') && events.length > 0) events[0] = `\ufeff${events[0]}`
  if (shapes.has('no-last-blank') && events.length > 0) events.push(events.pop()!.slice(0, -eol.length))
  return events
}

/** Writes frames as the JSON array that Gemini streams when nobody asks for `alt=sse`. */
export const jsonArray = (frames: readonly Frame[]): string[] =>
  frames.map(({ data }, i) => `${i === 0 ? '[' : ',\r\n'}${asText(data)}${i === frames.length - 1 ? '\n]' : ''}`)

/** Writes frames as lines, each a JSON object. Of the shapes only those fit that are about lines. */
export function ndjson(frames: readonly Frame[], shapes: ReadonlySet<string>): string[] {
  const eol = shapes.has('crlf') ? '\r\n' : '\n'
  const lines = frames.map(({ data }) => asText(data) + eol)
  if (shapes.has('no-last-blank') && lines.length > 0) lines.push(lines.pop()!.slice(0, -eol.length))
  return lines
}

/**
 * Writes frames as AWS's binary event stream: length, length of the headers, their CRC-32; headers; payload; the
 * CRC-32 of all before. `event` is the name of an event, or of an exception behind `exception:`.
 */
export const awsFrames = (frames: readonly Frame[]): Buffer[] => frames.map(({ event = '', data }) => {
  const [kind, name] = event.startsWith('exception:') ? ['exception', event.slice('exception:'.length)] : ['event', event]
  const headers = Buffer.concat([
    awsHeader(`:${kind}-type`, name), awsHeader(':content-type', 'application/json'), awsHeader(':message-type', kind)
  ])
  const payload = Buffer.from(asText(data))
  const prelude = Buffer.alloc(12)
  prelude.writeUInt32BE(16 + headers.length + payload.length, 0)
  prelude.writeUInt32BE(headers.length, 4)
  prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8)
  const body = Buffer.concat([prelude, headers, payload])
  const crc = Buffer.alloc(4)
  crc.writeUInt32BE(crc32(body))
  return Buffer.concat([body, crc])
})

/** The name with its length, the type of a text, the value with its length. */
function awsHeader(name: string, value: string): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(Buffer.byteLength(value))
  return Buffer.concat([Buffer.of(name.length), Buffer.from(name), Buffer.of(7), length, Buffer.from(value)])
}

const asText = (data: unknown) => (typeof data === 'string' ? data : JSON.stringify(data))
