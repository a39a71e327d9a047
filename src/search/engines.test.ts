import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Departure, FaultError } from '../core/index.ts'
import { resultsIn, type Engine, type SearchRequest } from './engines.ts'
import { createSearch } from './index.ts'

/** What each engine is sent and answers, by hand from what their vendors document. */

const departure = new Departure()
const question = { query: 'signal boxes', maxResults: 2, include: ['example.com', 'example.org'], exclude: ['spam.example'] }

async function asked(engine: Engine, answer: { readonly status?: number; readonly body: unknown }): Promise<{ readonly sent: SearchRequest; readonly results: unknown; readonly cost: bigint }> {
  const sent: SearchRequest[] = []
  const search = createSearch({
    settings: () => ({ engine, timeoutMs: 1000, engines: { [engine]: { baseUrl: 'http://search.test/', key: 'k-1', price: 7n } } }),
    send: async (request) => {
      sent.push(request)
      return { status: answer.status ?? 200, body: answer.body }
    },
  })
  const { results, cost } = await search.ask({ engine, ...question }, departure)
  return { sent: sent[0]!, results, cost }
}

test('Exa is asked by POST with its key in x-api-key, and answers with the text of pages', async () => {
  const { sent, results, cost } = await asked('exa', {
    body: { requestId: 'r', results: [{ id: '1', title: 'A', url: 'https://example.com/a', publishedDate: null, author: null, text: 'About A.' }], costDollars: { total: 0.005 } },
  })
  assert.deepEqual([sent.method, sent.url], ['POST', 'http://search.test/search'])
  assert.equal(sent.headers[sent.headers.indexOf('x-api-key') + 1], 'k-1')
  assert.deepEqual(JSON.parse(sent.body!), {
    query: 'signal boxes', numResults: 2, contents: { text: { maxCharacters: 2000 } }, includeDomains: ['example.com', 'example.org'], excludeDomains: ['spam.example'],
  })
  assert.deepEqual([results, cost], [[{ url: 'https://example.com/a', title: 'A', content: 'About A.' }], 7n])
})

test('Tavily is asked by POST with a bearer key, and answers with what fits the question', async () => {
  const { sent, results } = await asked('tavily', { body: { query: 'q', results: [{ title: 'B', url: 'https://example.com/b', content: 'About B.', score: 0.9, raw_content: null }], response_time: 1 } })
  assert.equal(sent.headers[sent.headers.indexOf('authorization') + 1], 'Bearer k-1')
  assert.deepEqual(JSON.parse(sent.body!), { query: 'signal boxes', max_results: 2, include_domains: ['example.com', 'example.org'], exclude_domains: ['spam.example'] })
  assert.deepEqual(results, [{ url: 'https://example.com/b', title: 'B', content: 'About B.' }])
})

test('Brave is asked by GET with its token, domains in the query, and answers below web', async () => {
  const { sent, results } = await asked('brave', {
    body: { type: 'search', web: { results: [{ title: 'C', url: 'https://example.com/c', description: 'About C.', extra_snippets: ['More.'] }, { title: 'D', url: 'https://example.com/d', description: 'D' }, { title: 'E', url: 'https://example.com/e' }] } },
  })
  const url = new URL(sent.url)
  assert.deepEqual([sent.method, url.pathname, url.searchParams.get('q'), url.searchParams.get('count'), sent.body],
    ['GET', '/res/v1/web/search', 'signal boxes (site:example.com OR site:example.org) -site:spam.example', '2', null])
  assert.equal(sent.headers[sent.headers.indexOf('x-subscription-token') + 1], 'k-1')
  assert.deepEqual(results, [{ url: 'https://example.com/c', title: 'C', content: 'About C.\nMore.' }, { url: 'https://example.com/d', title: 'D', content: 'D' }])
  assert.deepEqual(resultsIn('brave', { type: 'search' }, 5), [], 'a search that finds nothing has no web')
})

test('a SearXNG is asked for JSON, and one that does not give it says which setting would', async () => {
  const { sent, results } = await asked('searxng', { body: { query: 'q', number_of_results: 0, results: [{ url: 'https://example.com/f', title: 'F', content: 'About F.', engine: 'x' }] } })
  const url = new URL(sent.url)
  assert.deepEqual([url.pathname, url.searchParams.get('format')], ['/search', 'json'])
  assert.deepEqual(results, [{ url: 'https://example.com/f', title: 'F', content: 'About F.' }])
  await assert.rejects(asked('searxng', { status: 403, body: null }), /403: its settings have to name json under search\.formats/)
})

test('failures are told by kind, and none tells what the engine said', async () => {
  for (const [status, kind] of [[401, 'upstream-auth'], [402, 'upstream-payment'], [429, 'upstream-rate-limited'], [500, 'upstream-error']] as const) {
    await assert.rejects(asked('exa', { status, body: { error: 'key k-1 is bad' } }), (error) =>
      error instanceof FaultError && error.fault.kind === kind && !error.message.includes('k-1'))
  }
  await assert.rejects(asked('exa', { body: { results: 'none' } }), /no list of results/)
  await assert.rejects(asked('exa', { body: null }), /no list of results/)
})

test('what is no link is no result, and what is long is cut', () => {
  const list = [
    { url: 'javascript:alert(1)', title: 'x', text: 'x' }, { url: 7 }, null, 'text', { url: 'https://', title: 'y' },
    { url: 'https://example.com/', text: '🙂'.repeat(2000) },
  ]
  const [only, ...others] = resultsIn('exa', { results: list }, 5)!
  assert.equal(others.length, 0)
  assert.deepEqual([only!.title, only!.content.length, only!.content.isWellFormed()], ['example.com', 2000, true])
})
