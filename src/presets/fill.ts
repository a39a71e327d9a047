import { fault, rewrite, type Asked, type ChatRequest, type Fault, type JsonObject, type Message, type Preferences, type Tool } from '../core/index.ts'

/** What a request is filled in with. */
export interface Filling {
  readonly id: string
  readonly slug: string
  readonly version: number
  /** What the version asks for. Nobody has said anything in it. */
  readonly asked: Asked
  readonly systemPrompt: string | null
}

const MARK = '@preset/'

/** Whether a request names a preset: asked for every request, so nothing is made here. */
export function namesPreset({ preset, preferences: { models } }: Asked): boolean {
  if (preset !== undefined) return true
  for (const model of models) if (model.includes(MARK)) return true
  return false
}

/**
 * The preset that a request names, in `preset`, in the place of a model (`@preset/slug`) or behind one
 * (`author/model@preset/slug`), with the models as they are without it; null at the place that the preset's own take.
 * A request has one preset: two different ones are a 400.
 */
export function presetNamed({ preset, preferences: { models } }: Asked): { readonly slug: string; readonly models: readonly (string | null)[] } | { readonly fault: Fault } {
  let slug = preset ?? null
  const bare: (string | null)[] = []
  for (const model of models) {
    const at = model.indexOf(MARK)
    if (at < 0) {
      bare.push(model)
      continue
    }
    const named = model.slice(at + MARK.length)
    if (slug !== null && slug !== named) {
      return { fault: fault('invalid-request', `model: names the preset ${JSON.stringify(named.slice(0, 80))} beside ${JSON.stringify(slug.slice(0, 80))}; a request has one preset`, { field: 'model' }) }
    }
    slug = named
    bare.push(at === 0 ? null : model.slice(0, at))
  }
  return { slug: slug!, models: bare }
}

/**
 * A request filled in with a preset. What the request says stands, field by field as they have names of their own in a
 * body; tools are those of both, by their names; the preset's system prompt comes before everything that is said.
 */
export function filled(asked: Asked, preset: Filling, models: readonly (string | null)[]): Asked | { readonly fault: Fault } {
  const own = preset.asked.preferences
  const meant = [...new Set(models.flatMap((model) => (model === null ? own.models : [model])))]
  if (meant.length === 0) {
    return { fault: fault('invalid-request', `model: the preset ${preset.slug} names no model: name one before it, as author/model@preset/${preset.slug}`, { field: 'model' }) }
  }
  const { request } = asked.operation
  const change = changeOf(request, preset)
  const names = Object.keys(change)
  const lost = lostExtras(request, preset.asked.operation.request)
  const { preset: _, ...rest } = asked
  return {
    ...rest,
    operation: { type: 'chat', request: names.length > 0 ? rewrite(request, change) : request },
    ...(names.length > 0 && { said: request }),
    preferences: { ...(wishes(asked.preferences) ? asked.preferences : own), models: meant },
    plugins: asked.plugins.length > 0 ? asked.plugins : preset.asked.plugins,
    ignored: [...asked.ignored, ...preset.asked.ignored.filter((name) => !asked.ignored.includes(name)), ...lost],
    presetId: preset.id,
    ...(preset.asked.cache && { cache: preset.asked.cache }),
    notes: [...asked.notes ?? [], {
      type: 'plugin', name: 'preset', summary: `version ${preset.version} of the preset ${preset.slug} filled in what the request left open`,
      data: { id: preset.id, slug: preset.slug, version: preset.version, models: meant },
    }],
  }
}

type Change = Partial<Omit<ChatRequest, 'origin'>>

/** What of a preset a request takes on. Never its `origin`: nobody's body says what the two of them mean. */
function changeOf(request: ChatRequest, preset: Filling): Change {
  const { messages: _, sampling, extras, extrasFrom, tools, origin: __, ...fields } = preset.asked.operation.request
  const change: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined && request[key as keyof ChatRequest] === undefined) change[key] = value
  }
  if (Object.keys(sampling).some((name) => !(name in request.sampling))) change['sampling'] = { ...sampling, ...request.sampling }
  if (tools && tools.length > 0) change['tools'] = together(tools, request.tools ?? [])
  if (fit(request, extrasFrom) && Object.keys(extras).some((name) => !(name in request.extras))) {
    change['extras'] = { ...extras, ...request.extras }
    if (extrasFrom !== undefined) change['extrasFrom'] = extrasFrom
  }
  if (preset.systemPrompt !== null) change['messages'] = [instruction(preset.systemPrompt), ...request.messages]
  return change
}

const instruction = (text: string): Message => ({ role: 'system', parts: [{ type: 'text', text }] })

/** Fields that only one format has words for stand beside none of another's. */
function fit(request: ChatRequest, from: string | undefined): boolean {
  for (const _ in request.extras) return request.extrasFrom === from
  return true
}

function lostExtras(request: ChatRequest, preset: ChatRequest): readonly string[] {
  return fit(request, preset.extrasFrom) ? [] : Object.keys(preset.extras as JsonObject)
}

/** The preset's tools in their places, those of the request in the place of their namesakes, and behind them the others. */
function together(preset: readonly Tool[], request: readonly Tool[]): readonly Tool[] {
  const own = new Map(request.map((tool) => [identityOf(tool), tool]))
  const both = preset.map((tool) => own.get(identityOf(tool)) ?? tool)
  const known = new Set(preset.map(identityOf))
  return [...both, ...request.filter((tool) => !known.has(identityOf(tool)))]
}

/** A function by its name; a tool that a server runs by its type, of which a request has one. */
function identityOf(tool: Tool): string {
  if (tool.type !== 'native') return `name ${tool.name}`
  const { type, name } = tool.value
  return `type ${typeof type === 'string' ? type : ''} ${typeof name === 'string' ? name : ''}`
}

/** Whether a request says anything of routing itself (its `provider`): then the preset's is not its. */
function wishes({ models: _, ...rest }: Preferences): boolean {
  for (const _ in rest) return true
  return false
}
