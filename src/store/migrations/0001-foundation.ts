import { sql } from 'kysely'
import type { Migration } from './index.ts'

const TOKEN_COLUMNS = [
  'input_tokens', 'cache_read_tokens', 'cache_write_5m_tokens', 'cache_write_1h_tokens',
  'input_audio_tokens', 'input_image_tokens', 'input_video_tokens',
  'output_tokens', 'reasoning_tokens', 'output_audio_tokens', 'output_image_tokens',
  'prediction_accepted_tokens', 'prediction_rejected_tokens',
] as const

/** Workspaces with `default` in it, keys and the peppers they were made under, and the record of calls. */
export const foundation: Migration = {
  name: 'foundation',
  async up(trx, { types, now }) {
    await trx.schema.createTable('workspaces')
      .addColumn('id', types.id, column => column.primaryKey())
      .addColumn('name', types.text, column => column.notNull())
      .addColumn('created_at', types.whole, column => column.notNull())
      .modifyEnd(types.tableEnd)
      .execute()
    await trx.insertInto('workspaces').values({ id: 'default', name: 'Default', created_at: now }).execute()

    await trx.schema.createTable('peppers')
      .addColumn('id', types.id, column => column.primaryKey())
      .addColumn('created_at', types.whole, column => column.notNull())
      .addColumn('removed_at', types.whole)
      .modifyEnd(types.tableEnd)
      .execute()

    await trx.schema.createTable('counters')
      .addColumn('name', types.id, column => column.primaryKey())
      .addColumn('value', types.whole, column => column.notNull())
      .modifyEnd(types.tableEnd)
      .execute()
    await trx.insertInto('counters').values({ name: 'keys', value: 0 }).execute()

    await trx.schema.createTable('keys')
      .addColumn('hash', types.id, column => column.primaryKey())
      .addColumn('hmac', types.text, column => column.notNull())
      .addColumn('pepper', types.id, column => column.notNull().references('peppers.id'))
      .addColumn('name', types.text, column => column.notNull())
      .addColumn('label', types.text, column => column.notNull())
      .addColumn('workspace', types.id, column => column.notNull().references('workspaces.id'))
      .addColumn('disabled', types.count, column => column.notNull().check(sql`disabled in (0, 1)`))
      .addColumn('settings', types.text, column => column.notNull())
      .addColumn('created_at', types.whole, column => column.notNull())
      .addColumn('updated_at', types.whole)
      .addColumn('deleted_at', types.whole)
      .addColumn('version', types.whole, column => column.notNull().unique())
      .modifyEnd(types.tableEnd)
      .execute()

    let generations = trx.schema.createTable('generations')
      .addColumn('id', types.id, column => column.primaryKey())
      .addColumn('created_at', types.whole, column => column.notNull())
      .addColumn('key_id', types.id, column => column.notNull())
      .addColumn('workspace', types.id, column => column.notNull())
      .addColumn('surface', types.text, column => column.notNull())
      .addColumn('requested', types.text, column => column.notNull())
      .addColumn('model', types.text)
      .addColumn('endpoint', types.text)
      .addColumn('provider', types.text)
      .addColumn('provider_name', types.text)
      .addColumn('upstream_id', types.text)
      .addColumn('streamed', types.count, column => column.notNull())
      .addColumn('cancelled', types.count, column => column.notNull())
      .addColumn('simulated', types.count, column => column.notNull())
      .addColumn('finish', types.text)
      .addColumn('native_finish', types.text)
      .addColumn('fault', types.text)
      .addColumn('latency_ms', types.count)
      .addColumn('duration_ms', types.count, column => column.notNull())
    for (const name of TOKEN_COLUMNS) generations = generations.addColumn(name, types.count, column => column.notNull())
    await generations
      .addColumn('services', types.text)
      .addColumn('stated_nano', types.money)
      .addColumn('counted', types.text, column => column.notNull())
      .addColumn('cost_nano', types.money, column => column.notNull())
      .addColumn('absorbed_nano', types.money, column => column.notNull())
      .addColumn('price', types.text)
      .addColumn('tier', types.text)
      .addColumn('attempts', types.text, column => column.notNull())
      .addColumn('untried', types.count, column => column.notNull())
      .addColumn('referer', types.text)
      .addColumn('title', types.text)
      .addColumn('categories', types.text)
      .addColumn('user_agent', types.text)
      .addColumn('external_user', types.text)
      .addColumn('session', types.text)
      .addColumn('input_media', types.count, column => column.notNull())
      .addColumn('input_audio', types.count, column => column.notNull())
      .modifyEnd(types.tableEnd)
      .execute()
    // For the log of a workspace, newest first. Each further index costs a tenth of what a record costs.
    await trx.schema.createIndex('generations_by_workspace').on('generations').columns(['workspace', 'created_at', 'id']).execute()
  },
}
