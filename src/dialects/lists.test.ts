import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { fc } from '../../test/properties.ts'
import { base64Of, FAULTS, malformed, numbersOf, type EmbedRequest, type Operation, type RerankRequest } from '../core/index.ts'
import type { Inbound, Outbound, Target } from './dialect.ts'
import { DIALECTS } from './index.ts'
import { aTarget } from './laws/endpoint.ts'
import { assertEvents } from './laws/fixtures.ts'

/**
 * The faces for embeddings and rankings. Golden fixtures, written by hand from what vendors take and send, lie in
 * `fixtures/embed` and `fixtures/rerank` of a dialect: `requests`, `wholes`, `faults`. Where callers speak the same
 * format, what is written and read again is what it was.
 */

type EndpointGiven = NonNullable<Parameters<typeof aTarget>[0]>

interface RequestFixture {
  readonly says: string
  readonly endpoint?: EndpointGiven
  readonly target?: Partial<Omit<Target, 'endpoint'>>
  readonly request: object
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly dropped?: readonly string[]
  /** The one input or document of the request, so many times. */
  readonly times?: number
  /** How many inputs or documents are in each piece, where it takes several. */
  readonly pieces?: readonly number[]
  readonly fault?: { readonly kind: string; readonly field: string; readonly says: string }
}

interface WholeFixture {
  readonly says: string
  readonly endpoint?: EndpointGiven
  readonly body: unknown
  readonly events: readonly unknown[]
}

interface FaultFixture {
  readonly says: string
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: unknown
  readonly fault: { readonly kind: string; readonly code?: string; readonly without?: string }
}

const read = <T>(file: string, folder: URL): T => JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as T

function fixtures<Request extends Operation['request']>(name: string, folder: URL, outbound: Outbound<Request>, bare: object): void {
  const of = (what: string): URL => new URL(`${what}/`, folder)
  const inFolder = <T>(what: string): readonly [string, T][] =>
    (existsSync(of(what)) ? readdirSync(of(what)).map((file) => [file.slice(0, -5), read<T>(file, of(what))]) : [])
  for (const [file, fixture] of inFolder<RequestFixture>('requests')) {
    test(`${name}: writes ${file}: ${fixture.says}`, () => {
      const target = aTarget({ dialect: name, ...fixture.endpoint }, fixture.target)
      const request = repeated({ ...bare, extras: {}, ...fixture.request }, fixture.times) as unknown as Request
      if (fixture.pieces) {
        const sizes = outbound.split!(request, target).map((piece) => ('inputs' in piece ? piece.inputs : 'documents' in piece ? piece.documents : []).length)
        assert.deepEqual(sizes, fixture.pieces)
        return
      }
      const out = outbound.encode(request, target)
      if (fixture.fault) {
        assert.ok('fault' in out, 'a fault was due')
        assert.equal(out.fault.kind, fixture.fault.kind)
        assert.equal(out.fault.field, fixture.fault.field)
        assert.ok(out.fault.message.startsWith(`${fixture.fault.field}: `) && out.fault.message.includes(fixture.fault.says), out.fault.message)
        return
      }
      assert.ok('body' in out, JSON.stringify(out))
      assert.equal(out.path, fixture.path)
      assert.deepEqual(JSON.parse(Buffer.from(out.body as string).toString()), fixture.body)
      assert.deepEqual(out.headers, fixture.headers ?? {})
      assert.deepEqual([...out.dropped].toSorted(), [...fixture.dropped ?? []].toSorted())
    })
  }
  for (const [file, fixture] of inFolder<WholeFixture>('wholes')) {
    const bytes = Buffer.from(typeof fixture.body === 'string' ? fixture.body : JSON.stringify(fixture.body))
    const target = aTarget({ dialect: name, ...fixture.endpoint })
    test(`${name}: reads ${file}: ${fixture.says}`, () => assertEvents(outbound.decodeReply(bytes, target), fixture.events))
    test(`${name}: ${file} is the same wherever its bytes are divided, and cut anywhere it is a fault and never half an answer`, () => {
      const whole = outbound.decodeReply(bytes, target)
      for (let at = 1; at < bytes.length; at++) {
        const decoder = outbound.decoder(target)
        assert.deepEqual([...decoder.push(bytes.subarray(0, at)), ...decoder.push(bytes.subarray(at)), ...decoder.end()], whole, `divided at ${at}`)
        const cut = outbound.decodeReply(bytes.subarray(0, at), target)
        assert.equal(malformed(cut), null)
        if (bytes.subarray(at).toString().trim() !== '') assert.equal(cut.at(-1)?.type, 'fault', `cut at ${at}`)
      }
    })
  }
  for (const [file, fixture] of inFolder<FaultFixture>('faults')) {
    test(`${name}: reads a failure, ${file}: ${fixture.says}`, () => {
      const body = typeof fixture.body === 'string' ? fixture.body : JSON.stringify(fixture.body)
      const found = outbound.decodeFault(fixture.status, fixture.headers ?? {}, Buffer.from(body), aTarget({ dialect: name }))
      assert.equal(found.kind, fixture.fault.kind)
      if (fixture.fault.code !== undefined) assert.equal(found.upstream?.code, fixture.fault.code)
      if (fixture.fault.without !== undefined) assert.ok(!JSON.stringify(found).includes(fixture.fault.without), JSON.stringify(found))
    })
  }
  test(`${name}: reads any bytes as no answer, and a refused key as the operator's affair`, () => {
    for (const body of ['', 'null', '[]', '{}', '<html><title>Busy</title>', '{"data":7}', '{"data":[{}]}', '{"results":[{"index":-1}]}', '{"embeddings":{}}', '{"error":{"message":"no"}}', '\u0000']) {
      const events = outbound.decodeReply(Buffer.from(body), aTarget({ dialect: name }))
      assert.deepEqual(events.map(({ type }) => type), ['fault'], body)
      assert.equal(FAULTS[outbound.decodeFault(401, {}, Buffer.from(body), aTarget({ dialect: name })).kind].blame, 'operator', body)
    }
  })
}

