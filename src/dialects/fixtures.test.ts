import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { FAULTS, type ChatEvent, type ChatRequest } from '../core/index.ts'
import type { Outbound, Target } from './dialect.ts'
import { DIALECTS } from './index.ts'
import { aTarget, type anEndpoint } from './laws/endpoint.ts'
import { assertEvents } from './laws/fixtures.ts'
import { streamsIn } from './laws/streams.ts'

/**
 * Golden fixtures of the outbound faces, written by hand from what vendors send and take: `requests`, `streams` with
 * the events that they mean, `wholes`, `faults`. A dialect joins by having the folders; those with a test of their own do not.
 */
const OWN_TESTS: ReadonlySet<string> = new Set(['openai-chat', 'anthropic-messages', 'google-generate-content'])

type EndpointGiven = Omit<NonNullable<Parameters<typeof anEndpoint>[0]>, 'outputModalities'> & { readonly outputModalities?: readonly string[] }

interface RequestFixture {
  readonly says: string
  readonly endpoint?: EndpointGiven
  readonly target?: Partial<Omit<Target, 'endpoint'>>
  readonly request: Partial<ChatRequest>
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  /** Text that the body has as it stands, where parsing it would lose what matters. */
  readonly verbatim?: string
  readonly dropped?: readonly string[]
  /** Numbers that were sent in the place of the caller's: name, asked, sent. */
  readonly changed?: readonly (readonly [string, number | null, number])[]
  readonly fault?: { readonly kind: string; readonly field: string; readonly says: string }
}

interface WholeFixture {
  readonly says: string
  readonly endpoint?: EndpointGiven
  readonly body: unknown
  readonly events: readonly unknown[]
}

interface FaultFixture {
  readonly says: string
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: unknown
  readonly fault: { readonly kind: string; readonly message?: string; readonly code?: string; readonly retryAfterMs?: number; readonly without?: string }
}

for (const [name, { outbound }] of DIALECTS) {
  if (!outbound || OWN_TESTS.has(name)) continue
  const folder = (of: string): URL => new URL(`${name}/fixtures/${of}/`, import.meta.url)
  if (existsSync(folder('requests'))) requestFixtures(name, outbound, folder('requests'))
  if (existsSync(folder('streams'))) streamFixtures(name, outbound, folder('streams'))
  if (existsSync(folder('wholes'))) wholeFixtures(name, outbound, folder('wholes'))
  if (existsSync(folder('faults'))) faultFixtures(name, outbound, folder('faults'))
}

function targetOf(given: EndpointGiven = {}, rest: Partial<Omit<Target, 'endpoint'>> = {}): Target {
  const { outputModalities, ...endpoint } = given
  return aTarget({ ...endpoint, ...(outputModalities && { outputModalities: new Set(outputModalities) }) }, rest)
}

function read<T>(file: string, folder: URL): T {
  return JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as T
}

function requestFixtures(name: string, outbound: Outbound, folder: URL): void {
  for (const file of readdirSync(folder)) {
    const fixture = read<RequestFixture>(file, folder)
    test(`${name}: writes ${file.slice(0, -5)}: ${fixture.says}`, () => {
      const out = outbound.encode({ messages: [], sampling: {}, extras: {}, ...fixture.request }, targetOf({ dialect: name, ...fixture.endpoint }, fixture.target))
      if (fixture.fault) {
        assert.ok('fault' in out, 'a fault was due')
        assert.equal(out.fault.kind, fixture.fault.kind)
        assert.equal(out.fault.field, fixture.fault.field)
        assert.ok(out.fault.message.startsWith(`${fixture.fault.field}: `) && out.fault.message.includes(fixture.fault.says), out.fault.message)
        return
      }
      assert.ok(!('fault' in out), JSON.stringify(out))
      const body = Buffer.from(out.body as string).toString()
      assert.equal(out.path, fixture.path)
      assert.deepEqual(JSON.parse(body), fixture.body)
      assert.deepEqual(out.headers, fixture.headers ?? {})
      if (fixture.verbatim !== undefined) assert.ok(body.includes(fixture.verbatim), body)
      assert.deepEqual([...out.dropped].toSorted(), [...fixture.dropped ?? []].toSorted())
      if (!name.startsWith('anthropic-messages')) assert.deepEqual((out.changed ?? []).map(({ parameter, asked, sent }) => [parameter, asked, sent]), fixture.changed ?? [])
    })
  }
}

function streamFixtures(name: string, outbound: Outbound, folder: URL): void {
  for (const stream of streamsIn(folder)) {
    const says = /^: (.*)/.exec(stream.head)?.[1] ?? stream.file
    const model = /^: model (\S+)/m.exec(stream.head)?.[1]
    test(`${name}: reads ${stream.name}: ${says}`, () => {
      const expected = readFileSync(new URL(`${stream.name}.events.jsonl`, folder), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as unknown)
      const decoder = outbound.decoder(targetOf({ dialect: name, ...(model !== undefined && { upstreamModel: model }) }, { stream: true }))
      const events: ChatEvent[] = [...decoder.push(stream.bytes), ...decoder.end()]
      assertEvents(events, expected)
      assert.deepEqual([...decoder.push(stream.bytes), ...decoder.end()], [], 'said more after its end')
    })
  }
}

function wholeFixtures(name: string, outbound: Outbound, folder: URL): void {
  for (const file of readdirSync(folder)) {
    const fixture = read<WholeFixture>(file, folder)
    test(`${name}: reads a whole reply, ${file.slice(0, -5)}: ${fixture.says}`, () => {
      const body = typeof fixture.body === 'string' ? fixture.body : JSON.stringify(fixture.body)
      assertEvents(outbound.decodeReply(Buffer.from(body), targetOf({ dialect: name, ...fixture.endpoint })), fixture.events)
    })
  }
}

function faultFixtures(name: string, outbound: Outbound, folder: URL): void {
  for (const file of readdirSync(folder)) {
    const fixture = read<FaultFixture>(file, folder)
    test(`${name}: reads a failure, ${file.slice(0, -5)}: ${fixture.says}`, () => {
      const body = typeof fixture.body === 'string' ? fixture.body : JSON.stringify(fixture.body)
      const found = outbound.decodeFault(fixture.status, fixture.headers ?? {}, Buffer.from(body), targetOf({ dialect: name }))
      const { kind, message, code, retryAfterMs, without } = fixture.fault
      assert.equal(found.kind, kind)
      if (message !== undefined) assert.equal(found.message, message)
      if (code !== undefined) assert.equal(found.upstream?.code, code)
      assert.equal(found.upstream?.provider, 'Host')
      assert.equal(found.retryAfterMs, retryAfterMs)
      if (without !== undefined) assert.ok(!JSON.stringify(found).includes(without), JSON.stringify(found))
    })
  }
  test(`${name}: reads a failure of any bytes, and never blames the caller for the operator's key`, () => {
    for (const body of ['', 'null', '[]', '[[]]', '{"error":7}', '{"error":{}}', '{"message":{}}', '\u0000', '{"error":{"code":"x","status":7,"details":7,"message":{}}}']) {
      const found = outbound.decodeFault(401, {}, Buffer.from(body), targetOf({ dialect: name }))
      assert.equal(FAULTS[found.kind].blame, 'operator', body)
    }
  })
}
