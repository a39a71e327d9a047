import { fault, type Endpoint, type Fault } from '../../core/index.ts'
import { parseUpstream } from '../json.ts'
import { saidBy, upstreamFault, type Headers, type Said } from '../upstream-fault.ts'
import { ERROR_STATUS, isLoose, textOf, type Loose } from './wire.ts'

type Named = Pick<Endpoint, 'providerName'>

/** An answer of another status as a fault. A body that is no JSON says nothing but its status. */
export function decodeFault(status: number, headers: Headers, body: Uint8Array, endpoint: Named): Fault {
  const raw = Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, 8192)).toString('utf8')
  const parsed = body.byteLength > 0 ? parseUpstream(body) : { value: undefined }
  const said = 'value' in parsed ? saidBy(parsed.value) : null
  return refined(upstreamFault(status, headers, said, endpoint, raw), said)
}

/** An error inside a 200: an `error` event, an error as the whole answer, or a failure in MiniMax's `base_resp`. */
export function errorInside(value: Loose, endpoint: Named): Fault | null {
  const base = value['base_resp']
  if (isLoose(base) && typeof base['status_code'] === 'number' && base['status_code'] !== 0) {
    const said: Said = { message: textOf(base['status_msg']), code: String(base['status_code']) }
    return upstreamFault(MINIMAX_STATUS[said.code!] ?? 500, {}, said, endpoint, JSON.stringify(base))
  }
  if (value['type'] !== 'error' && !(value['error'] !== undefined && value['error'] !== null)) return null
  const said = saidBy(value)
  const inner = isLoose(value['error']) ? value['error'] : value
  const own = Number(said?.code)
  const status = ERROR_STATUS[textOf(inner['type'])] ?? (own >= 400 && own < 600 ? own : 500)
  return refined(upstreamFault(status, {}, said, endpoint, JSON.stringify(value)), said)
}

/** What MiniMax's own codes are in HTTP's words. */
const MINIMAX_STATUS: Readonly<Record<string, number>> = {
  1001: 504, 1002: 429, 1004: 401, 1008: 402, 1026: 400, 1027: 400, 1039: 429, 2013: 400, 2049: 401,
}

const TOO_LONG = /exceeds? context limit|prompt is too long|too many total text bytes/i
const MODERATED = /content filtering policy|blocked by.{0,40}polic/i

/**
 * Anthropic has one type for everything that is wrong with a request, so its words decide: a prompt that does not
 * fit goes to a larger context.
 */
function refined(of: Fault, said: Said | null): Fault {
  const words = (said?.message ?? '').slice(0, 2048)
  if (of.kind !== 'invalid-request') return of
  if (TOO_LONG.test(words)) return { ...of, kind: 'context-length' }
  if (MODERATED.test(words)) return { ...of, kind: 'moderated' }
  return of
}

/** What came instead of a message: an error told in some way, an HTML page, or nothing. */
export function noMessage(value: unknown, endpoint: Named): Fault {
  const said = isLoose(value) ? errorInside(value, endpoint) : null
  return said ?? fault('invalid-response', `${endpoint.providerName} answered with what is no message.`)
}
