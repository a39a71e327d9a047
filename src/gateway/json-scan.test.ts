import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../test/properties.ts'
import { itemsOf, JsonScan, memberOf } from './json-scan.ts'

const scanned = (...pieces: readonly string[]): JsonScan => {
  const scan = new JsonScan()
  for (const piece of pieces) scan.push(piece)
  return scan
}
const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

test('an object ends where its last bracket stands, wherever it is cut and whatever follows', () => {
  fc.assert(fc.property(fc.json(), fc.nat(), fc.string(), (json, cut, behind) => {
    const text = ` {"a": ${json}}`
    const at = cut % text.length
    const scan = scanned(text.slice(0, at), text.slice(at), behind)
    assert.deepEqual([scan.end, scan.brokenAt], [text.length, -1])
  }))
})

test('it is whole exactly where a parser takes it', () => {
  const token = fc.constantFrom('{', '}', '[', ']', ':', ',', '"', '"a"', '1', '-', '01', '1.5e3', '1.', 'true', 'tru', 'null', ' ', '\n', String.raw`"\n"`, String.raw`"\x"`, String.raw`"\u00e9"`, String.raw`"\u00g"`, '"b":')
  fc.assert(fc.property(fc.array(token, { maxLength: 9 }), (tokens) => {
    const text = `{${tokens.join('')}`
    assert.equal(scanned(text).end === text.length, isJson(text) && text.at(-1) === '}', text)
  }), { numRuns: 5000 })
})

test('what is certain is not what a comma, a number, a literal or an escape may still become', () => {
  for (const [text, safe] of [
    ['{"a":1', '{"a":'], ['{"a":1,', '{"a":1'], ['{"a":tr', '{"a":'], [String.raw`{"a":"it\ `.trimEnd(), '{"a":"it'], [String.raw`{"a":"\u00e`, '{"a":"'],
    [String.raw`{"a":"it\n`, String.raw`{"a":"it\n`], ['{"a', '{"a'], ['{"a":[1 ', '{"a":[1'], ['{"a":01}', '{"a":'], ['{"a" "b"', '{"a"'], ['{"a":"one\ntwo"', '{"a":"one'],
  ] as const) assert.equal(text.slice(0, scanned(text).safe), safe, text)
})

test('values are cut out as they stand: of a key that is there twice, the last, as a parser has it', () => {
  assert.deepEqual(itemsOf(String.raw` [ {"a":"]"} , [1,[2]],"x\"y", 1.50 ,null ] `), ['{"a":"]"}', '[1,[2]]', String.raw`"x\"y"`, '1.50', 'null'])
  assert.deepEqual([itemsOf('[]'), itemsOf(' {"a":1}')], [[], ['{"a":1}']])
  assert.equal(memberOf(String.raw`{ "b" : {"a":0} , "a" : 1.50, "\u0061":{"x":[1, 2]} }`, 'a'), '{"x":[1, 2]}')
  assert.equal(memberOf('{"b":{"a":0}}', 'a'), null)
  assert.equal(memberOf('{}', 'a'), null)
})
