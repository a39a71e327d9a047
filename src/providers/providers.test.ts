import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createProviders, type ProviderFacts, type ProviderGrant } from './providers.ts'

const row = (slug: string, given: Partial<ProviderFacts> = {}): ProviderFacts => ({
  slug, name: slug.toUpperCase(), kind: 'host', auth: { scheme: 'bearer', header: 'Authorization', prefix: 'Bearer ' },
  env: [`${slug.toUpperCase()}_API_KEY`], ...given,
})
const grant = (given: Partial<ProviderGrant>): ProviderGrant => ({ apiKey: null, credentials: {}, credentialsFile: null, enabled: null, headers: {}, settings: {}, hasAddress: false, ...given })

function providersWith(
  rows: readonly ProviderFacts[], env: Readonly<Record<string, string>> = {}, grants: Readonly<Record<string, ProviderGrant>> = {},
  more: { discovered?: readonly string[]; builtin?: readonly string[] } = {},
) {
  return createProviders({
    rows, grant: (slug) => grants[slug] ?? null, secret: (name) => env[name] ?? null,
    discovered: new Set(more.discovered), builtin: new Set(more.builtin),
  })
}

describe('Who may be called', () => {
  test('a key in the environment switches on its provider, and no other', () => {
    const providers = providersWith([row('a'), row('b')], { A_API_KEY: 'secret-of-a-which-is-long' })
    assert.deepEqual(providers.enabled(), ['a'])
    assert.equal(providers.usable(), true)
    assert.deepEqual(providers.credentials('b'), [])
    assert.deepEqual(providers.credentials('unheard-of'), [])
  })

  test('a key in the file goes before the one in the environment', () => {
    const providers = providersWith([row('a')], { A_API_KEY: 'from-env' }, { a: grant({ apiKey: 'from-file' }) })
    assert.deepEqual(providers.headers(providers.credentials('a')[0]!), ['authorization', 'Bearer from-file'])
  })

  test('a variable that several providers share switches on the first, and another only when the operator says so', () => {
    const rows = [row('one', { env: ['SHARED_API_KEY'] }), row('two', { env: ['SHARED_API_KEY'] }), row('three', { env: ['SHARED_API_KEY'] })]
    assert.deepEqual(providersWith(rows, { SHARED_API_KEY: 'k' }).enabled(), ['one'])
    assert.deepEqual(providersWith(rows, { SHARED_API_KEY: 'k' }, { three: grant({ enabled: true }) }).enabled(), ['one', 'three'])
  })

  test('a first provider with a key of its own still holds the shared variable: its twin is not switched on by accident', () => {
    const rows = [row('one', { env: ['SHARED_API_KEY'] }), row('two', { env: ['SHARED_API_KEY'] })]
    assert.deepEqual(providersWith(rows, { SHARED_API_KEY: 'k' }, { one: grant({ apiKey: 'own' }) }).enabled(), ['one'])
  })

  test('enabled: false wins over every key, and leaves a shared variable to the next', () => {
    const rows = [row('one', { env: ['SHARED_API_KEY'] }), row('two', { env: ['SHARED_API_KEY'] })]
    const providers = providersWith(rows, { SHARED_API_KEY: 'k' }, { one: grant({ enabled: false, apiKey: 'own' }) })
    assert.deepEqual(providers.enabled(), ['two'])
    assert.match(providers.remedy('one'), /enabled: false/)
  })

  for (const name of ['GITHUB_TOKEN', 'HF_TOKEN', 'AWS_BEARER_TOKEN_BEDROCK_KEY']) {
    test(`${name}, which other tools set too, is no permission to spend it`, () => {
      const rows = [row('shared', { env: [name] })]
      assert.deepEqual(providersWith(rows, { [name]: 'k' }).enabled(), [])
      assert.deepEqual(providersWith(rows, { [name]: 'k' }, { shared: grant({ enabled: true }) }).enabled(), ['shared'])
    })
  }

  test('a variable that is no key (a region, an account) switches nothing on', () => {
    assert.deepEqual(providersWith([row('a', { env: ['A_REGION', 'A_ACCOUNT_ID'] })], { A_REGION: 'eu', A_ACCOUNT_ID: '7' }).enabled(), [])
  })

  test('a sign-in that is not supported is never tried, whatever key is set, and the remedy says so', () => {
    const providers = providersWith([row('cloud', { auth: { scheme: 'sigv4' } })], { CLOUD_API_KEY: 'k' })
    assert.deepEqual(providers.enabled(), [])
    assert.match(providers.remedy('cloud'), /sigv4.*not supported/)
  })

  test('a local server is there when it was found, addressed or switched on, and not because its row exists', () => {
    const local = row('ollama', { kind: 'local', auth: { scheme: 'none' }, env: [] })
    assert.deepEqual(providersWith([local]).enabled(), [])
    for (const given of [{ discovered: ['ollama'] }]) assert.deepEqual(providersWith([local], {}, {}, given).enabled(), ['ollama'])
    for (const given of [grant({ hasAddress: true }), grant({ enabled: true })]) assert.deepEqual(providersWith([local], {}, { ollama: given }).enabled(), ['ollama'])
    assert.deepEqual(providersWith([local], {}, { ollama: grant({ enabled: false }) }, { discovered: ['ollama'] }).enabled(), [])
  })

  test("the operator's own server without a key is called without one", () => {
    const providers = providersWith([row('mine', { env: [] })], {}, { mine: grant({ hasAddress: true }) })
    assert.deepEqual(providers.headers(providers.credentials('mine')[0]!), [])
    assert.equal(providers.credentials('mine')[0]!.label, 'no key needed')
  })

  test('the simulation can always be called and is no sign that anything real is', () => {
    const providers = providersWith([row('demo', { kind: 'local', auth: { scheme: 'none' }, env: [] })], {}, {}, { builtin: ['demo'] })
    assert.equal(providers.credentials('demo').length, 1)
    assert.equal(providers.usable(), false)
    assert.deepEqual(providers.enabled(), [])
  })
})

