import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { onBothStores, providerAt, saying, startSignalbox, startUpstream, together, type Signalbox } from './signalbox.ts'
import { readStream } from './stream.ts'

/** Keys: who is let in, what a key may do, and what nobody ever gets to see. */

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

/** The command line beside the running server, on the same data. */
async function cli(box: Signalbox, ...args: string[]): Promise<Record<string, unknown>> {
  const { PORT: _, ...env } = box.env
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, ...args, '--json'], {
    cwd: path.dirname(CLI), env: { PATH: process.env['PATH'], ...env }, timeout: 60_000,
  })
  return JSON.parse(stdout) as Record<string, unknown>
}

/** Two seconds are promised; what a busy machine adds to them is not ours. */
const SOON_MS = 12_000

const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

/** Milliseconds until a call with the key answers with the status. */
async function until(box: Signalbox, key: string, status: number): Promise<number> {
  const begun = performance.now()
  for (;;) {
    const response = await box.chat(saying('acme/one', 'Hi'), bearer(key))
    await response.text()
    if (response.status === status) return performance.now() - begun
    if (performance.now() - begun > 20_000) throw new Error(`it still answers ${response.status}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

onBothStores((start) => {
  test('A key made on the command line works beside the running server within two seconds, and stops within two when it is disabled', async () => {
    const upstream = await startUpstream()
    const box = await start({ config: providerAt('acme', `${upstream.url}/v1`) })
    const made = await cli(box, 'key', 'create', '--name', 'From outside')
    const key = made['key'] as string
    assert.match(key, /^sk-sb-v1-/)
    assert.ok(await until(box, key, 200) < SOON_MS)
    await cli(box, 'key', 'update', made['hash'] as string, '--disable')
    assert.ok(await until(box, key, 401) < SOON_MS)
    assert.match((await box.refused(saying('acme/one', 'Hi'), bearer(key))).error.message, /disabled/)
  })
})

test('A key that the command line takes away stops within two seconds, and its lists show no key', async () => {
  const upstream = await startUpstream()
  const box = await startSignalbox({ config: providerAt('acme', `${upstream.url}/v1`) })
  const { key, record } = await box.app.accounts.createKey({ name: 'short-lived' })
  assert.ok(await until(box, key, 200) < SOON_MS)
  await cli(box, 'key', 'delete', record.id)
  assert.ok(await until(box, key, 401) < SOON_MS)
  const { data } = await cli(box, 'key', 'list') as { data: { name: string }[] }
  assert.deepEqual(data.map(({ name }) => name), ['story'])
  assert.ok(!JSON.stringify(data).includes(box.key.slice(20)), 'the list shows a key')
})

const upstream = await startUpstream({ keepSecrets: true })
const box = await startSignalbox({
  config: together(
    providerAt('cheap', `${upstream.url}/cheap/v1`, { prompt: 1, completion: 1 }),
    providerAt('dear', `${upstream.url}/dear/v1`, { prompt: 9, completion: 9 }),
    providerAt('echoing', `${upstream.url}/echoing/v1`, { model: 'acme/echo' }),
    { providers: { echoing: { base_url: `${upstream.url}/echoing/v1`, api_key: 'sk-live-4f9QxZ71bLmW8tRk2VnYc6' } } },
  ),
})

describe('Who is let in', () => {
  const { key } = box
  const flip = (text: string, at: number) => text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)
  const CASES: readonly [string, Record<string, string>, RegExp][] = [
    ['no key at all', { authorization: '' }, /No auth credentials found/],
    ['another scheme', { authorization: 'Basic dXNlcjpwYXNz' }, /Bearer <key>/],
    ['a key of somebody else', bearer('sk-or-v1-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'), /./],
    ['a key with a slip of the pen', bearer(flip(key, key.length - 12)), /./],
    ['half a key', bearer(key.slice(0, -9)), /./],
  ]
  test('Each wrong key is a 401 that says what is wrong with it, and no two of them say the same', async () => {
    const unknown = await startSignalbox()
    const cases = [...CASES, ['a good key of another server', bearer(unknown.key), /./] as const]
    const before = upstream.requests.length
    const messages: string[] = []
    for (const [what, headers, says] of cases) {
      const refusal = await box.refused(saying('acme/one', 'Hi'), headers)
      assert.equal(refusal.status, 401, what)
      assert.equal(refusal.error.metadata['error_type'], 'authentication')
      assert.match(refusal.error.message, says, what)
      assert.match(refusal.headers.get('www-authenticate') ?? '', /Bearer/)
      const shown = Object.values(headers)[0]!.replace(/^\w+ /, '')
      if (shown.length > 8) assert.ok(!JSON.stringify(refusal.body).includes(shown), `${what}: the key is in the error`)
      messages.push(refusal.error.message)
    }
    assert.ok(new Set(messages).size >= 4, messages.join('\n'))
    assert.equal(upstream.requests.length, before, 'somebody without a key reached a provider')
  })

  test('A key may stand in x-api-key; an empty one counts for nothing; two that differ are refused', async () => {
    assert.equal((await box.chat(saying('acme/one', 'Hi'), { authorization: '', 'x-api-key': key })).status, 200)
    assert.equal((await box.chat(saying('acme/one', 'Hi'), { 'x-api-key': '' })).status, 200)
    assert.equal((await box.chat(saying('acme/one', 'Hi'), { 'x-api-key': key })).status, 200)
    assert.equal((await box.refused(saying('acme/one', 'Hi'), { 'x-api-key': 'sk-sb-v1-another' })).status, 400)
    assert.equal((await box.chat(saying('acme/one', 'Hi'), { authorization: `bearer ${key}` })).status, 200)
  })

  test('Records, plans and lists need a key as well; the lists of models do not', async () => {
    for (const at of ['/api/v1/generation?id=gen-1-x']) assert.equal((await box.get(at, { authorization: '' })).status, 401)
    assert.equal((await box.send('POST', '/api/v1/route/explain', { body: saying('acme/one', 'Hi'), headers: { authorization: '' } })).status, 401)
    assert.equal((await box.get('/api/v1/models?limit=1', { authorization: '' })).status, 200)
  })
})

describe('What a key may do', () => {
  test("A key's settings narrow what its requests may use, and no request widens them", async () => {
    const { key } = await box.app.accounts.createKey({ name: 'narrow', settings: { provider: { only: ['dear'], max_price: { prompt: 10 } } } })
    const ask = (provider: object) => box.chat(saying('acme/one', 'Hi', { provider }), bearer(key))
    for (const provider of [{}, { order: ['cheap'] }, { sort: 'price' }, { only: ['cheap', 'dear'] }, { max_price: { prompt: 1000 } }]) {
      const response = await ask(provider)
      assert.equal(response.status, 200, JSON.stringify(provider))
      assert.equal((await response.json() as { provider: string }).provider, 'dear')
    }
    assert.equal((await ask({ only: ['cheap'] })).status, 404)
    assert.equal((await ask({ max_price: { prompt: 2 } })).status, 404)
    assert.equal((await ask({ ignore: ['dear'] })).status, 404)
  })

  test('A setting that does not exist, or is out of its range, is refused by its path', async () => {
    for (const [settings, path] of [
      [{ provider: { onyl: ['dear'] } }, /settings\.provider\.onyl/], [{ provider: { max_price: { prompt: -1 } } }, /settings\.provider\.max_price\.prompt/],
      [{ colour: 'red' }, /settings\.colour/],
    ] as const) {
      await assert.rejects(box.app.accounts.createKey({ name: 'x', settings: settings as never }), path)
    }
  })
})

describe('What nobody gets to see', () => {
  const secret = 'sk-live-4f9QxZ71bLmW8tRk2VnYc6'

  test("A provider that quotes our key in its errors and headers does not get it to the caller, nor into the record or the log", async () => {
    const order = (what: object) => `#fake ${JSON.stringify(what)}\nHi`
    const TELLING: object[] = [
      { status: 401, body: { error: { message: `Incorrect API key provided: ${secret}. You can find your key at …`, code: 'invalid_api_key' } } },
      { status: 400, body: { error: { message: `Bad request from Bearer ${secret}`, code: `key ${secret}`, type: secret } } },
      { status: 500, body: `<html><title>${secret}</title>Authorization: Bearer ${secret}</html>`, headers: { 'content-type': 'text/html', 'x-your-key': secret, 'www-authenticate': `Bearer realm="${secret}"` } },
      { status: 429, body: { detail: `limit of ${secret}` }, headers: { 'retry-after': '1', 'set-cookie': `key=${secret}` } },
      { body: { error: { message: `no ${secret}`, metadata: { raw: secret } } } },
      { status: 200, body: `not json ${secret}` },
    ]
    for (const what of TELLING) {
      for (const stream of [false, true]) {
        const refusal = await box.refused(saying('acme/echo', order(what), { stream }), { 'x-openrouter-metadata': 'enabled' })
        const everything = JSON.stringify([refusal.body, [...refusal.headers], await box.generation(refusal.id), await box.app.stats.find(refusal.id, 'default')],
          (_, value: unknown) => typeof value === 'bigint' ? String(value) : value)
        assert.ok(!everything.includes(secret), `${JSON.stringify(what)}: ${everything}`)
      }
    }
    const broken = await readStream(await box.chat(saying('acme/echo', order({
      events: [
        { choices: [{ index: 0, delta: { role: 'assistant', content: 'Hi' } }] },
        { error: { message: `Invalid key ${secret}`, code: 401 } },
      ],
    }), { stream: true })))
    assert.equal(broken.done, false)
    assert.ok(!broken.raw.includes(secret))
    assert.equal(upstream.requests.at(-1)!.headers['authorization'], `Bearer ${secret}`, 'the provider did get it')
    assert.ok(!box.complaints.join().includes(secret))
  })

  test("A caller's key goes to no provider, and into no log, record or plan", async () => {
    const reply = await box.whole(saying('acme/one', 'Hi'), { 'x-openrouter-metadata': 'enabled' })
    const plan = await box.explain(saying('acme/one', 'Hi'))
    assert.ok(!JSON.stringify([reply, plan, await box.generation(reply.id), box.complaints]).includes(box.key.slice(12)))
    for (const request of upstream.requests) assert.ok(!JSON.stringify(request.headers).includes(box.key.slice(12)))
    assert.ok(!JSON.stringify(plan).includes('key-of-'), "a provider's key is in the plan")
  })

  test('The database holds no key that could be used, of callers or of providers', async () => {
    await box.app.stats.flush()
    const { readdirSync, readFileSync } = await import('node:fs')
    for (const name of readdirSync(box.home)) {
      if (name.startsWith('signalbox.config')) continue
      const bytes = readFileSync(path.join(box.home, name)).toString('latin1')
      for (const held of [box.key.slice(9, 40), secret, 'key-of-cheap']) assert.ok(!bytes.includes(held), `${name} holds a key`)
    }
  })
})
