import type { ChatRequest, Fault } from '../../core/index.ts'
import type { Outgoing, Target } from '../dialect.ts'
import { foreignTool } from '../native-tools.ts'
import { asSaid, asWished } from './as-said.ts'
import { writeConversation } from './contents.ts'
import { writeGenerationConfig } from './generation-config.ts'
import { writeTools } from './tools.ts'
import { traitsOf } from './traits.ts'
import { DIALECT, isObject, type WireBody } from './wire.ts'

/** Writes a request for an endpoint. The model stands in the path, and streaming is another verb. */
export function encode(request: ChatRequest, target: Target): Outgoing | { readonly fault: Fault } {
  const { endpoint } = target
  const traits = traitsOf(endpoint)
  const foreign = foreignTool(request, DIALECT)
  if (foreign) return { fault: foreign }
  const dropped = new Set<string>()
  const conversation = writeConversation(request, traits, dropped)
  if ('fault' in conversation) return conversation
  const tooling = writeTools(request, endpoint, traits, dropped)
  if ('fault' in tooling) return tooling
  const hasFunctions = tooling.tools?.some((tool) => 'functionDeclarations' in tool) ?? false
  const generation = writeGenerationConfig(request, endpoint, traits, hasFunctions, dropped)
  if ('fault' in generation) return generation

  const own = request.origin?.dialect === DIALECT ? request.origin.body : undefined
  const wish = own && asWished(own, traits)
  if (wish) generation.config['thinkingConfig'] = wish

  const asked = request.serviceTier
  if (asked !== undefined && asked !== 'auto' && asked !== endpoint.tier) dropped.add('service_tier')
  const body: WireBody = {
    contents: own ? asSaid(conversation.contents, own) as WireBody['contents'] : conversation.contents,
    ...(conversation.system.length > 0 && { systemInstruction: { parts: conversation.system } }),
    ...tooling,
    ...(Object.keys(generation.config).length > 0 && { generationConfig: generation.config }),
    // Labels are Vertex's, which is also who wants a user's id; the Gemini API has no such field.
    ...(target.userId !== undefined && { labels: { user_id: labelOf(target.userId) } }),
    ...(endpoint.tier !== 'default' && { serviceTier: endpoint.tier }),
  }
  const native = request.extrasFrom === DIALECT || request.origin?.dialect === DIALECT ? request.extras : null
  if (!native) for (const key of Object.keys(request.extras)) dropped.add(key)
  const whole = [native, target.options, endpoint.forcedParams].reduce<Record<string, unknown>>((at, over) => (over ? merged(at, over) : at), body)
  return {
    path: `${pathOf(endpoint.upstreamModel)}:${target.stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    headers: {},
    body: JSON.stringify(whole),
    dropped: [...dropped],
  }
}

/** `gemini-…` lies under models; a name with a folder of its own (`tunedModels/…`) is the path. */
function pathOf(model: string): string {
  const name = model.startsWith('models/') ? model.slice('models/'.length) : model
  const whole = name.includes('/') ? name : `models/${name}`
  return `/${whole.split('/').map(encodeURIComponent).join('/')}`
}

/** Objects replaced key by key, and everything else whole; a thinking config too, because its keys exclude each other. */
function merged(at: Record<string, unknown>, over: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const out = { ...at }
  for (const [key, value] of Object.entries(over)) {
    const known = out[key]
    out[key] = isObject(known) && isObject(value) && key !== 'thinkingConfig' ? merged({ ...known }, value) : value
  }
  return out
}

/** A label takes lower-case letters, digits, hyphen and underscore, at most 63. */
const labelOf = (id: string): string => id.toLowerCase().replace(/[^a-z0-9_-]/g, '_').slice(0, 63)
