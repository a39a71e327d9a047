/** The site as its readers meet it: in a real browser, in both themes, wide and narrow, and without scripts. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { BrowserContext, Page } from 'playwright-core'
import { providerAt, saying, startSignalbox, startUpstream, together } from '../stories/signalbox.ts'
import { startBrowser } from './browser.ts'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
const MOST_SCRIPT = 150 * 1024
/** A page is alive within a second; this is for a machine that does much else. */
const PATIENCE_MS = 15_000
const LOOKS = (['light', 'dark'] as const).flatMap((theme) => [390, 1440].map((width) => ({ theme, width })))

const HOSTILE = '<img src="//evil.example/x" onerror="document.title=\'broken\'">: "One" & </script><b>more</b>'

const [upstream, browser] = await Promise.all([startUpstream(), startBrowser()])
upstream.when({ path: '/broken/' }, { status: 500 })
upstream.when({ path: '/sound/' }, { text: 'One two three four five six seven eight nine ten eleven twelve.', paceMs: 12 })
const box = await startSignalbox({
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
    { models: [
      { id: 'acme/old', name: 'Acme: Old', status: 'retired', successor: 'acme/one' },
      { id: 'acme/owned', name: 'Acme: Owned', requires_own_key: true },
      { id: 'acme/experimental-two', name: 'Acme: Two (experimental)', status: 'deprecated', expiration_date: '2027-01-31', successor: 'acme/one' },
    ] },
  ),
})

interface EndpointRow {
  readonly provider_name: string
  readonly tag: string
  readonly requests_last_30m: number
  readonly uptime_last_30m: number | null
  readonly uptime_last_1d: number | null
  readonly latency_last_30m: { readonly p50: number } | null
  readonly throughput_last_30m: { readonly p50: number } | null
}
const endpoints = async (): Promise<readonly EndpointRow[]> =>
  ((await (await fetch(`${box.url}/api/v1/models/acme/one/endpoints`)).json()) as { data: { endpoints: readonly EndpointRow[] } }).data.endpoints

for (let i = 0; i < 5; i++) {
  const response = await box.chat(saying('acme/one', 'Hello', { stream: true, provider: { order: ['broken', 'sound'] } }), {
    'http-referer': i < 3 ? 'https://www.app.example/x' : 'https://other.example', 'x-title': HOSTILE,
  })
  await response.text()
}
for (let patience = 0; patience < 400 && !(await endpoints()).some((it) => it.requests_last_30m === 5); patience++) await sleep(50)

const SECTIONS = ['providers', 'performance', 'pricing', 'benchmarks', 'uptime', 'activity', 'apps', 'parameters', 'api']
const PAGES: readonly (readonly [url: string, shows: RegExp])[] = [
  ['/', /Busiest this week/],
  ['/models', /models/],
  ['/models?fmt=table&supported_parameters=tools', /of \d+ models/],
  ['/models?q=there-is-no-such-model', /No models found/],
  ['/models?min_price=cheap', /min_price must be dollars/],
  ['/acme/one', /A model for tests/],
  ['/acme', /Retired/],
  ['/acme/old', /Retired\./],
  ['/acme/owned', /Your own key is required/],
  ['/acme/experimental-two', /Being withdrawn.*Jan 31, 2027/s],
  ['/openai/gpt-5.3-chat', /Key features/],
  ['/openai/shap-e', /Shap-e/],
  ['/~anthropic/claude-sonnet-latest', /A moving alias/],
  ['/openrouter/auto', /router/],
  ['/providers', /sell models of the catalogue/],
  ['/providers/sound', /Privacy policy/],
  ['/there/is-nothing', /No line leads here/],
  ...SECTIONS.map((section) => [`/acme/one/${section}`, /A moving alias|Overview/] as const),
]

/** What a page did while it was looked at. */
interface Seen {
  readonly complaints: string[]
  readonly elsewhere: string[]
  readonly scripts: Set<string>
}

