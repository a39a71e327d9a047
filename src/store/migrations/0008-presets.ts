import type { Migration } from './index.ts'

/** Presets with their versions, and which of them a call was filled in with. */
export const presets: Migration = {
  name: 'presets',
  async up(trx, { types }) {
    await trx.insertInto('counters').values({ name: 'presets', value: 0 }).execute()
    await trx.schema.createTable('presets')
      .addColumn('id', types.id, column => column.primaryKey())
      .addColumn('workspace', types.id, column => column.notNull().references('workspaces.id'))
      .addColumn('slug', types.id, column => column.notNull())
      .addColumn('name', types.text, column => column.notNull())
      .addColumn('description', types.text)
      .addColumn('status', types.text, column => column.notNull())
      .addColumn('status_updated_at', types.whole)
      .addColumn('designated_version', types.count, column => column.notNull())
      .addColumn('created_at', types.whole, column => column.notNull())
      .addColumn('updated_at', types.whole, column => column.notNull())
      .addColumn('deleted_at', types.whole)
      .addColumn('change', types.whole, column => column.notNull().unique())
      .modifyEnd(types.tableEnd)
      .execute()
    await trx.schema.createIndex('presets_by_slug').on('presets').columns(['workspace', 'slug']).execute()
    await trx.schema.createTable('preset_versions')
      .addColumn('id', types.id, column => column.primaryKey())
      .addColumn('preset_id', types.id, column => column.notNull().references('presets.id'))
      .addColumn('version', types.count, column => column.notNull())
      .addColumn('dialect', types.text, column => column.notNull())
      .addColumn('config', types.text, column => column.notNull())
      .addColumn('system_prompt', types.text)
      .addColumn('creator', types.id, column => column.notNull())
      .addColumn('created_at', types.whole, column => column.notNull())
      .addUniqueConstraint('preset_versions_once', ['preset_id', 'version'])
      .modifyEnd(types.tableEnd)
      .execute()
    await trx.schema.alterTable('generations').addColumn('preset_id', types.id).execute()
  },
}
