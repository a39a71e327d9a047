import type * as FastCheck from 'fast-check'
import type { Arbitrary } from 'fast-check'
import {
  EFFORTS, SAMPLING, type Annotation, type CacheMark, type ChatRequest, type JsonObject, type Message, type OutputFormat, type Part, type Reasoning,
  type Seal, type Tool, type ToolChoice, type ToolResultPart,
} from '../../core/index.ts'
import { parseUpstream } from '../json.ts'

/**
 * Canonical requests of every sort, for the laws that hold for all dialects. fast-check is handed in: it is no
 * package of the server, and this is no test.
 */
export function chatRequests(fc: typeof FastCheck): Arbitrary<ChatRequest> {
  const text = fc.oneof(fc.string({ minLength: 1, unit: 'grapheme', maxLength: 12 }), fc.constantFrom('Hi', '"quoted"\n', '\\', '<think>', '{"a":1}', '漢字🌍'))
  const word = fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9_-]{0,11}$/)
  const base64 = fc.base64String({ minLength: 4, maxLength: 16 })
  const cache: Arbitrary<CacheMark> = fc.constantFrom({}, { ttl: '5m' }, { ttl: '1h' })
  const json = fc.jsonValue({ maxDepth: 2, noUnicodeString: false }).map((value) => plainJson(value))
  const object: Arbitrary<JsonObject> = fc.dictionary(word, json, { maxKeys: 3, noNullPrototype: true })

  /** A record without the keys that turned out undefined. */
  function record<T extends object>(shape: { [K in keyof T]: Arbitrary<T[K]> }, optional: readonly (keyof T)[]): Arbitrary<T> {
    const required = (Object.keys(shape) as (keyof T)[]).filter((key) => !optional.includes(key))
    return fc.record(shape, { requiredKeys: required as never, noNullPrototype: true }) as Arbitrary<T>
  }

  const seal = (kind: Seal['kind']): Arbitrary<Seal> =>
    fc.record({ format: fc.constantFrom('anthropic-claude-v1', 'google-gemini-v1', 'openai-responses-v1', 'unknown'), kind: fc.constant(kind), value: base64 }, { noNullPrototype: true })

  const annotation: Arbitrary<Annotation> = record(
    { type: fc.constant('citation' as const), url: fc.webUrl(), title: text, content: text, start: fc.nat(99), end: fc.nat(99) }, ['title', 'content'],
  )

  const textPart: Arbitrary<Part> = record(
    { type: fc.constant('text' as const), text, cache, seal: seal('encrypted'), annotations: fc.array(annotation, { minLength: 1, maxLength: 2 }) }, ['cache', 'seal', 'annotations'],
  )

  const where = (mime: string) => fc.oneof(
    fc.webUrl().map((url) => ({ from: 'url' as const, url })),
    base64.map((data) => ({ from: 'data' as const, mime, base64: data })),
    word.map((id) => ({ from: 'id' as const, id: `file-${id}` })),
  )
  const media = fc.constant('media' as const)
  const image: Arbitrary<Part> = record({ type: media, kind: fc.constant('image' as const), source: where('image/png'), detail: fc.constantFrom('auto', 'low', 'high'), cache }, ['detail', 'cache'])
  const file: Arbitrary<Part> = record({ type: media, kind: fc.constant('file' as const), source: where('application/pdf'), name: word, cache }, ['name', 'cache'])
  const video: Arbitrary<Part> = record({ type: media, kind: fc.constant('video' as const), source: where('video/mp4'), detail: fc.constantFrom('agentic', 'static') }, ['detail'])
  const audio: Arbitrary<Part> = fc.record({
    type: media, kind: fc.constant('audio' as const), source: base64.map((data) => ({ from: 'data' as const, mime: 'audio/x-other', base64: data })), detail: fc.constantFrom('mp3', 'wav'),
  }, { noNullPrototype: true })
  const native: Arbitrary<Part> = fc.record({ type: fc.constant('native' as const), dialect: fc.constant('another'), value: json }, { noNullPrototype: true })

  const reasoning: Arbitrary<Part> = fc.oneof(
    record<Part>({ type: fc.constant('reasoning' as const), text, seal: seal('signature') } as never, ['seal' as never]),
    record<Part>({ type: fc.constant('reasoning' as const), text, id: word.map((id) => `rs_${id}`), summary: fc.constant(true), seal: seal('encrypted') } as never, ['id' as never, 'seal' as never]),
    record<Part>({ type: fc.constant('reasoning' as const), text: fc.constant(''), id: word.map((id) => `rs_${id}`), seal: seal('encrypted') } as never, ['id' as never]),
    record<Part>({ type: fc.constant('reasoning' as const), text: fc.constant(''), seal: seal('signature') } as never, []),
  )
  const call: Arbitrary<Part> = record<Part>({
    type: fc.constant('tool-call' as const), id: word.map((id) => `call_${id}`), name: word, form: fc.constantFrom('function', 'custom'),
    input: fc.oneof(object.map((it) => JSON.stringify(it)), fc.constant('{ "n": 12345678901234567890 }'), text), seal: fc.oneof(seal('encrypted'), seal('signature')), cache,
  } as never, ['seal' as never, 'cache' as never])
  const refusal: Arbitrary<Part> = fc.record({ type: fc.constant('refusal' as const), text }, { noNullPrototype: true })

  const result: Arbitrary<ToolResultPart> = record<ToolResultPart>({
    type: fc.constant('tool-result' as const), callId: word.map((id) => `call_${id}`), content: fc.array(fc.oneof(textPart, image), { maxLength: 2 }),
    name: word, failed: fc.boolean(), cache,
  } as never, ['name', 'failed', 'cache'])

  const named = (role: Message['role'], part: Arbitrary<Part>, min = 0) =>
    record<Message>({ role: fc.constant(role), parts: fc.array(part, { minLength: min, maxLength: 4 }), name: word }, ['name'])

  const message: Arbitrary<Message> = fc.oneof(
    named('system', textPart),
    named('developer', textPart),
    named('user', fc.oneof(textPart, image, file, video, audio)),
    named('assistant', fc.oneof(reasoning, textPart, refusal, call, image, native)).map(distinctCalls),
    fc.record({ role: fc.constant('tool' as const), parts: fc.array(result, { minLength: 1, maxLength: 2 }) }, { noNullPrototype: true }),
  )


  const tool: Arbitrary<Tool> = fc.oneof(
    record<Tool>({ type: fc.constant('function' as const), name: word, description: text, parameters: object, strict: fc.boolean(), cache } as never, ['description', 'parameters', 'strict', 'cache'] as never),
    record<Tool>({ type: fc.constant('custom' as const), name: word, description: text, format: fc.constant({ type: 'text' }) } as never, ['description', 'format'] as never),
  )

  const format: Arbitrary<OutputFormat> = fc.oneof(
    fc.constant({ type: 'text' as const }), fc.constant({ type: 'json' as const }), fc.constant({ type: 'python' as const }),
    fc.record({ type: fc.constant('grammar' as const), grammar: text }, { noNullPrototype: true }),
    record<OutputFormat>({ type: fc.constant('schema' as const), name: word, schema: object, strict: fc.boolean(), description: text } as never, ['strict', 'description'] as never),
  )

  const reasoningWish: Arbitrary<Reasoning> = fc.oneof(
    record<Reasoning>({ effort: fc.constantFrom(...EFFORTS), exclude: fc.boolean(), summary: fc.constantFrom('auto', 'concise', 'detailed') } as never, ['exclude', 'summary'] as never),
    record<Reasoning>({ maxTokens: fc.nat(100_000), exclude: fc.boolean() } as never, ['exclude'] as never),
    record<Reasoning>({ enabled: fc.boolean() } as never, []),
  )

  const sampling = fc.record(Object.fromEntries(Object.entries(SAMPLING).map(([name, { min, max, integer }]) => [
    name, (integer ? fc.integer({ min, max: max ?? 100 }) : fc.double({ min, max: max ?? 100, noNaN: true })).map(plain),
  ])), { requiredKeys: [], noNullPrototype: true }) as Arbitrary<ChatRequest['sampling']>

  /** A request with its tools, and a choice among them where there are any. */
  const withTools = fc.record({ tools: fc.uniqueArray(tool, { maxLength: 3, selector: (it) => (it.type === 'native' ? '' : it.name) }), pick: fc.nat(5), parallel: fc.boolean() })
    .map(({ tools, pick, parallel }): Partial<ChatRequest> => {
      if (tools.length === 0) return {}
      const [first] = tools
      const name = first!.type === 'native' ? '' : first!.name
      const choices: (ToolChoice | undefined)[] = ['auto', 'none', 'required', { tool: name }, { allowed: [name], required: pick % 2 === 0 }, undefined]
      const choice = choices[pick]
      return { tools, ...(choice !== undefined && { toolChoice: choice }), ...(parallel && { parallelToolCalls: false }) }
    })

  const rest = record<Omit<ChatRequest, 'messages' | 'tools' | 'toolChoice' | 'parallelToolCalls' | 'origin'>>({
    sampling, format, maxOutputTokens: fc.integer({ min: 1, max: 1e6 }), stop: fc.array(text, { minLength: 1, maxLength: 4 }), seed: fc.integer(),
    logitBias: fc.dictionary(fc.stringMatching(/^[1-9][0-9]{0,4}$/), fc.integer({ min: -100, max: 100 }).map(plain), { noNullPrototype: true }), logprobs: fc.constant(true), topLogprobs: fc.nat(20),
    reasoning: reasoningWish, choices: fc.integer({ min: 1, max: 8 }), modalities: fc.constantFrom(['text'], ['text', 'image'], ['text', 'audio']),
    audio: object, imageConfig: object, prediction: object.map((it) => ({ ...it, type: 'content' })), verbosity: fc.constantFrom('low', 'medium', 'high'),
    serviceTier: fc.constantFrom('flex', 'priority'), cache, cacheKey: word, user: word, session: word, metadata: fc.dictionary(word, text, { maxKeys: 3, noNullPrototype: true }),
    extras: fc.dictionary(word.map((key) => `x_${key}`), json.filter((value) => value !== null), { maxKeys: 2, noNullPrototype: true }),
  } as never, [
    'format', 'maxOutputTokens', 'stop', 'seed', 'logitBias', 'logprobs', 'topLogprobs', 'reasoning', 'choices', 'modalities', 'audio', 'imageConfig', 'prediction', 'verbosity',
    'serviceTier', 'cache', 'cacheKey', 'user', 'session', 'metadata',
  ])

  return fc.record({ messages: fc.array(message, { minLength: 1, maxLength: 4 }), tools: withTools, rest })
    .map(({ messages, tools, rest }) => ({ messages, ...tools, ...rest }))
}

/** Two calls of one id in one message mean nothing to anybody. */
function distinctCalls(message: Message): Message {
  return { ...message, parts: message.parts.map((part, at) => (part.type === 'tool-call' ? { ...part, id: `${part.id}${at}` } : part)) }
}

const plain = (value: number): number => (value === 0 ? 0 : value)

/** A value as it is after a way over the wire: without -0 and prototypes. */
function plainJson(value: unknown): unknown {
  const parsed = parseUpstream(JSON.stringify(value))
  return 'value' in parsed ? parsed.value : null
}
