import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ModelFigures } from '../core/index.ts'
import { asksForFigures, createCatalog, NO_OVERLAY, queryModels, type ModelEntry } from './index.ts'

const snapshot = createCatalog({ overlay: NO_OVERLAY, faces: new Set(['openai-chat']), settings: () => ({}) }).snapshot()
const NOW = Date.UTC(2026, 10, 20)

const list = (query: string, rest: { visible?: (entry: ModelEntry) => boolean; defaultOutput?: string; figures?: ReadonlyMap<string, ModelFigures> } = {}) => {
  const found = queryModels(new URLSearchParams(query), { snapshot, now: NOW, ...rest })
  assert.ok('entries' in found, 'fault' in found ? found.fault.message : '')
  return found
}
const ids = (query: string) => list(query).entries.map(({ row }) => row.id)
const refused = (query: string) => {
  const found = queryModels(new URLSearchParams(query), { snapshot, now: NOW })
  assert.ok('fault' in found, query)
  return found.fault
}

test('a list without a query holds every text model that can be asked, newest first, in one page', () => {
  const { entries, total, next } = list('')
  assert.equal(entries.length, total)
  assert.equal(next, null)
  assert.ok(total > 480)
  for (const { row } of entries) {
    assert.ok(row.output_modalities.includes('text'), row.id)
    assert.ok(row.status !== 'retired' && (row.kind !== 'router' || /^openrouter\/(auto|free|fusion)$/.test(row.id)), row.id)
  }
  const created = entries.map(({ row }) => row.created ?? 0)
  assert.deepEqual(created, created.toSorted((a, b) => b - a))
})

test('models that write no text are there when they are asked for', () => {
  assert.ok(list('output_modalities=all').total > list('').total + 100)
  assert.ok(list('output_modalities=embeddings').entries.every(({ row }) => row.output_modalities.includes('embeddings')))
  assert.ok(list('', { defaultOutput: 'embeddings' }).total > 30)
})

test('a client that walks the pages meets every model once', () => {
  const seen: string[] = []
  let query: string | null = 'limit=100&sort=context-high-to-low'
  while (query !== null) {
    const page: ReturnType<typeof list> = list(query)
    seen.push(...page.entries.map(({ row }) => row.id))
    assert.equal(page.total, list('').total)
    query = page.next
  }
  assert.equal(seen.length, list('').total)
  assert.equal(new Set(seen).size, seen.length)
})

test('an offset alone means pages of five hundred, and beyond the end there is nothing', () => {
  assert.equal(list('offset=0').entries.length, 500)
  assert.deepEqual(list('offset=5000').entries, [])
})

test('filters leave what they name', () => {
  const everyEntry = (query: string, test_: (entry: ModelEntry) => boolean) => {
    const { entries } = list(query)
    assert.ok(entries.length > 0, query)
    for (const entry of entries) assert.ok(test_(entry), `${query}: ${entry.row.id}`)
  }
  everyEntry('q=claude opus', ({ row }) => /claude/.test(row.id) && /opus/.test(row.id))
  everyEntry('input_modalities=image,audio', ({ row }) => ['image', 'audio'].every((kind) => row.input_modalities.includes(kind)))
  everyEntry('context=1000000', ({ row }) => (row.context_length ?? 0) >= 1_000_000)
  everyEntry('model_authors=anthropic,google', ({ row }) => ['anthropic', 'google'].includes(row.author))
  everyEntry('arch=Claude', ({ row }) => row.tokenizer === 'Claude')
  everyEntry('providers=groq', ({ row }) => snapshot.endpointsOf(row.id).some(({ provider }) => provider === 'groq'))
  everyEntry('supported_parameters=tools,seed', ({ row }) => ['tools', 'seed'].every((name) => row.supported_parameters.includes(name)
    || snapshot.endpointsOf(row.id).some(({ parameters }) => parameters?.has(name))))
  everyEntry('max_age_days=90', ({ row }) => row.created! * 1000 > NOW - 91 * 86_400_000)
  everyEntry('variant=free,thinking', ({ row }) => /:(free|thinking)$/.test(row.id))
  everyEntry('variant=standard', ({ row }) => !row.id.includes(':'))
  everyEntry('zdr=true', ({ row }) => snapshot.endpointsOf(row.id).some(({ dataPolicy }) => dataPolicy.retentionDays === 0))
})

test('prices are dollars per million tokens, and a model without a price is in no range', () => {
  assert.ok(ids('min_price=2.5&max_price=2.5').includes('openai/gpt-4o'))
  assert.equal(ids('max_price=2.49').includes('openai/gpt-4o'), false)
  assert.ok(ids('min_output_price=10&max_output_price=10').includes('openai/gpt-4o'))
  assert.ok(list('min_price=0').total < list('').total)
})

