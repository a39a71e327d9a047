import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createMemory } from './memory.ts'

const [FREE, PLAYGROUND, API] = [0, 1, 2]
const MIB = 1024 * 1024

/** A process whose memory, and whose clock, the test sets. */
function process(given: { readonly maxMib?: number; readonly container?: number } = {}) {
  let [now, resident, looks] = [0, 0, 0]
  const memory = createMemory({
    rules: () => ({ maxRssBytes: (given.maxMib ?? 1000) * MIB }), now: () => now,
    resident() {
      looks++
      return resident
    },
    constrained: () => given.container ?? 2 ** 64,
  })
  return {
    memory,
    holds(mib: number): void {
      resident = mib * MIB
      now += 100
    },
    wait(ms: number): void { now += ms },
    looks: () => looks,
    refused: (running = 1): readonly boolean[] => [FREE, PLAYGROUND, API].map((rank) => memory.refuses(rank, running)),
  }
}

describe('A process that holds nearly as much memory as it may', () => {
  test('turns away free calls first, then those of playgrounds, and the API last', () => {
    const { holds, refused } = process()
    holds(849)
    assert.deepEqual(refused(), [false, false, false])
    holds(850)
    assert.deepEqual(refused(), [true, false, false])
    holds(900)
    assert.deepEqual(refused(), [true, true, false])
    holds(950)
    assert.deepEqual(refused(), [true, true, true])
    holds(840)
    assert.deepEqual(refused(), [false, false, false], 'and lets all in again')
  })

  test('lets one in when nothing is under way: turned away it would free nothing, and all would be turned away for ever', () => {
    const { holds, refused } = process()
    holds(2000)
    assert.deepEqual(refused(0), [false, false, false])
    assert.deepEqual(refused(1), [true, true, true])
  })

  test('goes by the limit of its container where nothing is set, and by the lower one where both are', () => {
    for (const [maxMib, container, limit] of [[0, 500, 500], [1000, 500, 500], [300, 500, 300], [300, 0, 300]] as const) {
      assert.equal(process({ maxMib, container: container * MIB }).memory.limit, limit * MIB)
    }
  })

  test('that nobody limits turns nobody away, and does not even look', () => {
    for (const container of [0, 2 ** 64 - 4096, 2 ** 63]) {
      const { holds, refused, looks } = process({ maxMib: 0, container })
      holds(1e6)
      assert.deepEqual(refused(), [false, false, false])
      assert.equal(looks(), 0)
    }
  })

  test('is looked at ten times a second, however many calls come', () => {
    const { holds, refused, looks, wait } = process()
    holds(10)
    for (let i = 0; i < 1000; i++) {
      refused()
      wait(1)
    }
    assert.equal(looks(), 10)
  })
})
