/** Search over everything, by keys alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { box, browser, everybody, look } from './world.ts'

/** What the sweep over all pages looks at: the list that is searched when there are no scripts. */
export const SEARCHES: readonly (readonly [url: string, shows: RegExp])[] = [['/models?q=gpt', /of \d+ models/]]

test('a few letters behind Ctrl K lead to a model, a provider or a page of the manual, by keys alone and told to readers of screens', async () => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  const { page, seen } = await look(context, '/docs')
  const before = new Set(seen.scripts)
  await page.keyboard.press('Control+k')
  const dialog = page.getByRole('dialog', { name: 'Search' })
  await dialog.waitFor()
  assert.ok([...seen.scripts].some((script) => !before.has(script)), 'it is loaded when it is asked for')
  const field = dialog.getByRole('combobox')
  assert.equal(await field.evaluate('document.activeElement === document.querySelector("dialog input")'), true, 'the field has the focus')
  await everybody(page)
  await page.keyboard.type('gpt-5.3-chat')
  await dialog.getByRole('option', { name: /openai\/gpt-5\.3-chat/ }).first().waitFor()
  await everybody(page)
  await page.keyboard.press('Enter')
  await page.waitForURL('**/openai/gpt-5.3-chat')
  await dialog.waitFor({ state: 'detached' })

  for (const [typed, option, url] of [['errors', /Errors.*manual/, '**/docs/errors'], ['sound', /sound.*provider/i, '**/providers/sound'], ['temperature', /temperature.*parameter/, '**/docs/parameters/temperature']] as const) {
    await page.keyboard.press('Control+k')
    await dialog.waitFor()
    await page.keyboard.type(typed)
    const wanted = dialog.getByRole('option', { name: option }).first()
    await wanted.waitFor()
    for (let i = 0; i < 30 && await wanted.getAttribute('aria-selected') !== 'true'; i++) await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    await page.waitForURL(url)
    await dialog.waitFor({ state: 'detached' })
  }

  await page.keyboard.press('Control+k')
  await dialog.waitFor()
  await page.keyboard.type('nothing is called so')
  await dialog.getByText('Nothing is called that.').first().waitFor()
  await page.keyboard.press('Escape')
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
  assert.deepEqual([seen.complaints, seen.elsewhere], [[], []])
  await context.close()
})

test('what is searched and cannot be asked for is told, and searching goes on by Enter', async () => {
  const context = await browser.newContext({ viewport: { width: 390, height: 900 } })
  const { page } = await look(context, '/')
  await page.route('**/search.json?*', (route) => route.abort())
  await page.keyboard.press('Control+k')
  const dialog = page.getByRole('dialog', { name: 'Search' })
  await dialog.getByRole('combobox').fill('claude')
  await dialog.getByText(/could not be asked for\. Enter searches/).waitFor()
  await page.keyboard.press('Enter')
  await page.waitForURL(`${box.url}/models?q=claude`)
  await context.close()
})
