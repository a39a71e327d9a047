import type { Kysely, RawBuilder, Transaction } from 'kysely'
import type { Schema } from './schema.ts'

/** Why the store cannot be used, in a sentence for the operator, without secrets. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
}

export type Row = readonly (string | number | bigint | null)[]

/** How each column of rows that are added up is treated; `key` is one that the table is unique in. */
export interface AddedColumns {
  readonly key: readonly string[]
  readonly add: readonly string[]
  readonly set: readonly string[]
}

/**
 * An open database. Queries are written once, with `db`; what the two databases do differently is behind the named
 * functions. Inside a transaction only its own handle may write: on SQLite a write through `db` would wait for itself.
 */
export interface Store {
  readonly db: Kysely<Schema>
  /** A transaction that no other of the same name overlaps, in this process or any other on the same database. */
  exclusively<T>(name: string, work: (trx: Transaction<Schema>) => Promise<T>): Promise<T>
  /** The same, but null at once when another is at it: for work that it does as well. SQLite has one writer, so there it waits. */
  ifFree<T>(name: string, work: (trx: Transaction<Schema>) => Promise<T>): Promise<T | null>
  /**
   * Inserts rows (values in the order of `columns`) that are not there yet; the others stay as they are, so that a
   * try whose outcome is unknown may be repeated. Returns the rows that the database refused for what is in them;
   * throws, with nothing inserted, when it could not be reached. On SQLite the work is done in slices of milliseconds.
   */
  insertNew(table: keyof Schema & string, columns: readonly string[], rows: readonly Row[]): Promise<readonly Row[]>
  /**
   * Adds rows up with those of the same key in a transaction of `exclusively` or `ifFree`: `add` to what stands there,
   * `set` in its place; what is not there is inserted. Rows have values in the order of `key`, `add`, `set`, and no two of
   * them the same key. Nothing has to be read for it, and a row takes a tenth of what reading and writing it back does.
   */
  addUp(trx: Transaction<Schema>, table: keyof Schema & string, columns: AddedColumns, rows: readonly Row[]): Promise<void>
  /** A string or number inside a JSON column, as text; null where there is none. */
  json(column: string, ...steps: readonly string[]): RawBuilder<string | null>
  /** Ends the connections, once what is under way is done. */
  close(): Promise<void>
}

/** A database with what migrations need besides. */
export interface Engine extends Store {
  readonly types: ColumnTypes
  /** The database's clock, in milliseconds since the epoch. */
  readonly now: RawBuilder<number>
}

/** Column types by meaning. */
export interface ColumnTypes {
  /** Text that is compared by its bytes. */
  readonly id: RawBuilder<unknown>
  readonly text: RawBuilder<unknown>
  /** A number below 2³¹. */
  readonly count: RawBuilder<unknown>
  /** A number below 2⁵³: times and counters. */
  readonly whole: RawBuilder<unknown>
  readonly money: RawBuilder<unknown>
  /** What follows the closing bracket of a table. */
  readonly tableEnd: RawBuilder<unknown>
}

/** An engine, and the one to migrate through: a migration may take longer than a query should. */
export interface Opened {
  readonly engine: Engine
  readonly forMigration: Engine
}
