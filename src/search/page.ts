import { fault, FaultError, type Departure } from '../core/index.ts'
import { textOfHtml } from './html-text.ts'

/** A page, or a file, as text. */
export interface Page {
  /** After redirects. */
  readonly url: string
  readonly title: string
  readonly text: string
}

export interface PageBounds {
  readonly maxBytes: number
  readonly timeoutMs: number
}

export interface PageReaderGiven {
  readonly bounds: () => PageBounds
  /** Fetches what a stranger has named, under guard. Rejects with a FaultError whose message goes on after "the page". */
  readonly download: (url: string, bounds: PageBounds & { readonly types: RegExp; readonly permits: (host: string) => boolean; readonly departure: Departure }) =>
    Promise<{ readonly mime: string; readonly bytes: Uint8Array; readonly charset?: string; readonly url?: string }>
  /** The text of a PDF, by pages, or why there is none. */
  readonly pdf: (bytes: Uint8Array) => Promise<{ readonly pages: readonly string[] } | { readonly failed: string }>
}

export type PageReader = (url: string, bounds: { readonly permits: (host: string) => boolean }, departure: Departure) => Promise<Page>

const TYPES = /^(?:text\/[\w.+-]+|application\/(?:xhtml\+xml|xml|json|ld\+json|rss\+xml|atom\+xml|pdf))$/
const HTML = /^(?:text\/html|application\/xhtml\+xml)$/

/** Reads what is at an address: pages without their mark-up, PDFs, and texts as they are. Rejects with a FaultError. */
export function createPageReader({ bounds, download, pdf }: PageReaderGiven): PageReader {
  return async (url, { permits }, departure) => {
    const got = await downloaded(download(url, { ...bounds(), types: TYPES, permits, departure }))
    const { mime, bytes, charset } = got
    const at = got.url ?? url
    if (mime === 'application/pdf') {
      const read = await pdf(bytes)
      if ('failed' in read) throw refused(`is a PDF that could not be read (${read.failed})`)
      return { url: at, title: '', text: read.pages.join('\n\n').trim() }
    }
    if (!HTML.test(mime)) return { url: at, title: '', text: decoded(bytes, charset).trim() }
    return { url: at, ...await textOfHtml(decoded(bytes, charset ?? charsetIn(bytes)), at) }
  }
}

async function downloaded<T>(downloading: Promise<T>): Promise<T> {
  try {
    return await downloading
  } catch (error) {
    throw error instanceof FaultError ? refused(error.fault.message) : error
  }
}

const refused = (why: string): FaultError => new FaultError(fault('unprocessable', `the page ${why}`))

/** Text in the encoding that is named, and in UTF-8 where nobody knows that. */
function decoded(bytes: Uint8Array, charset: string | undefined): string {
  try {
    return new TextDecoder(charset ?? 'utf-8').decode(bytes)
  } catch {
    return new TextDecoder().decode(bytes)
  }
}

/** The encoding that a page names itself, within its first kilobyte. */
const charsetIn = (bytes: Uint8Array): string | undefined =>
  /<meta[^>]{0,200}charset=["']?([\w-]{1,40})/i.exec(new TextDecoder('latin1').decode(bytes.subarray(0, 1024)))?.[1]
