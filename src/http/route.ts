import type { z } from '../schema/index.ts'
import type { KeyRecord } from '../accounts/index.ts'
import type { FaultKind } from '../core/index.ts'
import type { Inbound } from '../dialects/index.ts'
import type { Exchange } from './exchange.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** What a handler wants sent. A handler that writes its response itself (a stream) returns nothing. */
export type Reply =
  | { readonly status?: number; readonly json: unknown; readonly headers?: readonly string[] }
  | { readonly status?: number; readonly text: string | Uint8Array; readonly type?: string; readonly headers?: readonly string[] }
  | void

export type Keyed = Exchange & { readonly key: KeyRecord }

/** How a reply is published: a shape, or a type of its own that is not JSON. */
export interface ReplyDoc {
  readonly description: string
  readonly schema?: z.ZodType | Readonly<Record<string, unknown>>
  /** Media type; JSON by default. */
  readonly type?: string
  /** A second form of the same answer, chosen by the request: the stream of a chat. */
  readonly also?: { readonly type: string; readonly description: string }
  readonly example?: unknown
}

interface Described {
  /** `operationId` of the document. */
  readonly name: string
  readonly methods: readonly Method[]
  /** Every address of the route, `{name}` for a parameter. The first is the one that is published first. */
  readonly paths: readonly string[]
  readonly tag: string
  readonly summary: string
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  /** The shape of the JSON body; a route without one reads none. */
  readonly body?: z.ZodType | Readonly<Record<string, unknown>>
  readonly bodyExample?: unknown
  /** The body is that of a form on one of our pages, which the handler reads. */
  readonly form?: true
  readonly replies: Readonly<Record<number, ReplyDoc>>
  /** Failures that the route can answer with, beside those of its policy, its body and its address. */
  readonly errors: readonly FaultKind[]
  /**
   * The surface that the route speaks, with the shape of its errors: what fails before the handler (a missing key, a
   * body that is too large) is in its words, too. OpenAI's where it is absent.
   */
  readonly speaks?: { readonly face: Inbound; readonly errors: z.ZodType }
  /** A call of a model: it gets a generation id, and each of its responses says it. */
  readonly inference?: true
  /** Opens a WebSocket: the upgrade that every other address refuses. */
  readonly socket?: true
  /** Read by browsers from this server's own pages alone, where the API answers any origin. */
  readonly ownOrigin?: true
  /** Served on the operator's own listener where there is one, and then only there. */
  readonly moves?: true
}

/**
 * One line of the route table. Who may call is part of the type: a route cannot be written down without a policy,
 * and only the handler of a keyed route is given a key. `operator` is a program on this machine.
 */
export type Route = Described & (
  | { readonly policy: 'key'; handle(x: Keyed): Reply | Promise<Reply> }
  | { readonly policy: 'none' | 'operator'; handle(x: Exchange): Reply | Promise<Reply> }
)

/** How a call of a model can fail, on whichever surface. */
export const INFERENCE_ERRORS: readonly FaultKind[] = [
  'invalid-request', 'model-not-found', 'ambiguous-model', 'wrong-endpoint', 'context-length', 'unsupported-parameter', 'payment-required', 'forbidden',
  'moderated', 'not-found', 'no-endpoint', 'model-unavailable', 'unprocessable', 'upstream-rate-limited', 'cancelled', 'upstream-error', 'invalid-response',
  'connection', 'overloaded', 'shutting-down', 'timeout', 'rate-limited', 'over-capacity',
]

/** The address of an operation in OpenRouter's place and in OpenAI's. */
export function api(path: string): readonly string[] {
  return [`/api/v1${path}`, `/v1${path}`]
}
