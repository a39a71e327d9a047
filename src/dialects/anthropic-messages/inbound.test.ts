import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collectNow, fault, FAULTS, malformed, type ChatEvent, type FaultKind } from '../../core/index.ts'
import { framesOfSse, testInboundFixtures } from '../laws/inbound-fixtures.ts'
import { aTarget } from '../laws/endpoint.ts'
import { joined } from '../laws/notation.ts'
import { inbound } from './inbound.ts'
import { outbound } from './outbound.ts'
import { fc } from '../../../test/properties.ts'

testInboundFixtures(inbound, new URL('fixtures/inbound/', import.meta.url), framesOfSse)

const META = { id: 'gen-1', created: 1, model: 'a/b', provider: 'Host' }

test('every failure has one of the types that Anthropic\'s clients know, and says its generation', () => {
  const known = ['authentication_error', 'permission_error', 'billing_error', 'not_found_error', 'rate_limit_error', 'overloaded_error', 'timeout_error',
    'invalid_request_error', 'api_error', 'request_too_large']
  for (const kind of Object.keys(FAULTS) as FaultKind[]) {
    const { status, body } = inbound.fault(fault(kind, 'words'), undefined, 'gen-1')
    const parsed = JSON.parse(body) as { type: string; error: { type: string; message: string }; request_id: string }
    assert.equal(status, FAULTS[kind].status)
    assert.equal(parsed.type, 'error')
    assert.ok(known.includes(parsed.error.type), parsed.error.type)
    assert.deepEqual([parsed.error.message, parsed.request_id], [kind === 'context-length' ? 'prompt is too long: words' : 'words', 'gen-1'])
  }
})

test("a prompt that does not fit is told in the words that Anthropic's clients look for, once, whole and in a stream", () => {
  const anthropics = 'Prompt is too long: 210000 tokens > 200000 maximum'
  for (const [said, told] of [[anthropics, anthropics], ['The maximum context length is 8192 tokens.', 'prompt is too long: The maximum context length is 8192 tokens.']] as const) {
    const failed = fault('context-length', said)
    const whole = JSON.parse(inbound.fault(failed).body) as { error: { message: string } }
    const framed = framesOfSse(inbound.faultFrames(failed, { id: 'gen-1', created: 1 })).at(-1) as typeof whole
    assert.deepEqual([whole.error.message, framed.error.message], [told, told])
  }
})

test('an error in the midst of a stream is its last event', () => {
  const encoder = inbound.encoder(META)
  const stream = encoder.push([{ type: 'start' }, { type: 'block-open', index: 0, choice: 0, block: { type: 'text' } }, { type: 'block-delta', index: 0, text: 'Hi' }])
    + encoder.push([{ type: 'fault', fault: fault('overloaded', 'Busy') }]) + encoder.end({ any: 'thing' })
  const last = framesOfSse(stream).at(-1) as { type: string; error: { type: string } }
  assert.deepEqual([last.type, last.error.type], ['error', 'overloaded_error'])
})

/* What we tell a client of this format, read by the reader that we read Anthropic itself with. */

const index = fc.nat(3)
const block = fc.constantFrom(
  { type: 'text' as const }, { type: 'reasoning' as const }, { type: 'reasoning' as const, format: 'anthropic-claude-v1' },
  { type: 'tool-call' as const, id: 'a', name: 'f', form: 'function' as const },
  { type: 'native' as const, dialect: 'anthropic-messages', value: { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'q' } } },
)
/** Replies with blocks that lie side by side, as formats that interleave parallel calls make them. */
const replies = fc.array(fc.record({ block, pieces: fc.array(fc.constantFrom('a', ' "b"\n', '漢', '{}', '\\'), { maxLength: 3 }), sealed: fc.boolean() }), { maxLength: 4 })
  .chain((blocks) => fc.shuffledSubarray(blocks.flatMap((_, at) => [at, at, at]), { minLength: blocks.length * 3 }).map((order) => eventsOf(blocks, order)))

function eventsOf(blocks: readonly { block: ChatEvent & never | object; pieces: readonly string[]; sealed: boolean }[], order: readonly number[]): ChatEvent[] {
  const events: ChatEvent[] = [{ type: 'start' }]
  const turns = blocks.map(() => 0)
  const opened = new Map<number, number>()
  for (const at of order) {
    const { block, pieces, sealed } = blocks[at]! as { block: Extract<ChatEvent, { type: 'block-open' }>['block']; pieces: readonly string[]; sealed: boolean }
    const turn = turns[at]!++
    if (turn === 0) {
      opened.set(at, opened.size)
      events.push({ type: 'block-open', index: opened.get(at)!, choice: 0, block: block.type === 'tool-call' ? { ...block, id: `call_${at}` } : block })
    } else if (turn === 1 && block.type !== 'native') for (const text of pieces) events.push({ type: 'block-delta', index: opened.get(at)!, text })
    else if (turn === 2) {
      const seal = sealed && block.type === 'reasoning' ? { seal: { format: 'anthropic-claude-v1', kind: 'signature' as const, value: 'Sig' } } : {}
      events.push({ type: 'block-close', index: opened.get(at)!, ...seal })
    }
  }
  return [...events, { type: 'finish', choice: 0, reason: blocks.some(({ block }) => (block as { type: string }).type === 'tool-call') ? 'tool_calls' : 'stop' }]
}

test('what is told in a stream is read back as it was, block by block, also where blocks lay side by side', () => {
  fc.assert(fc.property(replies, index, (events, cut) => {
    assert.equal(malformed(events), null)
    const encoder = inbound.encoder(META)
    const stream = encoder.push(events.slice(0, cut)) + encoder.push(events.slice(cut)) + encoder.end()
    const decoder = outbound.decoder(aTarget({ dialect: 'anthropic-messages' }, { stream: true }))
    const back = joined([...decoder.push(Buffer.from(stream)), ...decoder.end()])
    assert.equal(malformed(back), null, stream)
    assert.deepEqual(said(back), said(events), stream)
    assert.deepEqual(back.find((event) => event.type === 'finish')!.reason, events.find((event) => event.type === 'finish')!.reason)
  }), { numRuns: 500 })
})

test('what is told whole is read back as it was, too', () => {
  fc.assert(fc.property(replies, (events) => {
    const { body } = inbound.reply(collectNow(events), META)
    const back = outbound.decodeReply(Buffer.from(body), aTarget())
    // Of the arguments of a call a whole answer keeps the object that they are; what is none is told as the text that it is.
    const json = (it: readonly unknown[][]): unknown[][] => it.map(([type, text, ...rest]) => (type === 'tool-call' ? [type, objectIn(String(text)), ...rest] : [type, text, ...rest]))
    assert.deepEqual(json(said(back)), json(said(events)), body)
  }), { numRuns: 500 })
})

function objectIn(text: string): unknown {
  const input = text.trim()
  if (input === '') return {}
  try {
    const value: unknown = JSON.parse(input)
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // Not JSON: the text stands in an object.
  }
  return { input: text }
}

/** What each block says, without blocks that say nothing: those are not told. */
function said(events: readonly ChatEvent[]): unknown[][] {
  return collectNow(events).choices[0]?.parts.flatMap((part): unknown[][] => {
    if (part.type === 'tool-call') return [[part.type, part.input === '{}' ? '' : part.input, part.id]]
    if (part.type === 'native') return [[part.type, '', part.value]]
    if (part.type === 'reasoning') return part.text === '' && !part.seal ? [] : [[part.type, part.text, part.seal]]
    return 'text' in part && part.text !== '' ? [[part.type, part.text]] : []
  }) ?? []
}
