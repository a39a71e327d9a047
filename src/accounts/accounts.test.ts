import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { faultOf, FAULTS, type Ambient, type Fault } from '../core/index.ts'
import { StoreError, type Store } from '../store/index.ts'
import { createFakeAmbient, type FakeAmbient } from '../testing/index.ts'
import { forEachStore, type Open } from '../../test/stores.ts'
import { createAccounts, openPeppers, removePepper, type Accounts, type KeyRecord } from './index.ts'
import { makeKey } from './key.ts'
import { fc } from '../../test/properties.ts'

interface Node {
  readonly accounts: Accounts
  readonly store: Store
  readonly home: string
  readonly ambient: FakeAmbient
  readonly errors: Error[]
  readonly rotate: () => Promise<string>
  /** Another process on the same database and data folder. */
  beside(): Promise<Node>
}

let seeds = 0

async function start(open: Open): Promise<Node> {
  const { store, place, again } = await open()
  const node = async (over: Store): Promise<Node> => {
    const ambient = createFakeAmbient({ seed: ++seeds })
    const errors: Error[] = []
    const peppers = await openPeppers({ store: over, home: place.home, ambient })
    const accounts = createAccounts({ store: over, ambient, peppers, onError: error => errors.push(error) })
    return { accounts, store: over, home: place.home, ambient, errors, rotate: () => peppers.rotate(), beside: async () => node(await again()) }
  }
  return node(store)
}

const refusal = async (answer: KeyRecord | Fault | Promise<KeyRecord | Fault>): Promise<Fault> => {
  const said = await answer
  assert.ok('kind' in said, 'the key was admitted')
  return said
}
const admitted = async (answer: KeyRecord | Fault | Promise<KeyRecord | Fault>): Promise<KeyRecord> => {
  const said = await answer
  assert.ok('id' in said, `the key was refused: ${JSON.stringify(said)}`)
  return said
}
const unknownKey = (): string => makeKey(createFakeAmbient({ seed: 1_000_000 + ++seeds }))

