import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { FAKE_DIALECTS } from './dialects/index.ts'
import { FRAMING_SHAPES } from './frames.ts'
import { createFakeAmbient } from './index.ts'
import { instanceOf } from './instance.ts'
import { ORDER_KEYS } from './order.ts'
import { SCENES } from './scenes.ts'

describe('a minimal instance', () => {
  const schemas: Record<string, object> = {
    'nested objects and arrays': {
      type: 'object', required: ['a', 'b'],
      properties: {
        a: { type: 'array', minItems: 2, items: { type: 'integer', exclusiveMinimum: 3 } },
        b: { type: 'object', required: ['c'], properties: { c: { const: 'x' } } }, z: {}
      },
      additionalProperties: false
    },
    'references and unions': {
      $defs: { n: { type: ['string', 'null'], minLength: 3 } }, type: 'object', required: ['n', 'u'],
      properties: { n: { $ref: '#/$defs/n' }, u: { anyOf: [{ type: 'boolean' }, { type: 'null' }] } }
    },
    'a linked list': {
      type: 'object', required: ['next'], properties: { next: { anyOf: [{ $ref: '#' }, { type: 'null' }] } }
    },
    'allOf': { allOf: [
      { type: 'object', required: ['a'], properties: { a: { type: 'string', enum: ['k'] } } },
      { required: ['b'], properties: { b: { type: 'number', multipleOf: 0.5, minimum: 1.2 } } }
    ] },
    'a negative range': { type: 'integer', minimum: -9, maximum: -5 },
    'a tuple': { type: 'array', prefixItems: [{ type: 'string' }, { type: 'integer' }], minItems: 2 },
  }
  for (const [name, schema] of Object.entries(schemas)) {
    it(`satisfies ${name}`, () => {
      const validate = new Ajv2020({ strict: false }).compile(schema)
      const instance = instanceOf(schema)
      assert.ok(validate(instance), `${JSON.stringify(instance)}: ${JSON.stringify(validate.errors)}`)
    })
  }
  it('understands Gemini\'s upper-case types', () => {
    assert.deepEqual(instanceOf({ type: 'OBJECT', required: ['a'], properties: { a: { type: 'STRING' } } }), { a: 'x' })
  })
  it('ends on a schema that demands endless nesting', () => {
    assert.equal(typeof instanceOf({ type: 'object', required: ['a'], properties: { a: { $ref: '#' } } }), 'object')
  })
})

describe('the fake clock', () => {
  it('stands still until it is advanced; setting the wall back leaves the monotonic clock alone', () => {
    const ambient = createFakeAmbient({ now: 1000 })
    ambient.advance(50)
    ambient.set(10)
    assert.deepEqual([ambient.now(), ambient.monotonic()], [10, 50])
  })
  it('throws the same dice for the same seed and others for another', () => {
    const draw = (seed: number) => { const it = createFakeAmbient({ seed }); return [
      it.random(), it.random(), ...it.bytes(4)
    ] }
    assert.deepEqual(draw(7), draw(7))
    assert.notDeepEqual(draw(7), draw(8))
    const many = createFakeAmbient()
    const mean = Array.from({ length: 10_000 }, () => many.random()).reduce((sum, it) => sum + it) / 10_000
    assert.ok(mean > 0.49 && mean < 0.51, `mean ${mean}`)
  })
})

describe('the manual', () => {
  const manual = readFileSync(new URL('../../docs/fake-upstream.md', import.meta.url), 'utf8')
  it('names every key, scene and shape, so that none is found by reading the source only', () => {
    const names = [
      ...Object.keys(ORDER_KEYS), ...Object.keys(SCENES), ...Object.keys(FRAMING_SHAPES),
      ...FAKE_DIALECTS.flatMap((it) => Object.keys(it.shapes))
    ]
    assert.deepEqual(names.filter((name) => !manual.includes(`\`${name}\``)), [])
  })
})
