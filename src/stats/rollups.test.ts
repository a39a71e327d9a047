import assert from 'node:assert/strict'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { sql, type KyselyPlugin } from 'kysely'
import type { Attempt, Generation } from '../core/index.ts'
import { NO_USAGE, usage } from '../core/index.ts'
import type { Store } from '../store/index.ts'
import { createFakeAmbient, type FakeAmbient } from '../testing/index.ts'
import { forEachStore } from '../../test/stores.ts'
import { appOf, COUNTS, CUTS, MINUTE_MS, MONEY, SKETCHES } from './cuts.ts'
import { partsOf } from './figures.ts'
import { availabilityOf, createFigures, createRollups, createStats, uptimeOf, type Stats } from './index.ts'
import { MINUTES_KEPT_MS } from './rollups.ts'
import { NO_SKETCH, quantile, SKETCH_ERROR, sketchText } from './sketch.ts'
import { fc } from '../../test/properties.ts'

const NOW = Date.UTC(2026, 0, 15, 12, 30, 20)
const DAY = 1440 * MINUTE_MS

const pick = <T>(ambient: FakeAmbient, of: readonly T[]): T => of[Math.floor(ambient.random() * of.length)]!

/** Calls of all kinds, spread over the days before now: answered, failed, left, answered by the second try, simulated. */
function calls(count: number, seed = 7, days = 3): readonly Generation[] {
  const dice = createFakeAmbient({ seed })
  return Array.from({ length: count }, (_, i) => {
    const createdAt = NOW - Math.floor(dice.random() * days * DAY)
    const model = pick(dice, ['openai/gpt-5', 'openai/o3-mini', 'x/y'])
    const provider = pick(dice, ['openai', 'azure', 'odd'])
    const endpoint = `${model}@${provider}`
    const kind = pick(dice, ['answered', 'answered', 'answered', 'second', 'failed', 'left', 'nobody', 'limited'])
    const attempt = (outcome: Attempt['outcome'], fault: Attempt['fault']): Attempt => ({
      endpoint, provider, providerName: provider, model, credential: 'k', startedAt: createdAt, headersMs: 20, durationMs: 90,
      status: 200, upstreamId: null, outcome, fault, message: null,
    })
    const other = { ...attempt('failed', pick(dice, ['timeout', 'upstream-error', 'upstream-auth'])), endpoint: `${model}@slow`, provider: 'slow' }
    const attempts = kind === 'second' ? [other, attempt('answered', null)]
      : kind === 'failed' ? [attempt('failed', 'stream-cut')]
        : kind === 'left' ? [attempt('cancelled', 'cancelled')]
          : kind === 'nobody' ? [other, { ...other, fault: 'invalid-request' as const }]
            : kind === 'limited' ? [{ ...other, fault: 'upstream-rate-limited' as const }, attempt('answered', null)]
              : [attempt('answered', null)]
    const answered = kind !== 'nobody'
    const output = answered ? Math.floor(dice.random() * 900) : 0
    const latencyMs = answered ? 50 + Math.floor(dice.random() * 3000) : null
    return {
      id: `gen-${Math.floor(createdAt / 1000)}-${seed}-${i}`, createdAt, keyId: pick(dice, ['k1', 'k2', 'k3']), workspace: pick(dice, ['default', 'other']),
      surface: 'openai-chat', requested: model, model: answered ? model : null, endpoint: answered ? endpoint : null,
      provider: answered ? provider : null, providerName: answered ? provider : null, upstreamId: null, streamed: dice.random() < 0.5,
      cancelled: kind === 'left', simulated: dice.random() < 0.05, finish: null, nativeFinish: null,
      fault: kind === 'failed' ? 'stream-cut' : kind === 'left' ? 'cancelled' : kind === 'nobody' ? 'timeout' : null,
      latencyMs, durationMs: (latencyMs ?? 10) + Math.floor(dice.random() * 4000),
      usage: answered ? usage({ total: Math.floor(dice.random() * 5000), cacheRead: 7, cacheWrite5m: 2, cacheWrite1h: 1 }, { total: output, reasoning: Math.floor(output / 3) }) : NO_USAGE,
      cost: answered ? BigInt(Math.floor(dice.random() * 1e12)) : 0n, absorbed: kind === 'failed' ? 12n : 0n, price: null, tier: null, attempts, untried: 0,
      referer: pick(dice, [null, 'https://www.App.example/x', 'https://app.example', 'http://localhost:3000']), title: pick(dice, [null, 'My App']),
      categories: [], userAgent: null, user: pick(dice, [null, 'u1', 'u\n2']), session: null, inputMedia: 0, inputAudio: 0,
      quality: kind === 'answered'
        ? { tools: dice.random() < 0.5, toolCalls: 2, badToolCalls: dice.random() < 0.2 ? 1 : 0, structured: dice.random() < 0.3, badStructured: false } : null,
      sampling: dice.random() < 0.5 ? { temperature: Math.round(dice.random() * 20) / 10 } : null,
    }
  })
}

