import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createOpenRouter } from '@openrouter/ai-sdk-provider'
import { OpenRouter } from '@openrouter/sdk'
import { cosineSimilarity, embed, embedMany } from 'ai'
import OpenAI, { BadRequestError } from 'openai'
import { startSignalbox, startUpstream } from '../stories/signalbox.ts'

/** Vectors and rankings by the official clients, as anyone has them: only the address is another. */

const upstream = await startUpstream()
const at = (slug: string, base: string) => ({ [slug]: { base_url: `${upstream.url}/${slug}/${base}`, api_key: `key-of-${slug}` } })
const box = await startSignalbox({
  config: { providers: { ...at('openai', 'v1'), ...at('cohere', 'v2'), ...at('voyageai', 'v1'), ...at('google-ai-studio', 'v1beta') } },
})
const openai = new OpenAI({ baseURL: `${box.url}/v1`, apiKey: box.key, maxRetries: 0 })
const openrouter = new OpenRouter({ apiKey: box.key, serverURL: `${box.url}/api/v1`, retryConfig: { strategy: 'none' } })
const forAi = createOpenRouter({ apiKey: box.key, baseURL: `${box.url}/api/v1`, compatibility: 'strict' })
const sent = () => upstream.requests.at(-1)!.body as Record<string, unknown>
const INPUT = ['One text', 'another', 'One text']
/** A model behind each format: the same call has to look the same on all of them. */
const ROADS = [
  { id: 'openai/text-embedding-3-small', bare: 'text-embedding-3-small', dialect: 'openai-embeddings' },
  { id: 'cohere/embed-v4.0', bare: 'embed-v4.0', dialect: 'cohere-v2-embed' },
  { id: 'voyageai/voyage-3.5', bare: 'voyage-3.5', dialect: 'voyage-embeddings' },
  { id: 'google/gemini-embedding-001', bare: 'gemini-embedding-001', dialect: 'google-embed-content' },
] as const
after(() => assert.deepEqual(box.complaints, []))

for (const { id, bare, dialect } of ROADS) describe(`${id}, through ${dialect}`, () => {
  test("OpenAI's client, which asks for base64 unless it is told otherwise, has the numbers that a list of them has", async () => {
    const unpacked = await openai.embeddings.create({ model: bare, input: INPUT })
    assert.equal(upstream.requests.at(-1)!.dialect, dialect)
    const listed = await openai.embeddings.create({ model: bare, input: INPUT, encoding_format: 'float' })
    assert.deepEqual(unpacked.data.map((one) => one.embedding), listed.data.map((one) => one.embedding))
    assert.deepEqual(listed.data.map(({ index, embedding }) => [index, embedding.length]), [[0, 8], [1, 8], [2, 8]])
    assert.deepEqual(listed.data[0]!.embedding, listed.data[2]!.embedding)
    assert.notDeepEqual(listed.data[0]!.embedding, listed.data[1]!.embedding)
    assert.equal(listed.model, id)
    assert.ok(listed.usage.prompt_tokens > 0 && listed.usage.total_tokens === listed.usage.prompt_tokens)
  })

  test("OpenRouter's client checks each answer against its schema, and finds what it cost", async () => {
    const reply = await openrouter.embeddings.generate({ requestBody: { model: id, input: INPUT, dimensions: 4, inputType: 'search_document' } })
    assert.ok(typeof reply === 'object')
    assert.deepEqual(reply.data.map(({ index, embedding }) => [index, embedding.length]), [[0, 4], [1, 4], [2, 4]])
    assert.ok(reply.usage!.cost! > 0 && reply.usage!.isByok === false)
    assert.equal((await box.generation(reply.id!))['total_cost'], reply.usage!.cost)
  })

  test("Vercel's AI SDK embeds one value and many, with the same vector for the same text", async () => {
    const model = forAi.textEmbeddingModel(id)
    const { embedding, usage } = await embed({ model, value: INPUT[0]!, maxRetries: 0 })
    const { embeddings } = await embedMany({ model, values: INPUT, maxRetries: 0 })
    assert.ok(usage.tokens > 0)
    assert.equal(embeddings.length, 3)
    assert.ok(cosineSimilarity(embedding, embeddings[2]!) > 0.999_999)
  })
})

test('OpenAI takes base64, and is asked for it when its client asks for it', async () => {
  await openai.embeddings.create({ model: 'text-embedding-3-small', input: 'One' })
  const { user, ...said } = sent()
  assert.deepEqual(said, { model: 'text-embedding-3-small', input: 'One', encoding_format: 'base64' })
  // OpenAI wants its end users told apart: by a hash of whom nobody else knows.
  assert.match(String(user), /^[0-9a-f]{32}$/)
})

test("A field at fault reaches OpenAI's client as its own error, by its name", async () => {
  await assert.rejects(openai.embeddings.create({ model: 'text-embedding-3-small', input: ['fine', ''] }),
    (error) => error instanceof BadRequestError && error.status === 400 && error.message.startsWith('400 input[1]: must not be empty'))
})

for (const id of ['cohere/rerank-v3.5', 'voyageai/rerank-2.5']) {
  test(`OpenRouter's client has documents put in order by ${id}, each given back`, async () => {
    const documents = ['Tea is served at four.', 'Two trains never share one track.', { text: 'Trains are late.' }]
    const reply = await openrouter.rerank.rerank({ requestBody: { model: id, query: 'trains share one track', documents, topN: 2 } })
    assert.ok(typeof reply === 'object')
    assert.deepEqual(reply.results.map(({ index, document }) => [index, document.text]), [[1, 'Two trains never share one track.'], [2, 'Trains are late.']])
    assert.ok(reply.results[0]!.relevanceScore > reply.results[1]!.relevanceScore)
    assert.ok(reply.usage!.cost! > 0)
    assert.equal((await box.generation(reply.id!))['total_cost'], reply.usage!.cost)
  })
}

test("OpenRouter's client lists the models that make vectors", async () => {
  const { result: { data } } = await openrouter.embeddings.listModels()
  const ids = data.map((model) => model.id)
  for (const { id } of ROADS) assert.ok(ids.includes(id), id)
  assert.ok(data.every((model) => model.architecture.outputModalities.includes('embeddings')))
})
