import assert from 'node:assert/strict'
import * as http from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { DONE, INVALID, MAX_HEAD_BYTES, MAX_HEADER_LINES, ResponseParser, type ResponseHeaders } from './index.ts'
import { fc } from '../../test/properties.ts'

interface Parsed {
  readonly outcome: 'whole' | 'cut' | 'invalid'
  readonly reason: string
  readonly status: number
  readonly headers: ResponseHeaders
  readonly body: string
  /** Bytes up to the end of the message. */
  readonly used: number
  readonly reusable: boolean
}

/** Parses pieces that lie in one buffer which the next one overwrites, as sockets deliver them; then the stream ends. */
function parse(pieces: readonly Buffer[], parser = new ResponseParser()): Parsed {
  const buffer = Buffer.alloc(Math.max(1, ...pieces.map((piece) => piece.length)))
  let body = ''
  let before = 0
  let outcome: Parsed['outcome'] | null = null
  parser.begin()
  for (const piece of pieces) {
    piece.copy(buffer)
    const progress = parser.push(buffer, piece.length)
    for (let i = 0; i < parser.ranges; i += 2) body += buffer.toString('latin1', parser.body[i], parser.body[i + 1])
    if (progress === DONE) outcome = 'whole'
    if (progress === INVALID) outcome = 'invalid'
    if (outcome) {
      before += parser.used
      break
    }
    before += piece.length
  }
  outcome ??= parser.end() ? 'whole' : 'cut'
  const { status, headers, reusable } = parser
  return { outcome, reason: outcome === 'invalid' ? parser.reason : '', status, headers: { ...headers }, body, used: outcome === 'invalid' ? 0 : before, reusable }
}

const whole = (text: string): Parsed => parse([Buffer.from(text, 'latin1')])
const ok = (rest: string) => `HTTP/1.1 200 OK\r\n${rest}`

function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...new Set(cuts.map((cut) => cut % (bytes.length + 1))), bytes.length].toSorted((a, b) => a - b)
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end)).filter((piece) => piece.length > 0)
}

const token = fc.stringMatching(/^[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,12}$/)
  .filter((name) => !/^(content-length|transfer-encoding|connection|keep-alive)$/i.test(name))
const value = fc.stringMatching(/^([!-~\x80-\xff]([ \t!-~\x80-\xff]{0,20}[!-~\x80-\xff])?)?$/)
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array).toString('latin1'))
const lineEnd = fc.constantFrom('\r\n', '\r\n', '\r\n', '\n')
const fields = fc.array(fc.tuple(token, value), { maxLength: 6 })

interface Generated { readonly wire: string; readonly status: number; readonly fields: readonly (readonly [string, string])[]; readonly body: string }

/** Answers as RFC 9112 allows them, in all their framings; `end` is what ends a line. */
function answers(end: fc.Arbitrary<string>): fc.Arbitrary<Generated> {
  return fc.record({
    status: fc.oneof({ weight: 3, arbitrary: fc.constant(200) }, { weight: 2, arbitrary: fc.integer({ min: 200, max: 599 }) }),
    reason: fc.option(fc.stringMatching(/^[ -~]{0,12}$/), { nil: null }),
    fields, end, trailers: fields,
    interim: fc.array(fc.constantFrom('HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'), { maxLength: 2 }),
    framing: fc.constantFrom('length', 'chunked', 'close'),
    body: bytes,
    sizes: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 }),
    extension: fc.constantFrom('', '', ';a=b', ';q="x y"'),
    upper: fc.boolean(),
  }).map(({ status, reason, fields, end, trailers, interim, framing, body, sizes, extension, upper }) => {
    const bare = status === 204 || status === 304
    let wire = `${interim.join('')}HTTP/1.1 ${status}${reason === null ? '' : ` ${reason}`}${end}`
    for (const [name, text] of fields) wire += `${name}:${upper ? ' ' : ''}${text}${end}`
    if (framing === 'length') wire += `${upper ? 'CONTENT-LENGTH' : 'content-length'}: ${body.length}${end}`
    if (framing === 'chunked') wire += `Transfer-Encoding: ${upper ? 'Chunked' : 'chunked'}${end}`
    wire += end
    if (bare) return { wire, status, fields, body: '' }
    if (framing !== 'chunked') return { wire: wire + body, status, fields, body }
    for (let at = 0, i = 0; at < body.length; i++) {
      const chunk = body.slice(at, at + sizes[i % sizes.length]!)
      at += chunk.length
      const size = chunk.length.toString(16)
      wire += `${upper ? size.toUpperCase() : size}${extension}\r\n${chunk}\r\n`
    }
    wire += `0\r\n${trailers.map(([name, text]) => `${name}: ${text}${end}`).join('')}${end}`
    return { wire, status, fields, body }
  })
}

