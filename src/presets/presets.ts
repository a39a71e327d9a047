import type { Selectable, Transaction } from 'kysely'
import { fault, FaultError, type Ambient, type Asked, type Fault, type JsonObject } from '../core/index.ts'
import { readColumn, type PresetTable, type PresetVersionTable, type Schema, type Store } from '../store/index.ts'
import { filled, namesPreset, presetNamed, type Filling } from './fill.ts'

export const STATUSES = ['active', 'disabled', 'archived'] as const
export type PresetStatus = typeof STATUSES[number]

export interface PresetVersion {
  readonly id: string
  readonly version: number
  /** Whose words the config is in. */
  readonly dialect: string
  readonly config: JsonObject
  readonly systemPrompt: string | null
  /** The key that made it. */
  readonly creator: string
  readonly createdAt: number
}

export interface Preset {
  readonly id: string
  readonly workspace: string
  readonly slug: string
  readonly name: string
  readonly description: string | null
  readonly status: PresetStatus
  readonly statusUpdatedAt: number | null
  readonly createdAt: number
  readonly updatedAt: number
  /** The version that requests are filled in with. */
  readonly designated: PresetVersion
}

export interface PresetChange {
  readonly name?: string
  readonly description?: string | null
  readonly status?: PresetStatus
  /** The number of a version. */
  readonly designatedVersion?: number
}

export interface Page {
  readonly limit: number
  readonly offset: number
}

export interface Listed<T> {
  readonly data: readonly T[]
  readonly total: number
}

export interface Presets {
  /**
   * A request with the preset that it names filled in; the request itself where it names none. Asks memory alone.
   * Throws a FaultError that names the preset: unknown, switched off, without a model, or not to be read any more.
   */
  fill(workspace: string, asked: Asked): Asked
  /** Makes a preset, or a new version of one, which is the designated one from here on. Throws a FaultError beyond the bounds. */
  save(what: {
    readonly workspace: string; readonly slug: string; readonly creator: string; readonly dialect: string
    readonly config: JsonObject; readonly systemPrompt: string | null
  }): Promise<Preset>
  /** The one that was changed last first. */
  list(workspace: string, page: Page): Promise<Listed<Preset>>
  get(workspace: string, slug: string): Promise<Preset | null>
  /** Oldest first; null where there is no such preset. */
  versions(workspace: string, slug: string, page: Page): Promise<Listed<PresetVersion> & { readonly preset: Preset } | null>
  version(workspace: string, slug: string, version: number): Promise<{ readonly preset: Preset; readonly version: PresetVersion } | null>
  /** Null where there is no such preset. Throws a FaultError where it has no such version. */
  change(workspace: string, slug: string, change: PresetChange): Promise<Preset | null>
  /** Removes a preset with all of its versions; says whether there was one. */
  remove(workspace: string, slug: string): Promise<boolean>
  /** Takes up what other processes changed. To be called each second; rejects when the database cannot be asked. */
  refresh(): Promise<void>
}

/** All designated versions are in memory: so many of so much at most. */
const MAX_PRESETS = 500
const MAX_BYTES = 64 * 1024
const MAX_VERSIONS = 1000
const PAGE = 100
const SLUG = /^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$/

type Row = Selectable<PresetTable>
type VersionRow = Selectable<PresetVersionTable>

/** What is at hand of a preset; what it asks for is read when it is first named. */
interface Known {
  readonly preset: Preset
  filling: Filling | Fault | null
}

