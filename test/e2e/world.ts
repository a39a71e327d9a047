/** One server with some traffic, and one browser, for all stories of the site: a start of each would cost more than the stories. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BrowserContext, Page } from 'playwright-core'
import { providerAt, saying, startSignalbox, startUpstream, together } from '../stories/signalbox.ts'
import { startBrowser } from './browser.ts'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
/** A page is alive within a second; this is for a machine that does much else. */
export const PATIENCE_MS = 60_000

export const HOSTILE = '<img src="//evil.example/x" onerror="document.title=\'broken\'">: "One" & </script><b>more</b>'

const [upstream, started] = await Promise.all([startUpstream(), startBrowser()])
upstream.when({ path: '/broken/' }, { status: 500 })
upstream.when({ path: '/sound/' }, { text: 'One two three four five six seven eight nine ten eleven twelve.', paceMs: 12 })
export const browser = started
export const box = await startSignalbox({
  config: together(
    providerAt('broken', `${upstream.url}/broken/v1`, { prompt: 1 }),
    providerAt('sound', `${upstream.url}/sound/v1`, {
      prompt: 50, completion: 100,
      row: {
        name: HOSTILE, description: `A model for tests. ${HOSTILE}`, context_length: 128_000, max_output_tokens: 16_384, created: 1_772_564_061,
        input_modalities: ['text', 'image'], supported_parameters: ['temperature', 'top_p', 'max_tokens', 'tools', 'reasoning', 'odd_one'],
        features: { tools: true, structured_outputs: true, temperature: true, vision: true, open_weights: false },
        reasoning: { supported: true, efforts: ['low', 'high'] }, default_parameters: { temperature: 0.6 },
        benchmarks: [{ metric: 'Puzzles solved', value: 71.5, unit: '%', source: HOSTILE }], notes: ['heavily_rate_limited'],
      },
    }),
    { site: {
      pages: { about: '## Who runs it\n\nAcme. <script>alert(1)</script> [press](javascript:alert(1))' },
      links: { github: 'https://example.com/acme' },
    } },
    { models: [
      { id: 'acme/old', name: 'Acme: Old', status: 'retired', successor: 'acme/one' },
      { id: 'acme/owned', name: 'Acme: Owned', requires_own_key: true },
      { id: 'acme/experimental-two', name: 'Acme: Two (experimental)', status: 'deprecated', expiration_date: '2027-01-31', successor: 'acme/one' },
    ] },
  ),
})

export interface EndpointRow {
  readonly provider_name: string
  readonly tag: string
  readonly requests_last_30m: number
  readonly uptime_last_30m: number | null
  readonly uptime_last_1d: number | null
  readonly latency_last_30m: { readonly p50: number } | null
  readonly throughput_last_30m: { readonly p50: number } | null
}
export const endpoints = async (): Promise<readonly EndpointRow[]> =>
  ((await (await fetch(`${box.url}/api/v1/models/acme/one/endpoints`)).json()) as { data: { endpoints: readonly EndpointRow[] } }).data.endpoints

for (let i = 0; i < 5; i++) {
  const response = await box.chat(saying('acme/one', 'Hello', { stream: true, provider: { order: ['broken', 'sound'] } }), {
    'http-referer': i < 3 ? 'https://www.app.example/x' : 'https://other.example', 'x-title': HOSTILE,
  })
  await response.text()
}
for (let patience = 0; patience < 400 && !(await endpoints()).some((it) => it.requests_last_30m === 5); patience++) await sleep(50)

/** What a page did while it was looked at. */
export interface Seen {
  readonly complaints: string[]
  readonly elsewhere: string[]
  readonly scripts: Set<string>
}

export async function look(context: BrowserContext, url: string): Promise<{ page: Page; seen: Seen }> {
  const page = await context.newPage()
  page.setDefaultTimeout(PATIENCE_MS)
  const seen: Seen = { complaints: [], elsewhere: [], scripts: new Set() }
  page.on('console', (message) => {
    // The browser itself notes the status of a page that does not exist.
    if (['error', 'warning'].includes(message.type()) && !/status of 404/.test(message.text())) seen.complaints.push(message.text())
  })
  page.on('pageerror', (error) => seen.complaints.push(String(error)))
  page.on('request', (request) => {
    const to = new URL(request.url())
    if (to.origin !== box.url && to.protocol !== 'data:') seen.elsewhere.push(request.url())
    if (to.pathname.endsWith('.js')) seen.scripts.add(request.url())
  })
  await page.goto(box.url + url)
  // The button for the theme is there as soon as scripts run.
  await page.getByRole('button', { name: /theme$/ }).waitFor()
  return { page, seen }
}

export interface Look {
  readonly theme: 'light' | 'dark'
  readonly width: number
}
const LOOKS: readonly Look[] = (['light', 'dark'] as const).flatMap((theme) => [390, 768, 1440].map((width) => ({ theme, width })))

/** The page as it stands can be read by everybody, in each look, and never scrolls sideways itself. */
export async function everybody(page: Page, looks: readonly Look[] = LOOKS): Promise<void> {
  const checks = await checker(page)
  for (const { theme, width } of looks) {
    await page.emulateMedia({ colorScheme: theme })
    await page.setViewportSize({ width, height: 900 })
    assert.deepEqual(await checks(), [], `${theme}, ${width} px`)
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width, `${width} px: the page itself does not scroll sideways`)
  }
}

/** What tells the violations of the WCAG 2.2 A and AA rules in a page as it looks now, each with where it is. */
async function checker(page: Page): Promise<() => Promise<readonly string[]>> {
  // By the debugger: the page's own policy lets in no script that it was not sent with.
  const session = await page.context().newCDPSession(page)
  await session.send('Runtime.evaluate', { expression: AXE })
  return async () => {
    const { result } = await session.send('Runtime.evaluate', {
      awaitPromise: true,
      expression: `axe.run(document, { runOnly: ${JSON.stringify(RULES)}, resultTypes: ['violations'] }).then(({ violations }) => JSON.stringify(
        violations.map(({ id, nodes }) => id + ' at ' + nodes.slice(0, 3).map(({ target, failureSummary }) => target.join(' ') + ' (' + failureSummary + ')').join('; '))))`,
    })
    return JSON.parse(result.value as string) as string[]
  }
}
