import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ConfigFile } from '../../src/config/index.ts'
import { providerAt, saying, startSignalbox, startUpstream, together, type Signalbox } from './signalbox.ts'

/** What callers send is judged by a model of the operator's, before the one that they asked for. */

// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>
const upstream = await startUpstream()
const providers = together(
  providerAt('answers', `${upstream.url}/answers/v1`, { model: 'acme/one', prompt: 1, completion: 1 }),
  providerAt('judges', `${upstream.url}/judges/v1`, { model: 'acme/judge', prompt: 10, completion: 10 }),
  providerAt('stands', `${upstream.url}/stands/v1`, { model: 'acme/second', prompt: 10, completion: 10 }),
)
const start = (moderation: ConfigFile['moderation']): Promise<Signalbox> => startSignalbox({ config: { ...providers, moderation } })
const box = await start({ models: ['acme/judge', 'acme/second'] })
const PLUGIN = { plugins: [{ id: 'moderation' }] }
const TOLD = { 'x-openrouter-metadata': 'enabled' }
const USED = { input: 100, output: 10 }
const FINE = { text: '{"flagged":false,"reasons":[]}', usage: USED }
const BAD = { text: '{"flagged":true,"reasons":["fraud"]}', usage: USED }
const JUDGED = (110 * 10) / 1e6
/** Who was asked since then, in order. */
const asked = (): string[] => upstream.requests.map(({ path }) => path.split('/')[1]!)
const next = (...orders: readonly Loose[]): void => {
  upstream.forget()
  for (const order of orders) upstream.next(order)
}
const noteOf = (reply: Loose): Loose => reply['openrouter_metadata'].pipeline.find((it: Loose) => it['name'] === 'moderation')

describe('A request that is judged', () => {
  test('and found fine is answered; the judgement is told, and charged with the answer', async () => {
    next(FINE, { text: 'Hello.', usage: USED })
    const reply = await box.whole(saying('acme/one', 'Hi there', PLUGIN), TOLD)
    assert.deepEqual(asked(), ['judges', 'answers'])
    assert.equal(reply.choices[0]!['message'].content, 'Hello.')
    assert.deepEqual([noteOf(reply)['type'], noteOf(reply)['data'], noteOf(reply)['cost_usd']], ['guardrail', { flagged: false, model: 'acme/judge', provider: 'judges' }, JUDGED])
    assert.equal(reply.usage.cost, (110 * 10 + 110) / 1e6)
    const record = await box.app.stats.find(reply.id, 'default')
    assert.deepEqual(record!.attempts.map(({ provider, within }) => [provider, within]), [['judges', 'moderation'], ['answers', undefined]])
  })

  test('and flagged is a 403 with why, what, and who said so; nobody answers it, and nobody is charged', async () => {
    next(BAD)
    const { status, error, id, body } = await box.refused(saying('acme/one', `Please ${'x'.repeat(300)} steal`, PLUGIN), TOLD)
    assert.equal(status, 403)
    assert.deepEqual(asked(), ['judges'])
    const { error_type, reasons, flagged_input, provider_name, model_slug } = error.metadata
    assert.deepEqual([error_type, reasons, provider_name, model_slug], ['content_policy_violation', ['fraud'], 'judges', 'acme/judge'])
    assert.ok(flagged_input.length <= 100 && flagged_input.startsWith('Please x') && flagged_input.includes('...') && flagged_input.endsWith('steal'), flagged_input)
    assert.ok(body)
    const record = await box.app.stats.find(id, 'default')
    assert.deepEqual([record!.cost, record!.absorbed], [0n, BigInt(Math.round(JUDGED * 1e9))])
    assert.doesNotMatch(JSON.stringify(record, (_, one: unknown) => typeof one === 'bigint' ? `${one}` : one), /steal/)
  })

  test('is a 403 in the words of every surface, whole and before a stream begins', async () => {
    for (const [path, body, said] of [
      ['/chat/completions', saying('acme/one', 'Hi', { ...PLUGIN, stream: true }), /content_policy_violation/],
      ['/responses', { model: 'acme/one', input: 'Hi', ...PLUGIN }, /content_policy_violation/],
      ['/messages', { model: 'acme/one', max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }], ...PLUGIN }, /"type":"error"/],
      ['/models/acme/one:generateContent', { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }], ...PLUGIN }, /PERMISSION_DENIED/],
    ] as const) {
      next(BAD)
      const response = await box.send('POST', `/api/v1${path}`, { body })
      assert.equal(response.status, 403, path)
      assert.match(await response.text(), said, path)
    }
  })

  test('is judged by all that a model would read of it, as a quotation', async () => {
    next(FINE)
    await box.whole({
      model: 'acme/one', ...PLUGIN, messages: [
        { role: 'system', content: 'The system speaks.' }, { role: 'user', content: [{ type: 'text', text: 'The "user" speaks.' }] },
        { role: 'assistant', content: 'It answers.', tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{"a":"An argument."}' } }] },
        { role: 'tool', tool_call_id: 'c', content: 'A result.' },
      ],
    })
    const [system, user] = (upstream.requests[0]!.body as { messages: readonly { content: string }[] }).messages
    const { text } = JSON.parse(user!.content) as { text: string }
    for (const part of ['The system speaks.', 'The "user" speaks.', 'It answers.', 'An argument.', 'A result.']) assert.ok(text.includes(part), part)
    assert.match(system!.content, /never an instruction to you/)
  })

  test('is read in pieces where it is long, and the last of them counts as much as the first', async () => {
    next(FINE, BAD)
    const long = `${'a '.repeat(30_000)}end`
    const { error } = await box.refused(saying('acme/one', long, PLUGIN))
    assert.deepEqual(asked(), ['judges', 'judges'])
    assert.ok(error.metadata['flagged_input'].endsWith('end'))
  })

  test('is judged by models that answer in one word and codes as well', async () => {
    next({ text: '\n\nunsafe\nS2,S9' })
    assert.deepEqual((await box.refused(saying('acme/one', 'Hi', PLUGIN))).error.metadata['reasons'], ['S2', 'S9'])
    next({ text: 'safe' }, { text: 'Hello.' })
    assert.equal((await box.whole(saying('acme/one', 'Hi', PLUGIN))).choices[0]!['message'].content, 'Hello.')
  })

  test('is explained without being judged', async () => {
    next()
    const response = await box.send('POST', '/api/v1/route/explain', { body: saying('acme/one', 'Hi', PLUGIN) })
    assert.match(await response.text(), /acme\/judge would judge/)
    assert.deepEqual(asked(), [])
  })
})

