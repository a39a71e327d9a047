import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { createDeadlines } from './deadline.ts'

/** Deadlines by a clock that goes when the test says so, and is looked at every five milliseconds of it. */
function driven(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let now = 0
  return {
    deadlines: createDeadlines({ monotonic: () => now }),
    now: () => now,
    pass(ms: number): void {
      for (let left = ms; left > 0; left -= 5) {
        now += 5
        t.mock.timers.tick(5)
      }
    },
    /** Time in which nothing else gets its turn: no timer, and no answer is read. */
    block(ms: number): void {
      now += ms
      t.mock.timers.tick(5)
    },
  }
}

test('A deadline that nobody moves passes once, and says so', (t) => {
  const { deadlines, pass } = driven(t)
  let times = 0
  const deadline = deadlines(() => { times++ })
  deadline.set(30)
  pass(25)
  assert.equal(deadline.expired, false)
  pass(30)
  assert.equal(deadline.expired, true)
  pass(1000)
  assert.equal(times, 1)
})

test('A reply that gets on keeps moving it, with the time that was set last', (t) => {
  const { deadlines, pass, now } = driven(t)
  let passed = false
  const deadline = deadlines(() => { passed = true })
  deadline.set(1)
  deadline.set(90)
  for (let i = 0; i < 6; i++) {
    pass(60)
    deadline.touch(now())
  }
  assert.equal(passed, false)
  pass(115)
  assert.equal(passed, true)
})

test('What is cleared never passes, and one does not wait for another', (t) => {
  const { deadlines, pass } = driven(t)
  const passed: string[] = []
  const long = deadlines(() => { passed.push('long') })
  const short = deadlines(() => { passed.push('short') })
  const cleared = deadlines(() => { passed.push('cleared') })
  long.set(500)
  cleared.set(10)
  short.set(20)
  cleared.clear()
  pass(120)
  assert.deepEqual(passed, ['short'])
  long.clear()
  pass(1000)
  assert.deepEqual(passed, ['short'])
})

test('While it is held it does not pass, and goes on where it stood', (t) => {
  const { deadlines, pass } = driven(t)
  let passed = false
  const deadline = deadlines(() => { passed = true })
  deadline.set(100)
  pass(50)
  deadline.hold()
  pass(5000)
  assert.equal(passed, false)
  deadline.resume(5000)
  pass(45)
  assert.equal(passed, false)
  pass(30)
  assert.equal(passed, true)
})

test('When the last one is over nothing keeps the process awake', async () => {
  const deadline = createDeadlines({ monotonic: () => performance.now() })(() => {})
  deadline.set(10)
  deadline.clear()
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  // Its timer is real here, and nothing else waits for one.
  for (let turns = 0; timers() > 0 && turns < 1e7; turns++) await new Promise((resolve) => { setImmediate(resolve) })
  assert.equal(timers(), 0)
})

test('Time in which this process was blocked itself is not held against a provider', (t) => {
  const { deadlines, pass, block } = driven(t)
  let passed = false
  const deadline = deadlines(() => { passed = true })
  deadline.set(250)
  pass(40)
  block(400)
  pass(100)
  assert.equal(passed, false)
  pass(200)
  assert.equal(passed, true)
})