/** Each node draws its own ids. */
let seeds = 0
const startStats = (store: Store): Stats => createStats({ store, ambient: createFakeAmbient({ now: NOW, seed: ++seeds }), flushEveryMs: 60_000 })

async function recorded(store: Store, generations: readonly Generation[]): Promise<void> {
  const stats = startStats(store)
  for (const generation of generations) stats.record(generation)
  await stats.flush()
  assert.deepEqual(stats.figures(), { waiting: 0, lost: 0 })
}

const ambient = createFakeAmbient({ now: NOW })
/** All figures as text, in one order. */
async function everything(store: Store): Promise<readonly string[]> {
  const rows = await store.db.selectFrom('rollups').selectAll().execute()
  return rows.map((row) => JSON.stringify(row, (_, value: unknown) => typeof value === 'bigint' ? `${value}n` : value)).toSorted()
}

forEachStore((name, open) => {
  test('figures say up to when they are whole while calls wait to be added up, and nothing once they are', async () => {
    const { store } = await open()
    const [first, ...rest] = calls(20).toSorted((a, b) => a.createdAt - b.createdAt)
    const behind = (): Promise<number | null> => createFigures({ store, ambient }).behind()
    assert.equal(await behind(), null)
    await recorded(store, [first!, ...rest])
    assert.equal(await behind(), first!.createdAt + first!.durationMs)
    await createRollups({ store, ambient }).catchUp()
    assert.equal(await behind(), null)
    await recorded(store, [{ ...first!, id: 'gen-1-now', createdAt: NOW - 20_000, durationMs: 10_000 }])
    assert.equal(await behind(), null, 'what ended a moment ago is about to be added')
  })

  test('how fast a group was is told of the hours in which it did something, and of all of them as of every call in one list', async () => {
    const { store } = await open()
    const list = calls(200)
    await recorded(store, list)
    await createRollups({ store, ambient }).catchUp()
    const figures = createFigures({ store, ambient })
    const span = { from: NOW - 4 * DAY, to: NOW + 1 }
    const model = 'openai/gpt-5'
    const { sketches } = (await figures.totals('model', span, [model])).get(model)!
    const at = (share: number): number => Math.round(quantile(sketches.latency, share)! * 10) / 10
    for (const grain of [60, 1440] as const) {
      const speeds = await figures.speeds('model', span, grain, [model, 'nobody/nothing'])
      assert.deepEqual([...speeds.keys()], [model])
      const { all, by } = speeds.get(model)!
      const begins = [...new Set(list.filter((call) => !call.simulated && (call.model === model || call.attempts.some((it) => it.model === model))).map(({ createdAt }) => createdAt - createdAt % (grain * MINUTE_MS)))]
      assert.ok(begins.length > 1)
      assert.deepEqual([...by.keys()], begins.toSorted((a, b) => a - b))
      assert.deepEqual(all.latency, { p50: at(0.5), p75: at(0.75), p90: at(0.9), p99: at(0.99) })
      assert.equal(all.answers, sketches.duration.count)
      assert.equal([...by.values()].reduce((sum, { answers }) => sum + answers, 0), all.answers)
      for (const { answers, duration } of by.values()) assert.equal(duration === null, answers === 0)
    }
    assert.equal((await figures.speeds('model', span, 60, [])).size, 0)
  })

  test('what is told of the calls is what plain SQL counts in their records', async () => {
    const { store } = await open()
    await recorded(store, calls(400))
    const rollups = createRollups({ store, ambient })
    const real = await store.db.selectFrom('generations').select((build) => build.fn.countAll<number>().as('n')).executeTakeFirstOrThrow()
    assert.equal(await rollups.catchUp(), real.n)
    for (const grain of [1, 60, 1440]) {
      const length = grain * MINUTE_MS
      const { rows: counted } = await sql<Record<string, unknown>>`
        select created_at - created_at % ${sql.lit(length)} as at, coalesce(model, '') as model, count(*) as requests,
          sum(case when fault is null then 1 else 0 end) as answered, sum(cancelled) as cancelled, sum(streamed) as streamed,
          sum(input_tokens) as prompt_tokens, sum(output_tokens) as completion_tokens, sum(reasoning_tokens) as reasoning_tokens,
          sum(case when tools = 1 then 1 else 0 end) as tool_requests, sum(case when tools = 1 and bad_tool_calls > 0 then 1 else 0 end) as bad_tool_requests,
          coalesce(sum(tool_calls), 0) as tool_calls, coalesce(sum(structured), 0) as structured_requests,
          sum(cache_write_5m_tokens + cache_write_1h_tokens) as cache_write_tokens, sum(cost_nano) as cost_nano, sum(absorbed_nano) as absorbed_nano
        from generations where simulated = 0 group by 1, 2 order by 1, 2`.execute(store.db)
      const told = await store.db.selectFrom('rollups').where('cut', '=', 'model').where('grain', '=', grain).where('requests', '>', 0)
        .select(['at', 'a as model', 'requests', 'answered', 'cancelled', 'streamed', 'prompt_tokens', 'completion_tokens', 'reasoning_tokens', 'tool_requests', 'bad_tool_requests', 'tool_calls', 'structured_requests', 'cache_write_tokens', 'cost_nano', 'absorbed_nano'])
        .orderBy('at').orderBy('a').execute()
      const plain = (rows: readonly object[]) => rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, String(value)])))
      assert.deepEqual(plain(told), plain(counted as object[]), `by ${grain} minutes`)
    }
  })

  test('each way to group the calls adds up to all of them', async () => {
    const { store } = await open()
    await recorded(store, calls(250))
    await createRollups({ store, ambient }).catchUp()
    const sums = await store.db.selectFrom('rollups').where('grain', '=', 1440).groupBy('cut')
      .select((build) => ['cut', build.fn.sum<number>('requests').as('requests'), build.fn.sum<bigint>('cost_nano').as('cost_nano'), build.fn.sum<number>('completion_tokens').as('tokens')]).execute()
    const [all] = sums.filter((it) => it.cut === 'all')
    assert.equal(sums.length, CUTS.length)
    for (const it of sums) assert.deepEqual([it.requests, String(it.cost_nano), it.tokens], [all!.requests, String(all!.cost_nano), all!.tokens], it.cut)
  })

  test('tries count against the endpoint that was tried: failures of it do, a 429 and a caller who left do not', async () => {
    const { store } = await open()
    const list = calls(400).filter((call) => !call.simulated)
    await recorded(store, list)
    await createRollups({ store, ambient }).catchUp()
    const figures = createFigures({ store, ambient })
    const totals = await figures.totals('endpoint', { from: NOW - 4 * DAY, to: NOW + DAY })
    const tries = list.flatMap((call) => call.attempts)
    for (const [endpoint, total] of totals) {
      const of = tries.filter((it) => it.endpoint === endpoint)
      const failures = of.filter((it) => it.fault !== null && ['timeout', 'upstream-error', 'upstream-auth', 'stream-cut'].includes(it.fault)).length
      assert.equal(total.counts.failures, failures, endpoint)
      assert.equal(total.counts.attempts, failures + of.filter((it) => it.outcome === 'answered').length, endpoint)
      assert.equal(total.counts.limited, of.filter((it) => it.fault === 'upstream-rate-limited').length, endpoint)
    }
  })

  test('an answer that three calls shared is three requests, and its tokens, its cost and its times count once', async () => {
    const { store } = await open()
    const answered = calls(200).find((call) => call.fault === null && !call.simulated && call.usage.output.total > 0)!
    const shared = ['a', 'b', 'c'].map((id): Generation => ({
      ...answered, id, coalesced: { paidBy: 'a', cost: answered.cost, calls: 3 }, ...(id !== 'a' && { cost: 0n, absorbed: 0n, attempts: [], quality: null }),
    }))
    await recorded(store, shared)
    await createRollups({ store, ambient }).catchUp()
    const total = (await createFigures({ store, ambient }).totals('endpoint', { from: NOW - 4 * DAY, to: NOW + DAY })).get(answered.endpoint!)!
    const { requests, answered: well, prompt_tokens: prompt, completion_tokens: completion } = total.counts
    assert.deepEqual([requests, well, prompt, completion], [3, 3, answered.usage.input.total, answered.usage.output.total])
    assert.equal(total.money.cost_nano, answered.cost)
    assert.equal(total.sketches.duration.count, 1)
  })

  test('a record that comes late is added where it belongs, and nothing is added twice', async () => {
    const { store } = await open()
    const list = calls(300)
    const rollups = createRollups({ store, ambient })
    const stats = startStats(store)
    for (const half of [list.filter((_, i) => i % 2 === 0), list.filter((_, i) => i % 2 === 1)]) {
      for (const generation of half) stats.record(generation)
      await stats.flush()
      assert.equal(await rollups.catchUp(), half.length)
      assert.equal(await rollups.catchUp(), 0)
    }
    const inTwo = await everything(store)
    const { store: other } = await open()
    await recorded(other, list)
    await createRollups({ store: other, ambient }).catchUp()
    assert.deepEqual(inTwo, await everything(other))
  })

  test('a step that fails halfway adds nothing, and the next one adds it all', async () => {
    const { store } = await open()
    await recorded(store, calls(200))
    const breaking: Store = {
      ...store,
      ifFree: (turn, work) => store.ifFree(turn, async (trx) => {
        await work(trx)
        throw new Error('the power went out')
      }),
    }
    await assert.rejects(createRollups({ store: breaking, ambient }).catchUp(), /power/)
    assert.deepEqual(await everything(store), [])
    assert.equal(await createRollups({ store, ambient }).catchUp(), 200)
  })

  /** A store in which something happens between the look at the records and the turn to write what they came to. */
  const interrupted = (store: Store, happens: () => Promise<unknown>): Store => {
    let before: (() => Promise<unknown>) | null = happens
    return {
      ...store,
      ifFree: async (turn, work) => {
        const first = before
        before = null
        await first?.()
        return store.ifFree(turn, work)
      },
    }
  }

  test('records that another node adds while they are being read are added once', async () => {
    const { store } = await open()
    await recorded(store, calls(200))
    const slow = createRollups({ store: interrupted(store, () => createRollups({ store, ambient, step: 120 }).catchUp()), ambient })
    assert.equal(await slow.catchUp(), 0, 'what it read had been added')
    const raced = await everything(store)
    const { store: other } = await open()
    await recorded(other, calls(200))
    await createRollups({ store: other, ambient }).catchUp()
    assert.deepEqual(raced, await everything(other))
  })

  test('what was read before all figures were begun again is not added to the new ones', async () => {
    const { store } = await open()
    await recorded(store, calls(200))
    // The records go as those of a demonstration do: the cursor that says how far they were added up stays where it was.
    const slow = createRollups({
      store: interrupted(store, async () => {
        await store.db.deleteFrom('generations').execute()
        await createRollups({ store, ambient }).rebuild()
      }), ambient,
    })
    assert.equal(await slow.catchUp(), 0)
    assert.deepEqual(await everything(store), [])
  })

  test('nodes that add up at the same time add each record once', async () => {
    const { store, again } = await open()
    const other = await again()
    const list = calls(360)
    await Promise.all([recorded(store, list.slice(0, 180)), recorded(other, list.slice(180))])
    // In small steps: each has the lock, for which a busy machine would let the others wait in vain.
    const added = await Promise.all([store, other, store].map((it) => createRollups({ store: it, ambient, step: 60 }).catchUp()))
    const rest = await createRollups({ store, ambient }).catchUp()
    assert.equal(added.reduce((sum, it) => sum + it) + rest, list.length)
    const raced = await everything(store)
    const { store: alone } = await open()
    await recorded(alone, list)
    await createRollups({ store: alone, ambient }).catchUp()
    assert.deepEqual(raced, await everything(alone))
  })

  test('figures that are made again from the records are the same', async () => {
    const { store } = await open()
    await recorded(store, calls(600))
    const rollups = createRollups({ store, ambient, step: 250 })
    await rollups.catchUp()
    const before = await everything(store)
    await store.db.updateTable('rollups').set({ requests: 999 }).where('cut', '=', 'model').execute()
    const seen: number[] = []
    assert.equal(await rollups.rebuild((added) => seen.push(added)), 600)
    assert.deepEqual(await everything(store), before)
    assert.ok(seen.length > 1 && seen.at(-1) === 600, 'and it says how far it is')
  })

  /** A run that writes and adds up in one process, as a server does. */
  const serving = (store: Store, given: { readonly step?: number; readonly kept?: number } = {}) => {
    const rollups = createRollups({ store, ambient, ...given })
    const stats = createStats({ store, ambient: createFakeAmbient({ now: NOW, seed: ++seeds }), flushEveryMs: 60_000, wrote: rollups.wrote })
    const write = async (generations: readonly Generation[]): Promise<void> => {
      for (const generation of generations) stats.record(generation)
      await stats.flush()
    }
    return { rollups, write }
  }
  /** Figures, apps and settings. */
  const told = async (store: Store): Promise<readonly unknown[]> => [
    await everything(store),
    await store.db.selectFrom('apps').selectAll().orderBy('id').execute(),
    await store.db.selectFrom('parameter_rollups').selectAll().orderBy('model').orderBy('at').orderBy('parameter').execute(),
  ]

  test('what this process has written is added up without being read again, and comes to what reading it would', async () => {
    const { store } = await open()
    const { rollups, write } = serving(store)
    const list = calls(300)
    await write(list.slice(0, 100))
    assert.equal(await rollups.catchUp(), 100)
    // As callers may send them, and as a clock may tell them: a column holds neither a NUL nor a part of a millisecond.
    const answered = list.find((call) => call.endpoint !== null && call.fault === null && !call.simulated)!
    const odd = ['u\0', 'u\uFFFD'].map((user, i) => ({ ...answered, id: `${answered.id}-${i}`, user, latencyMs: 0.6, durationMs: 1.7 }))
    await write(list.slice(100, 198))
    await write([...odd, ...list.slice(200)])
    const rows = await store.db.selectFrom('generations').selectAll().execute()
    await store.db.deleteFrom('generations').execute()
    assert.equal(await rollups.catchUp(), 200, 'though no record is there to be read')
    const kept = await told(store)
    for (const row of rows) await store.db.insertInto('generations').values(row).execute()
    assert.equal(await createRollups({ store, ambient }).rebuild(), 300)
    assert.deepEqual(kept, await told(store))
  })

  test('records are added once each whoever adds them up meanwhile, whatever fails, and however many there are', async () => {
    const { store, again } = await open()
    let fails = false
    const { rollups, write } = serving({
      ...store,
      ifFree: (turn, work) => store.ifFree(turn, async (trx) => {
        const done = await work(trx)
        if (fails) throw new Error('the power went out')
        return done
      }),
    }, { kept: 100 })
    const other = createRollups({ store: await again(), ambient, step: 30 })
    const list = calls(420)
    let at = 0
    const some = (count: number): Promise<void> => write(list.slice(at, at += count))
    await some(40)
    await rollups.catchUp()
    await some(40)
    // Another node adds up what is kept here, and then a part of it.
    await other.catchUp()
    await some(20)
    await rollups.catchUp()
    await some(40)
    fails = true
    await assert.rejects(rollups.catchUp(), /power/)
    fails = false
    await some(30)
    await rollups.catchUp()
    // More than is kept, before anybody has added it up.
    await some(90)
    await some(90)
    await rollups.catchUp()
    await some(30)
    await Promise.all([rollups.catchUp(), some(40), other.catchUp()])
    await rollups.catchUp()
    assert.equal(at, list.length)
    const made = await told(store)
    assert.equal(await createRollups({ store, ambient }).rebuild(), list.length)
    assert.deepEqual(made, await told(store))
  })

  test('a long span tells the same whether it is read by minutes or by days', async () => {
    const { store } = await open()
    await recorded(store, calls(300, 3, 4))
    await createRollups({ store, ambient }).catchUp()
    const figures = createFigures({ store, ambient })
    const span = { from: NOW - 3 * DAY - 5_000_000, to: NOW - 3_000_000 }
    const [total] = (await figures.totals('all', span)).values()
    const minutes = await store.db.selectFrom('rollups').selectAll().where('cut', '=', 'all').where('grain', '=', 1)
      .where('at', '>=', Math.floor(span.from / MINUTE_MS) * MINUTE_MS).where('at', '<', span.to).execute()
    for (const count of COUNTS) assert.equal(total!.counts[count], minutes.reduce((sum, row) => sum + row[count], 0), count)
    for (const money of MONEY) assert.equal(total!.money[money], minutes.reduce((sum, row) => sum + row[money], 0n), money)
    for (const measure of SKETCHES) assert.ok(sketchText(total!.sketches[measure]), measure)
  })

  test('the page of an endpoint tells uptime and speed of the last half hour, and of how many answers', async () => {
    const { store } = await open()
    const list = calls(1200, 11, 1 / 24).filter((call) => !call.simulated)
    await recorded(store, list)
    await createRollups({ store, ambient }).catchUp()
    const endpoint = 'openai/gpt-5@openai'
    const figures = (await createFigures({ store, ambient }).endpoints([endpoint, 'no/such@one'])).get(endpoint)!
    const from = Math.floor(NOW / MINUTE_MS) * MINUTE_MS - 29 * MINUTE_MS
    const latencies = list.filter((it) => it.endpoint === endpoint && it.createdAt >= from && it.fault === null).map((it) => it.latencyMs!).toSorted((a, b) => a - b)
    assert.equal(figures.samples30m, latencies.length)
    const exact = latencies[Math.ceil(latencies.length * 0.9) - 1]!
    assert.ok(Math.abs(figures.latency30m!.p90 - exact) <= exact * SKETCH_ERROR + 0.1, `${figures.latency30m!.p90} for ${exact}`)
    assert.ok(figures.throughput30m!.p90 < figures.throughput30m!.p50, 'nine in ten reach less than one in two do')
    const tries = list.filter((it) => it.createdAt >= from).flatMap((it) => it.attempts).filter((it) => it.endpoint === endpoint && it.outcome !== 'cancelled')
    const uptime = Math.round(tries.filter((it) => it.outcome === 'answered').length / tries.length * 10_000) / 100
    assert.equal(figures.uptime30m, uptime)
  })

  test('the uptime of an endpoint is the same for one that is asked for, among all of them, and among more than are asked for by name', async () => {
    const { store } = await open()
    const list = calls(2000, 5, 0.02).filter((call) => !call.simulated)
    await recorded(store, list)
    await createRollups({ store, ambient }).catchUp()
    const figures = createFigures({ store, ambient })
    const all = await figures.uptimes()
    const minute = NOW - NOW % MINUTE_MS
    assert.ok(all.size > 5)
    assert.equal((await figures.uptimes([])).size, 0)
    const many = await figures.endpoints([...all.keys(), ...Array.from({ length: 120 }, (_, i) => `no/such@${i}`)])
    assert.equal(many.size, all.size)
    for (const [id, { tries1d, ...uptimes }] of all) {
      const tries = (minutes: number) => list.filter((call) => call.createdAt >= minute - (minutes - 1) * MINUTE_MS).flatMap((call) => call.attempts)
        .filter((it) => it.endpoint === id && !['cancelled', 'invalid-request', 'upstream-rate-limited'].includes(it.fault ?? ''))
      const share = (of: ReturnType<typeof tries>): number | null => of.length === 0 ? null : Math.round(of.filter((it) => it.fault === null).length / of.length * 10_000) / 100
      const [five, thirty, day] = [5, 30, 1440].map(tries) as [ReturnType<typeof tries>, ReturnType<typeof tries>, ReturnType<typeof tries>]
      assert.deepEqual([uptimes.uptime5m, uptimes.uptime30m, uptimes.uptime1d, tries1d], [share(five), share(thirty), share(day), day.length], id)
      assert.equal(uptimes.status, thirty.length < 100 || share(thirty)! >= 95 ? 0 : share(thirty)! >= 80 ? -1 : -2)
      const told = (await figures.endpoints([id])).get(id)!
      assert.deepEqual({ ...told, ...uptimes }, told)
      assert.deepEqual(many.get(id), told)
    }
    assert.ok([...all.values()].some(({ status }) => status < 0), 'one of them fails too often')
  })

  test('over days an endpoint shows uptime, what of the tries brought an answer, wrong calls, caches and what was paid', async () => {
    const { store } = await open()
    const list = calls(900, 13, 12).filter((call) => !call.simulated)
    await recorded(store, list)
    await createRollups({ store, ambient }).catchUp()
    const figures = createFigures({ store, ambient })
    const endpoint = 'openai/gpt-5@openai'
    const { longer } = (await figures.endpoints([endpoint], { longer: true })).get(endpoint)!
    const today = Math.floor(NOW / DAY) * DAY
    const share = (part: number, all: number) => Math.round(part / all * 10_000) / 100
    for (const [days, uptime, availability] of [[3, longer!.uptime3d, longer!.availability3d], [90, longer!.uptime90d, longer!.availability90d]] as const) {
      const tries = list.filter((call) => call.createdAt >= today - (days - 1) * DAY).flatMap((call) => call.attempts)
        .filter((it) => it.endpoint === endpoint && it.outcome !== 'cancelled' && it.fault !== 'invalid-request')
      const answered = tries.filter((it) => it.outcome === 'answered').length
      assert.equal(availability, share(answered, tries.length), `${days} days`)
      assert.equal(uptime, share(answered, tries.filter((it) => it.fault !== 'upstream-rate-limited').length), `${days} days`)
    }
    const week = list.filter((call) => call.endpoint === endpoint && call.createdAt >= today - 6 * DAY)
    const sum = (of: (call: Generation) => number) => week.reduce((all, call) => all + of(call), 0)
    const tools = week.filter((call) => call.quality?.tools)
    const paid = week.reduce((all, call) => all + call.cost, 0n)
    const tokens = sum((call) => call.usage.input.total + call.usage.output.total)
    assert.deepEqual({ ...longer!.week, paidPerMillion: Number(longer!.week.paidPerMillion).toFixed(6) }, {
      requests: week.length, promptTokens: sum((call) => call.usage.input.total), completionTokens: sum((call) => call.usage.output.total),
      toolRequests: tools.length, toolErrorRate: share(tools.filter((call) => call.quality!.badToolCalls > 0).length, tools.length),
      structuredRequests: sum((call) => (call.quality?.structured ? 1 : 0)), structuredErrorRate: 0,
      cacheHitRate: share(sum((call) => call.usage.input.cacheRead), sum((call) => call.usage.input.total)),
      paidPerMillion: (Number(paid) / 1e9 / tokens * 1e6).toFixed(6),
    })
    assert.equal((await figures.endpoints([endpoint])).get(endpoint)!.longer, undefined)
    assert.equal((await figures.endpoints(['no/such@one'], { longer: true })).size, 0)
  })

  test('a figure of any span is looked up by its length of time and its group, and never read from all of history', async (t) => {
    if (name === 'postgres') return t.skip('how Postgres reads depends on what it has counted')
    const { store, place } = await open()
    const asked: string[] = []
    const watching: KyselyPlugin = {
      transformQuery({ node, queryId }) {
        asked.push(store.db.getExecutor().compileQuery(node, queryId).sql)
        return node
      },
      transformResult: async ({ result }) => result,
    }
    const figures = createFigures({ store: { ...store, db: store.db.withPlugin(watching) }, ambient })
    const days = (count: number) => ({ from: NOW - count * DAY - 5_000_000, to: NOW })
    const ids = Array.from({ length: 40 }, (_, i) => `x/y@${i}`)
    await figures.endpoints(ids, { longer: true })
    await figures.totals('endpoint', days(3), ids)
    await figures.totals('endpoint', days(3))
    await figures.speeds('endpoint', days(1), 60, ids)
    await figures.uptimes()
    await figures.measurements()
    for (const by of ['hour', 'day', 'week', 'month'] as const) await figures.sums({ cut: 'workspace', span: days(8), by, where: [{ name: 'a', is: 'in', values: ['default'] }] })
    await figures.sums({ cut: 'model', span: days(90), names: ['a'], where: [{ name: 'a', is: 'not in', values: ['x'] }] })
    const today = Math.floor(NOW / DAY) * DAY
    await figures.sums({ cut: 'key-model', span: { from: today - 6 * DAY, to: NOW }, names: ['b'] })
    assert.doesNotMatch(asked.at(-1)!, /union all/, 'days up to now are days, and no hours of today')
    const database = new DatabaseSync(path.join(place.home, 'signalbox.db'), { readOnly: true })
    const ways = asked.filter((text) => text.includes('rollups') && !text.includes('rollup_cursors')).flatMap((text) =>
      database.prepare(`explain query plan ${text}`).all().map(({ detail }) => String(detail)).filter((detail) => detail.includes(' rollups ')))
    database.close()
    assert.ok(ways.length > 10, String(ways.length))
    for (const way of ways) assert.match(way, /^SEARCH rollups .*cut=\? AND grain=\? AND (?:a=|at>)/)
  })

  test('minutes go when no page asks for them any more; hours and days stay', async () => {
    const { store } = await open()
    await recorded(store, calls(50, 5, 20))
    const rollups = createRollups({ store, ambient })
    await rollups.catchUp()
    await rollups.prune()
    const left = await store.db.selectFrom('rollups').select(['grain', 'at']).where('at', '<', NOW - MINUTES_KEPT_MS - DAY).execute()
    assert.ok(left.length > 0 && left.every(({ grain }) => grain > 1))
    assert.ok(name)
  })
})

