import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { onBothStores, providerAt, saying, startSignalbox, type Given, type Signalbox } from './signalbox.ts'
import { follow, readStream } from './stream.ts'

/** Identical calls of one workspace that are under way at once: one of them is made, and all have its answer. */

type Loose = Readonly<Record<string, unknown>>

/** A provider that says nothing until it is told to, so that a story decides who comes before and after what. */
interface Gated {
  readonly url: string
  /** The requests so far that somebody waits for, or that were answered. */
  readonly asked: readonly Gate[]
  /** Resolves when so many were asked. */
  reached(count: number): Promise<void>
}

interface Gate {
  readonly body: Loose
  readonly closed: boolean
  answer(text: string): void
  fail(status: number): void
  piece(text: string): void
  finish(): void
  hangUp(): void
}

async function startGated(): Promise<Gated> {
  const asked: Gate[] = []
  const server = createServer((request, response) => {
    void (async () => {
      let text = ''
      for await (const piece of request) text += String(piece)
      asked.push(gateOf(JSON.parse(text) as Loose, response))
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, asked, reached: (count) => until(() => asked.length >= count) }
}

const USAGE = { prompt_tokens: 1000, completion_tokens: 500, total_tokens: 1500 }
/** At 10 and 20 dollars a million. */
const COST = 0.02

function gateOf(body: Loose, response: ServerResponse): Gate {
  const chunk = (delta: object, finish: string | null = null) =>
    `data: ${JSON.stringify({ id: 'up-1', object: 'chat.completion.chunk', created: 1, model: 'one', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
  let closed = false
  response.once('close', () => { closed = true })
  const write = (text: string) => {
    if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(text)
  }
  return {
    body,
    get closed() { return closed },
    answer(text) {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({
        id: 'up-1', object: 'chat.completion', created: 1, model: 'one', usage: USAGE,
        choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
      }))
    },
    fail(status) {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ error: { message: 'no', code: status } }))
    },
    piece: (text) => write(chunk({ content: text })),
    finish() {
      write(chunk({}, 'stop'))
      write(`data: ${JSON.stringify({ id: 'up-1', object: 'chat.completion.chunk', created: 1, model: 'one', choices: [], usage: USAGE })}\n\n`)
      response.end('data: [DONE]\n\n')
    },
    hangUp: () => response.destroy(),
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 2000) assert.fail(`it never came to be: ${String(holds)}`)
    await sleep(5)
  }
}

/** Until so many callers wait or read; the call that they share is counted, too, once. */
const aboard = (box: Signalbox, callers: number, calls = 1): Promise<void> => until(() => box.app.gateway.inFlight() === callers + calls)

const WITH_METADATA = { 'x-openrouter-metadata': 'enabled' }
const ALIKE = saying('acme/one', 'What is a signal box?', { provider: { coalesce: true } })
const given = (url: string, more: Given['config'] = {}): Given => ({ config: { ...providerAt('acme', url, { prompt: 10, completion: 20 }), ...more } })

interface Recorded {
  readonly cost: number
  readonly coalesced?: { readonly paid_by: string; readonly cost: number; readonly calls: number }
  readonly attempts: number
  readonly cancelled: boolean
  readonly tokens: number
}

async function recordOf(box: Signalbox, id: string): Promise<Recorded> {
  const record = await box.generation(id)
  return {
    cost: record['total_cost'] as number, attempts: (record['provider_responses'] as unknown[]).length, cancelled: record['cancelled'] as boolean,
    tokens: record['tokens_completion'] as number, ...(record['coalesced'] !== undefined && { coalesced: record['coalesced'] as Required<Recorded>['coalesced'] }),
  }
}

onBothStores((start) => {
  test('Three ask the same at once, whole: the provider is asked once, the first pays, and the others see whose answer it is and what they were spared', async () => {
    const gated = await startGated()
    const box = await start(given(gated.url))
    const calls = [1, 2, 3].map(() => box.whole(ALIKE, WITH_METADATA))
    await aboard(box, 3)
    await gated.reached(1)
    gated.asked[0]!.answer('A house of levers')
    const told = await Promise.all(calls)
    assert.equal(gated.asked.length, 1)
    assert.equal(new Set(told.map(({ id }) => id)).size, 3, 'each has an id of its own')
    const paying = told.filter(({ usage }) => usage.cost > 0)
    assert.equal(paying.length, 1)
    const paidBy = paying[0]!.id
    for (const { id, usage, choices, openrouter_metadata: metadata } of told) {
      assert.equal(choices[0]!['message'].content, 'A house of levers')
      assert.deepEqual([usage.prompt_tokens, usage.completion_tokens], [1000, 500])
      assert.deepEqual(metadata.coalesced, { paid_by: paidBy, calls: 3 })
      const pays = id === paidBy
      assert.equal(usage.cost, pays ? COST : 0)
      assert.equal(usage['cost_details'].coalesced_cost, pays ? undefined : COST)
      assert.deepEqual(await recordOf(box, id), {
        cost: pays ? COST : 0, coalesced: { paid_by: paidBy, cost: COST, calls: 3 }, attempts: pays ? 1 : 0, cancelled: false, tokens: 500,
      })
    }
    await box.app.stats.flush()
    for (const { id } of told) assert.equal((await recordOf(box, id)).coalesced!.paid_by, paidBy, 'the database knows it as well')
    assert.equal(box.app.gateway.inFlight(), 0)
  })
})

describe('Streams', () => {
  test('share what has come already, also with who asks in the middle; each is whole, and one pays', async () => {
    const gated = await startGated()
    const box = await startSignalbox(given(gated.url))
    const body = { ...ALIKE, stream: true }
    const first = follow(await chatWhen(box, body, async () => { await gated.reached(1); gated.asked[0]!.piece('A house') }))
    await first.until('A house')
    const second = follow(await box.chat(body, WITH_METADATA))
    await second.until('A house')
    gated.asked[0]!.piece(' of levers')
    await second.until('levers')
    gated.asked[0]!.finish()
    const [one, two] = [await first.end(), await second.end()]
    assert.equal(gated.asked.length, 1)
    assert.deepEqual([one.text, two.text], ['A house of levers', 'A house of levers'])
    assert.notEqual(one.id, two.id)
    assert.deepEqual([one.usage!.cost, two.usage!.cost], [COST, 0])
    assert.deepEqual(two.chunks.at(-1)!.openrouter_metadata!['coalesced'], { paid_by: one.id, calls: 2 })
    assert.deepEqual([(await recordOf(box, one.id)).attempts, (await recordOf(box, two.id)).attempts], [1, 0])
  })

  test('go on when the one who asked first leaves: who stays pays, and the record of the other says that it left', async () => {
    const gated = await startGated()
    const box = await startSignalbox(given(gated.url))
    const body = { ...ALIKE, stream: true }
    const first = follow(await chatWhen(box, body, async () => { await gated.reached(1); gated.asked[0]!.piece('A house') }))
    await first.until('A house')
    const second = follow(await box.chat(body))
    await second.until('A house')
    await first.leave()
    await aboard(box, 1)
    assert.equal(gated.asked[0]!.closed, false, 'the provider was let go though somebody reads on')
    gated.asked[0]!.piece(' of levers')
    gated.asked[0]!.finish()
    const told = await second.end()
    assert.equal(told.text, 'A house of levers')
    assert.equal(told.usage!.cost, COST)
    const left = /gen-[\w-]+/.exec(first.raw)![0]
    assert.deepEqual(await recordOf(box, left), { cost: 0, coalesced: { paid_by: told.id, cost: COST, calls: 2 }, attempts: 0, cancelled: true, tokens: 0 })
    assert.deepEqual(await recordOf(box, told.id), { cost: COST, coalesced: { paid_by: told.id, cost: COST, calls: 2 }, attempts: 1, cancelled: false, tokens: 500 })
  })

  test('end when the last reader has left: the provider is let go, and the one who left last pays for what had come', async () => {
    const gated = await startGated()
    const box = await startSignalbox(given(gated.url))
    const body = { ...ALIKE, stream: true }
    const first = follow(await chatWhen(box, body, async () => { await gated.reached(1); gated.asked[0]!.piece('A house') }))
    await first.until('A house')
    const second = follow(await box.chat(body))
    await second.until('A house')
    await second.leave()
    await aboard(box, 1)
    await first.leave()
    await until(() => gated.asked[0]!.closed)
    await box.app.gateway.idle()
    const [a, b] = [first, second].map(({ raw }) => /gen-[\w-]+/.exec(raw)![0]) as [string, string]
    const [stayed, left] = [await recordOf(box, a), await recordOf(box, b)]
    assert.ok(stayed.cost > 0)
    assert.deepEqual([stayed.cancelled, stayed.attempts, stayed.coalesced!.paid_by], [true, 1, a])
    assert.deepEqual([left.cost, left.cancelled, left.attempts, left.coalesced!.paid_by], [0, true, 0, a])
  })

  test('that break off break off for all who share them, and cost nobody anything', async () => {
    const gated = await startGated()
    const box = await startSignalbox(given(gated.url))
    const body = { ...ALIKE, stream: true }
    const first = follow(await chatWhen(box, body, async () => { await gated.reached(1); gated.asked[0]!.piece('A house') }))
    await first.until('A house')
    const second = follow(await box.chat(body))
    await second.until('A house')
    gated.asked[0]!.hangUp()
    for (const told of [await first.end(), await second.end()]) {
      assert.equal(told.error!.code, 502)
      assert.equal(told.usage!.cost, 0)
      assert.equal((await recordOf(box, told.id)).cost, 0)
    }
    assert.equal(gated.asked.length, 1)
  })
})

/** A stream whose provider begins to speak once it was asked: the head of the answer comes with its first word. */
async function chatWhen(box: Signalbox, body: unknown, asked: () => Promise<void>): Promise<Response> {
  const [response] = await Promise.all([box.chat(body, WITH_METADATA), asked()])
  return response
}

describe('While they wait for the first word', () => {
  test('one who leaves, the first or another, leaves the others waiting for the same call', async () => {
    const gated = await startGated()
    const box = await startSignalbox(given(gated.url))
    const leaving = new AbortController()
    const first = box.chat(ALIKE, {}, leaving.signal)
    await aboard(box, 1)
    const others = [1, 2].map(() => box.whole(ALIKE))
    await aboard(box, 3)
    leaving.abort()
    await assert.rejects(first)
    await aboard(box, 2)
    await gated.reached(1)
    assert.equal(gated.asked[0]!.closed, false)
    gated.asked[0]!.answer('here')
    const told = await Promise.all(others)
    assert.deepEqual(told.map(({ usage }) => usage.cost).toSorted(), [0, COST])
    assert.equal(gated.asked.length, 1)
    assert.equal((await recordOf(box, told[0]!.id)).coalesced!.calls, 3, 'the one who left shared it, too')
  })

  test('all who leave stop the provider', async () => {
    const gated = await startGated()
    const box = await startSignalbox(given(gated.url))
    const leaving = new AbortController()
    const calls = [1, 2].map(() => box.chat(ALIKE, {}, leaving.signal))
    await aboard(box, 2)
    await gated.reached(1)
    leaving.abort()
    for (const call of calls) await assert.rejects(call)
    await until(() => gated.asked[0]!.closed)
    await box.app.gateway.idle()
    assert.equal(box.app.gateway.inFlight(), 0)
  })

  test('a failure is that of all; who asks afterwards is a call of its own', async () => {
    const gated = await startGated()
    const box = await startSignalbox(given(gated.url))
    const calls = [1, 2].map(() => box.refused(ALIKE))
    await aboard(box, 2)
    await gated.reached(1)
    gated.asked[0]!.fail(400)
    const told = await Promise.all(calls)
    assert.deepEqual(told.map(({ status }) => status), [400, 400])
    assert.notEqual(told[0]!.id, told[1]!.id)
    const records = await Promise.all(told.map(({ id }) => recordOf(box, id)))
    assert.deepEqual(records.map(({ attempts, coalesced }) => [attempts, coalesced!.calls]).toSorted(), [[0, 2], [1, 2]])
    const again = box.whole(ALIKE)
    await gated.reached(2)
    gated.asked[1]!.answer('now')
    assert.equal((await again).usage.cost, COST)
    assert.equal((await recordOf(box, (await again).id)).coalesced, undefined, 'it was alone, and says nothing of others')
  })
})

describe('Nothing is shared', () => {
  /** How often the provider is asked for a pair of calls that are under way at once. */
  async function askedFor(box: Signalbox, gated: Gated, calls: readonly (() => Promise<unknown>)[]): Promise<number> {
    const before = gated.asked.length
    const made = calls.map((call) => call())
    await until(() => box.app.gateway.inFlight() >= 2)
    await gated.reached(before + 1)
    // Whoever does not share asks for itself: those who share are one more in flight than asked for.
    await until(() => box.app.gateway.inFlight() === 3 || gated.asked.length - before === 2)
    for (const gate of gated.asked.slice(before)) {
      if (gate.body['stream'] === true) gate.finish()
      else gate.answer('here')
    }
    await Promise.all(made)
    await box.app.gateway.idle()
    return gated.asked.length - before
  }

  test('unless it is asked for; then by two keys of a workspace, and not by requests that differ in anything', async () => {
    const gated = await startGated()
    const box = await startSignalbox(given(gated.url))
    const bearer = async (settings: object = {}) => ({ authorization: `Bearer ${(await box.app.accounts.createKey({ settings })).key}` })
    const whole = (body: Loose, headers?: Readonly<Record<string, string>>) => () => box.whole(body, headers)
    const plain = saying('acme/one', 'What is a signal box?')
    const pair = (a: Loose, b: Loose, headers?: Readonly<Record<string, string>>) => askedFor(box, gated, [whole(a), whole(b, headers)])
    assert.equal(await pair(plain, plain), 2, 'nobody asked for it')
    assert.equal(await pair(ALIKE, ALIKE), 1)
    assert.equal(await askedFor(box, gated, [whole(ALIKE), whole(ALIKE, await bearer())]), 1, 'another key of the workspace')
    assert.equal(await pair(ALIKE, { ...ALIKE, seed: 1 }), 2, 'another seed')
    assert.equal(await pair(ALIKE, { ...ALIKE, user: 'ann' }), 2, 'another end user')
    assert.equal(await askedFor(box, gated, [whole(ALIKE), whole(ALIKE, { 'x-session-id': 'ann' })]), 2, 'another session')
    assert.equal(await pair({ ...ALIKE, store: true }, { ...ALIKE, store: true }), 2, 'what is to be kept')
    assert.equal(await askedFor(box, gated, [whole(ALIKE), async () => readStream(await box.chat({ ...ALIKE, stream: true }))]), 2, 'one whole, one streamed')
    const never = await bearer({ provider: { coalesce: false } })
    assert.equal(await pair(ALIKE, ALIKE, never), 2, 'a key that shares nothing')
    const always = await bearer({ provider: { coalesce: true } })
    assert.equal(await askedFor(box, gated, [whole(plain, always), whole(plain, always)]), 1, 'a key whose requests all do')
  })

  test('when the operator will not have it; and where the operator will, who says no is left alone', async () => {
    const gated = await startGated()
    const box = await startSignalbox(given(gated.url, { routing: { coalesce: 'off' } }))
    const plain = saying('acme/one', 'What is a signal box?')
    const pair = (body: Loose) => askedFor(box, gated, [() => box.whole(body), () => box.whole(body)])
    assert.equal(await pair(ALIKE), 2)
    box.reload(given(gated.url, { routing: { coalesce: 'on' } }).config!)
    assert.equal(await pair(plain), 1)
    assert.equal(await pair({ ...plain, provider: { coalesce: false } }), 2)
  })

  test('The plan says whether it would be, and why not', async () => {
    const gated = await startGated()
    const box = await startSignalbox(given(gated.url))
    const explained = async (rest: object) => ((await box.explain({ ...ALIKE, ...rest })) as unknown as { coalesce: Loose }).coalesce
    assert.deepEqual(await explained({}), { shares: true })
    assert.deepEqual(await explained({ provider: {} }), { shares: false, why: 'neither the request nor the policy asks for it' })
    assert.deepEqual(await explained({ provider: { coalesce: false }, policy: { coalesce: 'on' } }), { shares: false, why: 'provider.coalesce is false, for the request, its key or its workspace' })
    assert.deepEqual(await explained({ policy: { coalesce: 'off' } }), { shares: false, why: 'the policy has coalesce off' })
    assert.deepEqual(await explained({ store: true }), { shares: false, why: 'its answer is to be kept (store)' })
    assert.equal((await box.refused({ ...ALIKE, provider: { coalesce: 'yes' } })).status, 400)
  })
})
