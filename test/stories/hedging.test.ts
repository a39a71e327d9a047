import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FakeUpstream, Order, Received } from '../../src/testing/index.ts'
import { providerAt, saying, startSignalbox, startUpstream, together, type Given, type Signalbox } from './signalbox.ts'
import { follow, readStream } from './stream.ts'

/** A provider that is slower than it usually is: another is asked beside it, and whoever is first has the call. */

type Routing = NonNullable<NonNullable<Given['config']>['routing']>
type Provider = Readonly<Record<string, unknown>>

/** What its callers ask of FIRST takes a few milliseconds; from 100 on it counts as slow. */
const QUICK: Routing = { hedge_samples: 5, hedge_least_ms: 100, hedge_percentile: 50 }
const IN_ORDER: Provider = { order: ['first', 'second', 'third'] }
const HEDGED: Provider = { ...IN_ORDER, hedge: true }
const STALLS: Order = { stallAfter: 'request' }
/** Answers when the story lets it: what is slow here is slow until the other was asked, on however busy a machine. */
const HELD: Order = { hold: true }
/** How long a loser may go on: far less than the ten seconds after which it would be let go without a winner. */
const LET_GO_MS = 5_000
/** Longer than it takes to be slow, for a second attempt that must not come. */
const LONG_MS = 400

interface Town {
  readonly first: FakeUpstream
  readonly second: FakeUpstream
  readonly third: FakeUpstream
  readonly box: Signalbox
  /** A key that may have hedges at its cost. */
  readonly rich: Readonly<Record<string, string>>
  /** Says it, streamed or whole, under such a key, and reads it all. */
  ask(rest: Readonly<Record<string, unknown>>, headers?: Readonly<Record<string, string>>): Promise<Told>
}

interface Told {
  readonly id: string
  readonly provider: string
  readonly text: string
  readonly usage: Readonly<Record<string, unknown>> & { readonly cost: number }
  readonly metadata: { readonly attempts: readonly Readonly<Record<string, unknown>>[] }
}

/** Three providers of the same model, of which the first is known to be quick. 10 and 20 dollars a million at each. */
async function town(given: { readonly routing?: Routing; readonly warm?: boolean } = {}): Promise<Town> {
  const [first, second, third] = [await startUpstream(), await startUpstream(), await startUpstream()]
  const at = (slug: string, { url }: FakeUpstream) =>
    providerAt(slug, `${url}/${slug}/v1`, { prompt: 10, completion: 20, timeouts: { first_token_ms: 10_000 } })
  const config = together(at('first', first), at('second', second), at('third', third))
  const box = await startSignalbox({ config: { ...config, routing: { ...QUICK, ...given.routing } } })
  const { key } = await box.app.accounts.createKey({ settings: { allow_hedge: true } })
  const rich = { authorization: `Bearer ${key}`, 'x-openrouter-metadata': 'enabled' }
  const ask: Town['ask'] = async (rest, headers = rich) => {
    const body = saying('acme/one', 'one two three four', { provider: HEDGED, ...rest })
    if (rest['stream'] !== true) {
      const { id, provider, usage, choices, openrouter_metadata } = await box.whole(body, headers)
      return { id, provider, usage, text: choices[0]!['message'].content as string, metadata: openrouter_metadata as Told['metadata'] }
    }
    const { id, chunks, text, usage, error } = await readStream(await box.chat(body, headers))
    assert.equal(error, undefined)
    return { id, provider: chunks[0]!.provider!, text, usage: usage!, metadata: chunks.at(-1)!.openrouter_metadata as Told['metadata'] }
  }
  if (given.warm !== false) for (const stream of [true, false]) for (let i = 0; i < 5; i++) await ask({ stream, provider: IN_ORDER })
  for (const upstream of [first, second, third]) upstream.forget()
  return { first, second, third, box, rich, ask }
}

const attemptsOf = async (box: Signalbox, { id }: { readonly id: string }): Promise<readonly Readonly<Record<string, unknown>>[]> =>
  ((await recordOf(box, id))!.attempts as unknown) as readonly Readonly<Record<string, unknown>>[]
const recordOf = (box: Signalbox, id: string) => box.app.stats.find(id, 'default')
const nano = (dollars: number): bigint => BigInt(Math.round(dollars * 1e9))

