import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import type { Ambient } from '../core/index.ts'
import type { PageRequest, Responding, Site } from '../site.ts'

const gzipped = promisify(gzip)
const brotlied = promisify(brotliCompress)

export interface PageReply {
  readonly status: number
  /** Flat: a name, its value, the next name. */
  readonly headers: readonly string[]
  readonly body: string | Uint8Array
}

export interface Pages {
  respond(request: PageRequest): Promise<PageReply>
}

/** What the build of `web/` exports to us; its entry.server.tsx is the other side of it. */
interface Build {
  readonly entry: { readonly module: { readonly responding: Responding } }
}

interface Loaded {
  readonly respond: ReturnType<Responding>
  readonly files: ReadonlyMap<string, string>
}

interface Kept {
  readonly plain: Uint8Array
  readonly gzip: Uint8Array
  readonly br: Uint8Array
}

const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.png': 'image/png',
  '.ico': 'image/x-icon', '.txt': 'text/plain; charset=utf-8', '.json': 'application/json; charset=utf-8', '.woff2': 'font/woff2',
}
/** Of a page: quick, since it is made for one reader. */
const QUICK = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }
const WORTH_COMPRESSING = 1024
const NONCE_BYTES = 16
/** The first reader's page has long been sent by then. */
const SETTLED_AFTER_MS = 2000

/**
 * Serves what was built from `web/` into `folder`; `current` in it names the build. Nothing is loaded before the first
 * page is asked for: a server that only routes calls does not carry the site in its memory.
 */
export function createPages(given: {
  readonly site: Site
  readonly folder: string
  readonly ambient: Ambient
  readonly report: (error: unknown) => void
  /** Called once, a moment after the site was loaded for its first reader. */
  readonly loaded?: () => void
}): Pages {
  const { site, folder, ambient, report } = given
  const settled = given.loaded ?? (() => {})
  let loading: Promise<Loaded | null> | null = null
  let seen = false
  const kept = new Map<string, Promise<Kept>>()

  const load = async (): Promise<Loaded | null> => {
    const name = await readFile(path.join(folder, 'current'), 'utf8').catch(() => null)
    if (name === null) return null
    const at = path.join(folder, name.trim())
    const [build, names] = await Promise.all([
      import(pathToFileURL(path.join(at, 'server', 'index.js')).href) as Promise<Build>,
      readdir(path.join(at, 'client'), { recursive: true, withFileTypes: true }),
    ])
    const files = names.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name))
    return { respond: build.entry.module.responding(build, { site, report }), files: new Map(files.map((file) => [`/${path.relative(path.join(at, 'client'), file).replaceAll(path.sep, '/')}`, file])) }
  }

  /** A build that was not there, or could not be loaded, is looked for again with the next request. */
  const loaded = async (): Promise<Loaded | null> => {
    loading ??= load()
    try {
      const found = await loading
      if (found === null) loading = null
      else if (!seen) {
        seen = true
        setTimeout(settled, SETTLED_AFTER_MS).unref()
      }
      return found
    } catch (error) {
      loading = null
      throw error
    }
  }

  const fileReply = async (url: string, file: string, accepts: string): Promise<PageReply> => {
    let file_ = kept.get(file)
    if (file_ === undefined) kept.set(file, file_ = keep(file))
    const { plain, gzip: gz, br } = await file_
    const [body, encoding] = takes(accepts, 'br') ? [br, 'br'] : takes(accepts, 'gzip') ? [gz, 'gzip'] : [plain, null]
    return {
      status: 200,
      headers: [
        'Content-Type', TYPES[path.extname(file)] ?? 'application/octet-stream',
        // The name of an asset changes with its bytes.
        'Cache-Control', url.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'public, max-age=3600',
        'Vary', 'Accept-Encoding', ...(encoding === null ? [] : ['Content-Encoding', encoding]),
      ],
      body,
    }
  }

  return {
    async respond(request) {
      const here = await loaded()
      if (here === null) return NOT_BUILT
      const pathname = request.url.replace(/[?#].*$/s, '')
      const accepts = String(request.headers['accept-encoding'] ?? '')
      const file = here.files.get(pathname)
      if (file !== undefined) return fileReply(pathname, file, accepts)

      const nonce = Buffer.from(ambient.bytes(NONCE_BYTES)).toString('base64')
      const page = await here.respond(request, nonce)
      const headers = [...page.headers.flat(), 'Vary', 'Accept-Encoding, Cookie', ...policyOf(nonce)]
      if (page.body.length < WORTH_COMPRESSING) return { status: page.status, headers, body: page.body }
      if (takes(accepts, 'br')) return { status: page.status, headers: [...headers, 'Content-Encoding', 'br'], body: await brotlied(page.body, QUICK) }
      if (takes(accepts, 'gzip')) return { status: page.status, headers: [...headers, 'Content-Encoding', 'gzip'], body: await gzipped(page.body) }
      return { status: page.status, headers, body: page.body }
    },
  }
}

const NOT_BUILT: PageReply = {
  status: 503,
  headers: ['Content-Type', 'text/html; charset=utf-8', 'Cache-Control', 'no-store', 'Retry-After', '10'],
  body: '<!doctype html><html lang="en"><title>Signalbox</title><h1>The site is not built</h1>'
    + '<p>The API answers as usual at <code>/api/v1</code>. <code>npm start</code> builds the site; what kept it from doing so stands in its output.</p></html>',
}

/** No page asks another host for anything, is framed, or runs a script that was not written into it by us. */
function policyOf(nonce: string): readonly string[] {
  return [
    'Content-Security-Policy',
    `default-src 'none'; script-src 'self' 'nonce-${nonce}'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; `
    + `manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
    'Referrer-Policy', 'same-origin',
    'Cache-Control', 'private, no-cache',
  ]
}

async function keep(file: string): Promise<Kept> {
  const plain = await readFile(file)
  const [gz, br] = await Promise.all([gzipped(plain), brotlied(plain)])
  return { plain, gzip: gz, br }
}

function takes(accepts: string, encoding: string): boolean {
  return new RegExp(String.raw`(?:^|[\s,])${encoding}(?!\s*;\s*q=0(?:\.0*)?(?:[\s,]|$))(?:[\s,;]|$)`, 'i').test(accepts)
}
