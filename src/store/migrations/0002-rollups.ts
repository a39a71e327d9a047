import { sql } from 'kysely'
import type { Migration } from './index.ts'

const COUNTS = [
  'requests', 'answered', 'cancelled', 'streamed', 'prompt_tokens', 'cache_read_tokens', 'cache_write_tokens', 'completion_tokens',
  'reasoning_tokens', 'tool_requests', 'bad_tool_requests', 'tool_calls', 'structured_requests', 'bad_structured_requests', 'attempts', 'failures', 'limited',
] as const

/** What calls add up to by minute, hour and day; the order in which they are added up; and who does such work. */
export const rollups: Migration = {
  name: 'rollups',
  async up(trx, { types, now }) {
    for (const name of ['tools', 'tool_calls', 'bad_tool_calls', 'structured', 'bad_structured']) {
      await trx.schema.alterTable('generations').addColumn(name, types.count).execute()
    }
    // Records of before have no run that wrote them: they are one run of their own, in the order of their ids.
    await trx.schema.alterTable('generations').addColumn('node', types.count, column => column.notNull().defaultTo(0)).execute()
    await trx.schema.alterTable('generations').addColumn('seq', types.whole, column => column.notNull().defaultTo(0)).execute()
    await sql`update generations set seq = numbered.place
      from (select id as numbered_id, row_number() over (order by id) as place from generations) as numbered
      where generations.id = numbered.numbered_id`.execute(trx)
    await trx.schema.createIndex('generations_by_place').on('generations').columns(['node', 'seq']).execute()

    let table = trx.schema.createTable('rollups')
      .addColumn('cut', types.id, column => column.notNull())
      .addColumn('grain', types.count, column => column.notNull())
      .addColumn('at', types.whole, column => column.notNull())
      .addColumn('a', types.id, column => column.notNull())
      .addColumn('b', types.id, column => column.notNull())
      .addColumn('c', types.id, column => column.notNull())
    for (const name of COUNTS) table = table.addColumn(name, types.whole, column => column.notNull())
    await table
      .addColumn('cost_nano', types.money, column => column.notNull())
      .addColumn('absorbed_nano', types.money, column => column.notNull())
      .addColumn('latency', types.text)
      .addColumn('throughput', types.text)
      .addColumn('duration', types.text)
      .addPrimaryKeyConstraint('rollups_key', ['cut', 'grain', 'at', 'a', 'b', 'c'])
      .modifyEnd(types.tableEnd)
      .execute()
    // For the figures of one group over time; the key itself serves "all groups at a time".
    await trx.schema.createIndex('rollups_by_group').on('rollups').columns(['cut', 'grain', 'a', 'at']).execute()

    await trx.schema.createTable('rollup_cursors')
      .addColumn('node', types.count, column => column.primaryKey())
      .addColumn('seq', types.whole, column => column.notNull())
      .addColumn('seen_at', types.whole, column => column.notNull())
      .modifyEnd(types.tableEnd)
      .execute()
    await trx.insertInto('rollup_cursors').values({ node: 0, seq: 0, seen_at: now }).execute()
    await trx.schema.createTable('leases')
      .addColumn('name', types.id, column => column.primaryKey())
      .addColumn('holder', types.id, column => column.notNull())
      .addColumn('until_at', types.whole, column => column.notNull())
      .modifyEnd(types.tableEnd)
      .execute()
  },
}
