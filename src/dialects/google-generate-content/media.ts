import { fault, type Fault, type MediaKind, type MediaPart } from '../../core/index.ts'
import type { Traits } from './traits.ts'
import type { WirePart } from './wire.ts'

/** Files of Google's own: uploaded ones, storage, and video on YouTube. Every generation takes these. */
const OWN = /^(gs:\/\/|https:\/\/generativelanguage\.googleapis\.com\/\S*\bfiles\/|https:\/\/storage\.cloud\.google\.com\/)/i
const YOUTUBE = /^https?:\/\/((www|m|music)\.)?(youtube\.com\/|youtu\.be\/)/i
const UPLOADED = /^(?:files\/)([\w-]+)$/
const FILES = 'https://generativelanguage.googleapis.com/v1beta/files/'

/**
 * A media part for the wire: bytes as `inlineData`, an address as `fileData`. Which addresses are taken depends on
 * the generation: newer models fetch any, older ones only Google's own and YouTube. `field` names the part.
 */
export function writeMedia(part: MediaPart, traits: Traits, field: string): { readonly part: WirePart } | { readonly fault: Fault } {
  const { source, kind } = part
  if (source.from === 'data') return { part: { inlineData: { mimeType: source.mime, data: source.base64 } } }
  if (source.from === 'id') {
    const uploaded = UPLOADED.exec(source.id)
    if (uploaded) return { part: { fileData: { mimeType: mimeOf(part.name ?? '', kind), fileUri: FILES + uploaded[1]! } } }
    return refused(field, 'names a file by an id of another provider; send the file itself as a data URL, or an id like "files/…"')
  }
  if (YOUTUBE.test(source.url)) return { part: { fileData: { mimeType: 'video/mp4', fileUri: source.url } } }
  if (isFetched(source.url, traits)) {
    return { part: { fileData: { mimeType: mimeOf(part.name ?? source.url, kind, source.url), fileUri: source.url } } }
  }
  return refused(field, 'is an address that this model does not fetch; send the bytes as a data URL ("data:image/png;base64,…")')
}

/** Whether a model fetches an address itself. */
export function isFetched(url: string, traits: Traits): boolean {
  return YOUTUBE.test(url) || OWN.test(url) || traits.fetches
}

const TYPES: Readonly<Record<string, string>> = {
  png: 'image/png', jpg: 'image/jpeg', jpeg: 'image/jpeg', webp: 'image/webp', gif: 'image/gif', heic: 'image/heic', heif: 'image/heif',
  pdf: 'application/pdf', txt: 'text/plain', md: 'text/markdown', csv: 'text/csv', html: 'text/html', htm: 'text/html', xml: 'text/xml', json: 'application/json',
  mp3: 'audio/mpeg', wav: 'audio/wav', aac: 'audio/aac', flac: 'audio/flac', ogg: 'audio/ogg', m4a: 'audio/mp4', aiff: 'audio/aiff',
  mp4: 'video/mp4', mov: 'video/quicktime', webm: 'video/webm', mpeg: 'video/mpeg', mpg: 'video/mpeg', avi: 'video/x-msvideo', wmv: 'video/x-ms-wmv',
}
const USUAL: Readonly<Record<MediaKind, string>> = { image: 'image/jpeg', file: 'application/pdf', audio: 'audio/mpeg', video: 'video/mp4' }

/** The media type that the ending of a name or of an address tells, else the usual one of its kind. */
function mimeOf(name: string, kind: MediaKind, url = ''): string {
  for (const at of [name, url]) {
    const ending = /\.(\w{2,5})(?:[?#]|$)/.exec(at)?.[1]
    const known = ending && TYPES[ending.toLowerCase()]
    if (known) return known
  }
  return USUAL[kind]
}

const refused = (field: string, what: string): { fault: Fault } =>
  ({ fault: fault('invalid-request', `${field}: ${what}`, { field }) })