async function assertLetGo(upstream: FakeUpstream, request: Received, since: number): Promise<void> {
  await upstream.waitFor(() => request.state === 'aborted')
  const took = request.endedAt! - since
  assert.ok(took < LET_GO_MS, `the loser went on for ${took.toFixed(0)} ms`)
}

describe('A provider is slower than usual', () => {
  for (const stream of [true, false]) {
    const kind = stream ? 'A stream' : 'A whole answer'
    test(`${kind} comes from the second provider; the first is let go at once, and the caller who asked for both pays for both`, async () => {
      const { first, second, third, box, ask } = await town()
      first.next(STALLS)
      second.next({ text: 'quick enough' })
      const told = await ask({ stream })
      assert.equal(told.provider, 'second')
      assert.equal(told.text, 'quick enough')
      const winner = second.requests[0]!
      await assertLetGo(first, first.requests[0]!, winner.at)
      assert.ok(winner.at - first.requests[0]!.at > 80, 'it was opened before the first was slow')
      assert.equal(third.requests.length, 0)

      const { cost, prompt_tokens: prompt, completion_tokens: completion, cost_details: details } = told.usage as Told['usage'] & Record<'prompt_tokens' | 'completion_tokens', number> & { cost_details: Record<string, number> }
      const hedge = details['hedge_cost']!
      assert.ok(hedge > 0)
      assert.equal(nano(cost), nano((prompt * 10 + completion * 20) / 1e6) + nano(hedge))
      const record = (await recordOf(box, told.id))!
      assert.equal(record.cost, nano(cost))
      assert.equal(record.absorbed, 0n)
      const shown = (await box.generation(told.id))
      assert.equal(shown['total_cost'], cost)
      assert.deepEqual((shown['provider_responses'] as Provider[]).map(({ provider_name, hedge: by, superseded, cost: of, cost_estimated }) => [provider_name, by, superseded, of, cost_estimated]), [
        ['first', undefined, true, hedge, true], ['second', 'caller', undefined, undefined, undefined],
      ])
      assert.deepEqual(told.metadata.attempts.map(({ provider, hedge: by, superseded, fault }) => [provider, by, superseded, fault]), [
        ['first', undefined, true, undefined], ['second', 'caller', undefined, undefined],
      ])
    })
  }

  test('When the first begins to answer after all it has the call, and the second is let go at once', async () => {
    const { first, second, box, ask } = await town()
    first.next({ ...HELD, text: 'late and first' })
    second.next(STALLS)
    const asking = ask({ stream: true })
    const asked = await second.waitFor(({ state }) => state === 'answering')
    const releasedAt = performance.now()
    first.release()
    const told = await asking
    assert.equal(told.text, 'late and first')
    await assertLetGo(second, asked, releasedAt)
    assert.deepEqual((await attemptsOf(box, told)).map(({ provider, outcome, hedge }) => [provider, outcome, hedge]), [
      ['second', 'superseded', 'caller'], ['first', 'answered', undefined],
    ])
    assert.ok((told.usage['cost_details'] as Record<string, number>)['hedge_cost']! > 0)
  })

  test('What the loser had counted by then is what it costs, and no estimate', async () => {
    const { first, second, box, ask } = await town()
    first.next({ events: [{ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'one', choices: [], usage: { prompt_tokens: 1000, completion_tokens: 0, total_tokens: 1000 } }, '[DONE]'], stallAfter: 1 })
    second.next({ text: 'here' })
    const told = await ask({ stream: true })
    const [lost] = await attemptsOf(box, told)
    assert.deepEqual([lost!['outcome'], lost!['counted']], ['superseded', 'by-upstream'])
    assert.equal(lost!['cost'], 10_000_000n, 'a thousand tokens at 10 dollars a million')
    assert.equal((told.usage['cost_details'] as Record<string, number>)['hedge_cost'], 0.01)
  })

  test('Being slow is no failure, and counts as slow: the next threshold is not lower, and the endpoint keeps its place', async () => {
    const { first, second, box, ask, rich } = await town()
    for (let i = 0; i < 6; i++) {
      first.next(STALLS)
      second.next({ delayMs: 100 })
      assert.equal((await ask({ stream: true })).provider, 'second')
    }
    const { candidates, hedge } = await explained(box, { stream: true }, rich)
    assert.deepEqual([candidates[0]!['provider'], (candidates[0]!['reasons'] as string[]).includes('stable')], ['first', true])
    assert.ok((hedge['after_ms'] as number) > 180, `it is slow after ${hedge['after_ms'] as number} ms`)
  })
})