forEachStore((_, open) => {
  test('a new key is shown once, stored only as hashes, and recognised by any process', async () => {
    const one = await start(open)
    const { key, record } = await one.accounts.createKey({ name: 'laptop', settings: { heartbeats: false } })
    assert.deepEqual(record, {
      id: hash('sha256', key, 'hex'), name: 'laptop', label: `${key.slice(0, 12)}...${key.slice(-3)}`, workspace: 'default',
      disabled: false, settings: { heartbeats: false }, createdAt: one.ambient.now(), updatedAt: null,
    })
    assert.deepEqual(await admitted(one.accounts.authenticate(key)), record)
    assert.deepEqual(await admitted((await one.beside()).accounts.authenticate(key)), record)
    const row = JSON.stringify(await one.store.db.selectFrom('keys').selectAll().execute())
    assert.ok(!row.includes(key) && !row.includes(key.slice(12, 52)))
  })

  test('a key that was seen is answered without a promise, so that the hot path does not wait', async () => {
    const { accounts } = await start(open)
    const { key } = await accounts.createKey({})
    await accounts.authenticate(key)
    assert.ok(!(accounts.authenticate(key) instanceof Promise))
  })

  test('missing, malformed, unknown and disabled keys are told apart, each a 401 without a word of the key', async () => {
    const { accounts } = await start(open)
    const { key, record } = await accounts.createKey({})
    await accounts.updateKey(record.id, { disabled: true })
    const stranger = unknownKey()
    const faults = await Promise.all([null, '', 'sk-or-v1-abc', `${key.slice(0, -1)}!`, stranger, key].map(shown => refusal(accounts.authenticate(shown))))
    for (const said of faults) assert.equal(FAULTS[said.kind].status, 401)
    const messages = faults.map(({ message }) => message)
    assert.equal(messages[0], 'No auth credentials found')
    assert.equal(messages[1], messages[0])
    assert.match(messages[2]!, /^Invalid API key: /)
    assert.match(messages[3]!, /^Invalid API key: /)
    assert.match(messages[4]!, /^User not found\./)
    assert.match(messages[5]!, /disabled/)
    assert.equal(new Set(messages.slice(1)).size, 5)
    for (const message of messages) assert.ok(!message.includes(stranger.slice(9, 20)) && !message.includes(key.slice(9, 20)))
  })

  test('a malformed key is refused without asking the database', async () => {
    const { accounts, store } = await start(open)
    await store.close()
    for (const text of ['sk-or-v1-abc', 'x'.repeat(100_000), `sk-sb-v1-${'0'.repeat(49)}`]) {
      const said = accounts.authenticate(text)
      assert.ok(!(said instanceof Promise))
      assert.equal((await refusal(said)).kind, 'unauthenticated')
    }
  })

  test('SQL, NUL and anything else in place of a key is a plain 401', async () => {
    const { accounts, errors } = await start(open)
    const hostile = ["' OR 1=1 --", '"; drop table keys; --', '%', '\0', '\ud800', 'sk-sb-v1-\'"`;--\0', 'sk-sb-v1-${jndi:ldap://x}']
    const padded = hostile.map(text => (`sk-sb-v1-${text}`).padEnd(58, '0').slice(0, 58))
    for (const text of [...hostile, ...padded]) assert.equal((await refusal(accounts.authenticate(text))).kind, 'unauthenticated')
    await fc.assert(fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1, maxLength: 80 }), async text => {
      assert.equal((await refusal(accounts.authenticate(text))).kind, 'unauthenticated')
    }), { numRuns: 300 })
    assert.equal(await accounts.getKey("' OR 1=1 --"), null)
    assert.equal(await accounts.getKey('\0'), null)
    assert.equal((await accounts.listKeys({ workspace: "default' OR '1'='1" })).length, 0)
    assert.deepEqual(errors, [])
  })

  test('a hundred requests with a key that is not in memory ask the database once', async () => {
    const one = await start(open)
    const { key } = await one.accounts.createKey({})
    const two = await one.beside()
    const counter = countQueries(two.store)
    const answers = await Promise.all(Array.from({ length: 100 }, () => two.accounts.authenticate(key)))
    const queries = counter.stop()
    assert.equal(answers.filter(answer => 'id' in answer).length, 100)
    assert.equal(queries, 2, 'the version once, the key once')
  })

  test('an unknown key is not asked for again within a second, and asked for afterwards', async () => {
    const { accounts, ambient } = await start(open)
    const key = unknownKey()
    await refusal(accounts.authenticate(key))
    assert.ok(!(accounts.authenticate(key) instanceof Promise))
    ambient.advance(1001)
    assert.ok(accounts.authenticate(key) instanceof Promise)
  })

  test('what another process does to keys counts here after the next refresh', async () => {
    const server = await start(open)
    const cli = await server.beside()
    const { key, record } = await server.accounts.createKey({ name: 'old' })
    await admitted(server.accounts.authenticate(key))
    await server.accounts.refresh()

    await cli.accounts.updateKey(record.id, { name: 'new', settings: { provider: { only: ['openai'] } } })
    assert.equal((await admitted(server.accounts.authenticate(key))).name, 'old')
    await server.accounts.refresh()
    const changed = server.accounts.authenticate(key)
    assert.deepEqual([(changed as KeyRecord).name, (changed as KeyRecord).settings], ['new', { provider: { only: ['openai'] } }])

    await cli.accounts.updateKey(record.id, { disabled: true })
    await server.accounts.refresh()
    assert.match((await refusal(server.accounts.authenticate(key))).message, /disabled/)
    await cli.accounts.updateKey(record.id, { disabled: false })
    await server.accounts.refresh()
    await admitted(server.accounts.authenticate(key))

    assert.equal(await cli.accounts.deleteKey(record.id), true)
    await server.accounts.refresh()
    assert.match((await refusal(server.accounts.authenticate(key))).message, /^User not found\./)

    const { key: fresh } = await cli.accounts.createKey({})
    await admitted(server.accounts.authenticate(fresh))
  })

  test('changes made within one millisecond, more than a page of them, are all seen', async () => {
    const server = await start(open)
    const cli = await server.beside()
    const made = []
    for (let at = 0; at < 120; at++) made.push(await cli.accounts.createKey({}))
    await Promise.all(made.map(({ key }) => server.accounts.authenticate(key)))
    await server.accounts.refresh()
    await Promise.all(made.map(({ record }) => cli.accounts.updateKey(record.id, { disabled: true })))
    await server.accounts.refresh()
    for (const { key } of made) assert.match((await refusal(server.accounts.authenticate(key))).message, /disabled/)
  })

  test('a key disabled or deleted here is refused at once', async () => {
    const { accounts } = await start(open)
    const one = await accounts.createKey({})
    const two = await accounts.createKey({})
    await accounts.authenticate(one.key)
    await accounts.authenticate(two.key)
    await accounts.updateKey(one.record.id, { disabled: true })
    await accounts.deleteKey(two.record.id)
    assert.match((await refusal(accounts.authenticate(one.key))).message, /disabled/)
    assert.match((await refusal(accounts.authenticate(two.key))).message, /^User not found\./)
    assert.deepEqual((await accounts.listKeys()).map(({ id }) => id), [one.record.id])
    assert.equal(await accounts.getKey(two.record.id), null)
    assert.equal(await accounts.updateKey(two.record.id, { name: 'ghost' }), null)
    assert.equal(await accounts.deleteKey(two.record.id), false)
  })

  test('when the database is down, keys seen in the last five minutes work and others get a 503', async () => {
    const server = await start(open)
    const seen = await server.accounts.createKey({})
    const unseen = await server.accounts.createKey({})
    await admitted(server.accounts.authenticate(seen.key))
    await server.accounts.refresh()
    await server.store.close()

    await assert.rejects(server.accounts.refresh())
    server.ambient.advance(4 * 60_000)
    await admitted(server.accounts.authenticate(seen.key))
    const said = await refusal(server.accounts.authenticate(unseen.key))
    assert.equal(FAULTS[said.kind].status, 503)
    assert.ok(said.retryAfterMs! > 0)
    server.ambient.advance(2 * 60_000)
    assert.equal(FAULTS[(await refusal(server.accounts.authenticate(seen.key))).kind].status, 503)
  })

  test('a row whose hash was written over with that of another key does not open it', async () => {
    const server = await start(open)
    const victim = await server.accounts.createKey({ name: 'victim' })
    const thief = unknownKey()
    await server.store.db.updateTable('keys').set({ hash: hash('sha256', thief, 'hex') }).where('hash', '=', victim.record.id).execute()
    const said = await refusal(server.accounts.authenticate(thief))
    assert.equal(said.kind, 'unauthenticated')
    assert.match(said.message, /^User not found\./)
    assert.match(server.errors[0]!.message, /tampered/)
  })

  test('after a rotation old keys work, new ones are made under the new pepper, and used ones move to it', async () => {
    const server = await start(open)
    const other = await server.beside()
    const old = await server.accounts.createKey({})
    const idle = await server.accounts.createKey({})
    const [before] = await peppersOf(server.store)
    const pepper = await server.rotate()
    const fresh = await server.accounts.createKey({})
    await admitted(server.accounts.authenticate(old.key))
    await admitted(other.accounts.authenticate(fresh.key))
    await server.accounts.refresh()

    const rows = await server.store.db.selectFrom('keys').select(['hash', 'pepper']).execute()
    assert.deepEqual(new Map(rows.map(row => [row.hash, row.pepper])), new Map([
      [old.record.id, pepper], [idle.record.id, before!], [fresh.record.id, pepper],
    ]))
    assert.deepEqual(server.errors, [])

    assert.equal(await removePepper(server, before!), 1, 'the idle key dies')
    const restarted = await server.beside()
    await admitted(restarted.accounts.authenticate(old.key))
    await admitted(restarted.accounts.authenticate(fresh.key))
    assert.match((await refusal(restarted.accounts.authenticate(idle.key))).message, /^User not found\./)
    await assert.rejects(removePepper(server, pepper), /current one: rotate first/)
    await assert.rejects(removePepper(server, before!), /There is no pepper/)
    await admitted((await server.beside()).accounts.authenticate(old.key))
  })

  test('keys under a pepper that was removed are refused by a process that had them in memory', async () => {
    const server = await start(open)
    const { key } = await server.accounts.createKey({})
    await admitted(server.accounts.authenticate(key))
    await server.rotate()
    const [first, second] = await peppersOf(server.store)
    const used = (await server.store.db.selectFrom('keys').select('pepper').executeTakeFirstOrThrow()).pepper
    await removePepper(server, used === first ? first! : second!)
    await server.accounts.refresh()
    assert.match((await refusal(server.accounts.authenticate(key))).message, /^User not found\./)
  })

  test('peppers are in a file of their owner\'s alone and not in the database', async () => {
    const { home, store } = await start(open)
    const file = path.join(home, 'peppers.json')
    assert.equal(statSync(file).mode & 0o777, 0o600)
    const { peppers } = JSON.parse(readFileSync(file, 'utf8')) as { peppers: { secret: string }[] }
    const inDatabase = JSON.stringify(await store.db.selectFrom('peppers').selectAll().execute())
    for (const { secret } of peppers) assert.ok(secret.length === 43 && !inDatabase.includes(secret))
  })

  test('processes that start at once on an empty database agree on one pepper', async () => {
    const { store, place, again } = await open()
    const ambients = [1, 2, 3].map(() => createFakeAmbient({ seed: ++seeds }) as Ambient)
    const stores = [store, await again(), await again()]
    const opened = await Promise.all(stores.map((each, at) => openPeppers({ store: each, home: place.home, ambient: ambients[at]! })))
    assert.equal(new Set(opened.map(({ current }) => current)).size, 1)
    assert.equal((await peppersOf(store)).length, 1)
  })

  test('a start without the pepper of existing keys is refused and names it, and makes no other', async () => {
    const server = await start(open)
    const [pepper] = await peppersOf(server.store)
    const file = path.join(server.home, 'peppers.json')
    const text = readFileSync(file, 'utf8')
    const refused = (pattern: RegExp) => assert.rejects(server.beside(), (error: unknown) => error instanceof StoreError && pattern.test(error.message))

    rmSync(file)
    await refused(new RegExp(`pepper ${pepper}, which .*peppers\\.json does not have`))
    assert.equal(statSync(file, { throwIfNoEntry: false }), undefined)
    writeFileSync(file, readFileSync(path.join((await start(open)).home, 'peppers.json'), 'utf8'))
    await refused(new RegExp(`pepper ${pepper}, which`))
    const { secret } = (JSON.parse(text) as { peppers: { secret: string }[] }).peppers[0]!
    writeFileSync(file, text.replace(secret, 'A'.repeat(43)))
    await refused(/secret of pepper .* was changed/)
    writeFileSync(file, text.slice(0, 40))
    await refused(/not JSON/)
    writeFileSync(file, text.replace('"current"', '"curent"'))
    await refused(/curr?ent is not as it was written/)
    writeFileSync(file, text)
    await server.beside()
  })

  test('settings merge, null removes one, and what is unknown is refused by its path', async () => {
    const { accounts } = await start(open)
    const { record } = await accounts.createKey({ settings: { provider: { order: ['openai', 'azure'], sort: 'price' }, heartbeats: true } })
    const merged = await accounts.updateKey(record.id, { settings: { provider: { sort: null, zdr: true, order: ['azure'] } } })
    assert.deepEqual(merged!.settings, { provider: { order: ['azure'], zdr: true }, heartbeats: true })
    assert.deepEqual((await accounts.updateKey(record.id, { settings: { provider: null } }))!.settings, { heartbeats: true })
    assert.deepEqual((await accounts.updateKey(record.id, { name: 'same settings' }))!.settings, { heartbeats: true })
    assert.deepEqual((await accounts.updateKey(record.id, { settings: null }))!.settings, {})

    const wrong: [unknown, string][] = [
      [{ hartbeats: true }, 'settings.hartbeats'],
      [{ provider: { onlly: ['openai'] } }, 'settings.provider.onlly'],
      [{ provider: { zdr: 'yes' } }, 'settings.provider.zdr'],
      [{ provider: { quantizations: ['fp8', 'fp9'] } }, 'settings.provider.quantizations[1]'],
      [{ provider: { max_price: { prompt: '1e3' } } }, 'settings.provider.max_price.prompt'],
      [['heartbeats'], 'settings'],
      [JSON.parse('{"__proto__": {"heartbeats": true}}'), 'settings.__proto__'],
    ]
    for (const [settings, field] of wrong) {
      await assert.rejects(accounts.updateKey(record.id, { settings: settings as never }), (error: unknown) => {
        const said = faultOf(error)
        assert.deepEqual([said.kind, said.field], ['invalid-request', field])
        return said.message.startsWith(field)
      })
    }
    assert.deepEqual((await accounts.getKey(record.id))!.settings, {})
  })

  test('two changes to one key at once are both kept', async () => {
    const one = await start(open)
    const two = await one.beside()
    const { record } = await one.accounts.createKey({})
    await Promise.all([
      one.accounts.updateKey(record.id, { settings: { heartbeats: false } }),
      two.accounts.updateKey(record.id, { settings: { provider: { zdr: true } } }),
    ])
    assert.deepEqual((await one.accounts.getKey(record.id))!.settings, { heartbeats: false, provider: { zdr: true } })
  })

  test('a name that is too long and a workspace that does not exist are refused by name', async () => {
    const { accounts } = await start(open)
    for (const [input, field] of [[{ name: 'x'.repeat(201) }, 'name'], [{ workspace: 'nowhere' }, 'workspace']] as const) {
      await assert.rejects(accounts.createKey(input), (error: unknown) => faultOf(error).field === field)
    }
    assert.deepEqual(await accounts.listKeys(), [])
  })

  test('keys are listed newest first', async () => {
    const { accounts, ambient } = await start(open)
    for (const name of ['first', 'second', 'third']) {
      await accounts.createKey({ name })
      if (name !== 'first') ambient.advance(5)
    }
    assert.deepEqual((await accounts.listKeys()).map(({ name }) => name), ['third', 'second', 'first'])
  })

  test('a flood of unknown keys does not keep a refresh waiting', async () => {
    const server = await start(open)
    const cli = await server.beside()
    const { key, record } = await server.accounts.createKey({})
    await admitted(server.accounts.authenticate(key))
    const end = new AbortController()
    const flood = Promise.all(Array.from({ length: 250 }, async () => {
      while (!end.signal.aborted) await server.accounts.authenticate(unknownKey())
    }))
    await cli.accounts.updateKey(record.id, { disabled: true })
    const refreshed = await Promise.race([server.accounts.refresh().then(() => true), sleep(20_000, false, { ref: false })])
    end.abort()
    await flood
    assert.equal(refreshed, true)
    assert.match((await refusal(server.accounts.authenticate(key))).message, /disabled/)
  })
})

async function peppersOf(store: Store): Promise<string[]> {
  return (await store.db.selectFrom('peppers').select('id').where('removed_at', 'is', null).execute()).map(({ id }) => id)
}

/** Counts the queries that go through a store, until `stop` says how many they were. */
function countQueries(store: Store): { stop(): number } {
  const executor = store.db.getExecutor()
  const original = executor.executeQuery
  let queries = 0
  executor.executeQuery = ((...args: Parameters<typeof original>) => {
    queries++
    return original.apply(executor, args)
  }) as typeof original
  return {
    stop() {
      executor.executeQuery = original
      return queries
    },
  }
}
