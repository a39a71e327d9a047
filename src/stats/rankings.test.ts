import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultOf, NO_USAGE, usage, type Generation } from '../core/index.ts'
import type { Store } from '../store/index.ts'
import { createFakeAmbient } from '../testing/index.ts'
import { forEachStore } from '../../test/stores.ts'
import { appOf } from './cuts.ts'
import { createApps, createFigures, createRankings, createRollups, createStats, isOfCategory } from './index.ts'

const NOW = Date.UTC(2026, 0, 15, 12, 30)
const HOUR = 3_600_000
const DAY = 24 * HOUR
const ambient = createFakeAmbient({ now: NOW })

let made = 0
/** A call of so many tokens, half an hour before midnight so many days ago; today's a minute ago. */
function call(model: string, tokens: number, daysAgo: number, rest: Partial<Generation> = {}): Generation {
  const createdAt = daysAgo === 0 ? NOW - 60_000 : Math.floor(NOW / DAY) * DAY - (daysAgo - 1) * DAY - HOUR / 2
  return {
    id: `gen-${Math.floor(createdAt / 1000)}-${++made}`, createdAt, keyId: 'k1', workspace: 'default', surface: 'openai-chat', requested: model, model,
    endpoint: `${model}@x`, provider: 'x', providerName: 'X', upstreamId: null, streamed: false, cancelled: false, simulated: false, finish: 'stop',
    nativeFinish: null, fault: null, latencyMs: 10, durationMs: 20, usage: usage({ total: tokens - 1 }, { total: 1 }), cost: 5n, absorbed: 0n, price: null,
    tier: null, attempts: [], untried: 0, referer: null, title: null, categories: [], userAgent: null, user: null, session: null, inputMedia: 0,
    inputAudio: 0, quality: null, sampling: null, ...rest,
  }
}

async function open(store: Store, calls: readonly Generation[]) {
  const stats = createStats({ store, ambient, flushEveryMs: 60_000 })
  for (const it of calls) stats.record(it)
  await stats.flush()
  const rollups = createRollups({ store, ambient })
  await rollups.catchUp()
  const apps = createApps({ store, ambient })
  const figures = createFigures({ store, ambient })
  return { apps, figures, rollups, stats, rankings: createRankings({ figures, apps, ambient }) }
}

const app = (host: string, title: string | null = null, rest: Partial<Generation> = {}): Partial<Generation> => ({ referer: `https://${host}/`, title, ...rest })

