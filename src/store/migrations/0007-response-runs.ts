import type { Migration } from './index.ts'

/** Responses that are made in the background, and the events of streams that can be taken up again. */
export const responseRuns: Migration = {
  name: 'response-runs',
  async up(trx, { types }) {
    await trx.schema.createTable('response_runs')
      .addColumn('id', types.id, column => column.primaryKey().references('responses.id').onDelete('cascade'))
      .addColumn('workspace', types.id, column => column.notNull())
      .addColumn('key_id', types.id, column => column.notNull())
      .addColumn('status', types.id, column => column.notNull())
      .addColumn('holder', types.id, column => column.notNull())
      .addColumn('until_at', types.whole, column => column.notNull())
      .addColumn('cancelled', types.count, column => column.notNull())
      .modifyEnd(types.tableEnd)
      .execute()
    await trx.schema.createIndex('response_runs_by_key').on('response_runs').column('key_id').execute()
    await trx.schema.createTable('response_events')
      .addColumn('id', types.id, column => column.notNull().references('responses.id').onDelete('cascade'))
      .addColumn('first', types.count, column => column.notNull())
      .addColumn('last', types.count, column => column.notNull())
      .addColumn('content', types.text, column => column.notNull())
      .addPrimaryKeyConstraint('response_events_key', ['id', 'first'])
      .modifyEnd(types.tableEnd)
      .execute()
  },
}
