import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { collectNow, type ChatRequest, type JsonObject, type Part } from '../../core/index.ts'
import type { Target } from '../dialect.ts'
import { chatRequests } from '../laws/arbitrary.ts'
import { aTarget } from '../laws/endpoint.ts'
import { ruleBroken, subsetBroken } from './contents-rules.ts'
import { decodeReply } from './decoder.ts'
import { encode } from './encode.ts'
import { nameOf, wireName } from './names.ts'
import { toSubset } from './schemas.ts'
import { fc } from '../../../test/properties.ts'

const REQUESTS = new URL('fixtures/requests/', import.meta.url)

interface Fixture {
  readonly says: string
  readonly endpoint: { readonly upstreamModel: string; readonly outputModalities?: readonly string[] }
  readonly stream: boolean
  readonly target?: Partial<Target>
  readonly request: Omit<ChatRequest, 'sampling' | 'extras'> & Partial<ChatRequest>
  readonly path?: string
  readonly body?: unknown
  readonly dropped?: readonly string[]
  readonly fault?: { readonly kind: string; readonly field: string; readonly says: string }
}

const generationOf = (model: string): number => Number(/gemini-(\d+(?:\.\d+)?)/.exec(model)?.[1] ?? 2.5)

function targetOf({ endpoint, stream, target }: Pick<Fixture, 'endpoint' | 'stream' | 'target'>): Target {
  const { outputModalities, ...rest } = endpoint
  return aTarget({ ...rest, ...(outputModalities && { outputModalities: new Set(outputModalities) }) }, { stream, ...target })
}

for (const file of readdirSync(REQUESTS)) {
  const fixture = JSON.parse(readFileSync(new URL(file, REQUESTS), 'utf8')) as Fixture
  test(`writes ${file.slice(0, -5)}: ${fixture.says}`, () => {
    const out = encode({ sampling: {}, extras: {}, ...fixture.request }, targetOf(fixture))
    if (fixture.fault) {
      assert.ok('fault' in out, 'a fault was due')
      assert.equal(out.fault.kind, fixture.fault.kind)
      assert.equal(out.fault.field, fixture.fault.field)
      assert.ok(out.fault.message.startsWith(`${fixture.fault.field}: `) && out.fault.message.includes(fixture.fault.says), out.fault.message)
      return
    }
    assert.ok(!('fault' in out), JSON.stringify(out))
    assert.equal(out.path, fixture.path)
    assert.deepEqual(JSON.parse(String(out.body)), fixture.body)
    assert.deepEqual([...out.dropped].toSorted(), [...fixture.dropped!].toSorted())
    assert.equal(ruleBroken(JSON.parse(String(out.body)), generationOf(fixture.endpoint.upstreamModel)), null)
  })
}

const text = fc.oneof(fc.constantFrom('', ' ', 'Hi', 'ü👋'), fc.string({ maxLength: 8 }))
const seal = fc.option(fc.record({
  format: fc.constantFrom('google-gemini-v1', 'anthropic-claude-v1'), kind: fc.constantFrom('encrypted' as const, 'signature' as const), value: fc.constantFrom('', 's1', 's2'),
}), { nil: undefined })
const callId = fc.constantFrom('a', 'b', 'call_0')
const toolName = fc.constantFrom('f', 'get.it', '1st try', 'esc__x', 'grüß')
const textPart = fc.record({ type: fc.constant('text' as const), text, seal })
const media = fc.record({
  type: fc.constant('media' as const), kind: fc.constantFrom('image' as const, 'file' as const, 'audio' as const, 'video' as const),
  source: fc.oneof(
    fc.record({ from: fc.constant('data' as const), mime: fc.constant('image/png'), base64: fc.constant('AAEC') }),
    fc.record({ from: fc.constant('url' as const), url: fc.constantFrom('https://x.example/a.png', 'https://youtu.be/1') }),
    fc.record({ from: fc.constant('id' as const), id: fc.constantFrom('files/a', 'file-1') }),
  ),
  seal,
})
const call = fc.record({
  type: fc.constant('tool-call' as const), id: callId, name: toolName, form: fc.constantFrom('function' as const, 'custom' as const),
  input: fc.constantFrom('', '{}', '{"a":[1,{"b":null}]}', 'oops', '[1]', '"x"', `${'['.repeat(99)}`, '{"__proto__":{"a":1}}'), seal,
})
const result = fc.record({ type: fc.constant('tool-result' as const), callId, content: fc.array(fc.oneof(textPart, media), { maxLength: 2 }), failed: fc.boolean() })
const reasoning = fc.record({ type: fc.constant('reasoning' as const), text, seal })
const native = fc.record({ type: fc.constant('native' as const), dialect: fc.constantFrom('openai-chat', 'google-generate-content'), value: fc.constant({ executableCode: { code: '1' } }) })
const refusal = fc.record({ type: fc.constant('refusal' as const), text })

