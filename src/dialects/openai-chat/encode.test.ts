import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { rewrite, type ChatRequest } from '../../core/index.ts'
import { aTarget } from '../laws/endpoint.ts'
import { nineId } from './adapt-messages.ts'
import { encode } from './encode.ts'
import { decode } from './request.ts'
import type { Loose } from './wire.ts'

const HI = { model: 'a/b', messages: [{ role: 'user', content: 'Hi' }] }

function read(body: Loose, bytes?: Uint8Array): ChatRequest {
  const result = decode({ ...HI, ...body }, bytes)
  assert.ok('asked' in result, 'fault' in result ? result.fault.message : '')
  return result.asked.operation.request
}

interface Sent { body: Loose; dropped: readonly string[] }

function send(request: ChatRequest, endpoint: Parameters<typeof aTarget>[0] = {}, rest: Parameters<typeof aTarget>[1] = {}): Sent {
  const out = encode(request, aTarget(endpoint, rest))
  assert.ok('body' in out)
  return { body: JSON.parse(String(typeof out.body === 'string' ? out.body : Buffer.from(out.body).toString())) as Loose, dropped: out.dropped }
}

/** Sent as the caller's own body, and as one written anew: both must come to the same. */
function bothWays(body: Loose, endpoint: Parameters<typeof aTarget>[0] = {}, rest: Parameters<typeof aTarget>[1] = {}): Sent {
  const request = read(body)
  const patched = send(request, endpoint, rest)
  const anew = send(rewrite(request, {}), endpoint, rest)
  assert.deepEqual(anew.body, patched.body)
  assert.deepEqual(anew.dropped.toSorted(), patched.dropped.toSorted())
  return patched
}

/** GPT-5.6 and its successors charge for writing to their cache. */
const SELLS_CACHE = { quirks: ['cache-breakpoints'], price: { rates: { prompt: 2n, completion: 4n, input_cache_write: 3n }, overrides: [], source: 'operator' } } as const
const THINKS = { supported: true, efforts: ['low', 'medium', 'high'] as const }
const say = (...messages: Loose[]) => ({ messages })
const call = (id: string) => ({ id, type: 'function', function: { name: 'f', arguments: '{}' } })
const IMAGE = { type: 'image_url', image_url: { url: 'https://x.example/a.png' } }
const TOOL = { type: 'function', function: { name: 'f', parameters: { type: 'object' } } }

test('what only a router reads never reaches a provider', () => {
  const { body } = JSON.parse(readFileSync(new URL('fixtures/request.json', import.meta.url), 'utf8')) as { body: Loose }
  const sent = send(read(body)).body
  for (const key of ['models', 'provider', 'plugins', 'transforms', 'route', 'session_id', 'metadata', 'trace', 'usage', 'reasoning', 'service_tier', 'user', 'cache_control']) {
    assert.ok(!(key in sent), key)
  }
  assert.equal(sent['model'], 'model-1')
  assert.equal(sent['safe_prompt'], true)
  assert.ok(!JSON.stringify(sent).includes('cache_control'))
})

test('a body goes out as it came but for what must change', () => {
  const body = { ...HI, temperature: 0.5, weird: { key: [1] }, logit_bias: { 5: 1 }, stop: 'x' }
  assert.deepEqual(send(read(body)).body, { ...body, model: 'model-1' })
})

test('a stream is asked for with its usage', () => {
  assert.deepEqual(bothWays({}, {}, { stream: true }).body, { ...HI, model: 'model-1', stream: true, stream_options: { include_usage: true } })
})

test('parameters that the endpoint does not list are left out and named', () => {
  const { body, dropped } = bothWays(
    { temperature: 1, top_k: 5, seed: 1, tools: [TOOL], tool_choice: 'auto', parallel_tool_calls: false, max_tokens: 9, stop: ['x'] },
    { parameters: ['temperature', 'tools', 'max_tokens'] },
  )
  assert.deepEqual(body, { ...HI, model: 'model-1', temperature: 1, tools: [TOOL], parallel_tool_calls: false, max_tokens: 9 })
  assert.deepEqual(dropped.toSorted(), ['seed', 'stop', 'tool_choice', 'top_k'])
})

