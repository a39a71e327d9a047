import { charge, usage, type Attempt, type Endpoint, type FaultKind, type Generation, type SamplingName } from '../core/index.ts'

/**
 * Traffic that never was, for an instance that has none yet: the same calls for the same seed, catalogue and day. Only
 * records are made here; what they add up to is the business of those who add up any call.
 */
export interface DemoGiven {
  /** The models that are asked, the most popular first, each with the endpoints that can be paid. */
  readonly models: readonly { readonly id: string; readonly endpoints: readonly Endpoint[] }[]
  /** Ms since the epoch. The last day is its day, up to this moment. */
  readonly now: number
  readonly days: number
  /** About so many in all: each day has its share, and the rest of today's never comes. */
  readonly calls: number
  readonly seed: number
  /** Whose calls they are; by default of a workspace that no key belongs to. */
  readonly workspace?: string
}

export const DEMO_WORKSPACE = 'demo'
const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const KEYS = 30
const USERS = 60

/** Names under a domain that nobody can own. */
const APPS: readonly { readonly host: string; readonly title: string; readonly categories: readonly string[]; readonly weight: number }[] = [
  { host: 'terminal.example', title: 'Terminal Agent', categories: ['cli-agent'], weight: 30 },
  { host: 'editor.example', title: 'Editor', categories: ['ide-extension', 'programming-app'], weight: 22 },
  { host: 'chat.example', title: 'Chat Room', categories: ['general-chat'], weight: 16 },
  { host: 'notes.example', title: 'Notes', categories: ['writing-assistant'], weight: 9 },
  { host: 'stories.example', title: 'Storyteller', categories: ['creative-writing', 'roleplay'], weight: 7 },
  { host: 'pictures.example', title: 'Picture Book', categories: ['image-gen'], weight: 4 },
  { host: 'contracts.example', title: 'Contract Reader', categories: ['legal'], weight: 3 },
  { host: 'game.example', title: 'Dungeon', categories: ['game'], weight: 2 },
]
/** Out of a hundred calls, those that say no app. */
const NO_APP = 7

const TEMPERATURES = [0, 0, 0.2, 0.3, 0.5, 0.7, 0.7, 0.7, 0.8, 1, 1, 1.2] as const
const FAILURES: readonly FaultKind[] = ['upstream-error', 'timeout', 'connection', 'overloaded']

/** Draws from a seed: the same row of numbers on every machine. */
function dice(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32
  }
}

/** The calls, oldest day first. */
export function* demoCalls({ models, now, days, calls, seed, workspace = DEMO_WORKSPACE }: DemoGiven): Generator<Generation> {
  const today = Math.floor(now / DAY_MS) * DAY_MS
  const busy = Array.from({ length: days }, (_, day) => weightOfDay(today - (days - 1 - day) * DAY_MS, day / days))
  const all = busy.reduce((sum, weight) => sum + weight)
  for (const [day, weight] of busy.entries()) {
    const from = today - (days - 1 - day) * DAY_MS
    // Each day has dice of its own: how far today has come changes nothing in it, nor in the days before.
    const random = dice(seed * 1_000_003 + from / DAY_MS)
    const weights = models.map((_, place) => 1 / (place + 1) ** 0.9 * (0.7 + 0.6 * dice(seed + place * 97 + Math.floor(from / DAY_MS / 9))()))
    const made = Array.from({ length: Math.round(calls * weight / all) }, (_, i) =>
      demoCall({ random, from, workspace, model: models[drawn(random, weights)]!, id: `demo${String(i).padStart(8, '0')}` }))
    // As they would have come: who adds them up meets an hour at a time.
    yield* made.filter(({ createdAt, durationMs }) => createdAt + durationMs <= now).toSorted((a, b) => a.createdAt - b.createdAt)
  }
}

/** Weekends are quiet, and there is more of it from week to week. */
function weightOfDay(at: number, progress: number): number {
  const day = new Date(at).getUTCDay()
  return (day === 0 || day === 6 ? 0.55 : 1) * (1 + progress)
}

function drawn(random: () => number, weights: readonly number[]): number {
  let left = random() * weights.reduce((sum, weight) => sum + weight, 0)
  for (const [i, weight] of weights.entries()) {
    left -= weight
    if (left < 0) return i
  }
  return weights.length - 1
}

/** About `middle`, sometimes much more: as lengths and times are. */
function spread(random: () => number, middle: number, width: number): number {
  const normal = random() + random() + random() + random() - 2
  return middle * Math.exp(normal * width)
}

