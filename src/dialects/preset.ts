import { fault, type Asked, type Fault, type JsonObject } from '../core/index.ts'
import type { Inbound } from './dialect.ts'

/** What of a request's body is kept as a preset: its settings, and what it says to the model before anybody speaks. */
export interface PresetContent {
  /** The fields of the body that are no conversation and belong to no single call, as they were written. */
  readonly config: JsonObject
  /** The system and developer messages as one text; null where there is none. */
  readonly systemPrompt: string | null
}

interface Outline {
  /** Where the conversation stands. */
  readonly conversation: readonly string[]
  /** The shortest conversation that the format knows. */
  readonly least: JsonObject
}

/** The formats that presets are written in. */
const OUTLINES: Readonly<Record<string, Outline>> = {
  'openai-chat': { conversation: ['messages', 'prompt'], least: { messages: [{ role: 'user', content: '.' }] } },
  'openai-responses': { conversation: ['input', 'instructions'], least: { input: '.' } },
  'anthropic-messages': { conversation: ['messages', 'system'], least: { messages: [{ role: 'user', content: '.' }] } },
}

/** What says something of one call, of its caller or of a conversation, and nothing that a second call could want. */
const OF_ONE_CALL: ReadonlySet<string> = new Set([
  'stream', 'stream_options', 'session_id', 'user', 'safety_identifier', 'metadata', 'trace', 'debug', 'usage', 'echo_upstream_body',
  'store', 'background', 'previous_response_id', 'conversation',
])

const LONGEST_CACHED_SECONDS = 86_400

/** Stands where a format demands a model, and a preset names none. */
const NO_MODEL = '@preset'

/**
 * Reads a request's body as a preset. What belongs to one call is left out; everything else has to be what the format
 * allows: a fault names the field as it would in a request.
 */
export function presetOf(face: Inbound, body: JsonObject): PresetContent & { readonly asked: Asked } | { readonly fault: Fault } {
  const { conversation } = OUTLINES[face.dialect]!
  const said = Object.fromEntries(Object.entries(body).filter(([key, value]) => value !== null && value !== undefined && !OF_ONE_CALL.has(key)))
  const wrong = whyNoCache(said)
  if (wrong) return { fault: wrong }
  const decoded = decodedAsPreset(face, said)
  if ('fault' in decoded) return decoded
  const { asked } = decoded
  if (asked.preset !== undefined || asked.preferences.models.some((model) => model.includes('@preset/'))) {
    const field = asked.preset === undefined ? 'model' : 'preset'
    return { fault: fault('invalid-request', `${field}: a preset cannot be made of another; send what that one sets`, { field }) }
  }
  const { messages } = asked.operation.request
  const instructions = messages.filter(({ role }) => role === 'system' || role === 'developer')
  const texts = instructions.flatMap(({ parts }) => parts).flatMap((part) => (part.type === 'text' && part.text !== '' ? [part.text] : []))
  return {
    config: Object.fromEntries(Object.entries(said).filter(([key]) => !conversation.includes(key))),
    systemPrompt: texts.length > 0 ? texts.join('\n\n') : null,
    asked,
  }
}

/** What a preset asks for, read from its config: a request that nobody has said anything in, and models if it names any. */
export function askedOfPreset(face: Inbound, config: JsonObject): { readonly asked: Asked } | { readonly fault: Fault } {
  const decoded = decodedAsPreset(face, config)
  if ('fault' in decoded) return decoded
  const { asked } = decoded
  const { origin: _, ...request } = asked.operation.request
  const { cache_enabled: enabled, cache_ttl_seconds: ttlSeconds } = config
  const cache = enabled === undefined && ttlSeconds === undefined ? undefined
    : { enabled: enabled !== false && (enabled === true || ttlSeconds !== undefined), ...(typeof ttlSeconds === 'number' && { ttlSeconds }) }
  return { asked: { ...asked, operation: { type: 'chat', request: { ...request, messages: [] } }, ...(cache && { cache }) } }
}

/** The settings of the response cache, which only presets have: requests say them in headers. */
function whyNoCache({ cache_enabled: enabled, cache_ttl_seconds: seconds }: JsonObject): Fault | null {
  if (enabled !== undefined && typeof enabled !== 'boolean') {
    return fault('invalid-request', 'cache_enabled: must be true or false', { field: 'cache_enabled' })
  }
  if (seconds !== undefined && !(typeof seconds === 'number' && Number.isInteger(seconds) && seconds >= 1 && seconds <= LONGEST_CACHED_SECONDS)) {
    return fault('invalid-request', `cache_ttl_seconds: must be a whole number from 1 to ${LONGEST_CACHED_SECONDS}`, { field: 'cache_ttl_seconds' })
  }
  return null
}

function decodedAsPreset(face: Inbound, { cache_enabled: _, cache_ttl_seconds: __, ...said }: JsonObject): { readonly asked: Asked } | { readonly fault: Fault } {
  const { conversation, least } = OUTLINES[face.dialect]!
  const speaks = conversation.some((key) => Object.keys(least).includes(key) && said[key] !== undefined) || said['prompt'] !== undefined
  const names = said['model'] !== undefined || Array.isArray(said['models'])
  const decoded = face.decode({ ...!speaks && least, ...(!said['model'] && { model: NO_MODEL }), ...said })
  if ('fault' in decoded) return decoded
  const { asked } = decoded
  const models = names ? asked.preferences.models.filter((model) => model !== NO_MODEL) : []
  return { asked: { ...asked, preferences: { ...asked.preferences, models } } }
}
