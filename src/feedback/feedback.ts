import { createHmac } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Ambient } from '../core/index.ts'
import type { Store } from '../store/index.ts'

/** What a visitor says of a page. */
export interface Said {
  /** The address of the page, which somebody has made sure of. */
  readonly page: string
  readonly helpful: boolean
  /** In their own words; null where they said no more. */
  readonly text: string | null
  readonly address: string
  /** Their program's name for itself: behind one address there are many. */
  readonly agent: string
}

/** What was said of a page in all. */
export interface PageFeedback {
  readonly page: string
  readonly helpful: number
  readonly notHelpful: number
  /** The latest words first. */
  readonly texts: readonly { readonly at: number; readonly helpful: boolean; readonly text: string }[]
}

export interface Feedback {
  /** Whether an address may say something now; it has counted as having done so. */
  allows(address: string): boolean
  /** Takes it in the place of what the same visitor said of the page today. False where there was too much of it today, from whomever. */
  take(said: Said): Promise<boolean>
  /** All of it, by page; those that the most did not find helpful first. */
  read(): Promise<readonly PageFeedback[]>
}

/** Characters that are kept of a text. */
export const MOST_TEXT = 1000
const AN_HOUR = 30
const A_DAY = 5000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const ADDRESSES = 10_000
/** Words that the operator is shown of a page. */
const SHOWN = 100
const SALT_BYTES = 16

/**
 * Votes on pages, each visitor having one for each page and day. Who votes is a hash under a salt that is thrown away when its
 * day is over: until then a vote can be changed, and from then on nobody can tell whose it was, not even with the database.
 */
export function createFeedback({ store, ambient }: { readonly store: Store; readonly ambient: Ambient }): Feedback {
  const { db } = store
  const windows = new LRUCache<string, { readonly from: number; count: number }>({ max: ADDRESSES })
  const ownSalt = ambient.bytes(SALT_BYTES)

  const saltOf = async (day: number): Promise<string> => {
    const made = Buffer.from(ambient.bytes(SALT_BYTES)).toString('base64url')
    // Whoever comes first has made it for all nodes.
    await db.insertInto('visitor_salts').values({ day, salt: made }).onConflict((conflict) => conflict.doNothing()).execute()
    await db.deleteFrom('visitor_salts').where('day', '<', day).execute()
    return (await db.selectFrom('visitor_salts').select('salt').where('day', '=', day).executeTakeFirst())?.salt ?? made
  }

  return {
    allows(address) {
      const name = hashOf(ownSalt, address)
      const now = ambient.monotonic()
      const window = windows.get(name)
      if (window === undefined || now - window.from >= HOUR_MS) {
        windows.set(name, { from: now, count: 1 })
        return true
      }
      window.count++
      return window.count <= AN_HOUR
    },
    async take({ page, helpful, text, address, agent }) {
      const at = ambient.now()
      const day = Math.floor(at / DAY_MS) * DAY_MS
      const { votes } = await db.selectFrom('page_votes').select((build) => build.fn.countAll<number>().as('votes')).where('at', '>=', day).executeTakeFirstOrThrow()
      if (Number(votes) >= A_DAY) return false
      const visitor = hashOf(await saltOf(day), `${address}\n${agent}`)
      const said = { at, helpful: helpful ? 1 as const : 0 as const, text: text === null ? null : plain(text) || null }
      await db.insertInto('page_votes').values({ page, visitor, ...said })
        .onConflict((conflict) => conflict.columns(['page', 'visitor']).doUpdateSet(said)).execute()
      return true
    },
    async read() {
      const [counts, words] = await Promise.all([
        db.selectFrom('page_votes').select(['page', 'helpful', (build) => build.fn.countAll<number>().as('votes')]).groupBy(['page', 'helpful']).execute(),
        db.selectFrom('page_votes').select(['page', 'at', 'helpful', 'text']).where('text', 'is not', null).orderBy('at', 'desc').execute(),
      ])
      const votes = (page: string, helpful: 0 | 1): number => Number(counts.find((row) => row.page === page && row.helpful === helpful)?.votes ?? 0)
      return [...new Set(counts.map(({ page }) => page))].map((page) => ({
        page, helpful: votes(page, 1), notHelpful: votes(page, 0),
        texts: words.filter((row) => row.page === page).slice(0, SHOWN).map(({ at, helpful, text }) => ({ at, helpful: helpful === 1, text: text! })),
      })).toSorted((a, b) => b.notHelpful - a.notHelpful || (a.page < b.page ? -1 : 1))
    },
  }
}

function hashOf(salt: string | Uint8Array, text: string): string {
  return createHmac('sha256', salt).update(text).digest('base64url')
}

/** A text in one line, without what would move the cursor of the terminal that it is read in, or turn its letters around. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\ud800-\udfff]+/gu, ' ').trim()
}
