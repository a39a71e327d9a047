import type { Migration } from './index.ts'

/** Which calls shared one answer, and who of them pays. */
export const coalesced: Migration = {
  name: 'coalesced',
  async up(trx, { types }) {
    await trx.schema.alterTable('generations').addColumn('coalesced', types.text).execute()
  },
}
