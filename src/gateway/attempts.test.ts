import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  Departure, fault, needOf, usage,
  type Candidate, type ChatEvent, type ChatRequest, type Endpoint, type FaultKind, type Plan, type PriceSheet,
} from '../core/index.ts'
import type { Net } from '../net/index.ts'
import type { Providers } from '../providers/index.ts'
import { DEFAULT_POLICY } from '../routing/index.ts'
import { createFakeAmbient } from '../testing/index.ts'
import { tryCandidates, type AttemptHealth, type AttemptParts, type Timeouts } from './attempts.ts'
import { createDeadlines } from './deadline.ts'
import type { Hedging } from './hedge.ts'
import { createUpstreams } from './upstreams.ts'

/** What a provider does in these tests: events to say, batch by batch, or a way to hang. */
type Does = readonly (readonly ChatEvent[])[] | 'hang'

const START: ChatEvent = { type: 'start' }
const OPEN: ChatEvent = { type: 'block-open', index: 0, choice: 0, block: { type: 'text' } }
const answers: Does = [[START], [OPEN, { type: 'block-delta', index: 0, text: 'Hi' }]]
const fails = (kind: FaultKind): Does => [[START, { type: 'fault', fault: fault(kind, `${kind}!`) }]]

const SHEET: PriceSheet = { rates: { prompt: 10n ** 15n }, overrides: [], source: 'operator' }
const REQUEST: ChatRequest = { messages: [], sampling: {}, extras: {} }
const TIMEOUTS: Timeouts = { connectMs: 100, firstTokenMs: 60, firstTokenReasoningMs: 60, idleMs: 60, totalMs: 1000, preTokenTotalMs: 90_000 }

function candidate(provider: string, given: Partial<Endpoint> = {}): Candidate {
  const model = given.model ?? 'acme/one'
  const endpoint = {
    id: `${model}@${provider}`, model, provider, providerName: provider.toUpperCase(), dialect: provider, price: SHEET, contextLength: null,
    maxOutputTokens: null, reasoning: { supported: false }, dataPolicy: {}, ...given,
  } as Endpoint
  return { endpoint, credential: { id: `operator:${provider}`, provider, owner: 'operator', label: '…' }, worst: 0n, weight: null }
}

async function trying(candidates: readonly Candidate[], does: Readonly<Record<string, Does>>, given: {
  readonly limits?: { attemptsPerModel: number; attemptsInAll: number }
  readonly timeouts?: Partial<Timeouts>
  readonly departure?: Departure
  readonly request?: ChatRequest
  readonly health?: AttemptHealth
  readonly observe?: AttemptParts['observe']
  /** Providers whose one place another call has. */
  readonly full?: readonly string[]
  readonly hedge?: Hedging
} = {}) {
  const asked: { provider: string; request: ChatRequest }[] = []
  const observed: { provider: string; kind: FaultKind }[] = []
  const ambient = createFakeAmbient()
  // The fake clock stands still; deadlines are those of real time.
  const deadlines = createDeadlines({ monotonic: () => performance.now() })
  const departure = given.departure ?? new Departure()
  const locals = new Map(Object.entries(does).map(([provider, what]) => [provider, {
    async *stream(request: ChatRequest) {
      asked.push({ provider, request })
      if (what !== 'hang') return yield* what
      await new Promise<void>((resolve) => departure.listen(resolve))
      yield [{ type: 'fault', fault: fault('cancelled', 'left') } as const]
    },
  }]))
  const upstreams = createUpstreams({ ambient, limits: (provider) => ({ limit: given.full?.includes(provider) ? 1 : 100, keyShare: 1, queueMs: 20 }) })
  for (const provider of given.full ?? []) upstreams.take(provider, { key: 'other', rank: 2, departure })
  const plan: Plan = { candidates, rejected: [], strategy: 'order', models: ['acme/one'] }
  const tried = await tryCandidates({
    net: {} as Net, download: () => Promise.reject(new Error('nothing is fetched here')), dialects: new Map(), locals, providers: () => ({}) as Providers, timeouts: () => ({ ...TIMEOUTS, ...given.timeouts }),
    deadlines, ambient, limits: () => given.limits ?? { attemptsPerModel: 3, attemptsInAll: 6 },
    observe: given.observe ?? (({ endpoint }, { kind }) => void observed.push({ provider: endpoint.provider, kind })),
    health: given.health ?? { begin: () => 0, retry: () => 0, answers: () => {}, superseded: () => {}, patience: () => null },
    upstreams, mend: () => null, large: {} as AttemptParts['large'],
  }, plan, { type: 'chat', request: given.request ?? REQUEST }, { stream: true, preferences: { models: ['acme/one'] }, need: needOf(given.request ?? REQUEST, true), fit: DEFAULT_POLICY, echo: null, departure, startedAt: ambient.monotonic(), workspace: 'default', key: 'k', rank: 2, hedge: given.hedge ?? null, review: null, standIn: null, downloads: null })
  return { tried, observed, asked, providers: asked.map((it) => it.provider) }
}

