import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import {
  type CompiledQuery, type DatabaseConnection, type Dialect, type Driver, type QueryResult,
  Kysely, SelectQueryNode, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler, sql,
} from 'kysely'
import { LRUCache } from 'lru-cache'
import type { AddedColumns, Engine, Opened, Row } from './engine.ts'
import { touchPrivateFile } from './folder.ts'
import type { Schema } from './schema.ts'
import { isMoney, storable } from './text.ts'

/** How long a write waits for another process that holds the lock, before the caller hears of it. */
const BUSY_TIMEOUT_MS = 5000
/**
 * Pages in the WAL before a commit copies them back, which includes an fsync and stops the event loop. At SQLite's own
 * 1000 a commit in ten took 13 ms and some 21 ms under load; at 200 the longest took 6 ms, and a record a fifth more CPU.
 */
const CHECKPOINT_PAGES = 400
/** How many rows of a batch go in before others may run: about two milliseconds' worth. */
const SLICE = 100
const SQLITE_BUSY = 5
/** Result codes that speak of the row and not of the database: too big, constraint, mismatch, range. */
const REFUSALS: ReadonlySet<number> = new Set([18, 19, 20, 25])

/**
 * Opens a SQLite file (0600) with two connections: one that writes, and one that reads beside it, so that a reader
 * never waits for a lock. Waiting for another process's lock is done here, between attempts, with the event loop free:
 * SQLite's own busy timeout sleeps inside C and would stop every stream of this process for as long.
 */
export async function openSqlite(file: string): Promise<Opened> {
  touchPrivateFile(file)
  const writing = await patiently(() => openWriting(file))
  const reading = new DatabaseSync(file, { readOnly: true, timeout: 0 })
  reading.exec('PRAGMA trusted_schema = OFF')
  const writer = createHandle(writing)
  const driver = createDriver(writer, createHandle(reading))
  const db = new Kysely<Schema>({ dialect: dialectOf(driver) })
  const engine: Engine = {
    db,
    exclusively: (_, work) => db.transaction().execute(work),
    ifFree: (_, work) => db.transaction().execute(work),
    insertNew: (table, columns, rows) => driver.locked(() => insertNew(writer, table, columns, rows)),
    // The transaction has the only connection that writes: nothing of another can come between.
    addUp: (_, table, columns, rows) => addUp(writer, table, columns, rows),
    json: (column, ...steps) => sql`cast(json_extract(${sql.ref(column)}, ${pathOf(steps)}) as text)`,
    types: {
      id: sql`text`, text: sql`text`, count: sql`integer`, whole: sql`integer`, money: sql`integer`, tableEnd: sql`strict`,
    },
    now: sql`cast(unixepoch('subsec') * 1000 as integer)`,
    async close() {
      await db.destroy()
      await driver.destroy()
    },
  }
  return { engine, forMigration: engine }
}

