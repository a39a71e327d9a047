/** Each block of figures in its five states: asked for, none yet, older than it should be, not to be had, and there. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import type { Page } from 'playwright-core'
import { createCatalog, NO_OVERLAY } from '../../src/catalog/index.ts'
import { usage, type Generation } from '../../src/core/index.ts'
import { createPages, createSite } from '../../src/pages/index.ts'
import { createApps, createFigures, createParameters, createPrices, createRankings, createRollups, createStats } from '../../src/stats/index.ts'
import { openStore, type Store } from '../../src/store/index.ts'
import { createFakeAmbient } from '../../src/testing/index.ts'
import { browser, everybody, PATIENCE_MS } from './world.ts'

const DAY = 86_400_000
/** A Thursday. */
const NOW = Date.UTC(2026, 0, 15, 12, 30)
const ambient = createFakeAmbient({ now: NOW })
const BUILD = path.join(import.meta.dirname, '..', '..', 'web', 'build')

type Mood = 'there' | 'none' | 'lost' | 'held'
let mood: Mood = 'there'
let behind: number | null = null
let held: PromiseWithResolvers<void> = Promise.withResolvers()
const reported: unknown[] = []

const calls = (): readonly Generation[] => Array.from({ length: 120 }, (_, i) => {
  const createdAt = NOW - (i % 20) * DAY - 90_000 - i
  const model = i % 3 === 0 ? 'openai/gpt-4o' : 'openai/gpt-4o-mini'
  return {
    id: `gen-${Math.floor(createdAt / 1000)}-${i}`, createdAt, keyId: 'k1', workspace: 'default', surface: 'openai-chat', requested: model, model,
    endpoint: `${model}@openai`, provider: 'openai', providerName: 'OpenAI', upstreamId: null, streamed: true, cancelled: false, simulated: false, finish: 'stop',
    nativeFinish: null, fault: null, latencyMs: 200 + i, durationMs: 1200 + i, usage: usage({ total: 900 + i, cacheRead: 30 }, { total: 100 + i, reasoning: 40 }), cost: 50_000n,
    absorbed: 0n, price: null, tier: null, untried: 0, referer: i % 20 < 9 ? 'https://one.example' : 'https://old.example', title: null, categories: ['cli-agent'],
    attempts: [{
      endpoint: `${model}@openai`, provider: 'openai', providerName: 'OpenAI', model, credential: 'own', startedAt: createdAt, headersMs: 150, durationMs: 1200 + i,
      status: 200, upstreamId: null, outcome: 'answered', fault: null, message: null,
    }],
    userAgent: null, user: null, session: null, inputMedia: 0, inputAudio: 0,
    quality: { tools: true, toolCalls: 2, badToolCalls: 0, structured: false, badStructured: false }, sampling: { temperature: 0.5 },
  }
})

const homes: string[] = []
const stores: Store[] = []
async function roomsOf(given: readonly Generation[]) {
  const home = mkdtempSync(path.join(tmpdir(), 'states-'))
  homes.push(home)
  const store = await openStore({ url: null, home })
  stores.push(store)
  const stats = createStats({ store, ambient, flushEveryMs: 60_000 })
  for (const call of given) stats.record(call)
  await stats.flush()
  await createRollups({ store, ambient }).catchUp()
  await stats.close()
  const figures = createFigures({ store, ambient })
  const apps = createApps({ store, ambient })
  const prices = createPrices({ store, figures, ambient })
  // Lists are known where calls are: since some days, in which one provider became dearer and another went.
  const lists = [{ prompt: '0.0000025', completion: '0.00001' }, { prompt: '0.000003', completion: '0.00001' }]
  for (const [i, pricing] of given.length === 0 ? [] : lists.entries()) {
    await createPrices({ store, figures, ambient: createFakeAmbient({ now: NOW - (10 - i * 4) * DAY }) }).keep({
      version: `v${i}`, listPrices: () => ['openai', ...(i === 0 ? ['azure'] : [])].map((tag) => ({ endpoint: `openai/gpt-4o@${tag}`, model: 'openai/gpt-4o', pricing })),
    })
  }
  return { figures, apps, prices, rankings: createRankings({ figures, apps, ambient }), parameters: createParameters({ store, ambient }) }
}

let url = ''
const server = createServer()