const explained = async (box: Signalbox, rest: object, headers: Readonly<Record<string, string>> = {}) => {
  const response = await box.send('POST', '/api/v1/route/explain', { body: { ...saying('acme/one', 'Hi', { provider: HEDGED }), ...rest }, headers })
  assert.equal(response.status, 200)
  return (await response.json() as { data: { candidates: Provider[]; hedge: Provider } }).data
}

describe('The operator has slow attempts doubled', () => {
  test('The caller pays for the answer alone; what the loser cost is nobody\'s', async () => {
    const { first, second, box, ask } = await town({ routing: { hedge: 'on' } })
    const plain = { authorization: `Bearer ${box.key}`, 'x-openrouter-metadata': 'enabled' }
    first.next(STALLS)
    second.next({ text: 'here' })
    const told = await ask({ provider: IN_ORDER }, plain)
    assert.equal(told.provider, 'second')
    const record = (await recordOf(box, told.id))!
    const { prompt_tokens: prompt, completion_tokens: completion, cost_details: details } = told.usage as unknown as Record<string, number> & { cost_details: object }
    assert.equal(record.cost, nano((prompt! * 10 + completion! * 20) / 1e6))
    assert.equal(nano(told.usage.cost), record.cost)
    assert.ok(!('hedge_cost' in details))
    const lost = record.attempts.find(({ outcome }) => outcome === 'superseded')!
    assert.ok(lost.cost! > 0n)
    assert.equal(record.absorbed, lost.cost)
    assert.deepEqual(told.metadata.attempts.map(({ hedge }) => hedge), [undefined, 'operator'])
  })

  test('A caller, a key or the workspace can do without', async () => {
    const { first, second, box, ask } = await town({ routing: { hedge: 'on' } })
    const { key } = await box.app.accounts.createKey({ settings: { allow_hedge: true, provider: { hedge: false } } })
    const slow = first.always({ delayMs: LONG_MS })
    await ask({ provider: { ...IN_ORDER, hedge: false } })
    await ask({ provider: HEDGED }, { authorization: `Bearer ${key}` })
    assert.equal(second.requests.length, 0)
    slow()
    first.always(STALLS)
    await ask({ provider: IN_ORDER })
    assert.equal(second.requests.length, 1, 'and yet it is on')
  })
})

describe('A caller asks for a second attempt', () => {
  test('With a key that may not have one that is a 403 which names the field and the setting, and nobody is asked', async () => {
    const { first, second, box } = await town({ warm: false })
    for (const stream of [true, false]) {
      const { status, error } = await box.refused(saying('acme/one', 'Hi', { stream, provider: { hedge: true } }))
      assert.equal(status, 403)
      assert.match(error.message, /^provider\.hedge: .*allow_hedge/)
      assert.equal(error.metadata['setting'], 'allow_hedge')
    }
    assert.equal(first.requests.length + second.requests.length, 0)
    await box.whole(saying('acme/one', 'Hi', { provider: { hedge: false } }))
    const { key } = await box.app.accounts.createKey({ settings: { provider: { hedge: true } } })
    await box.whole(saying('acme/one', 'Hi'), { authorization: `Bearer ${key}` })
  })

  test('A word that is neither true nor false is a 400 with its path', async () => {
    const { box, rich } = await town({ warm: false })
    const { status, error } = await box.refused(saying('acme/one', 'Hi', { provider: { hedge: 'yes' } }), rich)
    assert.equal(status, 400)
    assert.match(error.message, /provider\.hedge/)
  })

  test('The plan says whether one would be opened, when, where and who pays; else why not', async () => {
    const { box, rich } = await town()
    const { after_ms: after, ...rest } = (await explained(box, {}, rich)).hedge
    assert.deepEqual(rest, { opens: true, endpoint: 'acme/one@second', paid_by: 'caller' })
    assert.ok((after as number) >= 100)
    const why = async (rest: object): Promise<unknown> => (await explained(box, rest, rich)).hedge['why']
    assert.equal(await why({ provider: {} }), 'neither the request nor the policy asks for one')
    assert.equal(await why({ provider: { hedge: false } }), 'provider.hedge is false, for the request, its key or its workspace')
    assert.equal(await why({ provider: { ...HEDGED, allow_fallbacks: false } }), 'provider.allow_fallbacks is false')
    assert.equal(await why({ provider: { hedge: true, only: ['first'] } }), 'no other endpoint of the model may stand in')
    assert.equal(await why({ provider: { hedge: true, only: ['second'] } }), 'acme/one@second has 0 of the 5 whole answers that say what is slow there')
    assert.equal((await explained(box, { provider: IN_ORDER, policy: { hedge: 'on' } }, rich)).hedge['paid_by'], 'operator')
  })
})

