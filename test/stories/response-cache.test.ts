import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ambient as real } from '../../src/ambient.ts'
import { onBothStores, providerAt, saying, startSignalbox, startUpstream, together, type Signalbox } from './signalbox.ts'
import { readStream } from './stream.ts'

/** OpenRouter's response cache: who asks the same again is given the same answer, at no cost and without a provider. */

const upstream = await startUpstream()
const config = together(
  providerAt('acme', `${upstream.url}/acme/v1`, { prompt: 10, completion: 20 }),
  providerAt('claude', `${upstream.url}/claude/v1`, { model: 'claude/one', dialect: 'anthropic-messages' }),
)
const CACHED = { 'x-openrouter-cache': 'true' }
const USED = { input: 100, output: 10 }
const COST = (100 * 10 + 10 * 20) / 1e6

interface Told { readonly status: string | null; readonly age: string | null; readonly ttl: string | null; readonly source: string | null; readonly id: string }
const toldBy = ({ headers }: Response): Told => ({
  status: headers.get('x-openrouter-cache-status'), age: headers.get('x-openrouter-cache-age'), ttl: headers.get('x-openrouter-cache-ttl'),
  source: headers.get('x-openrouter-cache-source-id'), id: headers.get('x-generation-id')!,
})
let asking = 0
/** A question that nobody has asked before, and an answer that is not given twice. */
const fresh = (rest: Record<string, unknown> = {}) => {
  upstream.forget()
  upstream.next({ text: `Answer ${++asking}.`, usage: USED })
  return saying('acme/one', `Question ${asking}?`, rest)
}
const ask = async (box: Signalbox, body: unknown, headers: Record<string, string> = CACHED) => {
  const response = await box.chat(body, headers)
  const text = await response.text()
  return { ...toldBy(response), code: response.status, body: JSON.parse(text) as { choices: { message: { content: string } }[]; usage: Record<string, unknown> & { cost: number; total_tokens: number }; openrouter_metadata?: unknown } }
}

onBothStores((start) => {
  test('The second of two that are the same is the first again: no provider, no tokens, no cost, and its record says whose it is', async () => {
    const box = await start({ config })
    const body = fresh()
    const first = await ask(box, body)
    assert.deepEqual([first.status, first.ttl, first.source, first.age], ['MISS', '300', null, null])
    assert.equal(first.body.usage.cost, COST)
    const again = await ask(box, body, { ...CACHED, 'x-openrouter-metadata': 'enabled' })
    assert.deepEqual([again.status, again.ttl, again.source], ['HIT', '300', first.id])
    assert.match(again.age!, /^\d+$/)
    assert.notEqual(again.id, first.id)
    assert.equal(again.body.choices[0]!.message.content, first.body.choices[0]!.message.content)
    assert.equal(again.body.usage.cost, 0)
    assert.equal(again.body.usage.total_tokens, 0)
    assert.equal(again.body.openrouter_metadata, undefined)
    assert.equal(upstream.requests.length, 1)
    const record = await box.generation(again.id)
    assert.deepEqual([record['total_cost'], record['response_cache_source_id'], record['model'], record['provider_name'], record['finish_reason']], [0, first.id, 'acme/one', 'acme', 'stop'])
    await box.app.stats.flush()
    assert.equal((await box.generation(again.id))['response_cache_source_id'], first.id, 'and so it is once it is written')
    assert.equal((await box.generation(first.id))['response_cache_source_id'], null)
  })

  test('What is kept shows nothing of the answer or the question in the database, and opens in no other place', async () => {
    const box = await start({ config })
    const { db } = box.app.store
    await ask(box, fresh())
    const [row] = await db.selectFrom('response_cache').selectAll().execute()
    assert.doesNotMatch(JSON.stringify(row), /Question|Answer/)
    const another = fresh()
    await ask(box, another)
    const other = await db.selectFrom('response_cache').select('id').where('id', '!=', row!.id).executeTakeFirstOrThrow()
    await db.updateTable('response_cache').set({ content: row!.content }).where('id', '=', other.id).execute()
    upstream.next({ text: 'Its own.', usage: USED })
    const { status, body } = await ask(box, another)
    assert.deepEqual([status, body.choices[0]!.message.content], ['MISS', 'Its own.'])
    assert.match(box.complaints.join(), /the response cache could not be used/)
  })

  test('When its time is over it is as if it had never been, and it is removed', async () => {
    let ahead = 0
    const box = await start({ config, ambient: { ...real, now: () => real.now() + ahead } })
    const body = fresh()
    await ask(box, body, { ...CACHED, 'x-openrouter-cache-ttl': '60abc' })
    ahead = 59_000 - 5000
    const hit = await ask(box, body)
    assert.deepEqual([hit.status, hit.ttl], ['HIT', '60'])
    assert.ok(Number(hit.age) >= 54)
    ahead = 61_000
    upstream.next({ text: 'Later.', usage: USED })
    assert.equal((await ask(box, body)).status, 'MISS')
    assert.equal((await box.app.store.db.selectFrom('response_cache').select('id').execute()).length, 1, 'the new one took its place')
  })
})

