import { createHash } from 'node:crypto'
import { fault, FaultError, type Ambient } from '../core/index.ts'
import { readColumn, type Store } from '../store/index.ts'

/** What plans are made from at a moment, each as plain JSON. A catalogue or a policy that is the same is the same object. */
export interface Kept<Health, Catalog, Policy> {
  readonly health: Health
  readonly catalog: Catalog
  readonly policy: Policy
}

/** What plans were made from at a past moment. */
export interface Recalled<Health, Catalog, Policy> {
  /** When this was so (ms epoch): the latest moment that was kept, not after the one that was asked for. */
  readonly at: number
  /** Of each node that was running, the one with the latest word first. */
  readonly health: readonly Health[]
  readonly catalog: { readonly hash: string; readonly value: Catalog }
  readonly policy: { readonly hash: string; readonly value: Policy }
}

export interface History<Health, Catalog, Policy> {
  /** Takes down what plans are made from now, and writes it. Never rejects; what could not be written is a gap. */
  keep(): Promise<void>
  /**
   * What plans were made from at a moment (ms epoch). Rejects with an `invalid-request` FaultError of the field `at`,
   * which says what moments there are, or an `unavailable` one when the database is down.
   */
  recall(at: number): Promise<Recalled<Health, Catalog, Policy>>
  /** Begins to keep, now and every ten seconds. */
  start(): void
  /** Stops, when what is being written is. */
  close(): Promise<void>
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const DAY = 24 * 60 * MINUTE
const FINE_MS = 10 * SECOND
/** How long each summary is kept, and one in each minute of them. */
const FINE_FOR = DAY
const COARSE_FOR = 30 * DAY
/** A summary may come this late and still speak for the moment. */
const LATE_MS = 5 * SECOND
const FORGET_EVERY_MS = 10 * MINUTE
/** So many rows are taken away at once: a database that was long without care is not stopped by it. */
const FORGOTTEN_AT_ONCE = 2000

const SUMMARY = ['at', 'node', 'grain', 'catalog', 'policy', 'body'] as const
const VERSION = ['hash', 'body', 'created_at'] as const

/**
 * Keeps, every ten seconds, one row of this node: the health of the endpoints that there is something to say of, and
 * which catalogue and policy were in force, whose bodies are written when they change. Each node writes and forgets
 * for itself and for all: forgetting is a delete by age, so that nothing has to be agreed on.
 */
export function createHistory<Health, Catalog, Policy>(given: {
  readonly store: Store
  readonly ambient: Ambient
  /** What there is to keep; nothing without it, as beside a running server. */
  readonly take?: () => Kept<Health, Catalog, Policy> | Promise<Kept<Health, Catalog, Policy>>
  readonly onError?: (error: Error) => void
}): History<Health, Catalog, Policy> {
  const { store, ambient, take, onError = () => {} } = given
  const { db } = store
  const node = Buffer.from(ambient.bytes(9)).toString('base64url')
  const current = { catalog: nothing<Catalog>(), policy: nothing<Policy>() }
  let minute = -1
  let forgetAt = 0
  let timer: NodeJS.Timeout | null = null
  let writing: Promise<void> = Promise.resolve()

  const versionOf = async <T>(known: Version<T>, value: T, now: number): Promise<Version<T>> => {
    if (known.value === value) return known
    const body = JSON.stringify(value)
    const hash = createHash('sha256').update(body).digest('base64url').slice(0, 22)
    // One that was written before and came again may have been forgotten meanwhile.
    if (hash !== known.hash) await store.insertNew('versions', VERSION, [[hash, body, now]])
    return { hash, value }
  }

  const write = async (): Promise<void> => {
    const kept = await take!()
    const now = ambient.now()
    current.catalog = await versionOf(current.catalog, kept.catalog, now)
    current.policy = await versionOf(current.policy, kept.policy, now)
    const thisMinute = Math.floor(now / MINUTE)
    await store.insertNew('health_summaries', SUMMARY, [[
      now, node, thisMinute === minute ? FINE_MS : MINUTE, current.catalog.hash, current.policy.hash, JSON.stringify(kept.health),
    ]])
    minute = thisMinute
    if (now < forgetAt) return
    forgetAt = now + FORGET_EVERY_MS
    await forget(now)
  }

  const forget = async (now: number): Promise<void> => {
    for (const [grain, before] of [[FINE_MS, now - FINE_FOR], [MINUTE, now - COARSE_FOR]] as const) {
      for (;;) {
        const old = db.selectFrom('health_summaries').select('at').where('grain', '=', grain).where('at', '<', before)
          .orderBy('at').limit(1).offset(FORGOTTEN_AT_ONCE)
        const until = await old.executeTakeFirst()
        await db.deleteFrom('health_summaries').where('grain', '=', grain).where('at', '<', until?.at ?? before).execute()
        if (until === undefined) break
      }
    }
    await db.deleteFrom('versions').where('created_at', '<', now - COARSE_FOR)
      .where(({ not, exists, selectFrom }) => not(exists(selectFrom('health_summaries').select('node').whereRef('health_summaries.catalog', '=', 'versions.hash'))))
      .where(({ not, exists, selectFrom }) => not(exists(selectFrom('health_summaries').select('node').whereRef('health_summaries.policy', '=', 'versions.hash'))))
      .execute()
  }

  const keep = (): Promise<void> => writing = writing.then(write).catch(onError)

  const read = async (at: number): Promise<Recalled<Health, Catalog, Policy>> => {
    const now = ambient.now()
    if (!(at <= now)) throw await missing(at, 'has not been yet')
    const reach = (at > now - FINE_FOR ? FINE_MS : MINUTE) + LATE_MS
    const rows = await db.selectFrom('health_summaries').selectAll().where('grain', 'in', [FINE_MS, MINUTE]).where('at', '<=', at).where('at', '>', at - reach)
      .orderBy('at', 'desc').execute()
    const [latest] = rows
    if (latest === undefined) throw await missing(at, 'was not kept')
    const nodes = new Set<string>()
    const each = rows.filter((row) => !nodes.has(row.node) && nodes.add(row.node))
    const versions = await db.selectFrom('versions').select(['hash', 'body']).where('hash', 'in', [latest.catalog, latest.policy]).execute()
    const bodyOf = (hash: string): string | undefined => versions.find((it) => it.hash === hash)?.body
    const [catalog, policy] = [bodyOf(latest.catalog), bodyOf(latest.policy)]
    if (catalog === undefined || policy === undefined) throw await missing(at, 'was kept without its catalogue or policy')
    return {
      at: latest.at,
      health: each.map(({ body }) => readColumn<Health>(body)),
      catalog: { hash: latest.catalog, value: readColumn<Catalog>(catalog) },
      policy: { hash: latest.policy, value: readColumn<Policy>(policy) },
    }
  }

  /** The fault of a moment of which nothing is known, with those of which something is. */
  const missing = async (at: number, why: string): Promise<FaultError> => {
    const { min, max } = db.fn
    const all = await db.selectFrom('health_summaries').select([min('at').as('from'), max('at').as('to')]).executeTakeFirst()
    const fine = await db.selectFrom('health_summaries').select(min('at').as('from')).where('grain', '=', FINE_MS).executeTakeFirst()
    const before = await db.selectFrom('health_summaries').select(max('at').as('at')).where('at', '<=', at).executeTakeFirst()
    const next = await db.selectFrom('health_summaries').select(min('at').as('at')).where('at', '>', at).executeTakeFirst()
    const moments = {
      from: time(all?.from), to: time(all?.to), each_ten_seconds_from: time(fine?.from), before: time(before?.at), after: time(next?.at),
    }
    const range = moments.from === null ? 'Nothing has been kept yet.'
      : `Moments are kept from ${moments.from} to ${moments.to}: each minute for 30 days, each 10 s for a day, while a node was `
        + `running. ${nearestOf(moments.before, moments.after)}`
    return new FaultError(fault('invalid-request', `at: ${new Date(at).toISOString()} ${why}. ${range}`, { field: 'at', metadata: { moments } }))
  }

  return {
    keep,
    async recall(at) {
      try {
        return await read(at)
      } catch (error) {
        if (error instanceof FaultError) throw error
        onError(error as Error)
        throw new FaultError(fault('unavailable', 'The history cannot be read at the moment. Please try again.', { retryAfterMs: 1000 }))
      }
    },
    start() {
      if (!take || timer !== null) return
      void keep()
      timer = setInterval(() => void keep(), FINE_MS).unref()
    },
    async close() {
      if (timer !== null) clearInterval(timer)
      timer = null
      await writing
    },
  }
}

interface Version<T> {
  readonly hash: string
  readonly value: T | null
}

function nothing<T>(): Version<T> {
  return { hash: '', value: null }
}

function time(at: number | null | undefined): string | null {
  return at === null || at === undefined ? null : new Date(Number(at)).toISOString()
}

function nearestOf(before: string | null, after: string | null): string {
  if (before !== null && after !== null) return `The nearest are ${before} and ${after}.`
  return `The nearest is ${before ?? after}.`
}
