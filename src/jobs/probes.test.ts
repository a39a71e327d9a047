import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_USAGE, type EndpointId, type FaultKind, type Generation } from '../core/index.ts'
import type { Store } from '../store/index.ts'
import { createFakeAmbient } from '../testing/index.ts'
import { forEachStore } from '../../test/stores.ts'
import { createProbes, type Probes } from './index.ts'

const NOW = Date.UTC(2026, 2, 10, 12)
const MINUTE = 60_000
const EVERY = 10 * MINUTE
const COST = 3n
const WORST = 10n

/** The record of a probe that was answered, or failed. */
function made(endpoint: EndpointId, fault: FaultKind | null): Generation {
  return {
    id: `gen-of-${endpoint}`, createdAt: NOW, keyId: '', workspace: '', surface: 'probe', requested: endpoint, model: null, endpoint, provider: null, providerName: null,
    upstreamId: null, streamed: true, cancelled: false, simulated: false, finish: null, nativeFinish: null, fault, latencyMs: fault === null ? 120 : null, durationMs: 200,
    usage: NO_USAGE, cost: 0n, absorbed: fault === null ? COST : 0n, price: null, tier: null, attempts: [], untried: 0, referer: null, title: null, categories: [],
    userAgent: null, user: null, session: null, inputMedia: 0, inputAudio: 0, quality: null, sampling: null, probe: true,
  }
}

/** A node whose probes are answered as the test says, and what it sent when. */
function node(store: Store, endpoints: readonly EndpointId[], given: {
  readonly clock?: ReturnType<typeof createFakeAmbient>
  readonly budget?: bigint
  readonly concurrent?: number
  readonly worst?: (endpoint: EndpointId) => bigint
  /** Of a probe: what became of it; it hangs where this never resolves. */
  readonly answer?: (endpoint: EndpointId) => Promise<FaultKind | null> | FaultKind | null
  readonly called?: ReadonlySet<EndpointId> | Promise<ReadonlySet<EndpointId>>
  readonly alone?: ReadonlySet<EndpointId>
  readonly overloaded?: () => boolean
} = {}) {
  const { clock = createFakeAmbient({ now: NOW, seed: 3 }), budget = 1_000_000n, concurrent = 4, worst = () => WORST, answer = () => null, called = new Set(), alone = new Set() } = given
  const sent: { readonly endpoint: EndpointId; readonly at: number }[] = []
  const said: string[] = []
  const probes = createProbes({
    store, ambient: clock, rules: () => ({ budget, everyMs: EVERY, concurrent }), targets: () => endpoints, called: async () => called,
    overloaded: given.overloaded ?? (() => false), say: (_, message) => said.push(message), onError: (error) => said.push(error.message),
    ready: (endpoint) => alone.has(endpoint) ? null : {
      worst: worst(endpoint),
      async send(departure) {
        sent.push({ endpoint, at: clock.now() })
        const left = new Promise<FaultKind>((resolve) => departure.listen(() => resolve('cancelled')))
        return made(endpoint, await Promise.race([answer(endpoint), left]))
      },
    },
  })
  return { probes, clock, sent, said }
}

/** Looks each second for so long, as the job does, and waits for what is sent. */
async function live({ probes, clock }: { readonly probes: Probes; readonly clock: ReturnType<typeof createFakeAmbient> }, ms: number, waits = true): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1000) {
    clock.advance(1000)
    await probes.turn()
    if (waits) await probes.idle()
  }
}
const names = (count: number): readonly EndpointId[] => Array.from({ length: count }, (_, i) => `acme/model-${i}@quiet`)
const never = new Promise<null>(() => {})

