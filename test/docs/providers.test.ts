/** The manual of providers is what the catalogue and the registry say, and its exceptions are few and reviewed. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ROWS, table } from './providers.ts'

const manual = readFileSync(new URL('../../docs/providers.md', import.meta.url), 'utf8')

test('the table of providers is the one that the catalogue and the wire formats make (print it with: node test/docs/providers.ts)', () => {
  assert.equal(manual.slice(manual.indexOf('| provider | slug |')).trim(), table())
})

test('at most ten providers with endpoints are not called, each exists, and each says what is missing', () => {
  const exceptions = [...manual.matchAll(/^\| `([\w-]+)` \| ([^|]+) \| ([^|]+) \|$/gm)]
  assert.ok(exceptions.length > 0 && exceptions.length <= 10, String(exceptions.length))
  for (const [, slug = '', why = '', missing = ''] of exceptions) {
    assert.ok(ROWS.some((row) => row.slug === slug && row.endpoints > 0), slug)
    assert.ok(why.trim().length > 3 && missing.trim().length > 10, slug)
  }
})
