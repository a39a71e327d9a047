import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Received } from '../../src/testing/index.ts'
import { providerAt, saying, startSignalbox, startUpstream, together, type WholeReply } from './signalbox.ts'
import { readStream } from './stream.ts'

/** What a model thought goes back to it under a seal. A provider that does not take the seal is asked once more without. */

const upstream = await startUpstream()
const row = { supported_parameters: ['reasoning', 'include_reasoning', 'tools', 'max_tokens'] }
const at = (name: string, dialect: string, path: string) =>
  providerAt(name, `${upstream.url}/${name}${path}`, { model: `acme/${name}`, dialect, prompt: 10, completion: 20, endpoint: row })
const config = together(at('claude', 'anthropic-messages', '/v1'), at('gemini-3-pro', 'google-generate-content', '/v1beta'), at('oai', 'openai-responses', '/v1'))
const box = await startSignalbox({ config })
const TOLD = { 'x-openrouter-metadata': 'enabled' }
const USED = { input: 100, output: 10 }
const COST = (100 * 10 + 10 * 20) / 1e6

const asking = (model: string, detail: Record<string, unknown>, rest: Record<string, unknown> = {}) => ({
  model,
  messages: [
    { role: 'user', content: 'What is the time?' },
    { role: 'assistant', content: 'Noon.', reasoning_details: [{ id: null, index: 0, ...detail }] },
    { role: 'user', content: 'And now?' },
  ],
  ...rest,
})
const THOUGHT = { type: 'reasoning.text', text: 'The sun is high.', signature: 'c2lnbmVk', format: 'anthropic-claude-v1' }
const metadataOf = (reply: unknown) => (reply as { openrouter_metadata: { attempts: readonly Record<string, unknown>[]; parameters?: Record<string, unknown> } }).openrouter_metadata
const sent = (): readonly string[] => upstream.requests.map((request: Received) => JSON.stringify(request.body))

const PROVIDERS = [
  ['acme/claude', THOUGHT, { type: 'error', error: { type: 'invalid_request_error', message: 'messages.1.content.0: Invalid `signature` in `thinking` block' } }],
  ['acme/gemini-3-pro', { type: 'reasoning.encrypted', data: 'c2lnbmVk', format: 'google-gemini-v1' }, { error: { code: 400, message: 'Corrupted thought signature.', status: 'INVALID_ARGUMENT' } }],
  ['acme/oai', { type: 'reasoning.encrypted', data: 'c2lnbmVk', id: 'rs_1', format: 'oai-responses-v1' }, {
    error: { message: 'The encrypted content gAAA... could not be verified.', type: 'invalid_request_error', param: null, code: 'invalid_encrypted_content' },
  }],
] as const

for (const [model, detail, body] of PROVIDERS) {
  describe(model, () => {
    for (const stream of [false, true]) {
      test(`A seal that is refused goes, with what it sealed, and the same endpoint answers: ${stream ? 'streamed' : 'whole'}, one price, both attempts shown`, async () => {
        upstream.forget()
        upstream.next({ status: 400, body })
        upstream.next({ text: 'Later.', usage: USED })
        const asked = asking(model, detail, stream ? { stream } : {})
        let reply: { metadata: ReturnType<typeof metadataOf>; text: string; cost: number; id: string }
        if (stream) {
          const { chunks, text, usage, id } = await readStream(await box.chat(asked, TOLD))
          reply = { metadata: metadataOf(chunks.at(-1)), text, cost: usage!.cost, id }
        } else {
          const whole: WholeReply = await box.whole(asked, TOLD)
          reply = { metadata: metadataOf(whole), text: whole.choices[0]!['message'].content as string, cost: whole.usage.cost, id: whole.id }
        }
        assert.equal(reply.text, 'Later.')
        assert.equal(reply.cost, COST)
        assert.deepEqual(reply.metadata.attempts.map(({ status, fault }) => ({ status, fault })), [{ status: 400, fault: 'invalid-request' }, { status: 200, fault: undefined }])
        assert.deepEqual(reply.metadata.parameters?.['dropped'], ['reasoning_details'])
        const [first, second] = sent()
        assert.match(first!, /c2lnbmVk/)
        assert.doesNotMatch(second!, /c2lnbmVk|sun is high/)
        assert.match(second!, /Noon/)
        assert.equal((await box.generation(reply.id))['total_cost'], COST)
      })
    }

    test('What is refused once more is the error, and nobody asks a third time', async () => {
      upstream.forget()
      upstream.next({ status: 400, body })
      upstream.next({ status: 400, body })
      assert.equal((await box.refused(asking(model, detail))).status, 400)
      assert.equal(upstream.requests.length, 2)
    })
  })
}

test('Another mistake of a request, or a refused seal where none was sent, is not tried again', async () => {
  upstream.forget()
  upstream.next({ status: 400, body: { type: 'error', error: { type: 'invalid_request_error', message: 'max_tokens: too large' } } })
  await box.refused(asking('acme/claude', THOUGHT))
  assert.equal(upstream.requests.length, 1)
  upstream.forget()
  upstream.next({ status: 400, body: PROVIDERS[0][2] })
  await box.refused(saying('acme/claude', 'Hi'))
  assert.equal(upstream.requests.length, 1)
})
