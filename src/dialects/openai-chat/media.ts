import { fault, type Fault, type MediaKind, type MediaSource } from '../../core/index.ts'

const HTTP_URL = /^https?:\/\/[^\s/?#]+/i
const DATA_HEADER = /^data:([\w.+-]+\/[\w.+-]+)?((?:;[\w-]+=[^;,]*)*)(;base64)?,/i
/** Longer than any header of a data URL: the rest is base64 and is not searched. */
const HEADER_LENGTH = 256

/**
 * Where the bytes of a part are: a data URL is cut into media type and base64 without copying it, an http(s)
 * address stays one. Everything else is refused by its field; `file://` above all, which some servers would read
 * from their own disk.
 */
export function sourceOf(url: string, field: string, kind: MediaKind): { source: MediaSource } | { fault: Fault } {
  if (url.startsWith('data:')) {
    const header = DATA_HEADER.exec(url.slice(0, HEADER_LENGTH))
    if (!header) return refused(field, 'is not a data URL that can be read: it must look like "data:image/png;base64,…"')
    if (!header[3]) return refused(field, 'must be base64: "data:<media type>;base64,…"')
    if (url.length === header[0].length) return refused(field, 'holds no data')
    return { source: { from: 'data', mime: header[1]?.toLowerCase() ?? DEFAULT_MIME[kind], base64: url.slice(header[0].length) } }
  }
  if (HTTP_URL.test(url)) return { source: { from: 'url', url } }
  return refused(field, `must be an http(s) address or a data URL, is ${JSON.stringify(url.length > 40 ? `${url.slice(0, 40)}…` : url)}`)
}

/** A source as the one string that this wire format has for it. */
export function urlOf(source: MediaSource): string {
  if (source.from === 'data') return `data:${source.mime};base64,${source.base64}`
  return source.from === 'url' ? source.url : source.id
}

/** `input_audio.format` from a media type, and back. */
export const audioFormat = (mime: string): string => AUDIO_FORMATS[mime] ?? mime.slice(mime.indexOf('/') + 1)
export const audioMime = (format: string): string => AUDIO_MIMES[format] ?? `audio/${format}`

const AUDIO_MIMES: Readonly<Record<string, string>> = { mp3: 'audio/mpeg', m4a: 'audio/mp4' }
const AUDIO_FORMATS: Readonly<Record<string, string>> = { 'audio/mpeg': 'mp3', 'audio/mp4': 'm4a', 'audio/x-wav': 'wav', 'audio/wave': 'wav' }

const DEFAULT_MIME: Readonly<Record<MediaKind, string>> = {
  image: 'image/png', file: 'application/pdf', audio: 'audio/wav', video: 'video/mp4',
}

const refused = (field: string, what: string): { fault: Fault } =>
  ({ fault: fault('invalid-request', `${field}: ${what}`, { field, metadata: { error_type: 'invalid_request' } }) })