async function look(context: BrowserContext, url: string): Promise<{ page: Page; seen: Seen }> {
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

/** What tells the violations of the WCAG 2.2 A and AA rules in a page as it looks now, each with where it is. */
async function checker(page: Page): Promise<() => Promise<readonly string[]>> {
  // By the debugger: the page's own policy lets in no script that it was not sent with.
  const session = await page.context().newCDPSession(page)
  await session.send('Runtime.evaluate', { expression: AXE })
  return async () => {
    const { result } = await session.send('Runtime.evaluate', {
      awaitPromise: true,
      expression: `axe.run(document, { runOnly: ${JSON.stringify(RULES)} }).then(({ violations }) => JSON.stringify(
        violations.map(({ id, nodes }) => id + ' at ' + nodes.slice(0, 3).map(({ target, failureSummary }) => target.join(' ') + ' (' + failureSummary + ')').join('; '))))`,
    })
    return JSON.parse(result.value as string) as string[]
  }
}

for (const [url, shows] of PAGES) {
  test(`${url} can be read by everybody, wide and narrow, light and dark, and asks no other host`, async () => {
    const context = await browser.newContext()
    const { page, seen } = await look(context, url)
    assert.match(await page.locator('main').innerText(), shows)
    assert.equal(await page.locator('h1').count(), 1, 'one heading says what the page is')
    assert.match(await page.title(), /Signalbox$/)
    assert.doesNotMatch(await page.locator('body').innerText(), /\bundefined\b|\bNaN\b|\[object|\bnull\b/)
    const checks = await checker(page)
    for (const { theme, width } of LOOKS) {
      await page.emulateMedia({ colorScheme: theme })
      await page.setViewportSize({ width, height: 900 })
      assert.deepEqual(await checks(), [], `${theme}, ${width} px`)
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width, `${width} px: the page itself does not scroll sideways`)
    }
    let bytes = 0
    for (const script of seen.scripts) bytes += gzipSync(await (await fetch(script)).bytes()).length
    assert.ok(bytes > 0 && bytes <= MOST_SCRIPT, `${Math.round(bytes / 1024)} KB of script, compressed`)
    assert.deepEqual([seen.complaints, seen.elsewhere], [[], []])
    await context.close()
  })
}

test('names and titles that look like HTML are text, in the page and in what a browser builds of it', async () => {
  const context = await browser.newContext()
  const { page, seen } = await look(context, '/acme/one')
  assert.equal(await page.locator('h1').innerText(), HOSTILE)
  assert.equal(await page.locator('main img, main b').count(), 0)
  assert.match(await page.title(), /^<img src=/)
  assert.deepEqual([seen.complaints, seen.elsewhere], [[], []])
  await page.goto(`${box.url}/models?q=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E`)
  assert.equal(await page.locator('input[name=q]').first().inputValue(), '')
  assert.equal(await page.locator('main input[name=q]').inputValue(), '"><script>alert(1)</script>')
  await context.close()
})

test('the page of a model and the API tell the same figures', async () => {
  const rows = await endpoints()
  const context = await browser.newContext()
  for (const url of ['/acme/one', '/acme/one/providers']) {
    const { page } = await look(context, url)
    for (const row of rows) {
      const cells = page.locator(`tr[data-endpoint="acme/one@${row.tag}"]`)
      const told = async (label: string): Promise<number | null> => {
        const cell = cells.locator(`td[data-label="${label}"] data`)
        return await cell.count() === 0 ? null : Number(await cell.getAttribute('value'))
      }
      assert.deepEqual(
        [await told('Latency'), await told('Throughput'), await told('Uptime 30 min'), await told('Uptime 1 day')],
        [row.latency_last_30m?.p50 ?? null, row.throughput_last_30m?.p50 ?? null, row.uptime_last_30m, row.uptime_last_1d], `${url} ${row.tag}`)
    }
    assert.match(await page.locator('main').innerText(), /5 answers in all/)
  }
  const broken = rows.find(({ tag }) => tag === 'broken')!
  const { page } = await look(context, '/acme/one/uptime')
  assert.equal(Number(await page.locator('tr[data-uptime="acme/one@broken"] td:nth-child(3) data').getAttribute('value')), broken.uptime_last_1d)
  await page.goto(`${box.url}/acme/one/apps`)
  assert.deepEqual(await page.locator('main tbody th').allInnerTexts(), ['app.example', 'other.example'])
  await context.close()
})

test('from the page of a model a link leads to each of its sections, and each is a page of its own', async () => {
  const context = await browser.newContext({ javaScriptEnabled: false })
  const page = await context.newPage()
  await page.goto(`${box.url}/acme/one`)
  const links: (string | null)[] = []
  for (const link of await page.locator('nav[aria-label="Sections"] a').all()) links.push(await link.getAttribute('href'))
  assert.deepEqual(links, ['/acme/one', ...SECTIONS.map((section) => `/acme/one/${section}`)])
  for (const link of links.slice(1)) {
    const response = await page.goto(box.url + link)
    assert.equal(response!.status(), 200, link)
    assert.equal(await page.locator('nav[aria-label="Sections"] a[aria-current=page]').getAttribute('href'), link)
  }
  await context.close()
})

test('a section that a model has nothing for is neither linked nor there', async () => {
  const page = await (await fetch(`${box.url}/openai/shap-e`, { headers: { accept: 'text/html' } })).text()
  for (const section of ['api', 'benchmarks', 'performance']) {
    assert.doesNotMatch(page, new RegExp(`href="/openai/shap-e/${section}"`))
    assert.equal((await fetch(`${box.url}/openai/shap-e/${section}`, { headers: { accept: 'text/html' } })).status, 404, section)
  }
})

test('every link of a page leads to a page', async () => {
  const seen = new Set<string>()
  for (const url of ['/', '/models', '/acme/one', '/providers/sound', '/openai/gpt-5.3-chat']) {
    const html = await (await fetch(box.url + url, { headers: { accept: 'text/html' } })).text()
    for (const [, href] of html.matchAll(/<a [^>]*href="(\/[^"#?]*)/g)) seen.add(href!)
  }
  assert.ok(seen.size > 60, `${seen.size} links`)
  for (const href of seen) {
    const { status } = await fetch(box.url + href, { headers: { accept: 'text/html' }, redirect: 'manual' })
    assert.equal(status, 200, href)
  }
})

test('without scripts a list is searched and filtered, and a sample shows what is ticked', async () => {
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 1440, height: 900 } })
  const page = await context.newPage()
  await page.goto(`${box.url}/models`)
  await page.locator('main input[name=q]').fill('claude')
  await page.locator('main input[name=input_modalities][value=image]').check()
  await page.locator('main button[type=submit]').click()
  const at = new URL(page.url())
  assert.deepEqual([at.pathname, at.searchParams.get('q'), at.searchParams.getAll('input_modalities')], ['/models', 'claude', ['image']])
  const { total_count: total } = await (await fetch(`${box.url}/api/v1/models?q=claude&input_modalities=image&output_modalities=all`)).json() as { total_count: number }
  assert.match(await page.locator('[role=status]').innerText(), new RegExp(`^${total} of `))

  await page.goto(`${box.url}/acme/one/api`)
  assert.doesNotMatch(await page.locator('pre').nth(1).innerText(), /stream=True/)
  await page.getByRole('link', { name: /^Streaming/ }).click()
  assert.match(await page.locator('pre').nth(1).innerText(), /stream=True/)
  await page.getByRole('link', { name: 'curl' }).click()
  const sample = await page.locator('pre').nth(1).innerText()
  assert.ok(sample.includes(`curl -N ${box.url}/api/v1/chat/completions`) && sample.includes('"stream": true') && sample.includes('"acme/one"'), sample)
  await context.close()
})