function recordOf(fields: Generated['fields']): Record<string, string[]> {
  const record: Record<string, string[]> = Object.create(null)
  for (const [name, text] of fields) (record[name.toLowerCase()] ??= []).push(text)
  return record
}

test('an answer reads the same in one piece, byte by byte and in any pieces', () => {
  fc.assert(fc.property(answers(lineEnd), fc.array(fc.nat(), { maxLength: 6 }), ({ wire, status, fields, body }, cuts) => {
    const all = Buffer.from(wire, 'latin1')
    const expected = parse([all])
    assert.equal(expected.outcome, 'whole', expected.reason)
    assert.equal(expected.status, status)
    assert.equal(expected.body, body)
    for (const [name, values] of Object.entries(recordOf(fields))) assert.deepEqual([expected.headers[name]].flat(), values)
    assert.deepEqual(parse(cutAt(all, cuts)), expected)
    assert.deepEqual(parse(cutAt(all, all.map((_, i) => i) as unknown as number[])), expected)
    assert.deepEqual(parse([...all].map((byte) => Buffer.of(byte))), expected)
  }), { numRuns: 300 })
})

/** Answers with a byte or three changed, left out, put in or doubled. */
const spoiled = fc.tuple(
  answers(fc.constant('\r\n')),
  fc.array(fc.tuple(fc.nat(), fc.constantFrom('change', 'drop', 'insert', 'double'), fc.oneof(
    fc.constantFrom(...'\r\n\0\t :;0159afxHT,-\x7f\xff'), fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)),
  )), { minLength: 1, maxLength: 3 }),
).map(([{ wire }, changes]) => {
  for (const [where, what, byte] of changes) {
    const at = where % wire.length
    const kept = what === 'change' || what === 'drop' ? '' : wire[at]!
    wire = wire.slice(0, at) + kept + (what === 'drop' ? '' : what === 'double' ? kept : byte) + wire.slice(at + 1)
  }
  return wire
})

test('a damaged answer comes to the same end however it is cut: no split makes a refused byte pass', () => {
  fc.assert(fc.property(spoiled, fc.array(fc.nat(), { maxLength: 6 }), (wire, cuts) => {
    const all = Buffer.from(wire, 'latin1')
    const expected = parse([all])
    assert.deepEqual(parse(cutAt(all, cuts)), expected)
    assert.deepEqual(parse([...all].map((byte) => Buffer.of(byte))), expected)
  }), { numRuns: 1000 })
})

test('a parser that has read one answer reads the next as if it were new', () => {
  const used = new ResponseParser()
  fc.assert(fc.property(answers(lineEnd), fc.array(fc.nat(), { maxLength: 3 }), ({ wire }, cuts) => {
    const pieces = cutAt(Buffer.from(wire, 'latin1'), cuts)
    assert.deepEqual(parse(pieces, used), parse(pieces))
  }), { numRuns: 200 })
})

