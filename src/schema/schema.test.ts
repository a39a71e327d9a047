import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checker, jsonSchemaOf, z } from './index.ts'

const part = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('image_url'), image_url: z.object({ url: z.string() }) }),
])
const body = z.object({
  messages: z.array(z.object({ role: z.string(), content: z.union([z.string(), z.array(part)]) })).min(1),
  temperature: z.number().min(0).max(2).nullish(),
  provider: z.strictObject({ sort: z.enum(['price', 'latency']).optional() }).optional(),
})
const check = checker(body)
const good = { messages: [{ role: 'user', content: 'hi' }] }

test('a good value has no issue, and unknown keys are left alone where the schema is open', () => {
  assert.equal(check({ ...good, extra: 1 }), null)
})

test('an issue names the deepest path, what is there and what would be right', () => {
  const cases: readonly [unknown, string, RegExp][] = [
    [{ ...good, temperature: 'hot' }, 'temperature', /must be a number.*is "hot"/],
    [{ ...good, temperature: 3 }, 'temperature', /must be a number from 0 to 2, is 3/],
    [{}, 'messages', /is required/],
    [{ messages: [] }, 'messages', /at least 1/],
    [{ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 5 } }] }] }, 'messages[0].content[0].image_url.url', /must be a string, is 5/],
    [{ messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }, 'messages[0].content[0].image_url', /is required/],
    [{ ...good, provider: { sortt: 'price' } }, 'provider.sortt', /not a known field/],
    [{ ...good, provider: { sort: 'cheap' } }, 'provider.sort', /one of "price", "latency", is "cheap"/],
    ['text', '', /must be an object, is "text"/],
  ]
  for (const [value, path, message] of cases) {
    const issue = check(value)
    assert.equal(issue?.path, path, JSON.stringify(value))
    assert.match(issue!.message, message)
  }
})

test('a list of fifty thousand wrong things is refused by its first, as quickly as a short one', () => {
  const wrong = { messages: [{ role: 'user', content: Array.from({ length: 50_000 }, () => 5) }] }
  check(wrong)
  const before = process.threadCpuUsage()
  const issue = check(wrong)
  const { user, system } = process.threadCpuUsage(before)
  assert.equal(issue!.path, 'messages[0].content[0]')
  assert.ok(user + system < 20_000, `${(user + system) / 1000} ms of CPU`)
})

test('a long value is not repeated in the message', () => {
  const issue = check({ ...good, temperature: 'x'.repeat(5000) })
  assert.ok(issue!.message.length < 200)
})

test('what is published is what is checked', () => {
  const published = jsonSchemaOf(body) as { properties: { temperature: unknown } }
  assert.deepEqual(published.properties.temperature, { anyOf: [{ type: 'number', minimum: 0, maximum: 2 }, { type: 'null' }] })
})