describe('No second attempt is opened', () => {
  test('for a request that goes to one endpoint only, nor for one that nobody wants it for', async () => {
    const { first, second, ask } = await town()
    first.always({ delayMs: LONG_MS })
    for (const provider of [{ ...HEDGED, allow_fallbacks: false }, IN_ORDER, { hedge: true, only: ['first'] }]) {
      const told = await ask({ provider })
      assert.equal(told.metadata.attempts.length, 1)
    }
    assert.equal(second.requests.length, 0)
  })

  test('where it is not known what is slow: whole answers say nothing of streams', async () => {
    const { first, second, ask } = await town({ warm: false })
    for (let i = 0; i < 5; i++) await ask({ provider: IN_ORDER })
    first.next({ delayMs: LONG_MS })
    await ask({ stream: true })
    assert.equal(second.requests.length, 0)
    first.next(STALLS)
    await ask({ stream: false })
    assert.equal(second.requests.length, 1)
  })

  test('once the first has begun to answer, however slowly it goes on', async () => {
    const { first, second, ask } = await town({ routing: { hedge_least_ms: 1500 } })
    first.next({ text: ['one', ' two', ' three', ' four', ' five', ' six'], paceMs: 400 })
    assert.equal((await ask({ stream: true })).text, 'one two three four five six')
    assert.equal(second.requests.length, 0)
  })

  test('for a caller who has left; one who leaves later stops both', async () => {
    // Time enough to leave in, before it is slow.
    const { first, second, box, rich } = await town({ routing: { hedge_least_ms: 1500 } })
    first.always(STALLS)
    second.always(STALLS)
    const leaving = async (after: FakeUpstream): Promise<number> => {
      const controller = new AbortController()
      const call = box.chat(saying('acme/one', 'Hi', { provider: HEDGED }), rich, controller.signal)
      await after.waitFor(({ state }) => state === 'answering')
      const at = performance.now()
      controller.abort()
      await assert.rejects(call)
      return at
    }
    await leaving(first)
    await first.waitFor(({ state }) => state === 'aborted')
    await sleep(1700)
    assert.equal(second.requests.length, 0)
    first.forget()
    first.always(STALLS)
    const at = await leaving(second)
    await assertLetGo(first, first.requests[0]!, at)
    await assertLetGo(second, second.requests[0]!, at)
    await box.app.gateway.idle()
    assert.equal(box.app.gateway.inFlight(), 0)
  })

  test('beyond the retry budget: after it the caller waits for the first', async () => {
    const { first, second, ask, box, rich } = await town({ routing: { retry_tokens: 2, retry_tokens_per_second: 0.01, retry_tokens_per_success: 0 } })
    first.always(HELD)
    second.always(STALLS)
    const only = { ...HEDGED, only: ['first', 'second'] }
    for (let i = 0; i < 4; i++) {
      const asking = ask({ provider: only })
      await first.waitFor((it) => it === first.requests[i] && it.state === 'answering')
      if (i < 2) await second.waitFor((it) => it === second.requests[i] && it.state === 'answering')
      else await sleep(LONG_MS)
      first.release()
      assert.equal((await asking).provider, 'first')
    }
    assert.equal(second.requests.length, 2)
    assert.ok((await explained(box, {}, rich)).candidates.length > 0)
  })

  test('twice for one call, whatever the second does', async () => {
    const { first, second, third, ask } = await town()
    for (let i = 0; i < 5; i++) await ask({ provider: { only: ['second'] } })
    second.forget()
    first.next(HELD)
    second.next(STALLS)
    const asking = ask({})
    await second.waitFor(({ state }) => state === 'answering')
    await sleep(LONG_MS)
    first.release()
    await asking
    assert.deepEqual([first, second, third].map(({ requests }) => requests.length), [1, 1, 0])
  })
})

