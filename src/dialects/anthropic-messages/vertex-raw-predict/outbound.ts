import type { Endpoint } from '../../../core/index.ts'
import type { Outbound, Target } from '../../dialect.ts'
import { outbound as messages } from '../outbound.ts'
import { encode, type Envelope } from '../request.ts'

/** The name by which the catalogue's rows call for it: the protocol, and the way that it is sent. */
export const DIALECT = 'anthropic-messages/vertex-raw-predict'

const VERSION = 'vertex-2023-10-16'

/** Vertex wants the model and the verb in the path, and the version, which is its own, in the body. */
const ENVELOPE: Envelope = {
  path: ({ endpoint, stream }) => `/publishers/anthropic/models/${modelOf(endpoint)}:${stream ? 'streamRawPredict' : 'rawPredict'}`,
  body: ({ model: _, ...body }) => ({ anthropic_version: VERSION, ...body }),
  versionInBody: true,
}

/** Ids have their date behind an `@`, which may stand in a path as it is. */
const modelOf = (endpoint: Endpoint): string => encodeURIComponent(endpoint.upstreamModel).replaceAll('%40', '@')

/** Claude on Vertex: the same messages in Google's envelope. */
export const outbound: Outbound = {
  ...messages,
  dialect: DIALECT,
  promptsFormat: true,
  encode: (request, target) => encode(request, asClaude(target), ENVELOPE),
}

/** The quirks of a row on Vertex are Gemini's; these are what Claude has wherever it is served. */
const CLAUDE = ['no-sampling-on-new-models', 'max-tokens-required', 'signature-opaque']

function asClaude(target: Target): Target {
  let endpoint = KNOWN.get(target.endpoint)
  if (!endpoint) KNOWN.set(target.endpoint, endpoint = { ...target.endpoint, quirks: new Set([...target.endpoint.quirks, ...CLAUDE]) })
  return { ...target, endpoint }
}

/** Endpoints never change, so that each is looked at once. */
const KNOWN = new WeakMap<Endpoint, Endpoint>()
