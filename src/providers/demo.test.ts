import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collect, Departure, malformed, type ChatEvent, type ChatRequest, type Endpoint } from '../core/index.ts'
import { createDemo, DEMO_PREFIX } from './demo.ts'

const endpoint = (upstreamModel = 'echo') => ({ upstreamModel }) as Endpoint
const asking = (text: string, given: Partial<ChatRequest> = {}): ChatRequest =>
  ({ messages: [{ role: 'user', parts: [{ type: 'text', text }] }], sampling: {}, extras: {}, ...given })
const demo = createDemo({ pace: 0 })
const nobodyLeaves = new Departure()

async function eventsOf(request: ChatRequest, at = endpoint()): Promise<ChatEvent[]> {
  const events: ChatEvent[] = []
  for await (const batch of demo.stream(request, at, nobodyLeaves)) events.push(...batch)
  return events
}

test('Whatever is asked, the simulation keeps the grammar of a reply and says the same twice', async () => {
  const tool = { type: 'function', name: 'f', parameters: { type: 'object', properties: { a: { type: 'integer' } } } } as const
  for (const request of [
    asking('Hello'), asking(''), asking('x', { maxOutputTokens: 1 }), asking('x', { format: { type: 'json' } }),
    asking('x', { tools: [tool], toolChoice: 'required' }), asking('x', { format: { type: 'schema', name: 's', schema: { type: 'object', properties: { a: { enum: [3] } } } } }),
  ]) {
    const events = await eventsOf(request)
    assert.equal(malformed(events), null)
    assert.deepEqual(await eventsOf(request), events)
  }
})

test('Nobody can take its text for the answer of a model', async () => {
  const reply = await collect(demo.stream(asking('What is 2 + 2?'), endpoint(), nobodyLeaves))
  const [part] = reply.choices[0]!.parts
  assert.ok(part?.type === 'text' && part.text.startsWith(DEMO_PREFIX) && part.text.includes('No model was called'))
})

test('Structured answers parse and have what the schema asks for', async () => {
  const schema = { type: 'object', properties: { n: { type: 'integer', minimum: 4 }, list: { type: 'array', minItems: 1, items: { const: 'x' } }, either: { anyOf: [{ type: 'boolean' }] } } }
  const reply = await collect(demo.stream(asking('x', { format: { type: 'schema', name: 's', schema } }), endpoint(), nobodyLeaves))
  const [part] = reply.choices[0]!.parts
  assert.deepEqual(part?.type === 'text' && JSON.parse(part.text), { n: 4, list: ['x'], either: false })
})

test('A schema that nests without end ends', async () => {
  const schema: Record<string, unknown> = { type: 'object', properties: {} }
  ;(schema['properties'] as Record<string, unknown>)['self'] = schema
  const reply = await collect(demo.stream(asking('x', { format: { type: 'schema', name: 's', schema } }), endpoint(), nobodyLeaves))
  assert.equal(reply.choices[0]!.reason, 'stop')
})

test('A caller who leaves ends it at once, in real time too', async () => {
  const departure = new Departure()
  const begun = performance.now()
  const events: ChatEvent[] = []
  setTimeout(() => departure.leave(), 20)
  for await (const batch of createDemo({ pace: 1 }).stream(asking('Hello'), endpoint('slow'), departure)) events.push(...batch)
  assert.ok(performance.now() - begun < 1900, 'it went on to its first word')
  assert.equal(events.at(-1)!.type, 'fault')
})
