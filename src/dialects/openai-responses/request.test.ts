import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Asked, Message } from '../../core/index.ts'
import { decode } from './request.ts'
import { closed } from './seals.ts'

const asked = (body: object): Asked => {
  const read = decode({ model: 'a/b', ...body })
  assert.ok('asked' in read, 'fault' in read ? read.fault.message : '')
  return read.asked
}
const messages = (input: unknown): readonly Message[] => asked({ input }).operation.request.messages
const refused = (body: unknown): string => {
  const read = decode(body)
  assert.ok('fault' in read, 'it was accepted')
  assert.equal(read.fault.kind, 'invalid-request')
  return `${read.fault.field ?? ''} | ${read.fault.message}`
}

test('a text is what the user says, and instructions come before it', () => {
  assert.deepEqual(asked({ input: 'Hi', instructions: 'Be brief.' }).operation.request.messages, [
    { role: 'system', parts: [{ type: 'text', text: 'Be brief.' }] }, { role: 'user', parts: [{ type: 'text', text: 'Hi' }] },
  ])
})

test('items between two messages of others are one turn of the assistant', () => {
  assert.deepEqual(messages([
    { role: 'user', content: 'Weather?' },
    { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Look.' }], encrypted_content: 'gAAA' },
    { type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', phase: 'commentary', content: [{ type: 'output_text', text: 'One moment.', annotations: [] }] },
    { type: 'function_call', id: 'fc_1', call_id: 'call_a', name: 'weather', arguments: '{ "city":"Bern" }', status: 'completed' },
    { type: 'custom_tool_call', call_id: 'call_b', name: 'code', input: 'print(1)' },
    { type: 'function_call_output', call_id: 'call_a', output: 'Rain' },
    { type: 'custom_tool_call_output', call_id: 'call_b', output: [{ type: 'input_text', text: '1' }, { type: 'input_image', image_url: 'https://example.com/a.png', detail: 'low' }] },
    { role: 'developer', content: [{ type: 'input_text', text: 'Now.' }] },
  ]), [
    { role: 'user', parts: [{ type: 'text', text: 'Weather?' }] },
    {
      role: 'assistant', parts: [
        { type: 'reasoning', id: 'rs_1', text: 'Look.', summary: true, seal: { format: 'openai-responses-v1', kind: 'encrypted', value: 'gAAA' } },
        { type: 'text', text: 'One moment.', phase: 'commentary' },
        { type: 'tool-call', id: 'call_a', name: 'weather', form: 'function', input: '{ "city":"Bern" }' },
        { type: 'tool-call', id: 'call_b', name: 'code', form: 'custom', input: 'print(1)' },
      ],
    },
    { role: 'tool', parts: [{ type: 'tool-result', callId: 'call_a', content: [{ type: 'text', text: 'Rain' }] }] },
    {
      role: 'tool', parts: [{
        type: 'tool-result', callId: 'call_b',
        content: [{ type: 'text', text: '1' }, { type: 'media', kind: 'image', source: { from: 'url', url: 'https://example.com/a.png' }, detail: 'low' }],
      }],
    },
    { role: 'developer', parts: [{ type: 'text', text: 'Now.' }] },
  ])
})

test('pictures, files and sound come by address, as data or by an id', () => {
  const [message] = messages([{ role: 'user', content: [
    { type: 'input_image', image_url: 'data:image/png;base64,AAAA' }, { type: 'input_image', file_id: 'file-1' },
    { type: 'input_file', file_url: 'https://example.com/a.pdf' }, { type: 'input_file', file_data: 'data:application/pdf;base64,AAAA', filename: 'a.pdf' },
    { type: 'input_file', file_id: 'file-2' }, { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } },
  ] }])
  assert.deepEqual(message!.parts.map((part) => part.type === 'media' && [part.kind, part.source.from, part.name]), [
    ['image', 'data', undefined], ['image', 'id', undefined], ['file', 'url', undefined], ['file', 'data', 'a.pdf'], ['file', 'id', undefined], ['audio', 'data', undefined],
  ])
})

test('the seal of a call or of a text finds it again, and a signed thought its very words', () => {
  const gemini = { format: 'google-gemini-v1', kind: 'encrypted' as const, value: 'R2Vt' }
  const claude = { format: 'anthropic-claude-v1', kind: 'signature' as const, value: 'Q2xh' }
  const [turn] = messages([
    { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: closed({ seal: claude, text: 'The very words.' }) },
    { role: 'assistant', content: 'Done.' },
    { type: 'reasoning', id: 'rs_2', summary: [], encrypted_content: closed({ seal: gemini, on: { text: true } }) },
    { type: 'function_call', call_id: 'call_a', name: 'f', arguments: '{}' },
    { type: 'reasoning', id: 'rs_3', summary: [], encrypted_content: closed({ seal: gemini, on: { call: 'call_a' } }) },
  ])
  assert.deepEqual(turn!.parts, [
    { type: 'reasoning', id: 'rs_1', text: 'The very words.', seal: claude },
    { type: 'text', text: 'Done.', seal: gemini },
    { type: 'tool-call', id: 'call_a', name: 'f', form: 'function', input: '{}', seal: gemini },
  ])
})

test("OpenRouter's marks on a thought say whose it is", () => {
  const [turn] = messages([
    { type: 'reasoning', id: 'rs_1', summary: [], content: [{ type: 'reasoning_text', text: 'Hm.' }], signature: 'c2ln', format: 'anthropic-claude-v1' },
    { role: 'user', content: 'x' },
  ])
  assert.deepEqual(turn!.parts, [{ type: 'reasoning', id: 'rs_1', text: 'Hm.', seal: { format: 'anthropic-claude-v1', kind: 'signature', value: 'c2ln' } }])
})

test('every setting is read into its canonical place', () => {
  const { operation: { request }, stream, plugins } = asked({
    input: 'Hi', stream: true, max_output_tokens: 16, temperature: 2, top_p: 0.5, top_logprobs: 3, include: ['message.output_text.logprobs', 'reasoning.encrypted_content'],
    tools: [
      { type: 'function', name: 'f', parameters: { type: 'object' }, strict: true }, { type: 'web_search', filters: {} },
      { type: 'custom', name: 'g', format: { type: 'grammar', syntax: 'lark', definition: 'start: "a"' } },
    ],
    tool_choice: { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'f' }] }, parallel_tool_calls: false,
    text: { format: { type: 'json_schema', name: 'n', schema: {}, strict: true }, verbosity: 'low' }, reasoning: { effort: 'high', summary: 'auto' },
    service_tier: 'fast', prompt_cache_key: 'k', safety_identifier: 'u', metadata: { a: 'b' }, session_id: 's', truncation: 'auto', x_new: 1,
  })
  const { messages: _, origin: __, ...rest } = request
  assert.deepEqual(rest, {
    sampling: { temperature: 2, top_p: 0.5 }, extras: { x_new: 1 }, extrasFrom: 'openai-responses',
    tools: [
      { type: 'function', name: 'f', parameters: { type: 'object' }, strict: true },
      { type: 'native', dialect: 'openai-responses', value: { type: 'web_search', filters: {} } },
      { type: 'custom', name: 'g', format: { type: 'grammar', grammar: { syntax: 'lark', definition: 'start: "a"' } } },
    ],
    toolChoice: { allowed: ['f'], required: true }, parallelToolCalls: false,
    format: { type: 'schema', name: 'n', schema: {}, strict: true }, verbosity: 'low', reasoning: { effort: 'high', summary: 'auto' },
    maxOutputTokens: 16, topLogprobs: 3, logprobs: true, serviceTier: 'priority', cacheKey: 'k', user: 'u', metadata: { a: 'b' }, session: 's',
  })
  assert.equal(stream, true)
  assert.deepEqual(plugins, [{ id: 'context-compression', enabled: true, settings: { engine: 'middle-out' } }])
})