before(async () => {
  const [full, empty] = [await roomsOf(calls()), await roomsOf([])]
  /** The rooms of the figures, in whatever mood they are. */
  const moody = <K extends keyof typeof full>(room: K): (typeof full)[K] => new Proxy(full[room], {
    get: (_, name) => async (...given: readonly unknown[]) => {
      if (name === 'behind') return behind
      if (name === 'isDemo') return false
      if (mood === 'lost') throw new Error('the disk is gone')
      if (mood === 'held') await held.promise
      const from = (mood === 'none' ? empty : full)[room] as unknown as Record<string | symbol, (...given: readonly unknown[]) => unknown>
      return from[name]!(...given)
    },
  })
  const site = createSite({
    catalog: createCatalog({ overlay: NO_OVERLAY, faces: new Set(['openai-chat']), settings: () => ({}) }),
    figures: moody('figures'), apps: moody('apps'), rankings: moody('rankings'), parameters: moody('parameters'), prices: moody('prices'),
    minKeys: () => 1, ambient, version: 'test', operator: () => ({ pages: {}, links: {} }), docs: path.join(import.meta.dirname, '..', '..', 'docs'),
    openApi: () => ({ paths: {}, components: { schemas: {} } }), hasCredential: (provider) => provider === 'openai', probes: () => null, report: (error) => reported.push(error),
  })
  const pages = createPages({ site, folder: BUILD, ambient, report: (error) => reported.push(error) })
  server.on('request', (request, response) => void pages.respond({ method: request.method!, url: request.url!, headers: request.headers })
    .then((reply) => response.writeHead(reply.status, [...reply.headers]).end(reply.body)))
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

after(async () => {
  server.closeAllConnections()
  server.close()
  for (const store of stores) await store.close()
  for (const home of homes) rmSync(home, { recursive: true, force: true })
})

interface Shown {
  readonly page: string
  /** Blocks of figures on it, by what each says of figures that are there, and of none. */
  readonly blocks: readonly (readonly [there: RegExp, none: RegExp])[]
  /** Another window of the same page; without it the page has one, and what is awaited is another page. */
  readonly window?: string
  /** What stands on it whatever becomes of the figures. */
  readonly stands: RegExp
}

const PAGES: readonly Shown[] = [
  { page: '/', stands: /Newest models/, blocks: [[/GPT-4o-mini\s+[\d.]+K tokens/i, /No traffic yet/]] },
  { page: '/openai/gpt-4o', stands: /OpenAI/, blocks: [
    [/2 answers in all/, /No answer came through this instance/], [/answers through this instance/, /Nothing measured in the last 30 days/], [/Really paid per 1M/, /Nothing paid yet/],
    [/Input \$2\.50 → \$3 \(\+20 %\)/, /No list written down yet/],
    [/40 tries in all/, /Nothing tried in 30 days/], [/tokens in 40 requests/, /No traffic in 30 days/], [/one\.example/, /No app in 7 days/], [/needs 50 requests, has 40/, /needs 50 requests, has 0/],
  ] },
  { page: '/openai/gpt-4o/performance', window: '24 hours', stands: /Overview/, blocks: [[/answers through this instance/, /Nothing measured in the last 7 days/]] },
  { page: '/openai/gpt-4o/pricing', window: '90 days', stands: /What it would cost/, blocks: [
    [/Really paid per 1M/, /Nothing paid yet/], [/OpenAI list \$[\d.]+, paid \$[\d.]+ in 40 requests[^]*Azure\s+gone from sale/, /No list written down yet/],
  ] },
  { page: '/openai/gpt-4o/uptime', window: '7 days', stands: /Window/, blocks: [[/tries in all/, /Nothing tried in 30 days/]] },
  { page: '/openai/gpt-4o/activity', window: '7 days', stands: /Window/, blocks: [[/tokens in 40 requests/, /No traffic in 30 days/]] },
  { page: '/openai/gpt-4o/apps', window: '30 days', stands: /Window/, blocks: [[/one\.example/, /No app in 7 days/]] },
  { page: '/openai/gpt-4o-mini/parameters', stands: /Overview/, blocks: [[/With the medians/, /needs 50 requests, has 0/]] },
  { page: '/compare/openai/gpt-4o/openai/gpt-4o-mini', stands: /Context/, blocks: [[/Whole answer/, /Callable from here/]] },
  { page: '/rankings', window: 'Today', stands: /This month/, blocks: [[/Share of authors/, /No traffic in this time/]] },
  { page: '/apps', window: 'This month', stands: /What calls said/, blocks: [[/one\.example/, /No app in this time/]] },
  { page: '/apps/one.example', window: '90 days', stands: /one\.example/, blocks: [[/Models/, /No line leads here/]] },
  { page: '/state-of-ai', stands: /the traffic of this instance alone/, blocks: [[/Models asked/, /No traffic in this month/]] },
  { page: '/status', window: '90 days', stands: /Counted from real requests/, blocks: [[/30 days, oldest first/, /No provider was called in 30 days/]] },
  { page: '/providers/openai', stands: /Privacy policy/, blocks: [[/GPT-4o/, /GPT-4o/]] },
]

const visit = async (at: string, width = 1440): Promise<Page> => {
  const page = await browser.newPage({ viewport: { width, height: 900 } })
  page.setDefaultTimeout(PATIENCE_MS)
  await page.goto(url + at)
  await page.getByRole('button', { name: /theme$/ }).waitFor()
  return page
}
const textOf = (page: Page): Promise<string> => page.locator('main').innerText()
const LOST = 'These figures could not be asked for'

for (const { page: at, blocks, window, stands } of PAGES) {
  test(`${at} shows figures that are there, that are none yet, that are old and that cannot be had, each for what it is`, async () => {
    for (const [which, look] of [['there', { theme: 'light', width: 1440 }], ['none', { theme: 'dark', width: 390 }], ['lost', { theme: 'light', width: 390 }]] as const) {
      mood = which
      reported.length = 0
      const page = await visit(at)
      const text = await textOf(page)
      for (const [there, none] of blocks) {
        if (which === 'there') assert.match(text, there)
        if (which === 'none') assert.match(text, none)
      }
      assert.equal(await page.getByText(LOST, { exact: true }).count() > 0, which === 'lost', `${which}: ${text}`)
      if (which !== 'none') assert.match(text, stands)
      assert.equal(reported.length > 0, which === 'lost', 'what went wrong is told to the operator')
      assert.doesNotMatch(text, /could not be made|\bNaN\b|undefined|\bnull\b/)
      if (which !== 'there') await everybody(page, [look])
      await page.close()
    }
    mood = 'there'
    const page = await visit(at)
    const here = await page.locator('.block-of-figures').count()
    assert.equal(await page.getByText(/calls that ended later are not added up yet/).count(), 0)
    await page.close()
    if (here === 0) return // What it has of figures stands in rows of the catalogue.
    behind = NOW - 20 * 60_000
    const old = await visit(at)
    behind = null
    assert.equal(await old.getByText('As of Jan 15, 12:10 UTC: calls that ended later are not added up yet.').count(), here)
    await everybody(old, [{ theme: 'dark', width: 768 }])
    await old.close()
  })

  if (window !== undefined) {
    test(`${at} keeps what it shows while another window is asked for, and says that it is asked for`, async () => {
      mood = 'there'
      const page = await visit(at)
      const block = page.locator('.block-of-figures').first()
      const shown = await block.innerText()
      held = Promise.withResolvers()
      mood = 'held'
      await page.locator('main').getByRole('link', { name: window, exact: true }).click()
      await page.locator('.block-of-figures[aria-busy="true"]').first().waitFor()
      assert.equal(await block.innerText(), shown)
      assert.equal(await page.getByText('Loading', { exact: true }).count(), 1)
      mood = 'there'
      held.resolve()
      await page.locator('.block-of-figures[aria-busy="false"]').first().waitFor()
      assert.equal(await page.getByText('Loading', { exact: true }).count(), 0)
      assert.notEqual(new URL(page.url()).search, '')
      await page.close()
    })
  }
}

test('a move to a page that is not there yet is told to readers of screens, and the page before it stays until then', async () => {
  mood = 'there'
  const page = await visit('/')
  held = Promise.withResolvers()
  mood = 'held'
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Rankings' }).click()
  await page.locator('.moving').waitFor({ state: 'attached' })
  assert.match(await textOf(page), /Loading[^]*One line in/)
  mood = 'there'
  held.resolve()
  await page.getByRole('heading', { name: 'Rankings' }).waitFor()
  await page.locator('.moving').waitFor({ state: 'detached' })
  await page.close()
})
