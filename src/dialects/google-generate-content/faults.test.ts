import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { FAULTS } from '../../core/index.ts'
import { aTarget } from '../laws/endpoint.ts'
import { outbound } from './outbound.ts'

const FAULTS_DIR = new URL('fixtures/faults/', import.meta.url)

interface Fixture {
  readonly says: string
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: unknown
  readonly fault: { readonly kind: string; readonly message?: string; readonly code?: string; readonly retryAfterMs?: number; readonly without?: string }
}

for (const file of readdirSync(FAULTS_DIR)) {
  const fixture = JSON.parse(readFileSync(new URL(file, FAULTS_DIR), 'utf8')) as Fixture
  test(`reads a failure, ${file.slice(0, -5)}: ${fixture.says}`, () => {
    const body = typeof fixture.body === 'string' ? fixture.body : JSON.stringify(fixture.body)
    const found = outbound.decodeFault(fixture.status, fixture.headers, Buffer.from(body), aTarget({ providerName: 'Google' }))
    const { kind, message, code, retryAfterMs, without } = fixture.fault
    assert.equal(found.kind, kind)
    if (message !== undefined) assert.equal(found.message, message)
    assert.equal(found.upstream?.code, code)
    assert.equal(found.upstream?.status, fixture.status)
    assert.equal(found.upstream?.provider, 'Google')
    if (kind === 'upstream-rate-limited') assert.equal(found.retryAfterMs, retryAfterMs)
    if (without !== undefined) assert.ok(!JSON.stringify(found).includes(without), JSON.stringify(found))
  })
}

test('reads a failure of any bytes and never blames the caller for the key of the operator', () => {
  for (const body of ['', 'null', '[]', '[[]]', '{"error":7}', '{"error":{}}', '{"error":"x"}', '\u0000', '{"error":{"code":"x","status":7,"details":7,"message":{}}}']) {
    const found = outbound.decodeFault(401, {}, Buffer.from(body), aTarget())
    assert.equal(FAULTS[found.kind].blame, 'operator', body)
  }
})