test('a way to group that is made of another knows nothing that the other does not', () => {
  const names = ['endpoint', 'provider', 'model', 'app', 'workspace', 'key', 'user', 'context'] as const
  const call = Object.fromEntries(names.map((it) => [it, it])) as Record<typeof names[number], string>
  for (const [place, { name, from, by, grains, measured, attempts }] of CUTS.entries()) {
    if (from === undefined) continue
    const source = CUTS.slice(0, place).find((it) => it.name === from)!
    assert.ok(by(call).every((it) => source.by(call).includes(it)), name)
    assert.ok(grains.every((grain) => source.grains.includes(grain)), name)
    assert.deepEqual([measured, attempts], [source.measured, source.attempts], name)
  }
})

describe('a span', () => {
  test('is made of whole minutes, hours and days that touch and do not overlap', () => {
    const moment = fc.integer({ min: NOW - 40 * DAY, max: NOW })
    fc.assert(fc.property(moment, moment, (a, b) => {
      const [from, to] = a < b ? [a, b] : [b, a]
      const parts = partsOf({ from, to })
      for (const [i, part] of parts.entries()) {
        assert.equal(part.from % (part.grain * MINUTE_MS), 0)
        assert.equal(part.to % (part.grain * MINUTE_MS), 0)
        assert.ok(part.from < part.to)
        if (i > 0) assert.equal(part.from, parts[i - 1]!.to)
      }
      if (from === to) return
      assert.ok(parts[0]!.from <= from && parts.at(-1)!.to >= to)
      const slack = to - from > MINUTES_KEPT_MS - 2 * MINUTE_MS ? 60 * MINUTE_MS : MINUTE_MS
      assert.ok(from - parts[0]!.from < slack && parts.at(-1)!.to - to < slack)
    }))
  })

  test('of a year is read from some four hundred buckets', () => {
    const buckets = partsOf({ from: NOW - 365 * DAY, to: NOW }).reduce((sum, { grain, from, to }) => sum + (to - from) / (grain * MINUTE_MS), 0)
    assert.ok(buckets < 420, String(buckets))
  })
})

describe('an app', () => {
  test('is the host of its address, without www and in lower case; on this machine it needs a title', () => {
    assert.equal(appOf('https://www.Example.com/path', null), 'example.com')
    assert.equal(appOf('example.com', 'Shown'), 'example.com')
    assert.equal(appOf('http://localhost:3000', null), '')
    assert.equal(appOf('http://localhost:3000', 'My App'), 'localhost/my app')
    assert.equal(appOf(null, 'A title alone makes no app'), '')
    assert.equal(appOf('::::', null), '')
  })
})

test('a percentile of nothing is told as nothing', () => {
  assert.equal(quantile(NO_SKETCH, 0.5), null)
})

test('a try that was told to wait brought no answer, and is no failure', () => {
  const counts = { ...Object.fromEntries(COUNTS.map((count) => [count, 0])) as Record<typeof COUNTS[number], number>, attempts: 8, failures: 2, limited: 2 }
  assert.deepEqual([uptimeOf({ counts }), availabilityOf({ counts })], [75, 60])
})