describe('One of the two fails', () => {
  test('The other has the call, whichever it is', async () => {
    const { first, second, ask, box } = await town()
    first.next({ ...HELD, status: 500 })
    second.next({ ...HELD, text: 'second' })
    const asking = ask({})
    await second.waitFor(({ state }) => state === 'answering')
    first.release()
    await first.waitFor(({ state }) => state === 'answered')
    second.release()
    const one = await asking
    assert.equal(one.text, 'second')
    assert.deepEqual((await attemptsOf(box, one)).map(({ outcome }) => outcome), ['failed', 'answered'])
    for (const upstream of [first, second]) upstream.forget()
    first.next({ ...HELD, text: 'first' })
    second.next({ status: 500 })
    const asked = ask({})
    await second.waitFor(({ state }) => state === 'answered')
    first.release()
    const other = await asked
    assert.equal(other.text, 'first')
    assert.deepEqual((await attemptsOf(box, other)).map(({ provider, outcome, hedge }) => [provider, outcome, hedge]), [
      ['second', 'failed', 'caller'], ['first', 'answered', undefined],
    ])
    assert.ok(!('hedge_cost' in (other.usage['cost_details'] as object)), 'a failure costs the caller nothing')
  })

  test('When both do, the next candidate answers as it always does', async () => {
    const { first, second, third, ask, box } = await town()
    first.next({ ...HELD, status: 500 })
    second.next({ status: 503 })
    const asking = ask({ stream: true })
    await second.waitFor(({ state }) => state === 'answered')
    first.release()
    const told = await asking
    assert.equal(told.provider, 'third')
    assert.deepEqual([first, second, third].map(({ requests }) => requests.length), [1, 1, 1])
    assert.deepEqual((await attemptsOf(box, told)).map(({ provider, outcome }) => [provider, outcome]), [
      ['second', 'failed'], ['first', 'failed'], ['third', 'answered'],
    ])
  })

  test('A request that is wrong stays wrong: the other is let go, and what it cost is nobody\'s', async () => {
    const { first, second, third, box, rich } = await town()
    first.next({ ...HELD, status: 400 })
    second.next(STALLS)
    const asking = box.refused(saying('acme/one', 'Hi', { provider: HEDGED }), rich)
    await second.waitFor(({ state }) => state === 'answering')
    first.release()
    const { status, id } = await asking
    assert.equal(status, 400)
    await second.waitFor(({ state }) => state === 'aborted')
    assert.equal(third.requests.length, 0)
    const record = (await recordOf(box, id))!
    assert.equal(record.cost, 0n)
    assert.ok(record.absorbed > 0n)
  })

  test('An answer that breaks off costs its caller nothing, and neither does its loser', async () => {
    const { first, second, box, rich } = await town()
    first.next(STALLS)
    second.next({ text: ['one', ' two', ' three'], cutAfter: 3, cutBy: 'rst' })
    const { error, usage, id } = await follow(await box.chat(saying('acme/one', 'Hi', { stream: true, provider: HEDGED }), rich)).end()
    assert.ok(error)
    assert.equal(usage?.cost ?? 0, 0)
    const record = (await recordOf(box, id))!
    assert.equal(record.cost, 0n)
    const lost = record.attempts.find(({ outcome }) => outcome === 'superseded')!
    assert.ok(record.absorbed > lost.cost!, 'both are absorbed')
  })
})

test('After a hundred calls at once with losers on both sides nothing is held anywhere', async () => {
  const { first, second, box, rich } = await town({ routing: { retry_tokens: 1000 } })
  first.always(({ stream }) => stream ? STALLS : { delayMs: 200 })
  second.always(({ stream }) => stream ? { delayMs: 50 } : STALLS)
  const answers = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
    const response = await box.chat(saying('acme/one', 'Hi', { stream: i % 2 === 0, provider: HEDGED }), rich)
    return (await response.text()).includes('"cost"')
  }))
  assert.ok(answers.every(Boolean))
  await box.app.gateway.idle()
  assert.deepEqual(box.app.upstreams.figures().map(({ running }) => running).filter((running) => running > 0), [])
  while (first.openStreams() + second.openStreams() > 0) await sleep(10)
  assert.deepEqual(box.complaints, [])
})
