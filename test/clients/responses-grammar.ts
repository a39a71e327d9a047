/** A stream of Responses events held against OpenAI's own types, and against the order that they promise. */
import assert from 'node:assert/strict'
import path from 'node:path'
import { officialTypes } from './official-types.ts'
import { ROOT } from './running.ts'

// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>

const types = officialTypes(path.join(ROOT, 'node_modules/openai/resources/responses/responses.d.ts'))
const ENDS = ['response.completed', 'response.incomplete', 'response.failed']

/** The events of a stream as it came over the wire. Each frame names its type twice. */
export function eventsOf(raw: string): Loose[] {
  assert.ok(raw.endsWith('\n\n'), `the stream ends in the middle of a frame: ${JSON.stringify(raw.slice(-100))}`)
  const frames = raw.split('\n\n').filter((frame) => frame !== '' && !frame.startsWith(':'))
  if (frames.at(-1) === 'data: [DONE]') frames.pop()
  return frames.map((frame) => {
    const [, name, data] = /^event: (\S+)\ndata: (.*)$/.exec(frame) ?? assert.fail(`a frame that is no event: ${frame}`)
    const event = JSON.parse(data!) as Loose
    assert.equal(event['type'], name)
    return event
  })
}

/** Whether a value is what OpenAI's client types promise. */
export function assertTyped(type: string, value: unknown): void {
  assert.equal(types.differs(type, value), null)
}

/** The same for a type of another part of the client. */
export function assertTypedIn(part: string, type: string, value: unknown): void {
  assert.equal(officialTypes(path.join(ROOT, `node_modules/openai/resources/${part}.d.ts`)).differs(type, value), null)
}

/** The types of events that OpenAI's client knows. */
export const KNOWN_EVENTS: readonly string[] = types.literals('ResponseStreamEvent', 'type')

/**
 * Every event of the official type; numbers without gaps; created first and one end last; what is opened is closed, in
 * that order, under one id; deltas add up to what their `done` says; and the last response holds exactly the items.
 */
export function assertEvents(events: readonly Loose[]): void {
  const [first] = events
  const last = events.at(-1)!
  assert.deepEqual(events.map((event) => event['sequence_number']), events.map((_, at) => at), 'the numbers have a gap')
  for (const event of events) {
    // What no client knows yet is passed on as it came from its maker.
    const native = String(event['type']).startsWith('response.output_item.') && !KNOWN_ITEMS.has(event['item'].type)
    const fields = UNTYPED[event['type']]
    if (fields) assert.deepEqual(Object.keys(event), fields)
    else if (!native && !holdsNative(event)) assertTyped('ResponseStreamEvent', event)
  }
  assert.equal(first!['type'], 'response.created')
  const begun = events[1]!['type'] === 'response.queued' ? 2 : 1
  assert.equal(events[begun]!['type'], events.length === begun + 1 ? last['type'] : 'response.in_progress')
  assert.ok(ENDS.includes(last['type']), last['type'])
  assert.equal(events.filter((event) => ENDS.includes(event['type'])).length, 1)
  assert.equal(last['response'].id, first!['response'].id)

  const open = new Map<number, Loose>()
  const texts = new Map<string, string>()
  const parts = new Set<string>()
  const unsaid = new Set<string>()
  const done: Loose[] = []
  for (const event of events) {
    const { type, output_index: at, item, item_id: id } = event
    if (type === 'response.output_item.added') {
      assert.equal(at, open.size + done.filter((it) => it !== undefined).length, 'indices count up')
      open.set(at, item)
    } else if (type === 'response.output_item.done') {
      assert.equal(open.get(at)?.['id'], item.id)
      open.delete(at)
      done[at] = item
    } else if (id !== undefined) assert.equal(open.get(at)?.['id'], id, `${type} is about an item that is not open`)
    const key = `${at} ${event['content_index'] ?? ''} ${event['summary_index'] ?? ''} ${String(type).replace(/\.(delta|done)$/, '')}`
    const part = `${at} ${event['content_index'] ?? ''} ${event['summary_index'] ?? ''}`
    if (type.endsWith('_part.added')) parts.add(part)
    if (type.endsWith('_part.done')) assert.ok(parts.delete(part), `${type} of what was not added`)
    if (type.endsWith('.delta')) {
      unsaid.add(key)
      texts.set(key, (texts.get(key) ?? '') + event['delta'])
    } else if (type.endsWith('.done')) unsaid.delete(key)
    const whole = event['text'] ?? event['arguments'] ?? event['input'] ?? event['refusal'] ?? event['diff']
    if (type.endsWith('.done') && whole !== undefined) assert.equal(texts.get(key) ?? '', whole, `${type} is not what its deltas were`)
  }
  if (last['type'] === 'response.failed' || last['response'].status === 'cancelled') return
  assert.equal(open.size, 0, 'an item was left open')
  assert.deepEqual([...parts], [], 'a part was left open')
  assert.deepEqual([...unsaid].filter((key) => !key.includes('audio')), [], 'a text was never said whole')
  assert.deepEqual(last['response'].output, done)
  const said = done.flatMap((item) => (item['type'] === 'message' ? item['content'] : [])).map((part: Loose) => (part['type'] === 'output_text' ? part['text'] : ''))
  assert.equal(last['response'].output_text, said.join(''))
}

/** What OpenAI sends on the way to a patch: OpenRouter's client and Vercel's have types for it, its own has none. */
export const UNTYPED: Readonly<Record<string, readonly string[]>> = {
  'response.apply_patch_call_operation_diff.delta': ['type', 'sequence_number', 'item_id', 'output_index', 'delta'],
  'response.apply_patch_call_operation_diff.done': ['type', 'sequence_number', 'item_id', 'output_index', 'diff'],
}

const KNOWN_ITEMS = new Set(types.literals('ResponseOutputItem', 'type'))
const holdsNative = (event: Loose): boolean =>
  ENDS.includes(event['type']) && event['response'].output.some((item: Loose) => !KNOWN_ITEMS.has(item['type']))