test('framing that two readers could read in two ways is refused', () => {
  const refused: readonly (readonly [string, string])[] = [
    [ok('content-length: 2\r\ncontent-length: 3\r\n\r\nabc'), 'content_length_twice'],
    [ok('content-length: 2\r\ncontent-length: 2\r\n\r\nab'), 'content_length_twice'],
    [ok('content-length: 2, 2\r\n\r\nab'), 'content_length'],
    [ok('content-length: -1\r\n\r\n'), 'content_length'],
    [ok('content-length: +1\r\n\r\na'), 'content_length'],
    [ok('content-length: 0x1\r\n\r\na'), 'content_length'],
    [ok('content-length: 1 1\r\n\r\na'), 'content_length'],
    [ok('content-length:\r\n\r\n'), 'content_length'],
    [ok('content-length: 9007199254740992\r\n\r\n'), 'content_length'],
    [ok('content-length: 99999999999999999999\r\n\r\n'), 'content_length'],
    [ok('content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'), 'two_framings'],
    [ok('transfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n0\r\n\r\n'), 'two_framings'],
    [ok('transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'), 'transfer_encoding'],
    [ok('transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n'), 'transfer_encoding'],
    [ok('transfer-encoding: identity\r\n\r\n'), 'transfer_encoding'],
    [ok('transfer-encoding: xchunked\r\n\r\n0\r\n\r\n'), 'transfer_encoding'],
    [ok('transfer-encoding: chunked\r\n\r\n-1\r\n'), 'chunk_size'],
    [ok('transfer-encoding: chunked\r\n\r\n\r\n'), 'chunk_size'],
    [ok('transfer-encoding: chunked\r\n\r\n20000000000000\r\n'), 'chunk_size'],
    [ok('transfer-encoding: chunked\r\n\r\n00000000000000001\r\na\r\n'), 'chunk_size'],
    [ok('transfer-encoding: chunked\r\n\r\n1\r\nab\r\n'), 'chunk_end'],
    [ok('transfer-encoding: chunked\r\n\r\n1\r\na\n'), 'chunk_end'],
    [ok('transfer-encoding: chunked\r\n\r\n1\na\r\n'), 'chunk_size'],
    [ok(`transfer-encoding: chunked\r\n\r\n1;${'x'.repeat(5000)}\r\na\r\n`), 'chunk_extension'],
    [ok(`transfer-encoding: chunked\r\n\r\n0\r\n${'a: b\r\n'.repeat(10_000)}\r\n`), 'trailer'],
    [ok(`transfer-encoding: chunked\r\n\r\n0\r\na: ${'b'.repeat(40_000)}\r\n\r\n`), 'trailers_too_large'],
    [ok('transfer-encoding: chunked\r\n\r\n0\r\na b\r\n\r\n'), 'trailer'],
  ]
  for (const [wire, reason] of refused) assert.equal(whole(wire).reason, reason, JSON.stringify(wire.slice(0, 100)))
})

test('a head with folded lines, controls, or names that are none is refused', () => {
  for (const [wire, reason] of [
    [ok('a: b\r\n c\r\n\r\n'), 'header_name'], [ok('a: b\r\n\tc\r\n\r\n'), 'header_name'], [ok('a : b\r\n\r\n'), 'header_name'],
    [ok(': b\r\n\r\n'), 'header_name'], [ok('a\r\n\r\n'), 'header_name'], [ok('a: b\0c\r\n\r\n'), 'header_value'],
    [ok('a: b\rc\r\n\r\n'), 'line_end'], [ok('a: b\x7f\r\n\r\n'), 'header_value'], [ok('a\xe9: b\r\n\r\n'), 'header_name'],
    ['HTTP/2 200\r\n\r\n', 'not_http'], ['HTTP/1.2 200 OK\r\n\r\n', 'http_version'], ['HTTP/1.1 20 OK\r\n\r\n', 'status'],
    ['HTTP/1.1 099 No\r\n\r\n', 'status'], ['HTTP/1.1 2000\r\n\r\n', 'status'], ['ICY 200 OK\r\n\r\n', 'not_http'],
    ['\r\nHTTP/1.1 200 OK\r\n\r\n', 'not_http'], ['HTTP/1.0 100 Continue\r\n\r\n', 'http_version'], ['HTTP/1.1 101 Switching\r\n\r\n', 'upgrade'], ['HTTP/1.1 200 O\0K\r\n\r\n', 'reason'],
  ] as const) assert.equal(whole(wire).reason, reason, JSON.stringify(wire))
})

