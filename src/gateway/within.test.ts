import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import {
  collect, Departure, fault, usage,
  type ChatEvent, type ChatRequest, type Endpoint, type EventStream, type Generation, type Offer, type Preferences, type PriceSheet, type ServerTools, type Stage, type StageCall,
} from '../core/index.ts'
import type { Net } from '../net/index.ts'
import type { Providers } from '../providers/index.ts'
import { createAffinity, createHealth, DEFAULT_POLICY, routerRules } from '../routing/index.ts'
import { createFakeAmbient } from '../testing/index.ts'
import { createAdmission } from './admission.ts'
import type { Call } from './call.ts'
import { createGateway } from './gateway.ts'
import { createUpstreams } from './upstreams.ts'

/** Stages that have a model asked before the one that answers. A token costs a nano-dollar at either. */

/** What a model says, whole; `hang` waits until its caller has left, and `linger` notices that a while later. */
type Says = readonly ChatEvent[] | 'hang' | 'linger'

const SHEET: PriceSheet = { rates: { prompt: 10n ** 9n, completion: 10n ** 9n }, overrides: [], source: 'operator' }
const TIMEOUTS = { connectMs: 1000, firstTokenMs: 60_000, firstTokenReasoningMs: 60_000, idleMs: 60_000, totalMs: 60_000, preTokenTotalMs: 60_000 }

const saying = (text: string, input: number, output: number): Says => [
  { type: 'start' }, { type: 'block-open', index: 0, choice: 0, block: { type: 'text' } }, { type: 'block-delta', index: 0, text }, { type: 'block-close', index: 0 },
  { type: 'finish', choice: 0, reason: 'stop' }, { type: 'usage', usage: usage({ total: input }, { total: output }) },
]
const failing: Says = [{ type: 'start' }, { type: 'fault', fault: fault('upstream-error', 'broken') }]

function endpointAt(model: string, provider: string): Endpoint {
  return {
    id: `${model}@${provider}`, model, provider, providerName: provider.toUpperCase(), tag: provider, tier: 'default', upstreamModel: model, dialect: provider, protocols: [],
    baseUrl: 'http://127.0.0.1', price: SHEET, unpriced: null, contextLength: null, maxOutputTokens: null, maxPromptTokens: null, quantization: null,
    parameters: null, parametersSource: 'none', reasoning: { supported: false }, inputModalities: new Set(['text']), outputModalities: new Set(['text']),
    implicitCaching: false, dataPolicy: { training: null, retainsPrompts: null, retentionDays: null }, quirks: new Set(), forcedParams: null, forcedHeaders: null,
    disabled: false, deprecated: false, simulated: false,
  }
}

function offerOf(id: string, provider: string): Offer {
  return {
    requested: id, variants: [], endpoints: [endpointAt(id, provider)],
    model: {
      id, name: id, author: 'acme', kind: 'chat', status: 'active', contextLength: null, inputModalities: new Set(['text']), outputModalities: new Set(['text']),
      reasoning: { supported: false }, openWeights: false,
    },
  }
}

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

