import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { ChatRequest } from '../../core/index.ts'
import type { Outgoing, Target } from '../dialect.ts'
import { aTarget } from '../laws/endpoint.ts'
import { broken } from './messages-rules.ts'
import { outbound } from './outbound.ts'

interface Fixture {
  readonly says: string
  readonly endpoint: Parameters<typeof aTarget>[0]
  readonly target: Partial<Omit<Target, 'endpoint'>>
  readonly stream: boolean
  readonly request: ChatRequest
  readonly headers: Record<string, string>
  readonly body: unknown
  readonly dropped: readonly string[]
}

const REQUESTS = new URL('fixtures/requests/', import.meta.url)

function written(request: ChatRequest, target: Target): Outgoing {
  const outgoing = outbound.encode(request, target)
  assert.ok(!('fault' in outgoing), JSON.stringify(outgoing))
  return outgoing
}

const A_REQUEST: ChatRequest = { messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hi' }] }], sampling: {}, extras: {} }

for (const file of readdirSync(REQUESTS)) {
  const fixture = JSON.parse(readFileSync(new URL(file, REQUESTS), 'utf8')) as Fixture
  test(`writes ${file.slice(0, -5)}: ${fixture.says}`, () => {
    const target = aTarget(fixture.endpoint, { stream: fixture.stream, ...fixture.target })
    const outgoing = written(fixture.request, target)
    const body = JSON.parse(String(outgoing.body)) as Record<string, unknown>
    assert.deepEqual(body, fixture.body)
    assert.deepEqual([...outgoing.dropped], fixture.dropped)
    assert.deepEqual(outgoing.headers, fixture.headers)
    assert.equal(outgoing.path, '/messages')
    assert.equal(broken(body), null)
    assert.equal(String(written(fixture.request, target).body), String(outgoing.body), 'the same bytes for the same request')
  })
}

test('arguments of calls reach the provider as the model wrote them: big numbers, the order of keys, blanks', () => {
  const input = '{ "b": 12345678901234567890, "a": 1.0,\n "\\u00e9": "x" }'
  const { body } = written({
    ...A_REQUEST,
    messages: [...A_REQUEST.messages, { role: 'assistant', parts: [{ type: 'tool-call', id: 'a', name: 'f', form: 'function', input }] }],
  }, aTarget())
  assert.ok(String(body).includes(`"input":${input}}`), String(body))
})

test('arguments cannot break out of their place in the body', () => {
  for (const input of ['{}],"model":"other","x":[{}', '{"a":1}}', '{"a":1},{"b":2}', '{', '"', '{"a":}', '// {}']) {
    const { body } = written({
      ...A_REQUEST,
      messages: [...A_REQUEST.messages, { role: 'assistant', parts: [{ type: 'tool-call', id: 'a', name: 'f', form: 'function', input }] }],
    }, aTarget())
    const parsed = JSON.parse(String(body)) as { model: string; messages: { content: { input: unknown }[] }[] }
    assert.equal(parsed.model, 'model-1')
    assert.deepEqual(parsed.messages[1]!.content[0]!.input, { input })
  }
})

test('a request that this format cannot carry is refused with what would be right', () => {
  const media = (kind: 'audio' | 'video' | 'file', mime: string): ChatRequest => ({
    ...A_REQUEST, messages: [{ role: 'user', parts: [{ type: 'media', kind, source: { from: 'data', base64: 'AAAA', mime } }] }],
  })
  for (const request of [media('audio', 'audio/wav'), media('video', 'video/mp4'), media('file', 'application/vnd.ms-excel')]) {
    const refused = outbound.encode(request, aTarget())
    assert.ok('fault' in refused)
    assert.equal(refused.fault.kind, 'invalid-request')
    assert.match(refused.fault.message, /^messages: .*send /)
  }
  const long = outbound.encode({ ...A_REQUEST, tools: [{ type: 'function', name: 'n'.repeat(129) }] }, aTarget())
  assert.ok('fault' in long)
  assert.equal(long.fault.field, 'tools[0].function.name')
})

test('without a limit of the caller, a long prompt leaves room for itself in the context', () => {
  const request: ChatRequest = { ...A_REQUEST, messages: [{ role: 'user', parts: [{ type: 'text', text: 'word '.repeat(80_000) }] }] }
  const { body } = written(request, aTarget({ contextLength: 200_000, maxOutputTokens: 64_000 }, { stream: true }))
  const { max_tokens: limit } = JSON.parse(String(body)) as { max_tokens: number }
  assert.ok(limit <= 200_000 - 100_000 && limit >= 1024, String(limit))
})

test("Anthropic's own search for tools goes, with what is deferred, to the models that know it, and a function in its place to all others", () => {
  const value = { type: 'tool_search_tool_bm25_20251119', name: 'tool_search_tool_bm25' }
  const body = { model: 'x', messages: [], tools: [value, { name: 'get', input_schema: { type: 'object' }, defer_loading: true }] }
  const request: ChatRequest = {
    ...A_REQUEST, extrasFrom: 'anthropic-messages', origin: { dialect: 'anthropic-messages', body },
    tools: [{ type: 'function', name: 'find', instead: { dialect: 'anthropic-messages', value, asWritten: true } }],
  }
  const toolsAt = (model: string, quirks: string[] = ['no-sampling-on-new-models'], of = request): unknown =>
    (JSON.parse(String(written(of, aTarget({ model, quirks })).body)) as { tools: unknown }).tools
  for (const model of ['anthropic/claude-opus-4.5', 'anthropic/claude-sonnet-4.6', 'anthropic/claude-haiku-5', 'anthropic/claude-fable-5.1']) assert.deepEqual(toolsAt(model), body.tools, model)
  const { origin: _, ...bare } = request
  for (const [model, quirks, of] of [
    ['anthropic/claude-opus-4.1', undefined, request], ['anthropic/claude-3.7-sonnet', undefined, request], ['anthropic/claude-haiku-4.5', undefined, request],
    ['anthropic/claude-opus-4.5', [], request], ['anthropic/claude-opus-4.5', undefined, bare],
  ] as const) assert.deepEqual((toolsAt(model, quirks as string[] | undefined, of) as { name: string }[]).map(({ name }) => name), ['find'], model)
})
