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
  let longest = 0
  let last = performance.now()
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 1)
  const [count] = await counter.count(['lorem ipsum dolor '.repeat(50_000)])
  clearInterval(timer)
  assert.ok(count! > 100_000)
  assert.ok(longest < 100, `the loop stood still for ${longest.toFixed(0)} ms`)
})

test('When the counter is closed under a count, the count falls back to a quarter of the bytes', async () => {
  const other = createTokenCounter()
  const counting = other.count(['12345678', 'ü'])
  await other.close()
  assert.deepEqual(await counting, [2, 1])
})
