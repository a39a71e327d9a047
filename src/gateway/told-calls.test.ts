import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fc } from '../../test/properties.ts'
import type { ChatRequest, Message, Part } from '../core/index.ts'
import { ToldCalls, type Mend } from './told-calls.ts'
import { callInWords, withToolsInWords, type Callable } from './tool-template.ts'

const look: Callable = { type: 'function', name: 'look', description: 'Looks.', parameters: { type: 'object', properties: { at: { type: 'string' } } } }
const note: Callable = { type: 'custom', name: 'note', description: 'Takes any text.' }
const TOOLS: readonly Callable[] = [look, note]

/** What stands in for the room that mends: it knows one flaw, and one kind of cut. */
const mend: Mend = (text) => {
  for (const [end, truncated] of [['', false], ['}', true], ['}}', true]] as const) {
    const made = text.replaceAll("'", '"').replaceAll(/,\s*\}/g, '}') + end
    try {
      JSON.parse(made)
      return { text: made, truncated }
    } catch { /* the next */ }
  }
  return null
}

type Heard = { readonly text: string } | { readonly name: string; readonly form: string; readonly input: string; readonly closed: boolean }

/** What is heard of a text that comes in these pieces; neighbouring words are one. */
function heard(pieces: readonly string[], { eager = true, tools = TOOLS }: { readonly eager?: boolean; readonly tools?: readonly Callable[] } = {}): readonly Heard[] {
  const out: { text?: string; name?: string; form?: string; input?: string; closed?: boolean }[] = []
  const told = new ToldCalls({
    text(text) {
      assert.notEqual(text, '', 'an empty piece was said')
      const last = out.at(-1)
      if (last?.text !== undefined) last.text += text
      else out.push({ text })
    },
    open: (name, form) => void out.push({ name, form, input: '', closed: false }),
    input(text) { out.at(-1)!.input! += text },
    close() { out.at(-1)!.closed = true },
  }, { tools, eager, mend })
  for (const piece of pieces) told.push(piece)
  told.end()
  return out as readonly Heard[]
}
const called = (name: string, input: string, form = 'function'): Heard => ({ name, form, input, closed: true })
const letters = (text: string): readonly string[] => text.split('')
/** However it is cut, and whether it is streamed or not, the same is heard. */
function everywhere(text: string, expected: readonly Heard[]): void {
  for (const eager of [true, false]) {
    assert.deepEqual(heard([text], { eager }), expected, `in one piece, ${eager ? 'streamed' : 'whole'}`)
    assert.deepEqual(heard(letters(text), { eager }), expected, `letter by letter, ${eager ? 'streamed' : 'whole'}`)
    for (let at = 1; at < text.length; at++) assert.deepEqual(heard([text.slice(0, at), text.slice(at)], { eager }), expected, `cut at ${at}`)
  }
}

describe('Calls in a text', () => {
  test('are calls, and the words before them are words without the blanks between', () => {
    everywhere('Let me see.\n<tool_call>\n{"name": "look", "arguments": {"at": "Zürich 🙂"}}\n</tool_call>', [{ text: 'Let me see.' }, called('look', '{"at": "Zürich 🙂"}')])
  })

  test('may be several, and words may follow', () => {
    everywhere('<tool_call>{"name":"look","arguments":{"at":"a"}}</tool_call>\n<tool_call>{"name":"look","arguments":{}}</tool_call> So far.', [
      called('look', '{"at":"a"}'), called('look', '{}'), { text: ' So far.' },
    ])
  })

  test('are read with their name last, as a list, with parameters for arguments, and with JSON in a text', () => {
    everywhere('<tool_call>{"arguments": {"at":"a"}, "name": "look"}</tool_call>', [called('look', '{"at":"a"}')])
    everywhere('<tool_call>[{"name":"look","parameters":{"at":"a"}}, {"name":"look"}]</tool_call>', [called('look', '{"at":"a"}'), called('look', '{}')])
    everywhere(String.raw`<tool_call>{"name":"look","arguments":"{\"at\":\"a\"}"}</tool_call>`, [called('look', '{"at":"a"}')])
  })

  test('keep their arguments digit by digit, whatever a parser would make of them', () => {
    everywhere('<tool_call>{"name":"look","arguments":{"n":12345678901234567890,"x":1.50,"n":1}}</tool_call>', [called('look', '{"n":12345678901234567890,"x":1.50,"n":1}')])
    everywhere('<tool_call>[{"name":"look","arguments":{"n":12345678901234567890}}]</tool_call>', [called('look', '{"n":12345678901234567890}')])
  })

  test('do not end at a mark that stands in one of their texts', () => {
    everywhere('<tool_call>{"name":"look","arguments":{"at":"</tool_call><tool_call>"}}</tool_call>', [called('look', '{"at":"</tool_call><tool_call>"}')])
  })

  test('of a free-form tool have its text as input', () => {
    everywhere(String.raw`<tool_call>{"name":"note","arguments":{"input":"one\ntwo"}}</tool_call>`, [called('note', 'one\ntwo', 'custom')])
  })

  test('end with a bracket too many, and without the closing mark', () => {
    everywhere('<tool_call>{"name":"look","arguments":{}}}\n</tool_call>', [called('look', '{}')])
    everywhere('<tool_call>{"name":"look","arguments":{}}', [called('look', '{}')])
    everywhere('<tool_call>{"name":"look","arguments":{"at":"a"}', [called('look', '{"at":"a"}')])
  })

  test('go out as they come: what is certain of the arguments does not wait for the rest', () => {
    const pieces: string[] = []
    const told = new ToldCalls({ text() {}, open: (name) => void pieces.push(name), input: (text) => void pieces.push(text), close() {} }, { tools: TOOLS, eager: true, mend })
    told.push('<tool_call>{"name":"look","arguments":{"at":"Zü')
    assert.equal(pieces.join(' '), 'look {"at":"Zü')
    told.push('rich","n":12')
    assert.equal(pieces.join(''), 'look{"at":"Zürich","n":', 'a number may go on')
    told.push(',')
    assert.equal(pieces.join(''), 'look{"at":"Zürich","n":12')
  })
})