test('tools of a namespace, and calls of them, are called by both names, so that two namespaces may have tools of one name', () => {
  const lookUp = { type: 'function', name: 'look_up', description: 'By number.', parameters: { type: 'object' } }
  const { tools, toolChoice, messages: said } = asked({
    input: [
      { role: 'user', content: 'Hi' }, { type: 'function_call', call_id: 'call_a', namespace: 'crm', name: 'look_up', arguments: '{}' },
      { type: 'custom_tool_call', call_id: 'call_b', namespace: 'crm', name: 'note', input: 'x' },
    ],
    tools: [
      { type: 'namespace', name: 'crm', description: 'Customers.', tools: [lookUp, { type: 'custom', name: 'note' }] },
      { type: 'namespace', name: 'shop', tools: [lookUp] }, lookUp,
    ],
    tool_choice: { type: 'allowed_tools', tools: [{ type: 'function', namespace: 'crm', name: 'look_up' }, { type: 'function', name: 'look_up' }] },
  }).operation.request
  assert.deepEqual(tools, [
    { ...lookUp, name: 'crm__look_up', description: 'By number.\n\nAll tools of crm: Customers.' }, { type: 'custom', name: 'crm__note' },
    { ...lookUp, name: 'shop__look_up' }, lookUp,
  ])
  assert.deepEqual(toolChoice, { allowed: ['crm__look_up', 'look_up'], required: false })
  assert.deepEqual(said[1]!.parts, [
    { type: 'tool-call', id: 'call_a', name: 'crm__look_up', form: 'function', input: '{}' }, { type: 'tool-call', id: 'call_b', name: 'crm__note', form: 'custom', input: 'x' },
  ])
})

test('without truncation nothing is cut out of the input, wherever it goes', () => {
  assert.deepEqual(asked({ input: 'Hi' }).plugins, [{ id: 'context-compression', enabled: false, settings: {} }])
  assert.deepEqual(asked({ input: 'Hi', truncation: 'disabled' }).plugins, [{ id: 'context-compression', enabled: false, settings: {} }])
  assert.deepEqual(asked({ input: 'Hi', plugins: [{ id: 'context-compression' }] }).plugins, [{ id: 'context-compression', enabled: true, settings: {} }])
})

