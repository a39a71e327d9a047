/** What every client is run against: one Signalbox, with a fake upstream that plays three vendors and a few odd providers. */
import assert from 'node:assert/strict'
import type { FakeUpstream, Order, Received } from '../../src/testing/index.ts'
import { providerAt, startSignalbox, startUpstream, together, type Signalbox } from '../stories/signalbox.ts'

/** A picture of one pixel. */
export const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
export const PNG_BYTES = Buffer.from(PNG, 'base64').length
export const PNG_URL = `data:image/png;base64,${PNG}`

/** One model for each wire format that is spoken to providers: the same call has to look the same to the caller on all of them. */
export const ROADS = [
  { dialect: 'openai-chat', provider: 'OpenAI', id: 'openai/gpt-4o-mini', bare: 'gpt-4o-mini' },
  { dialect: 'anthropic-messages', provider: 'Anthropic', id: 'anthropic/claude-haiku-4.5', bare: 'claude-haiku-4-5' },
  { dialect: 'google-generate-content', provider: 'Google AI Studio', id: 'google/gemini-2.5-pro', bare: 'gemini-2.5-pro' },
  { dialect: 'openai-responses', provider: 'OpenAI', id: 'openai/gpt-5.4', bare: 'gpt-5.4' },
] as const

/** Of these, those whose vendors show their reasoning, sealed; and what the seal is. */
export const THINKERS = ROADS.slice(1)
export const SEAL = 'c2lnbmVkLWJ5LWZha2U='

export interface World {
  readonly upstream: FakeUpstream
  readonly box: Signalbox
  /** The last request that a provider got. */
  last(): Received
  /** The provider saw the caller go soon after the moment. A second is what the bench holds it to; here others may have the processor. */
  assertLetGo(request: Received, leftAt: number): Promise<void>
}

/** `acme/limited` and `acme/broken` have a provider each, so that what befalls them is nobody else's. */
export async function startWorld(): Promise<World> {
  const upstream = await startUpstream()
  const at = (slug: string, base = 'v1') => ({ [slug]: { base_url: `${upstream.url}/${slug}/${base}`, api_key: `key-of-${slug}` } })
  const box = await startSignalbox({
    config: together(
      { providers: { ...at('openai'), ...at('anthropic'), ...at('google-ai-studio', 'v1beta') } },
      providerAt('limited', `${upstream.url}/limited/v1`, { model: 'acme/limited' }),
      providerAt('broken', `${upstream.url}/broken/v1`, { model: 'acme/broken' }),
      providerAt('cutting', `${upstream.url}/cutting/v1`, { model: 'acme/cutting' }),
    ),
  })
  return {
    upstream, box,
    last: () => upstream.requests.at(-1)!,
    async assertLetGo(request, leftAt) {
      await upstream.waitFor(() => request.state === 'aborted')
      const took = request.endedAt! - leftAt
      assert.ok(took < 10_000, `the provider went on for ${took.toFixed(0)} ms after the caller had left`)
    },
  }
}

/**
 * A test in which a client is told to leave, up to three times: Node's fetch forgets the signal of a request that was collected
 * as garbage while its answer is still read, and an abort after that reaches nobody, whichever client it was that gave it.
 */
export async function inThreeTries(test: () => Promise<void>): Promise<void> {
  for (let left = 3; ; left--) {
    try {
      return await test()
    } catch (error) {
      if (left === 1) throw error
    }
  }
}

/** A text that makes the fake upstream do what the order says; what follows is what was "said". */
export const order = (what: Order, text = 'Go.'): string => `#fake ${JSON.stringify(what)}\n${text}`

/** Two calls at once, one with arguments cut in odd places. */
export const TWO_CALLS: Order = {
  calls: [
    { name: 'get_weather', id: 'call_a', arguments: ['{"ci', 'ty":"Zü', 'rich"}'] },
    { name: 'get_weather', id: 'call_b', arguments: '{"city":"Paris"}' },
  ],
}

/** A JSON schema as it is written by hand. */
export const CITY_SCHEMA = {
  type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false,
} as const
