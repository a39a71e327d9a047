import assert from 'node:assert/strict'
import test from 'node:test'
import { createJudge } from './index.ts'

const WEATHER = { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 1 } }, required: ['city'], additionalProperties: false }

test('arguments are judged by the schema of their tool', () => {
  const good = createJudge()(WEATHER)!
  assert.equal(good({ city: 'Paris', days: 2 }), true)
  assert.equal(good({}), false)
  assert.equal(good({ city: 'Paris', days: 0 }), false)
  assert.equal(good({ city: 'Paris', country: 'France' }), false)
})

test('a regular expression of a caller is never run', () => {
  const judge = createJudge()({ type: 'object', properties: { pattern: { type: 'string', pattern: '^(a+)+$' } }, patternProperties: { '^(a+)+$': {} } })!
  const from = performance.now()
  assert.equal(judge({ pattern: 'a'.repeat(40) + '!' }), true)
  assert.ok(performance.now() - from < 500)
  assert.equal(judge({ pattern: 3 }), false, 'a property that is called pattern is judged like any other')
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
  for (let i = 0; i < 2; i++) assert.equal(judge(schema)!({ when: 'now' }), true)
  assert.equal(judge({ ...schema, title: 'same id again' })!({ when: 5 }), false)
})
