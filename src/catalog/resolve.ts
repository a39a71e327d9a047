import { fault, isFree, type Endpoint, type Fault, type Offer, type Operation, type RouterReference } from '../core/index.ts'
import type { Names } from './names.ts'
import { nearest } from './nearest.ts'
import type { ModelEntry } from './snapshot.ts'

/**
 * Suffixes that change how a model is routed, on any model. Static ones are rows of their own, wherever there is such
 * a row; without one, `:free` and `:thinking` mean what can be had of the plain model.
 */
const DYNAMIC = new Set(['nitro', 'floor', 'online', 'exacto'])
const STATIC = new Set(['free', 'thinking', 'extended', 'batch'])

/** The router models that there is a rule for; the others are refused by name. */
const ROUTERS: Readonly<Record<string, RouterReference['router']>> = { 'openrouter/auto': 'auto', 'openrouter/free': 'free', 'openrouter/fusion': 'fusion' }

/** Where models of other kinds are asked, in the API's own words. */
const ROUTE_OF_KIND: Readonly<Record<string, string>> = {
  chat: 'POST /api/v1/chat/completions',
  completion: 'POST /api/v1/completions',
  embedding: 'POST /api/v1/embeddings',
  rerank: 'POST /api/v1/rerank',
  image: 'POST /api/v1/images',
  video: 'POST /api/v1/videos',
  audio: 'POST /api/v1/audio/speech',
  speech: 'POST /api/v1/audio/speech',
  transcription: 'POST /api/v1/audio/transcriptions',
}

/** The kinds of models that an operation may ask, the first being what it is called by. */
const KINDS: Readonly<Record<Operation['type'], readonly string[]>> = {
  chat: ['chat', 'completion'], embed: ['embedding'], rerank: ['rerank'],
}

/** Which of the router models that can be asked here has this id; null for every other model. */
export function routerNamed(id: string): RouterReference['router'] | null {
  return Object.hasOwn(ROUTERS, id) ? ROUTERS[id]! : null
}

/** No model has a longer name; beyond it a reference is not worth taking apart, nor repeating in a message. */
const LONGEST = 256

export interface Resolver {
  readonly names: Names
  readonly modelAliases: Readonly<Record<string, string>>
  endpointsOf(entry: ModelEntry): readonly Endpoint[]
  /** The simulation of a chat model, for `author/slug:demo`. */
  simulationOf(entry: ModelEntry): Endpoint
  /** What a moving alias stands for at present; null for every other model. */
  targetOf(entry: ModelEntry): ModelEntry | null
}

export type Resolved = { readonly offer: Offer } | { readonly router: RouterReference } | { readonly fault: Fault }

/**
 * What a reference stands for: the operator's aliases first (one may name another, once), then ids, canonical slugs
 * and aliases, then bare names; suffixes such as `:nitro:online` are taken off from the right and kept in order.
 * A router model is a reference of its own kind: which model it means is the caller's request to say.
 * Faults carry OpenRouter's `availability`: model_not_found, wrong_endpoint, model_deprecated, free_variant_ended,
 * no_endpoints.
 */
export function resolve(reference: string, by: Resolver, operation: Operation['type'] = 'chat'): Resolved {
  let name = reference
  for (let step = 0; step < 2 && Object.hasOwn(by.modelAliases, name); step++) name = by.modelAliases[name]!
  if (name.length > LONGEST) return { fault: notFound(`${reference.slice(0, 60)}…`, []) }
  const suffixes: Suffixes = { dynamic: [], static: [], simulated: false }
  for (;;) {
    const found = find(name, by.names)
    if (found.length > 1) return { fault: ambiguous(reference, name, found) }
    if (found.length === 1) return meant(reference, found[0]!, suffixes, by, operation)
    const colon = name.lastIndexOf(':')
    const suffix = colon > 0 ? name.slice(colon + 1).toLowerCase() : ''
    const rest = name.slice(0, colon)
    if (DYNAMIC.has(suffix)) suffixes.dynamic.unshift(suffix)
    else if (STATIC.has(suffix)) suffixes.static.unshift(suffix)
    else if (suffix === 'demo') suffixes.simulated = true
    else return { fault: unknown(reference, suffixes.static.length > 0 ? reference : name, by.names) }
    name = Object.hasOwn(by.modelAliases, rest) ? by.modelAliases[rest]! : rest
  }
}

