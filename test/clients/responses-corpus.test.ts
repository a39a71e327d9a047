import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { ResponseStream } from 'openai/lib/responses/ResponseStream'
import { collectNow } from '../../src/core/index.ts'
import { DIALECTS, type ReplyMeta } from '../../src/dialects/index.ts'
import { aTarget } from '../../src/dialects/laws/endpoint.ts'
import { assertEvents, assertTyped, eventsOf, KNOWN_EVENTS, UNTYPED } from './responses-grammar.ts'

/**
 * Every recorded stream of every provider's wire format, as a caller of Responses gets it: each event is what OpenAI's
 * own types say, and OpenAI's own accumulator makes of them the response that the last event has.
 */

const face = DIALECTS.get('openai-responses')!.inbound!
const asked = face.decode({ model: 'acme/one', input: 'Hi', tools: [{ type: 'function', name: 'weather' }], instructions: 'Be brief.' })
assert.ok('asked' in asked)
const META: ReplyMeta = { id: 'gen-1760000000-Abc', created: 1_760_000_000, model: 'acme/one', provider: 'Host', asked: asked.asked, now: () => 1_760_000_002_500 }
const seen = new Set<string>()

/** What passes through one at a time, so that each read is a batch. */
function streamed(name: string, bytes: Buffer): { readonly raw: string; readonly events: Parameters<typeof collectNow>[0] } {
  const quirks = /^: quirks (.*)$/m.exec(bytes.toString('utf8', 0, 2048))?.[1]?.split(' ') ?? []
  const decoder = DIALECTS.get(name)!.outbound!.decoder(aTarget({ dialect: name, quirks }, { stream: true }))
  const encoder = face.encoder(META)
  const all = []
  let raw = ''
  for (let at = 0; at < bytes.length; at += 97) {
    const batch = decoder.push(bytes.subarray(at, at + 97))
    all.push(...batch)
    raw += encoder.push(batch)
  }
  const rest = decoder.end()
  all.push(...rest)
  return { raw: raw + encoder.push(rest) + encoder.end(), events: all }
}

for (const name of DIALECTS.keys()) {
  const folder = new URL(`../../src/dialects/${name}/fixtures/streams/`, import.meta.url)
  if (!DIALECTS.get(name)!.outbound || !existsSync(folder)) continue
  describe(`streams of ${name}`, () => {
    for (const file of readdirSync(folder).filter((entry) => entry.endsWith('.sse'))) {
      test(`${file} comes as events of the official types, in their order`, async () => {
        const { raw, events } = streamed(name, readFileSync(new URL(file, folder)))
        const told = eventsOf(raw)
        for (const event of told) seen.add(String(event['type']))
        assertEvents(told)
        const end = told.at(-1)!
        assert.ok(!raw.includes('"type":"error"'), 'a failure is told once, by response.failed')

        const whole = JSON.parse(face.reply(collectNow(events), META).body) as Record<string, unknown>
        assert.equal(whole['status'], end['response'].status)
        if (end['type'] === 'response.failed') return
        assert.equal(whole['output_text'], end['response'].output_text, 'whole and streamed say the same')
        const kinds = (list: unknown) => (list as { type: string }[]).map((item) => item.type).toSorted()
        assert.deepEqual(kinds(whole['output']), kinds(end['response'].output))
        if (/novelty/.test(raw)) return
        assertTyped('Response', whole)
        // The accumulator refuses what the client has no type for, also when it is OpenAI that sends it.
        if (told.some(({ type }) => String(type) in UNTYPED)) return
        const collected = await ResponseStream.fromReadableStream(lines(told)).finalResponse()
        assert.equal(collected.output_text, end['response'].output_text)
        assert.equal(collected.output.length, end['response'].output.length)
      })
    }
  })
}

test('The streams of the corpus bring nearly every event that we have a word for', () => {
  const ours = KNOWN_EVENTS.filter((type) => !/code_interpreter|file_search|mcp|shell|compact|audio|partial_image|generating|queued|^error$/.test(type))
  assert.deepEqual(ours.filter((type) => !seen.has(type)), [])
})

/** Events as the client's own serialised form has them: a line of JSON each. */
function lines(events: readonly unknown[]): ReadableStream {
  const encoder = new TextEncoder()
  return new ReadableStream({
    start(controller) {
      for (const event of events) controller.enqueue(encoder.encode(`${JSON.stringify(event)}\n`))
      controller.close()
    },
  })
}
