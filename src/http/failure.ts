import { FAULTS, fault, faultOf, FaultError, type Fault } from '../core/index.ts'
import type { Voice } from '../dialects/index.ts'
import { JSON_TYPE, send, type Exchange } from './exchange.ts'
import type { Log } from './services.ts'

/**
 * Answers an exchange with a fault, in the words of the surface that was spoken to. The status is the one of the
 * table of faults; `Retry-After` is in whole seconds, rounded up, because clients sleep for exactly that long.
 */
export function sendFault(x: Exchange, face: Voice, what: Fault, extra: readonly string[] = [], metadata?: Readonly<Record<string, unknown>>): void {
  // OpenRouter leaves the metadata out of internal errors: it would tell what we just decided not to.
  const shown = metadata && what.kind !== 'internal' ? { openrouter_metadata: metadata } : undefined
  const { status, body } = face.fault(what, shown, x.id)
  send(x, status, JSON_TYPE, body, [...faultHeaders(what), ...extra])
}

/** The headers that a fault brings, as a flat list. */
export function faultHeaders(what: Fault): string[] {
  const headers: string[] = []
  if (what.retryAfterMs !== undefined) headers.push('Retry-After', String(Math.max(1, Math.ceil(what.retryAfterMs / 1000))))
  if (what.kind === 'unauthenticated') headers.push('WWW-Authenticate', 'Bearer realm="signalbox"')
  return headers
}

/** The fault of an exception that reached the surface. What is not a FaultError is ours: its text goes to the log alone. */
export function caught(error: unknown, log: Log, facts: Readonly<Record<string, unknown>>): Fault {
  if (!(error instanceof FaultError)) log.error({ ...facts, err: error }, 'a request failed by a fault of ours')
  return masked(faultOf(error))
}

/** A fault as it may be shown: of an internal one nothing but that it happened. */
export function masked(what: Fault): Fault {
  return FAULTS[what.kind].blame === 'us' && what.kind === 'internal' ? fault('internal', 'Internal error') : what
}

/** An error body for refusals below every surface: a request that could not be parsed, or that came too slowly. */
export function plainError(status: number, type: string, message: string): string {
  return JSON.stringify({ error: { code: status, message, metadata: { error_type: type } } })
}
