import { createSecureContext } from 'node:tls'
import { Connection, type Home } from './connection.ts'
import { cancelled } from './faults.ts'
import type { Exchange } from './exchange.ts'

/** The longest that a connection waits for its next exchange. */
const IDLE_SECONDS = 30
const MAX_IDLE = 512

/** Counts seconds while connections are idle anywhere. */
export interface Ticker {
  readonly now: number
  start(): void
}

export interface Pool {
  /** Sends on the connection that was used last, or on a new one: there may be any number of them. */
  run(exchange: Exchange): void
  /** Closes what has been idle for too long; says whether any idle connection is left. */
  sweep(): boolean
  readonly empty: boolean
  /** The lines of a request's head that are the same for the whole origin. */
  readonly fixed: string
  close(): Promise<void>
}

/**
 * The connections to one origin. Idle ones are a stack: the warmest is taken first, in constant time, and those at the
 * bottom run out.
 */
export function createPool(
  origin: URL, given: { readonly ca: string | undefined; readonly readInto: Uint8Array; readonly ranges: number[]; readonly ticker: Ticker },
): Pool {
  const { ticker } = given
  const all = new Set<Connection>()
  const idle: Connection[] = []
  const tls = origin.protocol === 'https:'

  const dial = (exchange: Exchange): void => { all.add(new Connection(home, exchange)) }

  const home: Home = {
    host: origin.hostname.replace(/^\[|\]$/g, ''),
    port: origin.port === '' ? (tls ? 443 : 80) : Number(origin.port),
    tls: tls ? createSecureContext({ ca: given.ca }) : null,
    session: undefined,
    readInto: given.readInto,
    ranges: given.ranges,
    again: dial,
    forget: (connection) => { all.delete(connection) },
    release(connection) {
      // A second less than the server's own patience, which ends on its clock, not on ours.
      const seconds = Math.min(IDLE_SECONDS, connection.keepAliveSeconds - 1)
      if (seconds < 1 || idle.length >= MAX_IDLE) {
        connection.destroy()
        return
      }
      connection.idleUntil = ticker.now + seconds
      connection.socket.unref()
      idle.push(connection)
      ticker.start()
    },
  }

  return {
    fixed: `host: ${origin.host}\r\nconnection: keep-alive\r\n`,
    run(exchange) {
      for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
        if (connection.dead) continue
        connection.socket.ref()
        connection.start(exchange)
        return
      }
      dial(exchange)
    },
    sweep() {
      let kept = 0
      for (const connection of idle) {
        if (connection.dead) continue
        if (connection.idleUntil <= ticker.now) connection.destroy()
        else idle[kept++] = connection
      }
      idle.length = kept
      return kept > 0
    },
    get empty() {
      return all.size === 0
    },
    async close() {
      await Promise.all([...all].map((connection) => connection.close(cancelled())))
    },
  }
}
