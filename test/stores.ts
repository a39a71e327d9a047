/** Each test of a store runs on both databases: `forEachStore` declares it twice. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, describe } from 'node:test'
import { openStore, type Store } from '../src/store/index.ts'
import { freshDatabase, freshSchema, type Database } from './postgres.ts'

export interface Place {
  readonly home: string
  /** null is SQLite in `home`. */
  readonly url: string | null
}

export type Open = () => Promise<{ readonly store: Store; readonly place: Place; again(): Promise<Store> }>

/**
 * Declares a suite for SQLite and one for Postgres. `open()` gives a store on an empty database; `again()` opens the
 * same one once more, as another process would; `place()` makes an empty place and opens nothing.
 * All of it is closed and removed after the suite.
 */
export function forEachStore(declare: (name: 'sqlite' | 'postgres', open: Open, place: () => Promise<Place>) => void): void {
  for (const name of ['sqlite', 'postgres'] as const) {
    describe(`on ${name}`, () => {
      const undo: (() => unknown)[] = []
      let database: Promise<Database> | null = null
      const databaseOfSuite = async (): Promise<Database> => {
        const made = await freshDatabase()
        undo.unshift(() => made.drop())
        return made
      }
      after(async () => {
        for (const step of undo.toReversed()) await step()
      })
      const place = async (): Promise<Place> => {
        const home = mkdtempSync(path.join(tmpdir(), 'signalbox-store-'))
        undo.push(() => rmSync(home, { recursive: true, force: true }))
        if (name === 'sqlite') return { home, url: null }
        return { home, url: await freshSchema(await (database ??= databaseOfSuite())) }
      }
      const opened = async (at: Place): Promise<Store> => {
        const store = await openStore(at)
        undo.push(() => store.close())
        return store
      }
      declare(name, async () => {
        const at = await place()
        return { store: await opened(at), place: at, again: () => opened(at) }
      }, place)
    })
  }
}
