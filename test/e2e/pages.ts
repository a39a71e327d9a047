/** Status, the short pages, and whatever leads here from elsewhere. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { box, HOSTILE } from './world.ts'

/** What the sweep over all pages looks at; the other short pages are made of the same parts. */
export const SHORT_PAGES: readonly (readonly [url: string, shows: RegExp])[] = [
  ['/status', /This instance serves/],
  ['/pricing', /To the token|to the token/],
  ['/about', /Who runs it/],
  ['/announcements', /Of the program/],
]

const pageAt = async (path: string): Promise<{ readonly status: number; readonly main: string; readonly html: string }> => {
  const response = await fetch(box.url + path, { headers: { accept: 'text/html' } })
  const html = (await response.text()).split('window.__reactRouterContext')[0]!
  return { status: response.status, html, main: html.split('<main')[1]?.split('</main>')[0] ?? '' }
}

test('the status tells of each provider what its endpoints tell', async () => {
  const { main } = await pageAt('/status')
  const row = (slug: string): string => main.split(`data-provider="${slug}"`)[1]?.split('</tr>')[0] ?? ''
  assert.match(row('sound'), /<data value="100">100 %<\/data> <span[^>]*>of <!-- -->5</)
  assert.match(row('broken'), /<data value="0">0 %<\/data>/)
  assert.match(row('broken'), /failing/)
  assert.match(main, /This instance serves; <!-- -->|This instance serves; broken fails at times\./)
})

test('each short page is there, and says what nobody wrote instead of guessing it', async () => {
  for (const path of ['/pricing', '/works-with', '/data', '/announcements', '/about', '/support', '/privacy', '/terms']) {
    const { status, main } = await pageAt(path)
    assert.equal(status, 200, path)
    assert.match(main, /<h1/, path)
  }
  assert.match((await pageAt('/terms')).main, /has published no terms/)
  assert.match((await pageAt('/support')).main, /has stated no way to reach them/)
})

test('what the operator wrote is shown, as text whatever it looks like, and links only where they wrote one', async () => {
  const { main, html } = await pageAt('/about')
  assert.match(main, /Who runs it/)
  assert.doesNotMatch(main, /<script|javascript:|written nothing about themselves/)
  assert.match(main, /&lt;script&gt;/)
  assert.match(html, /href="https:\/\/example\.com\/acme"[^>]*>GitHub</)
  assert.doesNotMatch(html, />Careers<|>Discord</)
})

test('the feed has the newest models first, and a hostile name in it is text', async () => {
  const response = await fetch(`${box.url}/feed.xml`)
  assert.equal(response.headers.get('content-type'), 'application/rss+xml; charset=utf-8')
  const feed = await response.text()
  const dates = [...feed.matchAll(/<pubDate>([^<]+)</g)].map(([, date]) => Date.parse(date!))
  assert.ok(dates.length > 20)
  assert.deepEqual(dates, dates.toSorted((a, b) => b - a))
  assert.doesNotMatch(feed, /<img|<b>/)
  const { data } = await (await fetch(`${box.url}/api/v1/models?sort=newest&output_modalities=all&limit=1`)).json() as { data: readonly { id: string }[] }
  assert.ok(feed.indexOf(`>${data[0]!.id}<`) > 0)
  assert.ok(HOSTILE.includes('<img'))
})

test('whoever shows a link to a page is told what it is, with absolute addresses and a picture that is there', async () => {
  for (const path of ['/', '/models', '/acme/one', '/acme/one/uptime', '/acme', '/providers', '/providers/sound', '/compare/acme/one', '/rankings', '/apps', '/apps/app.example', '/status', '/about', '/docs', '/docs/errors', '/docs/api-reference/parameters', '/sdk']) {
    const response = await fetch(box.url + path, { headers: { accept: 'text/html', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'models.example' } })
    const html = await response.text()
    const told = new Map([...html.matchAll(/<meta property="og:([^"]+)" content="([^"]*)"/g)].map(([, name, content]) => [name!, content!]))
    assert.equal(told.get('url'), `https://models.example${path}`)
    assert.equal(told.get('image'), 'https://models.example/card.png')
    assert.ok(told.get('title'), path)
    assert.ok(told.get('description'), `${path} says what it is`)
    assert.ok(html.includes(`<title>${told.get('title')}`), 'the title of the page')
  }
  const picture = await fetch(`${box.url}/card.png`)
  const bytes = Buffer.from(await picture.arrayBuffer())
  assert.deepEqual([picture.headers.get('content-type'), bytes.readUInt32BE(16), bytes.readUInt32BE(20)], ['image/png', 1200, 630])
  assert.ok(bytes.length < 40_000, `${bytes.length} bytes`)
  assert.doesNotMatch((await pageAt('/there/is-nothing')).html, /og:/)
})

/** Paths that the pages of the original link to. */
const LINKED = [
  '/', '/models', '/openai', '/provider/openai', '/providers', '/rankings', '/apps', '/state-of-ai', '/openai/o3-mini/uptime', '/compare/openai/gpt-5', '/status', '/pricing', '/about', '/privacy', '/terms',
  '/support', '/data', '/works-with', '/announcements', '/sdk', '/docs', '/docs/provider-routing', '/docs/requests', '/docs/frameworks', '/docs/api-reference/overview', '/docs/api-reference/parameters',
  '/openai/shap-e', '/openai/gpt-4-0314',
]
/** Pages that need an account; each goes up as soon as there is one. */
const WAITING = ['/settings/keys', '/settings/integrations', '/chat?models=openai/gpt-5']

test('every path that the pages of the original link to answers here or leads on once; what waits for accounts is listed', async () => {
  const { data } = await (await fetch(`${box.url}/api/v1/models?model_authors=openai&output_modalities=all&limit=500`)).json() as { data: readonly { id: string }[] }
  assert.ok(data.length > 40)
  for (const path of [...LINKED, ...data.map(({ id }) => `/${id}`)]) {
    const first = await fetch(box.url + path, { redirect: 'manual', headers: { accept: 'text/html' } })
    await first.text()
    if (first.status === 200) continue
    assert.equal(first.status, 308, path)
    const second = await fetch(new URL(first.headers.get('location')!, box.url), { redirect: 'manual', headers: { accept: 'text/html' } })
    await second.text()
    assert.equal(second.status, 200, `${path} leads to ${first.headers.get('location')}`)
  }
  for (const path of WAITING) assert.equal((await pageAt(path)).status, 404, `${path} is there now: it belongs among the others`)
})
