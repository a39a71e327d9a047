/** What is asked of every pair of a surface and a provider's format, and what has to come of it. */
import assert from 'node:assert/strict'
import type { ChatReply, ChatRequest, Message, Part, ToolCallPart } from '../../src/core/index.ts'
import type { Order } from '../../src/testing/index.ts'
import { CITY_SCHEMA, order, PNG, PNG_BYTES, SEAL, TWO_CALLS } from '../clients/world.ts'

export interface Asking {
  readonly stream: boolean
  ask(request: ChatRequest): Promise<ChatReply>
  /** How a provider of the format shows its reasoning, where it can do so in several ways. */
  readonly shapes: NonNullable<Order['shapes']>
  /** Nobody seals reasoning in the format: it goes back as the words that it is. */
  readonly unsealed: boolean
  /** The body of the last request that the provider got, as text. */
  arrived(): string
}

/** Throws what was lost, in words. */
export type Scenario = (at: Asking) => Promise<void>

const SAMPLING = { sampling: {}, extras: {} }
const user = (...parts: (string | Part)[]): Message => ({ role: 'user', parts: parts.map((part) => (typeof part === 'string' ? { type: 'text', text: part } : part)) })
const fake = (what: Order, text?: string): Message => user(order(what, text))
const asking = (messages: readonly Message[], rest: Partial<ChatRequest> = {}): ChatRequest => ({ messages, maxOutputTokens: 4000, ...SAMPLING, ...rest })
const WEATHER = { type: 'function', name: 'get_weather', description: 'The weather', parameters: { ...CITY_SCHEMA } } as const

