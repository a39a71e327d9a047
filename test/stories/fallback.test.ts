import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createFakeUpstream } from '../../src/testing/index.ts'
import { onBothStores, providerAt, together } from './signalbox.ts'
import { readStream } from './stream.ts'

onBothStores((start) => {
  test('When provider A answers 500 and B stalls, C answers: the caller sees one clean stream and pays for one, and the record shows three attempts', async () => {
    const upstream = await createFakeUpstream()
    after(() => upstream.close())
    upstream.when({ path: '/a/' }, { status: 500 })
    upstream.when({ path: '/b/' }, { stallAfter: 0 })
    upstream.when({ path: '/c/' }, { text: 'It is C who answers.', usage: { input: 10, output: 5 } })
    const at = (name: string, timeouts = {}) => providerAt(name, `${upstream.url}/${name}/v1`, { timeouts })
    const box = await start({ config: together(at('a'), at('b', { first_token_ms: 300 }), at('c')) })

    const streamed = await readStream(await box.chat({
      model: 'acme/one', stream: true, messages: [{ role: 'user', content: 'Who is there?' }], provider: { order: ['a', 'b', 'c'] },
    }))
    assert.equal(streamed.text, 'It is C who answers.')
    assert.equal(streamed.done, true)
    const { usage, id } = streamed.chunks.at(-1)!
    assert.equal(usage!.cost, (10 * 1 + 5 * 2) / 1e6)

    const record = await box.generation(id)
    assert.equal(record['total_cost'], usage!.cost)
    assert.equal(record['provider_name'], 'c')
    const attempts = record['provider_responses'] as { provider_name: string; status: number | null }[]
    assert.deepEqual(attempts.map((attempt) => [attempt.provider_name, attempt.status]), [['a', 500], ['b', 200], ['c', 200]])
    assert.equal(upstream.requests.length, 3)
    await upstream.waitFor((request) => request.path.startsWith('/b/') && request.state === 'aborted')
  })
})
