import { promisify } from 'node:util'
import { deflateRaw, inflateRaw } from 'node:zlib'
import type { Insertable, Kysely } from 'kysely'
import type { ResponseEventTable, Schema, Store } from '../store/index.ts'
import type { Vault } from './vault.ts'

/** Events as they stood in a stream, one behind the other; the number of the first. Each ends with an empty line. */
export interface Frames {
  readonly first: number
  readonly count: number
  readonly text: string
}

/** Events of a format whose frames end with an empty line, and have none inside. */
export function framesOf(text: string, first: number): Frames {
  let count = 0
  for (let at = text.indexOf(FRAME_END); at >= 0; at = text.indexOf(FRAME_END, at + FRAME_END.length)) count++
  return { first, count, text }
}

/** The text of frames from a number on. */
export function textFrom({ first, text }: Frames, from: number): string {
  let at = 0
  for (let number = first; number < from && at < text.length; number++) at = text.indexOf(FRAME_END, at) + FRAME_END.length
  return text.slice(at)
}

const FRAME_END = '\n\n'
/** So many stretches are read at once: a slow reader's share of memory. */
const READ_AT_ONCE = 16

const deflate = promisify(deflateRaw)
const inflate = promisify(inflateRaw)

type Writer = Pick<Kysely<Schema>, 'insertInto'>
type Reader = Pick<Kysely<Schema>, 'selectFrom'>

/**
 * The events of responses, kept so that a stream can be taken up again by the number of its last event, in this process
 * or another. They repeat themselves a lot: compressed they take a tenth, which is done in a thread of zlib's.
 */
export interface EventLog {
  /** A stretch as a row, to be inserted with others. */
  rowOf(workspace: string, id: string, frames: Frames): Promise<Insertable<ResponseEventTable>>
  append(writer: Writer, rows: readonly Insertable<ResponseEventTable>[]): Promise<void>
  /** The next frames from a number on; null when there are none. */
  read(workspace: string, id: string, from: number): Promise<Frames | null>
  /** The number of the last event; -1 when there is none. */
  last(reader: Reader, id: string): Promise<number>
}

export function createEventLog({ store, vault }: { readonly store: Store; readonly vault: Vault }): EventLog {
  const placeOf = (workspace: string, id: string, first: number): string => `responses|${workspace}|${id}|events|${first}`
  return {
    async rowOf(workspace, id, { first, count, text }) {
      return { id, first, last: first + count - 1, content: vault.seal(await deflate(text), placeOf(workspace, id, first)) }
    },
    async append(writer, rows) {
      // A try whose outcome is not known is made again.
      for (const row of rows) await writer.insertInto('response_events').values(row).onConflict((conflict) => conflict.doNothing()).execute()
    },
    async read(workspace, id, from) {
      const rows = await store.db.selectFrom('response_events').select(['first', 'last', 'content'])
        .where('id', '=', id).where('last', '>=', from).orderBy('first').limit(READ_AT_ONCE).execute()
      if (rows.length === 0) return null
      const texts = await Promise.all(rows.map(async ({ first, content }) =>
        (await inflate(vault.openBytes(content, placeOf(workspace, id, first)))).toString('utf8')))
      const { first } = rows[0]!
      const whole = textFrom({ first, count: 0, text: texts.join('') }, from)
      return { first: Math.max(first, from), count: rows.at(-1)!.last - Math.max(first, from) + 1, text: whole }
    },
    async last(reader, id) {
      const row = await reader.selectFrom('response_events').select((build) => build.fn.max('last').as('last')).where('id', '=', id).executeTakeFirst()
      return row?.last ?? -1
    },
  }
}
