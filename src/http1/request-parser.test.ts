import assert from 'node:assert/strict'
import * as http from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { DONE, INVALID, MAX_HEADER_LINES, RequestParser, type RequestHeaders } from './index.ts'
import { fc } from '../../test/properties.ts'

const MAX_HEAD = 16 * 1024

interface Parsed {
  readonly outcome: 'whole' | 'cut' | 'invalid'
  readonly reason: string
  readonly method: string
  readonly target: string
  readonly headers: RequestHeaders
  readonly body: string
  readonly used: number
  readonly reusable: boolean
}

function parse(pieces: readonly Buffer[], parser = new RequestParser(MAX_HEAD)): Parsed {
  const buffer = Buffer.alloc(Math.max(1, ...pieces.map((piece) => piece.length)))
  let body = ''
  let before = 0
  let outcome: Parsed['outcome'] = 'cut'
  parser.begin()
  for (const piece of pieces) {
    piece.copy(buffer)
    const progress = parser.push(buffer, piece.length)
    for (let i = 0; i < parser.ranges; i += 2) body += buffer.toString('latin1', parser.body[i], parser.body[i + 1])
    if (progress === DONE) outcome = 'whole'
    if (progress === INVALID) outcome = 'invalid'
    before += outcome === 'cut' ? piece.length : parser.used
    if (outcome !== 'cut') break
  }
  const { method, target, headers, reusable } = parser
  return {
    outcome, reason: outcome === 'invalid' ? parser.reason : '', method, target, headers: { ...headers }, body,
    used: outcome === 'invalid' ? 0 : before, reusable,
  }
}

const whole = (text: string): Parsed => parse([Buffer.from(text, 'latin1')])
const post = (rest: string): string => `POST /v1/x HTTP/1.1\r\nHost: a\r\n${rest}`

function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...new Set(cuts.map((cut) => cut % (bytes.length + 1))), bytes.length].toSorted((a, b) => a - b)
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end)).filter((piece) => piece.length > 0)
}

const token = fc.stringMatching(/^[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,12}$/)
  .filter((name) => !/^(content-length|transfer-encoding|connection|host|upgrade|expect|__proto__)$/i.test(name))
const value = fc.stringMatching(/^([!-~\x80-\xff]([ \t!-~\x80-\xff]{0,20}[!-~\x80-\xff])?)?$/)

/** Requests as RFC 9112 allows them, in all their framings. */
const requests = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'),
  target: fc.stringMatching(/^\/[a-z0-9/?&=%._~-]{0,30}$/),
  fields: fc.array(fc.tuple(token, value), { maxLength: 6 }),
  framing: fc.constantFrom('none', 'length', 'chunked'),
  body: fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array).toString('latin1')),
  sizes: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 }),
  trailers: fc.array(fc.tuple(token, value), { maxLength: 3 }),
  before: fc.constantFrom('', '', '', '\r\n', '\r\n\r\n'),
}).map(({ method, target, fields, framing, body, sizes, trailers, before }) => {
  let wire = `${before}${method} ${target} HTTP/1.1\r\nHost: somewhere\r\n`
  for (const [name, text] of fields) wire += `${name}: ${text}\r\n`
  if (framing === 'none') return { wire: `${wire}\r\n`, method, target, fields, body: '' }
  if (framing === 'length') return { wire: `${wire}Content-Length: ${body.length}\r\n\r\n${body}`, method, target, fields, body }
  wire += 'Transfer-Encoding: chunked\r\n\r\n'
  for (let at = 0, i = 0; at < body.length; i++) {
    const chunk = body.slice(at, at + sizes[i % sizes.length]!)
    at += chunk.length
    wire += `${chunk.length.toString(16)}\r\n${chunk}\r\n`
  }
  return { wire: `${wire}0\r\n${trailers.map(([name, text]) => `${name}: ${text}\r\n`).join('')}\r\n`, method, target, fields, body }
})

/** Requests with a byte or three changed, left out, put in or doubled. */
const spoiled = fc.tuple(requests, fc.array(fc.tuple(fc.nat(), fc.constantFrom('change', 'drop', 'insert', 'double'), fc.oneof(
  fc.constantFrom(...'\r\n\0\t :;0159afxHT,-\x7f\xff'), fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)),
)), { minLength: 1, maxLength: 3 })).map(([{ wire }, changes]) => {
  for (const [where, what, byte] of changes) {
    const at = where % wire.length
    const kept = what === 'change' || what === 'drop' ? '' : wire[at]!
    wire = wire.slice(0, at) + kept + (what === 'drop' ? '' : what === 'double' ? kept : byte) + wire.slice(at + 1)
  }
  return wire
})