test('without tools nothing speaks of tools any more', () => {
  const { body } = bothWays({ tools: [TOOL], tool_choice: 'required', parallel_tool_calls: true }, { parameters: ['tool_choice'] })
  assert.deepEqual(body, { ...HI, model: 'model-1' })
})

test('a schema becomes JSON mode where only that is known, and nothing where neither is', () => {
  const schema = { response_format: { type: 'json_schema', json_schema: { name: 's', schema: { type: 'object' } } } }
  assert.deepEqual(bothWays(schema, { parameters: ['structured_outputs', 'response_format'] }).body['response_format'], schema.response_format)
  const weaker = bothWays(schema, { parameters: ['response_format'] })
  assert.deepEqual(weaker.body['response_format'], { type: 'json_object' })
  assert.deepEqual(weaker.dropped, ['structured_outputs'])
  assert.ok(!('response_format' in bothWays(schema, { parameters: [] }).body))
})

test('the output limit goes under the name that the endpoint knows', () => {
  for (const name of ['max_tokens', 'max_completion_tokens']) {
    assert.deepEqual(bothWays({ [name]: 50 }).body, { ...HI, model: 'model-1', max_tokens: 50 })
    assert.deepEqual(bothWays({ [name]: 50 }, { quirks: ['openai-token-limit-name'] }).body, { ...HI, model: 'model-1', max_completion_tokens: 50 })
    assert.deepEqual(bothWays({ [name]: 50 }, { parameters: ['max_completion_tokens'] }).body, { ...HI, model: 'model-1', max_completion_tokens: 50 })
  }
  assert.equal(bothWays({}, { quirks: ['tgi-default-max-tokens'], maxOutputTokens: 4096 }).body['max_tokens'], 4096)
})

test('forced parameters win over the caller, options come last, and neither can change what is billed', () => {
  const { body, dropped } = bothWays(
    { reasoning_effort: 'low', temperature: 1 },
    { reasoning: THINKS, forcedParams: { reasoning_effort: 'high', thinking: { a: 1 } } },
    { options: { temperature: 0, model: 'dearer', service_tier: 'priority', safe_prompt: true } },
  )
  assert.deepEqual(body, { ...HI, model: 'model-1', reasoning_effort: 'high', thinking: { a: 1 }, temperature: 0, safe_prompt: true })
  assert.deepEqual(dropped, ['provider.options.model', 'provider.options.service_tier'])
})

test('the tier that is sold is the tier that is asked for, whatever the caller wrote', () => {
  assert.ok(!('service_tier' in send(read({ service_tier: 'priority' })).body))
  assert.equal(send(read({}), { tier: 'flex' }).body['service_tier'], 'flex')
})

test('the end user goes out under the opaque id, or not at all', () => {
  assert.ok(!('user' in send(read({ user: 'ann@example.com', safety_identifier: 'ann' })).body))
  assert.equal(send(read({ user: 'ann@example.com' }), {}, { userId: 'h1' }).body['user'], 'h1')
})

