import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  Departure, SERVER_TOOL, type Asked, type ChatRequest, type LoopWishes, type Message, type Part, type Said, type ServerTools, type ServerToolUse, type StageCall, type ToolCallPart,
} from '../core/index.ts'
import { serverTools } from './server-tools.ts'

/** What is run, what is asked next, and how an answer that comes back is put before the model again. */

let clock = 0
let ids = 0
const stage = serverTools({
  available: () => ({ engines: [], usual: null }), search: () => Promise.reject(new Error('nothing is searched for here')), page: () => Promise.reject(new Error('no page is fetched here')),
  pageCharacters: () => 100, now: () => 0, monotonic: () => clock, id: () => `st_${++ids}`,
  read: (text) => ({ value: JSON.parse(text) as unknown }), unknown: () => null, panelTools: () => [], rules: () => ({ maxSteps: 3, timeoutMs: 1000, modelTimeoutMs: 1000, disabled: [] }),
})
const TIME = { type: 'native', dialect: SERVER_TOOL, value: { name: 'datetime', settings: {}, field: 'tools[0]' } } as const
const callOf = (request: Partial<ChatRequest>, loop: LoopWishes = {}): StageCall => ({
  offers: [], departure: new Departure(),
  asked: { operation: { type: 'chat', request: { messages: [], sampling: {}, extras: {}, ...request } }, preferences: { models: [] }, plugins: [], stream: false, ignored: [], loop } satisfies Asked,
})
const passed = async (request: Partial<ChatRequest>, loop?: LoopWishes): Promise<{ request: ChatRequest; tools?: ServerTools }> => {
  const result = await stage.request!(callOf(request, loop))
  assert.ok('pass' in result, JSON.stringify(result))
  return { request: result.pass.operation.request, ...(result.tools && { tools: result.tools }) }
}
const called = (id: string, name = 'openrouter_datetime'): ToolCallPart => ({ type: 'tool-call', id, name, form: 'function', input: '{}' })
const said = (request: ChatRequest, parts: readonly Part[], more: Partial<Said> = {}): Said => ({ request, parts, reason: 'tool_calls', step: 1, spent: { tokens: 0, cost: 0n }, generate: () => Promise.reject(new Error('no model is asked here')), ...more })

describe('The tools of one answer', () => {
  test('are run no longer when their time is over: the model hears so, and is asked once more without them', async () => {
    const { request, tools } = await passed({ tools: [TIME] })
    clock += 999
    const early = await tools!.turn(said(request, [called('a')]))
    assert.deepEqual([early.last, early.uses[0]!.failed], [false, undefined])
    clock += 1
    const late = await tools!.turn(said(early.next!, [called('b')]))
    assert.deepEqual([late.last, late.uses[0]!.output, late.next!.toolChoice], [true, 'Error: the time for tools is over', 'none'])
  })

  test('are run at most sixteen at once, and no more in all than their caller permits', async () => {
    const { request, tools } = await passed({ tools: [TIME] })
    const many = Array.from({ length: 20 }, (_, at) => called(`c${at}`))
    const turn = await tools!.turn(said(request, many))
    assert.deepEqual([turn.uses.length, turn.uses.filter(({ failed }) => failed).length, turn.last], [20, 4, false])
    assert.equal(turn.next!.messages.at(-1)!.parts.length, 20, 'each call has a result')
    const few = await passed({ tools: [TIME] }, { maxCalls: 2 })
    const first = await few.tools!.turn(said(few.request, [called('a')]))
    const second = await few.tools!.turn(said(first.next!, [called('b'), called('c')]))
    assert.deepEqual([first.last, second.last, second.uses.map(({ failed }) => failed ?? false)], [false, true, [false, true]])
  })

  test('that an engine fails for in a way that nobody foresaw is a fault of ours, and no answer to the model', async () => {
    const broken = serverTools({ ...GIVEN, now: () => { throw new TypeError('a slip') } })
    const result = await broken.request!(callOf({ tools: [TIME] }))
    assert.ok('pass' in result && result.tools)
    await assert.rejects(result.tools.turn(said(result.pass.operation.request, [called('a')])), TypeError)
  })
})

const GIVEN: Parameters<typeof serverTools>[0] = {
  available: () => ({ engines: [], usual: null }), search: () => Promise.reject(new Error()), page: () => Promise.reject(new Error()), pageCharacters: () => 1,
  now: () => 0, monotonic: () => 0, id: () => 'st_x', read: () => ({ value: {} }), unknown: () => null, panelTools: () => [], rules: () => ({ maxSteps: 3, timeoutMs: 1000, modelTimeoutMs: 1000, disabled: [] }),
}

describe('An answer that comes back with its history', () => {
  const use = (id: string, output: string): Part =>
    ({ type: 'native', dialect: SERVER_TOOL, value: { id, name: 'datetime', input: '{}', output, facts: {} } satisfies ServerToolUse })
  const text = (words: string): Part => ({ type: 'text', text: words })
  const thought = (words: string): Part => ({ type: 'reasoning', text: words })
  /** Messages in short: what the assistant says and calls, and whose results follow. */
  const short = (messages: readonly Message[]): readonly string[] => messages.map(({ role, parts }) => `${role}: ${parts.map((part) => (
    part.type === 'tool-call' ? `call ${part.id}` : part.type === 'tool-result' ? `result ${part.callId}` : 'text' in part ? part.text : part.type)).join(', ')}`)
  const unfolded = async (parts: readonly Part[]): Promise<readonly string[]> => short((await passed({ tools: [TIME], messages: [{ role: 'assistant', parts }] })).request.messages)

  test('is the several answers that it was, each with its calls and their results', async () => {
    assert.deepEqual(await unfolded([text('one'), use('st_1_0', 'a'), use('st_1_1', 'b'), use('st_2_0', 'c'), text('two')]), [
      'assistant: one, call st_1_0, call st_1_1', 'tool: result st_1_0, result st_1_1', 'assistant: call st_2_0', 'tool: result st_2_0', 'assistant: two',
    ])
  })

  test("has the caller's calls in the answer that they were made in, wherever its format has put the words", async () => {
    const own = called('own', 'ring')
    assert.deepEqual(await unfolded([text('one'), own, use('st_1_0', 'a')]), ['assistant: one, call st_1_0, call own', 'tool: result st_1_0'])
    assert.deepEqual(await unfolded([thought('hm'), use('st_1_0', 'a'), text('one'), own]), ['assistant: hm, one, call st_1_0, call own', 'tool: result st_1_0'])
    assert.deepEqual(await unfolded([thought('hm'), use('st_1_0', 'a'), thought('so'), own]), ['assistant: hm, call st_1_0', 'tool: result st_1_0', 'assistant: so, call own'])
  })

  test('is put before a model that is offered no server tool any more as well', async () => {
    const { request, tools } = await passed({ messages: [{ role: 'assistant', parts: [use('st_1_0', 'a'), text('late')] }] })
    assert.deepEqual(short(request.messages), ['assistant: call st_1_0', 'tool: result st_1_0', 'assistant: late'])
    assert.equal(tools, undefined)
  })
})