/** A gateway with acme/main, acme/reader and acme/spare, each at a provider of its name, and the stages that are given. */
function gatewayWith(stages: readonly Stage[], does: Readonly<Record<string, Says>>) {
  const ambient = createFakeAmbient()
  const records: Generation[] = []
  const asked: { provider: string; request: ChatRequest }[] = []
  const offers = new Map(['main', 'reader', 'spare'].map((name) => [`acme/${name}`, offerOf(`acme/${name}`, name)]))
  const locals = new Map(['main', 'reader', 'spare'].map((provider) => [provider, {
    async *stream(request: ChatRequest, _: Endpoint, departure: Departure): EventStream {
      asked.push({ provider, request })
      const says = does[provider] ?? failing
      if (says !== 'hang' && says !== 'linger') return yield says
      await new Promise<void>((resolve) => departure.listen(resolve))
      if (says === 'linger') for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve))
      yield [{ type: 'fault', fault: fault('cancelled', 'left') } as const]
    },
  }]))
  const limits = { concurrentRequests: 1, concurrentRequestsPerProvider: 1, keyShare: 1, queueMs: 100, eventLoopDelayMs: 0, maxRssBytes: 0 }
  const admission = createAdmission({ ambient, limits: () => limits })
  closing.push(() => admission.close())
  const gateway = createGateway({
    stages, locals, ambient, admission,
    offer(reference) {
      const offer = offers.get(reference)
      return offer ? { offer } : { fault: fault('model-not-found', `No model ${reference}`) }
    },
    models: () => { throw new Error('no router model is asked for') },
    routerRules: () => routerRules({}),
    dialects: new Map(),
    providers: () => ({ credentials: (provider: string) => [{ id: `operator:${provider}`, provider, owner: 'operator', label: '…' }], remedy: () => '' }) as unknown as Providers,
    health: createHealth(DEFAULT_POLICY, ambient.random), affinity: createAffinity(), measured: () => null, policy: () => DEFAULT_POLICY,
    timeouts: () => TIMEOUTS, net: {} as Net, large: {} as Parameters<typeof createGateway>[0]['large'], upstreams: createUpstreams({ ambient, limits: () => ({ limit: 1, keyShare: 1, queueMs: 100 }) }),
    download: () => Promise.reject(new Error('nothing is fetched here')),
    tokens: { count: (texts) => Promise.resolve(texts.map(() => 0)), close: () => Promise.resolve() },
    judge: () => { throw new Error('nothing is judged here') },
    mend: () => null,
    record: (generation) => void records.push(generation),
  })
  const departure = new Departure()
  const call = (preferences: Partial<Preferences> = {}): Call => ({
    id: 'gen-1-a', createdAt: ambient.now(), startedAt: ambient.monotonic(), surface: 'openai-chat', key: { id: 'k', workspace: 'default' },
    app: { referer: null, title: null, categories: [], userAgent: null }, departure,
    asked: {
      operation: { type: 'chat', request: { messages: [{ role: 'user', parts: [{ type: 'text', text: 'What does it say?' }] }], sampling: {}, extras: {} } },
      preferences: { models: ['acme/main'], ...preferences }, plugins: [], stream: false, ignored: [],
    },
  })
  return { gateway, records, asked, departure, call, admission }
}

/** A stage that has acme/reader asked, and puts what it says before the request. */
const reads = (models: readonly string[] = ['acme/reader']): Stage => ({
  name: 'reads',
  wants: () => true,
  async request({ asked, generate }: StageCall) {
    const { request } = asked.operation
    const made = await generate!({ models, request: { messages: [{ role: 'user', parts: [{ type: 'text', text: 'Read it.' }] }], sampling: {}, extras: {} } })
    if ('fault' in made) return { fault: made.fault }
    const text = made.reply.choices[0]!.parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
    const told = { role: 'system' as const, parts: [{ type: 'text' as const, text }] }
    return { pass: { ...asked, operation: { type: 'chat', request: { ...request, messages: [told, ...request.messages] } } }, note: { type: 'plugin', name: 'reads', summary: text } }
  },
})

const BOTH = ['acme/reader', 'acme/spare']

