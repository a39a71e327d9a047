import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { aTarget } from '../laws/endpoint.ts'
import { assertEvents } from '../laws/fixtures.ts'
import { createDecoder, decodeReply } from './decoder.ts'

const STREAMS = new URL('fixtures/streams/', import.meta.url)
const WHOLES = new URL('fixtures/wholes/', import.meta.url)

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
