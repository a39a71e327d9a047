import { createHmac, hash } from 'node:crypto'
import { statSync } from 'node:fs'
import path from 'node:path'
import type { Ambient } from '../core/index.ts'
import { checker, z } from '../schema/index.ts'
import { readPrivateJson, replacePrivateFile, StoreError, type Store } from '../store/index.ts'

/**
 * The secrets that keys are hashed under. They are in the data folder and never in the database: a stolen database
 * alone confirms no key.
 */
export interface Peppers {
  /** The id of the one that new keys are made under. */
  readonly current: string
  /** HMAC-SHA-256 of a key; null when the pepper is not here. */
  hmac(pepper: string, key: string): Buffer | null
  /** Takes up what another process did to the file, and says whether it did. Throws a StoreError when the file is bad. */
  reload(): boolean
  /** Makes a new pepper the current one. The others stay valid until they are removed. Returns its id. */
  rotate(): Promise<string>
}

const FILE = 'peppers.json'
const SECRET_BYTES = 32
const fileShape = z.strictObject({
  current: z.string(),
  peppers: z.array(z.strictObject({ id: z.string(), secret: z.string().regex(/^[\w-]{43}$/), created_at: z.int() })).min(1),
})
type File = z.infer<typeof fileShape>

interface Given {
  readonly store: Store
  readonly home: string
  readonly ambient: Ambient
}

/**
 * Reads the peppers of the data folder, and makes the first one at the first start. Throws a StoreError, naming the
 * pepper, when keys of this database may depend on one that is missing: a key would otherwise fail without a reason.
 */
export async function openPeppers({ store, home, ambient }: Given): Promise<Peppers> {
  const file = path.join(home, FILE)
  const pepper = (): File['peppers'][number] => {
    const secret = Buffer.from(ambient.bytes(SECRET_BYTES)).toString('base64url')
    return { id: idOf(secret), secret, created_at: ambient.now() }
  }

  let { secrets, current, stamp } = await store.exclusively('peppers', async trx => {
    const registered = (await trx.selectFrom('peppers').select('id').where('removed_at', 'is', null).execute()).map(row => row.id)
    if (registered.length === 0 && stampOf(file) === null) {
      const first = pepper()
      write(file, { current: first.id, peppers: [first] })
    }
    const read = readPeppers(file, registered)
    const missing = registered.filter(id => !read.secrets.has(id))
    if (missing.length > 0) throw lost(file, missing)
    for (const id of read.secrets.keys()) {
      if (registered.includes(id)) continue
      await trx.insertInto('peppers').values({ id, created_at: ambient.now(), removed_at: null })
        .onConflict(conflict => conflict.column('id').doUpdateSet({ removed_at: null })).execute()
    }
    return read
  })

  return {
    get current() {
      return current
    },
    hmac(id, key) {
      const secret = secrets.get(id)
      return secret === undefined ? null : createHmac('sha256', secret).update(key).digest()
    },
    reload() {
      if (stampOf(file) === stamp) return false
      ;({ secrets, current, stamp } = readPeppers(file, []))
      return true
    },
    async rotate() {
      return store.exclusively('peppers', async trx => {
        const next = pepper()
        const { peppers } = parse(file)
        await trx.insertInto('peppers').values({ id: next.id, created_at: next.created_at, removed_at: null }).execute()
        write(file, { current: next.id, peppers: [next, ...peppers] })
        ;({ secrets, current, stamp } = readPeppers(file, []))
        return next.id
      })
    },
  }
}

/**
 * Takes a pepper away for good; keys that were not used since it stopped being the current one die with it. Returns
 * how many did. Throws a StoreError when the pepper is the current one, or is not known.
 */
export async function removePepper({ store, home, ambient }: Given, id: string): Promise<number> {
  const file = path.join(home, FILE)
  return store.exclusively('peppers', async trx => {
    const known = await trx.updateTable('peppers').set({ removed_at: ambient.now() })
      .where('id', '=', id).where('removed_at', 'is', null).returning('id').executeTakeFirst()
    if (!known) throw new StoreError(`There is no pepper ${id} to remove.`)
    const { keys } = await trx.selectFrom('keys').select(build => build.fn.countAll<number>().as('keys'))
      .where('pepper', '=', id).where('deleted_at', 'is', null).executeTakeFirstOrThrow()
    if (stampOf(file) !== null) {
      const { current, peppers } = parse(file)
      if (current === id) throw new StoreError(`Pepper ${id} is the current one: rotate first.`)
      write(file, { current, peppers: peppers.filter(pepper => pepper.id !== id) })
    }
    return keys
  })
}

interface Read {
  readonly secrets: ReadonlyMap<string, Buffer>
  readonly current: string
  readonly stamp: string
}

/** A pepper is named after its secret, so that a wrong secret under a right name is noticed when it is read. */
function idOf(secret: string): string {
  return hash('sha256', `signalbox pepper ${secret}`, 'hex').slice(0, 12)
}

function readPeppers(file: string, needed: readonly string[]): Read {
  const stamp = stampOf(file)
  if (stamp === null) throw lost(file, needed)
  const { current, peppers } = parse(file)
  return { secrets: new Map(peppers.map(({ id, secret }) => [id, Buffer.from(secret, 'base64url')])), current, stamp }
}

function parse(file: string): File {
  let value: unknown
  try {
    value = readPrivateJson(file)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new StoreError(`${file} is not JSON. Restore it from a backup; without it no key can be checked.`)
  }
  const issue = checker(fileShape)(value)
  if (issue) throw new StoreError(`${file}: ${issue.path || 'the file'} is not as it was written. Restore it from a backup.`)
  const read = value as File
  for (const { id, secret } of read.peppers) {
    if (idOf(secret) !== id) throw new StoreError(`${file}: the secret of pepper ${id} was changed. Restore it from a backup.`)
  }
  if (!read.peppers.some(({ id }) => id === read.current)) throw new StoreError(`${file}: current names no pepper of the file.`)
  return read
}

function lost(file: string, ids: readonly string[]): StoreError {
  return new StoreError(`Keys of this database were made under pepper ${ids.join(', ')}, which ${file} does not have. `
    + 'Restore the file from a backup, or copy it from the node that made the keys.')
}

function write(file: string, content: File): void {
  replacePrivateFile(file, `${JSON.stringify(content, null, 2)}\n`)
}

/** Tells one state of the file from another; null when there is none. */
function stampOf(file: string): string | null {
  const stat = statSync(file, { throwIfNoEntry: false })
  return stat ? `${stat.ino}:${stat.size}:${stat.mtimeMs}` : null
}
