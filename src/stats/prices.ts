import { setImmediate } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import { attoFromDecimal, listPerMillion, type Ambient, type EndpointId, type ModelId } from '../core/index.ts'
import { readColumn, type AddedColumns, type Schema, type Store } from '../store/index.ts'
import { beginOf, paidPerMillionOf, type Figures, type Stretch, type Sum } from './figures.ts'

/**
 * What endpoints asked over time, beside what was really paid. Lists are written down when they change, from the first
 * catalogue that an instance had on: nothing is known of the time before, and nothing is made up for it.
 */
export interface Prices {
  /**
   * Writes down which prices of a catalogue are others than at the last look. Returns how many: 0 where it was looked at
   * already, or where another node is at it.
   */
  keep(catalogue: PriceList): Promise<number>
  /** The prices of a model over a range that ends now, with those of its endpoints that are gone from the catalogue. */
  history(asked: { readonly model: ModelId; readonly endpoints: readonly EndpointId[]; readonly range: PriceRange }): Promise<PriceHistory>
}

/** A catalogue's prices. `version` is the same for the same rows. */
export interface PriceList {
  readonly version: string
  listPrices(): Iterable<{ readonly endpoint: EndpointId; readonly model: ModelId; readonly pricing: ListPricing }>
}

/** Decimal strings of dollars per unit by price key, as the API has them, and the list `overrides` where there are some. */
export type ListPricing = Readonly<Record<string, unknown>>

export const PRICE_RANGES = ['3d', '30d', '90d', 'all'] as const
export type PriceRange = typeof PRICE_RANGES[number]

export type PriceStretch = Exclude<Stretch, 'minute'>

export interface PriceHistory {
  /** Ms since the epoch. `to` is not in it. */
  readonly from: number
  readonly to: number
  /** The stretch that paid prices are told by. */
  readonly by: PriceStretch
  /** Ms since the epoch, from when on lists were written down here; null where none was yet. */
  readonly since: number | null
  /** Those with a price in the range, by id. */
  readonly endpoints: readonly EndpointPrices[]
}

export interface EndpointPrices {
  readonly id: EndpointId
  /** Oldest first: what the list asked when the range began, where that is known, and each change since. */
  readonly listed: readonly ListedPrice[]
  /** Oldest first: the stretches in which tokens were paid for. */
  readonly paid: readonly PaidPrice[]
}

export interface ListedPrice {
  /** Ms since the epoch, from when on it held; it may be before the range. */
  readonly at: number
  /** null: gone from sale, or without a usable price from then on. */
  readonly pricing: ListPricing | null
}

