import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Exchange } from './exchange.ts'

/** An answer whose head has come, on a connection that counts how often it is told to go on. */
function answering() {
  const exchange = new Exchange('', null, true, 1000, () => {}, (error) => { throw error })
  const told = { resumed: 0 }
  exchange.carrier = { resume: () => { told.resumed++ }, destroy: () => {} }
  exchange.answer(200, {})
  return { exchange, told }
}

describe('An answer that nobody reads', () => {
  test('is taken in no further than a read beyond 16 KiB: ten thousand readers that stop reading cost that much each', async () => {
    const { exchange, told } = answering()
    assert.equal(exchange.give(new Uint8Array(16 * 1024)), true)
    assert.equal(exchange.give(new Uint8Array(1)), false)
    assert.equal(told.resumed, 0)
    assert.equal((await exchange.read())!.length, 16 * 1024 + 1)
    assert.equal(told.resumed, 1, 'and goes on as soon as it is read')
  })

  test('is never stopped while a reader waits for each of its pieces', async () => {
    const { exchange, told } = answering()
    for (let i = 0; i < 100; i++) {
      const reading = exchange.read()
      assert.equal(exchange.give(new Uint8Array(64 * 1024)), true)
      assert.equal((await reading)!.length, 64 * 1024)
    }
    assert.equal(told.resumed, 0)
  })
})
