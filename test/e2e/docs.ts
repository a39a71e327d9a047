/** The manual: guides from the files, the reference from the document of the API, and both true. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { EXAMPLES, PARAMETERS } from '../../web/data/parameters.ts'
import { saying } from '../stories/signalbox.ts'
import { box, browser, everybody, look } from './world.ts'

/** What the sweep over all pages looks at. */
export const MANUAL: readonly (readonly [url: string, shows: RegExp])[] = [
  ['/docs', /The first request/],
  ['/docs/provider-routing', /How a request finds its endpoint/],
  ['/docs/configuration', /Environment/],
  ['/docs/frameworks', /AI SDK/],
  ['/docs/api-reference/overview', /chat\/completions/],
  ['/docs/api-reference/parameters', /temperature/],
  ['/docs/api-reference/createChatCompletion', /Try it here/],
  ['/docs/api-reference/getGeneration', /required/],
  ['/docs/parameters/temperature', /Who honours it/],
  ['/sdk', /none is needed/],
]

const pageAt = async (path: string): Promise<{ status: number, html: string }> => {
  const response = await fetch(box.url + path, { headers: { accept: 'text/html' } })
  return { status: response.status, html: (await response.text()).split('window.__reactRouterContext')[0]! }
}
const textOf = (html: string): string => html.replace(/<[^>]+>/g, '').replaceAll('&quot;', '"').replaceAll('&#x27;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')

test('every link inside the manual leads to a page, and to a place that is on it', async () => {
  const start = await pageAt('/docs')
  const pages = new Map<string, string>()
  const visit = async (path: string): Promise<string> => {
    const known = pages.get(path)
    if (known !== undefined) return known
    const { status, html } = await pageAt(path)
    assert.equal(status, 200, path)
    pages.set(path, html)
    return html
  }
  const guides = new Set([...start.html.matchAll(/href="(\/docs\/[\w-]+)"/g)].map(([, path]) => path!))
  assert.ok(guides.size >= 14, [...guides].join())
  for (const guide of guides) {
    const article = (await visit(guide)).split('<article')[1] ?? ''
    for (const [, path, place] of article.matchAll(/href="(\/docs[^"#]*)?(?:#([^"]+))?"/g)) {
      if (path?.endsWith('.md')) continue
      const html = await visit(path ?? guide)
      if (place) assert.ok(html.includes(`id="${place}"`), `${guide} links to ${path ?? ''}#${place}`)
    }
  }
})

interface Doc { readonly paths: Record<string, Record<string, { operationId: string, tags: string[], requestBody?: unknown, parameters?: unknown }>>, readonly components: { readonly schemas: Record<string, unknown> } }

test('the reference has every operation of the API, and of each value its name, choices and bounds', async () => {
  const document = await (await fetch(`${box.url}/openapi.json`)).json() as Doc
  const overview = textOf((await pageAt('/docs/api-reference/overview')).html)
  let operations = 0
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      if (operation.tags[0] === 'Gone') continue
      const { status, html } = await pageAt(`/docs/api-reference/${operation.operationId.replace(/\d+$/, '')}`)
      assert.equal(status, 200, operation.operationId)
      const text = textOf(html)
      assert.ok(text.includes(path), `${operation.operationId} is at ${path}`)
      if (/\d$/.test(operation.operationId)) continue
      operations++
      assert.ok(overview.includes(`${method.toUpperCase()} ${path}`), `${method} ${path} in the overview`)
      const seen = new Set<unknown>()
      const walk = (value: unknown): void => {
        if (typeof value !== 'object' || value === null || seen.has(value)) return
        seen.add(value)
        if (Array.isArray(value)) return value.forEach(walk)
        const schema = value as Record<string, unknown>
        if (typeof schema['$ref'] === 'string') return walk(document.components.schemas[schema['$ref'].replace('#/components/schemas/', '')])
        for (const name of Object.keys(schema['properties'] ?? {})) assert.ok(text.includes(name), `${operation.operationId}: the field ${name}`)
        for (const choice of (schema['enum'] ?? []) as readonly unknown[]) if (choice !== null) assert.ok(text.includes(JSON.stringify(choice)), `${operation.operationId}: the choice ${JSON.stringify(choice)}`)
        if (typeof schema['minimum'] === 'number' && typeof schema['maximum'] === 'number' && Math.abs(schema['maximum']) < Number.MAX_SAFE_INTEGER && Math.abs(schema['minimum']) < Number.MAX_SAFE_INTEGER) {
          assert.ok(text.includes(schema['minimum'] === schema['maximum'] ? `exactly ${schema['minimum']}` : `${schema['minimum']} to ${schema['maximum']}`), `${operation.operationId}: ${schema['minimum']} to ${schema['maximum']}`)
        }
        for (const inner of Object.values(schema)) walk(inner)
      }
      walk(operation.requestBody)
      walk(operation.parameters)
    }
  }
  assert.ok(operations > 20, `${operations} operations`)
  assert.equal((await pageAt('/docs/api-reference/thereIsNone')).status, 404)
})

