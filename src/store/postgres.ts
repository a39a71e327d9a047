import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient, type PostgresQueryResult, type RawBuilder, sql, type Transaction } from 'kysely'
import type { PoolClient, PoolConfig, QueryResult } from 'pg'
import type { AddedColumns, Engine, Opened, Row } from './engine.ts'
import type { Schema } from './schema.ts'
import { isMoney, storable } from './text.ts'

const POOL = {
  max: 20,
  application_name: 'signalbox',
  connectionTimeoutMillis: 2000,
  statement_timeout: 2000,
  lock_timeout: 500,
  idle_in_transaction_session_timeout: 5000,
  /** The server's timeouts end what it works on; this one ends the wait for a server that is frozen or cut off. */
  query_timeout: 4000,
  keepAlive: true,
} as const satisfies PoolConfig

/** Another node may be migrating. */
const MIGRATION_POOL = {
  ...POOL,
  max: 1,
  statement_timeout: 600_000,
  lock_timeout: 600_000,
  idle_in_transaction_session_timeout: 600_000,
  query_timeout: 610_000,
} as const satisfies PoolConfig

/** Rows that are added up by one statement: some ten milliseconds' worth. */
const ADDED_AT_ONCE = 500

const INT8 = 20
const NUMERIC = 1700

/** Opens a pool to the Postgres at `url`; throws when it does not answer. `pg` is loaded here, on first use. */
export async function openPostgres(url: string): Promise<Opened> {
  const engine = await connect(url, POOL)
  try {
    await sql`select 1`.execute(engine.db)
  } catch (error) {
    await engine.close()
    throw error
  }
  return { engine, forMigration: await connect(url, MIGRATION_POOL) }
}

async function connect(url: string, settings: PoolConfig): Promise<Engine> {
  const { default: pg } = await import('pg')
  const pool = new pg.Pool({ ...settings, connectionString: url })
  // A connection that breaks while nobody uses it is replaced by the next query; unheard, it would end the process.
  pool.on('error', () => {})
  pool.on('connect', client => client.on('error', () => {}))
  const clients = new WeakMap<PoolClient, PostgresPoolClient>()
  const wrapped: PostgresPool = {
    options: pool.options,
    Client: pg.Client as unknown as PostgresPool['Client'],
    end: () => pool.end(),
    async connect() {
      const client = await pool.connect()
      const known = clients.get(client) ?? wrap(client)
      clients.set(client, known)
      return known
    },
  }
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool: wrapped }) })
  return {
    db,
    exclusively: (name, work) => db.transaction().execute(async trx => {
      await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(trx)
      return work(trx)
    }),
    ifFree: (name, work) => db.transaction().execute(async trx => {
      const { rows } = await sql<{ mine: boolean }>`select pg_try_advisory_xact_lock(hashtextextended(${name}, 0)) as mine`.execute(trx)
      return rows[0]?.mine ? work(trx) : null
    }),
    insertNew: (table, columns, rows) => insertNew(db, table, columns, rows),
    addUp,
    json: (column, ...steps) => sql`(${sql.ref(column)}::json #>> ${steps})`,
    types: {
      id: sql`text collate "C"`, text: sql`text`, count: sql`integer`, whole: sql`bigint`, money: sql`bigint`, tableEnd: sql``,
    },
    now: sql`(extract(epoch from clock_timestamp()) * 1000)::bigint`,
    close: () => db.destroy(),
  }
}

/**
 * A client that gives integers as the schema says. One that did not answer in time is destroyed when it comes back:
 * the late answer would otherwise be taken for that of the next query.
 */
function wrap(client: PoolClient): PostgresPoolClient {
  let broken = false
  const query = async (text: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<unknown>> => {
    try {
      const values = parameters.map(value => (typeof value === 'string' ? storable(value) : value))
      return typed(await client.query(text, values)) as PostgresQueryResult<unknown>
    } catch (error) {
      if ((error as Error).message === 'Query read timeout') broken = true
      throw error
    }
  }
  return {
    query: query as PostgresPoolClient['query'],
    release: destroy => client.release(destroy || broken),
  }
}

/** `pg` gives 8-byte integers and sums as text: money becomes a bigint, everything else a number. */
function typed(result: QueryResult): QueryResult {
  const whole = result.fields.filter(field => field.dataTypeID === INT8 || field.dataTypeID === NUMERIC)
  for (const { name } of whole) {
    const read = isMoney(name) ? BigInt : Number
    for (const row of result.rows as Record<string, unknown>[]) {
      const value = row[name]
      if (typeof value === 'string') row[name] = read(value)
    }
  }
  return result
}

/**
 * The whole batch as one JSON parameter. When the database refuses what is in it (SQLSTATE classes 22 and 23), halves
 * are tried until the rows at fault stand alone.
 */
async function insertNew(
  db: Kysely<Schema>, table: string, columns: readonly string[], rows: readonly Row[],
): Promise<readonly Row[]> {
  if (rows.length === 0) return []
  const names = sql.join(columns.map(name => sql.ref(name)))
  const batch = batchOf(columns, rows)
  try {
    await sql`insert into ${sql.table(table)} (${names})
      select ${names} from json_populate_recordset(null::${sql.table(table)}, ${batch}::json)
      on conflict do nothing`.execute(db)
    return []
  } catch (error) {
    if (!/^2[23]/.test(String((error as { code?: unknown }).code))) throw error
  }
  if (rows.length === 1) return rows
  const half = rows.length >> 1
  return [
    ...await insertNew(db, table, columns, rows.slice(0, half)),
    ...await insertNew(db, table, columns, rows.slice(half)),
  ]
}

/** The same, in pieces that end well within a statement's time. */
async function addUp(
  trx: Transaction<Schema>, table: string, { key, add, set }: AddedColumns, rows: readonly Row[],
): Promise<void> {
  const columns = [...key, ...add, ...set]
  const refs = (of: readonly string[]): RawBuilder<unknown> => sql.join(of.map(name => sql.ref(name)))
  const changes = sql.join([
    ...add.map(name => sql`${sql.ref(name)} = ${sql.ref(`${table}.${name}`)} + ${sql.ref(`excluded.${name}`)}`),
    ...set.map(name => sql`${sql.ref(name)} = ${sql.ref(`excluded.${name}`)}`),
  ])
  for (let from = 0; from < rows.length; from += ADDED_AT_ONCE) {
    await sql`insert into ${sql.table(table)} (${refs(columns)})
      select ${refs(columns)} from json_populate_recordset(null::${sql.table(table)}, ${batchOf(columns, rows.slice(from, from + ADDED_AT_ONCE))}::json)
      on conflict (${refs(key)}) do update set ${changes}`.execute(trx)
  }
}

/** Rows as one JSON parameter. */
function batchOf(columns: readonly string[], rows: readonly Row[]): string {
  return JSON.stringify(rows.map(row => Object.fromEntries(columns.map((name, at) => [name, jsonValue(row[at] ?? null)]))))
}

function jsonValue(value: Row[number]): Row[number] {
  if (typeof value === 'bigint') return value.toString()
  return typeof value === 'string' ? storable(value) : value
}
