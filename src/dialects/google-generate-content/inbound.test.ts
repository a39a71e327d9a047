import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault, FAULTS, type FaultKind } from '../../core/index.ts'
import { testInboundFixtures } from '../laws/inbound-fixtures.ts'
import { inbound, inboundAt } from './inbound.ts'

const framesOf = (stream: string): readonly unknown[] => stream.split('\r\n\r\n').filter((frame) => frame !== '').map((frame) => {
  assert.match(frame, /^data: \{/)
  return JSON.parse(frame.slice(6)) as unknown
})

testInboundFixtures(inbound, new URL('fixtures/inbound/', import.meta.url), framesOf)

const shown = inboundAt({ model: 'm', stream: true, framing: 'sse' })
const showing = { contents: [{ parts: [{ text: 'Hi' }] }], generationConfig: { thinkingConfig: { includeThoughts: true } } }
testInboundFixtures(shown, new URL('fixtures/inbound/thoughts/', import.meta.url), framesOf, showing)

test('every failure has a status word of Google\'s, its reason, and its field and wait where it has them', () => {
  for (const kind of Object.keys(FAULTS) as FaultKind[]) {
    const { status, body } = inbound.fault(fault(kind, 'words', { field: 'contents[0]', retryAfterMs: 1500 }))
    const { error } = JSON.parse(body) as { error: { code: number; message: string; status: string; details: Record<string, unknown>[] } }
    assert.deepEqual([error.code, error.message], [status, 'words'])
    assert.match(error.status, /^[A-Z_]+$/)
    assert.notEqual(error.status, 'UNKNOWN', kind)
    assert.equal(error.details[0]!['reason'], FAULTS[kind].type.toUpperCase())
    assert.equal(error.details.at(-1)!['retryDelay'], '2s')
  }
})

test('a list of response objects is one JSON text, also where it breaks off and where only an error comes', () => {
  const face = inboundAt({ model: 'm', stream: true, framing: 'array' })
  const encoder = face.encoder({ id: 'gen-1', created: 1, model: 'a/b', provider: 'Host' })
  const begun = encoder.push([{ type: 'start' }, { type: 'block-open', index: 0, choice: 0, block: { type: 'text' } }, { type: 'block-delta', index: 0, text: 'Hi' }])
  assert.equal((JSON.parse(begun + encoder.push([{ type: 'fault', fault: fault('stream-cut', 'Gone') }]) + encoder.end()) as unknown[]).length, 2)
  assert.equal((JSON.parse(face.heartbeat + face.faultFrames(fault('timeout', 'Late'), { id: 'gen-1', created: 1 })) as { error: { code: number } }[])[0]!.error.code, 504)
  assert.match(face.streamType!, /^application\/json/)
})
