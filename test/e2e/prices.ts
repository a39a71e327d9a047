/** What a model cost over time: the same on the page and in the API, for readers without scripts too. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { box, browser } from './world.ts'

/** What the sweep over all pages looks at. */
export const PRICES: readonly (readonly [url: string, shows: RegExp])[] = [
  ['/acme/one/pricing?range=all', /Prices over time/],
]

interface Told {
  readonly recorded_since: string | null
  readonly endpoints: readonly { readonly tag: string; readonly effective_prices: readonly { readonly requests: number; readonly effective_price_per_million: string }[] }[]
}

/** Lists are written down some seconds after a start. */
async function recorded(): Promise<Told> {
  for (let patience = 0; patience < 1200; patience++) {
    const { data } = await (await fetch(`${box.url}/api/v1/models/acme/one/endpoints/prices`)).json() as { data: Told }
    if (data.recorded_since !== null) return data
    await sleep(50)
  }
  assert.fail('no list was ever written down')
}

test('the page tells the paid prices of the API, with what they rest on, and since when lists are known', async () => {
  const told = (await recorded()).endpoints.find(({ tag }) => tag === 'sound')!.effective_prices
  assert.equal(told.reduce((sum, { requests }) => sum + requests, 0), 5)
  const html = await (await fetch(`${box.url}/acme/one/pricing`, { headers: { accept: 'text/html' } })).text()
  const section = html.split('id="prices"')[1]!.split('</section>')[0]!
  for (const { effective_price_per_million: price } of told) assert.ok(section.includes(`<data value="${price}">`), price)
  assert.match(section.replaceAll('<!-- -->', ''), /paid \$[\d.]+ in 5 requests/)
  assert.match(section.replaceAll('<!-- -->', ''), /Prices are recorded since [A-Z][a-z]{2} \d+, \d{4}, \d\d:\d\d UTC\. None changed since then\./)
})

test('a range and what stands in the calculator are in the address together, without scripts as well', async () => {
  await recorded()
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 1440, height: 900 } })
  const page = await context.newPage()
  await page.goto(`${box.url}/acme/one/pricing`)
  const chosen = (): Promise<string> => page.locator('section', { has: page.locator('#prices') }).locator('a[aria-current=true]').innerText()
  assert.equal(await chosen(), '30 days')
  await page.getByRole('link', { name: '90 days', exact: true }).click()
  assert.equal(await chosen(), '90 days')
  await page.locator('input[name=prompt]').fill('1234')
  await page.getByRole('button', { name: 'Work it out' }).click()
  const at = (): [string | null, string | null] => [new URL(page.url()).searchParams.get('range'), new URL(page.url()).searchParams.get('prompt')]
  assert.deepEqual([...at(), await chosen()], ['90d', '1234', '90 days'])
  await page.getByRole('link', { name: 'all there is' }).click()
  assert.deepEqual([...at(), await page.locator('input[name=prompt]').inputValue()], ['all', '1234', '1234'])
  await page.goto(`${box.url}/acme/one/pricing?range=forever`)
  assert.equal(await chosen(), '30 days', 'a range that there is none of is the usual one')
  await context.close()
})