test('a bad field is named by its deepest path, with what is wrong and what would be right', () => {
  const cases: readonly [object, RegExp][] = [
    [{ input: 5 }, /^input \| input: must be a string or a list, is 5/],
    [{}, /^input \| input: is required/],
    [{ input: [] }, /^input \| input: must have at least one item/],
    [{ input: 'x', max_output_tokens: 15 }, /^max_output_tokens \| .*a whole number of at least 16, is 15/],
    [{ input: 'x', temperature: 2.1 }, /^temperature \| .*from 0 to 2, is 2\.1/],
    [{ input: 'x', top_p: -1 }, /^top_p \| .*from 0 to 1, is -1/],
    [{ input: 'x', top_logprobs: 21 }, /^top_logprobs \| .*from 0 to 20/],
    [{ input: 'x', truncation: 'middle' }, /^truncation \| .*one of "auto", "disabled", is "middle"/],
    [{ input: 'x', include: ['everything'] }, /^include\[0\] \| .*one of "reasoning\.encrypted_content"/],
    [{ input: 'x', service_tier: 'gold' }, /^service_tier \| /],
    [{ input: 'x', metadata: { a: 1 } }, /^metadata\.a \| .*a string, is 1/],
    [{ input: 'x', metadata: Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`k${at}`, 'v'])) }, /^metadata \| .*at most 16 pairs, has 17/],
    [{ input: 'x', text: { format: { type: 'json_schema', name: 'n' } } }, /^text\.format\.schema \| .*is required/],
    [{ input: 'x', text: { format: { type: 'yaml' } } }, /^text\.format\.type \| /],
    [{ input: 'x', reasoning: { effort: 'huge' } }, /^reasoning\.effort \| .*"xhigh", "max", is "huge"/],
    [{ input: 'x', reasoning: { effort: 'low', max_tokens: 5 } }, /^reasoning\.max_tokens \| .*contradicts reasoning\.effort/],
    [{ input: 'x', tool_choice: 'required' }, /^tool_choice \| .*tools is empty/],
    [{ input: 'x', tools: [{ type: 'function', name: 'f' }], tool_choice: { type: 'function' } }, /^tool_choice\.name \| /],
    [{ input: 'x', tools: [{ type: 'function' }] }, /^tools\[0\]\.name \| .*is required/],
    [{ input: 'x', tools: [{ name: 'f' }] }, /^tools\[0\]\.type \| .*is required/],
    [{ input: 'x', provider: { sortt: 'price' } }, /^provider\.sortt \| Unrecognized key/],
    [{ input: 'x', prompt: { id: 'pmpt_1' } }, /^prompt \| .*cannot be read here/],
    [{ input: 'x', previous_response_id: 'gen-1', conversation: 'conv_1' }, /^previous_response_id \| .*contradicts conversation/],
    [{ input: ['x'] }, /^input\[0\] \| .*must be an object, is "x"/],
    [{ input: [{ role: 'robot', content: 'x' }] }, /^input\[0\]\.role \| .*"user", "assistant", "system", "developer", is "robot"/],
    [{ input: [{ role: 'user' }] }, /^input\[0\]\.content \| .*is required/],
    [{ input: [{}] }, /^input\[0\] \| .*needs a type, or a role and content/],
    [{ input: [{ role: 'user', content: [{ type: 'input_text' }] }] }, /^input\[0\]\.content\[0\]\.text \| .*is required/],
    [{ input: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }] }, /^input\[0\]\.content\[0\]\.type \| .*must be one of "input_text"/],
    [{ input: [{ role: 'user', content: [{ type: 'input_image' }] }] }, /^input\[0\]\.content\[0\] \| .*needs image_url/],
    [{ input: [{ role: 'user', content: [{ type: 'input_file', file_url: 'file:///etc/passwd' }] }] }, /^input\[0\]\.content\[0\]\.file_url \| .*must be an http/],
    [{ input: [{ type: 'function_call', call_id: 'a', name: 'f' }] }, /^input\[0\]\.arguments \| .*is required/],
    [{ input: [{ type: 'function_call_output', call_id: 'a', output: 5 }] }, /^input\[0\]\.output \| .*a string or a list, is 5/],
    [{ input: [{ role: 'user', content: 'x' }, { type: 'item_reference', id: 'rs_1' }] }, /^input\[1\]\.id \| .*was not kept here: "rs_1"\. Send the item itself/],
  ]
  for (const [body, message] of cases) assert.match(refused({ model: 'a/b', ...body }), message, JSON.stringify(body))
  assert.match(refused({ input: 'x' }), /^model \| No model was named/)
  assert.match(refused('x'), /The body must be an object/)
})

test('an item of a type that nobody knows here is kept for a provider who does', () => {
  const item = { type: 'shell_call', id: 'sh_1', action: { commands: ['ls'] } }
  assert.deepEqual(messages([item, { role: 'user', content: 'x' }])[0]!.parts, [{ type: 'native', dialect: 'openai-responses', value: item }])
})