const EFFORTS: readonly (readonly [string, Loose, Parameters<typeof aTarget>[0], Loose, string[]])[] = [
  ['an effort', { reasoning_effort: 'high' }, { reasoning: THINKS }, { reasoning_effort: 'high' }, []],
  ['an effort that the model lacks', { reasoning: { effort: 'xhigh' } }, { reasoning: THINKS }, { reasoning_effort: 'high' }, []],
  ['a budget where only efforts are known', { reasoning: { max_tokens: 800 }, max_tokens: 1000 }, { reasoning: THINKS }, { max_tokens: 1000, reasoning_effort: 'high' }, []],
  ['thinking at all', { reasoning: { enabled: true } }, { reasoning: THINKS }, { reasoning_effort: 'medium' }, []],
  ['only how it is shown', { reasoning: { exclude: true } }, { reasoning: THINKS }, {}, []],
  ['no thinking', { reasoning: { enabled: false } }, { reasoning: { supported: true, efforts: ['none', 'low'] } }, { reasoning_effort: 'none' }, []],
  ['no thinking of a model that cannot stop', { reasoning: { effort: 'none' } }, { reasoning: THINKS }, { reasoning_effort: 'low' }, []],
  ['thinking of a model that does not', { reasoning_effort: 'high' }, {}, {}, ['reasoning']],
  ['thinking of a model that always does', { reasoning_effort: 'high' }, { reasoning: { supported: true, controllable: false } }, {}, ['reasoning']],
  ['OpenRouter\'s own object', { reasoning: { effort: 'xhigh', exclude: true } }, { quirks: ['reasoning-details'], reasoning: THINKS }, { reasoning: { effort: 'xhigh', exclude: true } }, []],
  ['OpenRouter\'s own budget', { reasoning: { max_tokens: 500 } }, { quirks: ['reasoning-details'] }, { reasoning: { max_tokens: 500 } }, []],
  ['thinking {type}', { reasoning_effort: 'high' }, { quirks: ['reasoning-replay'], reasoning: { supported: true, toggle: true } }, { thinking: { type: 'enabled' } }, []],
  ['thinking {type} and efforts', { reasoning_effort: 'high' }, { quirks: ['reasoning-replay'], reasoning: THINKS }, { thinking: { type: 'enabled' }, reasoning_effort: 'high' }, []],
  ['no thinking {type}', { reasoning_effort: 'none' }, { quirks: ['tool-stream-flag'], reasoning: { supported: true, toggle: true } }, { thinking: { type: 'disabled' } }, []],
  ['enable_thinking without a stream', { reasoning: { max_tokens: 500 } }, { quirks: ['stream-only-thinking'], reasoning: { supported: true } }, { enable_thinking: false }, ['reasoning']],
  ['template arguments', { reasoning_effort: 'none' }, { quirks: ['extra-body-params'], reasoning: { supported: true, toggle: true } }, { chat_template_kwargs: { enable_thinking: false } }, []],
]
for (const [name, body, endpoint, expected, dropped] of EFFORTS) {
  test(`asks for ${name} in the words of the endpoint`, () => {
    const sent = bothWays(body, endpoint)
    assert.deepEqual(sent.body, { ...HI, model: 'model-1', ...expected })
    assert.deepEqual(sent.dropped, dropped)
  })
}

test('a budget goes out as it is where budgets are known, within the range of the model', () => {
  const endpoint = { quirks: ['stream-only-thinking'], reasoning: { supported: true, budgetTokens: { max: 400 } } }
  const { body } = bothWays({ reasoning: { max_tokens: 500 } }, endpoint, { stream: true })
  assert.equal(body['enable_thinking'], true)
  assert.equal(body['thinking_budget'], 400)
})

test('sampling is left out where a model would refuse it while it thinks', () => {
  const wish = { temperature: 0, stop: ['x'], seed: 1, top_p: 0.5 }
  const quirks = ['openai-reasoning-sampling']
  assert.deepEqual(bothWays({ ...wish, reasoning_effort: 'low' }, { quirks, reasoning: THINKS }).body, { ...HI, model: 'model-1', seed: 1, reasoning_effort: 'low' })
  assert.equal(bothWays({ ...wish, reasoning_effort: 'none' }, { quirks, reasoning: { supported: true, efforts: ['none', 'low'] } }).body['temperature'], 0)
  assert.equal(bothWays(wish, { quirks }).body['temperature'], 0)
  assert.ok(!('stop' in bothWays(wish, { quirks: ['no-stop-on-reasoning'], reasoning: THINKS }).body))
})

const THOUGHT = { role: 'assistant', content: 'A', reasoning: 'why', reasoning_details: [{ type: 'reasoning.text', text: 'why', signature: 'Eq==', format: 'anthropic-claude-v1', index: 0 }] }
const LOOP = say({ role: 'user', content: 'Q' }, THOUGHT, { role: 'user', content: 'Q2' }, { ...THOUGHT, content: null, tool_calls: [call('c1')] }, { role: 'tool', tool_call_id: 'c1', content: 'r' })

