import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSseReader, type SseEvent } from './sse.ts'

function readAll(bytes: Uint8Array, cuts: readonly number[] = []): SseEvent[] {
  const reader = createSseReader({ maxEventBytes: 1 << 20 })
  const out: SseEvent[] = []
  let from = 0
  for (const to of [...cuts, bytes.length]) {
    // The reader must not keep the caller's buffer: it is overwritten after each push.
    const chunk = Uint8Array.from(bytes.subarray(from, to))
    out.push(...reader.push(chunk))
    chunk.fill(0x58)
    from = to
  }
  return [...out, ...reader.end()]
}

const data = (...texts: string[]): SseEvent[] => texts.map((text) => ({ event: '', data: text }))

const CASES: readonly (readonly [string, string, SseEvent[]])[] = [
  ['the common form', 'data: {"a":1}\n\ndata: [DONE]\n\n', data('{"a":1}', '[DONE]')],
  ['no blank after the colon, or two', 'data:x\n\ndata:  y\n\n', data('x', ' y')],
  ['carriage returns with line feeds', 'data: a\r\n\r\ndata: b\r\n\r\n', data('a', 'b')],
  ['carriage returns alone', 'data: a\r\rdata: b\r\r', data('a', 'b')],
  ['all line ends in one stream', 'data: a\r\n\ndata: b\n\rdata: c\r\r\ndata: d\n\n', data('a', 'b', 'c', 'd')],
  ['several data lines', 'data: {\ndata: "a": 1\ndata:}\n\n', data('{\n"a": 1\n}')],
  ['named events', 'event: error\ndata: x\n\ndata: y\n\nevent: lonely\n\ndata: z\n\n', [{ event: 'error', data: 'x' }, ...data('y', 'z')]],
  ['names with every kind of line end and of data', 'event: a\ndata: x\n\nevent: b\ndata: y\r\n\r\nevent:c\ndata:z\ndata: w\n\nevent: \ndata: v\n\nevent: d\ndata: u\rdata: t\n\n', [{ event: 'a', data: 'x' }, { event: 'b', data: 'y' }, { event: 'c', data: 'z\nw' }, { event: '', data: 'v' }, { event: 'd', data: 'u\nt' }]],
  ['fields around the data', 'id: 7\nretry: 10\ndata: x\nevent: late\n\n', [{ event: 'late', data: 'x' }]],
  ['comments before, between and inside', ': hi\n\n:\ndata: a\n: mid\n\n: PROCESSING\n\ndata: b\n\n', data('a', 'b')],
  ['a mark at the start', '\ufeffdata: a\n\n', data('a')],
  ['no blank line at the end', 'data: a\n\ndata: b', data('a', 'b')],
  ['a line end but no blank line at the end', 'data: a\n\ndata: b\n', data('a', 'b')],
  ['empty data', 'data\n\ndata:\n\ndata: \n\n', data('', '', '')],
  ['characters of two, three and four bytes', 'data: é漢🌍\n\ndata: ß\n\n', data('é漢🌍', 'ß')],
]

for (const [name, text, expected] of CASES) {
  test(`reads ${name}, wherever the bytes are cut`, () => {
    const bytes = Buffer.from(text)
    assert.deepEqual(readAll(bytes), expected)
    for (let at = 0; at <= bytes.length; at++) assert.deepEqual(readAll(bytes, [at]), expected, `cut at ${at}`)
    assert.deepEqual(readAll(bytes, Array.from({ length: bytes.length }, (_, i) => i)), expected, 'byte by byte')
  })
}

test('an event leaves with the read that completes it, not later', () => {
  const reader = createSseReader({ maxEventBytes: 100 })
  assert.deepEqual(reader.push(Buffer.from('data: a\n')), [])
  assert.deepEqual(reader.push(Buffer.from('\ndata: b')), data('a'))
  assert.deepEqual(reader.push(Buffer.from('\r')), [])
  assert.deepEqual(reader.push(Buffer.from('\n\r')), data('b'))
})

test('comments are counted as signs of life', () => {
  const reader = createSseReader({ maxEventBytes: 100 })
  assert.deepEqual(reader.push(Buffer.from(': a\n\n: b\n\n')), [])
  assert.equal(reader.comments, 2)
})

test('a page or a JSON error in place of a stream is kept for whoever asks', () => {
  const reader = createSseReader({ maxEventBytes: 1000 })
  assert.deepEqual([...reader.push(Buffer.from('{"error":\n {"message": "no"}}')), ...reader.end()], [])
  assert.equal(reader.unparsed, '{"error":\n {"message": "no"}}')
})

test('an event beyond the limit stops the reader, whether it has line ends or not', () => {
  for (const text of [`data: ${'x'.repeat(200)}\n\n`, `data: ${'x'.repeat(200)}`, 'data: xxxxxxxxxxx\n'.repeat(20), '<p>xxxxxxxxxx</p>\n'.repeat(20)]) {
    const reader = createSseReader({ maxEventBytes: 100 })
    reader.push(Buffer.from(text))
    assert.equal(reader.overflow, true)
    assert.deepEqual(reader.push(Buffer.from('data: ok\n\n')), [])
  }
})

test('an event of megabytes in small reads is put together in linear time', () => {
  const reader = createSseReader({ maxEventBytes: 64 << 20 })
  const piece = Buffer.alloc(16_384, 0x41)
  const from = process.threadCpuUsage().user
  reader.push(Buffer.from('data: '))
  for (let i = 0; i < 1024; i++) reader.push(piece)
  const [event] = reader.push(Buffer.from('\n\n'))
  assert.equal(event!.data.length, 1024 * 16_384)
  assert.ok(process.threadCpuUsage().user - from < 2_000_000)
})

test('bytes that are no UTF-8 stop the reader, wherever they are cut; the events before them count, and a character that stands for a broken one is a character', () => {
  const good = 'data: one \ufffd\n\ndata: two\n\n'
  const wire = Buffer.concat([Buffer.from(good), Buffer.from('data: thr'), Buffer.from([0xc3, 0x28]), Buffer.from('ee\n\ndata: four\n\n')])
  for (let cut = 0; cut <= wire.length; cut++) {
    const reader = createSseReader({ maxEventBytes: 1000 })
    const events = [...reader.push(wire.subarray(0, cut)), ...reader.push(wire.subarray(cut)), ...reader.end()]
    // What shares a read with the broken bytes is read up to the line of the first that may be one.
    assert.ok(['', 'two'].includes(events.slice(1).map(({ data }) => data).join()), `${cut}: ${JSON.stringify(events)}`)
    assert.ok(events.every(({ data }) => data === 'one \ufffd' || data === 'two'), `${cut}: ${JSON.stringify(events)}`)
    assert.equal(reader.garbled, true)
  }
  const reader = createSseReader({ maxEventBytes: 1000 })
  assert.equal(reader.push(Buffer.from(good)).length, 2)
  assert.equal(reader.garbled, false)
})
