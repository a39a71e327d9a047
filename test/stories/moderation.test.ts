import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ConfigFile } from '../../src/config/index.ts'
import { providerAt, saying, startSignalbox, startUpstream, together, type Signalbox } from './signalbox.ts'
import { follow, readStream } from './stream.ts'

/** What callers send is judged by a model of the operator's, before the one that they asked for. */

// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>
const upstream = await startUpstream()
const providers = together(
  providerAt('answers', `${upstream.url}/answers/v1`, { model: 'acme/one', prompt: 1, completion: 1 }),
  providerAt('judges', `${upstream.url}/judges/v1`, { model: 'acme/judge', prompt: 10, completion: 10 }),
  providerAt('stands', `${upstream.url}/stands/v1`, { model: 'acme/second', prompt: 10, completion: 10 }),
)
const start = (moderation: ConfigFile['moderation'], rest: ConfigFile = {}): Promise<Signalbox> => startSignalbox({ config: { ...providers, moderation, ...rest } })
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

describe('An answer that is judged', async () => {
  const held = await start({ models: ['acme/judge'], output: true })
  const released = await start({ models: ['acme/judge'], output: true, stream: 'release' }, { timeouts: { idle_ms: 600_000 } })
  const noteOfAnswer = (metadata: Loose): Loose => metadata['pipeline'].findLast((it: Loose) => it['name'] === 'moderation')
  /** So many words that a piece is full before they end. */
  const words = (count: number, word: string): string[] => Array.from({ length: count }, (_, at) => `${word}${at} `)
  const recordOf = async (box_: Signalbox, id: string) => (await box_.app.stats.find(id, 'default'))!

  test('and found fine is given whole; what the judges took is told, recorded and charged with it', async () => {
    next(FINE, { text: 'Hello.', usage: USED }, FINE)
    const reply = await held.whole(saying('acme/one', 'Hi', PLUGIN), TOLD)
    assert.deepEqual(asked(), ['judges', 'answers', 'judges'])
    assert.deepEqual([reply.choices[0]!['message'].content, reply.choices[0]!['finish_reason']], ['Hello.', 'stop'])
    const note = noteOfAnswer(reply['openrouter_metadata'])
    assert.deepEqual([note['data'], note['cost_usd']], [{ output: true, model: 'acme/judge', provider: 'judges', flagged: false, pieces: 1 }, JUDGED])
    assert.equal(reply.usage.cost, 2 * JUDGED + 110 / 1e6)
    const { attempts, cost, absorbed } = await recordOf(held, reply.id)
    assert.deepEqual(attempts.map(({ provider, within }) => [provider, within]), [['judges', 'moderation'], ['judges', 'moderation'], ['answers', undefined]])
    assert.deepEqual([cost, absorbed], [BigInt(Math.round(reply.usage.cost * 1e9)), 0n])
  })

  test('is read with its thoughts and the arguments of its calls, as a quotation', async () => {
    next(FINE, { shapes: ['reasoning'], reasoning: 'A "thought".', text: 'A text.', calls: [{ name: 'f', arguments: '{"an":"argument"}' }] }, FINE)
    await held.whole(saying('acme/one', 'Hi', { ...PLUGIN, tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }] }))
    const [system, user] = (upstream.requests[2]!.body as { messages: readonly { content: string }[] }).messages
    const { text } = JSON.parse(user!.content) as { text: string }
    for (const part of ['A "thought".', 'A text.', '{"an":"argument"}']) assert.ok(text.includes(part), `${part} is not in ${text}`)
    assert.match(system!.content, /may be shown to whoever asked/)
  })

  test('and flagged is withheld in the words of every surface, whole and streamed; what was made of it is counted and paid', async () => {
    const input = [{ role: 'user', content: 'Hi' }]
    for (const [path, body, whole, streamed] of [
      ['/chat/completions', { model: 'acme/one', messages: input }, /"finish_reason":"content_filter","native_finish_reason":"moderation"/, /"finish_reason":"content_filter"/],
      ['/completions', { model: 'acme/one', prompt: 'Hi' }, /"finish_reason":"content_filter"/, /"finish_reason":"content_filter"/],
      ['/responses', { model: 'acme/one', input: 'Hi' }, /"status":"incomplete".*"incomplete_details":{"reason":"content_filter"}/, /event: response.incomplete\n.*"reason":"content_filter"/],
      ['/messages', { model: 'acme/one', max_tokens: 9, messages: input }, /"stop_reason":"refusal"/, /event: message_delta\n.*"stop_reason":"refusal"/],
      ['/models/acme/one:generateContent', { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] }, /"finishReason":"SAFETY"/, /"finishReason":"SAFETY"/],
    ] as const) {
      for (const [stream, said] of [[false, whole], [true, streamed]] as const) {
        next(FINE, { text: 'Steal it.', usage: USED }, BAD)
        const at = stream ? path.replace(':generateContent', ':streamGenerateContent?alt=sse') : path
        const response = await held.send('POST', `/api/v1${at}`, { body: { ...body, ...PLUGIN, ...(stream && !path.includes('models/') && { stream: true }) } })
        const text = await response.text()
        assert.equal(response.status, 200, `${path}: ${text}`)
        assert.match(text, said, path)
        assert.ok(!text.includes('Steal'), `${path} has shown it: ${text}`)
        const record = await recordOf(held, response.headers.get('x-generation-id')!)
        assert.deepEqual([record.finish, record.nativeFinish, record.fault, record.cancelled], ['content_filter', 'moderation', null, false], path)
        assert.deepEqual([record.usage.input.total, record.usage.output.total, record.usage.counted], [100, 10, 'by-upstream'])
        assert.equal(record.cost, BigInt(Math.round((2 * JUDGED + 110 / 1e6) * 1e9)))
      }
    }
  })

  test('goes on piece by piece, each when it was found fine; what is flagged is not shown, and its provider is let go', async () => {
    next(FINE, { text: [...words(160, 'fine'), ...words(400, 'bad')], paceMs: 3, endless: true }, FINE, BAD)
    const stream = await readStream(await held.chat(saying('acme/one', 'Hi', { ...PLUGIN, stream: true }), TOLD))
    assert.deepEqual([stream.finish, stream.error], ['content_filter', undefined])
    const pieces = upstream.requests.filter(({ path }) => path.startsWith('/judges')).slice(1).map(({ body }) => JSON.parse((body as Loose)['messages'][1].content).text as string)
    assert.ok(pieces[0]!.startsWith('fine0 fine1 ') && pieces[0]!.length >= 1000)
    assert.deepEqual([pieces.length, stream.text], [2, pieces[0]], 'what was shown is not what was found fine')
    assert.ok(pieces[1]!.startsWith(pieces[0]!.slice(-500)), 'what stands between two pieces was seen whole by nobody')
    const answering = await upstream.waitFor(({ path, state }) => path.startsWith('/answers') && state === 'aborted')
    assert.ok(answering)
    const metadata = stream.chunks.findLast((chunk) => chunk.openrouter_metadata)!.openrouter_metadata as Loose
    const note = noteOfAnswer(metadata)
    assert.deepEqual([note['data'].flagged, note['data'].reasons, note['data'].pieces], [true, ['fraud'], 2])
    assert.deepEqual(metadata['attempts'].map((it: Loose) => it['fault']), [undefined, undefined])
    const record = await recordOf(held, stream.id)
    assert.equal(record.usage.counted, 'by-us')
    assert.ok(record.usage.output.total > 300, 'what was held back was made all the same')
    assert.equal(record.cost, BigInt(Math.round(stream.usage!.cost * 1e9)))
    assert.deepEqual(record.attempts.map(({ outcome, within }) => [outcome, within]), [
      ['answered', 'moderation'], ['answered', 'moderation'], ['answered', 'moderation'], ['answered', undefined],
    ])
  })

  test('goes out at once where the operator says so, and is ended by what is found in it, while its provider is silent', { timeout: 120_000 }, async () => {
    next(FINE, { text: [...words(200, 'word'), 'and', 'then'], stallAfter: 202 }, { ...BAD, hold: true })
    const following = follow(await released.chat(saying('acme/one', 'Hi', { ...PLUGIN, stream: true })))
    await following.until('word199')
    await upstream.waitFor(({ path, state, raw }) => path.startsWith('/judges') && state === 'answering' && raw.includes('word0'))
    upstream.release()
    const stream = await following.end()
    assert.deepEqual([stream.finish, stream.error], ['content_filter', undefined])
    await upstream.waitFor(({ path, state }) => path.startsWith('/answers') && state === 'aborted')
    assert.equal((await recordOf(released, stream.id)).finish, 'content_filter')
  })

  test('that goes out at once is judged to its last word before it says why it ended', async () => {
    next(FINE, { text: 'Short.', usage: USED }, BAD)
    const stream = await readStream(await released.chat(saying('acme/one', 'Hi', { ...PLUGIN, stream: true })))
    assert.deepEqual([stream.text, stream.finish], ['Short.', 'content_filter'])
    next(FINE, { text: 'Short.', usage: USED }, FINE)
    const fine = await readStream(await released.chat(saying('acme/one', 'Hi', { ...PLUGIN, stream: true })))
    assert.deepEqual([fine.finish, fine.usage!.cost], ['stop', 2 * JUDGED + 110 / 1e6])
  })

  test('that has to be judged, and nobody can, is an error that costs its caller nothing', async () => {
    for (const stream of [false, true]) {
      next(FINE, { text: 'Hello.', usage: USED }, { text: 'I would rather not say.', usage: USED })
      const response = await held.chat(saying('acme/one', 'Hi', { ...PLUGIN, stream }))
      const text = await response.text()
      assert.ok(!text.includes('Hello.'), text)
      assert.match(text, /"reason":"moderation"/)
      if (!stream) assert.equal(response.status, 503)
      const record = await recordOf(held, response.headers.get('x-generation-id')!)
      assert.deepEqual([record.fault, record.cost, record.absorbed], ['unavailable', 0n, BigInt(Math.round((2 * JUDGED + 110 / 1e6) * 1e9))])
    }
    const open = await start({ models: ['acme/judge'], output: true, failure: 'open' })
    next(FINE, { text: 'Hello.', usage: USED }, { status: 500 })
    const reply = await open.whole(saying('acme/one', 'Hi', PLUGIN), TOLD)
    assert.equal(reply.choices[0]!['message'].content, 'Hello.')
    assert.deepEqual(noteOfAnswer(reply['openrouter_metadata'])['data'], { output: true, failed: true, pieces: 1 })
  })

  test('that breaks before its piece is judged shows nothing of it, and says what broke', async () => {
    next(FINE, { text: ['Half', ' of', ' it'], cutAfter: 3 })
    const stream = await readStream(await held.chat(saying('acme/one', 'Hi', { ...PLUGIN, stream: true })))
    assert.deepEqual([stream.text, stream.error!.code], ['', 502])
    assert.deepEqual(asked(), ['judges', 'answers'])
  })

  test('whose caller leaves stops its provider, and is on record as left', async () => {
    next(FINE, { text: words(300, 'word'), paceMs: 3, endless: true }, FINE, { ...FINE, hold: true })
    const response = await held.chat(saying('acme/one', 'Hi', { ...PLUGIN, stream: true }))
    const following = follow(response)
    await following.until('word0')
    await following.leave()
    await upstream.waitFor(({ path, state }) => path.startsWith('/answers') && state === 'aborted')
    upstream.release()
    let record = await held.app.stats.find(response.headers.get('x-generation-id')!, 'default')
    while (record === null) record = await held.app.stats.find(response.headers.get('x-generation-id')!, 'default')
    assert.deepEqual([record.cancelled, record.fault], [true, 'cancelled'])
    assert.ok(record.cost >= BigInt(Math.round(2 * JUDGED * 1e9)), 'what was judged until then is paid')
  })

  test('is not where nobody asked for a judgement, and then costs nothing', async () => {
    next({ text: 'Steal it.', usage: USED })
    const reply = await held.whole(saying('acme/one', 'Hi'))
    assert.deepEqual([asked(), reply.choices[0]!['message'].content, reply.usage.cost], [['answers'], 'Steal it.', 110 / 1e6])
  })

  test('with server tools is the answer that their caller sees, judged once', async () => {
    next(FINE, { calls: [{ name: 'openrouter_datetime', id: 'call_1', arguments: '{}' }], usage: USED }, { text: 'Steal it now.', usage: USED }, BAD)
    const reply = await held.whole(saying('acme/one', 'Hi', { ...PLUGIN, tools: [{ type: 'openrouter:datetime' }] }))
    assert.deepEqual(asked(), ['judges', 'answers', 'answers', 'judges'])
    assert.deepEqual([reply.choices[0]!['finish_reason'], JSON.stringify(reply).includes('Steal')], ['content_filter', false])
    assert.equal(reply.usage.prompt_tokens, 200)
  })

  test('nothing in all of this was an error of ours', () => assert.deepEqual([...held.complaints, ...released.complaints].filter((it) => !it.includes('judges')), []))
})