test('earlier reasoning goes back only to those who want it, and seals only to their like', () => {
  const assistants = (quirks: readonly string[], upstreamModel = 'model-1') =>
    (send(read(LOOP), { quirks, upstreamModel }).body['messages'] as Loose[]).filter((message) => message['role'] === 'assistant')
  for (const message of assistants([])) assert.deepEqual(Object.keys(message).filter((key) => key.startsWith('reasoning')), [])
  assert.deepEqual(assistants(['reasoning-details']), [LOOP.messages[1], LOOP.messages[3]])
  assert.deepEqual(assistants(['reasoning-replay']).map((message) => [message['reasoning_content'], 'reasoning_details' in message]), [['why', false], ['why', false]])
  assert.deepEqual(assistants(['reasoning-replay'], 'deep-r1-0528').map((message) => message['reasoning_content']), [undefined, 'why'])
  assert.deepEqual(assistants(['reasoning-rename']).map((message) => [message['reasoning'], message['reasoning_content']]), [['why', 'why'], ['why', 'why']])
})

test('thoughts go back as chunks of the content to a model that sends them so, and not to one that has none', () => {
  const assistants = (supported: boolean) => (send(read(LOOP), { quirks: ['content-chunk-array'], reasoning: { supported } }).body['messages'] as Loose[])
    .filter((message) => message['role'] === 'assistant').map(({ role: _, ...message }) => message)
  const thinking = { type: 'thinking', thinking: [{ type: 'text', text: 'why' }] }
  assert.deepEqual(assistants(true), [{ content: [thinking, { type: 'text', text: 'A' }] }, { content: [thinking], tool_calls: [call('c1')] }])
  assert.deepEqual(assistants(false), [{ content: 'A' }, { content: null, tool_calls: [call('c1')] }])
})

test('a model that demands reasoning on every turn gets an empty one where a client threw it away', () => {
  const { body } = send(read(say({ role: 'user', content: 'Q' }, { role: 'assistant', content: 'A' }, { role: 'user', content: 'Q2' })), { quirks: ['reasoning-replay'] })
  assert.equal(body['messages'][1].reasoning_content, '')
})

test('keys of a router\'s replies are taken off the messages that clients send back', () => {
  const message = { role: 'assistant', content: 'A', model: 'a/b', images: [{ type: 'image_url', image_url: { url: 'https://x.example/a.png' } }], annotations: [] }
  assert.deepEqual(send(read(say({ role: 'user', content: 'Q' }, message))).body['messages'][1], { role: 'assistant', content: 'A' })
})

test('the developer is the system to everybody but who invented the role', () => {
  const body = say({ role: 'developer', content: 'D' }, { role: 'user', content: 'Q' })
  assert.equal(bothWays(body).body['messages'][0].role, 'system')
  assert.equal(bothWays(body, { quirks: ['openai-token-limit-name'] }).body['messages'][0].role, 'developer')
})

test('cache marks go to those who know them', () => {
  const body = { ...say({ role: 'user', content: [{ type: 'text', text: 'Q', cache_control: { type: 'ephemeral' } }] }), tools: [{ ...TOOL, cache_control: { type: 'ephemeral' } }], cache_control: { type: 'ephemeral', ttl: '1h' } }
  assert.doesNotMatch(JSON.stringify(send(read(body)).body), /cache_control/)
  const { model: _, ...kept } = send(read(body), { quirks: ['cache-control-accepted'] }).body
  assert.deepEqual(kept, body)
})

