import type { Outbound, Target } from '../dialects/index.ts'
import { rewrite, type ChatRequest, type EmbedRequest, type MediaKind, type MediaPart, type Operation, type Part } from '../core/index.ts'
import type { GuardedFetch } from '../net/index.ts'

/** What has been downloaded for a call: an address is fetched once, whatever is tried after. */
export type Downloads = Map<string, Promise<{ readonly mime: string; readonly bytes: Uint8Array }>>

const MAX_BYTES = 20 * 1024 * 1024
const TIMEOUT_MS = 10_000
const TYPES: Readonly<Record<MediaKind, RegExp>> = {
  image: /^image\//, audio: /^audio\//, video: /^video\//, file: /^(application\/|text\/)/,
}

/**
 * The request with the media that its provider will not fetch put in as bytes. The addresses are the caller's, so
 * they are fetched under guard. Rejects with a FaultError that names the part.
 */
export async function inlined<Request extends Operation['request']>(
  request: Request, outbound: Fetching, target: Target, fetch: GuardedFetch, downloads: Downloads,
): Promise<Request> {
  if (!outbound.fetches || !someUnfetched(request, outbound, target)) return request
  const brought = <P extends Part>(parts: readonly P[], place: string): Promise<readonly P[]> => Promise.all(parts.map(async (part, p): Promise<P> => {
    const url = unfetched(part, outbound, target)
    if (url === null) return part
    const media = part as MediaPart
    const field = `${place}.content[${p}]`
    let download = downloads.get(url)
    if (!download) downloads.set(url, download = fetch(url, { maxBytes: MAX_BYTES, timeoutMs: TIMEOUT_MS, types: TYPES[media.kind], field }))
    const { mime, bytes } = await download
    return { ...part, source: { from: 'data', mime, base64: await base64Of(bytes) } }
  }))
  if ('messages' in request) {
    const messages = await Promise.all(request.messages.map(async (message, m) => ({ ...message, parts: await brought(message.parts, `messages[${m}]`) })))
    return rewrite(request as ChatRequest, { messages }) as Request
  }
  const { origin: _, ...rest } = request as EmbedRequest
  const inputs = await Promise.all(rest.inputs.map(async (input, i) => ('parts' in input ? { parts: await brought(input.parts, `input[${i}]`) } : input)))
  return { ...rest, inputs } as EmbedRequest as Request
}

/** Bytes of which as much is written in one turn of the loop as takes a millisecond or two; three become four letters. */
const TURN_BYTES = 3 * 1024 * 1024

async function base64Of(bytes: Uint8Array): Promise<string> {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let text = whole.toString('base64', 0, TURN_BYTES)
  for (let at = TURN_BYTES; at < whole.length; at += TURN_BYTES) {
    await new Promise(setImmediate)
    text += whole.toString('base64', at, at + TURN_BYTES)
  }
  return text
}

/** How much of a request are media that are in it. */
export function mediaBytes(request: Operation['request']): number {
  let bytes = 0
  const weigh = (parts: readonly Part[]): void => {
    for (const part of parts) if (part.type === 'media' && part.source.from === 'data') bytes += part.source.base64.length
  }
  if ('messages' in request) for (const { parts } of request.messages) weigh(parts)
  else if ('inputs' in request) for (const input of request.inputs) if ('parts' in input) weigh(input.parts)
  return bytes
}

type Fetching = Pick<Outbound, 'fetches'>

function someUnfetched(request: Operation['request'], outbound: Fetching, target: Target): boolean {
  if ('documents' in request) return false
  if ('messages' in request) return request.messages.some(({ parts }) => parts.some((part) => unfetched(part, outbound, target) !== null))
  return request.inputs.some((input) => 'parts' in input && input.parts.some((part) => unfetched(part, outbound, target) !== null))
}

function unfetched(part: Part, outbound: Fetching, target: Target): string | null {
  if (part.type !== 'media' || part.source.from !== 'url') return null
  return outbound.fetches!(part.source.url, target) ? null : part.source.url
}
