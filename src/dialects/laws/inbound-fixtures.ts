import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { collectNow, malformed, usage, type ChatEvent } from '../../core/index.ts'
import type { Inbound, ReplyMeta } from '../dialect.ts'
import { parseUpstream } from '../json.ts'

/**
 * Fixtures of a face for callers, written by hand from the documents of its format: `requests` are bodies with what they
 * mean, `refused` bodies with the words of their refusal, `replies` are events with the JSON answer and the events of
 * the stream that they are.
 */

interface RequestFixture {
  readonly says: string
  readonly headers?: Record<string, string>
  readonly body: unknown
  /** The canonical request, without its origin and without whose the extras are. */
  readonly request: unknown
  /** What else is asked for; what is not named is not compared. */
  readonly asked?: Record<string, unknown>
}

interface RefusedFixture {
  readonly says: string
  readonly body: unknown
  readonly field: string
  /** A part of the message. */
  readonly words: string
}

interface ReplyFixture {
  readonly says: string
  readonly events: readonly Record<string, unknown>[]
  readonly whole?: unknown
  /** Status of the whole answer; 200 by default. */
  readonly status?: number
  /** The events of the stream: their data, or pieces of the stream that are no JSON as they are. */
  readonly stream: readonly unknown[]
}

const META: ReplyMeta = { id: 'gen-1', created: 1_790_000_000, model: 'author/model', provider: 'Host' }

/** Declares a test for each fixture in a folder. `framesOf` takes a stream apart into what the fixtures write down. */
/** `to` is the request that the replies answer, where that decides how they are told. */
export function testInboundFixtures(inbound: Inbound, folder: URL, framesOf: (stream: string) => readonly unknown[], to?: unknown): void {
  const read = to === undefined ? undefined : inbound.decode(to)
  const meta: ReplyMeta = read && 'asked' in read ? { ...META, asked: read.asked } : META
  for (const [file, fixture] of fixturesIn<RequestFixture>(new URL('requests/', folder))) {
    test(`hears ${file}: ${fixture.says}`, () => {
      const read = inbound.decode(fixture.body, undefined, fixture.headers)
      assert.ok('asked' in read, JSON.stringify(read))
      const { origin, extrasFrom: _, ...request } = read.asked.operation.request
      assert.deepEqual(jsonOf(JSON.stringify(request)), fixture.request)
      for (const [key, value] of Object.entries(fixture.asked ?? {})) {
        const found: unknown = key === 'headers' ? origin?.headers : read.asked[key as keyof typeof read.asked]
        assert.deepEqual(jsonOf(JSON.stringify(found)), value, key)
      }
    })
  }
  for (const fixture of fixturesIn<readonly RefusedFixture[]>(new URL('refused/', folder)).flatMap(([, list]) => list)) {
    test(`refuses ${fixture.says}`, () => {
      const read = inbound.decode(fixture.body)
      assert.ok('fault' in read, 'it was taken')
      assert.equal(read.fault.kind, 'invalid-request')
      assert.equal(read.fault.field, fixture.field)
      assert.ok(read.fault.message.includes(fixture.words), read.fault.message)
    })
  }
  for (const [file, fixture] of fixturesIn<ReplyFixture>(new URL('replies/', folder))) {
    const events = fixture.events.map(eventOf)
    test(`says ${file} whole: ${fixture.says}`, { skip: fixture.whole === undefined }, () => {
      assert.equal(malformed(events), null)
      const { status, body } = inbound.reply(collectNow(events), meta)
      assert.equal(status, fixture.status ?? 200)
      assert.deepEqual(jsonOf(body), fixture.whole)
    })
    test(`says ${file} in a stream, however its events come together: ${fixture.says}`, () => {
      for (const batches of [events.map((event) => [event]), [events]]) {
        const encoder = inbound.encoder(meta)
        const stream = batches.map((batch) => encoder.push(batch)).join('') + encoder.end()
        assert.deepEqual(framesOf(stream), fixture.stream)
      }
    })
  }
}

/** The frames of server-sent events: the data of each, which must be of the type that its event line says. */
export function framesOfSse(stream: string): readonly unknown[] {
  return stream.split('\n\n').filter((frame) => frame !== '').map((frame) => {
    const [, event] = /^event: (.*)\n/.exec(frame) ?? []
    const text = frame.replace(/^event: .*\n/, '').replace(/^data: /, '')
    if (!text.startsWith('{')) return text
    const data = jsonOf(text) as { type?: string }
    if (event !== undefined) assert.equal(data.type, event)
    return data
  })
}

/** An event as fixtures write it: as it is, but for usage, of which only figures that are not 0 stand there. */
function eventOf(event: Record<string, unknown>): ChatEvent {
  if (event['type'] === 'start' && event['usage'] !== undefined) {
    const { input, output } = event['usage'] as { input: object; output: object }
    return { ...event, type: 'start', usage: usage(input, output) }
  }
  if (event['type'] !== 'usage') return event as unknown as ChatEvent
  const { input, output, services } = event as { input: object; output: object; services?: Record<string, number> }
  const used = usage(input, output, services ? { services } : {})
  return { type: 'usage', usage: used, charge: { total: 1_500_000n, prompt: 1_000_000_000_000_000n, completion: 500_000_000_000_000n, services: 0n } }
}

function jsonOf(text: string): unknown {
  const parsed = parseUpstream(text)
  assert.ok('value' in parsed, text)
  return parsed.value
}

function fixturesIn<T>(folder: URL): [string, T][] {
  if (!existsSync(folder)) return []
  return readdirSync(folder).map((file) => [file.slice(0, -5), jsonOf(readFileSync(new URL(file, folder), 'utf8')) as T])
}