describe('The response cache', async () => {
  const box = await startSignalbox({ config })

  test('is off unless a request asks for it: nothing is kept, and nothing is said', async () => {
    for (const headers of [{} as Record<string, string>, { 'x-openrouter-cache': 'false' }, { 'x-openrouter-cache': 'yes' }]) {
      const body = fresh()
      upstream.next({ text: 'Another.', usage: USED })
      assert.equal((await ask(box, body, headers)).status, null)
      assert.equal((await ask(box, body)).status, 'MISS')
      assert.equal(upstream.requests.length, 2)
    }
  })

  test('is of one key: another key of the same workspace asks the provider', async () => {
    const body = fresh()
    await ask(box, body)
    upstream.next({ text: 'For another.', usage: USED })
    const { key } = await box.app.accounts.createKey({ name: 'other' })
    const other = await ask(box, body, { ...CACHED, authorization: `Bearer ${key}` })
    assert.deepEqual([other.status, other.body.choices[0]!.message.content], ['MISS', 'For another.'])
  })

  test('takes blanks as nothing, and the order of fields, another word or a stream as another request', async () => {
    const body = fresh({ temperature: 0 })
    assert.equal((await ask(box, body)).status, 'MISS')
    assert.equal((await ask(box, JSON.stringify(body, null, 4))).status, 'HIT')
    const reversed = Object.fromEntries(Object.entries(body).toReversed())
    for (const other of [reversed, { ...body, temperature: 1 }, { ...body, provider: { only: ['acme'] } }]) assert.equal((await ask(box, other)).status, 'MISS')
    assert.equal(toldBy(await box.chat({ ...body, stream: true }, CACHED)).status, 'MISS')
  })

  test('clears what it has where that is asked for, and keeps the new answer in its place', async () => {
    const body = fresh()
    await ask(box, body)
    upstream.next({ text: 'Renewed.', usage: USED })
    assert.equal((await ask(box, body, { ...CACHED, 'x-openrouter-cache-clear': 'true' })).status, 'MISS')
    const { status, body: { choices } } = await ask(box, body)
    assert.deepEqual([status, choices[0]!.message.content], ['HIT', 'Renewed.'])
  })

  test('bounds how long an answer is kept to a day, and a second', async () => {
    for (const [given, ttl] of [['999999', '86400'], ['0', '1'], ['-5', '1'], ['soon', '300'], ['90', '90']] as const) {
      assert.equal((await ask(box, fresh(), { ...CACHED, 'x-openrouter-cache-ttl': given })).ttl, ttl)
    }
  })

  test('is never used under zero data retention', async () => {
    const body = fresh({ provider: { zdr: true } })
    const before = (await box.app.store.db.selectFrom('response_cache').select('id').execute()).length
    const { status } = await ask(box, body)
    assert.equal(status, null)
    assert.equal((await box.app.store.db.selectFrom('response_cache').select('id').execute()).length, before)
  })

  test('keeps no answer that failed, broke off, or whose caller left', async () => {
    const body = fresh()
    upstream.forget()
    upstream.next({ status: 400 })
    assert.equal((await ask(box, body)).code, 400)
    upstream.next({ text: 'Not all of it, ever.', cutAfter: 2 })
    const cut = await readStream(await box.chat({ ...body, stream: true }, CACHED))
    assert.ok(cut.error)
    upstream.next({ text: 'Whole.', usage: USED })
    const response = await box.chat({ ...body, stream: true }, CACHED)
    assert.equal(toldBy(response).status, 'MISS')
    assert.equal((await readStream(response)).text, 'Whole.')
    upstream.next({ text: 'Whole.', usage: USED })
    assert.equal((await ask(box, body)).status, 'MISS')
  })

  test('gives a stream again as a stream, piece by piece, with its tool calls', async () => {
    upstream.forget()
    upstream.next({ parts: [{ type: 'reasoning', text: ['Let ', 'me see.'] }, { type: 'text', text: ['It ', 'is '] }, { type: 'call', name: 'look', id: 'call_1', arguments: ['{"a":', '1}'] }], usage: USED })
    const body = saying('acme/one', 'A stream?', { stream: true, tools: [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }] })
    const first = await readStream(await box.chat(body, CACHED))
    const response = await box.chat(body, CACHED)
    assert.equal(toldBy(response).status, 'HIT')
    const again = await readStream(response)
    assert.equal(again.text, first.text)
    assert.equal(again.reasoning, first.reasoning)
    assert.deepEqual(again.deltas, first.deltas)
    assert.equal(again.finish, 'tool_calls')
    assert.equal(again.usage!.cost, 0)
    assert.equal(first.usage!.cost, COST)
    assert.ok(again.done)
    assert.equal(upstream.requests.length, 1)
  })

  const surfaces: readonly (readonly [name: string, path: string, body: Record<string, unknown>])[] = [
    ['Responses', '/api/v1/responses', { model: 'acme/one', input: 'Hi' }],
    ['Messages', '/api/v1/messages', { model: 'acme/one', max_tokens: 100, messages: [{ role: 'user', content: 'Hi' }] }],
    ["Google's", '/api/v1beta/models/acme%2Fone:generateContent', { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] }],
    ['Completions', '/api/v1/completions', { model: 'acme/one', prompt: 'Hi' }],
  ]
  for (const [name, path, body] of surfaces) {
    test(`works on ${name} as well, and each surface has its own`, async () => {
      upstream.forget()
      upstream.next({ text: `By ${name}.`, usage: USED })
      const [first, again] = [await box.send('POST', path, { body, headers: CACHED }), await box.send('POST', path, { body, headers: CACHED })]
      const texts = [await first.text(), await again.text()]
      assert.deepEqual([toldBy(first).status, toldBy(again).status], ['MISS', 'HIT'], texts[0]!)
      assert.ok(texts[1]!.includes(`By ${name}.`))
      assert.equal(upstream.requests.length, 1)
    })
  }

  test("tells Anthropic's clients of no tokens at the start of a stream that is given again, since none are read", async () => {
    upstream.forget()
    upstream.next({ text: 'Counted.', usage: USED })
    const body = { model: 'claude/one', max_tokens: 100, stream: true, messages: [{ role: 'user', content: 'How many?' }] }
    const counted: unknown[] = []
    for (const status of ['MISS', 'HIT']) {
      const response = await box.send('POST', '/api/v1/messages', { body, headers: CACHED })
      const [start] = (await response.text()).split('\n\n').flatMap((frame) => (frame.startsWith('event: message_start') ? [frame.slice(frame.indexOf('{'))] : []))
      assert.equal(toldBy(response).status, status)
      counted.push((JSON.parse(start!) as { message: { usage: { input_tokens: number } } }).message.usage.input_tokens)
    }
    assert.deepEqual(counted, [USED.input, 0])
  })

  test('makes a response anew that is to be kept from turn to turn: it has an id to go on from', async () => {
    upstream.forget()
    for (const text of ['One.', 'Two.']) upstream.next({ text, usage: USED })
    for (let i = 0; i < 2; i++) {
      const response = await box.send('POST', '/api/v1/responses', { body: { model: 'acme/one', input: 'Keep it', store: true }, headers: CACHED })
      assert.equal(toldBy(response).status, null)
      await response.text()
    }
    assert.equal(upstream.requests.length, 2)
  })
})

