import { hash } from 'node:crypto'
import type { Insertable, Selectable, Transaction } from 'kysely'
import { fault, FaultError, type Ambient } from '../core/index.ts'
import { readColumn, type AppTable, type Schema, type Store } from '../store/index.ts'
import { appOf, type Counted } from './cuts.ts'

/** An app that calls came from, as others may see it. */
export interface App {
  /** Host, or `localhost/title`. */
  readonly id: string
  /** Its title: the one that its key gave it, otherwise the first that a call claimed; without either, its id. */
  readonly name: string
  /** null for an app on somebody's own machine. */
  readonly url: string | null
  readonly tagline: string | null
  /** Of OpenRouter's marketplace, at most ten, in the order in which calls named them. */
  readonly categories: readonly string[]
  /** A key speaks for it. Of the others anybody may have sent the name. */
  readonly verified: boolean
  /** Its key wants it in no list. */
  readonly hidden: boolean
  /** Ms since the epoch: its first call. */
  readonly firstAt: number
}

/** The number of an app, where OpenRouter's API has one: 48 bits of its id's SHA-256, so that it is the same everywhere and always. */
export function appNumber(id: string): number {
  return Number.parseInt(hash('sha256', id, 'hex').slice(0, 12), 16)
}

/** What a key may say of its app. What is absent stays, null is no longer said. */
export interface AppClaim {
  readonly title?: string | null
  readonly tagline?: string | null
  readonly hidden?: boolean
}

export interface Apps {
  /** Those of the ids that are known, by id; all of them without a list. */
  of(ids?: readonly string[]): Promise<ReadonlyMap<string, App>>
  /**
   * A key says that an app is its own, or changes what it says. Throws a FaultError: `not-found` for an app that no call
   * came from, `forbidden` when another key has it, or this one never called as it.
   */
  claim(app: string, by: { readonly key: string; readonly workspace: string }, said: AppClaim): Promise<App>
  /** A key lets go of its app, and of what it said of it. Throws as `claim` does. */
  release(app: string, by: { readonly key: string; readonly workspace: string }): Promise<App>
}

/** OpenRouter's marketplace: groups, and the categories in each. */
export const APP_CATEGORIES = {
  coding: ['cli-agent', 'ide-extension', 'cloud-agent', 'programming-app', 'native-app-builder'],
  creative: ['creative-writing', 'video-gen', 'image-gen', 'audio-gen'],
  productivity: ['writing-assistant', 'general-chat', 'personal-agent', 'legal'],
  entertainment: ['roleplay', 'game'],
} as const

/** Whether an app is in a category, or in one of a group's. */
export function isOfCategory(app: Pick<App, 'categories'>, wanted: string): boolean {
  const group: readonly string[] = Object.hasOwn(APP_CATEGORIES, wanted) ? APP_CATEGORIES[wanted as keyof typeof APP_CATEGORIES] : [wanted]
  return app.categories.some((category) => group.includes(category))
}

const CATEGORIES_PER_APP = 10
/** How many apps are read or written in one statement. */
const SLICE = 50

export function createApps({ store, ambient }: { readonly store: Store; readonly ambient: Ambient }): Apps {
  const { db } = store

  /** Changes the row of an app that is free or the key's own, in one transaction with the look at it. */
  const change = (id: string, by: { readonly key: string; readonly workspace: string }, to: (row: Selectable<AppTable>) => Partial<AppTable>): Promise<App> =>
    store.exclusively('apps', async (trx) => {
      const row = await trx.selectFrom('apps').selectAll().where('id', '=', id).executeTakeFirst()
      if (row === undefined) throw new FaultError(fault('not-found', `No call has come from an app ${id.slice(0, 200)}`))
      if (row.claimed_by !== null && row.claimed_by !== by.key) {
        const holder = await trx.selectFrom('keys').select('deleted_at').where('hash', '=', row.claimed_by).executeTakeFirst()
        if (holder?.deleted_at === null) throw new FaultError(fault('forbidden', `Another key speaks for ${id}. It can release the app with DELETE /api/v1/apps/${encodeURIComponent(id)}.`))
      }
      const own = await trx.selectFrom('rollups').select('at').where('cut', '=', 'key-app').where('grain', '=', 1440)
        .where('a', '=', by.workspace).where('b', '=', by.key).where('c', '=', id).limit(1).executeTakeFirst()
      if (own === undefined) throw new FaultError(fault('forbidden', `This key has not called as ${id} yet. Send a request with it and "HTTP-Referer: https://${id}".`))
      // Only what keys say: what calls say is written by those who add up.
      const said = to(row)
      await trx.updateTable('apps').set(said).where('id', '=', id).execute()
      return appFrom({ ...row, ...said })
    })

  return {
    async of(ids) {
      if (ids?.length === 0) return new Map()
      let query = db.selectFrom('apps').selectAll()
      if (ids) query = query.where('id', 'in', ids)
      return new Map((await query.execute()).map((row) => [row.id, appFrom(row)]))
    },
    claim: (app, by, said) => change(app, by, (row) => ({
      claimed_by: by.key, claimed_in: by.workspace,
      claimed_at: row.claimed_by === by.key ? row.claimed_at : ambient.now(),
      // What the holder of before said goes with it.
      ...(row.claimed_by !== by.key && { claimed_title: null, tagline: null, hidden: 0 as const }),
      ...(said.title !== undefined && { claimed_title: said.title }),
      ...(said.tagline !== undefined && { tagline: said.tagline }),
      ...(said.hidden !== undefined && { hidden: said.hidden ? 1 as const : 0 as const }),
    })),
    release: (app, by) => change(app, by, () =>
      ({ claimed_by: null, claimed_in: null, claimed_at: null, claimed_title: null, tagline: null, hidden: 0 })),
  }
}

