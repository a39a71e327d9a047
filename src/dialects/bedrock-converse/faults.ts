import type { Endpoint, Fault, FaultKind } from '../../core/index.ts'
import { parseUpstream, viewOf } from '../json.ts'
import { isObject, textIn, type Loose } from '../loose.ts'
import { saidBy, upstreamFault, type Headers } from '../upstream-fault.ts'

const MAX_ERROR_BYTES = 16_384

/** AWS's own names for failures, with the status that each has as an answer; inside a stream there is only the name. */
const EXCEPTIONS: Readonly<Record<string, readonly [status: number, kind?: FaultKind]>> = {
  validation: [400], accessdenied: [403, 'upstream-auth'], unrecognizedclient: [403, 'upstream-auth'], invalidsignature: [403, 'upstream-auth'],
  signaturedoesnotmatch: [403, 'upstream-auth'], incompletesignature: [403, 'upstream-auth'], expiredtoken: [403, 'upstream-auth'],
  missingauthenticationtoken: [403, 'upstream-auth'], resourcenotfound: [404, 'model-unavailable'], modeltimeout: [408, 'timeout'],
  modelerror: [424, 'upstream-error'], throttling: [429, 'upstream-rate-limited'], modelnotready: [429, 'overloaded'],
  servicequotaexceeded: [429, 'upstream-rate-limited'], serviceunavailable: [503, 'overloaded'], internalserver: [500, 'upstream-error'],
  modelstreamerror: [424, 'upstream-error'],
}

const TOO_LONG = /input is too long|too many (input )?tokens|prompt is too long|maximum tokens|context (length|window)/i
/** A bare id of a model that is sold only through profiles: another endpoint may have the profile. */
const NEEDS_PROFILE = /on-demand throughput isn.t supported|inference profile/i

/** An answer of another status: `{message}` or `{Message}`, the name in a header (with an address behind it) or in `__type`. */
export function decodeFault(status: number, headers: Headers, body: Uint8Array, endpoint: Endpoint): Fault {
  const raw = viewOf(body).toString('utf8', 0, MAX_ERROR_BYTES)
  const parsed = parseUpstream(raw)
  const value = 'value' in parsed && isObject(parsed.value) ? parsed.value : {}
  const told = headers['x-amzn-errortype']
  return faultOf(status, headers, (Array.isArray(told) ? told[0] : told) ?? textIn(value, '__type') ?? '', value, endpoint, raw)
}

/** An exception inside a stream that began with 200, named in its frame. */
export function faultOfException(type: string, value: Loose, endpoint: Endpoint): Fault {
  return faultOf(EXCEPTIONS[wordOf(type)]?.[0] ?? 500, {}, type, value, endpoint, JSON.stringify(value))
}

function faultOf(status: number, headers: Headers, type: string, value: Loose, endpoint: Endpoint, raw: string): Fault {
  const said = saidBy(value)
  const name = type.split(':')[0]!.split('#').at(-1)!
  const found = upstreamFault(status, headers, { message: said?.message ?? '', ...(name !== '' && { code: name }) }, endpoint, raw)
  const words = said?.message ?? ''
  const kind = status === 400 && TOO_LONG.test(words) ? 'context-length'
    : status === 400 && NEEDS_PROFILE.test(words) ? 'model-unavailable'
    : EXCEPTIONS[wordOf(type)]?.[1] ?? found.kind
  return kind === found.kind ? found : { ...found, kind, ...(kind === 'upstream-auth' && { message: `${endpoint.providerName} refused the key that this server holds for it.` }) }
}

/** `ThrottlingException:http://…`, `com.amazon…#throttlingException` and the like as one word. */
const wordOf = (type: string): string => type.split(':')[0]!.split('#').at(-1)!.toLowerCase().replace(/exception$/, '')
