import assert from 'node:assert/strict'
import { test } from 'node:test'
import { discoverLocal, LOCAL_SERVERS } from './local.ts'

const servers = [{ provider: 'ollama', baseUrl: 'http://127.0.0.1:1/v1' }, { provider: 'vllm', baseUrl: 'http://127.0.0.1:2/v1' }]

test('A server that lists models is found with their names; one that answers nothing is not there', async () => {
  const asked: string[] = []
  const found = await discoverLocal((url) => {
    asked.push(url)
    return Promise.resolve(url.includes(':1/') ? { object: 'list', data: [{ id: 'llama3.2:3b' }, { id: 'org/model.gguf' }] } : null)
  }, servers)
  assert.deepEqual(found, [{ provider: 'ollama', baseUrl: 'http://127.0.0.1:1/v1', models: ['llama3.2:3b', 'org/model.gguf'] }])
  assert.deepEqual(asked, ['http://127.0.0.1:1/v1/models', 'http://127.0.0.1:2/v1/models'])
})

test('All are asked at the same time, so that four that hang cost as much as one', async () => {
  let waiting = 0
  let most = 0
  await discoverLocal(async () => {
    most = Math.max(most, ++waiting)
    await new Promise((resolve) => setTimeout(resolve, 5))
    waiting--
    return null
  }, servers)
  assert.equal(most, servers.length)
})

for (const [what, body] of [
  ['a web page', '<html>'], ['a list', []], ['an empty list', { data: [] }], ['rows without ids', { data: [{}, null, 7, { id: 5 }] }], ['null', null],
  ['data of another type', { data: { id: 'x' } }], ['names that are no names', { data: [{ id: 'a b' }, { id: '"><script>' }, { id: 'x'.repeat(201) }, { id: '' }] }],
] as const) {
  test(`Another program on the port, answering ${what}, is not taken for a model server`, async () => {
    assert.deepEqual(await discoverLocal(() => Promise.resolve(body), servers), [])
  })
}

test('A list without end is cut at five hundred', async () => {
  const data = Array.from({ length: 2000 }, (_, i) => ({ id: `m${i}` }))
  const [found] = await discoverLocal(() => Promise.resolve({ data }), servers.slice(0, 1))
  assert.equal(found!.models.length, 500)
})

test('The places that are looked at are on this machine', () => {
  for (const { baseUrl } of LOCAL_SERVERS) assert.equal(new URL(baseUrl).hostname, '127.0.0.1')
  assert.deepEqual(LOCAL_SERVERS.map(({ provider }) => provider), ['ollama', 'lmstudio', 'llama-cpp', 'vllm'])
})