export interface PaidPrice {
  /** Ms since the epoch: the beginning of its stretch, UTC. */
  readonly at: number
  readonly requests: number
  readonly promptTokens: number
  readonly completionTokens: number
  /** Dollars for a million tokens, prompt and completion together, as a decimal. */
  readonly perMillion: string
  /** The same tokens by the list that held when the stretch ended; null where none is known, or it asks by another unit. */
  readonly listPerMillion: string | null
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const RANGES: Readonly<Record<Exclude<PriceRange, 'all'>, { readonly ms: number; readonly by: 'hour' | 'day' }>> = {
  '3d': { ms: 3 * DAY_MS, by: 'hour' }, '30d': { ms: 30 * DAY_MS, by: 'day' }, '90d': { ms: 90 * DAY_MS, by: 'day' },
}
/** All there is comes in at most so many stretches, so that a page of five years is as long as one of a season. */
const MOST_STRETCHES = 120
const LENGTHS = { hour: HOUR_MS, day: DAY_MS, week: 7 * DAY_MS } as const

/** All who write prices down take turns under this name. */
const TURN = 'list-prices'
const COLUMNS: AddedColumns = { key: ['endpoint', 'at'], add: [], set: ['model', 'pricing'] }
const READ_SLICE = 500
/** Endpoints of a catalogue that are made and looked at before others may run: some two milliseconds' worth. */
const LOOK_SLICE = 60

export function createPrices({ store, figures, ambient }: {
  readonly store: Store
  readonly figures: Pick<Figures, 'sums'>
  readonly ambient: Ambient
}): Prices {
  const { db } = store

  /** The last price of each endpoint that ever had one. */
  const lastKnown = async (): Promise<Map<EndpointId, { readonly model: ModelId; readonly pricing: string | null }>> => {
    const known = new Map<EndpointId, { readonly model: ModelId; readonly pricing: string | null }>()
    for (let last = { endpoint: '', at: 0 }; ;) {
      const rows = await db.selectFrom('list_prices').selectAll()
        .where(({ eb, refTuple, tuple }) => eb(refTuple('endpoint', 'at'), '>', tuple(last.endpoint, last.at)))
        .orderBy('endpoint').orderBy('at').limit(READ_SLICE).execute()
      for (const { endpoint, model, pricing } of rows) known.set(endpoint, { model, pricing })
      if (rows.length < READ_SLICE) return known
      last = rows.at(-1)!
      await setImmediate()
    }
  }

  /** Where a range begins, and by which stretches it is told. */
  const beginning = async (range: PriceRange, now: number, recorded: readonly { readonly at: number }[], ids: readonly EndpointId[]): Promise<{ from: number; by: PriceStretch }> => {
    if (range !== 'all') {
      const { ms, by } = RANGES[range]
      return { from: beginOf(by, now) - ms + LENGTHS[by], by }
    }
    const paid = ids.length === 0 ? undefined : await db.selectFrom('rollups').select(({ fn }) => fn.min('at').as('at'))
      .where('cut', '=', 'endpoint').where('grain', '=', 1440).where('a', 'in', ids).executeTakeFirst()
    const first = Math.min(now, ...recorded.slice(0, 1).map(({ at }) => at), ...(paid?.at === null || paid === undefined ? [] : [paid.at]))
    const by = (['day', 'week'] as const).find((each) => now - first < MOST_STRETCHES * LENGTHS[each]) ?? 'month'
    return { from: beginOf(by, first), by }
  }

  return {
    async keep(catalogue) {
      const before = await lastLook(db)
      if (before?.version === catalogue.version) return 0
      const known = await lastKnown()
      const at = Math.max(ambient.now(), (before?.at ?? 0) + 1)
      const changes: (readonly [endpoint: string, at: number, model: string, pricing: string | null])[] = []
      let looked = 0
      for (const { endpoint, model, pricing } of catalogue.listPrices()) {
        const text = textOf(pricing)
        if (known.get(endpoint)?.pricing !== text) changes.push([endpoint, at, model, text])
        known.delete(endpoint)
        if (++looked % LOOK_SLICE === 0) await setImmediate()
      }
      for (const [endpoint, { model, pricing }] of known) if (pricing !== null) changes.push([endpoint, at, model, null])
      const written = await store.ifFree(TURN, async (trx) => {
        // What was compared counts only if nobody has written since.
        if ((await lastLook(trx))?.at !== before?.at) return null
        await store.addUp(trx, 'list_prices', COLUMNS, changes)
        await trx.insertInto('price_lists').values({ at, version: catalogue.version }).execute()
        return changes.length
      })
      return written ?? 0
    },

    async history({ model, endpoints, range }) {
      const now = ambient.now()
      const to = now + 1
      const [first, rows] = await Promise.all([
        db.selectFrom('price_lists').select('at').orderBy('at').limit(1).executeTakeFirst(),
        db.selectFrom('list_prices').select(['endpoint', 'at', 'pricing']).where('model', '=', model).orderBy('at').execute(),
      ])
      const listed = Map.groupBy(rows, ({ endpoint }) => endpoint)
      const ids = [...new Set([...endpoints, ...listed.keys()])].toSorted()
      const { from, by } = await beginning(range, now, rows, ids)
      const sums = await figures.sums({
        cut: 'endpoint', span: { from, to }, by, names: ['a'], counts: ['requests', 'prompt_tokens', 'completion_tokens'], where: [{ name: 'a', is: 'in', values: ids }],
      })
      const paid = Map.groupBy(sums, ({ a }) => a)
      return {
        from, to, by, since: first?.at ?? null,
        endpoints: ids.map((id) => {
          const own = (listed.get(id) ?? []).map(({ at, pricing }) => ({ at, pricing: pricing === null ? null : readColumn<ListPricing>(pricing) }))
          return {
            id,
            // What was gone before the range began, and stayed so, is no part of it.
            listed: own.filter(({ at, pricing }, i) => at >= from || (pricing !== null && !(own[i + 1] && own[i + 1]!.at <= from))),
            paid: (paid.get(id) ?? []).toSorted((a, b) => a.at - b.at).flatMap((sum) => paidIn(sum, heldAt(own, endOf(by, sum.at)))),
          }
        }).filter((it) => it.listed.length + it.paid.length > 0),
      }
    },
  }
}

function lastLook(db: Kysely<Schema>): Promise<{ readonly at: number; readonly version: string } | undefined> {
  return db.selectFrom('price_lists').selectAll().orderBy('at', 'desc').limit(1).executeTakeFirst()
}

/** The list that held just before a moment. */
function heldAt(listed: readonly ListedPrice[], at: number): ListPricing | null {
  return listed.findLast((it) => it.at < at)?.pricing ?? null
}

function endOf(by: PriceStretch, at: number): number {
  return by === 'month' ? beginOf('month', at + 32 * DAY_MS) : at + LENGTHS[by]
}

function paidIn({ at, counts, money }: Sum, held: ListPricing | null): readonly PaidPrice[] {
  const perMillion = paidPerMillionOf({ counts, money })
  if (perMillion === null) return []
  const { requests, prompt_tokens: promptTokens, completion_tokens: completionTokens } = counts
  return [{ at, requests, promptTokens, completionTokens, perMillion, listPerMillion: listPerMillionOf(held, promptTokens, completionTokens) }]
}

/** What so many tokens cost by a list, for a million of them: null of no list, and of one that asks by other units than tokens. */
export function listPerMillionOf(pricing: ListPricing | null, promptTokens: number, completionTokens: number): string | null {
  if (pricing === null) return null
  const [prompt, completion] = ['prompt', 'completion'].map((key) => attoFromDecimal(String(pricing[key] ?? '')) ?? 0n) as [bigint, bigint]
  const others = Object.values(pricing).some((price) => typeof price === 'string' && attoFromDecimal(price) !== 0n)
  return prompt === 0n && completion === 0n && others ? null : listPerMillion({ rates: { prompt, completion } }, promptTokens, completionTokens)
}

/** A row of the catalogue may name its prices in any order: what is compared is always in one. */
function textOf(pricing: ListPricing): string {
  return JSON.stringify(pricing, (_, value: unknown) => value === null || typeof value !== 'object' || Array.isArray(value) ? value
    : Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => a < b ? -1 : 1)))
}
