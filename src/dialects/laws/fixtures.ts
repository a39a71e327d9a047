import assert from 'node:assert/strict'
import { malformed, type ChatEvent } from '../../core/index.ts'
import { short } from './notation.ts'

/**
 * Holds events against a fixture's, and against the grammar. Ids that the upstream left out are made up: fixtures write
 * `*` for them. A fault may be named by its kind alone.
 */
export function assertEvents(actual: readonly ChatEvent[], expected: readonly unknown[]): void {
  assert.equal(malformed(actual), null)
  const shown = actual.map((event, at) => {
    const it = short(event) as { open?: [number, number, { id?: string }]; fault?: string[] }
    const wanted = expected[at] as typeof it | undefined
    if (it.open && wanted?.open?.[2].id === '*') {
      assert.match(it.open[2].id ?? '', /^call_[0-9a-f]{24}$/)
      it.open[2] = { ...it.open[2], id: '*' }
    }
    if (it.fault && wanted?.fault?.length === 1) it.fault.length = 1
    return it
  })
  assert.deepEqual(shown, expected)
}
