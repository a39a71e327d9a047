import type { Migration } from './index.ts'

/** Responses that callers wanted kept, sealed; and which keys of the vault rows may have been sealed under. */
export const responses: Migration = {
  name: 'responses',
  async up(trx, { types }) {
    await trx.schema.createTable('vault_keys')
      .addColumn('id', types.id, column => column.primaryKey())
      .addColumn('created_at', types.whole, column => column.notNull())
      .modifyEnd(types.tableEnd)
      .execute()
    await trx.schema.createTable('responses')
      .addColumn('id', types.id, column => column.primaryKey())
      .addColumn('workspace', types.id, column => column.notNull())
      .addColumn('key_id', types.id, column => column.notNull())
      .addColumn('created_at', types.whole, column => column.notNull())
      .addColumn('expires_at', types.whole, column => column.notNull())
      .addColumn('content', types.text, column => column.notNull())
      .modifyEnd(types.tableEnd)
      .execute()
    await trx.schema.createIndex('responses_by_end').on('responses').columns(['expires_at']).execute()
  },
}