test('a request reads the same in one piece, byte by byte and in any pieces', () => {
  fc.assert(fc.property(requests, fc.array(fc.nat(), { maxLength: 6 }), ({ wire, method, target, fields, body }, cuts) => {
    const all = Buffer.from(wire, 'latin1')
    const expected = parse([all])
    assert.deepEqual([expected.outcome, expected.reason], ['whole', ''])
    assert.deepEqual([expected.method, expected.target, expected.body, expected.used], [method, target, body, all.length])
    for (const [name] of fields) {
      const values = fields.filter(([other]) => other.toLowerCase() === name.toLowerCase()).map(([, text]) => text)
      assert.equal(expected.headers[name.toLowerCase()], values.join(name.toLowerCase() === 'cookie' ? '; ' : ', '))
    }
    assert.deepEqual(parse(cutAt(all, cuts)), expected)
    assert.deepEqual(parse([...all].map((byte) => Buffer.of(byte))), expected)
  }), { numRuns: 300 })
})

test('a damaged request comes to the same end however it is cut: no split makes a refused byte pass', () => {
  fc.assert(fc.property(spoiled, fc.array(fc.nat(), { maxLength: 6 }), (wire, cuts) => {
    const all = Buffer.from(wire, 'latin1')
    const expected = parse([all])
    assert.deepEqual(parse(cutAt(all, cuts)), expected)
    assert.deepEqual(parse([...all].map((byte) => Buffer.of(byte))), expected)
  }), { numRuns: 1000 })
})

