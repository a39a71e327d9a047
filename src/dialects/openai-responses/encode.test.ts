import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChatRequest, Part } from '../../core/index.ts'
import { aTarget } from '../laws/endpoint.ts'
import { decode } from './request.ts'
import { outbound } from './outbound.ts'
import { closed } from './seals.ts'

const OPENAI = { provider: 'openai', quirks: ['openai-reasoning-sampling', 'responses-store-default'], reasoning: { supported: true, efforts: ['low', 'high'] as const } }
const ALWAYS = { model: 'model-1', store: false, include: ['reasoning.encrypted_content'] }

function sent(request: Partial<ChatRequest>, endpoint: Parameters<typeof aTarget>[0] = OPENAI, stream = false): { body: Record<string, unknown>; dropped: readonly string[]; path: string } {
  const out = outbound.encode({ messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hi' }] }], sampling: {}, extras: {}, ...request }, aTarget(endpoint, { stream }))
  assert.ok('body' in out, 'fault' in out ? out.fault.message : '')
  return { body: JSON.parse(String(out.body)) as Record<string, unknown>, dropped: out.dropped, path: out.path }
}
/** What a caller of this format sends, as it goes out. */
function passed(body: object, endpoint?: Parameters<typeof aTarget>[0]): ReturnType<typeof sent> {
  const read = decode({ model: 'a/b', ...body })
  assert.ok('asked' in read, 'fault' in read ? read.fault.message : '')
  return sent(read.asked.operation.request, endpoint)
}

test('a plain request keeps nothing at the provider, and asks for sealed thoughts', () => {
  const { body, path, dropped } = sent({ messages: [{ role: 'system', parts: [{ type: 'text', text: 'Be brief.' }] }, { role: 'user', parts: [{ type: 'text', text: 'Hi' }] }], maxOutputTokens: 100 }, OPENAI, true)
  assert.equal(path, '/responses')
  assert.deepEqual(body, {
    ...ALWAYS, instructions: 'Be brief.', input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hi' }] }], max_output_tokens: 100, stream: true,
  })
  assert.deepEqual(dropped, [])
})

test('a tool loop: the thought before its calls, results behind them, no ids of items', () => {
  const parts: Part[] = [
    { type: 'reasoning', id: 'rs_1', text: 'Plan', summary: true },
    { type: 'reasoning', id: 'rs_1', text: 'Do', summary: true, seal: { format: 'openai-responses-v1', kind: 'encrypted', value: 'gAAA' } },
    { type: 'text', text: 'One moment.', phase: 'commentary' },
    { type: 'tool-call', id: 'call_a', name: 'f', form: 'function', input: '{ "n":12345678901234567890 }' },
    { type: 'tool-call', id: 'call_b', name: 'g', form: 'custom', input: 'x' },
  ]
  const { body } = sent({
    messages: [
      { role: 'assistant', parts },
      { role: 'tool', parts: [{ type: 'tool-result', callId: 'call_a', content: [{ type: 'text', text: 'A' }] }] },
      { role: 'tool', parts: [{ type: 'tool-result', callId: 'call_b', content: [{ type: 'text', text: 'B' }, { type: 'media', kind: 'image', source: { from: 'url', url: 'https://example.com/a' } }] }] },
    ],
  })
  assert.deepEqual(body['input'], [
    { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Plan' }, { type: 'summary_text', text: 'Do' }], encrypted_content: 'gAAA' },
    { type: 'message', role: 'assistant', phase: 'commentary', content: [{ type: 'output_text', text: 'One moment.', annotations: [] }] },
    { type: 'function_call', call_id: 'call_a', name: 'f', arguments: '{ "n":12345678901234567890 }' },
    { type: 'custom_tool_call', call_id: 'call_b', name: 'g', input: 'x' },
    { type: 'function_call_output', call_id: 'call_a', output: 'A' },
    { type: 'custom_tool_call_output', call_id: 'call_b', output: [{ type: 'input_text', text: 'B' }, { type: 'input_image', image_url: 'https://example.com/a' }] },
  ])
})

const SELLS_CACHE = { ...OPENAI, quirks: ['cache-breakpoints'], price: { rates: { prompt: 2n, completion: 4n, input_cache_write: 3n }, overrides: [], source: 'operator' } } as const
const BREAKPOINT = { prompt_cache_breakpoint: { mode: 'explicit' } }

test("cache marks are OpenAI's breakpoints for its models that charge for writing to the cache, and nothing for those before", () => {
  const cache = { ttl: '1h' } as const
  const image = { type: 'media', kind: 'image', source: { from: 'url', url: 'https://example.com/a' } } as const
  const request: Partial<ChatRequest> = {
    messages: [
      { role: 'system', parts: [{ type: 'text', text: 'S', cache }] },
      { role: 'user', parts: [{ type: 'text', text: 'Q' }, { ...image, cache }] },
      { role: 'assistant', parts: [{ type: 'tool-call', id: 'call_a', name: 'f', form: 'function', input: '{}' }] },
      { role: 'tool', parts: [{ type: 'tool-result', callId: 'call_a', content: [{ type: 'text', text: 'r' }], cache }] },
    ],
  }
  const { body } = sent(request, SELLS_CACHE)
  assert.equal(body['instructions'], undefined, 'a text at the root has no mark')
  assert.deepEqual(body['input'], [
    { type: 'message', role: 'system', content: [{ type: 'input_text', text: 'S', ...BREAKPOINT }] },
    { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Q' }, { type: 'input_image', image_url: 'https://example.com/a', ...BREAKPOINT }] },
    { type: 'function_call', call_id: 'call_a', name: 'f', arguments: '{}' },
    { type: 'function_call_output', call_id: 'call_a', output: [{ type: 'input_text', text: 'r', ...BREAKPOINT }] },
  ])
  const before = sent(request, { ...SELLS_CACHE, price: null })
  assert.equal(before.body['instructions'], 'S')
  assert.doesNotMatch(JSON.stringify(before.body), /cache_/)
})

test("a caller's cache_control is a breakpoint, and the breakpoint that stands beside it stays as it is", () => {
  const control = { cache_control: { type: 'ephemeral' } }
  const lasting = { prompt_cache_breakpoint: { mode: 'explicit', ttl: '12h' } }
  const { body } = passed({
    input: [{ role: 'user', content: [{ type: 'input_text', text: 'A', ...control }, { type: 'input_text', text: 'B', ...control, ...lasting }, { type: 'input_text', text: 'C', ...lasting }] }],
  }, SELLS_CACHE)
  assert.deepEqual((body['input'] as [{ content: unknown }])[0].content, [
    { type: 'input_text', text: 'A', ...BREAKPOINT }, { type: 'input_text', text: 'B', ...lasting }, { type: 'input_text', text: 'C', ...lasting },
  ])
})

test('citations of pages go back with the text that they are of, each with its place', () => {
  const annotations = [
    { type: 'citation', url: 'https://example.com/a', title: 'A', content: 'Said there', start: 0, end: 5 }, { type: 'citation', url: 'https://example.com/b', start: 6, end: 8 },
    { type: 'citation', url: 'https://example.com/nowhere' }, { type: 'file', hash: 'h', content: [] },
  ] as const
  const { body } = sent({ messages: [{ role: 'assistant', parts: [{ type: 'text', text: 'So it is.', annotations }] }] })
  assert.deepEqual((body['input'] as [{ content: unknown }])[0].content, [{
    type: 'output_text', text: 'So it is.', annotations: [
      { type: 'url_citation', url: 'https://example.com/a', title: 'A', start_index: 0, end_index: 5 },
      { type: 'url_citation', url: 'https://example.com/b', title: '', start_index: 6, end_index: 8 },
    ],
  }])
})

test('nobody gets a thought that another one sealed', () => {
  const thought = (format: string): Part => ({ type: 'reasoning', id: 'rs_1', text: '', seal: { format, kind: 'encrypted', value: 'gAAA' } })
  const inputFor = (format: string, endpoint: Parameters<typeof aTarget>[0]) =>
    JSON.stringify(sent({ messages: [{ role: 'assistant', parts: [thought(format), { type: 'text', text: 'x' }] }, { role: 'user', parts: [{ type: 'text', text: 'y' }] }] }, endpoint).body['input'])
  for (const [format, endpoint, goes] of [
    ['openai-responses-v1', OPENAI, true], ['anthropic-claude-v1', OPENAI, false], ['azure-openai-responses-v1', OPENAI, false],
    ['openai-responses-v1', { ...OPENAI, provider: 'azure', quirks: ['azure-deployment-names'] }, false],
    ['azure-openai-responses-v1', { ...OPENAI, provider: 'azure', quirks: ['azure-deployment-names'] }, true],
    ['xai-responses-v1', { ...OPENAI, provider: 'xai' }, true],
  ] as const) assert.equal(inputFor(format, endpoint).includes('gAAA'), goes, `${format} to ${endpoint.provider}`)
})

test("a caller's own items go through as they are, but for ids and thoughts that mean nothing there", () => {
  const kept = [
    { type: 'shell_call', id: 'sh_1', action: { commands: ['ls'] }, x_new: 1 },
    { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'gAAA' },
  ]
  const { body } = passed({
    input: [
      { role: 'user', content: [{ type: 'input_text', text: 'Hi', cache_control: { type: 'ephemeral' } }] },
      { type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', phase: 'final_answer', content: [{ type: 'output_text', text: 'x', annotations: [] }] },
      ...kept,
      { type: 'reasoning', id: 'rs_2', summary: [], encrypted_content: closed({ seal: { format: 'anthropic-claude-v1', kind: 'signature', value: 's' }, text: 't' }) },
      { type: 'reasoning', id: 'rs_3', summary: [] },
    ],
    instructions: 'I', prompt_cache_retention: '24h', context_management: [{ type: 'compaction' }], include: ['file_search_call.results'], store: false, user: 'u',
    provider: { order: ['openai'] }, metadata: { a: 'b' }, max_output_tokens: 20,
  })
  assert.deepEqual(body, {
    ...ALWAYS, include: ['file_search_call.results', 'reasoning.encrypted_content'], instructions: 'I', prompt_cache_retention: '24h', context_management: [{ type: 'compaction' }], max_output_tokens: 20,
    input: [
      { role: 'user', content: [{ type: 'input_text', text: 'Hi' }] },
      { type: 'message', role: 'assistant', status: 'completed', phase: 'final_answer', content: [{ type: 'output_text', text: 'x', annotations: [] }] },
      ...kept,
    ],
  })
})

test('a thought of this family in an envelope, or under its format, goes out as its maker wrote it', () => {
  const xai = { ...OPENAI, provider: 'xai' }
  const seal = { format: 'xai-responses-v1', kind: 'encrypted' as const, value: 'gXXX' }
  const input = (thought: object) => passed({ input: [{ type: 'reasoning', id: 'rs_1', summary: [], ...thought }, { role: 'assistant', content: 'x' }] }, xai).body['input']
  const expected = [{ type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'gXXX' }, { role: 'assistant', content: 'x' }]
  assert.deepEqual(input({ encrypted_content: closed({ seal }), format: 'xai-responses-v1' }), expected)
  assert.deepEqual(input({ encrypted_content: 'gXXX', format: 'xai-responses-v1' }), expected)
})

test('a function is not strict unless it was said to be, because here it would be', () => {
  const { body } = sent({ tools: [{ type: 'function', name: 'f' }, { type: 'function', name: 'g', parameters: { type: 'object' }, strict: true, description: 'd' }], toolChoice: { tool: 'g' } })
  assert.deepEqual(body['tools'], [
    { type: 'function', name: 'f', parameters: null, strict: false }, { type: 'function', name: 'g', description: 'd', parameters: { type: 'object' }, strict: true },
  ])
  assert.deepEqual(body['tool_choice'], { type: 'function', name: 'g' })
})

test('a wish to think is an effort that the model has; sampling is left out beside it', () => {
  const { body, dropped } = sent({ reasoning: { effort: 'medium', summary: 'auto' }, sampling: { temperature: 0.5, top_p: 0.5, top_k: 4 }, seed: 7, stop: ['END'] })
  assert.deepEqual(body['reasoning'], { effort: 'low', summary: 'auto' })
  assert.ok(!('temperature' in body) && !('top_p' in body))
  assert.deepEqual([...dropped].toSorted(), ['seed', 'stop', 'temperature', 'top_k', 'top_p'])
  assert.deepEqual(sent({ reasoning: { maxTokens: 30_000 } }).body['reasoning'], { effort: 'high' })
  assert.deepEqual(sent({ reasoning: { effort: 'none' } }, { ...OPENAI, reasoning: { supported: true, efforts: ['none', 'low'] } }).body['reasoning'], { effort: 'none' })
  assert.equal(sent({ reasoning: { effort: 'high' } }, { provider: 'openai' }).body['reasoning'], undefined)
  assert.deepEqual(sent({}, { ...OPENAI, forcedParams: { reasoning: { mode: 'pro' } } }).body['reasoning'], { mode: 'pro' })
  assert.deepEqual(sent({}, { ...OPENAI, forcedParams: { reasoning_effort: 'high' } }).body['reasoning'], { effort: 'high' })
})

test('a schema, verbosity and probabilities have places of their own', () => {
  const { body } = sent({ format: { type: 'schema', name: 'n', schema: { type: 'object' }, strict: true }, verbosity: 'low', logprobs: true, topLogprobs: 2 })
  assert.deepEqual(body['text'], { format: { type: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true }, verbosity: 'low' })
  assert.deepEqual([body['include'], body['top_logprobs']], [['message.output_text.logprobs', 'reasoning.encrypted_content'], 2])
  assert.deepEqual(sent({ format: { type: 'schema', name: 'n', schema: {} } }, { ...OPENAI, parameters: ['response_format'] }).body['text'], { format: { type: 'json_object' } })
})

test('a limit below what the format takes is raised to it', () => {
  assert.equal(sent({ maxOutputTokens: 1 }).body['max_output_tokens'], 16)
})

test('a tier, an end user and options of the caller go in; what decides what is bought or kept does not', () => {
  const out = outbound.encode(
    { messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hi' }] }], sampling: {}, extras: {} },
    aTarget({ ...OPENAI, tier: 'priority' }, { userId: 'u-1', options: { prompt_cache_retention: '24h', store: true, model: 'x' } }),
  )
  assert.ok('body' in out)
  const body = JSON.parse(String(out.body)) as Record<string, unknown>
  assert.deepEqual([body['service_tier'], body['safety_identifier'], body['prompt_cache_retention'], body['store'], body['model']], ['priority', 'u-1', '24h', false, 'model-1'])
  assert.deepEqual(out.dropped, ['provider.options.store', 'provider.options.model'])
})

test('video is refused by name, since it would only be lost', () => {
  const out = outbound.encode(
    { messages: [{ role: 'user', parts: [{ type: 'media', kind: 'video', source: { from: 'url', url: 'https://example.com/v' } }] }], sampling: {}, extras: {} }, aTarget(OPENAI),
  )
  assert.ok('fault' in out && out.fault.field === 'messages' && /takes no video/.test(out.fault.message))
})

test("OpenAI's own tool goes in the place of the function that stands in for it to models that were taught it, and to no other", () => {
  const tool = { type: 'function', name: 'apply_patch', parameters: { type: 'object' }, instead: { dialect: 'openai-responses', value: { type: 'apply_patch' } } } as const
  const toolAt = (model: string, more: Parameters<typeof aTarget>[0] = { quirks: ['openai-own-tools'] }): unknown =>
    (sent({ tools: [tool] }, { model, ...more }).body['tools'] as { type: string }[])[0]!.type
  for (const model of ['openai/gpt-5.1', 'openai/gpt-5.1-codex-max', 'openai/gpt-5.4-mini', 'openai/gpt-6-astra']) assert.equal(toolAt(model), 'apply_patch', model)
  for (const model of ['openai/gpt-5', 'openai/gpt-5-mini', 'openai/gpt-4.1', 'openai/gpt-5.1-chat', 'openai/o3', 'acme/gpt-9']) assert.equal(toolAt(model), 'function', model)
  const search = { type: 'function', name: 'find', instead: { dialect: 'openai-responses', value: { type: 'tool_search' }, asWritten: true } } as const
  const body = { model: 'x', input: 'Hi', tools: [{ type: 'tool_search' }, { type: 'function', name: 'get', defer_loading: true }] }
  const origin = { dialect: 'openai-responses', body }
  const toolsAt = (model: string, more: Partial<ChatRequest> = { origin }): unknown => sent({ tools: [search], ...more }, { model, quirks: ['openai-own-tools'] }).body['tools']
  assert.deepEqual(toolsAt('openai/gpt-5.4'), body.tools)
  for (const [model, more] of [['openai/gpt-5.3', { origin }], ['openai/gpt-5.4', {}]] as const) assert.equal((toolsAt(model, more) as { type: string }[])[0]!.type, 'function', 'what belongs to it stands in the body of its caller alone')
  assert.equal(toolAt('openai/gpt-5.1', { quirks: [] }), 'function', 'the same model at a host that is not known to have it')
  assert.equal(toolAt('acme/own', { parameters: ['tools', 'apply_patch'] }), 'apply_patch', 'a list of parameters says it')
})