describe('How a key is shown to its provider', () => {
  test('in the header of its row, with its prefix, and with the headers that the row and the operator add', () => {
    const providers = providersWith(
      [row('a', { auth: { scheme: 'header', header: 'X-Api-Key', extra_headers: { 'X-Version': '2023', 'X-Project': '{project}', 'X-Nothing': '{unset}' } } })],
      { A_API_KEY: 'k' }, { a: grant({ settings: { project: 'p-1' }, headers: { 'X-Team': 'ours' } }) },
    )
    assert.deepEqual(providers.headers(providers.credentials('a')[0]!), ['x-api-key', 'k', 'x-version', '2023', 'x-project', 'p-1', 'x-team', 'ours'])
  })

  test('a credential can be shown to anybody: of a long key it has eight characters, of a short one none', () => {
    const long = providersWith([row('a')], { A_API_KEY: 'sk-0123456789abcdefghij' })
    assert.equal(long.credentials('a')[0]!.label, 'sk-0…ghij')
    assert.equal(providersWith([row('a')], { A_API_KEY: 'shortish-key' }).credentials('a')[0]!.label, '…')
    assert.ok(!JSON.stringify(long.credentials('a')).includes('456789'))
  })
})

describe('What an operator would do', () => {
  test('the remedy names the variable, the setting or the server', () => {
    const providers = providersWith([row('a'), row('b', { env: [] }), row('c', { kind: 'local', auth: { scheme: 'none' }, env: [] })])
    assert.equal(providers.remedy('a'), 'set A_API_KEY or providers.a.api_key')
    assert.equal(providers.remedy('b'), 'set providers.b.api_key')
    assert.match(providers.remedy('c'), /start it on this machine/)
    assert.match(providers.remedy('unheard-of'), /providers\.unheard-of\.api_key/)
  })
})
