import assert from 'node:assert/strict'
import { request } from 'node:http'
import { describe, test } from 'node:test'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'

/** Requests of many megabytes: pictures, mostly. They are answered like any other, and nobody else waits for them. */

const MB = 1024 * 1024
const upstream = await startUpstream()
const picturing = { row: { input_modalities: ['text', 'image'] } }
const box = await startSignalbox({
  config: together(
    providerAt('acme', `${upstream.url}/acme/v1`, picturing),
    providerAt('claudia', `${upstream.url}/claudia/v1`, { ...picturing, model: 'acme/two', dialect: 'anthropic-messages' }),
    providerAt('broken', `${upstream.url}/broken/v1`, { ...picturing, model: 'acme/three', prompt: 0.1, completion: 0.1 }),
    providerAt('sound', `${upstream.url}/sound/v1`, { ...picturing, model: 'acme/three', prompt: 100, completion: 100 }),
  ),
})
upstream.when({ path: '/broken/' }, { status: 500 })
const base64 = 'iVBORw0KGgoAAAAN'.repeat(19 * MB / 16)
const picture = (model: string, url = `data:image/png;base64,${base64}`) =>
  saying(model, '', { messages: [{ role: 'user', content: [{ type: 'text', text: 'What is this?' }, { type: 'image_url', image_url: { url } }] }] })
// oxlint-disable-next-line typescript/no-explicit-any
const arrived = (): any => upstream.requests.at(-1)!.body

/** Sends a body in chunks, as a client does that does not know its length beforehand. */
function chunked(body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sending = request(`${box.url}/api/v1/chat/completions`, {
      method: 'POST', headers: { 'authorization': `Bearer ${box.key}`, 'content-type': 'application/json', 'transfer-encoding': 'chunked' },
    }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode!))
    })
    sending.on('error', reject)
    for (let at = 0; at < body.length; at += MB) sending.write(body.slice(at, at + MB))
    sending.end()
  })
}

describe('A picture of 19 MB', () => {
  test('It reaches a provider of the same format as it was sent, and the answer is charged and on record', async () => {
    const reply = await box.whole(picture('acme/one'))
    assert.ok(arrived().messages[0].content[1].image_url.url === `data:image/png;base64,${base64}`, 'the picture changed on its way')
    assert.equal(arrived().model, 'one')
    assert.ok(reply.usage.cost > 0)
    assert.equal((await box.generation(reply.id))['total_cost'], reply.usage.cost)
  })

  test('It reaches a provider of another format in the words of that', async () => {
    await box.whole(picture('acme/two'))
    const source = arrived().messages[0].content.at(-1).source
    assert.equal(source.media_type, 'image/png')
    assert.ok(source.data === base64, 'the picture changed on its way')
  })

  test('It is streamed, and it may be sent in chunks', async () => {
    const response = await box.chat({ ...picture('acme/one'), stream: true })
    assert.match(await response.text(), /data: \[DONE\]\n\n$/)
    assert.equal(await chunked(JSON.stringify(picture('acme/one'))), 200)
  })

  test('Where the first provider fails, the second gets all of it', async () => {
    const reply = await box.whole({ ...picture('acme/three'), provider: { order: ['broken', 'sound'] } })
    assert.equal(reply.provider, 'sound')
    assert.deepEqual(upstream.requests.slice(-2).map(({ path }) => path.split('/')[1]), ['broken', 'sound'])
    assert.ok(arrived().messages[0].content[1].image_url.url.length > 19 * MB)
  })

  test("It comes in Google's words, with the model in the address, and goes out in another format's", async () => {
    const response = await box.send('POST', '/api/v1beta/models/acme/two:generateContent', {
      body: { contents: [{ role: 'user', parts: [{ text: 'What is this?' }, { inlineData: { mimeType: 'image/png', data: base64 } }] }], generationConfig: { maxOutputTokens: 50 } },
    })
    assert.equal(response.status, 200)
    assert.equal(arrived().max_tokens, 50)
    assert.ok(arrived().messages[0].content.at(-1).source.data === base64, 'the picture changed on its way')
  })

  test("It comes as an item of OpenAI's Responses, and what else is in that request is heard", async () => {
    const input = [{ role: 'user', content: [{ type: 'input_text', text: 'What is this?' }, { type: 'input_image', image_url: `data:image/png;base64,${base64}` }] }]
    const response = await box.send('POST', '/api/v1/responses', { body: { model: 'acme/two', input, max_output_tokens: 50, metadata: { topic: 'pictures' } } })
    const said = await response.json() as { status: string; metadata: unknown; max_output_tokens: number }
    assert.deepEqual([response.status, said.status, said.max_output_tokens, said.metadata], [200, 'completed', 50, { topic: 'pictures' }])
    assert.ok(arrived().messages[0].content.at(-1).source.data === base64, 'the picture changed on its way')
    const refused = await box.send('POST', '/api/v1/responses', { body: { model: 'acme/two', input, background: true, provider: { zdr: true } } })
    assert.equal(refused.status, 400)
  })

  test('Its plan can be asked for', async () => {
    const { candidates } = await box.explain(picture('acme/three'))
    assert.deepEqual(candidates.map((candidate) => candidate['provider']).toSorted(), ['broken', 'sound'])
  })
})

describe('What is wrong in 19 MB', () => {
  test('A picture at no address is refused with its path, and no provider hears of it', async () => {
    const before = upstream.requests.length
    const refusal = await box.refused(picture('acme/one', `${'x'.repeat(19 * MB)}.png`))
    assert.equal(refusal.status, 400)
    assert.equal(refusal.error.metadata['field'], 'messages[0].content[1].image_url.url')
    assert.ok(refusal.error.message.length < 1000)
    assert.equal(upstream.requests.length, before)
  })

  test('A parameter out of its range behind the picture is refused with its path', async () => {
    const refusal = await box.refused({ ...picture('acme/one'), temperature: 3 })
    assert.equal(refusal.error.metadata['field'], 'temperature')
  })

  test('Half a body is no JSON', async () => {
    const refusal = await box.refused(JSON.stringify(picture('acme/one')).slice(0, 10 * MB))
    assert.equal(refusal.status, 400)
    assert.match(refusal.error.message, /JSON/)
  })
})

test('A caller who leaves while his picture waits to be read costs nothing, and no provider hears of it', async () => {
  const before = upstream.requests.length
  const body = JSON.stringify(picture('acme/one'))
  const others = Array.from({ length: 4 }, () => box.chat(body))
  await new Promise<void>((resolve) => {
    const sending = request(`${box.url}/api/v1/chat/completions`, {
      method: 'POST', headers: { 'authorization': `Bearer ${box.key}`, 'content-type': 'application/json', 'content-length': body.length },
    })
    sending.on('error', () => {})
    sending.on('close', () => resolve())
    sending.end(body, () => setImmediate(() => sending.destroy()))
  })
  assert.deepEqual((await Promise.all(others)).map(({ status }) => status), [200, 200, 200, 200])
  await box.whole(saying('acme/one', 'Hi'))
  await box.app.gateway.idle()
  assert.deepEqual(upstream.requests.slice(before).map(({ bytes }) => bytes > MB), [true, true, true, true, false])
  assert.deepEqual(box.complaints, [])
})
