import type { Asked, Loose } from '../asked.ts'
import type { Frame } from '../frames.ts'
import type { Reply } from '../reply.ts'

/** A request as the server read it. `query` is the part of the address after the question mark. */
export interface Incoming { path: string; query: string; headers: Readonly<Record<string, string>>; body: Loose }

/**
 * One wire format as a provider speaks it: understanding, a whole answer, a stream, an error. Adding a dialect is one
 * file with this value and a line in `dialects/index.ts`. Written from the vendors' documents, never from our own
 * encoders: two halves that are wrong alike would pass every test.
 */
export interface FakeDialect {
  readonly name: string
  /** Which addresses speak it. Any prefix is allowed, so that one fake stands for many providers. */
  readonly path: RegExp
  /** Its own deviations: name and what it does. */
  readonly shapes: Readonly<Record<string, string>>
  readonly eol: '\n' | '\r\n'
  understand(incoming: Incoming): Asked
  whole(reply: Reply, asked: Asked, shapes: ReadonlySet<string>): unknown
  stream(reply: Reply, asked: Asked, shapes: ReadonlySet<string>): readonly Frame[]
  /** The body of an error with this HTTP status. */
  error(status: number, message: string, shapes: ReadonlySet<string>): unknown
  headers(serial: number): Record<string, string>
  /** Headers that name an error with this HTTP status. */
  errorHeaders?(status: number): Record<string, string>
  /** True when this stream is a JSON array instead of SSE. */
  arrayStream?(query: string): boolean
  /** How its streams are framed where they are no SSE: the content type, and one piece for each event. */
  framing?: { readonly type: string; write(frames: readonly Frame[], shapes: ReadonlySet<string>): (string | Buffer)[] }
}

/** Answers are dated by this second, whenever they are made: a test can compare whole bodies. */
export const CREATED = 1_760_000_000

export const ERROR_WORDS: Readonly<Record<number, string>> = {
  400: 'The request is invalid.', 401: 'Incorrect API key provided.', 402: 'Insufficient balance.', 403: 'Not allowed.',
  404: 'The model does not exist.', 408: 'The request took too long.', 413: 'The request is too large.',
  422: 'The request cannot be processed.', 429: 'Rate limit reached.', 500: 'The server had an error.',
  502: 'Bad gateway.', 503: 'The service is overloaded.', 504: 'The server timed out.', 529: 'Overloaded.',
}
