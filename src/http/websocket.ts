import type { IncomingMessage } from 'node:http'
import { WebSocketServer, type WebSocket } from 'ws'
import { fault, FaultError, type Fault } from '../core/index.ts'
import type { Guest } from './connection.ts'
import type { Exchange } from './exchange.ts'
import type { HttpLimits } from './limits.ts'

/** Whether a request asks for a WebSocket. Other upgrades (`h2c`) are passed over, as HTTP has it. */
export function asksForSocket({ headers }: Exchange): boolean {
  const upgrade = headers['upgrade']
  return upgrade !== undefined && upgrade.toLowerCase() === 'websocket'
}

/** Makes a WebSocket of a request's connection; from then on it belongs to the guest. Throws a FaultError where it cannot be one. */
export type Handshake = (x: Exchange, guestOf: (socket: WebSocket) => Guest) => void

/**
 * How a WebSocket is agreed on (RFC 6455), and what its frames may cost: a message that is too long is refused by the
 * length that its head says, nothing is compressed, and pings are answered by whoever knows whether answers are read.
 */
export function createHandshake({ messageBytes, lingerMs }: Pick<HttpLimits, 'messageBytes' | 'lingerMs'>): Handshake {
  const options = {
    noServer: true, clientTracking: false, perMessageDeflate: false, autoPong: false, maxPayload: messageBytes,
    // A peer that was told of the end may go on sending for so long.
    closeTimeout: lingerMs,
    // No subprotocol is known here, so none is agreed to.
    handleProtocols: () => false as const,
  }
  const server = new WebSocketServer(options)
  return (x, guestOf) => {
    const unfit = faultIn(x)
    if (unfit !== null) throw new FaultError(unfit)
    const { connection } = x
    // What came along is put back before anybody listens, and would be lost on a socket that flows.
    connection.socket.pause()
    // Of node's request no more than this is read.
    const request = { method: x.method, url: x.target, headers: x.headers } as unknown as IncomingMessage
    server.handleUpgrade(request, connection.socket, connection.takeHeld(), (socket) => connection.handOver(x, guestOf(socket)))
  }
}

const KEY = /^[+/0-9A-Za-z]{22}==$/
const VERSION = '13'

function faultIn(x: Exchange): Fault | null {
  const { headers } = x
  if (!asksForSocket(x)) return bad('upgrade', "GET opens a WebSocket here: send 'Upgrade: websocket', or POST a request")
  if (x.minor === 0 || !/(?:^|[,\s])upgrade(?:$|[,\s])/i.test(headers['connection'] ?? '')) {
    return bad('connection', "a WebSocket needs HTTP/1.1 and 'Connection: Upgrade'; a proxy between has to pass both headers on")
  }
  if (!x.complete) return bad('content-length', 'a request for a WebSocket has no body')
  if (headers['sec-websocket-version'] !== VERSION) return bad('sec-websocket-version', `must be ${VERSION}`)
  return KEY.test(headers['sec-websocket-key'] ?? '') ? null : bad('sec-websocket-key', 'must be 16 bytes in base64')
}

const bad = (field: string, what: string): Fault => fault('invalid-request', `${field}: ${what}`, { field })
