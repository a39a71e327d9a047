import { count, usage, type EmbedRequest, type Fault, type JsonObject } from '../../core/index.ts'
import type { Outbound, Outgoing, Target } from '../dialect.ts'
import { splitInputs, textsOf, vectorIn } from '../inputs.ts'
import { textIn, type Loose } from '../loose.ts'
import { wholeOutbound, type Said } from '../whole.ts'
import { without } from '../without.ts'
import { DIALECT } from './encode.ts'

/** It has no limit of its own; more than this keeps a machine busy for longer than anybody waits. */
const MOST_INPUTS = 512
const OURS: ReadonlySet<string> = new Set(['model', 'input'])

/** Ollama's embeddings, of length 1. */
export const embedOutbound: Outbound<EmbedRequest> = wholeOutbound<EmbedRequest>({
  dialect: DIALECT,
  cannot: ['input.tokens', 'input.media', 'input_type', 'extras', 'user, session'],
  split: (request) => splitInputs(request, MOST_INPUTS),
  encode,
  read,
})

function encode(request: EmbedRequest, { endpoint, options }: Target): Outgoing | { readonly fault: Fault } {
  const found = textsOf(request.inputs, endpoint)
  if ('fault' in found) return found
  const passed: JsonObject = without(options, OURS)
  const body = {
    model: endpoint.upstreamModel, input: found.texts,
    ...(request.dimensions !== undefined && { dimensions: request.dimensions }),
    ...passed, ...endpoint.forcedParams,
  }
  return { path: '/embed', headers: {}, body: JSON.stringify(body), dropped: [...Object.keys(request.extras), ...(request.inputType === undefined ? [] : ['input_type'])] }
}

function read(value: Loose): Said | null {
  const list = value['embeddings']
  const vectors = Array.isArray(list) ? list.map(vectorIn) : [null]
  if (!vectors.every((vector) => vector !== null)) return null
  const model = textIn(value, 'model')
  const tokens = count(value['prompt_eval_count'])
  return { start: { ...(model !== undefined && { model }) }, block: { type: 'embeddings', vectors }, usage: tokens > 0 ? usage({ total: tokens }, {}) : undefined }
}
