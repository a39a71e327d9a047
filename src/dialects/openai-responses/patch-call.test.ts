import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ChatEvent } from '../../core/index.ts'
import { fc } from '../../../test/properties.ts'
import { ResponseEncoder } from './encoder.ts'
import { PatchReader } from './patch-call.ts'

/** A patch on its way to a caller: the diff is told as it comes, and whole at the end. */

// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>

const OPERATION = { type: 'update_file', path: 'a/"b".ts', diff: '@@\n-\told\n+\u{1F600} "new" \\n\n' }
const eventsOf = (pieces: readonly string[]): readonly Loose[] => {
  const encoder = new ResponseEncoder({ id: 'gen-1-Abc', created: 1 })
  const events: ChatEvent[] = [
    { type: 'start' }, { type: 'block-open', index: 0, choice: 0, block: { type: 'tool-call', id: 'call_a', name: 'apply_patch', form: 'function', as: 'apply_patch' } },
    ...pieces.map((text): ChatEvent => ({ type: 'block-delta', index: 0, text })), { type: 'block-close', index: 0 }, { type: 'finish', choice: 0, reason: 'tool_calls' },
  ]
  const written = events.map((event) => encoder.push([event])).join('') + encoder.end()
  return [...written.matchAll(/^data: (\{.*)$/gm)].map(([, json]) => JSON.parse(json!) as Loose)
}
const typesOf = (events: readonly Loose[]): readonly string[] => events.map(({ type }) => String(type).replace('response.', '')).filter((type) => !/created|in_progress|completed/.test(type))

describe("A patch, as OpenAI's clients read it", () => {
  test('is an item of its own, whose diff is told on the way', () => {
    const text = JSON.stringify(OPERATION)
    const at = text.indexOf('old')
    const events = eventsOf([text.slice(0, at), text.slice(at)])
    assert.deepEqual(typesOf(events), ['output_item.added', 'apply_patch_call_operation_diff.delta', 'apply_patch_call_operation_diff.delta', 'apply_patch_call_operation_diff.done', 'output_item.done'])
    const item = { type: 'apply_patch_call', id: 'apc_Abc0', call_id: 'call_a' }
    assert.deepEqual(events[2]!['item'], { ...item, operation: { ...OPERATION, diff: '' }, status: 'in_progress' })
    assert.deepEqual([events[3]!['delta'], events[3]!['item_id'], events[3]!['output_index']], ['@@\n-\t', 'apc_Abc0', 0])
    assert.equal(events[5]!['diff'], OPERATION.diff)
    const whole = { ...item, operation: OPERATION, status: 'completed' }
    assert.deepEqual([events[6]!['item'], events.at(-1)!['response'].output], [whole, [whole]])
  })

  test('is told at its end where its keys come in another order, and has no diff where a file is deleted', () => {
    const { diff, path } = OPERATION
    const turned = eventsOf([JSON.stringify({ diff, path, type: 'update_file' })])
    assert.deepEqual(typesOf(turned), ['output_item.added', 'apply_patch_call_operation_diff.delta', 'apply_patch_call_operation_diff.done', 'output_item.done'])
    assert.equal(turned[3]!['delta'], diff)
    const deleted = eventsOf(['{"type":"delete_file","path":"x"}'])
    assert.deepEqual(typesOf(deleted), ['output_item.added', 'output_item.done'])
    assert.deepEqual(deleted[3]!['item'].operation, { type: 'delete_file', path: 'x' })
  })

  test('that is cut off has what came of it, and one that cannot be read stays the call of a function', () => {
    const cut = eventsOf(['{"type":"update_file","path":"x","diff":"@@\\n-a'])
    assert.deepEqual(cut.at(-1)!['response'].output[0].operation, { type: 'update_file', path: 'x', diff: '@@\n-a' })
    const broken = eventsOf(['{"patch": '])
    assert.deepEqual([broken.at(-1)!['response'].output[0].type, broken.at(-1)!['response'].output[0].arguments], ['function_call', '{"patch": '])
  })

  test('is read the same wherever it is cut', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }), fc.array(fc.nat(20)), (path, diff, cuts) => {
      const text = JSON.stringify({ type: 'create_file', path: path || 'x', diff })
      const reader = new PatchReader()
      let told = ''
      let at = 0
      for (const length of cuts) {
        told += reader.push(text.slice(at, at + length))
        at += length
      }
      told += reader.push(text.slice(at))
      assert.deepEqual([told, reader.diff, reader.head], [diff, diff, { type: 'create_file', path: path || 'x' }])
    }))
  })
})
