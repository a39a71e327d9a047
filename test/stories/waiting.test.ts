import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'
import { readStream } from './stream.ts'

/** Callers who wait: a stream that is silent for long says that it lives, and what fails then is told inside it. */

const upstream = await startUpstream()
const at = (name: string, model: string, given = {}) => providerAt(name, `${upstream.url}/${name}/v1`, { model, ...given })
const box = await startSignalbox({
  config: together(
    at('slow', 'acme/slow'), at('fails-late', 'acme/late'), at('saves', 'acme/late'), at('lone', 'acme/lone'), at('pauses', 'acme/pauses'),
    at('mute', 'acme/mute', { timeouts: { first_token_ms: 1200 } }), at('breaks', 'acme/breaks', { timeouts: { idle_ms: 700 } }),
    { limits: { commit_after_ms: 100, heartbeat_ms: 100 } },
  ),
})
upstream.when({ path: '/slow/' }, { delayMs: 700 })
upstream.when({ path: '/fails-late/' }, { delayMs: 700, status: 500 })
upstream.when({ path: '/lone/' }, { delayMs: 700, status: 503, body: { error: { message: 'No capacity today' } } })
upstream.when({ path: '/mute/' }, { stallAfter: 'headers' })
upstream.when({ path: '/breaks/' }, { text: ['before', ' after'], stallAfter: 2 })
upstream.when({ path: '/pauses/' }, { text: ['before', ' after'], paceMs: 600 })

describe('A stream that is silent', () => {
  test('before the first piece has comments, which every client skips, and then the whole answer', async () => {
    const streamed = await readStream(await box.chat(saying('acme/slow', 'At last', { stream: true })))
    assert.ok(streamed.comments >= 1, 'nothing told the caller that the stream lives')
    assert.match(streamed.raw, /^: OPENROUTER PROCESSING\n\n/)
    assert.equal(streamed.text, 'At last')
    assert.equal(streamed.done, true)
  })

  test('in the middle has them, too', async () => {
    const streamed = await readStream(await box.chat(saying('acme/pauses', 'x', { stream: true })))
    assert.equal(streamed.text, 'before after')
    assert.ok(streamed.raw.lastIndexOf(': OPENROUTER PROCESSING') > streamed.raw.indexOf('before'))
  })

  test('has none for a key whose client cannot read them', async () => {
    const { key } = await box.app.accounts.createKey({ name: 'strict client', settings: { heartbeats: false } })
    const streamed = await readStream(await box.chat(saying('acme/slow', 'At last', { stream: true }), { authorization: `Bearer ${key}` }))
    assert.equal(streamed.comments, 0)
    assert.equal(streamed.text, 'At last')
  })

  test('has none for a request that says so, and has them for one that asks although its key does not', async () => {
    const without = { stream: true, stream_options: { include_usage: true, include_heartbeats: false } }
    for (const model of ['acme/slow', 'acme/pauses']) {
      const streamed = await readStream(await box.chat(saying(model, 'At last', without)))
      assert.equal(streamed.comments, 0)
      assert.equal(streamed.done, true)
    }
    assert.deepEqual((upstream.requests.at(-1)!.body as Record<string, unknown>)['stream_options'], { include_usage: true }, 'the provider was told of it')
    const { key } = await box.app.accounts.createKey({ name: 'strict client', settings: { heartbeats: false } })
    const asking = saying('acme/slow', 'At last', { stream: true, stream_options: { include_heartbeats: true } })
    assert.ok((await readStream(await box.chat(asking, { authorization: `Bearer ${key}` }))).comments >= 1)
    const refusal = await box.refused(saying('acme/slow', 'x', { stream: true, stream_options: { include_heartbeats: 'no' } }))
    assert.equal(refusal.error.metadata['field'], 'stream_options.include_heartbeats')
  })
})

describe('When the status was sent before anybody answered', () => {
  test('another provider can still take over, because comments are no answer', async () => {
    const streamed = await readStream(await box.chat(saying('acme/late', 'Saved', { stream: true, provider: { order: ['fails-late', 'saves'] } })))
    assert.ok(streamed.comments >= 1)
    assert.equal(streamed.text, 'Saved')
    assert.equal(streamed.chunks[0]!.provider, 'saves')
  })

  test('a failure of all comes as one error inside the stream, with the status that it would have had', async () => {
    const streamed = await readStream(await box.chat(saying('acme/lone', 'Anybody?', { stream: true })))
    assert.equal(streamed.done, false)
    assert.equal(streamed.error!.code, 503)
    assert.equal(streamed.error!.message, 'No capacity today')
    assert.equal(streamed.chunks.length, 1)
    assert.equal((await box.generation(streamed.id))['total_cost'], 0)
  })

  test('a provider that never begins is a 504 inside the stream, whose metadata says which timeout it was and how long it was waited', async () => {
    const streamed = await readStream(await box.chat(saying('acme/mute', 'Anybody?', { stream: true })))
    assert.ok(streamed.comments >= 2)
    assert.equal(streamed.error!.code, 504)
    const { timeout, timeout_ms: waited, error_type: type, provider_name: name } = streamed.error!.metadata!
    assert.deepEqual([type, name, timeout], ['timeout', 'mute', 'first_token'])
    assert.ok(Number(waited) >= 1190 && Number(waited) < 15_000, String(waited))
    assert.equal((await box.generation(streamed.id))['total_cost'], 0)
  })

  test('a provider that falls silent in the middle is waited for with comments, and then it is one error', async () => {
    const streamed = await readStream(await box.chat(saying('acme/breaks', 'x', { stream: true })))
    assert.ok(streamed.raw.lastIndexOf(': OPENROUTER PROCESSING') > streamed.raw.indexOf('before'))
    assert.equal(streamed.error!.code, 504)
    assert.deepEqual([streamed.error!.metadata!['timeout'], streamed.error!.metadata!['timeout_ms']], ['idle', 700])
    assert.equal(streamed.chunks.filter((chunk) => chunk.error).length, 1)
  })

  test('a caller who does not stream waits, and gets the status', async () => {
    assert.equal((await box.refused(saying('acme/lone', 'Anybody?'))).status, 503)
  })
})
