/** Models side by side. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { box, browser, endpoints, everybody, HOSTILE, look } from './world.ts'

/** What the sweep over all pages looks at. */
export const COMPARISONS: readonly (readonly [url: string, shows: RegExp])[] = [
  ['/compare', /Begin with/],
  ['/compare/acme/one/openai/gpt-5.3-chat/openai/shap-e', /Differences only/],
  ['/compare/acme/one?add=gpt-5', /Which one is meant/],
]

const rowOf = (html: string, name: string): readonly string[] => {
  const row = html.split('<tr').find((each) => each.includes(`<th scope="row">${name}</th>`))
  assert.ok(row, `there is no row ${name}`)
  return row.split('<td>').slice(1).map((cell) => cell.split('</td>')[0]!.replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' ').trim())
}
const pageAt = async (path: string): Promise<string> => (await fetch(box.url + path, { headers: { accept: 'text/html' } })).text()

test('a comparison shows what the pages and the API show of each model, and marks the better one', async () => {
  const html = await pageAt('/compare/acme/one/openai/gpt-5.3-chat')
  assert.deepEqual(rowOf(html, 'Context'), ['128,000', '128,000'], 'equals are not marked')
  assert.deepEqual(rowOf(html, 'Input, per 1M tokens'), ['$1 , the best', '$1.75'])
  assert.deepEqual(rowOf(html, 'Puzzles solved').map((cell) => cell.slice(0, 6)), ['71.5 %', '–'])
  const [sound] = (await endpoints()).filter(({ tag }) => tag === 'sound')
  assert.equal(rowOf(html, 'Latency to the first token')[0], `${Math.round(sound!.latency_last_30m!.p50)} ms`)
  assert.equal(rowOf(html, 'Throughput')[0], `${sound!.throughput_last_30m!.p50 < 100 ? sound!.throughput_last_30m!.p50.toFixed(1) : Math.round(sound!.throughput_last_30m!.p50)} t/s`)
  assert.match(rowOf(html, 'Uptime, 30 days')[0]!, /^100 % sound, 5 tries$/)
  assert.deepEqual(rowOf(html, 'odd_one'), ['yes', 'no'])
  const differing = await pageAt('/compare/acme/one/openai/gpt-5.3-chat?only=differences')
  assert.doesNotMatch(differing, /<th scope="row">Context</)
  assert.match(differing, /<th scope="row">odd_one</)
})

test('a comparison is an address: other spellings, repetitions and a sixth model lead to the one that it has', async () => {
  for (const [from, to] of [
    ['/compare?models=acme/one&models=openai/gpt-5.3-chat', '/compare/acme/one/openai/gpt-5.3-chat'],
    ['/compare/acme/one?add=openai/gpt-5-3-chat', '/compare/acme/one/openai/gpt-5.3-chat'],
    ['/compare/acme/one/acme/one', '/compare/acme/one'],
    ['/compare/acme/one/openai/gpt-5-3-chat?only=differences', '/compare/acme/one/openai/gpt-5.3-chat?only=differences'],
    [`/compare?${['acme/one', 'acme/old', 'acme/owned', 'acme/experimental-two', 'openai/gpt-5', 'openai/gpt-4o'].map((id) => `models=${id}`).join('&')}`,
      '/compare/acme/one/acme/old/acme/owned/acme/experimental-two/openai/gpt-5?full=1'],
  ] as const) {
    const response = await fetch(box.url + from, { redirect: 'manual', headers: { accept: 'text/html' } })
    assert.deepEqual([response.status, response.headers.get('location')], [302, to], from)
  }
  for (const missing of ['/compare/acme', '/compare/acme/one/openai', '/compare/acme/there-is-none']) {
    assert.equal((await fetch(box.url + missing, { headers: { accept: 'text/html' } })).status, 404, missing)
  }
  assert.match(await pageAt('/compare/acme/one?add=there-is-none'), /No models found/)
})

test('without scripts models are ticked in the list, compared, and taken out again', async () => {
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 1440, height: 900 } })
  const page = await context.newPage()
  await page.goto(`${box.url}/models?q=gpt-5.3`)
  assert.equal(await page.getByRole('button', { name: 'Compare' }).count(), 0, 'nothing is ticked, so there is nothing to compare')
  const ticks = page.locator('input[form=compare]')
  const ids = [await ticks.nth(0).getAttribute('value'), await ticks.nth(1).getAttribute('value')]
  await ticks.nth(0).check()
  await ticks.nth(1).check()
  await page.getByRole('button', { name: 'Compare' }).click()
  assert.equal(new URL(page.url()).pathname, `/compare/${ids[0]}/${ids[1]}`)
  await page.getByRole('link', { name: /^Remove/ }).first().click()
  assert.equal(new URL(page.url()).pathname, `/compare/${ids[1]}`)
  await context.close()
})

test('with scripts a model is added by a few letters and keys, and the list is told to readers of screens', async () => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  const { page, seen } = await look(context, '/acme/one')
  await page.locator('main').getByRole('link', { name: 'Compare', exact: true }).click()
  await page.waitForURL('**/compare/acme/one')
  const field = page.getByRole('combobox', { name: 'Add a model' })
  await field.fill('gpt-5.3')
  await page.getByRole('option', { name: /openai\/gpt-5\.3-chat/ }).waitFor()
  assert.equal(await field.getAttribute('aria-expanded'), 'true')
  const first = await page.locator(`[id="${await field.getAttribute('aria-activedescendant')}"]`).innerText()
  await field.press('ArrowDown')
  const second = await page.locator(`[id="${await field.getAttribute('aria-activedescendant')}"]`).innerText()
  assert.notEqual(second, first)
  await everybody(page)
  await field.press('Enter')
  await page.waitForURL(/\/compare\/acme\/one\/openai\/gpt-5\.3/)
  await page.locator('main thead th').nth(1).waitFor()
  assert.equal(await page.locator('main thead th a').first().innerText(), HOSTILE)
  await field.fill('there is no such model')
  await page.getByText('No model is called that.', { exact: true }).last().waitFor()
  await field.press('Escape')
  assert.deepEqual(seen.complaints, [])
  await page.route('**/search.json?*', (route) => route.abort())
  await field.fill('claude')
  await page.getByText(/could not be asked for\. Enter searches/).waitFor()
  await context.close()
})

test('on a narrow screen the line of sections is moved to where the reader is, and the page is not', async () => {
  const context = await browser.newContext({ viewport: { width: 390, height: 900 } })
  const { page } = await look(context, '/acme/one/parameters')
  await page.waitForFunction(`(() => {
    const here = document.querySelector('nav[aria-label="Sections"] [aria-current="page"]').getBoundingClientRect()
    return here.left >= 0 && here.right <= innerWidth && scrollX === 0
  })()`)
  await context.close()
})