test('with scripts a tick filters at once and the address says it, in the names of the API', async () => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  const { page, seen } = await look(context, '/models')
  await page.locator('main input[name=output_modalities][value=image]').check()
  await page.waitForURL(/output_modalities=image/)
  assert.equal(new URL(page.url()).search, '?output_modalities=image', 'what was left empty is not in the address')
  const { total_count: total } = await (await fetch(`${box.url}/api/v1/models?output_modalities=image`)).json() as { total_count: number }
  await page.getByText(new RegExp(`^${total} of `)).waitFor()
  await page.getByRole('link', { name: 'Table' }).click()
  await page.locator('main table').waitFor()
  assert.match(page.url(), /fmt=table/)
  await page.goBack()
  await page.locator('main li h2').first().waitFor()
  assert.deepEqual(seen.complaints, [])
  await context.close()
})

test('every filter and order of the API is on the page, and both find the same models', async () => {
  for (const query of [
    'q=gpt', 'supported_parameters=tools,reasoning', 'input_modalities=image,file', 'output_modalities=embeddings', 'context=1000000', 'min_price=1&max_price=3',
    'min_output_price=10', 'max_output_price=1', 'arch=gpt', 'model_authors=openai,anthropic', 'providers=groq', 'zdr=true', 'distillable=true',
    'min_age_days=300', 'max_age_days=90', 'order=pricing-low-to-high', 'order=pricing-high-to-low', 'order=context-high-to-low',
  ]) {
    const asked = new URLSearchParams(query.replace('order=', 'sort='))
    if (!asked.has('output_modalities')) asked.set('output_modalities', 'all')
    const { data } = await (await fetch(`${box.url}/api/v1/models?${asked}`)).json() as { data: readonly { id: string }[] }
    const html = await (await fetch(`${box.url}/models?${query}&fmt=table`, { headers: { accept: 'text/html' } })).text()
    const shown = [...html.split('<tbody>')[1]!.split('</tbody>')[0]!.matchAll(/<th scope="row"><a [^>]*href="\/([^"]+)"/g)].map(([, id]) => id)
    assert.deepEqual(shown, data.slice(0, 50).map(({ id }) => id), query)
    for (const name of new URLSearchParams(query).keys()) assert.match(html, new RegExp(`name="${name}"`), `${name} has a control`)
  }
})

