import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { createFaultyRelay } from '../testing/index.ts'
import { withoutPatience } from '../../test/postgres.ts'
import { forEachStore, type Place } from '../../test/stores.ts'
import { openStore, StoreError, type Row } from './index.ts'
import { MIGRATIONS } from './migrations/index.ts'

const mode = (file: string): number => statSync(file).mode & 0o777
const PEPPER_COLUMNS = ['id', 'created_at', 'removed_at']

/** Another process that opens the store at `place` and then runs `code`. */
function otherProcess(place: Place, code: string): ChildProcess {
  return spawn(process.execPath, ['--input-type=module', '-e', `
    import { openStore } from ${JSON.stringify(import.meta.resolve('./index.ts'))}
    const store = await openStore(${JSON.stringify(place)})
    ${code}
  `], { stdio: ['ignore', 'pipe', 'pipe'] })
}

async function outcome(child: ChildProcess): Promise<{ code: number | null; errors: string }> {
  let errors = ''
  child.stderr!.on('data', chunk => { errors += String(chunk) })
  return new Promise(resolve => { child.on('close', code => resolve({ code, errors })) })
}

forEachStore((name, open, place) => {
  test('the first start makes the workspace that keys belong to', async () => {
    const { store } = await open()
    assert.deepEqual(await store.db.selectFrom('workspaces').select(['id', 'name']).execute().then(rows => rows.map(row => ({ ...row }))),
      [{ id: 'default', name: 'Default' }])
  })

  test('a second start finds what the first one left and changes nothing', async () => {
    const { store, again } = await open()
    await store.insertNew('peppers', PEPPER_COLUMNS, [['p', 1, null]])
    const second = await again()
    assert.equal((await second.db.selectFrom('peppers').selectAll().execute()).length, 1)
    assert.equal((await second.db.selectFrom('migrations').selectAll().execute()).length, MIGRATIONS.length)
  })

  test('processes that start at once on an empty database all come up', async () => {
    const at = await place()
    const ends = await Promise.all([1, 2, 3].map(() => outcome(otherProcess(at, 'await store.close()'))))
    assert.deepEqual(ends, ends.map(() => ({ code: 0, errors: '' })))
    const store = await openStore(at)
    assert.equal((await store.db.selectFrom('migrations').selectAll().execute()).length, MIGRATIONS.length)
    await store.close()
  })

  test('a database of a newer version is refused in one clear line', async () => {
    const { store, again } = await open()
    await store.db.insertInto('migrations').values({ number: 999, name: 'tomorrow', applied_at: 0 }).execute()
    await assert.rejects(again(), (error: unknown) => error instanceof StoreError
      && /newer Signalbox \(schema 999; this one knows up to \d+\)/.test(error.message) && !error.message.includes('\n'))
  })

  test('a database whose migrations are not ours is refused', async () => {
    const { store, again } = await open()
    await store.db.updateTable('migrations').set({ name: 'somebody elses' }).where('number', '=', 1).execute()
    await assert.rejects(again(), (error: unknown) => error instanceof StoreError && error.message.includes('"somebody elses"'))
  })

  test('money comes back to the last digit, other integers as numbers, sums of both too', async () => {
    const { store } = await open()
    await sql`create table samples (id varchar(20) primary key, cost_nano bigint, many bigint)`.execute(store.db)
    const most = 9_223_372_036_854_775_807n
    await sql`insert into samples values ('a', ${most}, ${2 ** 53 - 1}), ('b', ${-most}, 1), ('c', null, null)`.execute(store.db)
    const rows = await sql<Record<string, unknown>>`select id, cost_nano, many from samples order by id`.execute(store.db)
    assert.deepEqual(rows.rows.map(row => ({ ...row })), [
      { id: 'a', cost_nano: most, many: 2 ** 53 - 1 }, { id: 'b', cost_nano: -most, many: 1 }, { id: 'c', cost_nano: null, many: null },
    ])
    const sums = await sql<Record<string, unknown>>`
      select sum(cost_nano) as cost_nano, sum(many) as many, count(*) as rows from samples where id <> 'a'`.execute(store.db)
    assert.deepEqual({ ...sums.rows[0] }, { cost_nano: -most, many: 1, rows: 2 })
  })

  test('inserting again leaves what is there, so that a try of unknown outcome may be repeated', async () => {
    const { store } = await open()
    const rows: Row[] = [['one', 1, null], ['two', 2, null]]
    assert.deepEqual(await store.insertNew('peppers', PEPPER_COLUMNS, rows), [])
    assert.deepEqual(await store.insertNew('peppers', PEPPER_COLUMNS, [['two', 22, 22], ['three', 3, null]]), [])
    assert.deepEqual((await store.db.selectFrom('peppers').select(['id', 'created_at']).orderBy('created_at').execute()).map(row => ({ ...row })),
      [{ id: 'one', created_at: 1 }, { id: 'two', created_at: 2 }, { id: 'three', created_at: 3 }])
  })

  test('rows that the database refuses come back, and the rest of the batch is written', async () => {
    const { store } = await open()
    const rows: Row[] = Array.from({ length: 20 }, (_, at) => [`row ${at}`, at === 3 || at === 11 ? null : at, null])
    assert.deepEqual(await store.insertNew('peppers', PEPPER_COLUMNS, rows), [rows[3], rows[11]])
    assert.equal((await store.db.selectFrom('peppers').select('id').execute()).length, 18)
  })

  test('rows are added to those of the same key, to the last digit, and all of them or none', async () => {
    const { store } = await open()
    await sql`create table samples (id varchar(20), part varchar(20), many bigint, cost_nano bigint, said text, primary key (id, part))`.execute(store.db)
    const add = (rows: readonly Row[], then: () => void = () => {}) => store.exclusively('adding', async (trx) => {
      await store.addUp(trx, 'samples' as 'counters', { key: ['id', 'part'], add: ['many', 'cost_nano'], set: ['said'] }, rows)
      then()
    })
    await add([['x', '', 1, 9_007_199_254_740_993n, 'first'], ["y' \0", '', 2, 0n, null]])
    await add([['x', '', 3, 9_007_199_254_740_993n, 'then'], ['x', 'other', 5, -1n, 'new']])
    await assert.rejects(add([['x', '', 100, 1n, 'never']], () => { throw new Error('changed my mind') }), /changed my mind/)
    const told = await sql<object>`select * from samples order by id, part`.execute(store.db)
    assert.deepEqual(told.rows.map((row) => ({ ...row })), [
      { id: 'x', part: '', many: 4, cost_nano: 18_014_398_509_481_986n, said: 'then' },
      { id: 'x', part: 'other', many: 5, cost_nano: -1n, said: 'new' },
      { id: "y' \ufffd", part: '', many: 2, cost_nano: 0n, said: null },
    ])
    // More than go into one statement, or one slice.
    await add(Array.from({ length: 1203 }, (_, i): Row => [`many ${i}`, '', i, 0n, null]))
    const { rows: [sum] } = await sql<{ rows: number; many: number }>`select count(*) as rows, sum(many) as many from samples where id like 'many%'`.execute(store.db)
    assert.deepEqual({ ...sum }, { rows: 1203, many: 1203 * 1202 / 2 })
  })

  test('text that Postgres cannot hold is kept with a mark in its place', async () => {
    const { store } = await open()
    assert.deepEqual(await store.insertNew('peppers', PEPPER_COLUMNS, [['nul \0 and half \ud83d', 1, null]]), [])
    assert.equal((await store.db.selectFrom('peppers').select('id').executeTakeFirstOrThrow()).id, 'nul \ufffd and half \ufffd')
    const asked = await store.db.selectFrom('peppers').select('id').where('id', '=', 'nul \0 and half \ud83d').executeTakeFirst()
    assert.ok(asked, 'the same text finds it')
  })

  test('a value inside JSON is read by its path, whatever is in the path', async () => {
    const { store } = await open()
    const settings = JSON.stringify({ a: { 'b"c': 'deep' }, n: 7 })
    await store.insertNew('peppers', PEPPER_COLUMNS, [[settings, 1, null]])
    const row = await store.db.selectFrom('peppers').select([
      store.json('id', 'a', 'b"c').as('deep'), store.json('id', 'n').as('number'), store.json('id', "x') or ('1'='1").as('none'),
    ]).executeTakeFirstOrThrow()
    assert.deepEqual({ ...row }, { deep: 'deep', number: '7', none: null })
  })

  test('exclusive transactions of two connections never overlap', async () => {
    const { store, again } = await open()
    const stores = [store, await again()]
    await Promise.all(Array.from({ length: 20 }, (_, at) => stores[at % 2]!.exclusively('counting', async trx => {
      const { value } = await trx.selectFrom('counters').select('value').where('name', '=', 'keys').executeTakeFirstOrThrow()
      await sleep(1)
      await trx.updateTable('counters').set({ value: value + 1 }).where('name', '=', 'keys').execute()
    })))
    assert.equal((await store.db.selectFrom('counters').select('value').where('name', '=', 'keys').executeTakeFirstOrThrow()).value, 20)
  })

  test('a transaction that throws leaves nothing behind, and the next one starts', async () => {
    const { store } = await open()
    await assert.rejects(store.db.transaction().execute(async trx => {
      await trx.insertInto('peppers').values({ id: 'gone', created_at: 1, removed_at: null }).execute()
      throw new Error('changed my mind')
    }), /changed my mind/)
    assert.equal(await store.db.selectFrom('peppers').selectAll().executeTakeFirst(), undefined)
    await store.db.insertInto('peppers').values({ id: 'stays', created_at: 1, removed_at: null }).execute()
  })

  test('what was written is there after the process was killed', async () => {
    const at = await place()
    const child = otherProcess(at, `
      const rows = Array.from({ length: 500 }, (_, at) => ['pepper ' + at, at, null])
      await store.insertNew('peppers', ${JSON.stringify(PEPPER_COLUMNS)}, rows)
      process.stdout.write('written')
      setInterval(() => {}, 1000)
    `)
    await new Promise(resolve => { child.stdout!.once('data', resolve) })
    child.kill('SIGKILL')
    await outcome(child)
    const store = await openStore(at)
    assert.equal((await store.db.selectFrom('peppers').select('id').execute()).length, 500)
    if (at.url === null) {
      const check = await sql<{ integrity_check: string }>`pragma integrity_check`.execute(store.db)
      assert.equal(check.rows[0]?.integrity_check, 'ok')
    }
    await store.close()
  })

  if (name === 'sqlite') {
    test('the data folder is its owner\'s alone, and so is each file in it', async () => {
      const { home } = await place()
      const inside = path.join(home, 'new', 'folder')
      const store = await openStore({ url: null, home: inside })
      await store.db.insertInto('peppers').values({ id: 'x', created_at: 1, removed_at: null }).execute()
      assert.equal(mode(inside), 0o700)
      const files = readdirSync(inside)
      assert.ok(files.includes('signalbox.db-wal'), `the WAL is there: ${files.join(' ')}`)
      for (const file of files) assert.equal(mode(path.join(inside, file)), 0o600, file)
      await store.close()
    })

    test('while another process holds the lock, a write waits, a read does not, and the loop turns', async t => {
      const { store, place: at } = await open()
      const other = new DatabaseSync(path.join(at.home, 'signalbox.db'))
      const turned = Promise.withResolvers<void>()
      let turns = 0
      const turning = setInterval(() => { if (++turns === 10) turned.resolve() }, 5)
      t.after(() => {
        clearInterval(turning)
        other.close()
      })
      other.exec('begin immediate')
      let written = false
      const writing = (async () => {
        await store.db.insertInto('peppers').values({ id: 'late', created_at: 1, removed_at: null }).execute()
        written = true
      })()
      const batch = store.insertNew('peppers', PEPPER_COLUMNS, [['later', 1, null]])
      assert.equal((await store.db.selectFrom('workspaces').selectAll().execute()).length, 1)
      // A write that waited inside SQLite would stop the loop, and with it the commit that it waits for.
      await turned.promise
      assert.equal(written, false)
      other.exec('commit')
      await Promise.all([writing, batch])
      assert.equal((await store.db.selectFrom('peppers').selectAll().execute()).length, 2)
    })
  } else {
    test('a database that freezes fails the query within seconds, and serves again when it thaws', async t => {
      const at = await place()
      const url = withoutPatience(at.url!)
      const relay = await createFaultyRelay({ host: url.hostname, port: Number(url.port) })
      t.after(() => relay.close())
      url.host = `127.0.0.1:${relay.port}`
      const store = await openStore({ url: url.href, home: at.home })
      let started = performance.now()
      const ask = () => store.db.selectFrom('workspaces').selectAll().execute()
      await ask()
      relay.set({ blackHole: true })
      await assert.rejects(ask())
      const failedAfter = performance.now() - started
      assert.ok(failedAfter < 20_000, `it failed after ${failedAfter.toFixed(0)} ms`)
      relay.set({})
      started = performance.now()
      assert.equal((await ask()).length, 1)
      assert.ok(performance.now() - started < failedAfter / 2, 'the connection that hangs is asked again, until it fails again')
      await store.close()
    })
  }
})