const partsOf = (reply: ChatReply): readonly Part[] => (reply.choices[0]?.parts ?? []).filter((part): part is Part => part.type !== 'audio')
const textOf = (reply: ChatReply): string => partsOf(reply).map((part) => (part.type === 'text' ? part.text : '')).join('')
const callsOf = (reply: ChatReply): ToolCallPart[] => partsOf(reply).filter((part) => part.type === 'tool-call')
const answered = (reply: ChatReply): ChatReply => {
  assert.equal(reply.fault?.message, undefined)
  return reply
}
const said = (reply: ChatReply): Message => ({ role: 'assistant', parts: partsOf(reply) })
const results = (reply: ChatReply, texts: readonly string[]): Message =>
  ({ role: 'tool', parts: callsOf(reply).map((call, at) => ({ type: 'tool-result', callId: call.id, name: call.name, content: [{ type: 'text', text: texts[at]! }] })) })

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  async 'text'({ ask }) {
    const reply = answered(await ask(asking([fake({ text: ['Repeat', ' after', ' "me".\n', ' 🙂'], usage: { input: 30, output: 4 } })])))
    assert.equal(textOf(reply), 'Repeat after "me".\n 🙂')
    assert.equal(reply.choices[0]?.reason, 'stop')
    assert.deepEqual([reply.usage?.input.total, reply.usage?.output.total], [30, 4], 'the usage is another')
  },

  async 'tokens read from a cache'({ ask }) {
    const { usage } = answered(await ask(asking([fake({ text: 'Known.', usage: { input: 30, output: 4, cacheRead: 10 } })])))
    assert.deepEqual([usage?.input.total, usage?.input.cacheRead], [30, 10], 'the usage is another')
  },

  async 'tools'({ ask, arrived }) {
    const reply = answered(await ask(asking([fake({ text: 'Let me see.', calls: [{ name: 'get_weather', id: 'call_a', arguments: ['{"ci', 'ty":"Zü', 'rich"}'] }] })], { tools: [WEATHER] })))
    assert.deepEqual(callsOf(reply).map((call) => [call.name, JSON.parse(call.input)]), [['get_weather', { city: 'Zürich' }]])
    assert.equal(reply.choices[0]?.reason, 'tool_calls')
    assert.equal(textOf(reply), 'Let me see.')
    assert.match(arrived(), /The weather/, 'the description of the tool is gone')
  },

  async 'parallel tools'({ ask }) {
    const reply = answered(await ask(asking([fake(TWO_CALLS)], { tools: [WEATHER] })))
    assert.deepEqual(callsOf(reply).map((call) => [call.name, JSON.parse(call.input)]), [['get_weather', { city: 'Zürich' }], ['get_weather', { city: 'Paris' }]])
    assert.equal(new Set(callsOf(reply).map((call) => call.id)).size, 2, 'two calls have one id')
  },

  async 'tool loop of three turns'({ ask, arrived }) {
    const messages: Message[] = [fake(TWO_CALLS)]
    const first = answered(await ask(asking(messages, { tools: [WEATHER] })))
    messages.push(said(first), results(first, ['It rains.', 'It is dry.']))
    const second = answered(await ask(asking([...messages, fake({ calls: [{ name: 'get_weather', arguments: '{"city":"Rome"}' }] })], { tools: [WEATHER] })))
    assert.deepEqual(callsOf(second).map((call) => JSON.parse(call.input) as unknown), [{ city: 'Rome' }])
    messages.push(fake({ calls: [{ name: 'get_weather', arguments: '{"city":"Rome"}' }] }), said(second), results(second, ['It snows.']))
    const third = answered(await ask(asking([...messages, user('And so?')], { tools: [WEATHER] })))
    assert.match(textOf(third), /And so\?/)
    for (const result of ['It rains.', 'It is dry.', 'It snows.']) assert.ok(arrived().includes(result), `the result ${JSON.stringify(result)} is gone`)
  },

  async 'reasoning kept across turns'({ ask, arrived, shapes, unsealed }) {
    const thinking = { reasoning: { maxTokens: 2000 } }
    const order = fake({ shapes, reasoning: 'Weighing it.', signature: SEAL, calls: [{ name: 'get_weather', id: 'call_a', arguments: '{"city":"Rome"}' }] })
    const first = answered(await ask(asking([order], { ...thinking, tools: [WEATHER] })))
    assert.ok(partsOf(first).some((part) => part.type === 'reasoning' && part.text === 'Weighing it.'), 'the reasoning is not shown')
    // Without the order, in which both stand.
    answered(await ask(asking([user('How is Rome?'), said(first), results(first, ['It snows.'])], { ...thinking, tools: [WEATHER] })))
    assert.ok(arrived().includes(unsealed ? 'Weighing it.' : SEAL), `the provider did not get ${unsealed ? 'its words' : 'its seal'} back`)
  },

  async 'image in'({ ask }) {
    const picture: Part = { type: 'media', kind: 'image', source: { from: 'data', mime: 'image/png', base64: PNG } }
    assert.match(textOf(answered(await ask(asking([user('What is it?', picture)])))), new RegExp(`1 image, image/png, ${PNG_BYTES} bytes`))
  },

  async 'image in a result'({ ask, arrived }) {
    const first = answered(await ask(asking([fake({ calls: [{ name: 'get_weather', id: 'call_a', arguments: '{"city":"Rome"}' }] })], { tools: [WEATHER] })))
    const picture: Part = { type: 'media', kind: 'image', source: { from: 'data', mime: 'image/png', base64: PNG } }
    const [call] = callsOf(first)
    const result: Message = { role: 'tool', parts: [{ type: 'tool-result', callId: call!.id, name: call!.name, content: [{ type: 'text', text: 'The radar:' }, picture] }] }
    const second = answered(await ask(asking([user('How is Rome?'), said(first), result, user('And so?')], { tools: [WEATHER] })))
    assert.match(textOf(second), /And so\?/)
    for (const part of ['The radar:', PNG]) assert.ok(arrived().includes(part), `${part === PNG ? 'the picture' : 'the text'} of the result is gone`)
  },

  async 'structured output'({ ask }) {
    const reply = answered(await ask(asking([user('Which city?')], { format: { type: 'schema', name: 'city', schema: CITY_SCHEMA } })))
    assert.equal(typeof (JSON.parse(textOf(reply)) as { city: unknown }).city, 'string')
    assert.equal(reply.choices[0]?.reason, 'stop')
  },

  async 'citations'({ ask }) {
    const reply = answered(await ask(asking([fake({ text: 'So it is.', citations: [{ url: 'https://example.com/a', title: 'A' }] })])))
    assert.equal(textOf(reply), 'So it is.')
    const found = reply.choices[0]!.annotations.map((note) => (note.type === 'citation' ? [note.url, note.title] : []))
    assert.deepEqual(found, [['https://example.com/a', 'A']], 'the source is gone')
  },

  async 'cache marks'({ ask, arrived }) {
    answered(await ask(asking([user({ type: 'text', text: 'Long', cache: {} }), user('Short')])))
    assert.match(arrived(), /"cache_control":\{"type":"ephemeral"\}|"cachePoint":\{"type":"default"\}|"prompt_cache_breakpoint":\{"mode":"explicit"\}/, 'the mark is gone')
  },

  async 'cache marks that last an hour'({ ask, arrived }) {
    answered(await ask(asking([user({ type: 'text', text: 'Long', cache: { ttl: '1h' } }), user('Short')])))
    assert.match(arrived(), /"cache_control":\{"type":"ephemeral","ttl":"1h"\}|"cachePoint":\{"type":"default","ttl":"1h"\}/, 'the hour is gone')
  },

  async 'refusal'({ ask }) {
    const reply = answered(await ask(asking([fake({ refusal: 'I cannot help with that.', finish: 'content_filter' })])))
    assert.equal(reply.choices[0]?.reason, 'content_filter')
    const words = partsOf(reply).map((part) => (part.type === 'refusal' || part.type === 'text' ? part.text : '')).join('')
    assert.equal(words, 'I cannot help with that.', 'the words of the refusal are gone')
  },

  async 'length stop'({ ask }) {
    const reply = answered(await ask(asking([fake({ text: 'one two', finish: 'length' })])))
    assert.deepEqual([textOf(reply), reply.choices[0]?.reason], ['one two', 'length'])
  },

  async 'error before the first block'({ ask }) {
    const { fault } = await ask(asking([fake({ status: 503 })]))
    assert.equal(fault?.kind, 'overloaded', `the fault is ${JSON.stringify(fault)}`)
  },

  async 'error after the first block'({ ask, stream }) {
    // A whole answer that breaks off is cut in the midst of its body; of a stream some words come.
    const words = ['One', ' two', ' three', ' four', ' five', ' six', ' seven', ' eight']
    const reply = await ask(asking([fake(stream ? { text: words, cutAfter: 5 } : { text: 'One two three', cutAtByte: 40 })]))
    assert.ok(reply.fault, 'it passed for a whole answer')
    if (stream) assert.ok(textOf(reply).startsWith('One'), 'what had come before is gone')
  },
}
