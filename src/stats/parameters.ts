import { hash } from 'node:crypto'
import type { Insertable, Transaction } from 'kysely'
import { SAMPLING, type Ambient, type SamplingName } from '../core/index.ts'
import type { ParameterRollupTable, Schema, Store } from '../store/index.ts'
import { bucketOf, MINUTE_MS, type Counted } from './cuts.ts'
import { merged, rankIn, Sketching, sketchOf, sketchText } from './sketch.ts'

/** What callers set the sampling parameters of a model to. */
export interface ParameterFigures {
  /** Requests of the window that set it. */
  readonly requests: number
  /** Distinct keys that did, as far as they are counted: `KEYS_COUNTED` is that many or more. */
  readonly keys: number
  /** To a hundredth. Null of nothing. */
  readonly p10: number | null
  readonly p50: number | null
  readonly p90: number | null
}

export interface Parameters {
  /** By parameter, of the last `PARAMETER_DAYS` days, today's included. */
  of(model: string): Promise<ReadonlyMap<SamplingName, ParameterFigures>>
}

export const PARAMETER_DAYS = 30
/** Percentiles are told from so many requests on: below, one caller's habit would pass for everybody's. */
export const PARAMETER_REQUESTS = 50
/** Distinct keys are counted exactly up to here, which no setting asks to exceed. */
export const KEYS_COUNTED = 64

/** Values are kept in hundredths; a `top_k` above this counts as this, or every number would be a bucket of its own. */
const TOP_K_MAX = 1000
const HUNDREDTHS = 100
const DAY = 1440
const SLICE = 50

export function createParameters({ store, ambient }: { readonly store: Store; readonly ambient: Ambient }): Parameters {
  return {
    async of(model) {
      const rows = await store.db.selectFrom('parameter_rollups').selectAll().where('model', '=', model)
        .where('at', '>=', bucketOf(ambient.now(), DAY) - (PARAMETER_DAYS - 1) * DAY * MINUTE_MS).execute()
      return new Map([...Map.groupBy(rows, ({ parameter }) => parameter as SamplingName)].map(([parameter, own]) => {
        const values = merged(own.map(({ settings }) => sketchOf(settings)))
        const at = (share: number): number | null => {
          const bucket = rankIn(values, Math.ceil(share * values.count))
          return bucket === null ? null : bucket / HUNDREDTHS
        }
        return [parameter, { requests: values.count, keys: least(own.flatMap(({ callers }) => callers.split(' '))).length, p10: at(0.1), p50: at(0.5), p90: at(0.9) }]
      }))
    },
  }
}

/** What was set in a step's calls, until it is written. */
export interface Settings {
  see(call: Counted): void
  /** Adds what was seen to what is known, in the transaction that adds the calls up. */
  write(trx: Transaction<Schema>): Promise<void>
}

interface Set {
  readonly values: Sketching
  callers: readonly string[]
}

const NAMES = Object.keys(SAMPLING) as readonly SamplingName[]
const NAMES_END = '\n'

/** Gathers parameters while calls are added up. Sums do not depend on the order, so a rebuild gives the same. */
export function createSettings(): Settings {
  const seen = new Map<string, Set>()
  const callers = new Map<string, string>()
  return {
    see({ simulated, model, sampling, createdAt, keyId }) {
      if (simulated || model === null || sampling === null) return
      for (const name of NAMES) {
        const value = sampling[name]
        if (value === undefined) continue
        const place = [bucketOf(createdAt, DAY), model, name].join(NAMES_END)
        let set = seen.get(place)
        if (set === undefined) seen.set(place, set = { values: new Sketching(), callers: [] })
        set.values.addTo(Math.round((name === 'top_k' ? Math.min(value, TOP_K_MAX) : value) * HUNDREDTHS))
        let caller = callers.get(keyId)
        if (caller === undefined) callers.set(keyId, caller = callerOf(keyId))
        if (!set.callers.includes(caller) && (set.callers.length < KEYS_COUNTED || caller < set.callers.at(-1)!)) set.callers = least([...set.callers, caller])
      }
    },
    async write(trx) {
      const places = [...seen.keys()]
      for (let from = 0; from < places.length; from += SLICE) {
        const slice = places.slice(from, from + SLICE).map((place) => {
          const [at, model, parameter] = place.split(NAMES_END) as [string, string, string]
          return { at: Number(at), model, parameter, set: seen.get(place)! }
        })
        const there = await trx.selectFrom('parameter_rollups').selectAll().where((build) => build.or(slice.map(({ at, model, parameter }) =>
          build.and({ at, model, parameter })))).execute()
        for (const row of there) {
          const { set } = slice.find(({ at, model, parameter }) => at === row.at && model === row.model && parameter === row.parameter)!
          set.values.merge(sketchOf(row.settings))
          set.callers = least([...set.callers, ...row.callers.split(' ')])
        }
        await trx.insertInto('parameter_rollups').values(slice.map(({ at, model, parameter, set }) =>
          ({ at, model, parameter, settings: sketchText(set.values.done()) ?? '', callers: set.callers.join(' ') } satisfies Insertable<ParameterRollupTable>)))
          .onConflict((conflict) => conflict.columns(['model', 'parameter', 'at']).doUpdateSet((build) =>
            ({ settings: build.ref('excluded.settings'), callers: build.ref('excluded.callers') })))
          .execute()
      }
    },
  }
}

/**
 * Distinct keys by the smallest of their hashes: sets of days can be joined, and up to `KEYS_COUNTED` nothing is lost.
 * What is kept names nobody: it is a part of the hash of a hash.
 */
function callerOf(key: string): string {
  return hash('sha256', `caller ${key}`, 'hex').slice(0, 12)
}

function least(callers: readonly string[]): readonly string[] {
  return [...new Set(callers)].toSorted().slice(0, KEYS_COUNTED)
}

/** A sampling parameter as a page or the API tells it. */
export interface ToldParameter {
  readonly name: SamplingName
  /** Of the model where its maker publishes one, otherwise the usual one. */
  readonly default: number
  readonly min: number
  readonly max: number | null
  readonly integer: boolean
  /** Requests that set it. */
  readonly requests: number
  /** Why there are no percentiles, and what would bring them; null where there are. */
  readonly waiting: string | null
  readonly p10: number | null
  readonly p50: number | null
  readonly p90: number | null
}

/** The eight sampling parameters of a model. What fewer requests set, or fewer keys than must, is told by its default alone. */
export function toldParameters({ figures, published, minKeys }: {
  readonly figures: ReadonlyMap<SamplingName, ParameterFigures>
  readonly published: Readonly<Record<string, number | null>> | undefined
  readonly minKeys: number
}): readonly ToldParameter[] {
  return NAMES.map((name) => {
    const { requests, keys, p10, p50, p90 } = figures.get(name) ?? NOBODY
    const waiting = requests < PARAMETER_REQUESTS ? `needs ${PARAMETER_REQUESTS} requests, has ${requests}`
      : keys < minKeys ? `needs ${minKeys} different keys, has ${keys}` : null
    const { min, max, integer, default: usual } = SAMPLING[name]
    return { name, default: published?.[name] ?? usual, min, max, integer, requests, waiting, ...(waiting === null ? { p10, p50, p90 } : NOTHING) }
  })
}

const NOTHING = { p10: null, p50: null, p90: null }
const NOBODY: ParameterFigures = { requests: 0, keys: 0, ...NOTHING }