test('A preset may switch it on or off: off wins over the header, and the header over on', async () => {
  const box = await startSignalbox({ config })
  for (const [slug, said] of [['kept', { cache_enabled: true, cache_ttl_seconds: 60 }], ['never', { cache_enabled: false }]] as const) {
    const made = await box.send('POST', `/api/v1/presets/${slug}/chat/completions`, { body: { model: 'acme/one', messages: [{ role: 'system', content: 'Be brief.' }], ...said } })
    assert.equal(made.status, 200, await made.text())
  }
  const wrong = await box.send('POST', '/api/v1/presets/wrong/chat/completions', { body: { model: 'acme/one', messages: [{ role: 'system', content: 'x' }], cache_ttl_seconds: 0 } })
  assert.equal(wrong.status, 400)
  assert.match(await wrong.text(), /cache_ttl_seconds: must be a whole number from 1 to 86400/)
  const body = fresh({ preset: 'kept' })
  for (let i = 0; i < 4; i++) upstream.next({ text: 'More.', usage: USED })
  assert.deepEqual((({ status, ttl }) => [status, ttl])(await ask(box, body, {})), ['MISS', '60'])
  assert.equal((await ask(box, body, {})).status, 'HIT')
  assert.equal((await ask(box, body, { 'x-openrouter-cache': 'false' })).status, null)
  assert.equal((await ask(box, { ...body, preset: 'never' })).status, null)
  assert.doesNotMatch(JSON.stringify(upstream.requests.map((request) => request.body)), /cache_enabled|cache_ttl/)
})