/** An app on somebody's own machine: no address that others could open. */
export const isLocalApp = (id: string): boolean => id.startsWith('localhost/')

function appFrom(row: Selectable<AppTable>): App {
  const categories = Object.entries(readColumn<Record<string, number>>(row.categories)).toSorted(([a, at], [b, bt]) => at - bt || (a < b ? -1 : 1))
  return {
    id: row.id, name: row.claimed_title ?? row.title ?? row.id, url: isLocalApp(row.id) ? null : `https://${row.id}`, tagline: row.tagline,
    categories: categories.slice(0, CATEGORIES_PER_APP).map(([name]) => name),
    verified: row.claimed_by !== null, hidden: row.hidden === 1, firstAt: row.first_at,
  }
}

/** What calls say of the apps that they come from, until it is written. */
export interface Sightings {
  see(call: Counted): void
  /** Adds what was seen to what is known, in the transaction that adds the calls up. */
  write(trx: Transaction<Schema>): Promise<void>
}

interface Seen {
  firstAt: number
  title: string | null
  titledAt: number | null
  readonly categories: Map<string, number>
}

/**
 * Gathers apps while calls are added up. What counts is when calls were made and not when they are read, so that apps
 * that are made again from the records come out the same.
 */
export function createSightings(): Sightings {
  const seen = new Map<string, Seen>()
  return {
    see(call) {
      if (call.simulated) return
      const id = appOf(call.referer, call.title)
      if (id === '') return
      let app = seen.get(id)
      if (app === undefined) seen.set(id, app = { firstAt: call.createdAt, title: null, titledAt: null, categories: new Map() })
      join(app, { firstAt: call.createdAt, title: call.title, titledAt: call.createdAt, categories: call.categories.map((name) => [name, call.createdAt]) })
    },
    async write(trx) {
      const ids = [...seen.keys()]
      for (let from = 0; from < ids.length; from += SLICE) {
        const slice = ids.slice(from, from + SLICE)
        const there = new Map((await trx.selectFrom('apps').selectAll().where('id', 'in', slice).execute()).map((row) => [row.id, row]))
        const rows = slice.flatMap((id) => {
          const row = there.get(id)
          const app = seen.get(id)!
          if (row) join(app, { firstAt: row.first_at, title: row.title, titledAt: row.titled_at, categories: Object.entries(readColumn<Record<string, number>>(row.categories)) })
          const next = { id, first_at: app.firstAt, title: app.title, titled_at: app.titledAt, categories: categoriesText(app.categories), hidden: 0 as const } satisfies Insertable<AppTable>
          const same = row && row.first_at === next.first_at && row.title === next.title && row.titled_at === next.titled_at && row.categories === next.categories
          return same ? [] : [next]
        })
        if (rows.length === 0) continue
        await trx.insertInto('apps').values(rows.map((row) =>
          ({ ...row, claimed_by: null, claimed_in: null, claimed_at: null, claimed_title: null, tagline: null })))
          .onConflict((conflict) => conflict.column('id').doUpdateSet((build) =>
            Object.fromEntries((['first_at', 'title', 'titled_at', 'categories'] as const).map((name) => [name, build.ref(`excluded.${name}`)]))))
          .execute()
      }
    },
  }
}

/** Forgets what calls said of their apps, to have it gathered again; what keys said of theirs stays. */
export async function forgetSightings(trx: Transaction<Schema>): Promise<void> {
  await trx.deleteFrom('apps').where('claimed_by', 'is', null).execute()
  await trx.updateTable('apps').set({ first_at: Number.MAX_SAFE_INTEGER, title: null, titled_at: null, categories: '{}' }).execute()
}

/** Joins what is known of an app from elsewhere: the earliest of each stands, and of two titles at once the first by letters. */
function join(app: Seen, other: { firstAt: number; title: string | null; titledAt: number | null; categories: readonly (readonly [string, number])[] }): void {
  app.firstAt = Math.min(app.firstAt, other.firstAt)
  if (other.title !== null && other.titledAt !== null) {
    const sooner = app.titledAt === null ? -1 : other.titledAt - app.titledAt
    if (sooner < 0 || (sooner === 0 && other.title < app.title!)) {
      app.title = other.title
      app.titledAt = other.titledAt
    }
  }
  for (const [name, at] of other.categories) app.categories.set(name, Math.min(at, app.categories.get(name) ?? at))
}

function categoriesText(categories: ReadonlyMap<string, number>): string {
  return JSON.stringify(Object.fromEntries([...categories].toSorted(([a], [b]) => (a < b ? -1 : 1))))
}
