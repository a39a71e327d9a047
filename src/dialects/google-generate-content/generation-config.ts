import { fault, type ChatRequest, type Endpoint, type Fault, type JsonObject } from '../../core/index.ts'
import { toSubset } from './schemas.ts'
import { writeThinking } from './thinking.ts'
import { refuses, type Traits } from './traits.ts'

const MAX_STOPS = 5
const MAX_LOGPROBS = 20

/** Everything of a request that this format keeps in `generationConfig`. `hasTools` says whether functions are declared. */
export function writeGenerationConfig(
  request: ChatRequest, endpoint: Endpoint, traits: Traits, hasTools: boolean, dropped: Set<string>,
): { readonly config: Record<string, unknown> } | { readonly fault: Fault } {
  const thinking = writeThinking(request, endpoint, traits, dropped)
  if ('fault' in thinking) return thinking
  const format = writeFormat(request, endpoint, traits, hasTools, dropped)
  if ('fault' in format) return format

  /** A value, unless it is absent or the endpoint is known to refuse its parameter. */
  const allowed = <T>(parameter: string, value: T | undefined): T | undefined => {
    if (value === undefined || !refuses(endpoint, parameter)) return value
    dropped.add(parameter)
    return undefined
  }
  const { sampling } = request
  for (const parameter of UNKNOWN) if (sampling[parameter] !== undefined) dropped.add(parameter)
  if (request.logitBias) dropped.add('logit_bias')
  if (request.prediction) dropped.add('prediction')
  if (request.verbosity !== undefined) dropped.add('verbosity')

  const stops = allowed('stop', request.stop?.filter((stop) => stop !== ''))
  if (stops && stops.length > MAX_STOPS) dropped.add('stop')
  const logprobs = allowed('logprobs', request.logprobs) === true
  const seed = allowed('seed', request.seed)
  const config = {
    maxOutputTokens: clamped(allowed('max_tokens', request.maxOutputTokens), endpoint.maxOutputTokens),
    temperature: allowed('temperature', sampling.temperature),
    topP: allowed('top_p', sampling.top_p),
    // 0 means that it is off, for which there is no number here.
    topK: allowed('top_k', sampling.top_k === 0 ? undefined : sampling.top_k),
    frequencyPenalty: allowed('frequency_penalty', sampling.frequency_penalty),
    presencePenalty: allowed('presence_penalty', sampling.presence_penalty),
    stopSequences: stops && stops.length > 0 ? stops.slice(0, MAX_STOPS) : undefined,
    // Signed, of 32 bits: a longer seed keeps its last ones.
    seed: seed === undefined ? undefined : Number(BigInt.asIntN(32, BigInt(Math.trunc(seed)))),
    candidateCount: request.choices !== undefined && request.choices > 1 ? request.choices : undefined,
    responseLogprobs: logprobs || undefined,
    logprobs: logprobs && request.topLogprobs ? Math.min(request.topLogprobs, MAX_LOGPROBS) : undefined,
    responseModalities: modalitiesOf(request, endpoint),
    imageConfig: request.imageConfig && camelKeys(request.imageConfig),
    speechConfig: speechOf(request),
    ...format.config,
    thinkingConfig: thinking.config,
  }
  return { config: Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined)) }
}

const UNKNOWN = ['repetition_penalty', 'min_p', 'top_a'] as const

const clamped = (value: number | undefined, limit: number | null): number | undefined =>
  value === undefined || limit === null ? value : Math.min(value, limit)

function writeFormat(
  request: ChatRequest, endpoint: Endpoint, traits: Traits, hasTools: boolean, dropped: Set<string>,
): { readonly config: JsonObject } | { readonly fault: Fault } {
  const { format } = request
  if (!format || format.type === 'text') return { config: {} }
  if (format.type === 'grammar' || format.type === 'python' || refuses(endpoint, 'response_format')) {
    dropped.add('response_format')
    return { config: {} }
  }
  if (hasTools && !traits.mixesTools) {
    return {
      fault: fault('invalid-request', 'response_format: models before Gemini 3 refuse JSON output beside function tools; leave one of them out', { field: 'response_format' }),
    }
  }
  const json = { responseMimeType: 'application/json' }
  if (format.type === 'json') return { config: json }
  if (refuses(endpoint, 'structured_outputs')) {
    dropped.add('structured_outputs')
    return { config: json }
  }
  if (Object.keys(format.schema).length === 0) return { config: json }
  if (traits.jsonSchema) return { config: { ...json, responseJsonSchema: format.schema } }
  const schema = toSubset(format.schema)
  return { config: schema ? { ...json, responseSchema: schema } : json }
}

/** What the answer is made of; a model that only speaks must be told so, and refuses to be asked for text. */
function modalitiesOf(request: ChatRequest, endpoint: Endpoint): readonly string[] | undefined {
  const { outputModalities } = endpoint
  const speaks = (outputModalities.has('audio') || outputModalities.has('speech')) && !outputModalities.has('text')
  if (speaks) return ['AUDIO']
  return request.modalities && request.modalities.length > 0 && !(request.modalities.length === 1 && request.modalities[0] === 'text')
    ? request.modalities.map((modality) => modality.toUpperCase()) : undefined
}

function speechOf(request: ChatRequest): JsonObject | undefined {
  const voice = request.audio?.['voice']
  return typeof voice === 'string' && voice !== '' ? { voiceConfig: { prebuiltVoiceConfig: { voiceName: voice } } } : undefined
}

/** `aspect_ratio` is `aspectRatio` here. */
function camelKeys(of: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(of).map(([key, value]) => [key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()), value]))
}
