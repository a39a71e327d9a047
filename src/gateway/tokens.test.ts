import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createTokenCounter } from './tokens.ts'

const counter = createTokenCounter()
after(() => counter.close())

test('Tokens are those of the o200k vocabulary, in the order of the texts', async () => {
  assert.deepEqual(await counter.count(['Hello world', '', 'The quick brown fox jumps over the lazy dog.']), [2, 0, 10])
})

test('A text that spells out special tokens counts as the text that it is, and breaks nothing', async () => {
  const [count] = await counter.count(['<|endoftext|><|im_start|>'])
  assert.ok(count! > 2)
})

test('Counting a large text leaves the event loop free', async () => {
  const text = 'lorem ipsum dolor '.repeat(50_000)
  // By the time that this thread worked, which no neighbour on the machine makes longer.
  const from = process.threadCpuUsage()
  const whole = process.cpuUsage()
  const [count] = await counter.count([text])
  const { user, system } = process.threadCpuUsage(from)
  const { user: all } = process.cpuUsage(whole)
  assert.ok(count! > 100_000)
  assert.ok(user + system < Math.max(50_000, all / 2), `of ${all / 1000} ms of work ${(user + system) / 1000} were the loop's`)
})

test('When the counter is closed under a count, the count falls back to a quarter of the bytes', async () => {
  const other = createTokenCounter()
  const counting = other.count(['12345678', 'ü'])
  await other.close()
  assert.deepEqual(await counting, [2, 1])
})