interface Suffixes {
  /** In the order in which they were written. */
  readonly dynamic: string[]
  readonly static: string[]
  simulated: boolean
}

function find(name: string, names: Names): readonly ModelEntry[] {
  const exact = names.exact(name)
  if (exact) return [exact]
  return name.includes('/') ? [] : names.bare(name)
}

function meant(reference: string, entry: ModelEntry, suffixes: Suffixes, by: Resolver, operation: Operation['type']): Resolved {
  const { row } = entry
  if (row.kind === 'router' && operation !== 'chat') return { fault: wrongEndpoint(reference, entry, operation) }
  if (row.kind === 'router') return routerOf(reference, row.id, suffixes)
  if (row.alias_target === undefined) return withStatics(reference, entry, suffixes, by, operation)
  const target = by.targetOf(entry)
  if (target === null || target.row.alias_target !== undefined) {
    return { fault: gone(reference, `${row.id} stands for ${row.alias_target}, which is not in the catalogue`, 'no_endpoints', []) }
  }
  const resolved = withStatics(reference, target, suffixes, by, operation)
  return 'offer' in resolved ? { offer: { ...resolved.offer, via: 'latest' } } : resolved
}

function routerOf(reference: string, id: string, { dynamic, static: fixed }: Suffixes): Resolved {
  const router = ROUTERS[id]
  if (router === undefined) {
    const known = Object.keys(ROUTERS).join(', ').replace(/, (?=[^,]*$)/, ' and ')
    return { fault: gone(reference, `${id} is a router model that is not available here; ${known} are, or name a model`, 'no_endpoints', []) }
  }
  const free = fixed.length === 0 ? router : 'free'
  if (fixed.some((suffix) => suffix !== 'free') || (router === 'fusion' && fixed.length > 0)) {
    return { fault: notFound(reference, [id], `:${fixed.join(':')} is not for router models`) }
  }
  return { router: { requested: reference, router: free, id, variants: dynamic } }
}

/** Takes the rows of static variants where there are such; elsewhere what the variant means of the plain model. */
function withStatics(reference: string, entry: ModelEntry, { dynamic, static: fixed, simulated }: Suffixes, by: Resolver, operation: Operation['type']): Resolved {
  let at = entry
  const variants = [...dynamic]
  for (const suffix of fixed) {
    const row = by.names.exact(`${at.row.id}:${suffix}`)
    if (row !== null) {
      at = row
      continue
    }
    const why = simulated ? null : lacking(reference, at, suffix, by)
    if (why !== null) return { fault: why }
    variants.push(suffix)
  }
  return offerOf(reference, at, variants, simulated, by, operation)
}

/** Why a model without a row for a static variant cannot stand for it; null where it can. */
function lacking(reference: string, entry: ModelEntry, suffix: string, by: Resolver): Fault | null {
  const { row } = entry
  switch (suffix) {
    case 'free':
      return by.endpointsOf(entry).some((it) => !it.simulated && !it.disabled && it.price !== null && isFree(it.price)) ? null
        : freeEnded(reference, `${row.id}:free`, row.status === 'retired' ? [] : [row.id])
    case 'thinking':
      return entry.model.reasoning.supported ? null : notFound(reference, [row.id], `${row.id} does not reason`)
    case 'extended': {
      const widest = Math.max(0, ...by.endpointsOf(entry).map((it) => it.contextLength ?? 0))
      const context = widest > 0 ? `; the largest context of ${row.id} is ${widest} tokens, without a suffix` : ''
      return notFound(reference, [row.id], `${row.id} has no :extended variant${context}`)
    }
    default: return notFound(reference, [row.id], `${row.id} has no :${suffix} variant`)
  }
}

