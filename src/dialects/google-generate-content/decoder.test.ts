import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { malformed, usage, type ChatEvent } from '../../core/index.ts'
import type { Target } from '../dialect.ts'
import { aTarget } from '../laws/endpoint.ts'
import { assertEvents } from '../laws/fixtures.ts'
import { joined } from '../laws/notation.ts'
import { createDecoder, decodeReply } from './decoder.ts'
import { createPartialArgs, stepsOf } from './partial-args.ts'
import { readUsage } from './usage-in.ts'

const STREAMS = new URL('fixtures/streams/', import.meta.url)
const WHOLES = new URL('fixtures/wholes/', import.meta.url)
const FILES = readdirSync(STREAMS).filter((name) => name.endsWith('.sse'))

const targetOf = (model: string): Target => aTarget({ upstreamModel: model, providerName: 'Google' }, { stream: true })

function readStream(bytes: Uint8Array, target: Target, cuts: readonly number[] = []): ChatEvent[] {
  const decoder = createDecoder(target)
  const events: ChatEvent[] = []
  let from = 0
  for (const to of [...cuts, bytes.length]) {
    events.push(...decoder.push(bytes.subarray(from, to)))
    from = to
  }
  return [...events, ...decoder.end()]
}

for (const file of FILES) {
  const bytes = readFileSync(new URL(file, STREAMS))
  const says = /^: (.*)/.exec(bytes.toString())?.[1] ?? file
  const target = targetOf(/^: model (\S+)/m.exec(bytes.toString())?.[1] ?? '')

  test(`reads ${file.slice(0, -4)}: ${says}`, () => {
    const expected = readFileSync(new URL(file.replace('.sse', '.events.jsonl'), STREAMS), 'utf8')
      .trim().split('\n').map((line) => JSON.parse(line) as unknown)
    assertEvents(readStream(bytes, target), expected)
  })

  test(`reads ${file.slice(0, -4)} alike however its bytes are cut`, () => {
    const expected = joined(readStream(bytes, target))
    for (let at = 1; at < bytes.length; at++) assert.deepEqual(joined(readStream(bytes, target, [at])), expected, `cut at ${at}`)
    assert.deepEqual(joined(readStream(bytes, target, Array.from(bytes, (_, at) => at))), expected, 'byte by byte')
  })

  test(`makes a well-formed reply of ${file.slice(0, -4)} wherever it breaks off`, () => {
    for (let at = 0; at < bytes.length; at++) assert.equal(malformed(readStream(bytes.subarray(0, at), target)), null, `ends at ${at}`)
  })
}

for (const file of readdirSync(WHOLES)) {
  const fixture = JSON.parse(readFileSync(new URL(file, WHOLES), 'utf8')) as { says: string; model: string; body: unknown; events: unknown[] }
  test(`reads a whole reply, ${file.slice(0, -5)}: ${fixture.says}`, () => {
    const body = typeof fixture.body === 'string' ? fixture.body : JSON.stringify(fixture.body)
    assertEvents(decodeReply(Buffer.from(body), targetOf(fixture.model)), fixture.events)
  })
}

test('gives the calls of one reply different ids, and the same ones each time it is read', () => {
  const bytes = Buffer.from('data: {"responseId":"r","candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}},{"functionCall":{"name":"f"}}]},"finishReason":"STOP"}]}\r\n\r\n')
  const ids = () => readStream(bytes, targetOf('gemini-3-flash')).flatMap((event) => (event.type === 'block-open' && event.block.type === 'tool-call' ? [event.block.id] : []))
  assert.equal(new Set(ids()).size, 2)
  assert.deepEqual(ids(), ids())
})

test('says nothing more after the end, nor after a fault', () => {
  const decoder = createDecoder(targetOf('gemini-3-flash'))
  decoder.push(Buffer.from('data: {"error":{"code":500,"message":"x","status":"INTERNAL"}}\r\n\r\n'))
  assert.deepEqual(decoder.push(Buffer.from('data: {"candidates":[{"content":{"parts":[{"text":"late"}]}}]}\r\n\r\n')), [])
  assert.deepEqual(decoder.end(), [])
})

test('counts sound and pictures of the prompt and of the answer apart, and what tools put into the prompt', () => {
  const count = (modality: string, tokenCount: number) => ({ modality, tokenCount })
  assert.deepEqual(readUsage({
    promptTokenCount: 100, candidatesTokenCount: 50, thoughtsTokenCount: 7, toolUsePromptTokenCount: 30, cachedContentTokenCount: 60, totalTokenCount: 187,
    promptTokensDetails: [count('TEXT', 10), count('AUDIO', 40), count('IMAGE', 20), count('VIDEO', 5)],
    toolUsePromptTokensDetails: [count('IMAGE', 3)], candidatesTokensDetails: [count('AUDIO', 11), count('IMAGE', 12)],
  }, 0), usage({ total: 130, cacheRead: 60, audio: 40, image: 23, video: 5 }, { total: 57, reasoning: 7, audio: 11, image: 12 }))
})

test('reads the paths of streamed arguments, and refuses what is none', () => {
  assert.deepEqual(stepsOf(`$.a[0]['b c']["d\\"e"].f`), ['a', 0, 'b c', 'd"e', 'f'])
  for (const path of ['', 'a', '$a', '$.a[', '$.a[-1]', '$.a[99999999]', `$${'.a'.repeat(65)}`]) assert.equal(stepsOf(path), null, path)
})

test('is not led astray by paths that contradict each other, skip places or name the prototype', () => {
  const args = createPartialArgs()
  for (const [jsonPath, stringValue] of [['$.a', 'x'], ['$.a.b', 'lost'], ['$.l[2]', 'c'], ['$.l.k', 'lost'], ['$.far[90000]', 'z'], ['$.__proto__.p', 'q']]) {
    args.add({ jsonPath, stringValue })
  }
  assert.equal(args.text(), '{"a":"x","l":[null,null,"c"],"far":["z"],"__proto__":{"p":"q"}}')
})
