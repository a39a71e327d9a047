import { createHash } from 'node:crypto'
import type { Asked, CacheSettings, ChatEvent, EventStream } from '../core/index.ts'
import type { Call, Outcome } from '../gateway/index.ts'
import type { Exchange } from './exchange.ts'
import type { Services } from './services.ts'

/** OpenRouter's response cache: a complete answer is given again to the same key when it asks the same. docs/response-cache.md. */

/** What a caller's headers say of it. */
export interface CacheWish {
  readonly ttlMs: number
  /** What was kept is not looked for, and the new answer takes its place. */
  readonly clear: boolean
}

const DEFAULT_SECONDS = 300
const MOST_SECONDS = 86_400

/**
 * Reads `X-OpenRouter-Cache`, `-TTL` (whole seconds from 1 to 86,400, clamped; `60abc` is 60) and `-Clear`, beside what a
 * preset says: a preset that switches the cache off wins, then the header, then a preset that switches it on. Null for off.
 */
export function cacheWish(headers: Exchange['headers'], preset?: CacheSettings): CacheWish | null {
  const word = headers['x-openrouter-cache']
  if (preset?.enabled === false || isFalse(word) || !(isTrue(word) || preset?.enabled)) return null
  const seconds = parseInt(String(headers['x-openrouter-cache-ttl'] ?? preset?.ttlSeconds ?? ''), 10)
  return {
    ttlMs: 1000 * (Number.isNaN(seconds) ? DEFAULT_SECONDS : Math.min(Math.max(seconds, 1), MOST_SECONDS)),
    clear: isTrue(headers['x-openrouter-cache-clear']),
  }
}

function isTrue(header: string | string[] | undefined): boolean {
  return header !== undefined && String(header).trim().toLowerCase() === 'true'
}

const isFalse = (header: string | string[] | undefined): boolean => header !== undefined && String(header).trim().toLowerCase() === 'false'

/** Whether an answer may be kept at all: under zero data retention nothing is, and what went to a provider is told of no other call. */
export function mayKeep({ preferences, echo }: Asked): boolean {
  return preferences.zdr !== true && echo !== true
}

/** A call whose answer may have been kept, and is else. Says which in the head of the response, before the call resolves. */
export async function fromCache(
  x: Exchange, call: Call, wish: CacheWish, { gateway, answers, ambient, log }: Pick<Services, 'gateway' | 'ambient' | 'log'> & { readonly answers: NonNullable<Services['answers']> },
): Promise<Outcome> {
  const like = likeness(call)
  const failed = (error: unknown): null => {
    log.error({ generation: call.id, err: error }, 'the response cache could not be used')
    return null
  }
  const kept = wish.clear ? null : await answers.find(like).catch(failed)
  if (kept !== null) {
    x.lines = linesOf({
      'X-OpenRouter-Cache-Status': 'HIT', 'X-OpenRouter-Cache-Age': Math.max(0, Math.floor((ambient.now() - kept.createdAt) / 1000)),
      'X-OpenRouter-Cache-TTL': Math.round((kept.expiresAt - kept.createdAt) / 1000), 'X-OpenRouter-Cache-Source-Id': kept.id,
    })
    return gateway.replay(call, kept)
  }
  x.lines = linesOf({ 'X-OpenRouter-Cache-Status': 'MISS', 'X-OpenRouter-Cache-TTL': wish.ttlMs / 1000 })
  const outcome = await gateway.generate(call)
  if ('fault' in outcome) return outcome
  const { id, model, provider, tier } = outcome.meta
  const keep = async (events: readonly ChatEvent[]): Promise<void> => {
    const createdAt = ambient.now()
    await answers.keep({ like, key: call.key.id, answer: { id, createdAt, expiresAt: createdAt + wish.ttlMs, model, provider, ...(tier !== undefined && { tier }), events } })
  }
  return { ...outcome, events: keeping(outcome.events, keep, failed) }
}

function linesOf(headers: Readonly<Record<string, string | number>>): string {
  return Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')
}

/** The same key, at the same surface, asking the same in the same order of its fields, blanks aside, under the same preferences. */
function likeness({ key, surface, asked: { operation: { request }, preferences, plugins, stream, moderated, inside } }: Call): string {
  const { origin, session: _, ...rest } = request
  // A preset that filled something in has put the body aside: what it came to counts, whichever version it was.
  const said = origin === undefined ? rest : { dialect: origin.dialect, headers: origin.headers, body: origin.body }
  const text = JSON.stringify([key.id, surface, stream, preferences, plugins, said, ...(moderated ? ['moderated'] : []), ...(inside ? [{ inside }] : [])], (_, one: unknown) => typeof one === 'bigint' ? `${one}n` : one)
  return createHash('sha256').update(text).digest('base64url')
}

/** A start without what was counted by then: an answer that is given again uses nothing. */
function uncounted({ usage: _, ...start }: Extract<ChatEvent, { type: 'start' }>): ChatEvent {
  return start
}

/** So much of an answer is held while it passes; more is not kept. */
const MOST_HELD = 4 * 1024 * 1024

/**
 * Passes an answer on, and keeps it before its last batch is out: whoever has read the end of it and asks again is given
 * it. One that broke off, or whose caller left, is not kept.
 */
async function* keeping(events: EventStream, keep: (events: readonly ChatEvent[]) => Promise<void>, failed: (error: unknown) => void): EventStream {
  let held: ChatEvent[] | null = []
  let size = 0
  for await (const batch of events) {
    for (const event of batch) {
      if (event.type === 'block-delta') size += event.text.length
      if (event.type === 'fault' || (event.type === 'finish' && event.reason === 'error') || size > MOST_HELD) held = null
      else if (event.type === 'start') held?.push(uncounted(event))
      else if (event.type !== 'usage') held?.push(event)
      else if (event.charge !== undefined && held !== null && batch.at(-1) === event) await keep(held).catch(failed)
    }
    yield batch
  }
}
