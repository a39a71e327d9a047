import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, describe, test } from 'node:test'
import { createServer, getCACertificates, setDefaultCACertificates, type TlsOptions } from 'node:tls'
import { createAuthority, selfSigned } from '../../src/testing/index.ts'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'
import { readStream } from './stream.ts'

/** Providers whose certificate does not prove who they are: they get neither the prompt nor the key. */

const authority = createAuthority()
setDefaultCACertificates([...getCACertificates('default'), authority.cert])
const HOUR_MS = 3_600_000
const upstream = await startUpstream()

/** A provider behind TLS, and how many bytes it got to read. */
async function behind(options: TlsOptions): Promise<{ readonly port: number; received(): number }> {
  let received = 0
  const server = createServer(options, (socket) => {
    socket.on('error', () => {})
    const inner = connect(upstream.port, '127.0.0.1').on('error', () => socket.destroy())
    socket.on('data', (bytes: Buffer) => { received += bytes.length })
    socket.pipe(inner).pipe(socket)
  })
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => server.close())
  return { port: (server.address() as { port: number }).port, received: () => received }
}

const now = Date.now()
const here = ['localhost']
const BAD: readonly (readonly [name: string, what: string, TlsOptions])[] = [
  ['expired', 'that has expired', authority.issue({ names: here, from: new Date(now - 48 * HOUR_MS), until: new Date(now - HOUR_MS) })],
  ['early', 'that is not valid yet', authority.issue({ names: here, from: new Date(now + HOUR_MS), until: new Date(now + 48 * HOUR_MS) })],
  ['elsewhere', 'of another name', authority.issue({ names: ['elsewhere.test'] })],
  ['own', 'that signed itself', selfSigned(here)],
  ['foreign', 'of an authority that nobody here knows', createAuthority().issue({ names: here })],
  ['old', 'under a protocol that is no longer spoken', { ...authority.issue({ names: here }), minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }],
]

const servers = new Map<string, Awaited<ReturnType<typeof behind>>>()
for (const [name, , options] of BAD) servers.set(name, await behind(options))
const good = await behind(authority.issue({ names: here }))
const at = (name: string, port: number) => providerAt(name, `https://localhost:${port}/v1`, { model: `acme/${name}`, prompt: 0.01, completion: 0.01 })
const box = await startSignalbox({
  config: together(
    at('good', good.port),
    at('plain', upstream.port),
    ...[...servers].map(([name, { port }]) => at(name, port)),
    ...[...servers.keys(), 'plain'].map((name) => providerAt(`after-${name}`, `${upstream.url}/after-${name}/v1`, { model: `acme/${name}` })),
  ),
})

describe('A certificate', () => {
  test('that is in order is trusted, and the provider behind it answers', async () => {
    assert.equal((await box.whole(saying('acme/good', 'Who are you?'))).choices[0]!['message'].content, 'Who are you?')
    assert.ok(good.received() > 0)
  })

  for (const [name, what] of [...BAD, ['plain', 'that is none: the provider speaks no TLS'] as const]) {
    test(`${what}: the next provider answers at once, this one learns nothing and is left alone for five minutes, and the operator is told once`, async () => {
      const asking = saying(`acme/${name}`, 'Who are you?', { provider: { order: [name, `after-${name}`] } })
      const begun = performance.now()
      const streamed = await readStream(await box.chat({ ...asking, stream: true }))
      const took = performance.now() - begun
      assert.equal(streamed.text, 'Who are you?')
      assert.equal(streamed.chunks[0]!.provider, `after-${name}`)
      assert.ok(took < 10_000, `it took ${took.toFixed(0)} ms`)
      const record = await box.generation(streamed.id)
      assert.deepEqual((record['provider_responses'] as { provider_name: string; status: number | null }[]).map((it) => [it.provider_name, it.status]),
        [[name, null], [`after-${name}`, 200]])

      const { candidates } = await box.explain(saying(`acme/${name}`, 'How is it?'))
      const why = (candidates.find((it) => it['provider'] === name)!['reasons'] as readonly string[]).find((it) => it.startsWith('ejected'))!
      const ms = Date.parse(/until (.*Z)/.exec(why)![1]!) - Date.now()
      assert.ok(ms > 240_000 && ms <= 300_000, why)

      // No switch of the environment makes it acceptable.
      process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
      try {
        const refusal = await box.refused(saying(`acme/${name}`, 'Who are you?', { provider: { only: [name] } }))
        assert.equal(refusal.status, 502)
        assert.equal(refusal.error.metadata['provider_code'], 'tls')
        assert.ok(!/localhost|elsewhere\.test/.test(JSON.stringify(refusal.body)), 'the address of the provider is in the error')
        assert.equal((await box.generation(refusal.id))['total_cost'], 0)
      } finally {
        delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
      }
      assert.equal(servers.get(name)?.received() ?? 0, 0, 'it got something to read')
      assert.equal(box.complaints.filter((it) => it.includes(`"provider":"${name}"`)).length, 1)
    })
  }
})
