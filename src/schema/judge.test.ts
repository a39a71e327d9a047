import assert from 'node:assert/strict'
import test from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { fc } from '../../test/properties.ts'
import { createJudge } from './index.ts'

const WEATHER = { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 1 } }, required: ['city'], additionalProperties: false }

test('arguments are judged by the schema of their tool, and what is wrong is said by its path', () => {
  const check = createJudge()(WEATHER)!
  assert.equal(check({ city: 'Paris', days: 2 }), null)
  assert.deepEqual(check({}), { path: 'city', message: 'is required' })
  assert.deepEqual(check({ city: 'Paris', days: 0 }), { path: 'days', message: 'must be a whole number of at least 1, is 0' })
  assert.deepEqual(check({ city: 'Paris', country: 'France' }), { path: 'country', message: 'is not a known field' })
})

test('a regular expression of a caller takes no more time than its text is long', () => {
  const check = createJudge()({ type: 'object', properties: { pattern: { type: 'string', pattern: '^(a+)+$' } }, patternProperties: { '^(a+)+$': {} } })!
  const from = process.threadCpuUsage()
  assert.match(check({ pattern: 'a'.repeat(10_000) + '!' })!.message, /of the form/)
  assert.equal(check({ pattern: 'aaa', ['a'.repeat(10_000) + '!']: 1 }), null)
  assert.ok(process.threadCpuUsage(from).user < 5_000_000)
  assert.ok(check({ pattern: 3 }), 'a property that is called pattern is judged like any other')
})

test('a pattern that cannot be matched in linear time is not judged by, and the rest of its schema is', () => {
  const check = createJudge()({
    type: 'object', properties: { a: { type: 'string', pattern: '^(?=.*x).*$', minLength: 2 } },
    patternProperties: { '(?!b)': { type: 'string' } }, additionalProperties: false,
  })!
  assert.equal(check({ a: 'no ex' }), null)
  assert.equal(check({ a: 'yy', other: 1 }), null, 'what a pattern that is not run would have admitted is not known')
  assert.ok(check({ a: 'y' }))
})

test('a value that may be null by the word of OpenAPI may be null', () => {
  const check = createJudge()({ type: 'object', properties: { a: { type: 'string', nullable: true }, b: { nullable: true } } })!
  assert.equal(check({ a: null, b: null }), null)
  assert.ok(check({ a: 1 }))
})

test('a schema that is malformed, too deep, too large, or points elsewhere judges nothing and throws nothing', () => {
  let deep: Record<string, unknown> = { type: 'string' }
  for (let i = 0; i < 100; i++) deep = { type: 'object', properties: { a: deep } }
  for (const schema of [
    { type: 'nonsense' }, { properties: 7 }, { $ref: 'http://127.0.0.1:1/x.json' }, { $ref: '#/nowhere' }, deep,
    { description: 'x'.repeat(50_000) },
  ]) assert.equal(createJudge()(schema), null, JSON.stringify(schema).slice(0, 80))
})

test('schemas with drafts, ids and formats that nobody knows still judge by the rest', () => {
  const judge = createJudge()
  const schema = { $schema: 'https://json-schema.org/draft/2020-12/schema', $id: 'urn:x', type: 'object', properties: { when: { type: 'string', format: 'moonphase' } } }
  for (let i = 0; i < 2; i++) assert.equal(judge(schema)!({ when: 'now' }), null)
  assert.ok(judge({ ...schema, title: 'same id again' })!({ when: 5 }))
})

