import type { Migration } from './index.ts'

/** Whether pages of the manual were helpful, as their visitors say, who are told apart for a day. */
export const pageVotes: Migration = {
  name: 'page-votes',
  async up(trx, { types }) {
    await trx.schema.createTable('page_votes')
      .addColumn('page', types.id, column => column.notNull())
      .addColumn('visitor', types.id, column => column.notNull())
      .addColumn('at', types.whole, column => column.notNull())
      .addColumn('helpful', types.count, column => column.notNull())
      .addColumn('text', types.text)
      .addPrimaryKeyConstraint('page_votes_key', ['page', 'visitor'])
      .modifyEnd(types.tableEnd)
      .execute()
    await trx.schema.createIndex('page_votes_by_time').on('page_votes').columns(['at']).execute()
    await trx.schema.createTable('visitor_salts')
      .addColumn('day', types.whole, column => column.primaryKey())
      .addColumn('salt', types.id, column => column.notNull())
      .modifyEnd(types.tableEnd)
      .execute()
  },
}
