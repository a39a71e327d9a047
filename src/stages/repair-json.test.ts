import assert from 'node:assert/strict'
import test from 'node:test'
import { fc } from '../../test/properties.ts'
import { repairs, type Flaw, type ReadJson } from './repair-json.ts'

const read: ReadJson = (text) => {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch (fault) {
    return { fault }
  }
}
const first = (text: string) => repairs(text, read).next().value ?? null

const CASES: readonly (readonly [title: string, text: string, mended: string, flaws: readonly Flaw[]])[] = [
  ['a code fence', '```json\n{"a":1}\n```', '{"a":1}', ['code fence']],
  ['a code fence that nobody closed', '```json\n{"a":1}', '{"a":1}', ['code fence']],
  ['words before and behind a fence', 'Here it is:\n```json\n{"a":[1,2]}\n```\nEnjoy!', '{"a":[1,2]}', ['code fence', 'text around']],
  ['words around', 'Sure! {"a":1} Anything else?', '{"a":1}', ['text around']],
  ['commas that trail', '{"a":[1,2,],}', '{"a":[1,2]}', ['trailing comma']],
  ['commas that are missing', '{"a":1 "b":[1 2]\n"c":3}', '{"a":1,"b":[1,2],"c":3}', ['missing comma']],
  ['single quotes', "{'a': 'it''s'}", '{"a":"it\'\'s"}', ['single quotes']],
  ['curly quotes', '{“a”: “b”}', '{"a":"b"}', ['curly quotes']],
  ['keys and words without quotes', '{a: ok, b_2: "x"}', '{"a":"ok","b_2":"x"}', ['unquoted key', 'unquoted text']],
  ["Python's literals", '{"a": True, "b": None, "c": False}', '{"a":true,"b":null,"c":false}', ['python literal']],
  ['comments', '{"a":1, // one\n "b":2 /* two */}', '{"a":1,"b":2}', ['comment']],
  ['quotes inside a text', '{"a":"he said "hi" to me","b":1}', '{"a":"he said \\"hi\\" to me","b":1}', ['unescaped character']],
  ['line breaks inside a text', '{"a":"one\ntwo"}', '{"a":"one\\ntwo"}', ['unescaped character']],
  ['an escape that JSON does not know', String.raw`{"a":"it\'s"}`, '{"a":"it\'s"}', ['unescaped character']],
  ['a list that was cut', '{"a":[1,2', '{"a":[1,2]}', ['truncated']],
  ['a text that was cut', '{"a":"un', '{"a":"un"}', ['truncated']],
  ['a text that was cut in an escape', String.raw`{"a":"x\u00`, '{"a":"x"}', ['truncated']],
  ['a key that was cut', '{"a":1,"b', '{"a":1}', ['truncated']],
  ['a key without its value', '{"a":1,"b":', '{"a":1}', ['truncated']],
  ['a literal that was cut', '{"a":tr', '{"a":true}', ['truncated']],
  ['a number that was cut', '{"a":12.', '{"a":12}', ['truncated']],
  ['an ellipsis', '{"a":[1,2,...]}', '{"a":[1,2]}', ['ellipsis', 'trailing comma']],
]

for (const [title, text, mended, flaws] of CASES) {
  test(`${title}: the answer is what was meant, and what was wrong is said`, () => {
    const made = first(text)!
    assert.equal(made.text, mended)
    assert.deepEqual(made.flaws, flaws)
    assert.deepEqual(made.value, JSON.parse(mended))
  })
}

test('what is right is not rounded, reordered or spelled otherwise: numbers keep their digits', () => {
  assert.equal(first('{"b":12345678901234567890.10, "a":"\\u00e9",}')!.text, '{"b":12345678901234567890.10,"a":"\\u00e9"}')
})

test('an answer behind a bracket of prose is found as the next candidate', () => {
  const all = [...repairs('See [1] for more: {"city":"Paris",}', read)]
  assert.deepEqual(all.map(({ value }) => value), [[1], { city: 'Paris' }])
})

test('of several fences each is a candidate, in order', () => {
  assert.deepEqual([...repairs('```\n{"a":1}\n```\nor\n```\n{"a":2}\n```', read)].slice(0, 2).map(({ value }) => value), [{ a: 1 }, { a: 2 }])
})

test('what is no JSON at all has no candidate', () => {
  for (const text of ['', 'I cannot do that.', '42', '}', ']]', '['.repeat(1000)]) assert.equal(first(text), null, text.slice(0, 20))
})

test('a prefix of any JSON object is mended into JSON, and a whole one into itself', () => {
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })), fc.double({ min: 0, max: 1, noNaN: true }), (value, share) => {
    const text = JSON.stringify(value)
    assert.deepEqual(JSON.parse(first(text)!.text), JSON.parse(text))
    const made = first(text.slice(0, Math.max(1, Math.floor(text.length * share))))!
    assert.doesNotThrow(() => JSON.parse(made.text))
  }), { numRuns: 300 })
})

test('hostile texts take time in proportion to their length', () => {
  const texts = (n: number): readonly string[] => [
    '['.repeat(n), '{"a":'.repeat(n / 5), '"'.repeat(n), "{'a':'".repeat(n / 6), `[${'{"a":1} '.repeat(n / 8)}`, '{"a":"b "c" d "e '.repeat(n / 17), '```'.repeat(n / 3),
    `{"a":"${'" '.repeat(n / 2)}`, `[${'" '.repeat(n / 2)}`, `{"a":"${'"   '.repeat(n / 4)}`, '// '.repeat(n / 3), '{/*'.repeat(n / 3), `{"a":${'9'.repeat(n)}`, '{a'.repeat(n / 2),
  ]
  const took = (n: number): number[] => texts(n).map((text) => {
    const from = process.threadCpuUsage()
    for (const { text: mended } of repairs(text, read)) assert.ok(mended.length < text.length * 8)
    return process.threadCpuUsage(from).user / 1000
  })
  took(50_000)
  // A pass over a megabyte takes tens of milliseconds; what grew with the square of it took minutes.
  for (const [at, ms] of took(1_000_000).entries()) assert.ok(ms < 5000, `text ${at} took ${Math.round(ms)} ms`)
})
