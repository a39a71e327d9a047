import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { providerAt, saying, startSignalbox, startUpstream, together, type WholeReply } from './signalbox.ts'

/** What becomes of a request that an endpoint cannot take whole, and how its caller learns of it. */

const upstream = await startUpstream()
const at = (name: string, model: string, given: Parameters<typeof providerAt>[2] = {}) => providerAt(name, `${upstream.url}/${name}/v1`, { model, ...given })
const plain = { supported_parameters: ['max_tokens', 'temperature'] }
const config = together(
  at('brief', 'acme/brief', { endpoint: { max_completion_tokens: 1000, context_length: 8000 } }),
  at('short', 'acme/pair', { prompt: 1, completion: 1, endpoint: { max_completion_tokens: 1000 } }),
  at('long', 'acme/pair', { prompt: 9, completion: 9, endpoint: { max_completion_tokens: 64_000 } }),
  at('claude', 'acme/claude', { dialect: 'anthropic-messages', endpoint: { max_completion_tokens: 4096 } }),
  at('whole', 'acme/window', { endpoint: { max_completion_tokens: 8000, context_length: 8000 } }),
  at('plain', 'acme/plain', { endpoint: plain }),
  at('bare', 'acme/both', { prompt: 1, completion: 1, endpoint: plain }), at('rich', 'acme/both', { prompt: 9, completion: 9, endpoint: { supported_parameters: ['max_tokens', 'temperature', 'top_k', 'seed'] } }),
)
const box = await startSignalbox({ config })
const TOLD = { 'x-openrouter-metadata': 'enabled' }
const parametersOf = (reply: WholeReply): unknown => (reply as unknown as { openrouter_metadata: { parameters?: unknown } }).openrouter_metadata.parameters
const sent = (): Record<string, unknown> => upstream.requests.at(-1)!.body as Record<string, unknown>

describe('max_tokens', () => {
  test('A limit above what the endpoint gives is lowered to that, and the metadata says from what to what', async () => {
    const reply = await box.whole(saying('acme/brief', 'Hi', { max_tokens: 50_000 }), TOLD)
    assert.equal(sent()['max_tokens'], 1000)
    assert.deepEqual(parametersOf(reply), { changed: [{ parameter: 'max_tokens', asked: 50_000, sent: 1000 }] })
  })

  test('A limit that the endpoint can give is sent as it is, and an omitted one stays omitted: there is nothing to tell', async () => {
    const reply = await box.whole(saying('acme/brief', 'Hi', { max_tokens: 900 }), TOLD)
    assert.equal(sent()['max_tokens'], 900)
    assert.equal(parametersOf(reply), undefined)
    assert.equal(parametersOf(await box.whole(saying('acme/brief', 'Hi'), TOLD)), undefined)
    assert.ok(!('max_tokens' in sent()))
  })

  test('Where a provider demands a limit, an omitted one becomes what the endpoint offers, and that is said', async () => {
    const reply = await box.whole(saying('acme/claude', 'Hi'), TOLD)
    assert.equal(sent()['max_tokens'], 4096)
    assert.deepEqual(parametersOf(reply), { changed: [{ parameter: 'max_tokens', asked: null, sent: 4096 }] })
    const lowered = await box.whole(saying('acme/claude', 'Hi', { max_tokens: 9000, temperature: 1.5 }), TOLD)
    assert.deepEqual(parametersOf(lowered), {
      changed: [{ parameter: 'max_tokens', asked: 9000, sent: 4096 }, { parameter: 'temperature', asked: 1.5, sent: 1 }],
    })
  })

  test('A limit as large as the window is lowered to the room beside the prompt, in the place of finding no endpoint', async () => {
    const reply = await box.whole(saying('acme/window', 'word '.repeat(1000), { max_tokens: 8000 }), TOLD)
    const { changed } = parametersOf(reply) as { changed: { asked: number; sent: number }[] }
    assert.equal(changed[0]!.asked, 8000)
    assert.ok(changed[0]!.sent < 7000 && changed[0]!.sent > 6000, `${changed[0]!.sent} of 8000, beside a thousand words`)
    assert.equal(sent()['max_tokens'], changed[0]!.sent)
  })

  test('drop passes over who gives less, as OpenRouter does', async () => {
    const reply = await box.whole(saying('acme/pair', 'Hi', { max_tokens: 5000, provider: { max_output: 'drop' } }), TOLD)
    assert.equal(reply.provider, 'long')
    assert.equal(parametersOf(reply), undefined)
    const refusal = await box.refused(saying('acme/brief', 'Hi', { max_tokens: 5000, provider: { max_output: 'drop' } }))
    assert.equal(refusal.status, 404)
    assert.match(refusal.error.message, /^No endpoints found that give as many output tokens/)
  })

  test('refuse never lowers: who gives all of it answers, and a 400 names the most there is when nobody does; no provider is called', async () => {
    assert.equal((await box.whole(saying('acme/pair', 'Hi', { max_tokens: 5000, provider: { max_output: 'refuse' } }))).provider, 'long')
    const before = upstream.requests.length
    const refusal = await box.refused(saying('acme/brief', 'Hi', { max_tokens: 5000, provider: { max_output: 'refuse' } }))
    assert.equal(refusal.status, 400)
    assert.equal(refusal.error.metadata['error_type'], 'max_tokens_exceeded')
    assert.equal(refusal.error.metadata['field'], 'max_tokens')
    assert.match(refusal.error.message, /^max_tokens: must be at most 1000 for acme\/brief, is 5000/)
    assert.equal(upstream.requests.length, before)
  })

  test('A word that is none of the three is a 400 that names the field', async () => {
    const refusal = await box.refused(saying('acme/brief', 'Hi', { provider: { max_output: 'cut' } }))
    assert.equal(refusal.error.metadata['field'], 'provider.max_output')
  })
})

