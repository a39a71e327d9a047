import { fault, FaultError } from '../core/index.ts'

/** What the connection alone decides (RFC 9110 §7.6.1), and what is ours to say: from callers these are dropped. */
const OURS = new Set([
  'host', 'content-length', 'connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization',
  'te', 'trailer', 'transfer-encoding', 'upgrade', 'expect',
])
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** Beyond Latin-1 a character would lose its upper half on the wire, and U+010A would arrive as a line feed. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const PATH = /^\/[\x21-\x7e]*$/
/** Names come from our faces and the operator's files, so they are few; a bound all the same. */
const MAX_NAMES = 1000

export interface RequestHeads {
  /** `fixed`: the origin's own lines. `length` of the body in bytes, null when there is none and none is expected. */
  of(method: string, path: string, fixed: string, headers: readonly string[], length: number | null): string
}

/** Writes heads of requests. What cannot stand in one is a fault of ours that names the header, and is never sent. */
export function createRequestHeads(): RequestHeads {
  const kept = new Map<string, boolean>()

  const keeps = (name: string): boolean => {
    const known = kept.get(name)
    if (known !== undefined) return known
    if (!NAME.test(name)) throw refused('a header name holds a character that cannot stand there')
    const keep = !OURS.has(name.toLowerCase())
    if (kept.size < MAX_NAMES) kept.set(name, keep)
    return keep
  }

  return {
    of(method, path, fixed, headers, length) {
      if (!PATH.test(path)) throw refused('its path holds a character that cannot stand there')
      let head = `${method} ${path} HTTP/1.1\r\n${fixed}`
      for (let i = 0; i < headers.length; i += 2) {
        const name = headers[i]!
        const value = headers[i + 1]
        if (!keeps(name)) continue
        if (typeof value !== 'string' || !VALUE.test(value)) throw refused(`the value of ${name} holds a character that cannot stand there`)
        head += `${name}: ${value}\r\n`
      }
      return length === null ? `${head}\r\n` : `${head}content-length: ${length}\r\n\r\n`
    },
  }
}

function refused(why: string): FaultError {
  return new FaultError(fault('internal', `The request to the provider was not sent: ${why}`))
}
