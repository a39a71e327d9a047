import type { Migration } from './index.ts'

/** What callers set sampling parameters to. Records of before do not say, so nothing is added up again. */
export const parameters: Migration = {
  name: 'parameters',
  async up(trx, { types }) {
    await trx.schema.alterTable('generations').addColumn('sampling', types.text).execute()
    await trx.schema.createTable('parameter_rollups')
      .addColumn('model', types.id, column => column.notNull())
      .addColumn('parameter', types.id, column => column.notNull())
      .addColumn('at', types.whole, column => column.notNull())
      .addColumn('settings', types.text, column => column.notNull())
      .addColumn('callers', types.text, column => column.notNull())
      .addPrimaryKeyConstraint('parameter_rollups_key', ['model', 'parameter', 'at'])
      .modifyEnd(types.tableEnd)
      .execute()
  },
}
