import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ambient as real } from '../../src/ambient.ts'
import { POLICY_WORDS } from '../../src/routing/index.ts'
import { onBothStores, providerAt, saying, startUpstream, together, type Explained, type Signalbox } from './signalbox.ts'

/** What would have been chosen then, and what another policy would choose. */

const upstream = await startUpstream()
const at = (name: string, price: number, given: Parameters<typeof providerAt>[2] = {}) =>
  providerAt(name, `${upstream.url}/${name}/v1`, { prompt: price, completion: price, ...given })
const config = (cheap: number) => together(
  at('cheap', cheap, { endpoint: { max_completion_tokens: 1000 } }), at('dear', 3), { routing: { ejection_failures: 3 } },
)
const hello = saying('acme/one', 'Hi')

/** The real time of day, which a story may move on; durations stay real, or connections would be given up as idle. */
function movableClock() {
  let ahead = 0
  return { ...real, now: () => real.now() + ahead, advance: (ms: number) => { ahead += ms } }
}

// oxlint-disable-next-line typescript/no-explicit-any
type Told = Explained & Readonly<Record<string, any>>
const explainAt = (box: Signalbox, when: number, rest: object = {}) =>
  box.explain({ ...hello, ...rest, at: new Date(when).toISOString() }) as Promise<Told>
const providersOf = (plan: Told) => plan.candidates.map((it) => it['provider'])
const reasonsOf = (plan: Told, provider: string): readonly string[] => plan.candidates.find((it) => it['provider'] === provider)!['reasons']

