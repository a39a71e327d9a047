import type { Migration } from './index.ts'

/** Calls of the instance's own, to see how endpoints do: which records they are, what they add to figures, and what they cost. */
export const probes: Migration = {
  name: 'probes',
  async up(trx, { types }) {
    await trx.schema.alterTable('generations').addColumn('probe', types.count, column => column.notNull().defaultTo(0)).execute()
    for (const name of ['probes', 'answered_probes']) {
      await trx.schema.alterTable('rollups').addColumn(name, types.whole, column => column.notNull().defaultTo(0)).execute()
    }
    await trx.schema.createTable('probes')
      .addColumn('endpoint', types.id, column => column.primaryKey())
      .addColumn('sent_at', types.whole, column => column.notNull())
      .addColumn('ended_at', types.whole)
      .addColumn('generation', types.id)
      .addColumn('outcome', types.id)
      .addColumn('down_since_at', types.whole)
      .addColumn('latency_ms', types.count)
      .addColumn('cost_nano', types.money, column => column.notNull())
      .modifyEnd(types.tableEnd)
      .execute()
    await trx.schema.createTable('probe_months')
      .addColumn('month', types.id, column => column.primaryKey())
      .addColumn('sent', types.whole, column => column.notNull())
      .addColumn('spent_nano', types.money, column => column.notNull())
      .addColumn('last_at', types.whole, column => column.notNull())
      .modifyEnd(types.tableEnd)
      .execute()
  },
}
