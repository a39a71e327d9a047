import type { Migration } from './index.ts'

/** What the lists of endpoints asked at each time, and the catalogues that it was read from. */
export const listPrices: Migration = {
  name: 'list-prices',
  async up(trx, { types }) {
    await trx.schema.createTable('price_lists')
      .addColumn('at', types.whole, column => column.primaryKey())
      .addColumn('version', types.id, column => column.notNull())
      .modifyEnd(types.tableEnd)
      .execute()
    await trx.schema.createTable('list_prices')
      .addColumn('endpoint', types.id, column => column.notNull())
      .addColumn('at', types.whole, column => column.notNull())
      .addColumn('model', types.id, column => column.notNull())
      .addColumn('pricing', types.text)
      .addPrimaryKeyConstraint('list_prices_key', ['endpoint', 'at'])
      .modifyEnd(types.tableEnd)
      .execute()
    await trx.schema.createIndex('list_prices_by_model').on('list_prices').columns(['model', 'at']).execute()
  },
}
