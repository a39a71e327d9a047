import { crc32 } from 'node:zlib'
import { viewOf } from '../json.ts'

/** A frame of AWS's binary event stream: the headers that are text, and the payload. */
export interface Frame {
  readonly headers: Readonly<Record<string, string>>
  readonly payload: Buffer
}

/** AWS sends at most 16 MiB of payload and 128 KiB of headers in a frame. */
const MAX_FRAME_BYTES = 17 * 1024 * 1024
const PRELUDE_BYTES = 12
const CRC_BYTES = 4
/** Bytes of a header's value by its type; 6 and 7 say their own length. */
const SIZE_OF_TYPE: Readonly<Record<number, number>> = { 0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16 }
const STRING_TYPE = 7

/**
 * Frames out of bytes, whatever the cuts between reads. Each frame is: its length, that of its headers, the CRC-32 of
 * these two; headers (length of the name, name, type, value); payload; the CRC-32 of everything before.
 */
export class FrameReader {
  /** What came is no such stream, or was damaged on the way: nothing is read any more. */
  broken = false
  private kept: Buffer[] = []
  private keptBytes = 0
  /** The whole length of the frame that is being waited for; 0 while its prelude is not there. */
  private wanted = 0

  /** A frame that was begun and never came to its end. */
  get partial(): boolean { return this.keptBytes > 0 }

  push(bytes: Uint8Array): readonly Frame[] {
    if (this.broken || bytes.length === 0) return NONE
    this.keptBytes += bytes.length
    // A copy of what stays: the caller may reuse its buffer.
    if (this.keptBytes < Math.max(this.wanted, PRELUDE_BYTES)) {
      this.kept.push(Buffer.from(bytes))
      return NONE
    }
    const all = this.kept.length > 0 ? Buffer.concat([...this.kept, bytes]) : viewOf(bytes)
    const frames: Frame[] = []
    let at = 0
    while (all.length - at >= PRELUDE_BYTES) {
      const length = all.readUInt32BE(at)
      const headers = all.readUInt32BE(at + 4)
      const sane = length <= MAX_FRAME_BYTES && headers <= length - PRELUDE_BYTES - CRC_BYTES && length >= PRELUDE_BYTES + CRC_BYTES
      if (!sane || crc32(all.subarray(at, at + 8)) !== all.readUInt32BE(at + 8)) return this.fail(frames)
      this.wanted = length
      if (all.length - at < length) break
      const end = at + length - CRC_BYTES
      if (crc32(all.subarray(at, end)) !== all.readUInt32BE(end)) return this.fail(frames)
      const read = readHeaders(all.subarray(at + PRELUDE_BYTES, at + PRELUDE_BYTES + headers))
      if (!read) return this.fail(frames)
      frames.push({ headers: read, payload: all.subarray(at + PRELUDE_BYTES + headers, end) })
      at += length
      this.wanted = 0
    }
    this.keptBytes = all.length - at
    this.kept = this.keptBytes > 0 ? [Buffer.from(all.subarray(at))] : []
    return frames
  }

  private fail(frames: readonly Frame[]): readonly Frame[] {
    this.broken = true
    return frames
  }
}

function readHeaders(bytes: Buffer): Record<string, string> | null {
  const headers: Record<string, string> = {}
  let at = 0
  while (at < bytes.length) {
    const nameEnd = at + 1 + bytes[at]!
    const type = bytes[nameEnd]
    if (type === undefined) return null
    const name = bytes.toString('utf8', at + 1, nameEnd)
    at = nameEnd + 1
    let size = SIZE_OF_TYPE[type]
    if (type === 6 || type === STRING_TYPE) {
      if (at + 2 > bytes.length) return null
      size = bytes.readUInt16BE(at)
      at += 2
    }
    if (size === undefined || at + size > bytes.length) return null
    if (type === STRING_TYPE && name !== '__proto__') headers[name] = bytes.toString('utf8', at, at + size)
    at += size
  }
  return headers
}

const NONE: readonly Frame[] = Object.freeze([])