describe('What is no call', () => {
  test('stays the words that it is: of a tool that nobody offered, of no tool, marks alone, a mark that never ends', () => {
    for (const text of [
      '<tool_call>{"name":"other","arguments":{"a":1}}</tool_call>', 'I write <tool_call> for a call.', '<tool_call></tool_call>', 'a < b and <tool', '  \n',
      '<tool_call>nothing</tool_call> more', '<tool_call>{"name":"look","arguments":[1]}</tool_call>', ' blanks \n around \n',
    ]) everywhere(text, [{ text }])
  })

  test('what a model makes up as the result of its call is left out', () => {
    everywhere('<tool_call>{"name":"look","arguments":{}}</tool_call>\n<tool_response>\n{"content":"It rains."}\n</tool_response>\nIt rains.', [called('look', '{}')])
    everywhere('A <tool_response> stands here.', [{ text: 'A <tool_response> stands here.' }])
  })

  test('very many blanks or brackets are passed on and not gathered', () => {
    const flood = `${' '.repeat(20_000)}.`
    assert.deepEqual(heard(letters(flood)), [{ text: flood }])
  })
})

describe('A broken call', () => {
  test('is mended, also behind what went out of it', () => {
    everywhere(`<tool_call>{"name": "look", "arguments": {'at': 'a'}}</tool_call>`, [called('look', '{"at": "a"}')])
    everywhere('<tool_call>{"name": "look", "arguments": {"at": "a",}}</tool_call>!', [called('look', '{"at": "a"}'), { text: '!' }])
    everywhere('<tool_call>{"name": "look", "arguments": {"at": {"x": 1}</tool_call>', [called('look', '{"at": {"x": 1}}')])
  })

  test('that nobody can mend is words where it is whole; streamed, what went out stays and its arguments are visibly broken', () => {
    const text = '<tool_call>{"name": "look", "arguments": {"at" "b" : }}</tool_call>'
    assert.deepEqual(heard([text], { eager: false }), [{ text }])
    assert.deepEqual(heard(letters(text)), [called('look', '{"at" "b" : }}')])
  })

  test('that a limit has cut off is not completed: nobody acts on half a call', () => {
    const text = '<tool_call>{"name": "look", "arguments": {"at": "everyth'
    assert.deepEqual(heard([text], { eager: false }), [{ text }])
    assert.deepEqual(heard(letters(text)), [called('look', '{"at": "everyth')])
    assert.throws(() => JSON.parse('{"at": "everyth'))
  })
})

const words = fc.stringMatching(/^[^<\s][^<]{0,20}[^<\s]$/)
const callOf = fc.record({ name: fc.constantFrom('look', 'a.b:c "x"'), input: fc.oneof(fc.json({ maxDepth: 3 }), fc.json()).map((json) => `{"v": ${json}}`), form: fc.constant('function' as const) })