const message = fc.oneof(
  fc.record({ role: fc.constantFrom('system' as const, 'developer' as const), parts: fc.array(textPart, { maxLength: 2 }) }),
  fc.record({ role: fc.constant('user' as const), parts: fc.array(fc.oneof(textPart, media), { maxLength: 3 }) }),
  fc.record({ role: fc.constant('assistant' as const), parts: fc.array(fc.oneof(textPart, refusal, reasoning, native, call, media), { maxLength: 4 }) }),
  fc.record({ role: fc.constant('tool' as const), parts: fc.array(result, { minLength: 1, maxLength: 2 }) }),
)

/** Schemas with everything that the older subset has not, references to themselves among it. */
const { schema } = fc.letrec<{ schema: JsonObject }>((tie) => ({
  schema: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<JsonObject>(
      { type: 'string', format: 'email' }, { type: ['integer', 'null'] }, { type: ['string', 'number'] }, { const: 'x' }, { const: 3 }, { enum: [1, 2] },
      { enum: ['a', null] }, { type: 'null' }, {}, { $ref: '#/$defs/loop' }, { $ref: '#' }, { $ref: '#/nowhere' }, { type: 'array' },
    ),
    fc.record({ type: fc.constant('array'), items: tie('schema') }),
    fc.record({ type: fc.constant('array'), prefixItems: fc.array(tie('schema'), { minLength: 1, maxLength: 2 }) }),
    fc.record({ oneOf: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }), description: fc.constant('d') }),
    fc.record({ allOf: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ type: fc.constant('object'), properties: fc.dictionary(fc.constantFrom('a', 'b', '$ref', 'type'), tie('schema'), { maxKeys: 3 }), required: fc.constant(['a', 'zz']), additionalProperties: fc.boolean() }),
  ),
}))
const rooted = schema.map((it): JsonObject => ({ ...it, $defs: { loop: { type: 'object', properties: { again: { $ref: '#/$defs/loop' }, more: { type: 'array', items: { $ref: '#/$defs/loop' } } } } } }))

const request: fc.Arbitrary<ChatRequest> = fc.record({
  messages: fc.array(message, { minLength: 1, maxLength: 8 }),
  tools: fc.option(fc.uniqueArray(fc.record({ type: fc.constant('function' as const), name: toolName, parameters: rooted }), { selector: (tool) => tool.name, maxLength: 3 }), { nil: undefined }),
  toolChoice: fc.option(fc.constantFrom('auto' as const, 'none' as const, 'required' as const, { tool: 'f' }, { allowed: ['f'], required: false }, { allowed: ['f'], required: true }), { nil: undefined }),
  format: fc.option(fc.oneof(fc.constant({ type: 'json' as const }), rooted.map((it) => ({ type: 'schema' as const, name: 's', schema: it }))), { nil: undefined }),
  maxOutputTokens: fc.option(fc.integer({ min: 1, max: 1e6 }), { nil: undefined }),
  stop: fc.option(fc.array(fc.constantFrom('', 'a', 'b'), { maxLength: 7 }), { nil: undefined }),
  seed: fc.option(fc.maxSafeInteger(), { nil: undefined }),
  logprobs: fc.option(fc.boolean(), { nil: undefined }),
  topLogprobs: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
  reasoning: fc.option(fc.constantFrom({}, { effort: 'high' as const }, { maxTokens: 100 }, { enabled: true }, { effort: 'none' as const }, { exclude: true }), { nil: undefined }),
  sampling: fc.constant({}),
  extras: fc.constant({}),
})
const REASONING = [
  { supported: false }, { supported: true }, { supported: true, efforts: ['low' as const, 'high' as const] }, { supported: true, budgetTokens: { min: 128, max: 1000 } },
]

test('never writes what Gemini answers 400 to, whatever a history looks like, on any generation', () => {
  let written = 0
  fc.assert(fc.property(request, fc.constantFrom('gemini-2.0-flash', 'gemini-2.5-flash', 'gemini-3-flash'), fc.constantFrom(...REASONING), (it, model, support) => {
    const out = encode(it, aTarget({ upstreamModel: model, reasoning: support }))
    if ('fault' in out) {
      assert.equal(out.fault.kind, 'invalid-request')
      assert.ok(out.fault.field && out.fault.message.includes(out.fault.field))
      return
    }
    written++
    assert.equal(ruleBroken(JSON.parse(String(out.body)), generationOf(model)), null)
  }), { numRuns: 1500 })
  assert.ok(written > 200, `only ${written} of the requests were written`)
})

