import { fault, type Fault } from '../core/index.ts'

/** `code` of the error that we make ourselves when TCP and TLS did not come about in time. */
export const CONNECT_TIMEOUT = 'connect_timeout'

const TLS = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO)/

export const cancelled = (): Fault => fault('cancelled', 'The request was cancelled')

/**
 * What a socket's failure means; null when the other side just closed it. Messages name no address: an operator finds
 * it in the log, a tenant has no use for it.
 */
export function faultOfSocket(error: Error | null): Fault {
  const code = error === null ? 'closed' : String((error as { code?: unknown }).code ?? 'unknown')
  if (code === CONNECT_TIMEOUT || code === 'ETIMEDOUT') {
    return fault('timeout', 'The provider could not be reached in time', { upstream: { code }, metadata: { timeout: 'connect' } })
  }
  if (TLS.test(code)) {
    return fault('connection', "The provider's TLS certificate or handshake was not acceptable", { upstream: { code: 'tls' } })
  }
  const what = code === 'ECONNREFUSED' ? 'The provider refused the connection'
    : code === 'ENOTFOUND' || code === 'EAI_AGAIN' ? "The provider's address could not be resolved"
      : 'The connection to the provider broke'
  return fault('connection', what, { upstream: { code } })
}

/** What the parser refused, by its reason. */
export function faultOfParser(reason: string): Fault {
  const message = reason === 'headers_too_large' || reason === 'too_many_headers'
    ? "The provider's response headers were too large"
    : 'The provider did not answer in HTTP'
  return fault('invalid-response', message, { upstream: { code: reason } })
}
