import type { Migration } from './index.ts'

/** What routing stood on at past moments: health summaries by node, and versions of the catalogue and of the policy. */
export const history: Migration = {
  name: 'history',
  async up(trx, { types }) {
    await trx.schema.createTable('versions')
      .addColumn('hash', types.id, column => column.primaryKey())
      .addColumn('body', types.text, column => column.notNull())
      .addColumn('created_at', types.whole, column => column.notNull())
      .modifyEnd(types.tableEnd)
      .execute()

    await trx.schema.createTable('health_summaries')
      .addColumn('at', types.whole, column => column.notNull())
      .addColumn('node', types.id, column => column.notNull())
      .addColumn('grain', types.count, column => column.notNull())
      .addColumn('catalog', types.id, column => column.notNull())
      .addColumn('policy', types.id, column => column.notNull())
      .addColumn('body', types.text, column => column.notNull())
      .addPrimaryKeyConstraint('health_summaries_key', ['grain', 'at', 'node'])
      .modifyEnd(types.tableEnd)
      .execute()
    // A version is kept as long as a summary names it.
    await trx.schema.createIndex('health_summaries_by_catalog').on('health_summaries').column('catalog').execute()
    await trx.schema.createIndex('health_summaries_by_policy').on('health_summaries').column('policy').execute()
  },
}