test("cache marks are OpenAI's breakpoints for its models that charge for writing to the cache, and nothing for those before", () => {
  const marked = (mark: Loose) => say(
    { role: 'system', content: [{ type: 'text', text: 'S', ...mark }] },
    { role: 'user', content: [{ type: 'text', text: 'Q' }, { ...IMAGE, ...mark }] },
    { role: 'assistant', content: null, tool_calls: [call('call_a')] },
    { role: 'tool', tool_call_id: 'call_a', content: [{ type: 'text', text: 'r', ...mark }] },
  )
  const body = { ...marked({ cache_control: { type: 'ephemeral', ttl: '1h' } }), tools: [TOOL] }
  assert.deepEqual(bothWays(body, SELLS_CACHE).body['messages'], marked({ prompt_cache_breakpoint: { mode: 'explicit' } }).messages)
  assert.doesNotMatch(JSON.stringify(bothWays(body, { quirks: ['cache-breakpoints'] }).body), /cache_/)
})

test('a mark on a result, or on a message of plain text, is one of its last part; tools have none', () => {
  const mark = { cache_control: { type: 'ephemeral' } }
  const body = {
    ...say({ role: 'user', content: 'Q', ...mark }, { role: 'assistant', content: null, tool_calls: [call('call_a')] }, { role: 'tool', tool_call_id: 'call_a', content: 'r', ...mark }),
    tools: [{ ...TOOL, ...mark }],
  }
  const sent = send(read(body), SELLS_CACHE).body
  const breakpoint = { prompt_cache_breakpoint: { mode: 'explicit' } }
  assert.deepEqual(sent['messages'].map((message: Loose) => message['content']), [[{ type: 'text', text: 'Q', ...breakpoint }], null, [{ type: 'text', text: 'r', ...breakpoint }]])
  assert.doesNotMatch(JSON.stringify(sent), /cache_control/)
})

test("OpenAI's breakpoints stay what the caller wrote, and are cache_control to hosts that know only that", () => {
  const body = say({ role: 'user', content: [{ type: 'text', text: 'Q', prompt_cache_breakpoint: { mode: 'explicit', ttl: '12h' } }] })
  for (const quirks of [['cache-breakpoints'], ['cache-breakpoints', 'reasoning-details'], []]) {
    assert.deepEqual(send(read(body), { ...SELLS_CACHE, quirks }).body['messages'], body.messages, quirks.join())
  }
  assert.deepEqual(send(read(body), { quirks: ['cache-control-accepted'] }).body['messages'], [{ role: 'user', content: [{ type: 'text', text: 'Q', cache_control: { type: 'ephemeral' } }] }])
})

test('tool ids of nine characters are made from others, the same for call and result, and left alone when they fit', () => {
  const messages = send(read(say({ role: 'user', content: 'Q' }, { role: 'assistant', content: null, tool_calls: [call('call_abc'), call('Abc123xyz')] },
    { role: 'tool', tool_call_id: 'call_abc', content: 'r' }, { role: 'tool', tool_call_id: 'Abc123xyz', content: 's' })), { quirks: ['tool-id-9-alnum'] }).body['messages'] as Loose[]
  const [first, second] = messages[1]!['tool_calls'] as Loose[]
  assert.match(first!['id'], /^[a-zA-Z0-9]{9}$/)
  assert.equal(messages[2]!['tool_call_id'], first!['id'])
  assert.deepEqual([second!['id'], messages[3]!['tool_call_id']], ['Abc123xyz', 'Abc123xyz'])
  assert.equal(nineId('call_abc'), nineId('call_abc'))
  assert.notEqual(nineId('functions.f:0'), nineId('functions.f:1'))
})

test('names and flags that only some hosts have', () => {
  assert.deepEqual(bothWays({ seed: 5 }, { quirks: ['random-seed-name'] }).body, { ...HI, model: 'model-1', random_seed: 5 })
  assert.equal(bothWays({ tools: [TOOL], tool_choice: 'required' }, { quirks: ['tool-choice-any'] }).body['tool_choice'], 'any')
  assert.equal(bothWays({ tools: [TOOL] }, { quirks: ['tool-stream-flag'] }).body['tool_stream'], true)
  assert.equal(bothWays({ response_format: { type: 'grammar', grammar: 'root ::= "x"' } }, { quirks: ['grammar-param'] }).body['grammar'], 'root ::= "x"')
  assert.deepEqual(bothWays({ response_format: { type: 'json_schema', json_schema: { name: 's', schema: { type: 'object' } } } }, { quirks: ['tgi-grammar-format'] }).body['response_format'], { type: 'json', value: { type: 'object' } })
  const prefill = bothWays(say({ role: 'user', content: 'Q' }, { role: 'assistant', content: 'The' }), { quirks: ['prefix-flag'] }).body['messages'] as Loose[]
  assert.deepEqual(prefill.at(-1), { role: 'assistant', content: 'The', prefix: true })
})