test('other spellings of a model lead to its one address, section and query included', async () => {
  for (const [from, to] of [
    ['/openai/gpt-5-3-chat', '/openai/gpt-5.3-chat'],
    ['/openai/gpt-5-3-chat/api?lang=curl', '/openai/gpt-5.3-chat/api?lang=curl'],
    ['/provider/openai', '/providers/openai'],
  ]) {
    const response = await fetch(box.url + from, { redirect: 'manual', headers: { accept: 'text/html' } })
    assert.deepEqual([response.status, response.headers.get('location')], [308, to])
  }
})

test('a program that asks for what is not there is told so in JSON, and a browser that asks the API is too', async () => {
  const program = await fetch(`${box.url}/chat/completion`)
  assert.equal(program.status, 404)
  assert.match(((await program.json()) as { error: { message: string } }).error.message, /no route GET \/chat\/completion/)
  const api = await fetch(`${box.url}/api/v1/nothing`, { headers: { accept: 'text/html' } })
  assert.match(api.headers.get('content-type')!, /json/)
  const post = await fetch(`${box.url}/models`, { method: 'POST' })
  assert.deepEqual([post.status, post.headers.get('content-type')], [404, 'application/json; charset=utf-8'])
})

test('a page is for its reader alone, its files for everybody and for good; neither is read by other sites', async () => {
  const page = await fetch(`${box.url}/models`, { headers: { accept: 'text/html', 'accept-encoding': 'br' } })
  assert.deepEqual([page.headers.get('cache-control'), page.headers.get('content-encoding'), page.headers.get('access-control-allow-origin')], ['private, no-cache', 'br', null])
  const policy = page.headers.get('content-security-policy')!
  assert.match(policy, /default-src 'none'/)
  assert.doesNotMatch(policy, /unsafe|https?:/)
  const html = await page.text()
  const nonce = /'nonce-([^']+)'/.exec(policy)![1]!
  for (const [tag] of html.matchAll(/<script[^>]*>/g)) assert.ok(tag.includes(`nonce="${nonce}"`), tag)
  const again = await (await fetch(`${box.url}/models`)).text()
  assert.ok(!again.includes(nonce), 'no two pages have the same nonce')
  const [, asset] = /href="(\/assets\/[^"]+\.css)"/.exec(html)!
  const file = await fetch(box.url + asset, { headers: { 'accept-encoding': 'gzip' } })
  assert.deepEqual([file.status, file.headers.get('cache-control'), file.headers.get('content-encoding')], [200, 'public, max-age=31536000, immutable', 'gzip'])
  for (const outside of ['/assets/../../server/index.js', '/assets/%2e%2e/%2e%2e/current', '/..%2fcurrent']) {
    assert.notEqual((await fetch(box.url + outside)).status, 200, outside)
  }
})

test('maps for machines list every model once, with the address that was asked', async () => {
  const { total_count: total } = await (await fetch(`${box.url}/api/v1/models?output_modalities=all&limit=1`)).json() as { total_count: number }
  const sitemap = await (await fetch(`${box.url}/sitemap.xml`)).text()
  const places = [...sitemap.matchAll(/<loc>([^<]+)<\/loc>/g)].map(([, place]) => place!)
  assert.equal(new Set(places).size, places.length)
  assert.equal(places.filter((place) => new URL(place).pathname.split('/').length === 3 && !place.includes('/providers/')).length, total)
  const text = await (await fetch(`${box.url}/llms.txt`)).text()
  assert.equal([...text.matchAll(/^- \[[^\]]*\]\(http[^)]*\): \S+$/gm)].filter(([line]) => !line.includes('openapi') && !line.includes('/api/v1/models')).length, total)
  const asked = await (await fetch(`${box.url}/llms.txt`, { headers: { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'models.example' } })).text()
  assert.match(asked, /https:\/\/models\.example\/api\/v1\/chat\/completions/)
})