test('what the template says is read back: any arguments, any number of calls, cut anywhere', () => {
  const tools: readonly Callable[] = [look, { type: 'function', name: 'a.b:c "x"' }]
  fc.assert(fc.property(fc.option(words), fc.array(callOf, { minLength: 1, maxLength: 4 }), fc.boolean(), fc.array(fc.nat(), { maxLength: 6 }), (before, calls, eager, cuts) => {
    const text = [...(before === null ? [] : [before]), ...calls.map(callInWords)].join('\n')
    const places = [...new Set(cuts.map((cut) => cut % text.length))].toSorted((a, b) => a - b)
    const pieces = [0, ...places].map((from, at) => text.slice(from, places[at]))
    const expected: readonly Heard[] = [...(before === null ? [] : [{ text: before }]), ...calls.map(({ name, input }) => called(name, input))]
    assert.deepEqual(heard(pieces, { eager, tools }), expected)
    assert.deepEqual(heard(letters(text), { eager, tools }), expected)
  }), { numRuns: 300 })
})

describe('A request in words', () => {
  const user = (text: string): Message => ({ role: 'user', parts: [{ type: 'text', text }] })
  const request = (rest: Partial<ChatRequest>): ChatRequest => ({ messages: [user('How is it?')], sampling: {}, extras: {}, ...rest })
  const textOf = (message: Message | undefined): string => (message?.parts ?? []).map((part: Part) => (part.type === 'text' ? part.text : '')).join('')
  const call = (id: string, at: string): Part => ({ type: 'tool-call', id, name: 'look', form: 'function', input: `{"at":"${at}"}` })
  const result = (callId: string, text: string): Message => ({ role: 'tool', parts: [{ type: 'tool-result', callId, content: [{ type: 'text', text }] }] })

  test('has its tools behind the instructions of the caller, and asks for no tools', () => {
    const told = withToolsInWords(request({ tools: TOOLS, messages: [{ role: 'system', parts: [{ type: 'text', text: 'Be brief.' }] }, user('Well?')] }))!
    assert.equal(told.request.tools, undefined)
    assert.deepEqual(told.request.messages.map(({ role }) => role), ['system', 'user'])
    const said = textOf(told.request.messages[0])
    assert.ok(said.startsWith('Be brief.\n\nYou can call tools.'))
    assert.ok(said.includes('{"name":"look","description":"Looks.","parameters":{"type":"object","properties":{"at":{"type":"string"}}}}'))
    assert.ok(said.includes('{"name":"note","description":"Takes any text.","parameters":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}}'))
  })

  test('offers only what may be called, and says what has to be', () => {
    const wordsOf = (rest: Partial<ChatRequest>): string => textOf(withToolsInWords(request({ tools: TOOLS, ...rest }))!.request.messages[0])
    assert.match(wordsOf({ toolChoice: 'required' }), /This time call at least one of the tools/)
    assert.match(wordsOf({ toolChoice: { tool: 'look' } }), /This time call look before/)
    assert.doesNotMatch(wordsOf({ toolChoice: { tool: 'look' } }), /"note"/)
    assert.match(wordsOf({ parallelToolCalls: false }), /at most one call/)
    const none = withToolsInWords(request({ tools: TOOLS, toolChoice: 'none' }))!
    assert.deepEqual([none.tools, none.request.messages.length], [[], 1])
  })

  test('has earlier calls as they would have been said, and all results of a turn in the order of its calls', () => {
    const { request: { messages } } = withToolsInWords(request({
      tools: TOOLS,
      messages: [user('Both?'), { role: 'assistant', parts: [{ type: 'text', text: 'I look.' }, call('1', 'a'), call('2', 'b')] }, result('2', 'dry "now"'), result('1', 'wet'), user('So?')],
    }))!
    assert.deepEqual(messages.map(({ role }) => role), ['system', 'user', 'assistant', 'user', 'user'])
    assert.equal(textOf(messages[2]), 'I look.\n<tool_call>\n{"name": "look", "arguments": {"at":"a"}}\n</tool_call>\n<tool_call>\n{"name": "look", "arguments": {"at":"b"}}\n</tool_call>')
    assert.equal(textOf(messages[3]), '<tool_response>\n{"name":"look","content":"wet"}\n</tool_response>\n<tool_response>\n{"name":"look","content":"dry \\"now\\""}\n</tool_response>')
  })

  test('is none where there is nothing to say of tools, and leaves to servers what only they run', () => {
    assert.equal(withToolsInWords(request({})), null)
    const native = { type: 'native', dialect: 'openai-responses', value: { type: 'web_search' } } as const
    assert.deepEqual(withToolsInWords(request({ tools: [native, look] }))!.request.tools, [native])
    assert.equal(withToolsInWords(request({ tools: [native] })), null)
  })
})