function demoCall({ random, from, workspace, model, id }: {
  readonly random: () => number
  readonly from: number
  readonly workspace: string
  readonly model: DemoGiven['models'][number]
  readonly id: string
}): Generation {
  // Busiest in the afternoon of UTC.
  const hour = Math.min(23, Math.max(0, Math.round(14 + (random() + random() + random() - 1.5) * 14)))
  const createdAt = from + hour * HOUR_MS + Math.floor(random() * HOUR_MS)
  const who = Math.floor(random() ** 2 * KEYS)
  const app = random() * 100 < NO_APP ? null : APPS[drawn(random, APPS.map(({ weight }) => weight))]!
  const first = Math.floor(random() ** 2 * model.endpoints.length)
  const order = [...model.endpoints.slice(first), ...model.endpoints.slice(0, first)]
  const attempts: Attempt[] = []
  let answered: Endpoint | null = null
  for (const endpoint of order.slice(0, 3)) {
    const trial = random()
    const startedAt = createdAt + attempts.length * 400
    const attempt = {
      endpoint: endpoint.id, provider: endpoint.provider, providerName: endpoint.providerName, model: model.id, credential: 'demo', startedAt,
      headersMs: 120, durationMs: 380, status: 200, upstreamId: null, outcome: 'failed', fault: null, message: null,
    } satisfies Attempt
    if (trial < failing(endpoint.id, createdAt)) attempts.push({ ...attempt, status: 503, fault: FAILURES[Math.floor(random() * FAILURES.length)]! })
    else if (trial > 0.99) attempts.push({ ...attempt, status: 429, fault: 'upstream-rate-limited' })
    else {
      answered = endpoint
      attempts.push({ ...attempt, outcome: 'answered' })
      break
    }
  }
  const left = answered !== null && random() < 0.01
  const reasons = mark(model.id) < 0.4
  const prompt = Math.max(1, Math.round(spread(random, 1800, 2.2)))
  const cached = random() < 0.35 ? Math.floor(prompt * random() * 0.9) : 0
  const output = Math.max(1, Math.round(spread(random, 320, 1.8)))
  const used = answered === null ? usage({ total: 0 }, { total: 0 })
    : usage({ total: prompt, cacheRead: cached }, { total: output, reasoning: reasons ? Math.floor(output * random() * 0.8) : 0 })
  const quick = answered === null ? 1 : 0.5 + mark(answered.id)
  const latencyMs = answered === null ? null : Math.round(spread(random, 420 * quick * (reasons ? 3 : 1), 1.2)) + (attempts.length - 1) * 400
  const durationMs = latencyMs === null ? attempts.length * 400 : latencyMs + Math.round(output / spread(random, 75 / quick, 0.7) * 1000)
  const tools = random() < 0.3
  const structured = !tools && random() < 0.12
  return {
    id: `gen-${Math.floor(createdAt / 1000)}-${id}`, createdAt, keyId: `demo-key-${who}`, workspace, surface: 'openai-chat', requested: model.id,
    model: answered === null ? null : model.id, endpoint: answered?.id ?? null, provider: answered?.provider ?? null, providerName: answered?.providerName ?? null,
    upstreamId: null, streamed: random() < 0.8, cancelled: left, simulated: false, finish: answered === null ? 'error' : left ? null : tools && random() < 0.6 ? 'tool_calls' : 'stop',
    nativeFinish: null, fault: answered === null ? attempts.at(-1)!.fault : left ? 'cancelled' : null, latencyMs, durationMs, usage: used,
    cost: answered === null ? 0n : charge(answered.price!, used).total, absorbed: 0n, price: answered?.price ?? null, tier: null, attempts,
    untried: Math.max(0, order.length - attempts.length), referer: app && `https://${app.host}/`, title: app?.title ?? null, categories: app?.categories ?? [],
    userAgent: null, user: random() < 0.5 ? `demo-user-${Math.floor(random() * USERS)}` : null, session: null, inputMedia: 0, inputAudio: 0,
    quality: answered === null || left ? null : {
      tools, toolCalls: tools ? 1 + Math.floor(random() * 3) : 0, badToolCalls: tools && random() < 0.01 + 0.04 * mark(answered.id) ? 1 : 0,
      structured, badStructured: structured && random() < 0.02,
    },
    sampling: samplingOf(random),
  }
}

function samplingOf(random: () => number): Generation['sampling'] {
  const set: Partial<Record<SamplingName, number>> = {}
  if (random() < 0.45) set.temperature = TEMPERATURES[Math.floor(random() * TEMPERATURES.length)]!
  if (random() < 0.2) set.top_p = random() < 0.5 ? 0.95 : 0.9
  if (random() < 0.06) set.top_k = 20 + Math.floor(random() * 60)
  if (random() < 0.04) set.frequency_penalty = Math.round(random() * 10) / 10
  return Object.keys(set).length === 0 ? null : set
}

/** How likely an endpoint fails at a moment: seldom, but for the four hours of its own bad day in each three weeks. */
function failing(endpoint: string, at: number): number {
  const day = Math.floor(at / DAY_MS)
  const bad = Math.floor(mark(endpoint) * 21)
  const hour = Math.floor(at / HOUR_MS) % 24
  return day % 21 === bad && hour >= 10 && hour < 14 ? 0.4 : 0.004 + 0.012 * mark(`${endpoint} fails`)
}

/** A number from 0 to 1 that a name always has. */
function mark(name: string): number {
  let hash = 2166136261
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619)
  return dice(hash)()
}
