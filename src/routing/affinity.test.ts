import assert from 'node:assert/strict'
import test from 'node:test'
import { createAffinity, type Conversation } from './affinity.ts'
import { NOW } from './sample.ts'

const MINUTE = 60_000
const talk = (change: Partial<Conversation> & { starts?: string } = {}): Conversation => ({ tenant: 'w', session: null, beginning: () => change.starts ?? 'hello', ...change })
const answered = { model: 'acme/one', endpoint: 'acme/one@a', cachedTokens: 900, cacheIsCheaper: true }

test('a conversation that used the cache goes on where it was, for ten minutes after its last turn', () => {
  const affinity = createAffinity()
  affinity.learn(talk(), answered, NOW)
  assert.equal(affinity.find(talk(), 'acme/one', NOW + 9 * MINUTE)?.endpoint, 'acme/one@a')
  affinity.learn(talk(), answered, NOW + 9 * MINUTE)
  assert.equal(affinity.find(talk(), 'acme/one', NOW + 18 * MINUTE)?.endpoint, 'acme/one@a')
  assert.equal(affinity.find(talk(), 'acme/one', NOW + 19 * MINUTE + 1), null)
  assert.equal(affinity.any(), false, 'and is forgotten then')
})

test('without a name, only an answer that used a cheaper cache makes a conversation stay', () => {
  const affinity = createAffinity()
  affinity.learn(talk(), { ...answered, cachedTokens: 0 }, NOW)
  affinity.learn(talk(), { ...answered, cacheIsCheaper: false }, NOW)
  assert.equal(affinity.any(), false)
  affinity.learn(talk({ session: 's' }), { ...answered, cachedTokens: 0 }, NOW)
  assert.equal(affinity.find(talk({ session: 's' }), 'acme/one', NOW)?.endpoint, 'acme/one@a')
})

test('tenants, models, sessions and beginnings are kept apart', () => {
  const affinity = createAffinity()
  affinity.learn(talk(), answered, NOW)
  affinity.learn(talk({ session: 's' }), answered, NOW)
  for (const [conversation, model] of [
    [talk({ tenant: 'other' }), 'acme/one'], [talk(), 'acme/two'], [talk({ starts: 'good day' }), 'acme/one'],
    [talk({ session: 'other' }), 'acme/one'], [talk({ tenant: 'other', session: 's' }), 'acme/one'],
  ] as const) assert.equal(affinity.find(conversation, model, NOW), null, JSON.stringify(conversation))
})

test('traffic that never caches is never hashed', () => {
  const affinity = createAffinity()
  const unread = talk({ beginning: () => assert.fail('a prompt was hashed for nothing') })
  affinity.learn(unread, { ...answered, cachedTokens: 0 }, NOW)
  affinity.learn(talk({ session: 's' }), answered, NOW)
  assert.equal(affinity.find(unread, 'acme/one', NOW), null)
})

test('memory is bounded: the conversation that has been silent longest is forgotten', () => {
  const affinity = createAffinity({ stickyRemembered: 3 })
  for (const starts of ['a', 'b', 'c']) affinity.learn(talk({ starts }), answered, NOW)
  affinity.learn(talk({ starts: 'a' }), answered, NOW)
  affinity.learn(talk({ starts: 'd' }), answered, NOW)
  assert.equal(affinity.find(talk({ starts: 'b' }), 'acme/one', NOW), null)
  for (const starts of ['a', 'c', 'd']) assert.ok(affinity.find(talk({ starts }), 'acme/one', NOW), starts)
})

test('an operator turns it off with 0', () => {
  const affinity = createAffinity()
  affinity.learn(talk(), answered, NOW)
  affinity.adopt({ stickyMs: 0 })
  assert.equal(affinity.find(talk(), 'acme/one', NOW), null)
})
