import { usage, type EmbedInput, type EmbedRequest, type Endpoint, type Fault, type InputPart, type JsonObject, type Usage, type Vector } from '../../core/index.ts'
import type { Outbound, Outgoing, Target } from '../dialect.ts'
import { noMedia, purposeOf, splitInputs, textOf, vectorIn, vectorsOf } from '../inputs.ts'
import { isObject, textIn, type Loose } from '../loose.ts'
import { urlOf } from '../openai-chat/media.ts'
import { readUsage } from '../openai-chat/usage-in.ts'
import { flagsOf } from '../openai-chat/quirks.ts'
import { wholeOutbound, type Said } from '../whole.ts'
import { without } from '../without.ts'
import { DIALECT } from './wire.ts'

/** OpenAI takes so many at once, and those who copied it no fewer. */
const MOST_INPUTS = 2048
/** What a caller's passthrough may not set: what is bought, from whom, and how it is read. */
const OURS: ReadonlySet<string> = new Set(['model', 'input', 'encoding_format', 'stream'])

/** Providers that speak OpenAI's embeddings, and everybody who copied them. How they differ, their quirks say. */
export const outbound: Outbound<EmbedRequest> = wholeOutbound<EmbedRequest>({
  dialect: DIALECT,
  cannot: ['input.media: but at routers', 'input_type: but where a host has it', 'user, session'],
  // Only routers take media, and they fetch addresses themselves.
  split: (request) => splitInputs(request, MOST_INPUTS),
  encode,
  read,
})

function encode(request: EmbedRequest, target: Target): Outgoing | { readonly fault: Fault } {
  const { endpoint } = target
  const { quirks } = endpoint
  const written = writeInput(request, endpoint)
  if ('fault' in written) return written
  const purpose = writePurpose(request, endpoint)
  const body = {
    model: endpoint.upstreamModel,
    input: written.input,
    ...(request.dimensions !== undefined && { [quirks.has('output-dimension-name') ? 'output_dimension' : 'dimensions']: request.dimensions }),
    // Numbers are what everybody sends unasked; some of those who copied the format refuse the field.
    ...(quirks.has('base64-embeddings') && { encoding_format: request.encoding }),
    ...(purpose !== null && { input_type: purpose }),
    ...(target.userId !== undefined && { user: target.userId }),
    ...without(request.extras, OURS), ...without(target.options, OURS), ...endpoint.forcedParams,
  }
  return {
    path: quirks.has('int8-embeddings') ? '/v1/embeddings' : '/embeddings', headers: {}, body: JSON.stringify(body),
    dropped: request.inputType !== undefined && purpose === null ? ['input_type'] : [],
  }
}

/** A single input of a caller's own stays single: some hosts answer a list of one in another form. */
function writeInput({ inputs, origin }: EmbedRequest, endpoint: Endpoint): { readonly input: unknown } | { readonly fault: Fault } {
  const list: unknown[] = []
  for (const [at, input] of inputs.entries()) {
    const one = writeOne(input, endpoint)
    if (one === null) return { fault: noMedia(at, endpoint) }
    list.push(one)
  }
  return { input: list.length === 1 && typeof origin?.body['input'] === 'string' ? list[0] : list }
}

function writeOne(input: EmbedInput, { quirks }: Endpoint): unknown {
  if ('tokens' in input) return input.tokens
  if (input.parts.every((part) => part.type === 'text')) return textOf(input.parts)
  if (!quirks.has('multimodal-embeddings')) return null
  return { content: input.parts.map(writePart) }
}

function writePart(part: InputPart): JsonObject {
  if (part.type === 'text') return { type: 'text', text: part.text }
  const { source } = part
  switch (part.kind) {
    case 'image': return { type: 'image_url', image_url: { url: urlOf(source) } }
    case 'video': return { type: 'video_url', video_url: { url: urlOf(source) } }
    case 'audio': return { type: 'input_audio', input_audio: { data: source.from === 'data' ? source.base64 : urlOf(source), format: part.detail ?? 'wav' } }
    case 'file': return { type: 'file', file: { ...(part.name !== undefined && { filename: part.name }), file_data: urlOf(source) } }
  }
}

/** NVIDIA wants to be told, of the two that its models know; routers pass on what they hear. */
function writePurpose({ inputType }: EmbedRequest, { quirks }: Endpoint): string | null {
  if (quirks.has('embeddings-query-or-passage')) return purposeOf(inputType) === 'query' ? 'query' : 'passage'
  return quirks.has('embeddings-input-type') ? inputType ?? null : null
}

function read(value: Loose, { endpoint }: Target): Said | null {
  const vectors = vectorsOf(value['data'], endpoint.quirks.has('int8-embeddings') ? ofBytes : vectorIn)
  if (vectors === null) return null
  const id = textIn(value, 'id')
  const model = textIn(value, 'model')
  const provider = textIn(value, 'provider')
  return {
    start: { ...(id !== undefined && { upstreamId: id }), ...(model !== undefined && { model }), ...(provider !== undefined && { provider }) },
    block: { type: 'embeddings', vectors },
    usage: usageOf(value['usage'], endpoint),
  }
}

/** Perplexity sends signed bytes in base64: whole numbers, whose lengths do not matter to an angle. */
function ofBytes(value: unknown): Vector | null {
  return typeof value === 'string' && vectorIn(value) !== null ? Array.from(new Int8Array(Buffer.from(value, 'base64'))) : vectorIn(value)
}

/** Some tell only the total, which is all that there is: nothing is written. */
function usageOf(value: unknown, { quirks }: Endpoint): Usage | undefined {
  if (!isObject(value)) return undefined
  const read = readUsage(value, flagsOf(quirks))
  const total = read.input.total === 0 && typeof value['total_tokens'] === 'number' ? value['total_tokens'] : read.input.total
  return { ...read, input: { ...read.input, total: usage({ total }, {}).input.total }, output: usage({}, {}).output }
}

