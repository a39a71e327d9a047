import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import OpenAI, { NotFoundError } from 'openai'
import { ResponsesWebSocketSession } from 'openai/lib/responses/responses-websocket-session'
import { ResponsesWS } from 'openai/resources/responses/ws'
import type { FunctionTool } from 'openai/resources/responses/responses'
import { assertEvents, assertTyped } from './responses-grammar.ts'
import { CITY_SCHEMA, order, ROADS, SEAL, startWorld, THINKERS, TWO_CALLS } from './world.ts'

/** OpenAI's own client over a WebSocket: the answers of its other door, one after the other on one connection. */

const { upstream, box, last } = await startWorld()
const client = new OpenAI({ baseURL: `${box.url}/v1`, apiKey: box.key, maxRetries: 0 })
const WEATHER: FunctionTool = { type: 'function', name: 'get_weather', description: 'The weather', parameters: CITY_SCHEMA, strict: true }
const LIMITS = { maxLanes: 16, maxBufferedEvents: 10_000, maxBufferedBytes: 64 << 20 }

const open: ResponsesWS[] = []
after(() => open.forEach((socket) => socket.close()))

/** A connection that is there, and the client's own way of waiting for answers on it. */
async function connect(at = client): Promise<{ socket: ResponsesWS; session: ResponsesWebSocketSession }> {
  const socket = new ResponsesWS(at)
  open.push(socket)
  await new Promise<void>((resolve, reject) => {
    socket.socket.on('open', resolve)
    socket.on('error', reject)
  })
  return { socket, session: new ResponsesWebSocketSession(socket, LIMITS) }
}

for (const road of ROADS) {
  const model = road.id

  describe(`${model}, through ${road.dialect}`, () => {
    test('Three answers on one connection, each going on from the one before, and none of them is kept anywhere', async () => {
      const { session } = await connect()
      const lane = session.lane()
      lane.create({ model, input: 'My name is Ada.', instructions: 'Be brief.' })
      const one = await lane.finalResponse()
      assertTyped('Response', one)
      assert.deepEqual([one.output_text, one.status], ['My name is Ada.', 'completed'])
      assert.equal(last().dialect, road.dialect)
      lane.create({ model, input: 'And I sail.', previous_response_id: one.id })
      const two = await lane.finalResponse()
      assert.equal(two.previous_response_id, one.id)
      lane.create({ model, input: 'Who am I?', previous_response_id: two.id })
      const three = await lane.finalResponse()
      const sent = JSON.stringify(last().body)
      assert.ok(sent.includes('My name is Ada.') && sent.includes('And I sail.') && sent.includes('Who am I?'), sent)
      assert.ok(!sent.includes('Be brief.'), 'instructions were carried over')
      await assert.rejects(client.responses.retrieve(three.id), NotFoundError)
      assert.ok(Number((await box.generation(three.id))['total_cost']) > 0)
    })

    test('The events are those of a stream that is posted', async () => {
      const { session } = await connect()
      const lane = session.lane()
      const events: Awaited<ReturnType<typeof lane.receive>>[] = []
      lane.create({ model, input: order({ text: ['One', ' two', ' 三', ' 🙂'], usage: { input: 7, output: 4 } }) })
      do events.push(await lane.receive())
      while (!['response.completed', 'error'].includes(events.at(-1)!.type))
      assertEvents(events as never)
      assert.deepEqual(events.flatMap((event) => event.type === 'response.output_text.delta' && 'delta' in event ? [event.delta] : []), ['One', ' two', ' 三', ' 🙂'])
    })

    test('A tool loop needs no more than the results: the calls are remembered', async () => {
      const { session } = await connect()
      const lane = session.lane()
      lane.create({ model, input: order(TWO_CALLS), tools: [WEATHER] })
      const first = await lane.finalResponse()
      const calls = first.output.filter((item) => item.type === 'function_call')
      assert.deepEqual(calls.map((call) => JSON.parse(call.arguments) as unknown), [{ city: 'Zürich' }, { city: 'Paris' }])
      lane.create({
        model, tools: [WEATHER], previous_response_id: first.id,
        input: calls.map((call, at) => ({ type: 'function_call_output' as const, call_id: call.call_id, output: `${at + 20} degrees` })),
      })
      assert.match((await lane.finalResponse()).output_text, /2[01] degrees/)
      const sent = JSON.stringify(last().body)
      assert.ok(sent.includes('20 degrees') && sent.includes('21 degrees') && sent.includes('Zürich'))
    })
  })
}

for (const { id: model } of THINKERS) {
  test(`${model}: a thought goes back to its maker sealed, though the client sends nothing of it`, async () => {
    const { session } = await connect()
    const lane = session.lane()
    lane.create({ model, reasoning: { effort: 'low', summary: 'auto' }, input: order({ reasoning: 'Weighing it.', signature: SEAL, text: 'Done.' }) })
    const first = await lane.finalResponse()
    lane.create({ model, reasoning: { effort: 'low' }, input: 'And now?', previous_response_id: first.id })
    await lane.finalResponse()
    assert.ok(JSON.stringify(last().body).includes(SEAL), JSON.stringify(last().body))
  })
}

describe('A connection', () => {
  const model = ROADS[1].id

  test('answers lanes side by side, and says of each event whose it is', async () => {
    const { session } = await connect()
    const [slow, quick] = [session.lane('slow'), session.lane('quick')]
    slow.create({ model, input: order({ text: ['a', 'b', 'c', 'd', 'e'], stallAfter: 4 }) })
    assert.equal((await slow.receive()).stream_id, 'slow')
    quick.create({ model, input: 'Quick.' })
    assert.equal((await quick.finalResponse()).output_text, 'Quick.')
    assert.deepEqual(upstream.requests.slice(-2).map(({ state }) => state), ['answering', 'answered'])
  })

  test('answers what is sent ahead in its order', async () => {
    const { session } = await connect()
    const lane = session.lane()
    for (let at = 0; at < 5; at++) lane.create({ model, input: `Number ${at}` })
    for (let at = 0; at < 5; at++) assert.equal((await lane.finalResponse()).output_text, `Number ${at}`)
  })

  test('remembers what it is only told to, and asks no model for it', async () => {
    const { socket, session } = await connect()
    const lane = session.lane()
    const before = upstream.requests.length
    socket.send({ type: 'response.create', model, input: 'My name is Ada.', generate: false })
    const told = await lane.finalResponse()
    assert.deepEqual([told.output, told.status], [[], 'completed'])
    assert.equal(upstream.requests.length, before)
    lane.create({ model, input: 'Who am I?', previous_response_id: told.id })
    await lane.finalResponse()
    assert.ok(JSON.stringify(last().body).includes('My name is Ada.'))
  })
})