/** `read` says what the config of a version asks for, in the words of its dialect. */
export function createPresets({ store, ambient, read }: {
  readonly store: Store
  readonly ambient: Ambient
  readonly read: (dialect: string, config: JsonObject) => { readonly asked: Asked } | { readonly fault: Fault }
}): Presets {
  const { db } = store
  const known = new Map<string, Known>()
  /** Changes up to this one are known here. */
  let since = 0
  let last: Promise<unknown> = Promise.resolve()
  const serially = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work)
    last = result.catch(() => {})
    return result
  }

  const placeOf = (workspace: string, slug: string): string => `${workspace}|${slug}`

  function fillingOf(at: Known): Filling | Fault {
    if (at.filling !== null) return at.filling
    const { id, slug, designated } = at.preset
    const found = read(designated.dialect, designated.config)
    return at.filling = 'asked' in found
      ? { id, slug, version: designated.version, asked: found.asked, systemPrompt: designated.systemPrompt }
      : fault('unprocessable', `The preset ${slug} says what this version of Signalbox does not take: ${found.fault.message}. Make a new version of it`)
  }

  /** Raised first in each transaction that changes presets: its row is a lock, so that changes are in the order of commits. */
  async function nextChange(trx: Transaction<Schema>): Promise<number> {
    const row = await trx.updateTable('counters').set((build) => ({ value: build('value', '+', 1) }))
      .where('name', '=', 'presets').returning('value').executeTakeFirstOrThrow()
    return row.value
  }

  const rowOf = (trx: Pick<Transaction<Schema>, 'selectFrom'>, workspace: string, slug: string): Promise<Row | undefined> =>
    trx.selectFrom('presets').selectAll().where('workspace', '=', workspace).where('slug', '=', slug).where('deleted_at', 'is', null).executeTakeFirst()

  async function designatedOf(rows: readonly Row[]): Promise<ReadonlyMap<string, VersionRow>> {
    if (rows.length === 0) return new Map()
    const versions = await db.selectFrom('preset_versions').innerJoin('presets', 'presets.id', 'preset_versions.preset_id')
      .selectAll('preset_versions').where('presets.id', 'in', rows.map(({ id }) => id))
      .whereRef('preset_versions.version', '=', 'presets.designated_version').execute()
    return new Map(versions.map((version) => [version.preset_id, version]))
  }

  async function presetsOf(rows: readonly Row[]): Promise<readonly Preset[]> {
    const designated = await designatedOf(rows)
    return rows.flatMap((row) => {
      const version = designated.get(row.id)
      // Removed between the two queries.
      return version ? [presetOf(row, version)] : []
    })
  }

  const takeUp = async (): Promise<void> => {
    for (let full = true; full;) {
      const rows = await db.selectFrom('presets').selectAll().where('change', '>', since).orderBy('change').limit(PAGE).execute()
      const presets = new Map((await presetsOf(rows.filter(({ deleted_at: gone }) => gone === null))).map((preset) => [preset.id, preset]))
      for (const row of rows) {
        const place = placeOf(row.workspace, row.slug)
        const preset = presets.get(row.id)
        if (preset) known.set(place, { preset, filling: null })
        else if (known.get(place)?.preset.id === row.id) known.delete(place)
      }
      since = rows.at(-1)?.change ?? since
      full = rows.length === PAGE
    }
  }

  async function get(workspace: string, slug: string): Promise<Preset | null> {
    const row = await rowOf(db, workspace, slug)
    return row ? (await presetsOf([row]))[0] ?? null : null
  }

  /** Changes the database, then what is in memory, so that whoever has the answer can name what it made. */
  const changing = <T>(work: (trx: Transaction<Schema>, change: number) => Promise<T>): Promise<T> => serially(async () => {
    const done = await db.transaction().execute(async (trx) => work(trx, await nextChange(trx)))
    await takeUp()
    return done
  })

  return {
    fill(workspace, asked) {
      if (!namesPreset(asked)) return asked
      const named = presetNamed(asked)
      if ('fault' in named) throw new FaultError(named.fault)
      const at = known.get(placeOf(workspace, named.slug))
      if (!at) throw new FaultError(absent(named.slug))
      if (at.preset.status !== 'active') throw new FaultError(fault('not-found', `The preset ${named.slug} is ${at.preset.status}`, { field: 'preset' }))
      const filling = fillingOf(at)
      if ('kind' in filling) throw new FaultError(filling)
      const whole = filled(asked, filling, named.models)
      if ('fault' in whole) throw new FaultError(whole.fault)
      return whole
    },

    async save({ workspace, slug, creator, dialect, config, systemPrompt }) {
      if (!SLUG.test(slug)) {
        throw new FaultError(fault('invalid-request', 'slug: must be 1 to 64 of a-z, 0-9, - and _, with a letter or a digit at both ends', { field: 'slug' }))
      }
      const text = JSON.stringify(config)
      const bytes = Buffer.byteLength(text) + Buffer.byteLength(systemPrompt ?? '')
      if (bytes > MAX_BYTES) throw new FaultError(fault('payload-too-large', `A preset must have at most ${MAX_BYTES} bytes, has ${bytes}`))
      const now = ambient.now()
      await changing(async (trx, change) => {
        const old = await rowOf(trx, workspace, slug)
        const id = old?.id ?? makeId(ambient)
        const { versions } = await trx.selectFrom('preset_versions').select((build) => build.fn.countAll<number>().as('versions'))
          .where('preset_id', '=', id).executeTakeFirstOrThrow()
        if (Number(versions) >= MAX_VERSIONS) throw new FaultError(fault('unprocessable', `A preset has at most ${MAX_VERSIONS} versions: make another preset`))
        if (!old) {
          const { presets } = await trx.selectFrom('presets').select((build) => build.fn.countAll<number>().as('presets'))
            .where('workspace', '=', workspace).where('deleted_at', 'is', null).executeTakeFirstOrThrow()
          if (Number(presets) >= MAX_PRESETS) throw new FaultError(fault('unprocessable', `A workspace has at most ${MAX_PRESETS} presets: delete one first`))
        }
        const version = Number(versions) + 1
        if (old) {
          await trx.updateTable('presets').set({ designated_version: version, updated_at: now, change }).where('id', '=', id).execute()
        } else {
          await trx.insertInto('presets').values({
            id, workspace, slug, name: slug, description: null, status: 'active', status_updated_at: null, designated_version: version,
            created_at: now, updated_at: now, deleted_at: null, change,
          }).execute()
        }
        await trx.insertInto('preset_versions').values({
          id: makeId(ambient), preset_id: id, version, dialect, config: text, system_prompt: systemPrompt, creator, created_at: now,
        }).execute()
      })
      return (await get(workspace, slug))!
    },

    async list(workspace, { limit, offset }) {
      const all = db.selectFrom('presets').where('workspace', '=', workspace).where('deleted_at', 'is', null)
      const { total } = await all.select((build) => build.fn.countAll<number>().as('total')).executeTakeFirstOrThrow()
      return { data: await presetsOf(await all.selectAll().orderBy('updated_at', 'desc').orderBy('slug').limit(limit).offset(offset).execute()), total: Number(total) }
    },

    get,

    async versions(workspace, slug, { limit, offset }) {
      const preset = await get(workspace, slug)
      if (!preset) return null
      const all = db.selectFrom('preset_versions').where('preset_id', '=', preset.id)
      const { total } = await all.select((build) => build.fn.countAll<number>().as('total')).executeTakeFirstOrThrow()
      const rows = await all.selectAll().orderBy('version').limit(limit).offset(offset).execute()
      return { preset, data: rows.map(versionOf), total: Number(total) }
    },

    async version(workspace, slug, version) {
      const preset = await get(workspace, slug)
      if (!preset) return null
      const row = await db.selectFrom('preset_versions').selectAll().where('preset_id', '=', preset.id).where('version', '=', version).executeTakeFirst()
      return row ? { preset, version: versionOf(row) } : null
    },

    async change(workspace, slug, { name, description, status, designatedVersion }) {
      const now = ambient.now()
      const found = await changing(async (trx, change) => {
        const row = await rowOf(trx, workspace, slug)
        if (!row) return false
        if (designatedVersion !== undefined) {
          const version = await trx.selectFrom('preset_versions').select('id').where('preset_id', '=', row.id).where('version', '=', designatedVersion).executeTakeFirst()
          if (!version) throw new FaultError(fault('invalid-request', `designated_version: the preset ${slug} has no version ${designatedVersion}`, { field: 'designated_version' }))
        }
        await trx.updateTable('presets').set({
          name: name ?? row.name,
          description: description === undefined ? row.description : description,
          status: status ?? row.status,
          status_updated_at: status !== undefined && status !== row.status ? now : row.status_updated_at,
          designated_version: designatedVersion ?? row.designated_version,
          updated_at: now, change,
        }).where('id', '=', row.id).execute()
        return true
      })
      return found ? get(workspace, slug) : null
    },

    remove: (workspace, slug) => changing(async (trx, change) => {
      const row = await rowOf(trx, workspace, slug)
      if (!row) return false
      await trx.deleteFrom('preset_versions').where('preset_id', '=', row.id).execute()
      await trx.updateTable('presets').set({ deleted_at: ambient.now(), name: '', description: null, change }).where('id', '=', row.id).execute()
      return true
    }),

    refresh: () => serially(takeUp),
  }
}

/** One that is not there, for those who name it in a request and for those who ask for it. */
export function absent(slug: string): Fault {
  return fault('not-found', `There is no preset ${JSON.stringify(slug.slice(0, 80))} in this workspace`, { field: 'preset' })
}

function presetOf(row: Row, version: VersionRow): Preset {
  return {
    id: row.id, workspace: row.workspace, slug: row.slug, name: row.name, description: row.description, status: row.status as PresetStatus,
    statusUpdatedAt: row.status_updated_at, createdAt: row.created_at, updatedAt: row.updated_at, designated: versionOf(version),
  }
}

function versionOf(row: VersionRow): PresetVersion {
  return {
    id: row.id, version: row.version, dialect: row.dialect, config: readColumn<JsonObject>(row.config), systemPrompt: row.system_prompt,
    creator: row.creator, createdAt: row.created_at,
  }
}

/** A random UUID, as ids of these objects are at OpenRouter. */
function makeId(ambient: Ambient): string {
  const bytes = Uint8Array.from(ambient.bytes(16))
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = Buffer.from(bytes).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