describe('A model that a stage asks within a call', () => {
  test('answers the stage, is charged with the answer of the call, and stands on its one record with its tokens and cost', async () => {
    const { gateway, records, asked, call } = gatewayWith([reads()], { reader: saying('It says so.', 100, 20), main: saying('So.', 10, 5) })
    const outcome = await gateway.generate(call())
    assert.ok('events' in outcome)
    const reply = await collect(outcome.events)
    assert.deepEqual(asked.map(({ provider }) => provider), ['reader', 'main'])
    assert.deepEqual(asked[1]!.request.messages[0]!.parts[0], { type: 'text', text: 'It says so.' })
    assert.equal(reply.charge!.total, 135n, '120 for the reader and 15 for the answer')
    assert.equal(reply.usage!.input.total, 10, 'tokens of another model are not those of the answer')
    assert.equal(records.length, 1)
    const [record] = records
    assert.deepEqual([record!.cost, record!.absorbed, record!.model], [135n, 0n, 'acme/main'])
    assert.deepEqual(record!.attempts.map(({ provider, within, tokens, cost }) => ({ provider, within, tokens, cost })), [
      { provider: 'reader', within: 'reads', tokens: { input: 100, output: 20 }, cost: 120n },
      { provider: 'main', within: undefined, tokens: undefined, cost: undefined },
    ])
    const pipeline = outcome.metadata()!['pipeline'] as readonly Record<string, unknown>[]
    assert.equal(pipeline[0]!['cost_usd'], 120e-9)
    await gateway.idle()
  })

  test('falls over to the next that may answer, and both attempts are on the record', async () => {
    const { gateway, records, call } = gatewayWith([reads(BOTH)], { reader: failing, spare: saying('Spared.', 1, 1), main: saying('So.', 1, 1) })
    const outcome = await gateway.generate(call())
    assert.ok('events' in outcome)
    await collect(outcome.events)
    assert.deepEqual(records[0]!.attempts.map(({ provider, outcome: of, within }) => [provider, of, within]),
      [['reader', 'failed', 'reads'], ['spare', 'answered', 'reads'], ['main', 'answered', undefined]])
  })

  test('whose answer leads to no answer of the call is paid by nobody but us', async () => {
    const { gateway, records, call } = gatewayWith([reads()], { reader: saying('Read.', 100, 20), main: failing })
    const outcome = await gateway.generate(call())
    assert.ok('fault' in outcome)
    assert.deepEqual([records.length, records[0]!.cost, records[0]!.absorbed, records[0]!.fault], [1, 0n, 120n, 'upstream-error'])
  })

  test('is on record when the stage then refuses the call, which asks nobody else', async () => {
    const refuses: Stage = { name: 'refuses', wants: () => true, request: () => Promise.resolve({ fault: fault('moderated', 'No.') }) }
    const { gateway, records, asked, call, admission } = gatewayWith([reads(), refuses], { reader: saying('Read.', 100, 20), main: saying('So.', 1, 1) })
    const outcome = await gateway.generate(call())
    assert.ok('fault' in outcome && outcome.fault.kind === 'moderated')
    assert.deepEqual(asked.map(({ provider }) => provider), ['reader'])
    assert.deepEqual(records.map(({ cost, absorbed, fault: of, attempts }) => [cost, absorbed, of, attempts.length]), [[0n, 120n, 'moderated', 1]])
    assert.deepEqual([gateway.inFlight(), admission.figures().running], [0, 0], 'and the place of the call is free')
  })

  test('that nobody knows, or that fails, is told to the stage as a fault', async () => {
    for (const [models, kind] of [[['acme/unknown'], 'model-not-found'], [['acme/reader'], 'upstream-error']] as const) {
      const { gateway, call } = gatewayWith([reads(models)], { reader: failing, spare: failing, main: saying('So.', 1, 1) })
      const outcome = await gateway.generate(call())
      assert.ok('fault' in outcome)
      assert.equal(outcome.fault.kind, kind)
    }
  })

  test('is ended when the caller leaves', async () => {
    const { gateway, asked, departure, call } = gatewayWith([reads(BOTH)], { reader: 'hang', spare: 'hang', main: saying('So.', 1, 1) })
    const calling = gateway.generate(call())
    while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve))
    departure.leave()
    const outcome = await calling
    assert.ok('fault' in outcome && outcome.fault.kind === 'cancelled')
    assert.equal(asked.length, 1, 'nobody else is asked')
    assert.equal(gateway.inFlight(), 0)
  })

  test("is held to what the caller said of data, and not to its choice among its own model's endpoints", async () => {
    const { gateway, asked, call } = gatewayWith([reads(BOTH)], { reader: saying('Read.', 1, 1), spare: saying('Read.', 1, 1), main: saying('So.', 1, 1) })
    const outcome = await gateway.generate(call({ only: ['main'], ignore: ['reader'] }))
    assert.ok('events' in outcome)
    await collect(outcome.events)
    assert.deepEqual(asked.map(({ provider }) => provider), ['spare', 'main'])
    const strict = await gateway.generate(call({ zdr: true }))
    assert.ok('fault' in strict && strict.fault.kind === 'no-endpoint')
    assert.equal(asked.length, 2, 'none of them states that it keeps nothing, so none is shown anything')
  })

  test('is not there where the call is only explained', async () => {
    let seen: StageCall | null = null
    const looks: Stage = { name: 'looks', wants: () => true, request: (call) => { seen = call; return Promise.resolve({ pass: call.asked }) } }
    const { gateway, call } = gatewayWith([looks], {})
    await gateway.explain(call().asked)
    assert.equal(seen!['generate'], undefined)
  })
})