test('never writes what Gemini answers 400 to for any request that the laws know', () => {
  let written = 0
  fc.assert(fc.property(chatRequests(fc), fc.constantFrom('gemini-2.0-flash', 'gemini-2.5-flash', 'gemini-3-flash'), (it, model) => {
    const out = encode(it, aTarget({ upstreamModel: model }))
    if ('fault' in out) return
    written++
    assert.equal(ruleBroken(JSON.parse(String(out.body)), generationOf(model)), null)
  }), { numRuns: 500 })
  assert.ok(written > 100, `only ${written} of the requests were written`)
})

test('turns any schema into one of the subset, however it refers to itself', () => {
  fc.assert(fc.property(rooted, (it) => {
    const converted = toSubset(it)
    if (converted) assert.equal(subsetBroken(converted), null)
  }), { numRuns: 1500 })
})

test('does not write out references without end', () => {
  const doubling: Record<string, JsonObject> = { n0: { type: 'string' } }
  for (let i = 1; i < 40; i++) doubling[`n${i}`] = { type: 'object', properties: { a: { $ref: `#/$defs/n${i - 1}` }, b: { $ref: `#/$defs/n${i - 1}` } } }
  const converted = toSubset({ type: 'object', properties: { x: { $ref: '#/$defs/n39' } }, $defs: doubling })
  assert.ok(JSON.stringify(converted).length < 1_000_000)
})

test('keeps what the subset can say of a schema', () => {
  assert.deepEqual(toSubset({
    type: 'object', title: 'T', additionalProperties: false, $schema: 'x',
    properties: {
      kind: { const: 'a' }, level: { enum: [1, 2], description: 'How.' }, mail: { type: 'string', format: 'email', minLength: 3 },
      when: { type: 'string', format: 'date-time' }, either: { oneOf: [{ type: 'string' }, { type: 'integer' }, { type: 'null' }], description: 'Either.' },
      pair: { type: 'array', prefixItems: [{ type: 'string' }, { type: 'number' }] }, both: { allOf: [{ type: 'object', properties: { a: { type: 'string' } }, required: ['a'] }, { properties: { b: {} } }] },
      maybe: { anyOf: [{ $ref: '#/definitions/node' }, { type: 'null' }] },
    },
    required: ['kind', 'gone'], definitions: { node: { type: 'object', properties: { next: { $ref: '#/definitions/node' } } } },
  }), {
    type: 'object', title: 'T',
    properties: {
      kind: { type: 'string', enum: ['a'] }, level: { type: 'integer', description: 'How. One of: 1, 2.' }, mail: { type: 'string', minLength: 3 },
      when: { type: 'string', format: 'date-time' }, either: { anyOf: [{ type: 'string' }, { type: 'integer' }], description: 'Either.', nullable: true },
      pair: { type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'number' }] } },
      both: { type: 'object', properties: { a: { type: 'string' }, b: {} }, required: ['a'] },
      maybe: { type: 'object', properties: { next: { type: 'object' } }, nullable: true },
    },
    required: ['kind'],
  })
})

test('knows from a name on the wire what the caller called the tool', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), fc.constantFrom('function' as const, 'custom' as const), (name, form) => {
    const wire = wireName(name, form)
    assert.match(wire, /^[A-Za-z_][A-Za-z0-9_.:-]*$/)
    assert.deepEqual(nameOf(wire), { name, form })
  }))
})

test('gives a reply back as it came, every part with its own signature', () => {
  const parts = [
    { text: 'Hm', thought: true, thoughtSignature: 's0' }, { text: 'One', thoughtSignature: 's1' }, { text: 'two' },
    { functionCall: { name: 'f', args: { a: 1 } }, thoughtSignature: 's2' }, { functionCall: { name: 'g', args: {} } },
    { executableCode: { language: 'PYTHON', code: '1' }, thoughtSignature: 's3' }, { inlineData: { mimeType: 'image/png', data: 'AAEC' }, thoughtSignature: 's4' },
    { text: '', thoughtSignature: 's5' },
  ]
  const target = aTarget({ upstreamModel: 'gemini-3-flash' })
  const reply = collectNow(decodeReply(Buffer.from(JSON.stringify({ responseId: 'r', candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP' }] })), target))
  const out = encode({
    messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hi' }] }, { role: 'assistant', parts: reply.choices[0]!.parts as Part[] }],
    sampling: {}, extras: {},
  }, target)
  assert.ok(!('fault' in out))
  assert.deepEqual((JSON.parse(String(out.body)) as { contents: { parts: unknown[] }[] }).contents[1]!.parts, parts)
})
