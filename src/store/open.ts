import path from 'node:path'
import { StoreError, type Opened, type Store } from './engine.ts'
import { openFolder } from './folder.ts'
import { migrate } from './migrate.ts'
import { openPostgres } from './postgres.ts'
import { openSqlite } from './sqlite.ts'

/**
 * Opens the database and brings its schema up to date: SQLite in `home` when `url` is null, otherwise the Postgres of
 * the url. The folder is made when absent. Several processes may open the same database at once.
 * Throws a StoreError that says what is wrong and never contains the url's password.
 */
export async function openStore(given: { readonly url: string | null; readonly home: string }): Promise<Store> {
  const { url, home } = given
  try {
    openFolder(home)
  } catch (error) {
    throw new StoreError(`The data folder ${home} cannot be used: ${reason(error)}. SIGNALBOX_HOME names another.`)
  }
  const { engine, forMigration } = url === null
    ? await reach(() => openSqlite(path.join(home, 'signalbox.db')), `The database in ${home} cannot be opened`)
    : await openUrl(url)
  try {
    await migrate(forMigration)
  } catch (error) {
    await engine.close()
    if (error instanceof StoreError) throw error
    throw new StoreError(`The database could not be brought up to date: ${reason(error)}`)
  } finally {
    if (forMigration !== engine) await forMigration.close()
  }
  return engine
}

async function openUrl(url: string): Promise<Opened> {
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (parsed === null || !['postgres:', 'postgresql:'].includes(parsed.protocol)) {
    throw new StoreError('DATABASE_URL must be of the form postgres://user:password@host:5432/name; without it, SQLite is used.')
  }
  return reach(() => openPostgres(url), `The database at ${parsed.host}${parsed.pathname} cannot be reached`)
}

async function reach(open: () => Promise<Opened>, sentence: string): Promise<Opened> {
  try {
    return await open()
  } catch (error) {
    throw new StoreError(`${sentence}: ${reason(error)}`)
  }
}

/** A refused connection to a host with several addresses is an AggregateError without a message. */
function reason(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reason).join('; ')
  return error instanceof Error ? error.message || error.name : String(error)
}
