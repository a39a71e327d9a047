/** The site as its readers meet it: in a real browser, in both themes, wide and narrow, and without scripts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { BOARDS } from './boards.ts'
import { COMPARISONS } from './compare.ts'
import { MANUAL } from './docs.ts'
import { SHORT_PAGES } from './pages.ts'
import { SEARCHES } from './palette.ts'
import { PRICES } from './prices.ts'
import { box, browser, endpoints, everybody, HOSTILE, look, type Look } from './world.ts'

const MOST_SCRIPT = 130 * 1024
/** Once more with all that folds unfolded: on a telephone that is the most, filters included. */
const UNFOLDED: readonly Look[] = [{ theme: 'dark', width: 390 }]

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
  ...BOARDS,
  ...COMPARISONS,
  ...MANUAL,
  ...SHORT_PAGES,
  ...PRICES,
  ...SEARCHES,
  ['/providers', /sell models of the catalogue/],
  ['/providers/sound', /Privacy policy/],
  ['/there/is-nothing', /No line leads here/],
  ...SECTIONS.map((section) => [`/acme/one/${section}`, /A moving alias|Overview/] as const),
]

for (const [url, shows] of PAGES) {
  test(`${url} can be read by everybody, wide and narrow, light and dark, and asks no other host`, async (t) => {
    const context = await browser.newContext()
    const { page, seen } = await look(context, url)
    assert.match(await page.locator('main').innerText(), shows)
    assert.equal(await page.locator('h1').count(), 1, 'one heading says what the page is')
    assert.match(await page.title(), /Signalbox$/)
    // The manual may speak of null; nothing else does.
    const slips = url.startsWith('/docs') ? /\bundefined\b|\bNaN\b|\[object/ : /\bundefined\b|\bNaN\b|\[object|\bnull\b/
    assert.doesNotMatch(await page.locator('body').innerText(), slips)
    await everybody(page)
    await page.evaluate("document.querySelectorAll('details:not(.menu)').forEach((each) => { each.open = true })")
    await everybody(page, UNFOLDED)
    let bytes = 0
    for (const script of seen.scripts) bytes += gzipSync(await (await fetch(script)).bytes()).length
    t.diagnostic(`${(bytes / 1024).toFixed(1)} KB of script, compressed`)
    assert.ok(bytes > 0 && bytes <= MOST_SCRIPT, `${Math.round(bytes / 1024)} KB of script, compressed`)
    assert.deepEqual([seen.complaints, seen.elsewhere], [[], []])
    await context.close()
  })
}

test('a reader of the long page is sent no script for what is only read, and a press goes on as if it had been there', async () => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  const html = await (await fetch(`${box.url}/acme/one`, { headers: { accept: 'text/html' } })).text()
  assert.doesNotMatch(html, /<template|<div hidden/, 'nothing of it waits at the end to be put in its place by a script')
  const { page, seen } = await look(context, '/acme/one')
  const loaded = (name: string): boolean => [...seen.scripts].some((script) => new URL(script).pathname.startsWith(`/assets/${name}-`))
  const stands = page.locator('section', { has: page.locator('#activity') }).locator('svg.chart')
  await stands.waitFor()
  // What comes into view and can do something is loaded: a button that copies shows that it is alive.
  await page.locator('#api').scrollIntoViewIfNeeded()
  await page.locator('section', { has: page.locator('#api') }).getByRole('button', { name: /^Copy/ }).first().waitFor()
  assert.deepEqual(['api', 'traffic', 'performance', 'pricing', 'providers'].map(loaded), [true, false, false, false, false])
  // Were the page loaded anew, this would be forgotten.
  await page.evaluate('window.same = true')
  await page.getByRole('link', { name: /^Streaming/ }).click()
  await page.locator('pre', { hasText: 'stream=True' }).waitFor()
  assert.ok(loaded('traffic') && loaded('performance'), 'a press loads what stood still')
  await stands.waitFor()
  await page.getByRole('link', { name: 'Open the page of Activity' }).click()
  await page.waitForURL('**/acme/one/activity')
  await page.goBack()
  await page.locator('#apps').waitFor()
  assert.equal(await page.evaluate('window.same'), true, 'every move was within the page')
  assert.deepEqual([seen.complaints, seen.elsewhere], [[], []])
  await context.close()
})

test('on a narrow screen the menu covers the page, and is gone once it has led somewhere', async () => {
  const context = await browser.newContext({ viewport: { width: 390, height: 900 } })
  const { page, seen } = await look(context, '/acme/one')
  const menu = page.getByRole('navigation', { name: 'Menu' })
  await page.locator('summary', { has: page.locator('.lucide-menu') }).click()
  await everybody(page, [{ theme: 'light', width: 390 }, { theme: 'dark', width: 768 }])
  await menu.getByRole('link', { name: 'Rankings' }).click()
  await page.waitForURL('**/rankings')
  await menu.waitFor({ state: 'hidden' })
  await page.getByRole('link', { name: 'Today' }).click()
  assert.deepEqual(seen.complaints, [])
  await context.close()
})

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
  assert.deepEqual(await page.evaluate("[...document.querySelectorAll('main tbody th a')].map((link) => link.getAttribute('href'))"), ['/apps/app.example', '/apps/other.example'])
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
  for (const url of ['/', '/models', '/acme/one', '/providers/sound', '/openai/gpt-5.3-chat', '/compare/acme/one/openai/gpt-5', '/rankings', '/apps', '/apps/app.example', '/docs', '/docs/frameworks', '/docs/parameters/temperature', '/sdk']) {
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
  await page.getByRole('button', { name: 'Apply' }).click()
  const at = new URL(page.url())
  assert.deepEqual([at.pathname, at.searchParams.get('q'), at.searchParams.getAll('input_modalities')], ['/models', 'claude', ['image']])
  const { total_count: total } = await (await fetch(`${box.url}/api/v1/models?q=claude&input_modalities=image&output_modalities=all`)).json() as { total_count: number }
  assert.match(await page.locator('main header [role=status]').innerText(), new RegExp(`^${total} of `))

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
  const focused = () => page.evaluate<string>("`${document.activeElement?.getAttribute('name')}=${document.activeElement?.getAttribute('value')}`")
  assert.equal(await focused(), 'output_modalities=image', 'whoever ticks with keys goes on from the tick')
  await page.getByRole('link', { name: 'Table' }).click()
  await page.locator('main table').waitFor()
  assert.match(page.url(), /fmt=table/)
  await page.goBack()
  await page.locator('main li h2').first().waitFor()
  assert.equal(await page.locator('main input[name=output_modalities][value=image]').isChecked(), true)
  await page.goBack()
  await page.getByText(/^\d+ models$/).waitFor()
  assert.equal(await page.locator('main input[name=output_modalities][value=image]').isChecked(), false, 'a step back takes the tick away')
  assert.deepEqual(seen.complaints, [])
  await context.close()
})

