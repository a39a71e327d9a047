import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FaultError } from '../core/index.ts'
import { operationIn } from './apply-patch.ts'

/** Which patches a caller is handed, and what a model is told of one that could not be applied. */

const slip = (args: Record<string, unknown>): string | null => {
  try {
    operationIn(args)
    return null
  } catch (error) {
    assert.ok(error instanceof FaultError)
    return error.fault.message
  }
}
const change = (...lines: readonly string[]): string | null => slip({ type: 'update_file', path: 'a.ts', diff: lines.join('\n') })

describe('A change of a file', () => {
  test('is sections of lines that stay, go and come, with or without a word on where they are', () => {
    assert.equal(change('@@ function main() {', ' const a = 1', '-old()', '+new_()', '', ' }', '@@', '+last', '*** End of File', ''), null)
    assert.equal(change('-old', '+new'), null)
    assert.equal(slip({ type: 'update_file', path: 'a.ts', diff: '@@\r\n-old\r\n+new\r\n' }), null)
  })

  test('that has a line of no kind, numbers, an envelope or nothing to change says which line it is', () => {
    for (const [lines, words] of [
      [['@@', 'old', '+new'], /line 2 is "old"$/], [['@@ -1,2 +1,3 @@', '-a', '+b'], /no line numbers, line 1/], [['@@def main', '+b'], /behind "@@" stands a space, line 1/],
      [['*** Begin Patch', '*** Update File: a.ts', '@@', '+b'], /of one file.*line 1/], [['@@', '-a', '*** End Patch'], /of one file.*line 3/],
      [['@@', '@@ here', '+b'], /no lines, above line 2/], [['@@', '+b', '@@'], /the last section has no lines/], [['@@', '*** End of File'], /no lines, above line 2/],
      [['@@', '+b', '*** End of File', '+c'], /only another section.*line 4/], [['@@', ' a', ' b'], /changes nothing/], [[''], /changes nothing/],
    ] as const) assert.match(String(change(...lines)), words)
  })
})

describe('A new file, and one that goes', () => {
  test('has only lines that come; it may be empty', () => {
    assert.equal(slip({ type: 'create_file', path: 'a.ts', diff: '+one\n+\n+two\n' }), null)
    assert.equal(slip({ type: 'create_file', path: 'a.ts', diff: '' }), null)
    assert.match(String(slip({ type: 'create_file', path: 'a.ts', diff: '+one\ntwo' })), /begin with "\+", line 2 is "two"/)
    assert.match(String(slip({ type: 'create_file', path: 'a.ts' })), /diff has to be a text/)
  })

  test('has no diff where it is deleted', () => {
    assert.deepEqual(operationIn({ type: 'delete_file', path: 'a.ts', diff: null }), { type: 'delete_file', path: 'a.ts' })
    assert.match(String(slip({ type: 'delete_file', path: 'a.ts', diff: '-a' })), /left out/)
  })

  test('is named by a path of one line, in an operation that there is', () => {
    assert.match(String(slip({ type: 'rename_file', path: 'a' })), /type has to be one of create_file, update_file, delete_file/)
    assert.match(String(slip({ operation: { type: 'delete_file', path: 'a' } })), /type has to be one of/)
    for (const path of ['', ' ', 7, undefined]) assert.match(String(slip({ type: 'delete_file', path })), /path has to name a file/)
    for (const path of ['a\nb', 'a\u0000', 'x'.repeat(5000)]) assert.match(String(slip({ type: 'delete_file', path })), /one line of at most/)
  })

  test('is handed on without what nobody asked for', () => {
    assert.deepEqual(operationIn({ extra: 1, diff: '+a', path: 'a', type: 'create_file' }), { type: 'create_file', path: 'a', diff: '+a' })
  })
})
