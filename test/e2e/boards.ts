/** Who is asked for most: the page and the API tell the same, and a name is no more than a name. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { box, browser, HOSTILE, look } from './world.ts'

/** What the sweep over all pages looks at. */
export const BOARDS: readonly (readonly [url: string, shows: RegExp])[] = [
  ['/rankings', /Tokens by week/],
  ['/state-of-ai', /Models asked/],
  ['/rankings?period=trending', /More than usual|above its usual/],
  ['/apps', /unverified/],
  ['/apps?category=roleplay&period=month', /No app in this time/],
  ['/apps/app.example', /Tokens by day/],
]

test('the rankings count what went through this instance, and link to what they name', async () => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  const { page, seen } = await look(context, '/rankings')
  const row = page.locator('tr[data-model="acme/one"]')
  assert.match(await row.innerText(), /\b1\b/)
  assert.equal(Number(await row.locator('td[data-label="Tokens"] data').getAttribute('value')), 5 * 13, 'five answers of thirteen tokens')
  assert.deepEqual(await page.evaluate("[...document.querySelectorAll('tr[data-app]')].map((row) => row.dataset.app)"), ['app.example', 'other.example'])
  assert.equal(Number(await page.locator('tr[data-app="app.example"] td[data-label="Tokens"] data').getAttribute('value')), 3 * 13)
  await page.getByRole('link', { name: 'Today' }).click()
  await page.waitForURL(/period=today/)
  await page.locator('tr[data-app="app.example"] a').first().click()
  await page.waitForURL('**/apps/app.example')
  // The title that the calls claimed, as text.
  await page.locator('h1').filter({ hasText: HOSTILE }).waitFor()
  assert.match(await page.locator('main').innerText(), /unverified/)
  await page.locator('main tbody th a[href="/acme/one"]').waitFor()
  assert.deepEqual(seen.complaints, [])
  await context.close()
})

test('the report of the month says what it rests on, is Markdown as well, and there is none of a month to come', async () => {
  const text = await (await fetch(`${box.url}/state-of-ai.md`)).text()
  assert.match(text, /^# State of AI, \w{3} \d{4}, so far$/m)
  assert.match(text, /^- Tokens: 65 \(5 answers; nothing in the month before\)$/m)
  assert.match(text, /^\| \\<img src=.* \| 65 \| 5 \| 100 % \|$/m)
  for (const missing of ['/state-of-ai/2099-01', '/state-of-ai/2099-01.md', '/state-of-ai/now']) assert.equal((await fetch(box.url + missing, { headers: { accept: 'text/html' } })).status, 404, missing)
})

test('an app that nobody called from is not there', async () => {
  for (const path of ['/apps/nobody.example', '/apps/localhost/Nothing']) assert.equal((await fetch(box.url + path, { headers: { accept: 'text/html' } })).status, 404, path)
})
