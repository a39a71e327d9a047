import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { malformed, rewrite, type ChatEvent, type ChatRequest } from '../core/index.ts'
import type { Inbound, Outbound, Target } from './dialect.ts'
import { DIALECTS } from './index.ts'
import { chatRequests } from './laws/arbitrary.ts'
import { aTarget } from './laws/endpoint.ts'
import { suffer } from './laws/features.ts'
import { joined } from './laws/notation.ts'
import { streamsIn } from './laws/streams.ts'
import { fc } from '../../test/properties.ts'

/** The endpoint with which a format says the most; a dialect that needs nothing of it is not listed. */
const FULLEST: Readonly<Record<string, Parameters<typeof aTarget>[0]>> = {
  'openai-chat': { quirks: ['reasoning-details', 'openai-token-limit-name'] },
  'openai-responses': {
    provider: 'openai', quirks: ['cache-breakpoints'],
    price: { rates: { prompt: 1n, completion: 2n, input_cache_write: 1n }, overrides: [], source: 'operator' },
  },
}

/**
 * Formats with laws on histories, whose writers mend what breaks them (a result without its call, two users in a row),
 * or refuse it (a conversation, where only a prompt can be sent): there the law speaks of what can be said, and the
 * dialect's own tests of what becomes of the rest.
 */
const MENDS: ReadonlySet<string> = new Set(['anthropic-messages', 'google-generate-content', 'openai-completions'])

type Loose = Record<string, unknown>

const chatRequest = chatRequests(fc)

for (const [name, { inbound, outbound }] of DIALECTS) {
  if (inbound && outbound) requestLaws(name, inbound, outbound)
  const folder = new URL(`${name}/fixtures/streams/`, import.meta.url)
  if (outbound && existsSync(folder)) streamLaws(name, outbound, folder)
}

function requestLaws(name: string, inbound: Inbound, outbound: Outbound): void {
  const target = aTarget({ dialect: name, reasoning: { supported: true }, ...FULLEST[name] })

  const written = (request: ChatRequest): Loose => {
    const whole = outbound.encode(request, target)
    // What the format cannot say may also be refused; then the rest must pass.
    const out = 'fault' in whole ? outbound.encode(suffer(request, outbound.cannot), target) : whole
    assert.ok('body' in out, 'fault' in out ? out.fault.message : '')
    return JSON.parse(Buffer.from(out.body as never).toString()) as Loose
  }
  const read = (body: unknown, bytes?: Uint8Array): ChatRequest => {
    const result = inbound.decode(body, bytes)
    assert.ok('asked' in result, 'fault' in result ? `${result.fault.message} in ${JSON.stringify(body)}` : '')
    return result.asked.operation.request
  }

  const told = (request: ChatRequest): ChatRequest => (MENDS.has(name) ? suffer(request, outbound.cannot) : request)

  // A request of which the format can say nothing at all is none in it.
  const sayable = chatRequest.filter((request) => suffer(request, outbound.cannot).messages.length > 0)

  test(`${name}: what is written and read again is what it was, but for what the format says it cannot`, () => {
    fc.assert(fc.property(sayable, (request) => {
      const { origin: _, extrasFrom: __, ...back } = read(written(told(request)))
      assert.deepEqual(back, suffer(request, outbound.cannot))
    }), { numRuns: 400 })
  })

  test(`${name}: whatever a caller's body says beyond what we know reaches a provider of the same format`, () => {
    fc.assert(fc.property(sayable, fc.jsonValue({ maxDepth: 2 }).filter((value) => value !== null), fc.boolean(), (request, extra, large) => {
      const body = { ...written(told(request)), x_unknown: extra, ...(large && { x_padding: 'x'.repeat(70_000) }) }
      const bytes = Buffer.from(JSON.stringify(body))
      assert.deepEqual(written(read(JSON.parse(bytes.toString()), bytes)), JSON.parse(bytes.toString()))
    }), { numRuns: 200 })
  })

  test(`${name}: a request that a stage has changed is written from what it says now`, () => {
    fc.assert(fc.property(sayable, (request) => {
      const changed = rewrite(read(written(request)), { messages: [{ role: 'user', parts: [{ type: 'text', text: 'Changed' }] }] })
      assert.ok(JSON.stringify(written(changed)).includes('Changed'))
    }), { numRuns: 50 })
  })
}

function streamLaws(name: string, outbound: Outbound, folder: URL): void {
  for (const { file, bytes, head } of streamsIn(folder)) {
    const target = targetOf(name, head)
    const readAll = (pieces: readonly Uint8Array[]): ChatEvent[] => {
      const decoder = outbound.decoder(target)
      return joined([...pieces.flatMap((piece) => decoder.push(piece)), ...decoder.end()])
    }
    const whole = readAll([bytes])

    test(`${name}: ${file} is a well-formed reply, wherever its bytes are divided between reads`, () => {
      assert.equal(malformed(whole), null)
      const same = shown(whole)
      for (let at = 1; at < bytes.length; at++) {
        const divided = readAll([bytes.subarray(0, at), bytes.subarray(at)])
        if (shown(divided) !== same) assert.deepEqual(divided, whole, `divided at ${at}`)
      }
      assert.deepEqual(readAll(Array.from(bytes, (byte) => Uint8Array.of(byte))), whole, 'byte by byte')
    })

    test(`${name}: ${file} that is cut anywhere says no more than it said, and ends in a fault or a finish`, () => {
      const all = said(whole)
      for (let at = 0; at < bytes.length; at++) {
        const events = readAll([bytes.subarray(0, at)])
        assert.equal(malformed(events), null, `cut at ${at}`)
        const last = events.at(-1)?.type
        assert.ok(last === 'fault' || last === 'finish' || last === 'usage', `cut at ${at}: ${last}`)
        for (const [block, text] of said(events)) assert.ok(all.get(block)?.startsWith(text) === true, `cut at ${at}: block ${block}: ${text}`)
      }
    })
  }
}

/** What each block of a reply is and says. */
function said(events: readonly ChatEvent[]): Map<number, string> {
  const blocks = new Map<number, string>()
  const media = new Set<number>()
  for (const event of events) {
    if (event.type === 'block-open') {
      blocks.set(event.index, event.block.type === 'media' ? '' : `${event.choice} ${event.block.type} `)
      if (event.block.type === 'media') media.add(event.index)
    }
    if (event.type === 'block-delta') blocks.set(event.index, (blocks.get(event.index) ?? '') + event.text)
  }
  // Base64 that goes on ends otherwise than base64 that is complete: the bytes are compared.
  for (const index of media) blocks.set(index, Buffer.from(blocks.get(index)!, 'base64').toString('latin1'))
  return blocks
}

/** Comment lines at the head of a fixture say what the endpoint is like: `: quirks a b`, `: model x`. */
function targetOf(name: string, head: string): Target {
  const quirks = /^: quirks (.*)$/m.exec(head)?.[1]?.split(' ') ?? []
  const model = /^: model (\S+)/m.exec(head)?.[1]
  return aTarget({ dialect: name, quirks, ...(model !== undefined && { upstreamModel: model }) }, { stream: true })
}

const shown = (events: readonly ChatEvent[]): string =>
  JSON.stringify(events, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