forEachStore((_, openStore) => {
  test('models are ranked by the tokens of the period, with what is more than in the one before and the places that they climbed', async () => {
    const { store } = await openStore()
    const { rankings } = await open(store, [
      call('a/old', 100, 0), call('a/old', 900, 9), call('b/new', 600, 3), call('b/new', 200, 8), call('c/late', 50, 40), call('d/today', 300, 0),
      call('e/nobody', 0, 1, { model: null, endpoint: null, usage: NO_USAGE, fault: 'timeout' }), call('f/simulated', 9000, 0, { simulated: true }),
    ])
    const places = async (period: Parameters<typeof rankings.board>[1]) =>
      (await rankings.board('model', period)).ranked.map(({ name, tokens, change, moved }) => [name, tokens, change, moved])
    assert.deepEqual(await places('today'), [['d/today', 300, null, null], ['a/old', 100, null, null]])
    assert.deepEqual(await places('week'), [['b/new', 600, 200, 1], ['d/today', 300, null, null], ['a/old', 100, -88.9, -2]])
    assert.deepEqual(await places('month'), [['a/old', 1000, null, null], ['b/new', 800, null, null], ['d/today', 300, null, null]])
    const { tokens, requests, ranked } = await rankings.board('model', 'week')
    assert.deepEqual([tokens, requests], [1000, 3], 'calls that nobody answered and simulated ones are no traffic of a model')
    assert.deepEqual(ranked.map(({ rank, share }) => [rank, share]), [[1, 60], [2, 30], [3, 10]])
  })

  test('trending is what goes beyond the mean of the three weeks before, and what does not is not in it', async () => {
    const { store } = await openStore()
    const { rankings } = await open(store, [
      call('a/steady', 300, 1), call('a/steady', 300, 9), call('a/steady', 300, 16), call('a/steady', 300, 23),
      call('b/rising', 200, 1), call('b/rising', 90, 12), call('c/first', 100, 2),
    ])
    assert.deepEqual((await rankings.board('model', 'trending')).ranked.map(({ name, excess, rank }) => [name, excess, rank]), [['b/rising', 170, 1], ['c/first', 100, 2]])
  })

  test('a stretch of whole days of one\'s own choice is ranked by the days in it and no others', async () => {
    const { store } = await openStore()
    const { rankings } = await open(store, [call('a/x', 10, 1), call('a/x', 20, 2), call('b/y', 25, 2), call('a/x', 40, 3)])
    const today = Math.floor(NOW / DAY) * DAY
    const between = async (sort: 'popular' | 'trending') => (await rankings.between('model', { from: today - 2 * DAY, to: today - DAY }, sort)).map(({ name, tokens }) => [name, tokens])
    assert.deepEqual(await between('popular'), [['b/y', 25], ['a/x', 20]])
    assert.deepEqual(await between('trending'), [['b/y', 25], ['a/x', 20]], '20 is more than a third of 40')
  })

  test('an app is its host, keeps the title that was claimed first, and those on somebody\'s own machine are in no ranking', async () => {
    const { store } = await openStore()
    const calls = [
      call('a/x', 10, 1, app('www.Shop.example', 'Another name', { categories: ['cli-agent'] })),
      call('a/x', 10, 3, app('shop.example', 'The Shop', { categories: ['legal', 'cli-agent'] })),
      call('a/x', 10, 4, app('shop.example')),
      call('a/x', 50, 1, { referer: 'http://localhost:3000', title: 'Mine' }),
      call('a/x', 5, 1, app('plain.example')),
      call('a/x', 5, 1),
    ]
    const { apps, rankings, rollups } = await open(store, calls)
    const seen = await apps.of()
    assert.deepEqual([...seen.values()].map(({ id, name, url, verified }) => [id, name, url, verified]).toSorted(), [
      ['localhost/mine', 'Mine', null, false], ['plain.example', 'plain.example', 'https://plain.example', false], ['shop.example', 'The Shop', 'https://shop.example', false],
    ])
    assert.deepEqual(seen.get('shop.example')!.categories, ['cli-agent', 'legal'], 'those of one call in the order of letters')
    assert.deepEqual([isOfCategory(seen.get('shop.example')!, 'coding'), isOfCategory(seen.get('shop.example')!, 'creative')], [true, false])
    assert.equal(seen.get('shop.example')!.firstAt, calls[2]!.createdAt)
    assert.deepEqual((await rankings.board('app', 'week')).ranked.map(({ name, tokens }) => [name, tokens]), [['shop.example', 30], ['plain.example', 5]])
    await rollups.rebuild()
    assert.deepEqual(await apps.of(), seen, 'made again from the records they are the same')
  })

  test('a key that called as an app may speak for it; no other key can then, until it lets go', async () => {
    const { store } = await openStore()
    const { apps, rankings, rollups } = await open(store, [
      call('a/x', 10, 1, app('shop.example', 'Impostor')), call('a/x', 10, 1, app('shop.example', 'Shop', { keyId: 'k2' })), call('a/x', 10, 1, app('other.example')),
    ])
    await store.db.insertInto('peppers').values({ id: 'p', created_at: 0, removed_at: null }).execute()
    await store.db.insertInto('keys').values(['k1', 'k2'].map((hash, version) => ({
      hash, hmac: '', pepper: 'p', name: '', label: '', workspace: 'default', disabled: 0, settings: '{}', created_at: 0, updated_at: null, deleted_at: null, version: version + 1,
    } as const))).execute()
    const [one, two] = [{ key: 'k1', workspace: 'default' }, { key: 'k2', workspace: 'default' }]
    const refused = async (work: Promise<unknown>, kind: string): Promise<void> => {
      await assert.rejects(work, (error: unknown) => faultOf(error).kind === kind)
    }
    await refused(apps.claim('nowhere.example', two, {}), 'not-found')
    await refused(apps.claim('other.example', two, {}), 'forbidden')
    const claimed = await apps.claim('shop.example', two, { title: 'The true Shop', tagline: 'Sells things' })
    assert.deepEqual([claimed.name, claimed.tagline, claimed.verified], ['The true Shop', 'Sells things', true])
    await refused(apps.claim('shop.example', one, { title: 'Mine' }), 'forbidden')
    await refused(apps.release('shop.example', one), 'forbidden')
    assert.equal((await apps.claim('shop.example', two, { hidden: true })).name, 'The true Shop', 'what is not said stays')
    assert.deepEqual((await rankings.board('app', 'week')).ranked.map(({ name }) => name), ['other.example'])
    await rollups.rebuild()
    assert.deepEqual((await apps.of(['shop.example'])).get('shop.example')?.name, 'The true Shop', 'a claim is in no record and stays')
    await store.db.updateTable('keys').set({ deleted_at: NOW }).where('hash', '=', 'k2').execute()
    assert.equal((await apps.claim('shop.example', one, {})).name, 'Impostor', 'a key that is gone holds nothing, and what it said goes')
    await apps.release('shop.example', one)
    await store.db.updateTable('keys').set({ deleted_at: null }).where('hash', '=', 'k2').execute()
    await apps.claim('shop.example', two, { title: 'Again', hidden: true })
    const free = await apps.release('shop.example', two)
    assert.deepEqual([free.name, free.tagline, free.verified, free.hidden], ['Impostor', null, false, false])
    assert.equal((await apps.claim('shop.example', one, {})).verified, true)
  })

  test('sums by week begin on Mondays and by month on the first, and add up to the same', async () => {
    const { store } = await openStore()
    const { figures } = await open(store, Array.from({ length: 60 }, (_, day) => call('a/x', 10 + day, day)))
    const span = { from: NOW - 59 * DAY, to: NOW + 1 }
    const tokens = async (by: 'day' | 'week' | 'month') => new Map((await figures.sums({ cut: 'model', span, by })).map(({ at, counts }) => [at, counts.prompt_tokens + counts.completion_tokens]))
    const all = (of: ReadonlyMap<number, number>): number => [...of.values()].reduce((sum, it) => sum + it)
    const [days, weeks, months] = [await tokens('day'), await tokens('week'), await tokens('month')]
    assert.equal(days.size, 60)
    for (const at of weeks.keys()) assert.equal(new Date(at).getUTCDay(), 1)
    assert.deepEqual([...months.keys()].toSorted((a, b) => a - b), [Date.UTC(2025, 10), Date.UTC(2025, 11), Date.UTC(2026, 0)])
    assert.equal(all(weeks), all(days))
    assert.equal(all(months), all(days))
    assert.equal(months.get(Date.UTC(2026, 0)), [...days].filter(([at]) => at >= Date.UTC(2026, 0)).reduce((sum, [, it]) => sum + it, 0))
  })

  test('sums can be told for some groups and not for others', async () => {
    const { store } = await openStore()
    const { figures } = await open(store, [call('a/x', 10, 1, app('one.example')), call('a/x', 20, 1, app('two.example')), call('b/y', 40, 1, app('one.example'))])
    const span = { from: NOW - 5 * DAY, to: NOW }
    const asked = async (where: Parameters<typeof figures.sums>[0]['where'], names: readonly ('a' | 'b')[]) =>
      (await figures.sums({ cut: 'model-app', span, where, names })).map(({ a, b, counts, money }) => [a, b, counts.prompt_tokens + 1, money.cost_nano]).toSorted()
    assert.deepEqual(await asked([{ name: 'b', is: 'in', values: ['one.example'] }], ['a']), [['a/x', '', 10, 5n], ['b/y', '', 40, 5n]])
    assert.deepEqual(await asked([{ name: 'b', is: 'not in', values: ['one.example'] }], ['b']), [['', 'two.example', 20, 5n]])
    assert.deepEqual(await asked([{ name: 'a', is: 'in', values: [] }], ['a']), [])
    assert.deepEqual(await asked([], []), [['', '', 68, 15n]], 'all in one, where no names are asked for')
    await assert.rejects(figures.sums({ cut: 'modle', span }), /no cut modle/)
  })
})

test('what a call says it comes from names one app, however it is spelled', () => {
  for (const address of ['https://www.shop.example/a', 'HTTPS://SHOP.example', 'shop.example', 'https://shop.example.:8443/']) assert.equal(appOf(address, null), 'shop.example', address)
})
