import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ELSEWHERE, flagsOf, INFORMATION, QUIRKS, TOLERATED } from './quirks.ts'

const CATALOGUE = JSON.parse(readFileSync(new URL('../../catalog/data/providers.json', import.meta.url), 'utf8')) as {
  quirk_codes: Record<string, string>
  providers: { slug: string; protocol: string | null; quirks: string[] }[]
}
const PLACES = { acted: Object.keys(QUIRKS), tolerated: TOLERATED, elsewhere: ELSEWHERE, information: INFORMATION }

test('every quirk of the catalogue has exactly one place here: acted on, tolerated, elsewhere, or information', () => {
  for (const code of Object.keys(CATALOGUE.quirk_codes)) {
    const found = Object.entries(PLACES).filter(([, codes]) => codes.includes(code)).map(([place]) => place)
    assert.equal(found.length, 1, `${code}: ${found.join(', ') || 'nowhere'}`)
  }
})

test('no place names a code that the catalogue does not know, but for the two that only an operator sets', () => {
  const unknown = Object.values(PLACES).flat().filter((code) => !(code in CATALOGUE.quirk_codes))
  assert.deepEqual(unknown, ['tool-choice-any', 'think-open'])
})

test('flags of an endpoint add up, and unknown codes do nothing', () => {
  const plain = flagsOf(new Set())
  assert.deepEqual(flagsOf(new Set(['ndjson', 'what-is-this'])), plain)
  assert.deepEqual(flagsOf(new Set(['random-seed-name', 'prefix-flag'])), { ...plain, randomSeed: true, prefix: true })
})