test('a head has its bounds: bytes, lines, and interim answers before it', () => {
  const exact = (size: number) => {
    const head = ok('a: ')
    return `${head}${'b'.repeat(size - head.length - 4 - 'content-length: 0\r\n'.length)}\r\ncontent-length: 0\r\n\r\n`
  }
  assert.equal(whole(exact(MAX_HEAD_BYTES)).outcome, 'whole')
  assert.equal(whole(exact(MAX_HEAD_BYTES + 1)).reason, 'headers_too_large')
  assert.equal(parse([...Buffer.from(exact(MAX_HEAD_BYTES))].map((byte) => Buffer.of(byte))).outcome, 'whole')
  assert.equal(parse([...Buffer.from(exact(MAX_HEAD_BYTES + 1))].map((byte) => Buffer.of(byte))).reason, 'headers_too_large')
  assert.equal(whole(ok(`${'a: b\r\n'.repeat(MAX_HEADER_LINES)}\r\n`)).outcome, 'whole')
  assert.equal(whole(ok(`${'a: b\r\n'.repeat(MAX_HEADER_LINES + 1)}\r\n`)).reason, 'too_many_headers')
  assert.equal(whole(`${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(64)}${ok('content-length: 0\r\n\r\n')}`).outcome, 'whole')
  assert.equal(whole('HTTP/1.1 102 Processing\r\n\r\n'.repeat(65)).reason, 'too_many_interim')
})

test('a head that trickles in is read once, not anew with each byte', () => {
  const head = Buffer.from(ok(`${'x-filler: 0123456789abcdef\r\n'.repeat(199)}\r\n`))
  const began = process.threadCpuUsage()
  for (let i = 0; i < 20; i++) parse([...head].map((byte) => Buffer.of(byte)))
  const { user } = process.threadCpuUsage(began)
  // Read anew each time, this would be 20 x 5,600 x 2,800 steps: half a second even at 600 million steps a second.
  assert.ok(user < 400_000, `it took ${user / 1000} ms`)
})

test('an answer says whether its connection can be used again, and for how long', () => {
  assert.equal(whole(ok('content-length: 0\r\n\r\n')).reusable, true)
  assert.equal(whole(ok('content-length: 0\r\nConnection: Close\r\n\r\n')).reusable, false)
  assert.equal(whole(ok('content-length: 0\r\nConnection: foo, close\r\n\r\n')).reusable, false)
  assert.equal(whole(ok('content-length: 0\r\nConnection: closed\r\n\r\n')).reusable, true)
  assert.equal(whole('HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n').reusable, false)
  // Hand-written servers chunk under HTTP/1.0 too; RFC 9112 §6.1 wants the connection closed after it.
  const old = whole('HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n')
  assert.deepEqual([old.body, old.reusable], ['a', false])
  assert.equal(whole(ok('\r\nuntil the end')).reusable, false)
  for (const [said, seconds] of [['timeout=5', 5], ['max=100, timeout=60', 60], ['max=100', Infinity], ['xtimeout=3', Infinity]] as const) {
    const parser = new ResponseParser()
    parse([Buffer.from(ok(`keep-alive: ${said}\r\ncontent-length: 0\r\n\r\n`))], parser)
    assert.equal(parser.keepAliveSeconds, seconds, said)
  }
})

test('what follows a whole answer is told apart from it', () => {
  const first = ok('content-length: 2\r\n\r\nab')
  assert.equal(whole(`${first}HTTP/1.1 200 OK`).used, first.length)
  assert.equal(whole('HTTP/1.1 204 No Content\r\n\r\nx').used, 'HTTP/1.1 204 No Content\r\n\r\n'.length)
  assert.equal(whole('HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\nhello').body, '')
})