describe('Going on', () => {
  test('the first that opens a block has it: nobody behind it is asked, and what it said so far is kept', async () => {
    const { tried, providers } = await trying(['a', 'b', 'c'].map((name) => candidate(name)), { a: fails('upstream-error'), b: answers, c: answers })
    assert.deepEqual(providers, ['a', 'b'])
    assert.deepEqual(tried.committed!.first, [START, OPEN, { type: 'block-delta', index: 0, text: 'Hi' }])
    assert.deepEqual(tried.failed.map((it) => [it.provider, it.outcome, it.fault]), [['a', 'failed', 'upstream-error']])
    assert.equal(tried.fault, null)
    assert.equal(tried.untried, 1)
  })

  test('a start, usage or nothing at all commits to nobody', async () => {
    for (const silence of [[[START], []], [[]], [], [[START, { type: 'usage', usage: usage({ total: 5 }, {}) }]]] as Does[]) {
      const { tried, providers } = await trying([candidate('a'), candidate('b')], { a: silence, b: answers })
      assert.deepEqual(providers, ['a', 'b'])
      assert.equal(tried.failed[0]!.fault, 'invalid-response')
    }
  })

  test('a fault behind the first block of the same read is no reason to go on: the caller may have seen it', async () => {
    const { tried, providers } = await trying([candidate('a'), candidate('b')], {
      a: [[START, OPEN, { type: 'fault', fault: fault('stream-cut', 'cut') }]], b: answers,
    })
    assert.deepEqual(providers, ['a'])
    assert.equal(tried.committed!.attempt.candidate.endpoint.provider, 'a')
  })

  test('three of a model, six in all, and the others are counted as untried', async () => {
    const models = ['acme/one', 'acme/two', 'acme/three']
    const candidates = models.flatMap((model) => [1, 2, 3, 4].map((n) => candidate(`${model.slice(5)}${n}`, { model })))
    const does = Object.fromEntries(candidates.map((it) => [it.endpoint.provider, fails('overloaded')]))
    const { tried, providers } = await trying(candidates, does)
    assert.deepEqual(providers, ['one1', 'one2', 'one3', 'two1', 'two2', 'two3'])
    assert.equal(tried.untried, 6)
    const narrow = await trying(candidates, does, { limits: { attemptsPerModel: 1, attemptsInAll: 2 } })
    assert.deepEqual(narrow.providers, ['one1', 'two1'])
  })

  test("a caller's fault ends its model and not the list", async () => {
    const { providers, tried } = await trying(
      [candidate('a'), candidate('b'), candidate('other', { model: 'acme/two' })], { a: fails('invalid-request'), b: answers, other: answers },
    )
    assert.deepEqual(providers, ['a', 'other'])
    assert.equal(tried.committed!.attempt.candidate.endpoint.model, 'acme/two')
  })

  test('a prompt that was too long goes on only where there is more room; unknown room is room', async () => {
    const candidates = [
      candidate('small', { contextLength: 1000 }), candidate('twin', { contextLength: 1000 }), candidate('smaller', { contextLength: 10 }),
      candidate('large', { contextLength: 2000 }), candidate('unknown'),
    ]
    const does = Object.fromEntries(candidates.map((it) => [it.endpoint.provider, fails('context-length')]))
    assert.deepEqual((await trying(candidates, does)).providers, ['small', 'large', 'unknown'])
  })

  test('another model gets its turn after it where it has as much room, and always after one whose room nobody knows', async () => {
    const candidates = [
      candidate('small', { contextLength: 1000 }), candidate('less', { model: 'acme/two', contextLength: 500 }), candidate('same', { model: 'acme/three', contextLength: 1000 }),
    ]
    assert.deepEqual((await trying(candidates, Object.fromEntries(['small', 'less', 'same'].map((name) => [name, fails('context-length')])))).providers, ['small', 'same'])
    const unknown = [candidate('unknown'), candidate('twin'), candidate('other', { model: 'acme/two', contextLength: 500 })]
    assert.deepEqual((await trying(unknown, { unknown: fails('context-length'), twin: answers, other: answers })).providers, ['unknown', 'other'])
  })

  test('nothing more is begun when too little of the time before the first piece is left', async () => {
    const { providers, tried } = await trying([candidate('a'), candidate('b')], { a: fails('timeout'), b: answers }, { timeouts: { preTokenTotalMs: 1900 } })
    assert.deepEqual(providers, ['a'])
    assert.equal(tried.fault!.kind, 'timeout')
    assert.equal(tried.untried, 1)
  })
})