test('thirty definitions that each say the next one twice cost a bounded number of steps, and say nothing', () => {
  const defs: Record<string, unknown> = { d30: { type: 'string' } }
  for (let i = 0; i < 30; i++) defs[`d${i}`] = { allOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] }
  const from = process.threadCpuUsage()
  assert.equal(createJudge()({ $defs: defs, $ref: '#/$defs/d0' })!('x'), null)
  assert.equal(createJudge()({ $defs: { a: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' })!('x'), null)
  assert.ok(process.threadCpuUsage(from).user < 5_000_000)
})

test('of a union the branch is named that got furthest into the value', () => {
  const check = createJudge()({ anyOf: [{ type: 'null' }, { type: 'object', properties: { a: { type: 'array', items: { type: 'integer' } } } }] })!
  assert.deepEqual(check({ a: [1, 'x'] }), { path: 'a[1]', message: 'must be a whole number, is "x"' })
})

/** Schemas and values of all words that are judged by, small enough that both outcomes are common. */
// Halves: a multiple of something is told within the precision of a double, which ajv does only when told to.
const values = fc.jsonValue({ maxDepth: 2 }).map((value): unknown =>
  JSON.parse(JSON.stringify(value), (_, inner: unknown) => typeof inner === 'number' ? Math.round((inner % 1000) * 2) / 2 : inner))
const scalar = fc.constantFrom<unknown>('a', 'bb', '', 'aab', 0, 1, 2.5, -3, true, false, null)
const { schema: schemas } = fc.letrec<{ schema: unknown }>((tie) => ({
  schema: fc.oneof({ depthSize: 'small', maxDepth: 3 },
    fc.record({ type: fc.constantFrom('string', 'number', 'integer', 'boolean', 'null', 'array', 'object', ['string', 'null']) }),
    fc.record({ enum: fc.array(scalar, { minLength: 1, maxLength: 3 }).map((each) => [...new Set(each)]) }), fc.record({ const: scalar }),
    fc.record({ minimum: fc.integer({ min: -3, max: 3 }), exclusiveMaximum: fc.integer({ min: -3, max: 3 }) }), fc.record({ multipleOf: fc.constantFrom(1, 2, 0.5) }),
    fc.record({ minLength: fc.nat(2), maxLength: fc.nat(3) }), fc.record({ pattern: fc.constantFrom('^a', 'b$', '^[ab]*$', 'a{2}') }), fc.boolean(),
    fc.record({ items: tie('schema'), minItems: fc.nat(2) }), fc.record({ prefixItems: fc.array(tie('schema'), { minLength: 1, maxLength: 2 }), uniqueItems: fc.boolean() }),
    fc.record({ contains: tie('schema') }), fc.record({ maxItems: fc.nat(2), maxProperties: fc.nat(2), minProperties: fc.nat(1) }),
    fc.record({ properties: fc.dictionary(fc.constantFrom('a', 'b', 'aa'), tie('schema')), required: fc.subarray(['a', 'b']), additionalProperties: tie('schema') }),
    fc.record({ patternProperties: fc.dictionary(fc.constantFrom('^a', 'b'), tie('schema')), propertyNames: tie('schema') }),
    fc.record({ dependentRequired: fc.constant({ a: ['b'] }), dependentSchemas: fc.record({ a: tie('schema') }) }),
    fc.record({ allOf: fc.array(tie('schema'), { minLength: 1, maxLength: 2 }) }), fc.record({ anyOf: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ oneOf: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }) }), fc.record({ not: tie('schema') }),
    fc.tuple(tie('schema'), tie('schema'), tie('schema')).map((branches) => Object.fromEntries(['if', 'then', 'else'].map((word, at) => [word, branches[at]]))),
    fc.record({ $defs: fc.record({ d: tie('schema') }), title: fc.constant('t') }),
  ),
}))
const known = fc.oneof(scalar, values, fc.array(scalar, { maxLength: 3 }), fc.dictionary(fc.constantFrom('a', 'b', 'aa', 'c'), fc.oneof(scalar, fc.array(scalar, { maxLength: 2 })), { maxKeys: 3 }))

test('it judges as ajv does, schema by schema and value by value', () => {
  const judge = createJudge()
  let bad = 0
  fc.assert(fc.property(schemas.map((schema) => ({ properties: {}, allOf: [schema] })), fc.array(known, { minLength: 4, maxLength: 8 }), (schema, all) => {
    const oracle = new Ajv2020({ strict: false, logger: false, code: { optimize: false } }).compile(schema)
    const check = judge(schema)!
    for (const value of all) {
      const good = oracle(value)
      if (!good) bad++
      assert.equal(check(value) === null, good, `${JSON.stringify(schema)} of ${JSON.stringify(value)}: ${JSON.stringify(check(value))}`)
    }
  }), { numRuns: 300 })
  assert.ok(bad > 100, 'both outcomes are to be seen')
})
