import { readdirSync, readFileSync } from 'node:fs'
import { crc32 } from 'node:zlib'

/** A recorded stream of a fixture folder: its bytes, and the comment lines at its head that say what the endpoint is like. */
export interface RecordedStream {
  readonly file: string
  readonly name: string
  readonly bytes: Buffer
  readonly head: string
}

const KINDS = /\.(sse|ndjson|frames)$/

/**
 * The streams of a folder. Server-sent events stand as they are sent, since comments are part of the format; in the
 * other two the comment lines are taken out: `.ndjson` has a JSON object on each line, `.frames` a binary frame of
 * AWS, written as `event|exception|error NAME {json}`, or as `hex 0000…` where the bytes themselves matter.
 */
export function streamsIn(folder: URL): readonly RecordedStream[] {
  return readdirSync(folder).filter((file) => KINDS.test(file)).map((file) => {
    const bytes = readFileSync(new URL(file, folder))
    const name = file.replace(KINDS, '')
    if (file.endsWith('.sse')) return { file, name, bytes, head: bytes.toString('utf8', 0, 2048) }
    const [head, rest] = split(bytes.toString('utf8'))
    return { file, name, head, bytes: file.endsWith('.frames') ? Buffer.concat(rest.trim().split('\n').filter(Boolean).map(frameOf)) : Buffer.from(rest) }
  })
}

function split(text: string): readonly [head: string, rest: string] {
  const lines = text.split('\n')
  const at = lines.findIndex((line) => !line.startsWith(':'))
  return [lines.slice(0, at).join('\n'), lines.slice(at).join('\n')]
}

function frameOf(line: string): Buffer {
  if (line.startsWith('hex ')) return Buffer.from(line.slice(4).replaceAll(' ', ''), 'hex')
  const [, message = '', name = '', payload = ''] = /^(event|exception|error) (\S+) (.*)$/.exec(line) ?? []
  const kind = message === 'event' ? ':event-type' : message === 'exception' ? ':exception-type' : ':error-code'
  return frame({ ':message-type': message, [kind]: name, ':content-type': 'application/json' }, payload)
}

/** One frame of AWS's event stream: lengths, their CRC, headers of the type string, the payload, the CRC of all. */
export function frame(headers: Readonly<Record<string, string>>, payload: string): Buffer {
  const head = Buffer.concat(Object.entries(headers).map(([name, value]) => {
    const it = Buffer.alloc(1 + name.length + 3 + Buffer.byteLength(value))
    it.writeUInt8(name.length, 0)
    it.write(name, 1)
    it.writeUInt8(7, 1 + name.length)
    it.writeUInt16BE(Buffer.byteLength(value), 2 + name.length)
    it.write(value, 4 + name.length)
    return it
  }))
  const body = Buffer.from(payload)
  const whole = Buffer.alloc(12 + head.length + body.length + 4)
  whole.writeUInt32BE(whole.length, 0)
  whole.writeUInt32BE(head.length, 4)
  whole.writeUInt32BE(crc32(whole.subarray(0, 8)), 8)
  head.copy(whole, 12)
  body.copy(whole, 12 + head.length)
  whole.writeUInt32BE(crc32(whole.subarray(0, whole.length - 4)), whole.length - 4)
  return whole
}
