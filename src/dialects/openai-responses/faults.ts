import { fault, type Endpoint, type Fault } from '../../core/index.ts'
import { parseUpstream, viewOf } from '../json.ts'
import { saidBy, scrub, upstreamFault, type Headers, type Said } from '../upstream-fault.ts'
import { isObject, type Loose } from './wire.ts'

type Named = Pick<Endpoint, 'providerName'>

const MAX_READ = 16_384

/** An answer of another status as a fault. A body that is no JSON says nothing but what its page is called. */
export function decodeFault(status: number, headers: Headers, body: Uint8Array, endpoint: Named): Fault {
  const text = viewOf(body).toString('utf8', 0, MAX_READ)
  const parsed = parseUpstream(body.length <= MAX_READ ? body : text)
  const said = 'fault' in parsed ? { message: pageTitle(text) } : saidBy(parsed.value)
  return refined(upstreamFault(status, headers, said, endpoint, text.trim()), said)
}

/** What HTTP would have said: failures inside of a 200 have a code of their own, and everything about images is the caller's. */
const STATUS: ReadonlyMap<string, number> = new Map(Object.entries({
  server_error: 500, rate_limit_exceeded: 429, insufficient_quota: 429, invalid_prompt: 400, vector_store_timeout: 504,
  data_residency_mismatch: 403, bio_policy: 400, misalignment_policy_violation: 400, server_overloaded: 503, slow_down: 503,
}))

/**
 * A failure inside of a 200: an `error` event, nested or flat as older servers send it, a response that failed, or an
 * error in the place of one.
 */
export function failureIn(value: Loose, endpoint: Named): Fault {
  const at = isObject(value['response']) ? value['response'] : value
  const said = saidBy(isObject(at['error']) ? at : { error: at })
  const own = Number(said?.code)
  const code = said?.code ?? said?.type ?? ''
  const status = own >= 400 && own < 600 ? own : STATUS.get(code) ?? (/image|^invalid_/.test(code) ? 400 : 500)
  return refined(upstreamFault(status, {}, said, endpoint, JSON.stringify(at['error'] ?? at)), said)
}

const SEALED = /invalid_encrypted_content|encrypted content.{0,60}(verified|decrypt)/i

/** A seal that is not taken is marked: without it the request may go through. Policies refuse what was asked, not who asks. */
function refined(of: Fault, said: Said | null): Fault {
  if (SEALED.test(`${said?.code ?? ''} ${said?.message.slice(0, 2048) ?? ''}`)) return { ...of, kind: 'invalid-request', metadata: { ...of.metadata, reason: 'reasoning_signature' } }
  if (/_policy(_violation)?$/.test(said?.code ?? '')) return { ...of, kind: 'moderated' }
  return of
}

/** What came instead of a response: something else that is JSON, an HTML page, or nothing. */
export function noResponse(endpoint: Named, raw: string): Fault {
  return fault('invalid-response', `${endpoint.providerName} answered with what is no response.`, {
    upstream: { status: 200, provider: endpoint.providerName, ...(raw !== '' && { raw: scrub(raw.slice(0, 4096)) }) },
  })
}

function pageTitle(text: string): string {
  const title = /<title[^>]*>([^<]{1,200})/i.exec(text)?.[1] ?? /<h1[^>]*>([^<]{1,200})/i.exec(text)?.[1]
  if (title) return title.trim()
  return text.trimStart().startsWith('<') ? '' : text.trim().slice(0, 500)
}
