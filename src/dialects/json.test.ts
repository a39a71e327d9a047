import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseBody, parseUpstream, topLevelSpans } from './json.ts'
import { fc } from '../../test/properties.ts'

const refusal = (input: string | Uint8Array): string => {
  const parsed = parseBody(input)
  assert.ok('fault' in parsed, 'it was accepted')
  assert.equal(parsed.fault.kind, 'invalid-request')
  return parsed.fault.message
}

test('a body that JSON.parse takes is read to the same value', () => {
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
    const text = JSON.stringify(value)
    fc.pre(!text.includes('__proto__'))
    assert.deepEqual(parseBody(Buffer.from(text)), { value: JSON.parse(text) })
  }))
})

test('a key that stands twice is refused, however it is written and wherever', () => {
  assert.match(refusal('{"model":"a","model":"b"}'), /"model" stands twice/)
  assert.match(refusal('{"a":[{"x":1,"y":{"x":1},"x":2}]}'), /"x" stands twice/)
  assert.match(refusal('{"model":"a","mod\\u0065l":"b"}'), /"model" stands twice/)
  const many = Array.from({ length: 100 }, (_, i) => `"k${i}":0`).join(',')
  assert.match(refusal(`{${many},"k40":1}`), /"k40" stands twice/)
  assert.ok('value' in parseBody(`{"a":{"x":1},"b":{"x":1},"x":"x","c":[{"x":1},{"x":1}],${many}}`))
})

test('a key that would reach a prototype is refused, also when it is escaped', () => {
  assert.match(refusal('{"a":{"__proto__":{"x":1}}}'), /__proto__/)
  assert.match(refusal('{"__pr\\u006fto__":1}'), /__proto__/)
  assert.ok('value' in parseBody('{"text":"__proto__","constructor":1}'))
})

test('nesting beyond 64 levels is refused before it is parsed', () => {
  assert.ok('value' in parseBody('['.repeat(64) + ']'.repeat(64)))
  assert.match(refusal('['.repeat(65) + ']'.repeat(65)), /deeper than 64/)
  assert.match(refusal('{"a":'.repeat(100_000)), /deeper than 64/)
  assert.ok('value' in parseBody(JSON.stringify({ text: '[{'.repeat(1000) + '\\"[[' })))
})

test('what is no JSON is refused with its place and without a word of the prompt', () => {
  assert.match(refusal('{"prompt": "my secret",}'), /not valid JSON \(.*\)/)
  for (const text of ['{"a": secret}', '{"a":1', '', '   ', '{"a":"secret', 'secret', '{"a":1}}', '[1 2]']) {
    assert.doesNotMatch(refusal(text), /secret/)
  }
})

test('bytes that are no UTF-8 are refused, a mark at the start is not', () => {
  assert.match(refusal(Buffer.from([0x22, 0xff, 0x22])), /UTF-8/)
  assert.deepEqual(parseBody(Buffer.from('\ufeff{"a":1}')), { value: { a: 1 } })
})

test('a megabyte of keys, quotes or backslashes is read in linear time', () => {
  for (const text of [
    `[${Array.from({ length: 5 }, () => `{${Array.from({ length: 10_000 }, (_, i) => `"key${i}":${i}`).join(',')}}`).join(',')}]`,
    JSON.stringify('"'.repeat(500_000)),
    JSON.stringify('\\'.repeat(500_000)),
    JSON.stringify({ image: 'QUJD'.repeat(500_000) }),
  ]) {
    const bytes = Buffer.from(text)
    const from = process.threadCpuUsage().user
    assert.ok('value' in parseBody(bytes))
    assert.ok(process.threadCpuUsage().user - from < 1_000_000, 'it took more than a second of work')
  }
})

