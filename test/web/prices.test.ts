/** Prices over time as a page shows them: what changed in words, and panels that can be compared. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PricesView } from '../../src/site.ts'
import { pricesShown } from '../../web/routes/model/prices.server.ts'

const DAY = 86_400_000
const TODAY = Date.UTC(2026, 0, 15)
const NOW = TODAY + DAY / 2

type Endpoint = PricesView['endpoints'][number]
type Listed = Endpoint['listed'][number]
const list = (daysAgo: number, prompt: string | null, more: Readonly<Record<string, string>> = {}, rest: Partial<Listed> = {}): Listed => ({
  at: NOW - daysAgo * DAY, pricing: prompt === null ? null : { prompt, completion: '0.00001', ...more }, overrides: [], perMillion: prompt === null ? null : String(Number(prompt) * 1e6), ...rest,
})
const paid = (daysAgo: number, perMillion: string, requests: number) =>
  ({ at: TODAY - daysAgo * DAY, requests, promptTokens: 75 * requests, completionTokens: 25 * requests, perMillion, listPerMillion: '2' })
const endpoint = (tag: string, listed: readonly Listed[], rest: Partial<Endpoint> = {}): Endpoint =>
  ({ id: `a/x@${tag}`, tag, providerName: tag.split('/')[0]!.toUpperCase(), listed, paid: [], ...rest })
const shown = (endpoints: readonly Endpoint[], rest: Partial<PricesView> = {}, most?: number) => pricesShown({
  range: '30d', by: 'day', from: TODAY - 29 * DAY, to: NOW + 1, since: NOW - 60 * DAY, mix: { prompt: 75, completion: 25, requests: 0 }, endpoints, ...rest,
}, most)

test('each change is told in words and in percent, newest first, and endpoints with the same change stand together', () => {
  const above = (prompt: string): Partial<Listed> => ({ overrides: [{ minPromptTokens: 200_000, pricing: { prompt } }] })
  const { changes } = shown([
    endpoint('one', [list(60, '0.000001', {}, above('0.000002')), list(9, '0.0000012', { input_cache_read: '0.0000001' }, above('0.000003')), list(4, null), list(1, '0.000001')]),
    endpoint('two', [list(60, '0.000001'), list(4, null)]),
    endpoint('three', [list(2, '0.000001')]),
    endpoint('four', [list(5, '0', { output_image: '0.04' }), list(3, '0', { output_image: '0.03' })]),
  ])
  assert.deepEqual(changes.map(({ at, names, what }) => [(NOW - at) / DAY, names.join(), ...what]), [
    [1, 'ONE', 'on sale again'],
    [2, 'THREE', 'new on sale'],
    [3, 'FOUR', 'Image out per image $0.04 → $0.03 (−25 %)'],
    [4, 'ONE,TWO', 'gone from sale'],
    [5, 'FOUR', 'new on sale'],
    [9, 'ONE', 'Input $1 → $1.20 (+20 %)', 'Cache read $0.10 asked as well', 'Input above 200K prompt tokens $2 → $3 (+50 %)'],
  ])
})

test('what the first look found is a beginning and no change, and what changed before the range is not told again', () => {
  assert.deepEqual(shown([endpoint('one', [list(10, '0.000001')])], { since: NOW - 10 * DAY }).changes, [])
  assert.deepEqual(shown([endpoint('one', [list(40, '0.000001')])]).changes, [])
  assert.equal(shown([endpoint('one', [list(10, '0.000001')])], { since: NOW - 10 * DAY }).drawing, null, 'a line that never moved and that nothing was paid beside says nothing')
  assert.equal(shown([endpoint('one', [list(10, '0.000001')])]).drawing, null, 'nor does one that has just begun')
})

test('panels share a scale that a single dear call does not stretch, and a line breaks off where an endpoint was not on sale', () => {
  const { drawing, said, undrawn } = shown([
    endpoint('one', [list(60, '0.000002'), list(10, null), list(5, '0.000004')], { paid: [paid(20, '1.5', 9), paid(3, '40', 1)] }),
    endpoint('two', [list(60, '0.000003')], { paid: [paid(20, '3', 4)] }),
    endpoint('three', [], { paid: [paid(2, '1', 1)] }),
    endpoint('quiet', [list(60, '0.000001')]),
  ], { mix: { prompt: 75, completion: 25, requests: 15 } }, 2)
  assert.equal(undrawn, 1, 'the third has no room; the quiet one has nothing to show')
  assert.deepEqual(drawing!.panels.map(({ name, paths }) => [name, paths.length]), [['ONE', 2], ['TWO', 1]])
  assert.deepEqual(drawing!.ticks.map(({ value }) => value), [0, 5, 10])
  const [usual, dear] = drawing!.panels[0]!.dots
  assert.deepEqual([usual!.over, dear!.over], [false, true])
  assert.ok(dear!.y < usual!.y && dear!.y > 0 && dear!.r < usual!.r)
  assert.match(usual!.said, /^Dec 26: \$1\.50 paid in 9 requests, \$2\.00 by the list$/)
  assert.deepEqual(said, ['list $4.00, paid $5.35 in 10 requests', 'list $3.00, paid $3.00 in 4 requests'])
})

test('endpoints of one provider are told apart by their tags, and its plain one keeps its name', () => {
  const named = (tags: readonly string[]) => shown(tags.map((tag) => endpoint(tag, [], { providerName: 'P', paid: [paid(2, '1', 1)] }))).paid.map(({ name }) => name)
  assert.deepEqual(named(['p']), ['P'])
  assert.deepEqual(named(['p', 'p/priority']), ['P', 'p/priority'])
  assert.deepEqual(named(['p/fp8', 'p/turbo']), ['p/fp8', 'p/turbo'])
  assert.deepEqual(named(['p', 'q']), ['p', 'q'], 'two providers may go by one name')
})
