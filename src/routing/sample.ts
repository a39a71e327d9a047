import {
  attoFromDecimal,
  type Credential, type Endpoint, type Model, type Need, type Offer, type Preferences, type PriceSheet,
} from '../core/index.ts'
import { DEFAULT_POLICY, type Given, type HealthView } from './given.ts'
import { plan, type RoutePlan } from './plan.ts'

// Endpoints, needs and offers as the tests of this room use them: one model at providers named by the test.

export const NOW = 1_800_000_000_000

/** Prices in US dollars per million tokens. */
export function sheet(prompt: number, completion = prompt): PriceSheet {
  const rate = (usd: number): bigint => attoFromDecimal(usd.toFixed(9))! / 1_000_000n
  return { rates: { prompt: rate(prompt), completion: rate(completion) }, overrides: [], source: 'catalogue' }
}

export function endpoint(tag: string, change: Partial<Endpoint> = {}): Endpoint {
  const provider = tag.split('/')[0]!
  const model = change.model ?? 'acme/one'
  return {
    id: `${model}@${tag}`, model, provider, tag,
    providerName: provider[0]!.toUpperCase() + provider.slice(1),
    tier: 'default', upstreamModel: 'one', dialect: 'openai-chat', protocols: ['openai-chat'],
    baseUrl: `https://${provider}.example/v1`, price: sheet(1), unpriced: null,
    contextLength: 128_000, maxOutputTokens: 8_192, maxPromptTokens: null, quantization: null,
    parameters: null, parametersSource: 'none', reasoning: { supported: false },
    inputModalities: new Set(['text']), outputModalities: new Set(['text']), implicitCaching: false,
    dataPolicy: { training: null, retainsPrompts: null, retentionDays: null }, quirks: new Set(),
    forcedParams: null, forcedHeaders: null, disabled: false, deprecated: false, simulated: false,
    ...change,
  }
}

export function offer(endpoints: readonly Endpoint[], variants: readonly string[] = [], id = 'acme/one'): Offer {
  const model: Model = {
    id, name: id, author: id.split('/')[0]!, kind: 'chat', status: 'active', contextLength: null,
    inputModalities: new Set(['text']), outputModalities: new Set(['text']), reasoning: { supported: false },
    openWeights: false,
  }
  return { requested: [id, ...variants].join(':'), model, variants, endpoints }
}

export function need(change: Partial<Need> = {}): Need {
  return {
    operation: 'chat', inputBytes: 4_000, inputTokens: 1_004, outputBound: null,
    inputModalities: new Set(['text']), outputModalities: new Set(['text']), images: 0, choices: 1, media: 0, audios: 0,
    parameters: new Set(), stream: false, ...change,
  }
}

/** Everything is well and nothing was measured. */
export const WELL: HealthView = { unstable: () => false, figures: () => null }

/** One key for each provider, a fixed draw, nothing known of health. */
export function given(preferences: Partial<Preferences> = {}, change: Partial<Given> = {}): Given {
  return {
    preferences: { models: ['acme/one'], ...preferences },
    credentials: (provider) => [key(provider)],
    health: WELL, policy: DEFAULT_POLICY, now: NOW, random: () => 0.5, ...change,
  }
}

export function key(provider: string, name = 'main'): Credential {
  return { id: `${provider}:${name}`, provider, owner: 'operator', label: 'sk-…abcd' }
}

/** Deterministic draws (Park–Miller); good enough for frequencies. */
export function draws(seed: number): () => number {
  let state = seed % 2_147_483_646 + 1
  return () => {
    state = state * 48_271 % 2_147_483_647
    return (state - 1) / 2_147_483_646
  }
}

/** The tags of the candidates in order. */
export function tags(made: RoutePlan): readonly string[] {
  return made.candidates.map((it) => it.endpoint.tag)
}

/** Why each rejected endpoint was, by tag. */
export function whys(made: RoutePlan): Readonly<Record<string, string>> {
  return Object.fromEntries(made.rejected.map((it) => [it.endpoint.split('@')[1]!, it.why]))
}

/** A plan for one model. */
export function planOne(endpoints: readonly Endpoint[], preferences: Partial<Preferences> = {}, rest: {
  need?: Partial<Need>
  given?: Partial<Given>
  variants?: readonly string[]
} = {}): RoutePlan {
  return plan(need(rest.need), [offer(endpoints, rest.variants)], given(preferences, rest.given))
}