test('an object with more keys than anybody means is refused before its keys are all compared', () => {
  const bytes = Buffer.from(`{${Array.from({ length: 1_000_000 }, (_, i) => `"key${i}":1`).join(',')}}`)
  parseBody(bytes)
  const from = process.threadCpuUsage().user
  const parsed = parseBody(bytes)
  assert.ok('fault' in parsed && /more than 20000 keys/.test(parsed.fault.message))
  assert.ok(process.threadCpuUsage().user - from < 100_000, 'it took more than a tenth of a second of work')
})

test('what a provider sends is read leniently, and still cannot poison a prototype', () => {
  assert.deepEqual(parseUpstream('{"a":1,"a":2}'), { value: { a: 2 } })
  assert.deepEqual(parseUpstream('{"__proto__":{"x":1},"b":1}'), { value: { b: 1 } })
  assert.deepEqual(parseUpstream('{"\\u005f_proto__":{"x":1},"__p\\u0072oto__":2,"b":"\\u00e9"}'), { value: { b: 'é' } })
  const deep = parseUpstream('['.repeat(5000) + ']'.repeat(5000))
  assert.ok('fault' in deep && deep.fault.kind === 'invalid-response')
  const broken = parseUpstream('<html>secret')
  assert.ok('fault' in broken && !broken.fault.message.includes('secret'))
})

test('a list of more values than anybody means is refused before memory is made for them', () => {
  const parsed = parseBody(`{"stop":[${'[],'.repeat(2_000_001)}[]]}`)
  assert.ok('fault' in parsed && /more than 2000000 values/.test(parsed.fault.message))
  assert.ok('value' in parseBody(`{"input":[${'1,'.repeat(500_000)}1]}`))
})

test('a body is judged the same whether its keys are compared as bytes or, once a key is escaped, as strings', () => {
  const key = fc.constantFrom('a', 'b', 'ab', 'abc', '_', '', 'é', '__proto', '__proto__')
  const { value } = fc.letrec<{ value: string }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom('1', '"a"', '"{\\""', '" :,"'),
      fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(' , ')}]`),
      fc.array(fc.tuple(key, tie('value')), { maxLength: 5 }).map((pairs) => `{${pairs.map(([name, it]) => `"${name}" :${it}`).join(',')}}`),
    ),
  }))
  fc.assert(fc.property(value, (text) => {
    assert.deepEqual(parseBody(`[{"x":0},${text}]`), parseBody(`[{"\\u0078":0},${text}]`))
  }), { numRuns: 500 })
})

test('a reply is too deep by its levels alone, however many brackets it has and wherever they stand', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 70 }), fc.nat(40), fc.nat(100), (depth, siblings, quoted) => {
    const wide = `[${Array.from({ length: siblings }, () => '{}').join(',')}]`
    const text = `${'[{"a":'.repeat(depth >> 1)}[${JSON.stringify('[{"'.repeat(quoted))},${wide}]${'}]'.repeat(depth >> 1)}`
    const levels = (depth >> 1) * 2 + (siblings > 0 ? 3 : 2)
    assert.equal('fault' in parseUpstream(text), levels > 64, `${levels} levels`)
  }))
})

test('the spans of a body are the bytes of its values', () => {
  const text = ' { "a" : "x,}" , "b\\u0063":[1, {"c":"]"}],"d":-1.5e3 , "e":{} ,"f":null}'
  const spans = topLevelSpans(Buffer.from(text))!
  assert.deepEqual(spans.map(({ key, from, to }) => [key, text.slice(from, to)]), [
    ['a', '"x,}"'], ['bc', '[1, {"c":"]"}]'], ['d', '-1.5e3'], ['e', '{}'], ['f', 'null'],
  ])
  assert.equal(topLevelSpans(Buffer.from('[1]')), null)
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), fc.integer({ min: 0, max: 2 }), (value, indent) => {
    const bytes = Buffer.from(JSON.stringify(value, null, indent))
    const read = Object.fromEntries(topLevelSpans(bytes)!.map(({ key, from, to }) => [key, JSON.parse(bytes.toString('utf8', from, to)) as unknown]))
    assert.deepEqual(read, JSON.parse(bytes.toString()))
  }))
})