test('A key can have all of its answers forgotten, and those of other keys stay', async () => {
  const box = await startSignalbox({ config })
  const { key } = await box.app.accounts.createKey({ name: 'other' })
  const other = { ...CACHED, authorization: `Bearer ${key}` }
  const body = fresh()
  for (let i = 0; i < 3; i++) upstream.next({ text: 'More.', usage: USED })
  await ask(box, body)
  await ask(box, body, other)
  const response = await box.send('DELETE', '/api/v1/response-cache')
  assert.deepEqual(await response.json(), { data: { deleted: 1 } })
  assert.equal((await ask(box, body)).status, 'MISS')
  assert.equal((await ask(box, body, other)).status, 'HIT')
})

test('The operator bounds what is kept, answer by answer and in all, and can switch it off', async () => {
  const small = await startSignalbox({ config: { ...config, response_cache: { max_answer_bytes: 2048, max_bytes: 1024 * 1024 } } })
  const long = fresh()
  upstream.forget()
  for (let i = 0; i < 2; i++) upstream.next({ text: 'x'.repeat(5000), usage: USED })
  await ask(small, long)
  assert.equal((await ask(small, long)).status, 'MISS')

  const many = await startSignalbox({ config: { ...config, response_cache: { max_bytes: 1024 * 1024 } } })
  const first = fresh()
  await ask(many, first)
  for (let i = 0; i < 8; i++) {
    const body = fresh()
    upstream.forget()
    upstream.next({ text: 'y'.repeat(200_000), usage: USED })
    await ask(many, body)
  }
  const rows = await many.app.store.db.selectFrom('response_cache').select('size').execute()
  assert.ok(rows.reduce((sum, { size }) => sum + Number(size), 0) <= 1024 * 1024, `${rows.length} answers`)
  upstream.next({ text: 'Anew.', usage: USED })
  assert.equal((await ask(many, first)).status, 'MISS', 'the oldest went first')

  many.reload({ ...config, response_cache: { enabled: false } })
  const body = fresh()
  upstream.next({ text: 'Again.', usage: USED })
  assert.equal((await ask(many, body)).status, null)
  assert.equal((await ask(many, body)).status, null)
  assert.equal(upstream.requests.length, 2)
})
