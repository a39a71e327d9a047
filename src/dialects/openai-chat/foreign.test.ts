import assert from 'node:assert/strict'
import { test } from 'node:test'
import { arrayOf, isObject } from './foreign.ts'
import { fc } from '../../../test/properties.ts'

test('of a list only its objects are read, and a list of objects is not copied', () => {
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 2 }), (value) => {
    const read = arrayOf(value)
    assert.deepEqual(read, Array.isArray(value) ? value.filter(isObject) : [])
    if (Array.isArray(value) && value.length > 0 && value.every(isObject)) assert.equal(read, value)
  }))
})