describe('Tools that a stage runs', () => {
  const CALLS: Says = [
    { type: 'start' }, { type: 'block-open', index: 0, choice: 0, block: { type: 'tool-call', id: 'a', name: 'dig', form: 'function' } }, { type: 'block-delta', index: 0, text: '{}' },
    { type: 'block-close', index: 0 }, { type: 'finish', choice: 0, reason: 'tool_calls' }, { type: 'usage', usage: usage({ total: 10 }, { total: 5 }) },
  ]
  const digs = (turn: ServerTools['turn']): Stage => ({
    name: 'digs', wants: () => true, request: ({ asked }) => Promise.resolve({ pass: asked, tools: { runs: (name) => name === 'dig', turn, note: () => null } }),
  })

  test('and that break by a fault of ours end the call with its record and its place, and cost nothing', async () => {
    const { gateway, records, call, admission } = gatewayWith([digs(() => Promise.reject(new TypeError('a slip')))], { main: CALLS })
    const outcome = await gateway.generate(call())
    assert.ok('events' in outcome)
    await assert.rejects(collect(outcome.events), TypeError)
    assert.deepEqual([gateway.inFlight(), admission.figures().running], [0, 0])
    assert.deepEqual(records.map(({ cost, absorbed, fault: of }) => [cost, absorbed, of]), [[0n, 15n, 'internal']])
  })

  test('and that have a model asked as their caller leaves are waited for: its attempt is on record, and what was answered is paid', async () => {
    const turn: ServerTools['turn'] = async ({ generate, request }) => {
      await generate({ models: ['acme/reader'], request, tool: 'openrouter:dig' })
      return { uses: [], annotations: [], fees: { services: {}, cost: 0n }, next: null, last: true }
    }
    const { gateway, records, asked, departure, call, admission } = gatewayWith([digs(turn)], { main: CALLS, reader: 'linger' })
    const outcome = await gateway.generate(call())
    assert.ok('events' in outcome)
    const reading = outcome.events[Symbol.asyncIterator]()
    const rest = (async () => { while (!(await reading.next()).done); })()
    while (asked.length < 2) await new Promise((resolve) => setImmediate(resolve))
    departure.leave()
    await Promise.all([reading.return!(), rest])
    await gateway.idle()
    const [record] = records
    assert.deepEqual([records.length, record!.cost, record!.cancelled, admission.figures().running], [1, 15n, true, 0])
    assert.deepEqual(record!.attempts.map(({ provider, within, step }) => [provider, within, step]), [['main', undefined, 1], ['reader', 'openrouter:dig', 1]])
  })

  test('are asked nothing more by a reader who stops, and what was answered is paid', async () => {
    const { gateway, records, call, admission } = gatewayWith([digs(() => Promise.reject(new Error('nobody calls it')))], { main: CALLS })
    const outcome = await gateway.generate(call())
    assert.ok('events' in outcome)
    const reading = outcome.events[Symbol.asyncIterator]()
    await reading.next()
    await reading.return!()
    assert.deepEqual([gateway.inFlight(), admission.figures().running], [0, 0])
    assert.deepEqual(records.map(({ cost, cancelled }) => [cost, cancelled]), [[15n, true]])
  })
})