/** A request with what it lists, so many times over. */
function repeated(request: Readonly<Record<string, unknown>>, times = 1): object {
  const over = (key: string): readonly unknown[] => Array.from({ length: times }, () => request[key] as readonly unknown[]).flat()
  return times === 1 ? request : { ...request, ...('inputs' in request ? { inputs: over('inputs') } : { documents: over('documents') }) }
}

for (const [name, { embed, rerank }] of DIALECTS) {
  const folder = (operation: string): URL => new URL(`${name}/fixtures/${operation}/`, import.meta.url)
  // Formats that have another's face for an operation have no fixtures for it.
  if (embed?.outbound && embed.outbound.dialect === name) {
    describe(`${name}, embeddings`, () => fixtures(name, folder('embed'), embed.outbound!, { inputs: [], encoding: 'float' }))
    test(`${name} has golden fixtures for its embeddings`, () => assert.ok(existsSync(folder('embed'))))
  }
  if (rerank?.outbound && rerank.outbound.dialect === name) {
    describe(`${name}, rankings`, () => fixtures(name, folder('rerank'), rerank.outbound!, { query: 'q', documents: [] }))
    test(`${name} has golden fixtures for its rankings`, () => assert.ok(existsSync(folder('rerank'))))
  }
}

const QUIRKS = ['base64-embeddings', 'multimodal-embeddings', 'embeddings-input-type']
const text = fc.string({ minLength: 1 })
const textPart = fc.record({ type: fc.constant('text' as const), text })
const image = fc.constant({ type: 'media' as const, kind: 'image' as const, source: { from: 'data' as const, mime: 'image/png', base64: 'iVBORw==' } })
const tokens = fc.record({ tokens: fc.array(fc.nat(), { minLength: 1, maxLength: 5 }) })
/** A body's inputs are of one kind: texts, tokens, or lists of parts. */
const inputs = fc.oneof(
  fc.array(fc.record({ parts: fc.tuple(textPart) }), { minLength: 1, maxLength: 5 }),
  fc.array(tokens, { minLength: 1, maxLength: 5 }),
  fc.array(fc.record({ parts: fc.tuple(textPart, image) }), { minLength: 1, maxLength: 3 }),
)
const extras = fc.dictionary(fc.constantFrom('x_one', 'x_two'), fc.oneof(fc.nat(), fc.string()))
const embedRequest = fc.record({
  inputs, encoding: fc.constantFrom('float' as const, 'base64' as const), dimensions: fc.integer({ min: 1, max: 4096 }), inputType: fc.constantFrom('search_query', 'other'), extras,
}, { requiredKeys: ['inputs', 'encoding', 'extras'] }) as fc.Arbitrary<EmbedRequest>
const rerankRequest = fc.record({
  query: text, topN: fc.integer({ min: 1, max: 50 }), extras,
  documents: fc.array(fc.oneof(fc.record({ text: fc.string() }), fc.record({ text: fc.string(), image: fc.constant('https://a.example/b.png') })), { minLength: 1, maxLength: 5 }),
}, { requiredKeys: ['query', 'documents', 'extras'] }) as fc.Arbitrary<RerankRequest>

function roundTrip<O extends Operation>(name: string, inbound: Inbound<O>, outbound: Outbound<O['request']>, requests: fc.Arbitrary<O['request']>): void {
  test(`${name}: what is written and read again is what it was, with whatever it says beyond what we know`, () => {
    fc.assert(fc.property(requests, (request) => {
      const out = outbound.encode(request, aTarget({ dialect: name, quirks: QUIRKS }))
      assert.ok('body' in out, JSON.stringify(out))
      const back = inbound.decode(JSON.parse(Buffer.from(out.body as string).toString()))
      assert.ok('asked' in back, JSON.stringify(back))
      const { origin: _, ...again } = back.asked.operation.request
      assert.deepEqual(again, JSON.parse(JSON.stringify(request)))
    }), { numRuns: 300 })
  })
}

const { embed } = DIALECTS.get('openai-embeddings')!
const { rerank } = DIALECTS.get('jina-rerank')!
roundTrip('openai-embeddings', embed!.inbound!, embed!.outbound!, embedRequest)
roundTrip('jina-rerank', rerank!.inbound!, rerank!.outbound!, rerankRequest)

test('a vector of 32-bit floats is the same as numbers and as base64, there and back', () => {
  fc.assert(fc.property(fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 }), (vector) => {
    assert.deepEqual(numbersOf(base64Of(vector)), vector)
    assert.equal(base64Of(numbersOf(base64Of(vector))), base64Of(vector))
  }))
  assert.deepEqual(numbersOf('AACAPwAAAMA='), [1, -2])
  assert.equal(base64Of([1, -2]), 'AACAPwAAAMA=')
})
