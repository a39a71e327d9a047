import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { createFaultyRelay } from '../../src/testing/index.ts'
import { providerAt, saying, startSignalbox, startUpstream, type Signalbox } from './signalbox.ts'
import { follow } from './stream.ts'

/** Links that die: no end, no reset, no byte any more. What is on them is given up within a bound, and nothing stays behind. */

/** Set where this file runs once more, in a network of its own that it may cut. */
const INSIDE = process.env['SIGNALBOX_OWN_NETWORK'] === '1'

async function until(holds: () => boolean | Promise<boolean>, what: string, ms = 30_000): Promise<void> {
  const before = performance.now() + ms
  while (!await holds()) {
    if (performance.now() > before) assert.fail(`it never came to be: ${what}`)
    await new Promise((resolve) => { setTimeout(resolve, 20) })
  }
}

async function recordOf(box: Signalbox, id: string): Promise<Awaited<ReturnType<Signalbox['app']['stats']['find']>>> {
  await until(async () => await box.app.stats.find(id, 'default') !== null, 'a record')
  return box.app.stats.find(id, 'default')
}

describe('The link to a provider dies', { skip: INSIDE && 'is told outside' }, () => {
  const IDLE_MS = 2000
  const order = (what: object): string => `#fake ${JSON.stringify(what)}\none two three four`

  async function behindRelay() {
    const upstream = await startUpstream()
    const relay = await createFaultyRelay({ port: upstream.port })
    const second = await startUpstream()
    const at = (slug: string, url: string, price: number) =>
      providerAt(slug, url, { prompt: price, completion: price, timeouts: { idle_ms: IDLE_MS, first_token_ms: IDLE_MS } })
    const [near, far] = [at('near', `${second.url}/v1`, 100), at('far', `http://127.0.0.1:${relay.port}/v1`, 1)]
    const box = await startSignalbox({
      config: { providers: { ...near.providers, ...far.providers }, models: near.models!, endpoints: [...far.endpoints!, ...near.endpoints!] },
    })
    return { upstream, relay, second, box }
  }
  const FAR = { provider: { order: ['far', 'near'] } }

  test('in the middle of an answer: one error event that says idle, in time; the connection is given up and never used again', async () => {
    const { upstream, relay, second, box } = await behindRelay()
    const following = follow(await box.chat(saying('acme/one', order({ text: Array.from({ length: 2000 }, () => ' word'), paceMs: 20 }), { stream: true, ...FAR })))
    await following.until('word')
    relay.set({ blackHole: true })
    const told = await following.end()
    assert.deepEqual([told.error!.code, told.error!.metadata!['timeout'], told.error!.metadata!['timeout_ms']], [504, 'idle', IDLE_MS])
    assert.equal(told.usage!.cost, 0)
    assert.equal(second.requests.length, 0, 'after the first word nobody else may go on')
    await upstream.waitFor(({ state }) => state === 'aborted', { timeoutMs: 20_000 })
    assert.equal((await recordOf(box, told.id))!.fault, 'timeout')

    relay.set({})
    const again = await box.whole(saying('acme/one', 'Hi', FAR))
    assert.equal(again.provider, 'far')
    assert.notEqual(upstream.requests.at(-1)!.connection, upstream.requests[0]!.connection)
    await box.app.gateway.idle()
    await relay.close()
  })

  test('while a connection is kept for the next request: that one is given up before its first word, and the next provider answers', async () => {
    const { upstream, relay, second, box } = await behindRelay()
    assert.equal((await box.whole(saying('acme/one', 'Hi', FAR))).provider, 'far')
    relay.set({ blackHole: true })
    const told = await box.whole(saying('acme/one', 'Hi', FAR))
    assert.equal(told.provider, 'near')
    assert.deepEqual((await recordOf(box, told.id))!.attempts.map(({ provider, fault }) => [provider, fault]), [['far', 'timeout'], ['near', null]])
    assert.deepEqual([upstream.requests.length, second.requests.length], [1, 1])
    await box.app.gateway.idle()
    await relay.close()
  })
})

/** What keeps this machine from giving a process a network of its own, or null. */
function missing(): string | null {
  if (process.platform !== 'linux') return 'only Linux tells of links that repeat what they send'
  const { error, status, stderr } = spawnSync('unshare', ['-n', 'ip', 'link', 'set', 'lo', 'up'], { encoding: 'utf8' })
  return error ? `unshare and ip are needed (${error.message})` : status === 0 ? null : `no network of its own: ${stderr.trim()}`
}

describe('The link to a caller dies', () => {
  const left = INSIDE ? null : missing()

  test('in the middle of a stream: the call ends within the stall of writes, and what had come is paid for', { skip: left !== null && `left out: ${left}`, timeout: 120_000 }, async () => {
    if (!INSIDE) {
      const { NODE_TEST_CONTEXT: _, ...env } = process.env
      const child = spawn('unshare', ['-n', process.execPath, import.meta.filename], { env: { ...env, SIGNALBOX_OWN_NETWORK: '1' } })
      let said = ''
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => { said += String(piece) })
      const code = await new Promise((resolve) => { child.once('close', resolve) })
      assert.equal(code, 0, said)
      assert.match(said, /pass 1\b/, said)
      return
    }
    execFileSync('ip', ['link', 'set', 'lo', 'up'])
    const stallMs = 3000
    // The simulated provider needs no network: its answer goes on.
    const box = await startSignalbox({ config: { limits: { write_stall_ms: stallMs } }, env: { SIGNALBOX_DEMO_PACE: '1' } })
    const following = follow(await box.chat({ model: 'demo/slow', messages: [{ role: 'user', content: 'word '.repeat(20_000) }], stream: true }))
    await following.until('"content"')
    const id = /gen-[\w-]+/.exec(following.raw)![0]
    assert.equal(box.app.gateway.inFlight(), 1)
    execFileSync('ip', ['link', 'set', 'lo', 'down'])
    await until(() => box.app.gateway.inFlight() === 0, 'the end of the call')
    const record = (await recordOf(box, id))!
    assert.equal(record.cancelled, true)
    assert.ok(record.usage.output.total > 0, 'what had come is counted')
    assert.equal(box.app.http.inFlight(), 0)
    following.leave().catch(() => {})
  })
})
