import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFakeAmbient, type Order } from '../../src/testing/index.ts'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'
import { parseStream } from './stream.ts'

/** Many callers at once, of whom many leave: nobody hears what was meant for another, and nothing stays behind. */

const upstream = await startUpstream({ keep: 10_000 })
const box = await startSignalbox({
  config: together(
    providerAt('acme', `${upstream.url}/acme/v1`), providerAt('hangs', `${upstream.url}/hangs/v1`, { timeouts: { first_token_ms: 150 } }),
  ),
})
const { random } = createFakeAmbient({ seed: 7 })
const order = (what: Order, text: string) => `#fake ${JSON.stringify(what)}\n${text}`

/** Reads a stream to its end, or leaves after so many milliseconds; what was read until then. */
async function hear(body: unknown, leaveAfterMs: number | null): Promise<string> {
  const leaving = new AbortController()
  const timer = leaveAfterMs === null ? null : setTimeout(() => leaving.abort(), leaveAfterMs)
  let raw = ''
  try {
    const response = await box.chat(body, {}, leaving.signal)
    const decoder = new TextDecoder()
    for await (const piece of response.body!) raw += decoder.decode(piece, { stream: true })
  } catch (error) {
    if (!leaving.signal.aborted) throw error
  } finally {
    if (timer) clearTimeout(timer)
  }
  return raw
}

/** Calls that have reached their end, and everything that they held. */
async function assertNothingLeft(): Promise<void> {
  await box.app.gateway.idle()
  for (let tries = 0; tries < 1000 && (upstream.openStreams() > 0 || box.app.http.inFlight() > 0); tries++) await sleep(20)
  assert.equal(upstream.openStreams(), 0, 'a provider is still answering nobody')
  assert.equal(box.app.http.inFlight(), 0)
}

describe('Four hundred callers', () => {
  test('hear each what was meant for him and not a word of another, while half of them leave at any moment', { timeout: 60_000 }, async () => {
    const callers = Array.from({ length: 400 }, (_, i) => {
      const tag = `<${i}>`
      const text = Array.from({ length: 12 }, (_, n) => `${tag}${n}`)
      const body = saying('acme/one', order({ text, paceMs: 3, chunkBytes: 40 + i % 50 }, tag), { stream: true, provider: { only: ['acme'] } })
      return { tag, whole: text.join(''), body, leaves: i % 2 === 0 ? random() * 60 : null }
    })
    await Promise.all(callers.map(async ({ tag, whole, body, leaves }) => {
      const raw = await hear(body, leaves)
      for (const [found] of raw.matchAll(/<\d+>/g)) assert.equal(found, tag, `${tag} heard ${found}`)
      if (leaves === null) assert.equal(parseStream(raw).text, whole)
    }))
    await assertNothingLeft()
  })
})

describe('Callers who leave', () => {
  const MOMENTS: readonly (readonly [when: string, order: Order, leave: (() => number) | null, provider: readonly string[]])[] = [
    ['while the request is on its way', {}, () => random() * 4, ['acme']],
    ['before the first piece', { stallAfter: 'headers' }, () => 30 + random() * 60, ['acme']],
    ['in the middle of an answer', { text: 'one two three four five six', paceMs: 10, stallAfter: 5 }, () => 40 + random() * 60, ['acme']],
    ['while another provider is being tried', { stallAfter: 'headers' }, () => 160 + random() * 60, ['hangs', 'acme']],
    ['around the last piece', { text: 'one two', paceMs: 10 }, () => 15 + random() * 30, ['acme']],
    ['never', {}, null, ['acme']],
  ]
  for (const [when, what, leave, only] of MOMENTS) {
    test(`${when}: sixty of them leave no socket and no call behind, and what was delivered is on record`, { timeout: 60_000 }, async () => {
      const before = new Set(upstream.requests)
      const ids = new Set<string>()
      await Promise.all(Array.from({ length: 60 }, async (_, i) => {
        const body = saying('acme/one', order(what, `caller ${i}`), { stream: i % 3 > 0, provider: { order: only, allow_fallbacks: only.length > 1 } })
        const raw = await hear(body, leave ? leave() : null)
        for (const [id] of raw.matchAll(/gen-[\w-]+/g)) ids.add(id)
      }))
      await assertNothingLeft()
      const asked = upstream.requests.filter((it) => !before.has(it))
      assert.ok(asked.every(({ state }) => state === 'answered' || state === 'aborted'), asked.map(({ state }) => state).join())
      for (const id of ids) {
        const record = await box.generation(id)
        assert.ok((record['provider_responses'] as unknown[]).length >= 1)
      }
      assert.deepEqual(box.complaints, [])
    })
  }

  test('leave no timer behind', async () => {
    await sleep(50)
    const timers = process.getActiveResourcesInfo().filter((it) => it === 'Timeout').length
    assert.ok(timers < 20, `${timers} timers`)
  })
})
