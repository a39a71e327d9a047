import { createCipheriv, createDecipheriv, hash } from 'node:crypto'
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Ambient } from '../core/index.ts'
import { checker, z } from '../schema/index.ts'
import { readPrivateJson, replacePrivateFile, StoreError, type Store } from '../store/index.ts'

/**
 * Seals what callers entrust to the database, under a key that is in the data folder and never in the database: a stolen
 * database alone shows nothing of it. AES-256-GCM with a nonce for each seal.
 */
export interface Vault {
  /** `place` says whose it is and where it stands: what is sealed for one place does not open at another. */
  seal(what: string | Uint8Array, place: string): string
  /** Throws a StoreError when the text was changed, was sealed for another place, or under a key that is not here. */
  open(sealed: string, place: string): string
  /** The same for what is no text. */
  openBytes(sealed: string, place: string): Uint8Array
}

const FILE = 'vault.json'
const SCHEME = 'v1'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const fileShape = z.strictObject({
  current: z.string(),
  keys: z.array(z.strictObject({ id: z.string(), secret: z.string().regex(/^[\w-]{43}$/), created_at: z.int() })).min(1),
})
type File = z.infer<typeof fileShape>

/**
 * Reads the keys of the data folder, and makes the first one at the first start. Throws a StoreError, naming the key, when
 * rows of this database may have been sealed under one that is missing: they could never be read again.
 */
export async function openVault({ store, home, ambient }: { readonly store: Store; readonly home: string; readonly ambient: Ambient }): Promise<Vault> {
  const file = path.join(home, FILE)
  const { current, keys } = await store.exclusively('vault', async (trx) => {
    const registered = (await trx.selectFrom('vault_keys').select('id').execute()).map((row) => row.id)
    if (registered.length === 0 && !existsSync(file)) {
      const secret = Buffer.from(ambient.bytes(KEY_BYTES)).toString('base64url')
      replacePrivateFile(file, `${JSON.stringify({ current: idOf(secret), keys: [{ id: idOf(secret), secret, created_at: ambient.now() }] }, null, 2)}\n`)
    }
    const read = existsSync(file) ? parse(file) : null
    const missing = registered.filter((id) => !read?.keys.some((key) => key.id === id))
    if (!read || missing.length > 0) {
      throw new StoreError(`Rows of this database were sealed under vault key ${missing.join(', ')}, which ${file} does not have. `
        + 'Restore the file from a backup, or copy it from the node that sealed them.')
    }
    for (const { id, created_at } of read.keys) {
      if (!registered.includes(id)) await trx.insertInto('vault_keys').values({ id, created_at }).execute()
    }
    return read
  })
  const secrets = new Map(keys.map(({ id, secret }) => [id, Buffer.from(secret, 'base64url')]))

  const openBytes = (sealed: string, place: string): Buffer => {
    const [scheme, id = '', blob = ''] = sealed.split('.')
    const secret = secrets.get(id)
    if (scheme !== SCHEME || !secret) throw new StoreError(`What was sealed under vault key ${id} cannot be opened: ${file} does not have it.`)
    const bytes = Buffer.from(blob, 'base64')
    try {
      const decipher = createDecipheriv('aes-256-gcm', secret, bytes.subarray(0, NONCE_BYTES)).setAAD(Buffer.from(place))
        .setAuthTag(bytes.subarray(bytes.length - TAG_BYTES))
      return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, bytes.length - TAG_BYTES)), decipher.final()])
    } catch {
      throw new StoreError(`What is sealed at ${place} was changed, or was sealed for another place.`)
    }
  }

  return {
    seal(what, place) {
      const nonce = ambient.bytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', secrets.get(current)!, nonce).setAAD(Buffer.from(place))
      const parts = [nonce, typeof what === 'string' ? cipher.update(what, 'utf8') : cipher.update(what), cipher.final()]
      return `${SCHEME}.${current}.${Buffer.concat([...parts, cipher.getAuthTag()]).toString('base64')}`
    },
    open: (sealed, place) => openBytes(sealed, place).toString('utf8'),
    openBytes,
  }
}

/** A key is named after its secret, so that a wrong secret under a right name is noticed when it is read. */
const idOf = (secret: string): string => hash('sha256', `signalbox vault ${secret}`, 'hex').slice(0, 12)

function parse(file: string): File {
  let value: unknown
  try {
    value = readPrivateJson(file)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new StoreError(`${file} is not JSON. Restore it from a backup; without it what was kept cannot be read.`)
  }
  const issue = checker(fileShape)(value)
  if (issue) throw new StoreError(`${file}: ${issue.path || 'the file'} is not as it was written. Restore it from a backup.`)
  const read = value as File
  for (const { id, secret } of read.keys) if (idOf(secret) !== id) throw new StoreError(`${file}: the secret of key ${id} was changed. Restore it from a backup.`)
  if (!read.keys.some(({ id }) => id === read.current)) throw new StoreError(`${file}: current names no key of the file.`)
  return read
}