test('a header that is named like a part of every object is a header and nothing else', () => {
  const parser = new ResponseParser()
  parse([Buffer.from(ok('__proto__: a\r\n__proto__: b\r\nconstructor: c\r\ncontent-length: 0\r\n\r\n'))], parser)
  assert.deepEqual(Object.entries(parser.headers), [['__proto__', ['a', 'b']], ['constructor', 'c'], ['content-length', '0']])
  assert.equal(parser.headers['toString'], undefined)
})

/** What llhttp refuses and we take. Neither moves the end of a message. */
const LENIENT: readonly ((wire: string, ours: Parsed) => boolean)[] = [
  // A lone LF at the end of a line of the head, which hand-written servers send.
  (wire) => /(^|[^\r])\n/.test(wire),
  // What follows the message: here the connection is dropped, and the answer stands.
  (wire, ours) => ours.used < wire.length,
  // Chunk extensions are skipped, not read, so their grammar does not matter; blanks before them neither.
  (wire) => /\r\n[0-9a-f]+[ \t]*(;[^\r]*)?\r\n/gi.test(wire)
    && [...wire.matchAll(/\r\n[0-9a-f]+([ \t]+\r|[ \t]*;[^\r]*)/gi)].some(([, rest]) => !/^;[\w!#$%&'*+.^`|~-]+=([\w!#$%&'*+.^`|~-]+|"[^"]*")$/.test(rest!)),
]

/**
 * What llhttp takes and we refuse: a coding other than exactly `chunked` (llhttp reads on until the connection closes),
 * controls in a reason phrase, statuses below 100 or of more than three digits, empty lines before the status line,
 * versions other than 1.0 and 1.1, and a switch of protocols that nobody asked for.
 */
const STRICTER = new Set(['transfer_encoding', 'reason', 'status', 'not_http', 'http_version', 'upgrade'])

test("on answers whole and damaged, the parser agrees with node's, or is known to be stricter", async () => {
  let wire = ''
  const server = createServer((socket) => {
    socket.on('error', () => {}).once('data', () => socket.end(wire, 'latin1'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const agent = new http.Agent({ keepAlive: false })

  const byNode = (): Promise<{ status: number; body: string; headers: string[] } | null> => new Promise((resolve) => {
    const request = http.request({ port, host: '127.0.0.1', agent, maxHeaderSize: MAX_HEAD_BYTES }, (response) => {
      let body = ''
      response.setEncoding('latin1').on('data', (text: string) => { body += text })
      response.on('end', () => resolve(response.complete ? { status: response.statusCode!, body, headers: response.rawHeaders } : null))
      response.on('error', () => resolve(null))
    })
    request.on('error', () => resolve(null)).on('upgrade', (_, socket) => {
      socket.destroy()
      resolve(null)
    }).end()
  })

  const compare = async (given: string) => {
    wire = given
    const theirs = await byNode()
    const ours = whole(given)
    const said = JSON.stringify(given)
    if (ours.outcome === 'whole' && theirs !== null) assert.deepEqual({ status: ours.status, body: ours.body }, { status: theirs.status, body: theirs.body }, said)
    else if (ours.outcome === 'whole') assert.ok(LENIENT.some((known) => known(given, ours)), `only we take ${said}`)
    else if (theirs !== null) assert.ok(STRICTER.has(ours.reason), `only node takes (${ours.outcome} ${ours.reason}) ${said}`)
    return theirs
  }
  try {
    await fc.assert(fc.asyncProperty(answers(fc.constant('\r\n')), async ({ wire }) => {
      assert.ok(await compare(wire), `node does not take ${JSON.stringify(wire)}`)
    }), { numRuns: 150 })
    await fc.assert(fc.asyncProperty(spoiled, async (wire) => { await compare(wire) }), { numRuns: 1000, seed: 20261120 })
  } finally {
    agent.destroy()
    server.close()
  }
})