describe('an address that cannot be used', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'signalbox-store-'))
  after(() => rmSync(folder, { recursive: true }))

  test('names the form that it should have', async () => {
    for (const url of ['mysql://u:secret@h/d', 'nonsense secret', '/var/db/secret.db']) {
      await assert.rejects(openStore({ url, home: folder }), (error: unknown) => error instanceof StoreError
        && error.message.includes('postgres://user:password@host:5432/name') && !error.message.includes('secret'))
    }
  })

  test('says which server does not answer, without the password', async () => {
    await assert.rejects(openStore({ url: 'postgres://me:secret@127.0.0.1:1/db', home: folder }), (error: unknown) =>
      error instanceof StoreError && error.message.includes('127.0.0.1:1/db') && !error.message.includes('secret'))
  })

  test('says which folder cannot be made', async () => {
    writeFileSync(path.join(folder, 'file'), '')
    await assert.rejects(openStore({ url: null, home: path.join(folder, 'file') }), (error: unknown) =>
      error instanceof StoreError && error.message.includes(path.join(folder, 'file')))
  })

  test('says that a file is no database', async () => {
    writeFileSync(path.join(folder, 'signalbox.db'), 'not a database at all, and long enough to be looked at by SQLite')
    await assert.rejects(openStore({ url: null, home: folder }), (error: unknown) => error instanceof StoreError && /not a database/.test(error.message))
  })
})

test('each migration file is in the list, at the place that its number says', async () => {
  const folder = path.join(import.meta.dirname, 'migrations')
  const files = readdirSync(folder).filter(file => /^\d{4}-/.test(file)).toSorted()
  assert.ok(existsSync(path.join(folder, 'index.ts')))
  assert.deepEqual(files, MIGRATIONS.map(({ name }, at) => `${String(at + 1).padStart(4, '0')}-${name}.ts`))
})
