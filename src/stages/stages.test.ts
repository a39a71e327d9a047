import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needOf, type Asked, type ChatEvent, type ChatRequest, type Endpoint, type Message, type Offer } from '../core/index.ts'
import { contextCompression, reasoningExclude } from './index.ts'

const text = (role: Message['role'], value: string): Message => ({ role, parts: [{ type: 'text', text: value }] })

function asked(messages: readonly Message[], rest: Partial<ChatRequest> = {}, plugin = true): Asked {
  return {
    operation: { type: 'chat', request: { messages, sampling: {}, extras: {}, ...rest } },
    preferences: { models: ['m'] },
    plugins: plugin ? [{ id: 'context-compression', enabled: true, settings: {} }] : [],
    stream: false,
    ignored: [],
  }
}

function offers(contextLength: number): readonly Offer[] {
  const endpoint = { contextLength } as Endpoint
  return [{ requested: 'm', variants: [], endpoints: [endpoint], model: { contextLength } as Offer['model'] }]
}

const LONG = Array.from({ length: 40 }, (_, i) => text(i % 2 ? 'assistant' : 'user', `turn ${i} ` + 'word '.repeat(200)))

test('a conversation that is too long loses its middle and keeps its instructions, its start and its end', async () => {
  const messages = [text('system', 'Be brief.'), ...LONG, text('user', 'and now?')]
  const result = await contextCompression().request!({ asked: asked(messages), offers: offers(4000) })
  assert.ok('pass' in result)
  const after = result.pass.operation.request
  assert.ok(needOf(after, false).inputTokens <= 4000 - 1024)
  assert.deepEqual(after.messages[0], messages[0])
  assert.deepEqual(after.messages.at(-1), messages.at(-1))
  assert.equal(after.messages[1], LONG[0])
  assert.match(result.note!.summary, /to fit 4000/)
})

test('one message that is too long is shortened in its middle', async () => {
  const result = await contextCompression().request!({ asked: asked([text('user', 'start ' + 'x'.repeat(40_000) + ' end')]), offers: offers(4000) })
  assert.ok('pass' in result)
  const part = result.pass.operation.request.messages[0]!.parts[0]!
  assert.ok(part.type === 'text' && part.text.startsWith('start') && part.text.endsWith(' end'))
  assert.ok(needOf(result.pass.operation.request, false).inputTokens <= 4000 - 1024)
})

test('a tool result never stays without its call', async () => {
  const exchange = (i: number): Message[] => [
    { role: 'assistant', parts: [{ type: 'tool-call', id: `c${i}`, name: 'f', form: 'function', input: '{"q":"' + 'y'.repeat(800) + '"}' }] },
    { role: 'tool', parts: [{ type: 'tool-result', callId: `c${i}`, content: [{ type: 'text', text: 'z'.repeat(800) }] }] },
  ]
  const messages = [text('user', 'go'), ...Array.from({ length: 20 }, (_, i) => exchange(i)).flat(), text('user', 'done?')]
  const result = await contextCompression().request!({ asked: asked(messages), offers: offers(4000) })
  assert.ok('pass' in result)
  const parts = result.pass.operation.request.messages.flatMap((m) => m.parts)
  const calls = new Set(parts.filter((p) => p.type === 'tool-call').map((p) => p.id))
  const results = parts.filter((p) => p.type === 'tool-result').map((p) => p.callId)
  assert.ok(results.length < 20)
  assert.deepEqual(new Set(results), calls)
})

test('compression is on by default only where every context is small, and off when the caller says so', () => {
  const stage = contextCompression()
  assert.equal(stage.wants({ asked: asked([], {}, false), offers: offers(8192) }), true)
  assert.equal(stage.wants({ asked: asked([], {}, false), offers: offers(128_000) }), false)
  const off = { ...asked([], {}, false), plugins: [{ id: 'context-compression', enabled: false, settings: {} }] }
  assert.equal(stage.wants({ asked: off, offers: offers(8192) }), false)
})

test('a prompt that fits is passed on untouched, its origin included', async () => {
  const call = asked([text('user', 'hi')], { origin: { dialect: 'openai-chat', body: {} } })
  const result = await contextCompression().request!({ asked: call, offers: offers(8192) })
  assert.ok('pass' in result && result.pass === call)
})

test('reasoning.exclude hides the reasoning and nothing else', () => {
  const pass = reasoningExclude().events!({ asked: asked([], { reasoning: { exclude: true } }), offers: [] })
  const events: readonly ChatEvent[] = [
    { type: 'start' },
    { type: 'block-open', index: 0, choice: 0, block: { type: 'reasoning' } },
    { type: 'block-delta', index: 0, text: 'secret' },
    { type: 'block-close', index: 0 },
    { type: 'block-open', index: 1, choice: 0, block: { type: 'text' } },
    { type: 'block-delta', index: 1, text: 'Hi' },
    { type: 'block-close', index: 1 },
    { type: 'finish', choice: 0, reason: 'stop' },
  ]
  const out = [...pass(events.slice(0, 3)), ...pass(events.slice(3))]
  assert.equal(JSON.stringify(out).includes('secret'), false)
  assert.deepEqual(out.map((e) => 'index' in e ? `${e.type} ${e.index}` : e.type), [
    'start', 'block-open 0', 'block-delta 0', 'block-close 0', 'finish',
  ])
})