test('what a proxy before us might read as another request is refused', () => {
  const refused: readonly (readonly [string, string])[] = [
    [post('Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc'), 'content_length_twice'],
    [post('Content-Length: 3, 3\r\n\r\nabc'), 'content_length'],
    [post('Content-Length: +3\r\n\r\nabc'), 'content_length'],
    [post('Content-Length: 0x3\r\n\r\nabc'), 'content_length'],
    [post('Content-Length: 99999999999999999999\r\n\r\n'), 'content_length'],
    [post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'), 'two_framings'],
    [post('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n'), 'two_framings'],
    [post('Transfer-Encoding: chunked, identity\r\n\r\n'), 'transfer_encoding'],
    [post('Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'), 'transfer_encoding'],
    [post('Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n'), 'transfer_encoding'],
    [post('Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n'), 'transfer_encoding'],
    [post('Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n'), 'header_value'],
    [post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'), 'transfer_encoding'],
    [post('Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n'), 'header_name'],
    [post(' Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n'), 'header_name'],
    [post('X: a\r\n Content-Length: 3\r\n\r\nabc'), 'header_name'],
    [post('X: a\nContent-Length: 3\r\n\r\nabc'), 'header_value'],
    [post('X: a\rContent-Length: 3\r\n\r\nabc'), 'line_end'],
    [post('\nabc'), 'header_name'],
    [post('X: a\0b\r\n\r\n'), 'header_value'],
    ['POST /v1/x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'transfer_encoding'],
    ['GET / HTTP/1.1\r\n\r\n', 'host'],
    ['GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 'host'],
    ['GET / HTTP/1.1\nHost: a\r\n\r\n', 'not_http'],
    ['GET  / HTTP/1.1\r\nHost: a\r\n\r\n', 'target'],
    ['GET / x HTTP/1.1\r\nHost: a\r\n\r\n', 'not_http'],
    ['GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n', 'method'],
    ['GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n', 'target'],
    ['GET / HTTP/1.1 \r\nHost: a\r\n\r\n', 'not_http'],
    ['GET / HTTP/2.0\r\nHost: a\r\n\r\n', 'not_http'],
    ['GET / HTTP/1.2\r\nHost: a\r\n\r\n', 'http_version'],
    ['GET /\r\n\r\n', 'target'],
    [' GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'method'],
    ['\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', 'method'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'not_http'],
    [`${'A'.repeat(25)} / HTTP/1.1\r\nHost: a\r\n\r\n`, 'method'],
    [post('Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n'), 'chunk_size'],
    [post('Transfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n'), 'chunk_end'],
    [post('Transfer-Encoding: chunked\r\n\r\n-1\r\n'), 'chunk_size'],
    [post('Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n'), 'chunk_size'],
    [post('Transfer-Encoding: chunked\r\n\r\n00000000000000001\r\na\r\n'), 'chunk_size'],
    [post('Transfer-Encoding: chunked\r\n\r\n0\r\n\nGET /'), 'trailer'],
    [post('Transfer-Encoding: chunked\r\n\r\n0\r\nX: a\n\r\n'), 'trailer'],
    [post(`Transfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(5000)}\r\na\r\n`), 'chunk_extension'],
  ]
  for (const [wire, reason] of refused) assert.equal(whole(wire).reason, reason, JSON.stringify(wire.slice(0, 100)))
})

test('a head has its bounds in bytes and in lines', () => {
  const exact = (size: number) => {
    const head = post('a: ')
    return `${head}${'b'.repeat(size - head.length - 4)}\r\n\r\n`
  }
  assert.equal(whole(exact(MAX_HEAD)).outcome, 'whole')
  assert.equal(whole(exact(MAX_HEAD + 1)).reason, 'headers_too_large')
  assert.equal(whole('\r\n'.repeat(MAX_HEAD)).reason, 'headers_too_large')
  assert.equal(whole(`GET /${'a'.repeat(MAX_HEAD)}`).reason, 'headers_too_large')
  assert.equal(whole(post(`${'a: b\r\n'.repeat(MAX_HEADER_LINES - 1)}\r\n`)).outcome, 'whole')
  assert.equal(whole(post(`${'a: b\r\n'.repeat(MAX_HEADER_LINES)}\r\n`)).reason, 'too_many_headers')
})

test('a request without a framing has no body, and what follows it is told apart', () => {
  const first = post('\r\n')
  assert.deepEqual([whole(`${first}GET /`).used, whole(first).body], [first.length, ''])
  assert.equal(whole(post('Content-Length: 2\r\n\r\nabPOST')).body, 'ab')
})

test('a request says whether its connection goes on', () => {
  assert.equal(whole(post('\r\n')).reusable, true)
  assert.equal(whole(post('Connection: Close\r\n\r\n')).reusable, false)
  assert.equal(whole(post('Connection: keep-alive, close\r\n\r\n')).reusable, false)
  assert.equal(whole('GET / HTTP/1.0\r\n\r\n').reusable, false)
})

test('names that are known and names that look like them are told apart', () => {
  const parser = new RequestParser(MAX_HEAD)
  parse([Buffer.from(post('CONTENT-TYPE: a\r\nContent-Tape: b\r\ncontent-typE: c\r\n__proto__: d\r\nconstructor: e\r\n\r\n'))], parser)
  const { headers } = parser
  assert.deepEqual(Object.entries(headers).slice(1), [['content-type', 'a, c'], ['content-tape', 'b'], ['__proto__', 'd'], ['constructor', 'e']])
  assert.equal(headers['toString'], undefined)
})

/** What node's server takes and we refuse: see the table above. */
const STRICTER = new Set([
  'transfer_encoding', 'method', 'target', 'not_http', 'http_version', 'host', 'header_name', 'header_value', 'line_end', 'content_length', 'chunk_size',
  'chunk_end', 'chunk_extension', 'trailer',
])

/** What we take and node's server refuses; none of it moves the end of a message. */
const LENIENT: readonly ((wire: string, ours: Parsed) => boolean)[] = [
  // Any method that is a token: the route table answers for it.
  (_, ours) => !http.METHODS.includes(ours.method),
  // A target that is no path, which the route table answers for, too.
  (_, ours) => !ours.target.startsWith('/'),
  // Chunk extensions are skipped, not read, and blanks before them neither.
  (wire) => /\r\n[0-9a-f]+([ \t]+\r|[ \t]*;[^\r]*)/i.test(wire),
  // What follows the message is looked at when its answer is out.
  (wire, ours) => ours.used < wire.length,
]

test("on requests whole and damaged, the parser agrees with node's server, or is known to differ without harm", async () => {
  type Seen = { method: string; target: string; body: string } | null
  let seen: (of: Seen) => void = () => {}
  const server = http.createServer({ maxHeaderSize: MAX_HEAD }, (request, response) => {
    let body = ''
    request.setEncoding('latin1').on('data', (text: string) => { body += text })
    request.on('end', () => {
      seen({ method: request.method!, target: request.url!, body })
      response.end()
    })
    request.on('error', () => {})
  })
  // The client sees the end of its connection, so that a late error is never taken for the next request's.
  server.on('clientError', (_, socket) => socket.destroy())
  for (const odd of ['upgrade', 'connect'] as const) server.on(odd, (request: http.IncomingMessage, socket) => { seen({ method: request.method!, target: request.url!, body: '' }); socket.destroy() })
  server.on('checkExpectation', (request: http.IncomingMessage, response: http.ServerResponse) => { seen({ method: request.method!, target: request.url!, body: '' }); response.end() })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  const byNode = (wire: string, ms: number): Promise<Seen> => new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    // What node neither answers nor refuses it has not taken.
    const timer = setTimeout(() => settle(null), ms)
    const settle = (of: Seen): void => {
      clearTimeout(timer)
      resolve(of)
      socket.destroy()
    }
    seen = settle
    socket.on('error', () => {}).on('close', () => settle(null))
    socket.end(wire, 'latin1')
  })
  const compare = async (wire: string): Promise<Seen> => {
    const ours = whole(wire)
    const theirs = await byNode(wire, ours.outcome === 'whole' ? 3000 : 100)
    const said = JSON.stringify(wire)
    if (ours.outcome === 'whole' && theirs !== null) {
      assert.deepEqual({ method: ours.method, target: ours.target, body: ours.body }, theirs, said)
    } else if (ours.outcome === 'whole') assert.ok(LENIENT.some((known) => known(wire, ours)), `only we take ${said}`)
    else if (theirs !== null) assert.ok(STRICTER.has(ours.reason), `only node takes (${ours.outcome} ${ours.reason}) ${said}`)
    return theirs
  }
  try {
    await fc.assert(fc.asyncProperty(requests, async ({ wire }) => {
      assert.ok(await compare(wire), `node does not take ${JSON.stringify(wire)}`)
    }), { numRuns: 150, endOnFailure: true })
    await fc.assert(fc.asyncProperty(spoiled, async (wire) => { await compare(wire) }), { numRuns: 600, seed: 20261120, endOnFailure: true })
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