test('every filter and order of the API is on the page, and both find the same models', async () => {
  for (const query of [
    'q=gpt', 'supported_parameters=tools,reasoning', 'input_modalities=image,file', 'output_modalities=embeddings', 'context=1000000', 'min_price=1&max_price=3',
    'min_output_price=10', 'max_output_price=1', 'arch=gpt', 'model_authors=openai,anthropic', 'providers=groq', 'zdr=true', 'distillable=true',
    'min_age_days=300', 'max_age_days=90', 'order=pricing-low-to-high', 'order=pricing-high-to-low', 'order=context-high-to-low',
    'variant=free', 'order=top-weekly', 'order=most-popular', 'order=latency-low-to-high', 'order=throughput-high-to-low', 'min_tool_success_rate=0.5', 'max_tool_success_rate=0.99',
  ]) {
    const asked = new URLSearchParams(query.replace('order=', 'sort='))
    if (!asked.has('output_modalities')) asked.set('output_modalities', 'all')
    const { data } = await (await fetch(`${box.url}/api/v1/models?${asked}`)).json() as { data: readonly { id: string }[] }
    const html = await (await fetch(`${box.url}/models?${query}&fmt=table`, { headers: { accept: 'text/html' } })).text()
    // Nothing here was asked to call tools, so that filter leaves none.
    assert.equal(html.includes('No models found'), data.length === 0, query)
    const shown = [...(html.split('<tbody>')[1] ?? '').split('</tbody>')[0]!.matchAll(/<th scope="row"><a [^>]*href="\/([^"]+)"/g)].map(([, id]) => id)
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