forEachStore((_, open) => {
  test('each endpoint is probed once in the interval, one after the other over all of it, and never two within a second', async () => {
    const { store } = await open()
    const one = node(store, names(20))
    await live(one, 3 * EVERY)
    const gaps = one.sent.slice(1).map(({ at }, i) => at - one.sent[i]!.at)
    assert.ok(Math.min(...gaps) >= 1000 && Math.max(...gaps) <= 2.5 * EVERY / 20, `from ${Math.min(...gaps)} to ${Math.max(...gaps)} ms`)
    assert.ok(new Set(gaps).size > 5, 'and not by the beat')
    for (const [endpoint, own] of Map.groupBy(one.sent, (it) => it.endpoint)) {
      assert.ok(own.length >= 2 && own.length <= 3, `${endpoint}: ${own.length} in three intervals`)
      assert.ok(own.every(({ at }, i) => i === 0 || at - own[i - 1]!.at >= EVERY), 'and none before its time')
    }
    assert.equal(new Set(one.sent.map(({ endpoint }) => endpoint)).size, 20)
    assert.equal((await one.probes.report()).month.spent, COST * BigInt(one.sent.length))
  })

  test('more endpoints than seconds in the interval are probed one a second, those first that waited longest', async () => {
    const { store } = await open()
    const one = node(store, names(1000))
    await live(one, 30_000)
    assert.equal(one.sent.length, 30)
    assert.equal(new Set(one.sent.map(({ endpoint }) => endpoint)).size, 30)
  })

  test('endpoints with traffic, and those that health leaves alone, have none; nor has any while callers need all that there is', async () => {
    const { store } = await open()
    let overloaded = true
    const one = node(store, ['a@called', 'b@resting', 'c@quiet'], { called: new Set(['a@called']), alone: new Set(['b@resting']), overloaded: () => overloaded })
    await live(one, EVERY)
    assert.equal(one.sent.length, 0)
    overloaded = false
    await live(one, EVERY / 2)
    assert.deepEqual(one.sent.map(({ endpoint }) => endpoint), ['c@quiet'])
    const { endpoints } = await one.probes.report()
    assert.deepEqual(endpoints.map(({ endpoint, nextAt }) => [endpoint, nextAt === null]), [['a@called', true], ['b@resting', false], ['c@quiet', false]])
  })

  test('no more are under way than may be, and those are ended when the node goes', async () => {
    const { store } = await open()
    const one = node(store, names(20), { concurrent: 2, answer: () => never })
    await live(one, EVERY, false)
    assert.equal(one.sent.length, 2)
    await one.probes.close()
    await live(one, EVERY)
    assert.deepEqual([one.sent.length, (await one.probes.report()).month.spent], [2, 0n], 'nothing was spent, and nothing is sent any more')
  })

  test('the most that a probe can cost is booked before it is sent: what died with its process is not spent again', async () => {
    const { store, again } = await open()
    const died = node(store, names(3), { budget: 25n, answer: () => never })
    await live(died, EVERY, false)
    assert.equal(died.sent.length, 2, 'three at once might have cost 30')
    const next = node(await again(), names(3), { budget: 25n, clock: died.clock })
    await live(next, 3 * EVERY)
    assert.deepEqual([next.sent.length, (await next.probes.report()).month.spent], [0, 20n])
    assert.equal(next.said.length, 1, 'said once, and not each second')
    assert.match(next.said[0]!, /budget for probes is used up/)
    next.clock.set(Date.UTC(2026, 3, 1))
    await live(next, EVERY)
    assert.deepEqual([next.sent.length > 0, (await next.probes.report()).month.month], [true, '2026-04'])
  })

  test('what costs nothing is probed when the budget is used up', async () => {
    const { store } = await open()
    const one = node(store, ['dear@paid', 'local@free'], { budget: 0n, worst: (endpoint) => endpoint === 'dear@paid' ? WORST : 0n })
    await live(one, 3 * EVERY)
    assert.ok(one.sent.length >= 2 && one.sent.every(({ endpoint }) => endpoint === 'local@free'))
  })

  test('of nodes that look at the same moment one sends, whatever each believes of the lease', async () => {
    const { store, again } = await open()
    const clock = createFakeAmbient({ now: NOW })
    // Each its own, so that not even the endpoint is the same: two within a second are too many.
    const nodes = [node(store, ['one@quiet'], { clock }), node(await again(), ['other@quiet'], { clock })]
    await Promise.all(nodes.map(({ probes }) => probes.turn()))
    await Promise.all(nodes.map(({ probes }) => probes.idle()))
    assert.equal(nodes.reduce((sum, { sent }) => sum + sent.length, 0), 1)
  })

  test('a node that took long to look sends nothing to an endpoint that another has probed meanwhile', async () => {
    const { store, again } = await open()
    const clock = createFakeAmbient({ now: NOW })
    const looked = Promise.withResolvers<ReadonlySet<EndpointId>>()
    const slow = node(store, names(1), { clock, called: looked.promise })
    const quick = node(await again(), names(1), { clock })
    const turn = slow.probes.turn()
    await live(quick, 5000)
    looked.resolve(new Set())
    await turn
    assert.deepEqual([quick.sent.length, slow.sent.length], [1, 0])
  })

  test('one that fails is asked sooner until it answers; what says nothing of it, such as a 429, leaves it as it was', async () => {
    const { store } = await open()
    const answers: (FaultKind | null)[] = [null, 'upstream-rate-limited', 'connection', 'cancelled', 'timeout', null, null]
    const one = node(store, names(1), { answer: () => answers.shift() ?? null })
    const standing = async () => {
      const { last } = (await one.probes.report()).endpoints[0]!
      return [last!.outcome, last!.downSince !== null]
    }
    const seen: unknown[] = []
    for (let count = 1; count <= 7; count++) {
      while (one.sent.length < count) await live(one, 10_000)
      seen.push(await standing())
    }
    assert.deepEqual(seen, [['answered', false], ['upstream-rate-limited', false], ['connection', true], ['nothing', true], ['timeout', true], ['answered', false], ['answered', false]])
    const waits = one.sent.slice(1).map(({ at }, i) => (at - one.sent[i]!.at) / EVERY)
    assert.ok([0, 1, 5].every((i) => waits[i]! >= 1) && [2, 3, 4].every((i) => waits[i]! < 0.5), waits.join(' '))
    assert.deepEqual(one.said, ['a probe found an endpoint that does not answer', 'an endpoint that did not answer its probes answers again'])
  })

  test('what was sent by a clock that has been set back since is not waited for', async () => {
    const { store } = await open()
    const one = node(store, names(1))
    await live(one, 1000)
    one.clock.set(NOW - 86_400_000)
    await live(one, 2 * EVERY)
    assert.ok(one.sent.length >= 2)
  })
})
