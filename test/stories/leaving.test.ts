import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, describe, test } from 'node:test'
import { kernelTakes, type Order, type Received } from '../../src/testing/index.ts'
import { onBothStores, providerAt, saying, startSignalbox, startUpstream, type Given, type Signalbox } from './signalbox.ts'
import { follow } from './stream.ts'

/** Callers who leave, and callers who do not read: the provider is stopped, and what was delivered is paid for. */

const order = (what: Order, text = 'one two three four') => `#fake ${JSON.stringify(what)}\n${text}`

/** The record of a call whose end nobody waits for. */
async function recordOf(box: Signalbox, id: string, matches: (record: Record<string, unknown>) => boolean = () => true): Promise<Record<string, unknown>> {
  for (let tries = 0; ; tries++) {
    const response = await box.get(`/api/v1/generation?id=${id}`)
    const body = (await response.json()) as { data: Record<string, unknown> }
    if (response.status === 200 && matches(body.data)) return body.data
    if (tries === 1000) throw new Error(`no such record: ${JSON.stringify(body)}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** The provider saw the caller go soon after the moment: what it was doing would have gone on for longer, or for ever. */
async function assertLetGo(upstream: Awaited<ReturnType<typeof startUpstream>>, request: Received, leftAt: number): Promise<void> {
  await upstream.waitFor(() => request.state === 'aborted')
  const took = request.endedAt! - leftAt
  assert.ok(took < 5000, `the provider went on for ${took.toFixed(0)} ms`)
}

onBothStores((start) => {
  const given = (url: string): Given => ({ config: providerAt('acme', `${url}/acme/v1`, { prompt: 10, completion: 20 }) })

  test('A caller who leaves before the first piece stops the provider and pays nothing', async () => {
    const upstream = await startUpstream()
    const box = await start(given(upstream.url))
    for (const stream of [true, false]) {
      const controller = new AbortController()
      const call = box.chat(saying('acme/one', order({ stallAfter: 'request' }), { stream }), {}, controller.signal)
      const request = await upstream.waitFor((it) => it.state === 'answering')
      const leftAt = performance.now()
      controller.abort()
      await assert.rejects(call)
      await assertLetGo(upstream, request, leftAt)
      upstream.forget()
    }
    await box.app.gateway.idle()
    assert.equal(box.app.gateway.inFlight(), 0)
  })

  test('A caller who leaves in the middle of a stream stops the provider, and pays for the prompt and for what had come', async () => {
    const upstream = await startUpstream()
    const box = await start(given(upstream.url))
    const text = ['alpha', ' beta', ' gamma', ...Array.from({ length: 500 }, () => ' word')]
    const following = follow(await box.chat(saying('acme/one', order({ text, paceMs: 30 }, 'one two three four'), { stream: true })))
    await following.until('gamma')
    const id = /gen-[\w-]+/.exec(following.raw)![0]
    const request = upstream.requests.at(-1)!
    const leftAt = performance.now()
    await following.leave()
    await assertLetGo(upstream, request, leftAt)
    const record = await recordOf(box, id)
    assert.equal(record['cancelled'], true)
    const prompt = record['native_tokens_prompt'] as number
    const completion = record['native_tokens_completion'] as number
    assert.ok(prompt > 0 && completion >= 3 && completion < 300, `${prompt} and ${completion} tokens`)
    assert.ok(Math.abs((record['total_cost'] as number) - (prompt * 10 + completion * 20) / 1e6) < 1e-9)
    assert.deepEqual((record['provider_responses'] as { status: number }[]).map((it) => it.status), [200])
  })

  test('A caller who waits for a whole answer and leaves stops the provider', async () => {
    const upstream = await startUpstream()
    const box = await start(given(upstream.url))
    const controller = new AbortController()
    const call = box.chat(saying('acme/one', order({ stallAfter: 1 })), {}, controller.signal)
    const request = await upstream.waitFor((it) => it.sentBytes > 0)
    const leftAt = performance.now()
    controller.abort()
    await assert.rejects(call)
    await assertLetGo(upstream, request, leftAt)
    await box.app.gateway.idle()
  })
})

describe('Callers who do not read', () => {
  /** Bytes that the kernels may take in of a stream that nobody reads: two connections lie between the provider and the reader. */
  const onTheWay = 2 * kernelTakes()
  const piece = ` ${'x'.repeat(8191)}`
  const pieces = Math.ceil(1.3 * onTheWay / piece.length)

  test('A reader who stops stops the provider too, and costs little memory; when he reads on, nothing is missing', { timeout: 60_000 }, async () => {
    const upstream = await startUpstream()
    const box = await startSignalbox({ config: providerAt('acme', `${upstream.url}/acme/v1`) })
    upstream.always({ text: Array.from({ length: pieces }, () => piece), paceMs: 0 })
    const body = JSON.stringify(saying('acme/one', 'Everything', { stream: true }))
    const { hostname, port } = new URL(box.url)
    const socket = connect(Number(port), hostname)
    after(() => socket.destroy())
    socket.pause()
    socket.write(`POST /api/v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${box.key}\r\n`
      + `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
    const request = await upstream.waitFor((it) => it.state === 'answering')
    let sent = -1
    for (let still = 0; still < 6;) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      still = sent > 0 && request.sentBytes === sent ? still + 1 : 0
      sent = request.sentBytes
    }
    assert.equal(request.state, 'answering', 'all of it was taken in though nobody read it')
    assert.ok(sent < onTheWay + (4 << 20), `${sent} bytes were taken in, ${onTheWay} of them by the kernel at most`)
    let received = 0
    let tail = ''
    socket.on('data', (bytes: Buffer) => {
      received += bytes.length
      tail = (tail + bytes.toString('latin1')).slice(-2000)
      if (tail.includes('[DONE]')) socket.destroy()
    })
    socket.resume()
    await new Promise((resolve) => socket.once('close', resolve))
    assert.ok(received > pieces * 8192, `${received} bytes came`)
    assert.match(tail, /"cost":/)
  })

  /** A reader of a stream without end who has stopped reading: his socket, and what the provider sees of him. */
  async function stalled(box: Signalbox, upstream: Awaited<ReturnType<typeof startUpstream>>) {
    const body = JSON.stringify(saying('acme/one', 'Everything', { stream: true }))
    const { hostname, port } = new URL(box.url)
    const socket = connect(Number(port), hostname)
    after(() => socket.destroy())
    socket.on('error', () => {})
    let head = ''
    socket.write(`POST /api/v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${box.key}\r\n`
      + `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
    while (!/gen-[\w-]+/.test(head)) {
      await new Promise((resolve) => socket.once('readable', resolve))
      head += (socket.read() as Buffer | null)?.toString('latin1') ?? ''
    }
    const request = await upstream.waitFor((it) => it.state === 'answering')
    return { socket, head, id: /gen-[\w-]+/.exec(head)![0], request }
  }

  test('A reader who takes his time does not make his provider look dead, nor slow: the provider was never waited for', { timeout: 60_000 }, async () => {
    const upstream = await startUpstream()
    const box = await startSignalbox({ config: providerAt('acme', `${upstream.url}/acme/v1`, { timeouts: { idle_ms: 700 } }) })
    upstream.always({ text: Array.from({ length: pieces }, () => piece) })
    const { socket, head, request } = await stalled(box, upstream)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    assert.equal(request.state, 'answering', 'the provider was let go, or had sent all, while nobody read')
    let tail = head
    socket.on('data', (bytes: Buffer) => {
      tail = (tail + bytes.toString('latin1')).slice(-3000)
      if (tail.includes('[DONE]')) socket.destroy()
    })
    await new Promise((resolve) => socket.once('close', resolve))
    assert.match(tail, /"finish_reason":"stop"/)
    const plan = await box.explain(saying('acme/one', 'How is it?'))
    assert.ok(plan.candidates[0]!['reasons'].includes('stable'))
  })

  test('A reader who never reads on is cut off after the stall; the provider is stopped, and what was delivered is paid for', { timeout: 60_000 }, async () => {
    const upstream = await startUpstream()
    const box = await startSignalbox({ config: { ...providerAt('acme', `${upstream.url}/acme/v1`), limits: { write_stall_ms: 500 } } })
    upstream.always({ text: ` ${'x '.repeat(4095)}`, endless: true })
    const { socket, id, request } = await stalled(box, upstream)
    await upstream.waitFor(() => request.state === 'aborted')
    const record = await recordOf(box, id)
    assert.equal(record['cancelled'], true)
    assert.ok((record['total_cost'] as number) > 0)
    await box.app.gateway.idle()
    assert.equal(box.app.http.inFlight(), 0)
    socket.destroy()
    const plan = await box.explain(saying('acme/one', 'How is it?'))
    assert.ok(plan.candidates[0]!['reasons'].includes('stable'), 'the provider looks worse for it')
  })

  test('A server that is told to stop does not wait for a reader who has stopped', { timeout: 60_000 }, async () => {
    const upstream = await startUpstream()
    const box = await startSignalbox({ config: providerAt('acme', `${upstream.url}/acme/v1`) })
    upstream.always({ text: ` ${'x'.repeat(8191)}`, endless: true })
    const response = await box.chat(saying('acme/one', 'Everything', { stream: true }))
    await upstream.waitFor((it) => it.state === 'answering')
    await new Promise((resolve) => setTimeout(resolve, 300))
    const begun = performance.now()
    await box.close()
    assert.ok(performance.now() - begun < 10_000, `it took ${(performance.now() - begun).toFixed(0)} ms`)
    await upstream.waitFor((it) => it.state === 'aborted')
    await response.body!.cancel().catch(() => {})
  })
})

describe('A server that stops', () => {
  test('ends the streams that outlive its grace with one error that has the usage so far, and they cost what was delivered', { timeout: 60_000 }, async () => {
    const upstream = await startUpstream()
    const box = await startSignalbox({ config: providerAt('acme', `${upstream.url}/acme/v1`, { prompt: 10, completion: 20 }) })
    // The counter of tokens is slow only the first time.
    upstream.next({ text: 'warm', usage: null })
    await box.whole(saying('acme/one', 'Count'))
    upstream.always({ text: ['one', ' two', ' three', ' four'], stallAfter: 4 })
    const following = follow(await box.chat(saying('acme/one', 'Count', { stream: true })))
    await following.until('three')
    const draining = box.app.http.drain(100)
    const streamed = await following.end()
    await draining
    assert.equal(streamed.text, 'one two three')
    assert.equal(streamed.done, false)
    assert.equal(streamed.error!.code, 503)
    assert.equal(streamed.error!.metadata!['reason'], 'server_shutdown')
    const { usage } = streamed.chunks.at(-1)!
    assert.ok(usage!.completion_tokens >= 3 && usage!.cost > 0, JSON.stringify(usage))
    const record = await box.app.stats.find(streamed.id, 'default')
    assert.equal(Number(record!.cost) / 1e9, usage!.cost)
    await upstream.waitFor((request) => request.state === 'aborted')
  })
})
