import type { Migration } from './index.ts'

/** Answers that callers want again when they ask the same, sealed; and which calls were given one. */
export const responseCache: Migration = {
  name: 'response-cache',
  async up(trx, { types }) {
    await trx.schema.createTable('response_cache')
      .addColumn('id', types.id, column => column.primaryKey())
      .addColumn('key_id', types.id, column => column.notNull())
      .addColumn('created_at', types.whole, column => column.notNull())
      .addColumn('expires_at', types.whole, column => column.notNull())
      .addColumn('size', types.whole, column => column.notNull())
      .addColumn('content', types.text, column => column.notNull())
      .modifyEnd(types.tableEnd)
      .execute()
    await trx.schema.createIndex('response_cache_by_key').on('response_cache').columns(['key_id']).execute()
    await trx.schema.createIndex('response_cache_by_end').on('response_cache').columns(['expires_at']).execute()
    await trx.schema.createIndex('response_cache_by_age').on('response_cache').columns(['created_at']).execute()
    await trx.schema.alterTable('generations').addColumn('cached_from', types.text).execute()
  },
}
