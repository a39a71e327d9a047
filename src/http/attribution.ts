import type { RequestHeaders } from '../http1/index.ts'
import { APP_CATEGORIES } from '../stats/index.ts'

/** Who calls, as OpenRouter's attribution headers say it. */
export interface Attribution {
  readonly referer: string | null
  readonly title: string | null
  readonly categories: readonly string[]
  readonly userAgent: string | null
}

/** OpenRouter's marketplace categories; others are dropped in silence, as there. */
export const CATEGORIES: ReadonlySet<string> = new Set(Object.values(APP_CATEGORIES).flat())

const CATEGORIES_PER_REQUEST = 2
const NONE: readonly string[] = Object.freeze([])

/**
 * Reads the attribution headers. The address of an app is its identity: of it the query, the fragment and a
 * password are left away, because secrets travel in them and this ends up in the record.
 */
export function attributionOf(headers: RequestHeaders): Attribution {
  const referer = headers['http-referer'] ?? headers['referer']
  const title = headers['x-openrouter-title'] ?? headers['x-title']
  const categories = headers['x-openrouter-categories']
  return {
    referer: referer === undefined ? null : addressOf(clean(referer, 1024)),
    title: title === undefined ? null : clean(title, 200) || null,
    categories: categories === undefined ? NONE : categoriesOf(categories),
    userAgent: headers['user-agent'] === undefined ? null : clean(headers['user-agent'], 300) || null,
  }
}

/** Whether `openrouter_metadata` was asked for; the second name is the older one. Any other value is a no. */
export function wantsMetadata(headers: RequestHeaders): boolean {
  const value = headers['x-openrouter-metadata'] ?? headers['x-openrouter-experimental-metadata']
  return value !== undefined && value.trim().toLowerCase() === 'enabled'
}

function categoriesOf(text: string): readonly string[] {
  const known = new Set<string>()
  for (const word of text.slice(0, 500).toLowerCase().split(',')) {
    const category = word.trim()
    if (CATEGORIES.has(category)) known.add(category)
    if (known.size === CATEGORIES_PER_REQUEST) break
  }
  return [...known]
}

function addressOf(text: string): string | null {
  const bare = text.replace(/[?#].*$/, '').replace(/^(https?:\/\/)[^/]*@/i, '$1')
  return bare || null
}

/**
 * A header's text as it is kept: UTF-8 where the bytes are UTF-8 (Node reads headers as latin1), without control
 * and direction characters, cut to a length.
 */
function clean(value: string, most: number): string {
  if (PRINTABLE.test(value)) return value.trim().slice(0, most)
  const text = /[\u0080-\u00ff]/.test(value) ? utf8Of(value) : value
  return text.replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '').trim().slice(0, most)
}

/** As nearly all are: nothing to take out, and every byte a character. */
const PRINTABLE = /^[ -~]*$/

function utf8Of(latin1: string): string {
  const text = Buffer.from(latin1, 'latin1').toString('utf8')
  return text.includes('\ufffd') ? latin1 : text
}