describe('Providers that have failed a lot', () => {
  test('the first attempt asks nobody; a provider without retry budget is passed over, and the error says so', async () => {
    const asked: string[] = []
    const health: AttemptHealth = {
      begin: () => 0,
      retry: ({ endpoint }, after) => {
        asked.push(`${endpoint.provider} after ${after}`)
        return endpoint.provider === 'b' ? null : 1
      },
      answers: () => {}, superseded: () => {}, patience: () => null,
    }
    const { providers, tried } = await trying(['a', 'b', 'c'].map((name) => candidate(name)), { a: fails('timeout'), b: answers, c: fails('overloaded') }, { health })
    assert.deepEqual(providers, ['a', 'c'])
    assert.deepEqual(asked, ['b after timeout', 'c after timeout'])
    assert.equal(tried.untried, 1)
    assert.equal(tried.fault!.kind, 'overloaded')
    assert.deepEqual(tried.fault!.metadata!['not_tried_providers'], [{ provider: 'B', reason: 'retry_budget' }])
  })

  test('health hears which attempt was a trial, what a failure cost the caller, and when a trial or a retry begins to answer', async () => {
    const heard: unknown[] = []
    const health: AttemptHealth = {
      begin: ({ endpoint }) => endpoint.provider === 'a' ? 7 : 0,
      retry: () => 2,
      answers: ({ endpoint }, trial, cost) => void heard.push([endpoint.provider, trial, cost]), superseded: () => {}, patience: () => null,
    }
    const observe: AttemptParts['observe'] = ({ endpoint }, { kind }, trial, lostMs) => void heard.push([endpoint.provider, kind, trial, lostMs])
    const { tried } = await trying([candidate('a'), candidate('b')], { a: fails('upstream-error'), b: answers }, { health, observe })
    assert.deepEqual(heard, [['a', 'upstream-error', 7, 0], ['b', 0, 2]])
    assert.equal(tried.committed!.attempt.trial, 0)
    heard.length = 0
    assert.equal((await trying([candidate('a')], { a: answers }, { health, observe })).tried.committed!.attempt.trial, 7)
    assert.equal((await trying([candidate('b')], { b: answers }, { health, observe })).tried.committed!.attempt.trial, 0)
    assert.deepEqual(heard, [['a', 7, 0]], 'an ordinary answer is not worth a word')
  })
})

