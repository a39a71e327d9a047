// How soon a reader sees what they came for, in a real browser: pages, and the filters and orders of the list of models.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import type { BrowserContext, Page } from 'playwright-core'
import { bringSite } from '../../bin/site.mjs'
import { launchBrowser } from '../../test/e2e/browser.ts'
import { envOf, serve } from '../server.ts'

const ROOT = join(import.meta.dirname, '..', '..')
/** A tick or a choice is answered on the screen within so many milliseconds: by the next paint, and so is its result. */
const LIMIT_MS = 60
const MODEL = 'openai/gpt-5'
const PAGES = ['/', '/models', '/models?fmt=table', `/${MODEL}`, `/compare/${MODEL}/anthropic/claude-sonnet-4.5`, '/rankings', '/apps', '/providers', '/docs', '/docs/api-reference/createChatCompletion']

/** What a reader does on /models, from all models each time. */
const DEEDS: readonly { readonly name: string; readonly from: string; readonly by: (page: Page) => Promise<unknown> }[] = [
  { name: 'tick “takes image”', from: '/models', by: (page) => tick(page, 'input_modalities', 'image') },
  { name: 'tick a parameter', from: '/models', by: (page) => tick(page, 'supported_parameters', 'tools') },
  { name: 'tick an author', from: '/models', by: (page) => tick(page, 'model_authors', 'openai') },
  { name: 'choose a context', from: '/models', by: (page) => page.locator('select[name=context]').selectOption('128000') },
  { name: 'order by price', from: '/models', by: (page) => page.locator('select[name=order]').selectOption('pricing-low-to-high') },
  { name: 'order by context', from: '/models?fmt=table', by: (page) => page.locator('select[name=order]').selectOption('context-high-to-low') },
  { name: 'order by use', from: '/models', by: (page) => page.locator('select[name=order]').selectOption('top-weekly') },
  { name: 'untick the only filter', from: '/models?input_modalities=audio', by: (page) => tick(page, 'input_modalities', 'audio') },
]

const tick = (page: Page, name: string, value: string): Promise<unknown> => page.locator(`input[name=${name}][value="${value}"]`).click()

const { values } = parseArgs({ options: { passes: { type: 'string' }, json: { type: 'boolean' }, gate: { type: 'boolean' } } })
const passes = Number(values.passes ?? 9)
const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[Math.floor(of.length / 2)]!
const worst = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[Math.ceil(of.length * 0.9) - 1]!

interface Deed {
  /** From the event to the next paint: what says that it was heard. */
  readonly heard: number
  /** From the event to the paint that has the models that were asked for. */
  readonly shown: number
  /** Of that, until the server's answer was there. */
  readonly answered: number
}

async function deed(context: BrowserContext, url: string, { from, by }: (typeof DEEDS)[number]): Promise<Deed> {
  const page = await context.newPage()
  try {
    await page.goto(url + from, { waitUntil: 'networkidle' })
    await by(page)
    await page.waitForFunction(() => (globalThis as unknown as { deed: Deed }).deed.shown > 0)
    return await page.evaluate<Deed>('deed')
  } finally {
    await page.close()
  }
}

interface Seen {
  /** When its largest piece was painted, in milliseconds from the request on. */
  readonly lcp: number
  /** How much of it moved after it had been there. */
  readonly shift: number
  /** Until the first byte of its answer was there. */
  readonly answered: number
}

async function seen(context: BrowserContext, address: string): Promise<Seen> {
  const page = await context.newPage()
  try {
    await page.goto(address, { waitUntil: 'networkidle' })
    return await page.evaluate<Seen>('painted()')
  } finally {
    await page.close()
  }
}

const home = mkdtempSync(join(tmpdir(), 'signalbox-paint-'))
const env = envOf(home)
try {
  writeFileSync(env['SIGNALBOX_CONFIG']!, JSON.stringify({ discover_local: false }))
  await bringSite({ root: ROOT, node: process.execPath })
  await promisify(execFile)(process.execPath, [join(ROOT, 'src', 'cli.ts'), 'seed', '--demo'], { cwd: ROOT, env, maxBuffer: 64 * 1024 * 1024 })
  const server = await serve(env)
  const browser = await launchBrowser()
  try {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
    await context.addInitScript({ path: join(import.meta.dirname, 'watching.js') })
    const pages = new Map<string, Seen[]>(PAGES.map((path) => [path, []]))
    const deeds = new Map<string, Deed[]>(DEEDS.map(({ name }) => [name, []]))
    // The first pass warms the server and the browser's cache: a reader has the fonts and scripts from the page before.
    for (let pass = 0; pass <= passes; pass++) {
      if (process.stderr.isTTY) process.stderr.write(`\rpass ${pass} of ${passes}\u001b[K`)
      for (const path of PAGES) {
        const found = await seen(context, server.url + path)
        if (pass > 0) pages.get(path)!.push(found)
      }
      for (const one of DEEDS) {
        const found = await deed(context, server.url, one)
        if (pass > 0) deeds.get(one.name)!.push(found)
      }
    }
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
    const listed = await context.newPage()
    await listed.goto(`${server.url}/models`)
    const total = await listed.locator('header [role=status]').innerText()
    const rows = [...deeds].map(([name, of]) => {
      const [heard, shown, answered] = (['heard', 'shown', 'answered'] as const).map((what) => of.map((one) => one[what]))
      return { name, heard: median(heard!), heardWorst: worst(heard!), answered: median(answered!), shown: median(shown!), shownWorst: worst(shown!) }
    })
    const drawn = [...pages].map(([path, of]) => ({ path, answered: median(of.map((one) => one.answered)), lcp: median(of.map((one) => one.lcp)), lcpWorst: worst(of.map((one) => one.lcp)), shift: median(of.map((one) => one.shift)) }))
    if (values.json) process.stdout.write(`${JSON.stringify({ passes, models: total, browser: browser.version(), deeds: rows, pages: drawn })}\n`)
    else {
      const cell = (ms: number): string => ms.toFixed(0).padStart(10)
      process.stdout.write(`Chromium ${browser.version()}, ${total}, ${passes} passes, ms: median and nine in ten\n\n`)
      process.stdout.write(`${'on /models'.padEnd(44)}${['next paint', '9 in 10', 'answer', 'models', '9 in 10'].map((head) => head.padStart(11)).join('')}\n`)
      for (const { name, heard, heardWorst, answered, shown, shownWorst } of rows) {
        process.stdout.write(`${name.padEnd(44)}${[heard, heardWorst, answered, shown, shownWorst].map((ms) => ` ${cell(ms)}`).join('')}${heard > LIMIT_MS ? `  > ${LIMIT_MS} ms` : ''}\n`)
      }
      process.stdout.write(`\n${'page'.padEnd(44)}${['first byte', 'LCP', '9 in 10', 'shift'].map((head) => head.padStart(11)).join('')}\n`)
      for (const { path, answered, lcp, lcpWorst, shift } of drawn) process.stdout.write(`${path.padEnd(44)}${[answered, lcp, lcpWorst].map((ms) => ` ${cell(ms)}`).join('')} ${shift.toFixed(3).padStart(10)}\n`)
    }
    if (values.gate && rows.some(({ heard }) => heard > LIMIT_MS)) process.exitCode = 1
  } finally {
    await browser.close()
    await server.close()
  }
} finally {
  rmSync(home, { recursive: true, force: true, maxRetries: 5 })
}
