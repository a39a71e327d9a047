import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { malformed, type ChatEvent } from '../../core/index.ts'
import { aTarget } from '../laws/endpoint.ts'
import { assertEvents } from '../laws/fixtures.ts'
import { joined } from '../laws/notation.ts'
import { outbound } from './outbound.ts'

const STREAMS = new URL('fixtures/streams/', import.meta.url)
const WHOLES = new URL('fixtures/wholes/', import.meta.url)
const FAULTS = new URL('fixtures/faults/', import.meta.url)
const TARGET = aTarget({ dialect: 'anthropic-messages' }, { stream: true })

function readAll(pieces: readonly Uint8Array[]): ChatEvent[] {
  const decoder = outbound.decoder(TARGET)
  return [...pieces.flatMap((piece) => decoder.push(piece)), ...decoder.end()]
}

const streams = readdirSync(STREAMS).filter((name) => name.endsWith('.sse'))

for (const file of streams) {
  const bytes = readFileSync(new URL(file, STREAMS))
  const expected = readFileSync(new URL(file.replace('.sse', '.events.jsonl'), STREAMS), 'utf8')
    .trim().split('\n').map((line) => JSON.parse(line) as unknown)
  test(`reads ${file.slice(0, -4)}: ${/^: (.*)/.exec(bytes.toString())?.[1] ?? file}`, () => {
    assertEvents(readAll([bytes]), expected)
  })

  test(`${file.slice(0, -4)}, cut at any byte, never passes for a whole answer that it is not`, () => {
    const whole = joined(readAll([bytes]))
    const content = (events: readonly ChatEvent[]) => JSON.stringify(events.filter((event) => event.type.startsWith('block') || event.type === 'finish'))
    for (let at = 0; at < bytes.length; at++) {
      const events = joined(readAll([bytes.subarray(0, at)]))
      assert.equal(malformed(events), null, `cut at ${at}`)
      const last = events.at(-1)!
      if (last.type === 'fault') continue
      assert.equal(content(events), content(whole), `cut at ${at}`)
    }
  })
}

test('a stream is done at message_stop, so that its connection is free before the provider closes it', () => {
  const bytes = readFileSync(new URL('text.sse', STREAMS))
  const decoder = outbound.decoder(TARGET)
  decoder.push(bytes.subarray(0, bytes.length - 40))
  assert.equal(decoder.done, false)
  decoder.push(bytes.subarray(bytes.length - 40))
  assert.equal(decoder.done, true)
  assert.deepEqual(decoder.push(bytes), [])
  assert.deepEqual(decoder.end(), [])
})

test('bytes that are no stream at all end in a fault and never throw', () => {
  for (const text of ['\u0000', 'data: null\n\n', 'data: []\n\n', 'data: 1\n\n', 'data: {"type":"message_start","message":7}\n\n',
    'data: {"type":"content_block_start","index":"x","content_block":{"type":"tool_use","name":7,"input":"no"}}\n\n',
    'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":{}}}\n\n', 'event: message_stop\n']) {
    const events = readAll([Buffer.from(text)])
    assert.equal(malformed(events), null, text)
    assert.equal(events.at(-1)!.type, 'fault', text)
  }
})

for (const file of readdirSync(WHOLES)) {
  const fixture = JSON.parse(readFileSync(new URL(file, WHOLES), 'utf8')) as { says: string; body: unknown; events: unknown[] }
  test(`reads a whole reply, ${file.slice(0, -5)}: ${fixture.says}`, () => {
    const body = typeof fixture.body === 'string' ? fixture.body : JSON.stringify(fixture.body)
    assertEvents(outbound.decodeReply(Buffer.from(body), aTarget()), fixture.events)
  })
}

interface FaultFixture {
  readonly says: string
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body: unknown
  readonly fault: Record<string, unknown>
}

for (const fixture of JSON.parse(readFileSync(new URL('faults.json', FAULTS), 'utf8')) as FaultFixture[]) {
  test(`reads a failure: ${fixture.says}`, () => {
    const body = typeof fixture.body === 'string' ? fixture.body : JSON.stringify(fixture.body)
    const found = outbound.decodeFault(fixture.status, fixture.headers ?? {}, Buffer.from(body), aTarget({ providerName: 'Anthropic' }))
    const { upstream, ...rest } = found
    const shown: Record<string, unknown> = { ...rest, status: upstream?.status }
    assert.deepEqual(Object.fromEntries(Object.keys(fixture.fault).map((key) => [key, shown[key]])), fixture.fault)
    assert.doesNotMatch(JSON.stringify(found), /sk-ant-/)
    assert.ok((upstream?.raw ?? '').length <= 2048)
  })
}