function openWriting(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: 0, enableForeignKeyConstraints: true })
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF; '
      + `PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function pathOf(steps: readonly string[]): string {
  return '$' + steps.map(step => `.${JSON.stringify(step)}`).join('')
}

/** Tries again while the database is locked by another process, at most for the busy timeout. */
async function patiently<T>(work: () => T): Promise<T> {
  let waited = 0
  for (let pause = 1; ; pause = Math.min(pause * 2, 25)) {
    try {
      return work()
    } catch (error) {
      if ((resultCode(error) & 0xff) !== SQLITE_BUSY || waited >= BUSY_TIMEOUT_MS) throw error
    }
    await sleep(pause)
    waited += pause
  }
}

function resultCode(error: unknown): number {
  return (error as { errcode?: number } | null)?.errcode ?? 0
}

interface Prepared {
  readonly statement: StatementSync
  readonly returnsRows: boolean
  readonly hasMoney: boolean
}

interface Handle {
  readonly database: DatabaseSync
  prepare(text: string): Prepared
  run(text: string, parameters?: readonly unknown[]): QueryResult<never>
}

function createHandle(database: DatabaseSync): Handle {
  const statements = new LRUCache<string, Prepared>({ max: 256 })
  const prepare = (text: string): Prepared => {
    const known = statements.get(text)
    if (known) return known
    const statement = database.prepare(text)
    const columns = statement.columns()
    const hasMoney = columns.some(column => isMoney(column.name ?? ''))
    if (hasMoney) statement.setReadBigInts(true)
    const prepared = { statement, returnsRows: columns.length > 0, hasMoney }
    statements.set(text, prepared)
    return prepared
  }
  return {
    database,
    prepare,
    run(text, parameters = []) {
      const { statement, returnsRows, hasMoney } = prepare(text)
      const values = parameters.map(value => (typeof value === 'string' ? storable(value) : value)) as Row
      if (!returnsRows) {
        return { rows: [], numAffectedRows: BigInt(statement.run(...values).changes) }
      }
      const rows = statement.all(...values)
      if (hasMoney) for (const row of rows) onlyMoneyAsBigint(row)
      return { rows: rows as never[], numAffectedRows: BigInt(rows.length) }
    },
  }
}

/** A statement reads all integers as bigint or none; of those that were read so, only money stays one. */
function onlyMoneyAsBigint(row: Record<string, unknown>): void {
  for (const name in row) {
    const value = row[name]
    if (typeof value === 'bigint' && !isMoney(name)) row[name] = Number(value)
  }
}

type Release = () => void

interface SqliteDriver extends Driver {
  /** Runs `work` while nobody else in this process writes. */
  locked<T>(work: () => Promise<T>): Promise<T>
}

function createDriver(writer: Handle, reader: Handle): SqliteDriver {
  let last: Promise<void> = Promise.resolve()
  const lock = async (): Promise<Release> => {
    const before = last
    const { promise, resolve } = Promise.withResolvers<void>()
    last = promise
    await before
    return resolve
  }
  const locked = async <T>(work: () => Promise<T>): Promise<T> => {
    const release = await lock()
    try {
      return await work()
    } finally {
      release()
    }
  }
  const held = new WeakMap<DatabaseConnection, Release>()
  const letGo = (connection: DatabaseConnection): void => {
    held.get(connection)?.()
    held.delete(connection)
  }
  const connect = (): DatabaseConnection => {
    const connection: DatabaseConnection = {
      async executeQuery<R>({ sql: text, parameters, query }: CompiledQuery): Promise<QueryResult<R>> {
        if (held.has(connection)) return patiently(() => writer.run(text, parameters))
        if (SelectQueryNode.is(query)) return patiently(() => reader.run(text, parameters))
        return locked(() => patiently(() => writer.run(text, parameters)))
      },
      streamQuery() {
        throw new Error('Rows of SQLite are read whole: ask for a page of them.')
      },
    }
    return connection
  }
  return {
    locked,
    async init() {},
    async acquireConnection() {
      return connect()
    },
    async beginTransaction(connection) {
      const release = await lock()
      try {
        await patiently(() => writer.run('begin immediate'))
      } catch (error) {
        release()
        throw error
      }
      held.set(connection, release)
    },
    async commitTransaction(connection) {
      await patiently(() => writer.run('commit'))
      letGo(connection)
    },
    async rollbackTransaction(connection) {
      try {
        rollBack(writer)
      } finally {
        letGo(connection)
      }
    },
    async releaseConnection(connection) {
      letGo(connection)
    },
    async destroy() {
      const release = await lock()
      for (const { database } of [reader, writer]) if (database.isOpen) database.close()
      release()
    },
  }
}

/** Some failures (a full disk) have rolled the transaction back already. */
function rollBack(writer: Handle): void {
  if (writer.database.isTransaction) writer.run('rollback')
}

function dialectOf(driver: Driver): Dialect {
  return {
    createDriver: () => driver,
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createAdapter: () => new ManyConnections(),
    createIntrospector: db => new SqliteIntrospector(db),
  }
}

/** Kysely's own adapter lets one query in at a time; the driver above knows better which of them may overlap. */
class ManyConnections extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true
  }
}

async function insertNew(
  writer: Handle, table: string, columns: readonly string[], rows: readonly Row[],
): Promise<readonly Row[]> {
  const { statement } = writer.prepare(`insert into "${table}" (${columns.map(name => `"${name}"`).join(', ')}) `
    + `values (${columns.map(() => '?').join(', ')}) on conflict do nothing`)
  const refused: Row[] = []
  await patiently(() => writer.run('begin immediate'))
  try {
    for (const [at, row] of rows.entries()) {
      try {
        statement.run(...kept(row))
      } catch (error) {
        if (!REFUSALS.has(resultCode(error) & 0xff)) throw error
        refused.push(row)
      }
      if (at % SLICE === SLICE - 1) await setImmediate()
    }
    await patiently(() => writer.run('commit'))
  } catch (error) {
    rollBack(writer)
    throw error
  }
  return refused
}

/** A row with its text as a column keeps it: the row itself where that changes nothing, which is so of nearly all. */
function kept(row: Row): Row {
  for (const value of row) {
    if (typeof value === 'string' && storable(value) !== value) return row.map(each => (typeof each === 'string' ? storable(each) : each))
  }
  return row
}

async function addUp(writer: Handle, table: string, { key, add, set }: AddedColumns, rows: readonly Row[]): Promise<void> {
  const columns = [...key, ...add, ...set]
  const names = (of: readonly string[]): string => of.map(name => `"${name}"`).join(', ')
  const { statement } = writer.prepare(`insert into "${table}" (${names(columns)}) values (${columns.map(() => '?').join(', ')}) `
    + `on conflict (${names(key)}) do update set `
    + [...add.map(name => `"${name}" = "${name}" + excluded."${name}"`), ...set.map(name => `"${name}" = excluded."${name}"`)].join(', '))
  for (const [at, row] of rows.entries()) {
    statement.run(...kept(row))
    if (at % SLICE === SLICE - 1) await setImmediate()
  }
}
