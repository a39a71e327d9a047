import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collectNow, fault, malformed, type ChatEvent } from '../core/index.ts'
import { withCallsOf } from './told-source.ts'
import type { Source } from './source.ts'

/** The events of a provider that knows nothing of calls, as they leave for meter, audit and surfaces. */
async function passed(...batches: readonly (readonly ChatEvent[])[]): Promise<readonly ChatEvent[]> {
  const left = [...batches]
  const source: Source = {
    next: () => Promise.resolve(left.shift() ?? null), conclude: () => null, rest: () => [], abort() {}, finished: false, ended: false, status: 200,
  }
  let ids = 0
  const told = withCallsOf(source, { tools: [{ type: 'function', name: 'look' }], stream: true, mend: () => null, makeId: () => `call_${ids++}` })
  const events: ChatEvent[] = []
  for (let batch = await told.next(); batch !== null; batch = await told.next()) events.push(...batch)
  assert.equal(malformed(events), null)
  return events
}
const open = (index: number, choice: number, type: 'text' | 'reasoning' = 'text'): ChatEvent => ({ type: 'block-open', index, choice, block: { type } })
const says = (index: number, text: string): ChatEvent => ({ type: 'block-delta', index, text })
const close = (index: number): ChatEvent => ({ type: 'block-close', index })
const finish = (choice: number, reason: 'stop' | 'length' = 'stop'): ChatEvent => ({ type: 'finish', choice, reason })
const START: ChatEvent = { type: 'start', upstreamId: 'x' }
const CALL = '<tool_call>{"name":"look","arguments":{"a":1}}</tool_call>'

test('choices that speak at once are kept apart, and each ends for its own reason', async () => {
  const { choices } = collectNow(await passed([START, open(0, 0), open(1, 1), says(0, 'One. <tool'), says(1, CALL.slice(0, 30))], [says(0, 'box>'), says(1, CALL.slice(30)), close(1), close(0)], [finish(0), finish(1)]))
  assert.deepEqual(choices.map(({ reason }) => reason), ['stop', 'tool_calls'])
  assert.deepEqual(choices[0]!.parts, [{ type: 'text', text: 'One. <toolbox>' }])
  assert.deepEqual(choices[1]!.parts, [{ type: 'tool-call', id: 'call_0', name: 'look', form: 'function', input: '{"a":1}' }])
})

test('what a model thinks of calls is thought and not called, and keeps its seal', async () => {
  const seal = { format: 'anthropic-claude-v1', kind: 'signature', value: 's' } as const
  const events = await passed([START, open(0, 0, 'reasoning'), says(0, CALL), { type: 'block-close', index: 0, seal }, open(1, 0), says(1, `${CALL}\n${CALL}`), close(1), finish(0)])
  const [thought, ...calls] = collectNow(events).choices[0]!.parts
  assert.deepEqual(thought, { type: 'reasoning', text: CALL, seal })
  assert.deepEqual(calls.map((part) => part.type === 'tool-call' && part.id), ['call_0', 'call_1'])
})

test('what was held back is said before an answer breaks off', async () => {
  const broken: ChatEvent = { type: 'fault', fault: fault('stream-cut', 'cut') }
  assert.deepEqual(collectNow(await passed([START, open(0, 0), says(0, 'One <tool')], [broken])).choices[0]!.parts, [{ type: 'text', text: 'One <tool' }])
})
