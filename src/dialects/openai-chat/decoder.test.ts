import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { malformed, type ChatEvent } from '../../core/index.ts'
import { aTarget } from '../laws/endpoint.ts'
import { short } from '../laws/notation.ts'
import { createDecoder, decodeReply } from './decoder.ts'

const STREAMS = new URL('fixtures/streams/', import.meta.url)
const WHOLES = new URL('fixtures/wholes/', import.meta.url)

/** Ids that the upstream left out are made up: fixtures write `*` for them. A fault may be named by its kind alone. */
function assertEvents(actual: readonly ChatEvent[], expected: readonly unknown[]): void {
  assert.equal(malformed(actual), null)
  const shown = actual.map((event, at) => {
    const it = short(event) as { open?: [number, number, { id?: string }]; fault?: string[] }
    const wanted = expected[at] as typeof it | undefined
    if (it.open && wanted?.open?.[2].id === '*') {
      assert.match(it.open[2].id ?? '', /^call_[0-9a-f]{24}$/)
      it.open[2] = { ...it.open[2], id: '*' }
    }
    if (it.fault && wanted?.fault?.length === 1) it.fault.length = 1
    return it
  })
  assert.deepEqual(shown, expected)
}

for (const file of readdirSync(STREAMS).filter((name) => name.endsWith('.sse'))) {
  const bytes = readFileSync(new URL(file, STREAMS))
  const says = /^: (.*)/.exec(bytes.toString())?.[1] ?? file
  test(`reads ${file.slice(0, -4)}: ${says}`, () => {
    const quirks = /^: quirks (.*)$/m.exec(bytes.toString())?.[1]?.split(' ') ?? []
    const expected = readFileSync(new URL(file.replace('.sse', '.events.jsonl'), STREAMS), 'utf8')
      .trim().split('\n').map((line) => JSON.parse(line) as unknown)
    const decoder = createDecoder(aTarget({ quirks }, { stream: true }))
    assertEvents([...decoder.push(bytes), ...decoder.end()], expected)
  })
}

for (const file of readdirSync(WHOLES)) {
  const fixture = JSON.parse(readFileSync(new URL(file, WHOLES), 'utf8')) as { says: string; quirks: string[]; body: unknown; events: unknown[] }
  test(`reads a whole reply, ${file.slice(0, -5)}: ${fixture.says}`, () => {
    const body = typeof fixture.body === 'string' ? fixture.body : JSON.stringify(fixture.body)
    assertEvents(decodeReply(Buffer.from(body), aTarget({ quirks: fixture.quirks })), fixture.events)
  })
}