describe('Parameters that an endpoint does not honour', () => {
  const asking = (rest: object = {}) => saying('acme/plain', 'Hi', { top_k: 5, seed: 7, temperature: 0.5, ...rest })

  test('They are left out for it, and the metadata names them', async () => {
    const reply = await box.whole(asking(), TOLD)
    assert.ok(!('top_k' in sent()) && !('seed' in sent()))
    assert.equal(sent()['temperature'], 0.5)
    assert.deepEqual(parametersOf(reply), { dropped: ['top_k', 'seed'] })
  })

  test('keep sends them all the same, and the metadata says that nobody promised anything', async () => {
    const reply = await box.whole(asking({ provider: { unsupported_parameters: 'keep' } }), TOLD)
    assert.equal(sent()['top_k'], 5)
    assert.equal(sent()['seed'], 7)
    assert.deepEqual(parametersOf(reply), { kept: ['top_k', 'seed'] })
  })

  test('refuse takes only who honours all of them, and is a 400 that names them when nobody does; no provider is called', async () => {
    const strict = { provider: { unsupported_parameters: 'refuse' } }
    assert.equal((await box.whole(saying('acme/both', 'Hi', { top_k: 5, ...strict }))).provider, 'rich')
    const before = upstream.requests.length
    const refusal = await box.refused(asking(strict))
    assert.equal(refusal.status, 400)
    assert.equal(refusal.error.metadata['field'], 'top_k')
    assert.match(refusal.error.message, /^top_k, seed: no endpoint of acme\/plain honours all of them/)
    assert.equal(upstream.requests.length, before)
  })

  test('refuse holds also for what only the wire format has no word for', async () => {
    const before = upstream.requests.length
    const refusal = await box.refused(saying('acme/claude', 'Hi', { logit_bias: { 5: 1 }, provider: { unsupported_parameters: 'refuse' } }))
    assert.equal(refusal.status, 400)
    assert.equal(refusal.error.metadata['field'], 'logit_bias')
    assert.equal(upstream.requests.length, before)
    assert.deepEqual(parametersOf(await box.whole(saying('acme/claude', 'Hi', { max_tokens: 5, logit_bias: { 5: 1 } }), TOLD)), { dropped: ['logit_bias'] })
  })

  test('Other endpoints may answer what one cannot be sent', async () => {
    const refusal = await box.refused(saying('acme/both', 'Hi', { top_k: 5, provider: { require_parameters: true, only: ['bare'] } }))
    assert.equal(refusal.status, 404, 'require_parameters is what it is at OpenRouter')
  })
})

describe('Who decides', () => {
  test("The operator's file sets what holds, a request may say otherwise, and a key's word can only be made stricter", async () => {
    const strict = await startSignalbox({ config: { ...config, routing: { max_output: 'refuse', unsupported_parameters: 'refuse' } } })
    const high = saying('acme/brief', 'Hi', { max_tokens: 5000 })
    assert.equal((await strict.refused(high)).status, 400)
    assert.equal((await strict.refused(saying('acme/plain', 'Hi', { seed: 7 }))).status, 400)
    await strict.whole({ ...high, provider: { max_output: 'clamp' } })

    const { key } = await box.app.accounts.createKey({ settings: { provider: { max_output: 'refuse', unsupported_parameters: 'keep' } } })
    const asKey = { authorization: `Bearer ${key}` }
    assert.equal((await box.refused({ ...high, provider: { max_output: 'clamp' } }, asKey)).status, 400)
    await box.whole(saying('acme/plain', 'Hi', { seed: 7 }), asKey)
    assert.equal(sent()['seed'], 7)
    await box.whole(saying('acme/plain', 'Hi', { seed: 7, provider: { unsupported_parameters: 'drop' } }), asKey)
    assert.ok(!('seed' in sent()))
  })
})
