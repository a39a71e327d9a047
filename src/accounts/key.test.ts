import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeAmbient } from '../testing/index.ts'
import { KEY_PATTERN, labelOf, makeKey, malformed } from './key.ts'
import { fc } from '../../test/properties.ts'

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const secrets = fc.uint8Array({ minLength: 32, maxLength: 32 })
const keyOf = (secret: Uint8Array): string => makeKey({ ...createFakeAmbient(), bytes: () => secret })
const valueOf = (digits: string): bigint => [...digits].reduce((sum, digit) => sum * 62n + BigInt(DIGITS.indexOf(digit)), 0n)

describe('a key', () => {
  test('has the published form and is accepted, whatever its random bits are', () => {
    fc.assert(fc.property(secrets, secret => {
      const key = keyOf(secret)
      assert.match(key, /^sk-sb-v1-[0-9A-Za-z]{49}$/)
      assert.equal(malformed(key), null)
    }))
    for (const fill of [0, 255]) assert.equal(malformed(keyOf(new Uint8Array(32).fill(fill))), null)
  })

  test('carries all 256 random bits', () => {
    fc.assert(fc.property(secrets, secret => {
      const carried = valueOf(keyOf(secret).slice(9, 52))
      assert.equal(carried.toString(16).padStart(64, '0'), Buffer.from(secret).toString('hex'))
    }))
  })

  test('is refused when one character of it was mistyped, or two were swapped', () => {
    fc.assert(fc.property(secrets, fc.integer({ min: 9, max: 57 }), fc.integer({ min: 0, max: 61 }), (secret, at, digit) => {
      const key = keyOf(secret)
      const other = key.slice(0, at) + DIGITS[digit] + key.slice(at + 1)
      if (other !== key) assert.match(malformed(other)!, /checksum/)
      const swapped = key.slice(0, at - 1) + key[at] + key[at - 1] + key.slice(at + 1)
      if (swapped !== key) assert.notEqual(malformed(swapped), null)
    }))
  })

  test('ends in the CRC-32 that anybody else would work out for it', () => {
    fc.assert(fc.property(secrets, secret => {
      const key = keyOf(secret)
      assert.equal(valueOf(key.slice(52)), crc32(key.slice(0, 52)))
    }))
  })

  test('shows three characters at either end, as a label', () => {
    const key = keyOf(new Uint8Array(32).fill(7))
    assert.equal(labelOf(key), `${key.slice(0, 12)}...${key.slice(-3)}`)
  })

  test('is found inside other text by scanners', () => {
    const key = keyOf(new Uint8Array(32).fill(9))
    assert.deepEqual(`export KEY="${key}"; # ${key}x`.match(KEY_PATTERN), [key])
  })
})

test('what cannot be a key is refused in words that say why and repeat nothing of it', () => {
  const key = keyOf(new Uint8Array(32).fill(5))
  const cases: [string, RegExp][] = [
    ['sk-or-v1-0123456789abcdef', /begin with "sk-sb-v1-"/],
    [key.slice(0, -1), /has 58 characters, this one has 57/],
    [`${key} `, /has 58 characters, this one has 59/],
    [`${key.slice(0, 20)}'${key.slice(21)}`, /only letters and digits/],
    [`${key.slice(0, 20)}é${key.slice(21)}`, /only letters and digits/],
    [`${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`, /checksum is wrong/],
  ]
  for (const [text, why] of cases) {
    const said = malformed(text)!
    assert.match(said, why)
    assert.ok(!said.includes(text.slice(9)))
  }
})

/** CRC-32 (IEEE 802.3) bit by bit, apart from the one that keys are made with. */
function crc32(text: string): bigint {
  let crc = 0xffffffff
  for (const byte of Buffer.from(text)) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return BigInt((crc ^ 0xffffffff) >>> 0)
}