describe('A trial of a provider that hung', () => {
  const onTrial = (patience: AttemptHealth['patience']): AttemptHealth =>
    ({ begin: ({ endpoint }) => endpoint.provider === 'a' ? 7 : 0, retry: () => 1, answers: () => {}, superseded: () => {}, patience })
  const timeouts = { firstTokenMs: 60_000 }

  test('is one that health hears of as cheap where it would have been given up soon, and as any other where nobody knows what is usual', async () => {
    const heard: unknown[] = []
    const observe: AttemptParts['observe'] = ({ endpoint }, { kind }, trial, _, brief) => void heard.push([endpoint.provider, kind, trial, brief])
    const both = [candidate('a'), candidate('b')]
    const { providers } = await trying(both, { a: fails('timeout'), b: answers }, { health: onTrial((_, streamed) => streamed ? 1_000 : null), timeouts, observe })
    assert.deepEqual(providers, ['a', 'b'])
    await trying(both, { a: fails('timeout'), b: answers }, { health: onTrial(() => null), timeouts, observe })
    assert.deepEqual(heard, [['a', 'timeout', 7, true], ['a', 'timeout', 7, false]])
  })

  test('has all of its time where there is nobody else to ask, as an attempt that is no trial has', async () => {
    const health = onTrial(() => assert.fail('it was asked how long'))
    assert.equal((await trying([candidate('a')], { a: answers }, { health, timeouts })).tried.committed!.attempt.patienceMs, null)
    assert.equal((await trying([candidate('b'), candidate('c')], { b: answers, c: answers }, { health, timeouts })).tried.committed!.attempt.patienceMs, null)
  })
})

describe('When the caller leaves', () => {
  test('it ends there: nobody else is asked, and no provider looks worse for it', async () => {
    const departure = new Departure()
    setTimeout(() => departure.leave(), 10)
    const { providers, tried, observed } = await trying([candidate('a'), candidate('b')], { a: 'hang', b: answers }, { departure })
    assert.deepEqual(providers, ['a'])
    assert.equal(tried.fault!.kind, 'cancelled')
    assert.equal(tried.failed[0]!.outcome, 'cancelled')
    assert.deepEqual(observed, [{ provider: 'a', kind: 'cancelled' }])
  })
})

describe('What is told of the failures', () => {
  test('health hears of each once, the last one is the fault, and each names its provider', async () => {
    const { tried, observed } = await trying([candidate('a'), candidate('b')], { a: fails('upstream-auth'), b: fails('upstream-rate-limited') })
    assert.deepEqual(observed, [{ provider: 'a', kind: 'upstream-auth' }, { provider: 'b', kind: 'upstream-rate-limited' }])
    assert.equal(tried.fault!.kind, 'upstream-rate-limited')
    assert.deepEqual(tried.faults.map((it) => it.fault.upstream?.provider), ['A', 'B'])
  })

  test('what a provider counted before it failed is a cost of ours', async () => {
    const { tried } = await trying([candidate('a'), candidate('b')], {
      a: [[START, { type: 'usage', usage: usage({ total: 7 }, {}) }, { type: 'fault', fault: fault('invalid-response', 'empty') }]], b: answers,
    })
    assert.equal(tried.absorbed, 7_000_000n)
  })
})

describe('The request, as each endpoint gets it', () => {
  test('the effort that a model is known for stands in where the caller says nothing, and nowhere else', async () => {
    const thinker = candidate('a', { reasoning: { supported: true, defaultEffort: 'medium' } })
    const silent = await trying([thinker], { a: answers })
    assert.deepEqual(silent.asked[0]!.request.reasoning, { effort: 'medium' })
    const said = await trying([thinker], { a: answers }, { request: { ...REQUEST, reasoning: { effort: 'low' } } })
    assert.deepEqual(said.asked[0]!.request.reasoning, { effort: 'low' })
    assert.equal((await trying([candidate('b')], { b: answers })).asked[0]!.request.reasoning, undefined)
  })

  test('a limit above what the endpoint gives is lowered to it', async () => {
    const request = { ...REQUEST, maxOutputTokens: 5000 }
    const { asked } = await trying([candidate('a', { maxOutputTokens: 1000 }), candidate('b', { maxOutputTokens: 9000 })], { a: fails('upstream-error'), b: answers }, { request })
    assert.deepEqual(asked.map((it) => it.request.maxOutputTokens), [1000, 5000])
  })
})

