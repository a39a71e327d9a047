import type { Migration } from './index.ts'

/** Conversations that callers keep here: a list of items, to which each turn adds what was said. */
export const conversations: Migration = {
  name: 'conversations',
  async up(trx, { types }) {
    await trx.schema.createTable('conversations')
      .addColumn('id', types.id, column => column.primaryKey())
      .addColumn('workspace', types.id, column => column.notNull())
      .addColumn('key_id', types.id, column => column.notNull())
      .addColumn('created_at', types.whole, column => column.notNull())
      .addColumn('expires_at', types.whole, column => column.notNull())
      .addColumn('content', types.text, column => column.notNull())
      .addColumn('next', types.count, column => column.notNull())
      .addColumn('turn', types.id)
      .addColumn('turn_until_at', types.whole, column => column.notNull())
      .modifyEnd(types.tableEnd)
      .execute()
    await trx.schema.createIndex('conversations_by_end').on('conversations').column('expires_at').execute()
    await trx.schema.createTable('conversation_items')
      .addColumn('conversation', types.id, column => column.notNull().references('conversations.id').onDelete('cascade'))
      .addColumn('place', types.count, column => column.notNull())
      .addColumn('id', types.id, column => column.notNull())
      .addColumn('content', types.text, column => column.notNull())
      .addPrimaryKeyConstraint('conversation_items_key', ['conversation', 'place'])
      .addUniqueConstraint('conversation_items_by_id', ['conversation', 'id'])
      .modifyEnd(types.tableEnd)
      .execute()
  },
}
