import type { Migration } from './index.ts'

/** Which runs of a program wrote a demonstration: traffic that never was. */
export const demo: Migration = {
  name: 'demo',
  async up(trx, { types }) {
    await trx.schema.alterTable('rollup_cursors').addColumn('demo', types.count, column => column.notNull().defaultTo(0)).execute()
  },
}