function offerOf(reference: string, entry: ModelEntry, variants: readonly string[], simulated: boolean, by: Resolver, operation: Operation['type']): Resolved {
  const { row } = entry
  if (!KINDS[operation].includes(row.kind)) return { fault: wrongEndpoint(reference, entry, operation) }
  if (simulated) return { offer: { requested: reference, model: entry.model, variants, endpoints: [by.simulationOf(entry)] } }
  if (row.status === 'retired' && by.endpointsOf(entry).length === 0) return { fault: retired(reference, entry, by.names) }
  return { offer: { requested: reference, model: entry.model, variants, endpoints: by.endpointsOf(entry) } }
}

function retired(reference: string, entry: ModelEntry, names: Names): Fault {
  const { row } = entry
  const base = row.variant_of !== undefined ? names.exact(row.variant_of) : null
  if (row.variant === 'free') return freeEnded(reference, row.id, base && base.row.status !== 'retired' ? [base.row.id] : [])
  const successor = row.successor ?? (base && base.row.status !== 'retired' ? base.row.id : undefined)
  const hint = successor ? `; use ${successor} instead` : ''
  return gone(reference, `${row.id} is retired: no provider serves it any more${hint}`, 'model_deprecated', successor ? [successor] : [])
}

function freeEnded(reference: string, id: string, fallbacks: readonly string[]): Fault {
  const hint = fallbacks[0] ? `; ${fallbacks[0]} is the paid one` : ''
  return gone(reference, `${id} is not offered free of charge${hint}`, 'free_variant_ended', fallbacks)
}

function ambiguous(reference: string, name: string, owners: readonly ModelEntry[]): Fault {
  const ids = owners.map((entry) => entry.row.id)
  return fault('ambiguous-model', `${name} is the name of several models: ${ids.join(', ')}. Use the full id of one of them`, {
    field: 'model',
    availability: availability('model_not_found', reference, { fallback_models: ids }),
  })
}

function wrongEndpoint(reference: string, { row }: ModelEntry, operation: Operation['type']): Fault {
  const route = ROUTE_OF_KIND[row.kind === 'router' ? 'chat' : row.kind]
  const [wanted = ''] = KINDS[operation]
  const detail = route ? `${row.id} is asked at ${route}` : `${row.id} cannot be asked through this API`
  return fault('wrong-endpoint', `${row.id} is ${articled(row.kind)} model, not ${articled(wanted)} model: ${detail}`, {
    field: 'model',
    availability: availability('wrong_endpoint', reference, { constraint: { field: 'model', detail } }),
  })
}

const articled = (kind: string): string => `${/^[aeiou]/.test(kind) ? 'an' : 'a'} ${kind}`

function unknown(reference: string, name: string, names: Names): Fault {
  if (name.includes('@preset/')) {
    return notFound(reference, [], 'presets are known to a running server alone, and not to this one')
  }
  const near = new Set<string>()
  for (const known of nearest(name, names.all(), 12)) {
    const entry = names.exact(known)
    if (entry && entry.row.status !== 'retired' && entry.row.kind !== 'router') near.add(entry.row.id)
  }
  return notFound(reference, [...near].slice(0, 3))
}

function notFound(reference: string, near: readonly string[], why = ''): Fault {
  const hint = `${why && `: ${why}`}${near.length > 0 ? `. Did you mean ${near.join(' or ')}?` : ''}`
  return fault('model-not-found', `${reference} is not a valid model ID${hint}`, {
    field: 'model',
    availability: availability('model_not_found', reference, near.length > 0 ? { fallback_models: near } : {}),
  })
}

function gone(reference: string, message: string, code: string, fallbacks: readonly string[]): Fault {
  return fault('no-endpoint', message, {
    field: 'model',
    availability: availability(code, reference, fallbacks.length > 0 ? { fallback_models: fallbacks } : {}),
  })
}

function availability(code: string, reference: string, rest: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return { code, retryable: false, requested_models: [reference], ...rest }
}
