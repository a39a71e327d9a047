import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createDeadlines } from './deadline.ts'

const deadlines = createDeadlines({ monotonic: () => performance.now() })

test('A deadline that nobody moves passes once, and says so', async () => {
  let times = 0
  const deadline = deadlines(() => { times++ })
  deadline.set(30)
  await sleep(10)
  assert.equal(deadline.expired, false)
  await sleep(120)
  assert.equal(deadline.expired, true)
  assert.equal(times, 1)
})

test('A reply that gets on keeps moving it, with the time that was set last', async () => {
  let passed = false
  const deadline = deadlines(() => { passed = true })
  deadline.set(1)
  deadline.set(90)
  for (let i = 0; i < 6; i++) {
    await sleep(25)
    deadline.touch(performance.now())
  }
  assert.equal(passed, false)
  await sleep(200)
  assert.equal(passed, true)
})

test('What is cleared never passes, and one does not wait for another', async () => {
  const passed: string[] = []
  const long = deadlines(() => { passed.push('long') })
  const short = deadlines(() => { passed.push('short') })
  const cleared = deadlines(() => { passed.push('cleared') })
  long.set(500)
  cleared.set(10)
  short.set(20)
  cleared.clear()
  await sleep(120)
  assert.deepEqual(passed, ['short'])
  long.clear()
})

test('While it is held it does not pass, and goes on where it stood', async () => {
  let now = 0
  let passed = false
  const deadline = createDeadlines({ monotonic: () => now })(() => { passed = true })
  deadline.set(100)
  now = 60
  deadline.hold()
  now = 5000
  await sleep(80)
  assert.equal(passed, false)
  deadline.resume(4940)
  now = 5039
  await sleep(80)
  assert.equal(passed, false)
  now = 5041
  await sleep(80)
  assert.equal(passed, true)
})

test('When the last one is over nothing keeps the process awake', async () => {
  const deadline = deadlines(() => {})
  deadline.set(10)
  deadline.clear()
  await sleep(80)
  assert.equal(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, 0)
})

test('Time in which this process was blocked itself is not held against a provider', async () => {
  let passed = false
  const deadline = deadlines(() => { passed = true })
  deadline.set(250)
  await sleep(40)
  for (const until = performance.now() + 400; performance.now() < until;) { /* blocked */ }
  await sleep(60)
  assert.equal(passed, false)
  await sleep(400)
  assert.equal(passed, true)
})