test('JSON mode says the word where it must, once', () => {
  const json = { response_format: { type: 'json_object' } }
  assert.match(bothWays(json, { quirks: ['json-word-required'] }).body['messages'][0].content, /JSON/)
  assert.equal(bothWays({ ...json, ...say({ role: 'user', content: 'As json, please' }) }, { quirks: ['json-word-required'] }).body['messages'].length, 1)
})

test('a search host gets alternating turns, and tools as text', () => {
  const { body } = bothWays({ ...say(
    { role: 'system', content: 'S' }, { role: 'user', content: 'A' }, { role: 'user', content: [{ type: 'text', text: 'B' }, IMAGE] },
    { role: 'assistant', content: null, tool_calls: [call('c1')] }, { role: 'tool', tool_call_id: 'c1', content: 'r' }, { role: 'assistant', content: 'C' }), tools: [TOOL] }, { quirks: ['strict-alternation', 'no-tools'] })
  assert.ok(!('tools' in body))
  assert.deepEqual((body['messages'] as Loose[]).map((message) => message['role']), ['system', 'user', 'assistant', 'user', 'assistant', 'user'])
  assert.deepEqual(body['messages'][1].content, [{ type: 'text', text: 'A' }, { type: 'text', text: 'B' }, IMAGE])
  assert.ok((body['messages'] as Loose[]).every((message) => !('tool_calls' in message)))
})

test('media in a tool\'s result goes into a user message behind the results', () => {
  const { body } = bothWays(say({ role: 'user', content: 'Q' }, { role: 'assistant', content: null, tool_calls: [call('a'), call('b')] },
    { role: 'tool', tool_call_id: 'a', content: [IMAGE] }, { role: 'tool', tool_call_id: 'b', content: 'r' }, { role: 'user', content: 'And?' }))
  assert.deepEqual(body['messages'].slice(2), [
    { role: 'tool', tool_call_id: 'a', content: '' }, { role: 'tool', tool_call_id: 'b', content: 'r' }, { role: 'user', content: [IMAGE] }, { role: 'user', content: 'And?' },
  ])
})

test('a large body is spliced: its bytes stay what they were, down to spacing and big numbers', () => {
  const text = `{ "models":["x"], "big": 12345678901234567890 , "model" : "a/b",
    "messages": [{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,${'QUJD'.repeat(20_000)}"}}]} ] , "temperature": 1.0, "stream": false}`
  const bytes = Buffer.from(text)
  const result = decode(JSON.parse(text), bytes)
  assert.ok('asked' in result)
  const out = encode(result.asked.operation.request, aTarget({}, { stream: true }))
  assert.ok('body' in out && typeof out.body !== 'string')
  const sent = Buffer.from(out.body).toString()
  assert.ok(sent.includes('"big":12345678901234567890,'))
  assert.ok(sent.includes('"temperature":1.0'))
  assert.ok(sent.includes(text.slice(text.indexOf('[{"role"'), text.indexOf(' , "temperature"'))))
  const body = JSON.parse(sent) as Loose
  assert.deepEqual(Object.keys(body).toSorted(), ['big', 'messages', 'model', 'stream', 'stream_options', 'temperature'])
  assert.equal(body['model'], 'model-1')
})

test('a large body whose messages must change is written anew and says the same', () => {
  const body = say({ role: 'developer', content: 'D' }, { role: 'user', content: 'x'.repeat(100_000) })
  const bytes = Buffer.from(JSON.stringify({ ...HI, ...body }))
  assert.deepEqual(send(read(body, bytes)).body, send(read(body)).body)
})
