import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault, FaultError } from '../core/index.ts'
import { createTokens, type Minted } from './tokens.ts'

const HOUR_MS = 3_600_000

/** Tokens with a clock in hand and an endpoint that counts, and answers when it is told to. */
function world() {
  let now = 0
  let asked = 0
  const waiting: { resolve(minted: Minted): void; reject(error: Error): void }[] = []
  const tokens = createTokens({ monotonic: () => now })
  return {
    tokens,
    get asked() { return asked },
    pass: (ms: number) => { now += ms },
    mint: () => new Promise<Minted>((resolve, reject) => {
      asked++
      waiting.push({ resolve, reject })
    }),
    answer: (token: string, livesMs = HOUR_MS) => waiting.shift()!.resolve({ token, livesMs }),
    fail: (error: Error) => waiting.shift()!.reject(error),
  }
}

test('callers that come together wait for one token, and those after it wait for nothing', async () => {
  const it = world()
  const three = [1, 2, 3].map(() => it.tokens.of('a', it.mint))
  assert.equal(it.asked, 1)
  it.answer('t1')
  assert.deepEqual(await Promise.all(three), ['t1', 't1', 't1'])
  assert.equal(it.tokens.of('a', it.mint), 't1')
  assert.equal(it.asked, 1)
})

test('another identity has a token of its own', async () => {
  const it = world()
  const a = it.tokens.of('a', it.mint)
  const b = it.tokens.of('b', it.mint)
  it.answer('ta')
  it.answer('tb')
  assert.deepEqual([await a, await b], ['ta', 'tb'])
})

test('before it expires a new one is fetched in the background, once, while the old one serves', async () => {
  const it = world()
  const first = it.tokens.of('a', it.mint)
  it.answer('t1')
  await first
  it.pass(0.79 * HOUR_MS)
  assert.equal(it.tokens.of('a', it.mint), 't1')
  assert.equal(it.asked, 1)
  it.pass(0.02 * HOUR_MS)
  for (let i = 0; i < 5; i++) assert.equal(it.tokens.of('a', it.mint), 't1')
  assert.equal(it.asked, 2)
  it.answer('t2')
  await Promise.resolve()
  await new Promise(setImmediate)
  assert.equal(it.tokens.of('a', it.mint), 't2')
})

test('when fetching in the background fails, nobody hears of it as long as the old one lives', async () => {
  const it = world()
  const first = it.tokens.of('a', it.mint)
  it.answer('t1')
  await first
  it.pass(0.9 * HOUR_MS)
  assert.equal(it.tokens.of('a', it.mint), 't1')
  it.fail(new FaultError(fault('connection', 'down')))
  await new Promise(setImmediate)
  assert.equal(it.tokens.of('a', it.mint), 't1')
  it.fail(new FaultError(fault('connection', 'down')))
  await new Promise(setImmediate)
  it.pass(0.1 * HOUR_MS)
  const late = it.tokens.of('a', it.mint)
  it.fail(new FaultError(fault('upstream-auth', 'refused')))
  await assert.rejects(async () => late, (error: unknown) => error instanceof FaultError && error.fault.kind === 'upstream-auth')
})

test('a failure is not kept: the next caller asks again', async () => {
  const it = world()
  const first = it.tokens.of('a', it.mint)
  it.fail(new FaultError(fault('connection', 'down')))
  await assert.rejects(async () => first)
  const second = it.tokens.of('a', it.mint)
  it.answer('t1')
  assert.equal(await second, 't1')
})

test('a token that a provider refused is forgotten, but not the newer one that came meanwhile', async () => {
  const it = world()
  const first = it.tokens.of('a', it.mint)
  it.answer('t1')
  await first
  assert.equal(it.tokens.forget('a', 't1'), true)
  const second = it.tokens.of('a', it.mint)
  it.answer('t2')
  await second
  assert.equal(it.tokens.forget('a', 't1'), false)
  assert.equal(it.tokens.of('a', it.mint), 't2')
})
