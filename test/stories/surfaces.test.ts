import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { order } from '../clients/world.ts'
import { providerAt, startSignalbox, startUpstream, together } from './signalbox.ts'

/** What every surface has to do in its own words, whoever speaks it: refuse before the body is read, fall over, keep the books. */

const upstream = await startUpstream()
/** A model for each surface, at a provider that is down and one that is up, so that what health learns is its own. */
const box = await startSignalbox({
  config: together(...['messages', 'generate', 'completions'].flatMap((name) => [
    providerAt(`down-${name}`, `${upstream.url}/down/v1`, { model: `acme/${name}`, prompt: 1 }),
    providerAt(`up-${name}`, `${upstream.url}/up/v1`, { model: `acme/${name}`, prompt: 2 }),
  ])),
})

interface Spoken {
  readonly at: string
  /** The address of a stream, where it is another. */
  readonly streamAt?: string
  body(text: string): Record<string, unknown>
  /** The words of an error, in the place that its clients look for them; undefined where it has another shape. */
  errorIn(body: Record<string, unknown>): string | undefined
  textIn(body: Record<string, unknown>): string
  /** What keeps a silent stream open. */
  readonly heartbeat: string
}

// oxlint-disable-next-line typescript/no-explicit-any
type Any = any
const SPOKEN: Readonly<Record<string, Spoken>> = {
  'anthropic-messages': {
    at: '/api/v1/messages', body: (text) => ({ model: 'acme/messages', max_tokens: 100, messages: [{ role: 'user', content: text }] }),
    errorIn: ({ type, error }: Any) => (type === 'error' && typeof error.type === 'string' && error.type.endsWith('_error') ? error.message : undefined),
    textIn: ({ content }: Any) => content[0].text, heartbeat: 'event: ping\ndata: {"type": "ping"}\n\n',
  },
  'google-generate-content': {
    at: '/api/v1beta/models/acme/generate:generateContent', streamAt: '/api/v1beta/models/acme/generate:streamGenerateContent?alt=sse',
    body: (text) => ({ contents: [{ parts: [{ text }] }] }),
    errorIn: ({ error }: Any) => (/^[A-Z_]+$/.test(error?.status) ? error.message : undefined), textIn: ({ candidates }: Any) => candidates[0].content.parts[0].text,
    heartbeat: ': keep-alive\r\n\r\n',
  },
  'openai-completions': {
    at: '/api/v1/completions', body: (text) => ({ model: 'acme/completions', prompt: text }),
    errorIn: ({ error }: Any) => (typeof error?.code === 'number' ? error.message : undefined), textIn: ({ choices }: Any) => choices[0].text,
    heartbeat: ': OPENROUTER PROCESSING\n\n',
  },
}

for (const [surface, spoken] of Object.entries(SPOKEN)) {
  const send = (text: string, { headers = {}, at = spoken.at, rest = {}, raw }: { headers?: Record<string, string>; at?: string; rest?: object; raw?: string } = {}) =>
    fetch(box.url + at, {
      method: 'POST', headers: { authorization: `Bearer ${box.key}`, 'content-type': 'application/json', ...headers }, body: raw ?? JSON.stringify({ ...spoken.body(text), ...rest }),
    })
  const refusal = async (response: Response): Promise<[number, string | undefined]> => [response.status, spoken.errorIn(await response.json() as Record<string, unknown>)]

  describe(`On the surface ${surface}`, () => {
    test('whatever is refused is refused in its own shape, also before the body is read', async () => {
      const cases: [Promise<Response>, number, RegExp][] = [
        [send('Hi', { headers: { authorization: '' } }), 401, /./],
        [send('Hi', { headers: { authorization: 'Bearer sk-wrong' } }), 401, /./],
        [send('Hi', { headers: { 'x-api-key': 'another' } }), 400, /carry different keys/],
        [send('Hi', { headers: { 'content-type': 'text/plain' } }), 415, /Content-Type/],
        [send('', { raw: '{"a":1,"a":2}' }), 400, /twice/],
        [send('', { raw: '[]' }), 400, /The body must be an object/],
        [fetch(box.url + spoken.at, { method: 'PUT', headers: { authorization: `Bearer ${box.key}` } }), 405, /takes/],
      ]
      for (const [sent, status, words] of cases) {
        const [found, message] = await refusal(await sent)
        assert.equal(found, status)
        assert.match(message ?? '(another shape)', words)
      }
    })

    test('a provider that is down is not noticed, one is paid, and the record says by which surface and what was tried', async () => {
      upstream.when({ path: '/down/' }, { status: 503 })
      const response = await send('Say this.', { rest: { provider: { order: ['down-messages', 'down-generate', 'down-completions'] } } })
      const id = response.headers.get('x-generation-id')!
      assert.equal(spoken.textIn(await response.json() as Record<string, unknown>), 'Say this.')
      const generation = await box.generation(id)
      assert.match(String(generation['provider_name']), /^up-/)
      assert.equal((await box.app.stats.find(id, 'default'))!.surface, surface)
      assert.ok((generation['total_cost'] as number) > 0)
      assert.deepEqual((generation['provider_responses'] as { status: number }[]).map(({ status }) => status), [503, 200])
    })

    test("a provider's refusal of the operator's key never looks like the caller's own", async () => {
      assert.equal((await refusal(await send(order({ status: 401 }))))[0], 502)
    })

    test('the plan is told beside an error, whole and at the end of a stream, to who asks for it', async () => {
      const headers = { 'x-openrouter-metadata': 'enabled' }
      const stream = { at: spoken.streamAt ?? spoken.at, rest: spoken.streamAt ? {} : { stream: true } }
      const broken = order({ text: ['One', ' two', ' three'], cutAfter: 2 })
      for (const sent of [send(order({ status: 400 }), { headers }), send(broken, { headers, ...stream })]) {
        assert.match(await (await sent).text(), /"openrouter_metadata":\{"requested":"acme\//)
      }
    })

    test('what comes too late for a status is told inside the stream, after a sign of life', async () => {
      const response = await send(order({ delayMs: 1500, status: 500 }), { at: spoken.streamAt ?? spoken.at, rest: spoken.streamAt ? {} : { stream: true } })
      const text = await response.text()
      if (response.status === 200) {
        assert.ok(text.startsWith(spoken.heartbeat), text.slice(0, 200))
        const frames = text.split(/\r?\n\r?\n/).filter((frame) => /(^|\n)data: \{/.test(frame))
        assert.ok(spoken.errorIn(JSON.parse(/data: (\{.*)/s.exec(frames.at(-1)!)![1]!) as Record<string, unknown>), text)
      } else assert.ok(spoken.errorIn(JSON.parse(text) as Record<string, unknown>), text)
    })
  })
}
