import { MIGRATIONS } from './migrations/index.ts'
import { StoreError, type Engine } from './engine.ts'

/**
 * Brings the schema up to date: all missing migrations in one transaction, under a lock, so that processes that start
 * at once wait for the first. Forward only; throws a StoreError when the database is of another program or newer.
 */
export async function migrate(engine: Engine): Promise<void> {
  await engine.exclusively('migrations', async trx => {
    await trx.schema.createTable('migrations').ifNotExists()
      .addColumn('number', engine.types.count, column => column.primaryKey())
      .addColumn('name', engine.types.text, column => column.notNull())
      .addColumn('applied_at', engine.types.whole, column => column.notNull())
      .modifyEnd(engine.types.tableEnd)
      .execute()
    const applied = await trx.selectFrom('migrations').select(['number', 'name']).orderBy('number').execute()

    const newest = applied.at(-1)?.number ?? 0
    if (newest > MIGRATIONS.length) {
      throw new StoreError(`The database was written by a newer Signalbox (schema ${newest}; this one knows up to `
        + `${MIGRATIONS.length}). Start that version, or go back to a backup that is older than it.`)
    }
    for (const [at, { name }] of applied.entries()) {
      const ours = MIGRATIONS[at]?.name
      if (name === ours) continue
      throw new StoreError(`The database was written by another line of Signalbox: its migration ${at + 1} is "${name}", `
        + `here it is "${ours}".`)
    }
    for (const [at, migration] of MIGRATIONS.entries()) {
      if (at < applied.length) continue
      await migration.up(trx, engine)
      await trx.insertInto('migrations')
        .values({ number: at + 1, name: migration.name, applied_at: engine.now })
        .execute()
    }
  })
}