test('sorting by price puts models without one last', () => {
  const sorted = ids('sort=pricing-high-to-low')
  assert.equal(sorted[0], 'openai/o1-pro')
  assert.equal(sorted.length, list('').total)
})

const did = (weekTokens: number, monthTokens: number, rest: Partial<ModelFigures> = {}): ModelFigures =>
  ({ weekTokens, monthTokens, latencyMs: null, throughput: null, samples: 0, toolSuccess: null, toolRequests: 0, ...rest })

test('an order by what was measured puts models of which nothing is known last, the newest of them first', () => {
  const figures = new Map([
    ['openai/gpt-4o', did(10, 900, { latencyMs: 300, throughput: 50 })],
    ['openai/gpt-4o-mini', did(20, 20, { latencyMs: 200 })],
    ['anthropic/claude-3-haiku', did(0, 500, { latencyMs: 400, throughput: 80 })],
  ])
  const first = (sort: string, count: number) => list(`sort=${sort}`, { figures }).entries.slice(0, count).map(({ row }) => row.id)
  const newest = ids('').filter((id) => !figures.has(id))[0]!
  assert.deepEqual(first('top-weekly', 3), ['openai/gpt-4o-mini', 'openai/gpt-4o', newest])
  assert.deepEqual(first('most-popular', 4), ['openai/gpt-4o', 'anthropic/claude-3-haiku', 'openai/gpt-4o-mini', newest])
  assert.deepEqual(first('throughput-high-to-low', 3), ['anthropic/claude-3-haiku', 'openai/gpt-4o', newest])
  assert.deepEqual(first('latency-low-to-high', 4), ['openai/gpt-4o-mini', 'openai/gpt-4o', 'anthropic/claude-3-haiku', newest])
  assert.deepEqual(ids('sort=top-weekly'), ids(''), 'nothing was measured')
})

test('a moving alias stands where the model stands that it leads to', () => {
  const alias = snapshot.models.find((entry) => entry.row.alias_target !== undefined && snapshot.targetOf(entry) !== null)!
  const target = snapshot.targetOf(alias)!.row.id
  const found = list('sort=top-weekly', { figures: new Map([[target, did(10, 10)]]) }).entries.slice(0, 2).map(({ row }) => row.id)
  assert.deepEqual(found.toSorted(), [alias.row.id, target].toSorted())
})

test('a share of right tool calls leaves out models that made none', () => {
  const figures = new Map([['openai/gpt-4o', did(1, 1, { toolSuccess: 0.95, toolRequests: 20 })], ['openai/gpt-4o-mini', did(1, 1, { toolSuccess: 0.5, toolRequests: 2 })], ['anthropic/claude-3-haiku', did(1, 1)]])
  const found = (query: string) => list(query, { figures }).entries.map(({ row }) => row.id).toSorted()
  assert.deepEqual(found('min_tool_success_rate=0.9'), ['openai/gpt-4o'])
  assert.deepEqual(found('max_tool_success_rate=.9'), ['openai/gpt-4o-mini'])
  assert.deepEqual(found('min_tool_success_rate=0&max_tool_success_rate=1'), ['openai/gpt-4o', 'openai/gpt-4o-mini'])
  assert.match(refused('min_tool_success_rate=95').message, /must be a share from 0 to 1 such as 0\.95, is "95"/)
})

test('figures are asked for by the orders and filters that need them, and by no other', () => {
  for (const query of ['sort=top-weekly', 'sort=latency-low-to-high', 'max_tool_success_rate=0.5']) assert.ok(asksForFigures(new URLSearchParams(query)), query)
  for (const query of ['', 'sort=newest', 'sort=toString', 'min_tool_success_rate=', 'q=top-weekly']) assert.ok(!asksForFigures(new URLSearchParams(query)), query)
})

test('what a key may not see is not counted', () => {
  assert.equal(list('', { visible: ({ row }) => row.author === 'openai' }).total, ids('model_authors=openai').length)
})

test('a filter or a sort that needs what the catalogue does not hold is refused by name, not answered wrongly', () => {
  assert.match(refused('sort=coding-high-to-low').message, /coding-high-to-low is not available yet; available are newest/)
  assert.match(refused('category=programming').message, /category is not available yet/)
  assert.equal(refused('region=eu').field, 'region')
})

test('a query that makes no sense is a 400 that names the field', () => {
  assert.match(refused('limit=0').message, /limit must be a whole number from 1 to 1000, is "0"/)
  assert.equal(refused('limit=1001').field, 'limit')
  assert.match(refused('offset=-1').message, /offset must be a whole number of at least 0/)
  assert.match(refused('max_price=cheap').message, /max_price must be dollars per million tokens/)
  assert.match(refused('zdr=yes').message, /zdr must be true or false/)
  assert.match(refused('sort=best').message, /sort must be one of newest/)
})