test('each example of a parameter is taken by the API, and each parameter has a page', async () => {
  for (const name of Object.keys(PARAMETERS)) {
    assert.equal((await pageAt(`/docs/parameters/${name}`)).status, 200, name)
    const example = EXAMPLES[name]
    if (example === undefined) continue
    const response = await box.send('POST', '/api/v1/route/explain', { body: saying('acme/one', 'Hello', JSON.parse(example) as Record<string, unknown>) })
    assert.equal(response.status, 200, `${example}\n${await response.text()}`)
  }
  assert.deepEqual(Object.keys(PARAMETERS).filter((name) => EXAMPLES[name] === undefined), ['structured_outputs'])
})

test('a request is tried from the page with the reader\'s own key, which is kept nowhere', async () => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  const { page, seen } = await look(context, '/docs/api-reference/createChatCompletion')
  const key = page.getByLabel('Your API key')
  // The simulation is in no figure, so that other stories find those that they made.
  await page.getByRole('textbox', { name: 'Body' }).fill(JSON.stringify({ model: 'demo/echo', messages: [{ role: 'user', content: 'Hello' }] }))
  await key.fill('sk-no-such-key')
  await page.getByRole('button', { name: 'Send' }).click()
  await page.getByText(/^401, after \d+ ms$/).waitFor()
  await key.fill(box.key)
  await page.getByRole('button', { name: 'Send' }).click()
  await page.getByText(/^200, after \d+ ms$/).waitFor()
  assert.match(await page.getByRole('region', { name: 'Answer', exact: true }).innerText(), /Simulated by Signalbox/)
  await everybody(page)
  const kept = await page.evaluate('JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href, document.documentElement.outerHTML])') as string
  assert.ok(!kept.includes(box.key), 'the key is nowhere but in its field')
  await page.goto(`${box.url}/docs`)
  await page.goBack()
  assert.equal(await key.inputValue(), '', 'and not even there when the reader comes back')
  assert.deepEqual(seen.complaints.filter((complaint) => !complaint.includes('401')), [])
  await context.close()
})

test('without scripts there is nothing that asks for a key', async () => {
  assert.doesNotMatch((await pageAt('/docs/api-reference/createChatCompletion')).html, /type="password"|Try it here/)
})

test('old addresses of the manual lead to the reference', async () => {
  for (const path of ['/docs/requests', '/docs/api-reference']) {
    const response = await fetch(box.url + path, { redirect: 'manual', headers: { accept: 'text/html' } })
    assert.deepEqual([response.status, response.headers.get('location')], [308, '/docs/api-reference/overview'], path)
  }
})

test('with .md behind its address a page is Markdown: the manual\'s as written, a model\'s from its facts, hostile names as words', async () => {
  const guide = await fetch(`${box.url}/docs/errors.md`)
  assert.deepEqual([guide.status, guide.headers.get('content-type')], [200, 'text/markdown; charset=utf-8'])
  assert.equal(await guide.text(), await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8'))
  const model = await (await fetch(`${box.url}/acme/one.md?x=1`)).text()
  assert.match(model, /^# \\<img src/)
  assert.match(model, /^- Context: 128,000 tokens$/m)
  assert.match(model, /^\| sound \| .*\| \$50 \| \$100 \|/m)
  assert.doesNotMatch(model, /(?<!\\)<(?:img|b|\/script)/)
  for (const missing of ['/docs/nothing.md', '/acme/none.md', '/docs/../package.md', '/x.md']) assert.equal((await fetch(box.url + missing)).status, 404, missing)
})

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const told = async (): Promise<readonly { page: string, helpful: number, not_helpful: number, texts: readonly { text: string }[] }[]> => {
  const { PORT: _, ...env } = box.env
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, 'docs', 'feedback', '--json'], { env: { PATH: process.env['PATH'], ...env }, timeout: 60_000 })
  return (JSON.parse(stdout) as { data: Awaited<ReturnType<typeof told>> }).data
}