describe('A provider that has as many calls as it may', () => {
  const full = { full: ['a'] }

  test('is passed over without a question and without a mark on its health, and the next one has the call', async () => {
    const { tried, providers, observed } = await trying([candidate('a'), candidate('b')], { a: answers, b: answers }, full)
    assert.deepEqual(providers, ['b'])
    assert.deepEqual(observed, [])
    assert.deepEqual([...tried.passedOver], [['A', 'concurrency']])
    assert.equal(tried.failed.length, 0)
  })

  test('costs no retry and takes none of the attempts that a request may make', async () => {
    const costs: string[] = []
    const { providers } = await trying(['a', 'b', 'c', 'd'].map((name) => candidate(name)), {
      a: answers, b: fails('upstream-error'), c: fails('upstream-error'), d: answers,
    }, {
      ...full, health: { begin: () => 0, answers: () => {}, superseded: () => {}, patience: () => null, retry: ({ endpoint }) => { costs.push(endpoint.provider); return 1 } },
    })
    assert.deepEqual(providers, ['b', 'c', 'd'])
    assert.deepEqual(costs, ['c', 'd'])
  })

  test('with nobody else is an error of ours, which says who was full and when to come back', async () => {
    const { tried, providers } = await trying([candidate('a')], { a: answers }, full)
    assert.deepEqual(providers, [])
    assert.equal(tried.fault!.kind, 'over-capacity')
    assert.deepEqual(tried.fault!.metadata!['not_tried_providers'], [{ provider: 'A', reason: 'concurrency' }])
    assert.ok(tried.fault!.retryAfterMs! >= 1000 && tried.fault!.retryAfterMs! <= 10_000)
  })

  test('is named beside the failure of those that were asked', async () => {
    const { tried } = await trying([candidate('a'), candidate('b')], { a: answers, b: fails('upstream-error') }, full)
    assert.equal(tried.fault!.kind, 'upstream-error')
    assert.deepEqual(tried.fault!.metadata!['not_tried_providers'], [{ provider: 'A', reason: 'concurrency' }])
  })
})

describe('Nothing is begun', () => {
  test('for a caller who has left', async () => {
    const departure = new Departure()
    departure.leave()
    const { tried, providers } = await trying([candidate('a')], { a: answers }, { departure })
    assert.deepEqual(providers, [])
    assert.equal(tried.fault!.kind, 'cancelled')
  })

  test('for a request whose time has passed', async () => {
    const { tried, providers } = await trying([candidate('a')], { a: answers }, { timeouts: { preTokenTotalMs: 0 } })
    assert.deepEqual(providers, [])
    assert.equal(tried.fault!.kind, 'timeout')
  })
})

describe('A second attempt beside a slow one', () => {
  const hedge: Hedging = { payer: 'caller', slowAfter: () => 1, mayStandIn: (slow, other) => other.endpoint.id !== slow.endpoint.id }

  test('goes past a provider that is full, to the next', async () => {
    const { tried, providers } = await trying(['a', 'b', 'c'].map((name) => candidate(name)), { a: 'hang', b: answers, c: answers }, { hedge, full: ['b'] })
    assert.deepEqual(providers, ['a', 'c'])
    assert.deepEqual(tried.failed.map(({ provider, outcome }) => [provider, outcome]), [['a', 'superseded']])
    assert.equal(tried.committed!.attempt.hedge, 'caller')
  })

  test('is one of the attempts that a request may make, of a model and in all', async () => {
    for (const limits of [{ attemptsPerModel: 1, attemptsInAll: 6 }, { attemptsPerModel: 6, attemptsInAll: 1 }]) {
      const { providers } = await trying([candidate('a'), candidate('b')], { a: 'hang', b: answers }, { hedge, limits, departure: leavingAfter(100) })
      assert.deepEqual(providers, ['a'])
    }
  })

  test('health hears how long the slow one was waited for, that it was no failure, and that the second had its token back', async () => {
    const heard: unknown[] = []
    const health: AttemptHealth = {
      begin: ({ endpoint }) => endpoint.provider === 'a' ? 7 : 0,
      retry: (_, after) => after === null ? 1 : 2,
      answers: ({ endpoint }, trial, cost) => void heard.push([endpoint.provider, trial, cost]),
      superseded: ({ endpoint }, trial, waitedMs, streamed) => void heard.push([endpoint.provider, trial, waitedMs, streamed]),
      patience: () => null,
    }
    await trying([candidate('a'), candidate('b')], { a: 'hang', b: answers }, { hedge, health, observe: () => assert.fail('nothing has failed') })
    assert.deepEqual(heard, [['a', 7, 0, true], ['b', 0, 1]])
  })

  function leavingAfter(ms: number): Departure {
    const departure = new Departure()
    setTimeout(() => departure.leave(), ms)
    return departure
  }
})