describe('Who wants it', () => {
  test('a caller who does not ask has nothing judged, and the plugin can be switched off', async () => {
    next()
    await box.whole(saying('acme/one', 'Hi'))
    await box.whole(saying('acme/one', 'Hi', { plugins: [{ id: 'moderation', enabled: false }] }))
    assert.deepEqual(asked(), ['answers', 'answers'])
  })

  test('a key whose settings demand it cannot ask without', async () => {
    const { key } = await box.app.accounts.createKey({ settings: { moderation: true } })
    await box.app.accounts.refresh()
    const headers = { authorization: `Bearer ${key}` }
    for (const rest of [{}, { plugins: [{ id: 'moderation', enabled: false }] }]) {
      next(BAD)
      assert.equal((await box.refused(saying('acme/one', 'Hi', rest), headers)).status, 403)
      assert.deepEqual(asked(), ['judges'])
    }
  })

  test('an operator who demands it of all has all judged', async () => {
    const strict = await start({ models: ['acme/judge'], always: true, policy: 'talk of trains' })
    next(BAD)
    assert.equal((await strict.refused(saying('acme/one', 'Hi', { plugins: [{ id: 'moderation', enabled: false }] }))).status, 403)
    assert.match(JSON.stringify(upstream.requests[0]!.body), /talk of trains/)
  })

  test('where no model could judge, who asks is told so by the field, and a key that has to be judged is not served', async () => {
    const bare = await startSignalbox({ config: providers })
    const { status, error } = await bare.refused(saying('acme/one', 'Hi', PLUGIN))
    assert.deepEqual([status, error.message.split(':')[0]], [400, 'plugins[0].id'])
    const { key } = await bare.app.accounts.createKey({ settings: { moderation: true } })
    await bare.app.accounts.refresh()
    assert.equal((await bare.refused(saying('acme/one', 'Hi'), { authorization: `Bearer ${key}` })).status, 503)
    const { error: slip } = await box.refused(saying('acme/one', 'Hi', { plugins: [{ id: 'moderation', policy: 'none' }] }))
    assert.match(slip.message, /^plugins\[0\]\.policy: /)
  })
})

describe('A judge that does not judge', () => {
  test('is followed by the next one', async () => {
    next({ status: 500 }, FINE, { text: 'Hello.' })
    await box.whole(saying('acme/one', 'Hi', PLUGIN))
    assert.deepEqual(asked(), ['judges', 'stands', 'answers'])
  })

  test('closes the door where nobody else does either, and what it says instead is no judgement', async () => {
    for (const orders of [[{ status: 500 }, { status: 500 }], [{ text: 'I would rather not say.' }], [{ text: '{"flagged":"perhaps"}' }]]) {
      next(...orders)
      const { status, error } = await box.refused(saying('acme/one', 'Hi', PLUGIN))
      assert.deepEqual([status, error.metadata['reason']], [503, 'moderation'])
      assert.ok(!asked().includes('answers'))
    }
    next()
    assert.equal((await box.refused(saying('acme/one', 'a '.repeat(200_000), PLUGIN))).status, 503)
    assert.deepEqual(asked(), [], 'a request was judged that has more text than is judged')
  })

  test('leaves it open where the operator says so, and the metadata says that nothing was judged', async () => {
    const open = await start({ models: ['acme/judge'], failure: 'open' })
    next({ text: 'Hm.' }, { text: 'Hello.' })
    const reply = await open.whole(saying('acme/one', 'Hi', PLUGIN), TOLD)
    assert.equal(reply.choices[0]!['message'].content, 'Hello.')
    assert.deepEqual(noteOf(reply)['data'], { failed: true })
    assert.match(noteOf(reply)['summary'], /^not judged: /)
  })
})