onBothStores((start) => {
  describe('A moment in the past', () => {
    test('is explained with the health, the prices and the policy of then, after all of them have changed', async () => {
      const ambient = movableClock()
      const box = await start({ config: config(1), ambient })
      await box.app.history.keep()
      const wellAt = ambient.now()

      ambient.advance(20_000)
      upstream.when({ path: '/cheap/' }, { status: 500 })
      for (let i = 0; i < 4; i++) await box.whole({ ...hello, provider: { order: ['cheap'] } })
      await box.app.history.keep()
      const sickAt = ambient.now()

      ambient.advance(600_000)
      upstream.when({ path: '/cheap/' }, {})
      box.reload({ ...config(30), routing: { max_output: 'drop' } })
      await box.app.history.keep()
      const dearerAt = ambient.now()

      const well = await explainAt(box, wellAt, { max_tokens: 5000 })
      assert.ok(Math.abs(well.candidates.find((it) => it['provider'] === 'cheap')!['weight'] - 0.9) < 0.001, 'a third of the price, nine times as often')
      assert.deepEqual(reasonsOf(well, 'cheap').slice(0, 2), ['stable', 'cheapest'])
      assert.equal(well['chosen'].endpoint, well.candidates[0]!['endpoint'])

      const sick = await explainAt(box, sickAt)
      assert.deepEqual(providersOf(sick), ['dear', 'cheap'])
      assert.match(reasonsOf(sick, 'cheap')[0]!, /^ejected until .*: it kept failing$/)

      const dearer = await explainAt(box, dearerAt, { max_tokens: 5000 })
      assert.deepEqual(dearer.rejected.map((it) => [it.provider, it.why]), [['cheap', 'max_output']])
      const costAt = (plan: Told) => plan.candidates.find((it) => it['provider'] === 'cheap')!['estimated_cost']
      assert.ok(Math.abs(costAt(await explainAt(box, dearerAt)) / costAt(await explainAt(box, wellAt)) - 30) < 0.1)

      assert.notEqual(well['past'].catalog, dearer['past'].catalog)
      assert.notEqual(sick['past'].policy, dearer['past'].policy)
      assert.equal(well['past'].catalog, sick['past'].catalog)
      assert.equal(new Date(well['past'].as_of).getTime() <= wellAt, true)
      await box.close()
    })

    test('that nobody kept is a 400 that says which moments there are', async () => {
      const box = await start({ config: config(1) })
      await box.app.history.keep()
      for (const [when, what] of [['2020-01-01T00:00:00Z', /was not kept/], [4_102_444_800, /has not been yet/]] as const) {
        const response = await box.send('POST', '/api/v1/route/explain', { body: { ...hello, at: when } })
        assert.equal(response.status, 400)
        const { error } = await response.json() as { error: { message: string; metadata: { field: string; moments: { from: string } } } }
        assert.match(error.message, what)
        assert.match(error.message, /Moments are kept from 20.* to 20/)
        assert.equal(error.metadata.field, 'at')
        assert.ok(Math.abs(Date.parse(error.metadata.moments.from) - Date.now()) < 60_000)
      }
      for (const when of ['yesterday', '2026-13-45T00:00:00Z', -5, true]) {
        const response = await box.send('POST', '/api/v1/route/explain', { body: JSON.stringify({ ...hello, at: when }) })
        assert.equal(response.status, 400, String(when))
        assert.match(await response.text(), /at: must be/)
      }
      await box.close()
    })

    test('of another version of the program is a 400 that says so, because its catalogue is not here', async () => {
      const box = await start({ config: config(1) })
      await box.app.history.keep()
      const { db } = box.app.store
      for (const { hash, body } of await db.selectFrom('versions').selectAll().execute()) {
        await db.updateTable('versions').set({ body: body.replace(/"seed":"[^"]+"/, '"seed":"of-elsewhere"') }).where('hash', '=', hash).execute()
      }
      const response = await box.send('POST', '/api/v1/route/explain', { body: { ...hello, at: Date.now() / 1000 } })
      assert.equal(response.status, 400)
      assert.match(await response.text(), /another version of Signalbox .*of-elsewhere/)
      await box.close()
    })

    test('What is kept has no key in it, nor one in an address, nor what is forced into requests', async () => {
      const secrets = together(config(1), {
        providers: { hidden: { base_url: 'http://127.0.0.1:9/v1?code=pass-of-address', api_key: 'sk-of-hidden-0123456789' } },
        endpoints: [{ model: 'acme/one', provider: 'hidden', provider_model_id: 'h', pricing: 'free', forced_params: { api_key: 'forced-secret' }, forced_headers: { 'x-key': 'header-secret' } }],
      })
      const box = await start({ config: secrets })
      await box.app.history.keep()
      const text = (await box.app.store.db.selectFrom('versions').select('body').execute()).map((it) => it.body).join()
      assert.ok(text.includes('"hidden"'))
      for (const secret of ['pass-of-address', 'sk-of-hidden', 'forced-secret', 'header-secret', 'key-of-cheap']) assert.ok(!text.includes(secret), secret)
      const plan = await box.explain({ ...hello, at: Date.now() / 1000 }) as Told
      assert.ok(providersOf(plan).includes('hidden'), 'and the plan is the same without them')
      await box.close()
    })

    test('The command line explains it beside the server', async () => {
      const box = await start({ config: config(1) })
      await box.app.history.keep()
      const file = path.join(box.home, 'request.json')
      writeFileSync(file, JSON.stringify({ ...hello, max_tokens: 5000 }))
      const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
      const run = async (...args: string[]) => JSON.parse((await promisify(execFile)(process.execPath, [cli, 'explain', file, ...args, '--json'], { env: { ...box.env } })
        .catch((error: { stdout: string }) => error)).stdout) as Told & { error?: { message: string } }
      const then = await run('--at', new Date().toISOString(), '--policy', '{"max_output":"drop"}')
      assert.ok(then['past'].as_of, JSON.stringify(then))
      assert.deepEqual(then.rejected.map((it) => it.why), ['max_output'])
      assert.match((await run('--at', '2020-01-01T00:00:00Z')).error!.message, /Moments are kept from/)
      await box.close()
    })
  })

  describe('Another policy', () => {
    test('shows what it would choose and what that would cost, and changes nothing', async () => {
      const box = await start({ config: config(1) })
      const high = { ...hello, max_tokens: 5000 }
      const other = await box.explain({ ...high, policy: { max_output: 'drop' } }) as Told
      assert.deepEqual(providersOf(other), ['dear'])
      assert.equal(other['chosen'].provider_name, 'dear')
      assert.equal(providersOf(await box.explain(high) as Told).length, 2)
      const longer = await box.explain({ ...high, policy: { expected_output_tokens: 5000 } }) as Told
      const costOf = (plan: Told) => plan.candidates.find((it) => it['provider'] === 'dear')!['estimated_cost']
      assert.ok(costOf(longer) > 5 * costOf(other), `${costOf(longer)} against ${costOf(other)}`)
      await box.close()
    })

    test('The document of the API has the words that are understood, and no others', async () => {
      const box = await start({ config: config(1) })
      const document = await (await box.get('/openapi.json')).json() as { components: { schemas: Record<string, { allOf: { properties?: Record<string, unknown> }[] }> } }
      const text = JSON.stringify(document.components.schemas['ExplainRequest']!.allOf[1]!.properties!['policy'])
      const { properties } = JSON.parse(/\{"type":"object","properties":(\{.*?\}),"additionalProperties":false\}/.exec(text)![0]) as { properties: object }
      assert.deepEqual(Object.keys(properties).toSorted(), Object.keys(POLICY_WORDS).toSorted())
      await box.close()
    })

    test('A word that no plan reads, or a value that it cannot have, is a 400 that names it', async () => {
      const box = await start({ config: config(1) })
      for (const [policy, field] of [[{ ejection_ms: 5 }, 'policy.ejection_ms'], [{ max_output: 'cut' }, 'policy.max_output'], [{ expected_output_tokens: 0.5 }, 'policy.expected_output_tokens'], [7, 'policy']] as const) {
        const response = await box.send('POST', '/api/v1/route/explain', { body: JSON.stringify({ ...hello, policy }) })
        assert.equal(response.status, 400)
        assert.equal((await response.json() as { error: { metadata: { field: string } } }).error.metadata.field, field)
      }
      await box.close()
    })
  })
})
