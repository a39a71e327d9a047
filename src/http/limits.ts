/** What one connection or one request may take of the server. All times in milliseconds. */
export interface HttpLimits {
  /** The largest request body, in bytes. */
  readonly bodyBytes: number
  /** The largest request head, in bytes. */
  readonly headerBytes: number
  /** From the first byte of a request to the end of its head. */
  readonly headersTimeoutMs: number
  /** From the first byte of a request to the end of its body. */
  readonly requestTimeoutMs: number
  /** How long a body may come at any pace; from then on its average has to reach `bodyBytesPerSecond`. */
  readonly bodyGraceMs: number
  readonly bodyBytesPerSecond: number
  /** An idle connection is kept this long: longer than load balancers do (60 s), so that they never meet a closed one. */
  readonly keepAliveMs: number
  /** When the status of a stream is sent though no provider has answered yet. */
  readonly commitAfterMs: number
  /** Silence on a stream after which a comment is sent. */
  readonly heartbeatMs: number
  /** How long a client may leave our writes unread before it is cut off. */
  readonly writeStallMs: number
  /** How long the rest of a refused body is read and thrown away, so that the refusal arrives. */
  readonly lingerMs: number
  /** The largest message of a WebSocket, and all that wait on one for their turn: it is read on the event loop. */
  readonly messageBytes: number
  /** How long a WebSocket is kept; then its client opens another. */
  readonly socketAgeMs: number
  /** Silence on a WebSocket after which it is pinged, so that nobody between takes it for dead. */
  readonly pingMs: number
  /** Refused keys per minute and address; further ones get 429. */
  readonly refusedKeysPerMinute: number
}

export const HTTP_LIMITS: HttpLimits = Object.freeze({
  bodyBytes: 20 * 1024 * 1024,
  headerBytes: 16 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 300_000,
  bodyGraceMs: 10_000,
  bodyBytesPerSecond: 1024,
  keepAliveMs: 75_000,
  commitAfterMs: 10_000,
  heartbeatMs: 10_000,
  writeStallMs: 60_000,
  lingerMs: 2_000,
  messageBytes: 8 * 1024 * 1024,
  socketAgeMs: 3_600_000,
  pingMs: 25_000,
  refusedKeysPerMinute: 20,
})
