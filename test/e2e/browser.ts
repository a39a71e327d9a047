/** A real browser for tests: Chromium out of an npm package, unpacked once into a folder of its own. */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { after } from 'node:test'
import packed from '@sparticuz/chromium'
import { inflate } from '@sparticuz/chromium'
import { chromium, type Browser } from 'playwright-core'
import manifest from '../../package.json' with { type: 'json' }

const ROOT = path.dirname(path.dirname(import.meta.dirname))
const CACHE = path.join(ROOT, 'node_modules', '.cache', 'signalbox')
const PACKAGE = path.join(ROOT, 'node_modules', '@sparticuz', 'chromium', 'bin')

/** As root, in containers, and without a word to anybody. */
const ARGS = [
  '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-default-apps', '--no-first-run', '--no-default-browser-check', '--font-render-hinting=none',
]

/** Unpacks beside its place and moves it there whole: an interrupted run must not leave half a browser behind. */
async function unpacked(): Promise<string> {
  const folder = path.join(CACHE, `browser-${manifest.devDependencies['@sparticuz/chromium']}`)
  if (existsSync(path.join(folder, 'chromium'))) return folder
  mkdirSync(CACHE, { recursive: true })
  const aside = mkdtempSync(path.join(CACHE, 'unpacking-'))
  const before = process.env['TMPDIR']
  process.env['TMPDIR'] = aside // The package unpacks into the folder for temporary files and nowhere else.
  try {
    await packed.executablePath(PACKAGE)
    await inflate(path.join(PACKAGE, 'al2023.tar.br'))
  } finally {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
  }
  try {
    renameSync(aside, folder)
  } catch (error) {
    rmSync(aside, { recursive: true, force: true })
    if (!existsSync(path.join(folder, 'chromium'))) throw error // Else another run was quicker.
  }
  return folder
}

/** Starts the browser for a suite; it is closed after it. */
export function startBrowser(): Promise<Browser> {
  const started = launchBrowser()
  after(async () => (await started).close())
  return started
}

/** Starts the browser. Who starts it closes it. */
export async function launchBrowser(): Promise<Browser> {
  const folder = await unpacked()
  const executablePath = path.join(folder, 'chromium')
  const plain = { executablePath, args: ARGS, headless: true, timeout: 90_000 }
  try {
    return await chromium.launch(plain)
  } catch {
    // A bare machine lacks the libraries that every desktop has; the package brings those too.
    const { PATH, HOME, TMPDIR } = process.env
    return chromium.launch({ ...plain, env: { PATH: PATH ?? '', HOME: HOME ?? '', TMPDIR: TMPDIR ?? '', LD_LIBRARY_PATH: path.join(folder, 'al2023', 'lib') } })
  }
}
