import { sql } from 'kysely'
import type { Migration } from './index.ts'

/** The apps that calls come from. What calls add up to has new groups, so it is added up again from the records. */
export const apps: Migration = {
  name: 'apps',
  async up(trx, { types, now }) {
    await trx.schema.createTable('apps')
      .addColumn('id', types.id, column => column.primaryKey())
      .addColumn('first_at', types.whole, column => column.notNull())
      .addColumn('title', types.text)
      .addColumn('titled_at', types.whole)
      .addColumn('categories', types.text, column => column.notNull())
      .addColumn('claimed_by', types.id)
      .addColumn('claimed_in', types.id)
      .addColumn('claimed_at', types.whole)
      .addColumn('claimed_title', types.text)
      .addColumn('tagline', types.text)
      .addColumn('hidden', types.count, column => column.notNull().check(sql`hidden in (0, 1)`))
      .modifyEnd(types.tableEnd)
      .execute()
    await trx.deleteFrom('rollups').execute()
    await trx.updateTable('rollup_cursors').set({ seq: 0, seen_at: now }).execute()
  },
}