test('a reader says without scripts whether a page was helpful, changes their mind, adds words, and the operator alone reads it', async () => {
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 1440, height: 900 } })
  const page = await context.newPage()
  await page.goto(`${box.url}/docs/errors`)
  await page.getByRole('button', { name: 'Yes', exact: true }).click()
  assert.equal(page.url(), `${box.url}/docs/errors?helpful=yes#helpful`)
  await page.getByRole('button', { name: 'It was not helpful' }).click()
  await page.getByRole('textbox', { name: /What is missing/ }).fill('The 418 is <b>missing</b>.')
  await page.getByRole('button', { name: 'Send' }).click()
  assert.match(await page.getByRole('region', { name: 'Thank you.' }).innerText(), /What you wrote is with whoever runs this instance/)
  assert.deepEqual((await told()).map(({ page: at, helpful, not_helpful: not, texts }) => [at, helpful, not, texts.map(({ text }) => text)]), [['/docs/errors', 0, 1, ['The 418 is <b>missing</b>.']]])
  assert.doesNotMatch((await pageAt('/docs/errors')).html, /418 is/)
  await context.close()
})

test('only a form of our own pages says something, of a page that there is', async () => {
  const say = async (form: Record<string, string>, headers: Record<string, string> = { origin: box.url }) => {
    const response = await fetch(`${box.url}/api/web/v1/docs/feedback`, { method: 'POST', redirect: 'manual', headers, body: new URLSearchParams(form) })
    return [response.status, response.headers.get('location') ?? (await response.json() as { error: { message: string } }).error.message] as const
  }
  const vote = { page: '/docs/faults', helpful: 'yes' }
  for (const headers of [{}, { origin: 'https://evil.example' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site', origin: box.url }, { 'sec-fetch-site': 'none' }] as Record<string, string>[]) {
    assert.equal((await say(vote, headers))[0], 403, JSON.stringify(headers))
  }
  for (const [form, message] of [
    [{ ...vote, helpful: 'maybe' }, /^helpful: must be yes or no, is "maybe"$/], [{ page: vote.page }, /^helpful: must be yes or no, is null$/],
    [{ ...vote, page: '//evil.example' }, /^page: must be the address of a page of the manual/], [{ ...vote, page: '/models' }, /^page: must be/],
    [{ ...vote, page: '/docs/there-is-none' }, /^page: names no page of the manual/], [{ ...vote, text: 'x'.repeat(1001) }, /^text: must be at most 1000 characters long, is 1001$/],
  ] as const) {
    const [status, said] = await say(form)
    assert.equal(status, 400)
    assert.match(said, message)
  }
  assert.equal((await say({ ...vote, text: 'x'.repeat(20_000) }))[0], 413)
  assert.equal((await fetch(`${box.url}/api/web/v1/docs/feedback`, { method: 'POST', headers: { origin: box.url, 'content-type': 'application/json' }, body: '{}' })).status, 415)
  assert.ok((await told()).every(({ page }) => page !== vote.page), 'nothing of that was kept')
  const elsewhere = { origin: box.url, 'x-forwarded-for': '192.0.2.1, 203.0.113.77' }
  assert.deepEqual(await say(vote, elsewhere), [303, '/docs/faults?helpful=yes#helpful'])
  let last: readonly [number, string] = [0, '']
  for (let i = 0; i < 30; i++) last = await say(vote, elsewhere)
  assert.deepEqual(last, [303, '/docs/faults?helpful=later#helpful'], 'and an address so much in an hour')
})

for (const state of ['yes', 'later', 'no&words=yes']) {
  test(`everybody can read the question whether a page was helpful, answered with ${state}`, async () => {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
    const { page, seen } = await look(context, `/docs/hedging?helpful=${state}`)
    await everybody(page)
    assert.deepEqual(seen.complaints, [])
    await context.close()
  })
}
