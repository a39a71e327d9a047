import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createToolAssembler, type ToolFragment } from './tool-calls.ts'

function assemble(fragments: readonly ToolFragment[]): { calls: string[]; order: string[]; valid: boolean[] } {
  const calls: { id: string; name: string; text: string }[] = []
  const order: string[] = []
  const assembler = createToolAssembler({
    open(slot, { id, name }) {
      assert.equal(slot, calls.length, 'slots are dense, in order of opening')
      calls.push({ id, name, text: '' })
      order.push(`open ${slot}`)
    },
    input(slot, text) {
      calls[slot]!.text += text
      order.push(`${slot} ${text}`)
    },
  }, (ordinal) => `made-${ordinal}`)
  for (const fragment of fragments) assembler.push(fragment)
  const ends = assembler.end()
  assert.equal(assembler.count, calls.length)
  return { calls: calls.map(({ id, name, text }) => `${id} ${name} ${text}`), order, valid: ends.map((end) => end.valid) }
}

const CASES: readonly (readonly [string, ToolFragment[], string[]])[] = [
  ['(a) a new id at an old index is a new call', [
    { index: 0, id: 'a', name: 'f', input: '{}' }, { index: 0, id: 'b', name: 'f', input: '{"x":1}' },
  ], ['a f {}', 'b f {"x":1}']],
  ['(b) an empty id with a known index goes on', [
    { index: 3, id: 'a', name: 'f', input: '{"x"' }, { index: 3, id: '', name: '', input: ':1' }, { index: 3, input: '}' },
  ], ['a f {"x":1}']],
  ['(b) fragments of parallel calls find theirs', [
    { index: 1, id: 'a', name: 'f', input: '' }, { index: 2, id: 'b', name: 'g', input: '' },
    { index: 1, input: '{"a":' }, { index: 2, input: '{"b":' }, { index: 1, input: '1}' }, { index: 2, input: '2}' },
  ], ['a f {"a":1}', 'b g {"b":2}']],
  ['(c) without index and id it is the latest call', [{ id: 'a', name: 'f' }, { input: '{"x":' }, { input: '1}' }], ['a f {"x":1}']],
  ['(d) without an index a name opens a call', [{ name: 'f', input: '{}' }, { name: 'g', input: '{}' }], ['made-0 f {}', 'made-1 g {}']],
  ['(e) an empty name overwrites nothing', [{ index: 0, id: 'a', name: 'f' }, { index: 0, id: 'a', name: '', input: '{}' }], ['a f {}']],
  ['(f) an equal name behind complete arguments is a new call', [
    { index: 0, name: 'f', input: '{"n":1}' }, { index: 0, name: 'f', input: '{"n":2}' },
  ], ['made-0 f {"n":1}', 'made-1 f {"n":2}']],
  ['(f) an equal name before the arguments are complete is the same call', [
    { index: 0, name: 'f', input: '{"n":' }, { index: 0, name: 'f', input: '1}' },
  ], ['made-0 f {"n":1}']],
  ['another name at an index without ids is a new call', [{ index: 0, name: 'f', input: '{}' }, { index: 0, name: 'g', input: '{}' }], ['made-0 f {}', 'made-1 g {}']],
  ['(g) a cumulative sender is not doubled', [
    { index: 0, id: 'a', name: 'f', input: '{"te' }, { index: 0, input: '{"text":"' }, { index: 0, input: '{"text":"hi"}' }, { index: 0, input: '{"text":"hi"}' },
  ], ['a f {"text":"hi"}']],
  ['(g) an object that begins like its parent is no repetition', [
    { index: 0, id: 'a', name: 'f', input: '{"a":' }, { index: 0, input: '{"a":1}}' },
  ], ['a f {"a":{"a":1}}']],
  ['(i) nothing, an empty text and null are no arguments', [
    { index: 0, id: 'a', name: 'f' }, { index: 1, id: 'b', name: 'g', input: '' }, { index: 2, id: 'c', name: 'h', input: 'null' }, { index: 3, id: 'd', name: 'i', input: null },
    { index: 4, id: 'e', name: 'j', input: 'nu' }, { index: 4, input: 'll' },
  ], ['a f {}', 'b g {}', 'c h {}', 'd i {}', 'e j {}']],
  ['arguments as an object are written once', [{ index: 0, id: 'a', name: 'f', input: { b: 1, a: [2] } }], ['a f {"b":1,"a":[2]}']],
  ['an id that changes in the middle of the arguments is the same call', [
    { index: 0, id: 'a', name: 'f', input: '{"x"' }, { index: 0, id: 'b', input: ':1}' },
  ], ['a f {"x":1}']],
  ['an id that comes late is no new call', [{ index: 0, name: 'f', input: '{' }, { index: 0, id: 'late', name: 'f', input: '}' }], ['made-0 f {}']],
  ['a name that comes late opens the call with all its arguments', [{ index: 0, id: 'a', input: '{"x"' }, { index: 0, name: 'f', input: ':1}' }], ['a f {"x":1}']],
  ['a call that never gets a name is no call', [{ index: 0, id: 'a', input: '{}' }], []],
  ['free text is never taken for a repetition or for JSON', [
    { index: 0, id: 'a', name: 'f', form: 'custom', input: 'ab' }, { index: 0, form: 'custom', input: 'ab' }, { index: 0, form: 'custom', input: 'abc' },
    { index: 1, id: 'b', name: 'g', form: 'custom', input: '' },
  ], ['a f abababc', 'b g ']],
  ['big numbers and odd spacing stay as they were', [{ index: 0, id: 'a', name: 'f', input: '{ "n": 12345678901234567890 ' }, { index: 0, input: '}' }], ['a f { "n": 12345678901234567890 }']],
]

for (const [name, fragments, expected] of CASES) {
  test(name, () => { assert.deepEqual(assemble(fragments).calls, expected) })
}

test('fragments leave as they come, one for one', () => {
  const { order } = assemble([{ index: 0, id: 'a', name: 'f', input: '' }, { index: 0, input: '{"a' }, { index: 0, input: '":' }, { index: 0, input: '1}' }])
  assert.deepEqual(order, ['open 0', '0 {"a', '0 ":', '0 1}'])
})

test('arguments that are no JSON are passed on, and said to be invalid', () => {
  const { calls, valid } = assemble([{ index: 0, id: 'a', name: 'f', input: '{"x": oops' }, { index: 1, id: 'b', name: 'g', input: '{}' }])
  assert.deepEqual(calls, ['a f {"x": oops', 'b g {}'])
  assert.deepEqual(valid, [false, true])
})

test('a long argument in tiny fragments takes linear time', () => {
  const from = process.threadCpuUsage().user
  const many: ToolFragment[] = [{ index: 0, id: 'a', name: 'f', input: '{"t":"' }]
  for (let i = 0; i < 100_000; i++) many.push({ index: 0, input: 'abcdefgh' })
  assert.equal(assemble([...many, { index: 0, input: '"}' }]).calls[0]!.length, 800_000 + 'a f {"t":""}'.length)
  assert.ok(process.threadCpuUsage().user - from < 2_000_000)
})
