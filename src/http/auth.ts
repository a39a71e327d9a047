import type { RequestHeaders } from '../http1/index.ts'
import { LRUCache } from 'lru-cache'
import { fault, type Fault } from '../core/index.ts'

/**
 * The key that a request presents: `Authorization: Bearer …` (OpenAI's clients), `x-api-key: …` (Anthropic's) or
 * `x-goog-api-key: …` (Google's), null when there is none. Two that differ are refused: which of them pays must not
 * depend on our reading order. An empty one counts as absent; Anthropic's clients send one when they are told to use a
 * bearer token.
 */
export function presentedKey(headers: RequestHeaders): string | null | Fault {
  const authorization = headers['authorization']
  const bearer = authorization === undefined ? null : bearerOf(authorization)
  if (typeof bearer === 'object' && bearer !== null) return bearer
  const anthropic = plainKey(headers['x-api-key'])
  const google = plainKey(headers['x-goog-api-key'])
  if (anthropic === null && google === null) return bearer
  const other = anthropic ?? google
  if ((bearer !== null && bearer !== other) || (google !== null && google !== other)) {
    const named = [bearer !== null && 'Authorization', anthropic !== null && 'x-api-key', google !== null && 'x-goog-api-key'].filter(Boolean)
    return fault('invalid-request', `${named.join(' and ')} carry different keys. Send one of them.`)
  }
  return other
}

function plainKey(value: string | string[] | undefined): string | null {
  if (value === undefined || value === '') return null
  return Array.isArray(value) ? value.join(',') : value.trim()
}

function bearerOf(value: string): string | null | Fault {
  if (value === '') return null
  if (value.length > 7 && value.charCodeAt(6) === 32 && value.slice(0, 6).toLowerCase() === 'bearer') return value.slice(7).trim()
  if (/^bearer\s*$/i.test(value)) return null
  return fault('unauthenticated', 'The Authorization header has another form. Send "Authorization: Bearer <key>".')
}

export interface RefusalGuard {
  /** Counts a refused key; the milliseconds to wait when the address has had too many, else null. */
  refused(address: string, now: number): number | null
}

const WINDOW_MS = 60_000

/**
 * Counts refused keys by address, in windows of a minute. Only refusals are counted and only refusals are answered
 * differently, so that nobody can lock out a good key from behind the same address. Loopback is left out: it is
 * either the operator, or a proxy behind which everybody has this address.
 */
export function createRefusalGuard(perMinute: number): RefusalGuard {
  const windows = new LRUCache<string, { start: number; count: number }>({ max: 10_000 })
  return {
    refused(address, now) {
      if (isLoopback(address)) return null
      const window = windows.get(address)
      if (!window || now - window.start >= WINDOW_MS) {
        windows.set(address, { start: now, count: 1 })
        return null
      }
      window.count++
      return window.count > perMinute ? WINDOW_MS - (now - window.start) : null
    },
  }
}

/** Whether a socket's peer is this machine: 127.0.0.0/8 and ::1, also as an IPv4-mapped address. */
export function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}

/**
 * Whether a request comes from a program on this machine itself. A reverse proxy on this machine also has a loopback
 * address: what it forwards says so in its headers, and is not local.
 */
export function isLocal(address: string | undefined, headers: RequestHeaders): boolean {
  return isLoopback(address) && headers['x-forwarded-for'] === undefined && headers['forwarded'] === undefined
    && headers['x-real-ip'] === undefined && headers['via'] === undefined
}
