import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  collect, Departure, fault, NO_CHARGE, NO_USAGE, usage,
  type Asked, type ChatEvent, type Generation,
} from '../core/index.ts'
import type { Call, Outcome } from './call.ts'
import { Flight, likeness } from './coalesce.ts'
import { Places, type Share } from './places.ts'

type Batch = readonly ChatEvent[]

const ASKED: Asked = {
  operation: { type: 'chat', request: { messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hi' }] }], sampling: {}, extras: {} } },
  preferences: { models: ['a/m'], coalesce: true }, plugins: [], stream: true, ignored: [],
}

function callOf(id: string, rest: Partial<Call> = {}): Call {
  return {
    id, createdAt: 0, startedAt: 0, asked: ASKED, surface: 'openai-chat', key: { id: `key-of-${id}`, workspace: 'default' },
    app: { referer: null, title: null, categories: [], userAgent: null }, departure: new Departure(), ...rest,
  }
}

const RECORD = {
  id: 'a', createdAt: 0, latencyMs: 10, durationMs: 20, cost: 7n, absorbed: 0n, attempts: [{ endpoint: 'a/m@p' }], usage: usage({ total: 3 }, { total: 4 }),
  cancelled: false, finish: 'stop', fault: null,
} as unknown as Generation

const said = (text: string): Batch => [{ type: 'block-delta', index: 0, text }]
const END: Batch = [{ type: 'usage', usage: NO_USAGE, charge: { ...NO_CHARGE, total: 7n } }]

/** A flight whose answer the test speaks, batch by batch. */
function flying(bufferBytes = 10_000) {
  const pieces: Batch[] = []
  const records: Generation[] = []
  let wake = (): void => {}
  let left = 0
  const flight = new Flight({ ambient: { monotonic: () => 20 }, bufferBytes, record: (it) => records.push(it), left: (place) => { left++; place.release() } })
  const ended = new Promise<void>((resolve) => flight.departure.listen(resolve))
  const events = (async function* () {
    for (;;) {
      while (pieces.length === 0) await Promise.race([new Promise<void>((resolve) => { wake = resolve }), ended])
      const batch = pieces.shift()!
      if (batch === END) flight.record(RECORD)
      yield batch
      if (batch === END) return
    }
  })()
  flight.begin(Promise.resolve({ events, meta: { id: 'a', created: 0 }, metadata: () => ({}) } as unknown as Outcome), () => {})
  const places = new Places(() => ({ limit: 100, keyShare: 1, queueMs: 0 }), () => 0)
  return {
    flight, records, places,
    get left() { return left },
    say(...batches: readonly Batch[]) {
      pieces.push(...batches)
      wake()
    },
    async board(id: string) {
      const call = callOf(id)
      const outcome = await flight.join(call, places.take(call.key.id, 2) as Share)
      assert.ok('events' in outcome)
      return { call, reader: outcome.events[Symbol.asyncIterator](), events: outcome.events }
    },
  }
}

async function textOf(reader: AsyncIterator<Batch>, batches: number): Promise<string> {
  let text = ''
  for (let i = 0; i < batches; i++) {
    const { value } = await reader.next()
    for (const event of value as Batch) if (event.type === 'block-delta') text += event.text
  }
  return text
}

describe('Calls that share an answer', () => {
  it('read it each at its own pace, and all of it while it is short', async () => {
    const air = flying()
    const [fast, slow] = [await air.board('a'), await air.board('b')]
    air.say(said('one '), said('two '), said('three'))
    assert.equal(await textOf(fast.reader, 3), 'one two three')
    const late = await air.board('c')
    assert.equal(await textOf(late.reader, 2), 'one two ')
    assert.equal(await textOf(slow.reader, 3), 'one two three')
    air.say(END)
    for (const { reader } of [fast, slow, late]) await collect({ [Symbol.asyncIterator]: () => reader })
    assert.deepEqual(air.records.map(({ id, keyId, cost, coalesced }) => [id, keyId, cost, coalesced!.paidBy, coalesced!.cost, coalesced!.calls]), [
      ['a', 'key-of-a', 7n, 'a', 7n, 3], ['b', 'key-of-b', 0n, 'a', 7n, 3], ['c', 'key-of-c', 0n, 'a', 7n, 3],
    ])
    assert.deepEqual([air.left, air.places.running], [3, 0], 'each gave its place back, once')
  })

  it('do not wait for one who reads too slowly: no more than the bound is kept, and the slow one is told', async () => {
    const air = flying(1000)
    const [slow, fast] = [await air.board('a'), await air.board('b')]
    assert.equal(air.flight.open, true)
    air.say(...Array.from({ length: 50 }, () => said('x'.repeat(100))), END)
    for (let i = 0; i < 50; i++) await fast.reader.next()
    assert.equal(air.flight.open, false, 'its beginning is gone: nobody can join any more')
    const { value: last } = await slow.reader.next()
    const [counted, why] = last as Batch
    assert.deepEqual(counted, { type: 'usage', usage: NO_USAGE, charge: NO_CHARGE })
    assert.ok(why?.type === 'fault' && why.fault.kind === 'cancelled' && /too slowly/.test(why.fault.message))
    assert.equal((await slow.reader.next()).done, true)
    const { value: end } = await fast.reader.next()
    assert.deepEqual(end, END, 'who stayed pays')
    assert.deepEqual(air.records.map(({ id, cancelled, cost }) => [id, cancelled, cost]), [['a', true, 0n], ['b', false, 7n]])
    assert.deepEqual([air.left, air.places.running], [2, 0])
  })

  it('are none when there is one: its record is as if it had never been for several', async () => {
    const air = flying()
    const { reader } = await air.board('a')
    air.say(said('one'), END)
    await collect({ [Symbol.asyncIterator]: () => reader })
    assert.deepEqual(air.records, [{ ...RECORD, keyId: 'key-of-a', referer: null, title: null, categories: [], userAgent: null }])
  })

  it('have an answer without a bound to themselves: one reader is never too slow', async () => {
    const air = flying(1000)
    const { reader } = await air.board('a')
    air.say(...Array.from({ length: 50 }, () => said('x'.repeat(100))), END)
    assert.equal((await textOf(reader, 50)).length, 5000)
    assert.deepEqual((await reader.next()).value, END)
  })

  it('wait for those who are behind when the one who was ahead has left', async () => {
    const air = flying(1000)
    const [slow, fast] = [await air.board('a'), await air.board('b')]
    air.say(...Array.from({ length: 8 }, () => said('x'.repeat(100))))
    for (let i = 0; i < 8; i++) if (i < 4) await fast.reader.next()
    const last = fast.reader.next()
    fast.call.departure.leave()
    await last
    air.say(said('y'.repeat(5000)), END)
    assert.equal((await textOf(slow.reader, 9)).length, 8 * 100 + 5000)
    assert.deepEqual((await slow.reader.next()).value, END)
  })

  it('hear of what broke while it was read', async () => {
    const flight = new Flight({ ambient: { monotonic: () => 0 }, bufferBytes: 1000, record: () => {}, left: (place) => place.release() })
    const events = { [Symbol.asyncIterator]: () => ({ next: async (): Promise<never> => { throw new Error('broken') } }) }
    flight.begin(Promise.resolve({ events, meta: {}, metadata: () => ({}) } as unknown as Outcome), () => {})
    const places = new Places(() => ({ limit: 100, keyShare: 1, queueMs: 0 }), () => 0)
    const outcomes = await Promise.all(['a', 'b'].map((id) => flight.join(callOf(id), places.take(id, 2)!)))
    for (const outcome of outcomes) {
      assert.ok('events' in outcome)
      await assert.rejects(collect(outcome.events), /broken/)
    }
    assert.equal(places.running, 0)
  })

  it('fail together before the first word, each for itself on record', async () => {
    const records: Generation[] = []
    const flight = new Flight({ ambient: { monotonic: () => 0 }, bufferBytes: 1000, record: (it) => records.push(it), left: () => {} })
    const failing = Promise.withResolvers<Outcome>()
    flight.begin(failing.promise, () => {})
    const places = new Places(() => ({ limit: 100, keyShare: 1, queueMs: 0 }), () => 0)
    const joining = ['a', 'b'].map((id) => flight.join(callOf(id), places.take(id, 2)!))
    flight.record({ ...RECORD, fault: 'overloaded', cost: 0n })
    failing.resolve({ fault: fault('overloaded', 'no'), metadata: () => ({}) })
    for (const outcome of await Promise.all(joining)) {
      assert.ok('fault' in outcome && outcome.fault.kind === 'overloaded')
      assert.deepEqual(outcome.metadata()!['coalesced'], { paid_by: 'a', calls: 2 })
    }
    assert.deepEqual(records.map(({ id, attempts }) => [id, attempts.length]), [['a', 1], ['b', 0]])
  })
})

describe('What calls have in common', () => {
  const asked = { coalesce: 'asked' } as const
  const origin = (body: object) => ({ dialect: 'openai-chat', body: body as never, bytes: Buffer.from(JSON.stringify(body)) })
  const withBody = (body: object): Asked =>
    ({ ...ASKED, operation: { type: 'chat', request: { ...ASKED.operation.request, origin: origin(body) } } })

  it('is nothing across workspaces or surfaces', () => {
    const one = likeness(callOf('a'), asked)
    assert.equal(typeof one, 'string')
    assert.equal(likeness(callOf('b'), asked), one)
    assert.notEqual(likeness(callOf('b', { key: { id: 'key-of-b', workspace: 'other' } }), asked), one)
    assert.notEqual(likeness(callOf('b', { surface: 'anthropic-messages' }), asked), one)
    const judged = callOf('b')
    assert.notEqual(likeness({ ...judged, asked: { ...judged.asked, moderated: true } }, asked), one, 'one that has to be judged shares with one that has not')
  })

  it('is every byte of the body, and the preferences that settings add', () => {
    const one = likeness(callOf('a', { asked: withBody({ a: 1, b: 2 }) }), asked)
    assert.equal(likeness(callOf('b', { asked: withBody({ a: 1, b: 2 }) }), asked), one)
    assert.notEqual(likeness(callOf('b', { asked: withBody({ b: 2, a: 1 }) }), asked), one)
    const dear = { ...withBody({ a: 1, b: 2 }), preferences: { ...ASKED.preferences, maxPrice: { prompt: 5n } } }
    assert.notEqual(likeness(callOf('b', { asked: dear }), asked), one)
  })

  it('is nothing where the answer is kept for its caller, or the body was too large to be looked at', () => {
    assert.equal(likeness(callOf('a', { kept: true }), asked), null)
    assert.equal(likeness(callOf('a', { large: {} as never }), asked), null)
    assert.equal(likeness(callOf('a', { asked: withBody({ store: true }) }), asked), null)
  })
})
