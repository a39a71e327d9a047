import { fault, type ChatRequest, type Fault, type JsonObject, type Origin } from '../../core/index.ts'
import type { Outgoing, Target } from '../dialect.ts'
import { topLevelSpans, viewOf } from '../json.ts'
import { foreignTool } from '../native-tools.ts'
import { adapt, type Draft } from './adapt.ts'
import { flagsOf } from './quirks.ts'
import { ROUTER_KEYS } from './wire.ts'
import { unsendable, writeBody } from './write.ts'

const DIALECT = 'openai-chat'
/** Above this a body is spliced: its unchanged values are copied as bytes and not written anew. */
const SPLICE_FROM = 64 * 1024

/** Keys of a caller's body that `adapt` writes itself, from the canonical request or the target. */
const REWRITTEN: ReadonlySet<string> = new Set([
  'model', 'stream', 'stream_options', 'max_tokens', 'max_completion_tokens', 'reasoning', 'reasoning_effort', 'user',
  'safety_identifier', 'service_tier', 'cache_control',
])

/**
 * Writes a request for an endpoint. A caller's own body of this format is patched, so that everything it says beyond
 * what we know reaches the provider; a request from elsewhere, or one that a stage has changed, is written anew.
 */
export function encode(request: ChatRequest, target: Target): Outgoing | { readonly fault: Fault } {
  const { endpoint } = target
  const origin = request.origin?.dialect === DIALECT ? request.origin : undefined
  const lost = origin ? null : unsendable(request.messages)
  if (lost) return { fault: fault('invalid-request', `messages: ${endpoint.providerName} takes no ${lost.kind} by its id: send an address or the data`, { field: 'messages' }) }
  const foreign = origin ? null : foreignTool(request, DIALECT)
  if (foreign) return { fault: foreign }
  const draft: Draft = {
    body: origin ? patchable(origin.body) : writeBody(request), changed: null,
    dropped: request.extrasFrom === undefined ? [] : Object.keys(request.extras),
  }
  adapt(draft, request, target, flagsOf(endpoint.quirks))
  return {
    path: '/chat/completions',
    headers: { 'content-type': 'application/json', accept: target.stream ? 'text/event-stream' : 'application/json' },
    body: bytesOf(draft.body, origin),
    dropped: draft.dropped,
    ...(draft.changed && { changed: draft.changed }),
  }
}

/** A shallow copy of the caller's body without what is the router's, and without nulls, which mean absent. */
function patchable(body: JsonObject): Record<string, unknown> {
  const copy: Record<string, unknown> = {}
  for (const key in body) {
    const value = body[key]
    if (value === null || value === undefined || ROUTER_KEYS.has(key) || REWRITTEN.has(key)) continue
    copy[key] = value
  }
  return copy
}

/** A body as it is sent; a large one of a caller is spliced. */
export function bytesOf(body: Record<string, unknown>, origin: Origin | undefined): string | Uint8Array {
  if (!origin?.bytes || origin.bytes.length < SPLICE_FROM) return JSON.stringify(body)
  return spliced(body, origin.body, origin.bytes) ?? JSON.stringify(body)
}

/** The body with every value that is still the caller's own copied from the caller's bytes. */
function spliced(body: Record<string, unknown>, original: JsonObject, bytes: Uint8Array): Uint8Array | null {
  const spans = topLevelSpans(bytes)
  if (!spans) return null
  const places = new Map(spans.map((span) => [span.key, span]))
  const view = viewOf(bytes)
  const pieces: Buffer[] = []
  let pending = '{'
  let between = ''
  for (const [key, value] of Object.entries(body)) {
    if (value === undefined) continue
    pending += `${between}${JSON.stringify(key)}:`
    between = ','
    const place = value === original[key] ? places.get(key) : undefined
    if (place) {
      pieces.push(Buffer.from(pending), view.subarray(place.from, place.to))
      pending = ''
    } else pending += JSON.stringify(value)
  }
  pieces.push(Buffer.from(pending + '}'))
  return Buffer.concat(pieces)
}
