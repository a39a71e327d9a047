import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, describe, test } from 'node:test'
import { WebSocket } from 'ws'
import { kernelTakes, talk, type Order } from '../../src/testing/index.ts'
import { providerAt, startSignalbox, startUpstream, type Signalbox } from './signalbox.ts'

/** Responses over a WebSocket: what a connection may ask, what it may cost, and how it ends. The official client is in test/clients. */

const order = (what: Order, text = 'one two three four') => `#fake ${JSON.stringify(what)}\n${text}`
const WORDS = ['alpha', ' beta', ' gamma', ...Array.from({ length: 500 }, () => ' word')]
/** Never ends by itself. */
const ENDLESS = order({ text: ['a', ' b', ' c', ' d', ' e'], stallAfter: 4 })
const MODEL = 'acme/one'

// oxlint-disable-next-line typescript/no-explicit-any
type Event = Record<string, any>

interface Talking {
  readonly socket: WebSocket
  /** Everything that has come. */
  readonly events: readonly Event[]
  say(message: unknown): void
  /** The next event of which this is true, from the first that was not waited for. */
  next(matches: (event: Event) => boolean): Promise<Event>
  /** The code that the server closed it with; 1006 when it was cut. */
  readonly closed: Promise<number>
}

const open: WebSocket[] = []
after(() => open.forEach((socket) => socket.terminate()))

async function talkTo({ url, key }: Signalbox): Promise<Talking> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/responses`, { headers: { authorization: `Bearer ${key}` } })
  open.push(socket)
  const events: Event[] = []
  let seen = 0
  let over = false
  let wake = (): void => {}
  socket.on('message', (data) => {
    events.push(JSON.parse(String(data)) as Event)
    wake()
  })
  socket.on('error', () => {})
  const closed = new Promise<number>((resolve) => {
    socket.on('close', (code) => {
      over = true
      wake()
      resolve(code)
    })
  })
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  return {
    socket, events, closed,
    say: (message) => socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message)),
    async next(matches) {
      for (;;) {
        while (seen < events.length) {
          const event = events[seen++]!
          if (matches(event)) return event
        }
        assert.ok(!over, `the connection ended before; ${JSON.stringify(events.slice(-3)).slice(0, 2000)}`)
        await new Promise<void>((resolve) => { wake = resolve })
      }
    },
  }
}

const asks = (input: unknown, rest: object = {}) => ({ type: 'response.create', model: MODEL, input, ...rest })
const isError = ({ type }: Event) => type === 'error'
const isEnd = ({ type }: Event) => type === 'response.completed' || type === 'response.failed' || type === 'error'
const hasText = (text: string) => ({ type, delta }: Event) => type === 'response.output_text.delta' && String(delta).includes(text)

const started = async (config: Parameters<typeof startSignalbox>[0] = {}) => {
  const upstream = await startUpstream()
  const box = await startSignalbox({ ...config, config: { ...providerAt('acme', `${upstream.url}/acme/v1`, { prompt: 10, completion: 20 }), ...config.config } })
  return { upstream, box }
}

/** The record of a call whose end nobody waits for. */
async function recordOf(box: Signalbox, id: string): Promise<Record<string, unknown>> {
  for (let tries = 0; ; tries++) {
    const response = await box.get(`/api/v1/generation?id=${id}`)
    if (response.status === 200) return ((await response.json()) as { data: Record<string, unknown> }).data
    if (tries === 1000) throw new Error(`there is no record of ${id}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** The head of a request for a WebSocket. */
const upgrade = (headers: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  'connection': 'Upgrade', 'upgrade': 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': Buffer.alloc(16, 7).toString('base64'), ...headers,
})

describe('A WebSocket is opened', () => {
  test('by who has a key, where there is one to open, and by the rules; others are told what is wrong, as HTTP tells it', async () => {
    const { box } = await started()
    const authorization = `Bearer ${box.key}`
    const refused = async (path: string, headers: Record<string, string>, status: number, says: RegExp): Promise<void> => {
      const got = await talk(`${box.url}${path}`, { method: 'GET', headers })
      assert.equal(got.status, status, String(got.body))
      assert.match((JSON.parse(String(got.body)) as { error: { message: string } }).error.message, says)
      got.socket.destroy()
    }
    await refused('/v1/responses', upgrade(), 401, /credentials/)
    await refused('/v1/responses', upgrade({ authorization: 'Bearer sk-sb-v1-wrong' }), 401, /./)
    await refused('/v1/responses', { authorization }, 400, /^upgrade: /)
    await refused('/v1/responses', upgrade({ authorization, 'sec-websocket-version': '8' }), 400, /^sec-websocket-version: must be 13/)
    await refused('/v1/responses', upgrade({ authorization, 'sec-websocket-key': 'short' }), 400, /^sec-websocket-key: /)
    await refused('/v1/responses', upgrade({ authorization, connection: 'keep-alive' }), 400, /^connection: .*proxy/)
    for (const path of ['/v1/models', '/', '/healthz']) await refused(path, upgrade({ authorization }), 400, /^upgrade: .*GET \/v1\/responses/)
    await refused('/v1/realtime', upgrade({ authorization }), 404, /no route/)
    const plain = await talk(`${box.url}/healthz`, { method: 'GET', headers: { connection: 'Upgrade', upgrade: 'h2c' } })
    assert.equal(plain.status, 200, 'another upgrade is passed over')
    plain.socket.destroy()
    assert.deepEqual(box.complaints, [])
  })

  test('below both addresses, and its first message may come with the request', async () => {
    const { box } = await started()
    const socket = connect(Number(new URL(box.url).port), '127.0.0.1')
    const said = Buffer.from(JSON.stringify(asks('Early.')))
    const head = Object.entries({ host: 'x', authorization: `Bearer ${box.key}`, ...upgrade() }).map(([name, value]) => `${name}: ${value}\r\n`).join('')
    socket.write(Buffer.concat([Buffer.from(`GET /api/v1/responses HTTP/1.1\r\n${head}\r\n`), frameOf(said)]))
    let got = ''
    for await (const chunk of socket) if ((got += String(chunk)).includes('"response.completed"')) break
    assert.match(got, /^HTTP\/1\.1 101 /)
    assert.match(got, /"output_text":"Early\."/)
    socket.destroy()
  })
})

/** A frame as a client sends it, masked with zeros: a text that ends here, unless told otherwise. */
function frameOf(payload: Buffer, { opcode = 1, fin = true, length = payload.length }: { opcode?: number; fin?: boolean; length?: number } = {}): Buffer {
  const size = length < 126 ? Buffer.from([0x80 | length]) : length < 65_536 ? Buffer.from([0x80 | 126, length >> 8, length & 255]) : Buffer.concat([Buffer.from([0x80 | 127]), lengthOf(length)])
  return Buffer.concat([Buffer.from([(fin ? 0x80 : 0) | opcode]), size, Buffer.alloc(4), payload])
}
function lengthOf(length: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(length))
  return bytes
}

describe('A request over a WebSocket', () => {
  test('that is wrong is told why, with the path of its field, and the connection goes on', async () => {
    const { box, upstream } = await started()
    const talking = await talkTo(box)
    const cases: readonly [unknown, number, string | null, string | null, RegExp][] = [
      ['{', 400, null, 'invalid_request', /JSON/],
      ['[]', 400, 'message', 'invalid_request', /object/],
      [Buffer.from('{}'), 400, 'message', 'invalid_request', /text/],
      [{ model: MODEL, input: 'x' }, 400, 'type', 'invalid_request', /response\.create, is null/],
      [asks([{ role: 'user', content: [{ type: 'input_text' }] }]), 400, 'input[0].content[0].text', 'invalid_request', /text/],
      [asks('x', { temperature: 9 }), 400, 'temperature', 'invalid_request', /temperature/],
      [asks('x', { background: true }), 400, 'background', 'invalid_request', /POST/],
      [asks('x', { generate: 'no' }), 400, 'generate', 'invalid_request', /true or false/],
      [asks('x', { stream_id: 'a b' }), 400, 'stream_id', 'invalid_request', /letters/],
      [asks('x', { model: 'acme/none' }), 400, 'model', 'invalid_request', /acme\/none/],
      [asks('x', { previous_response_id: 'gen-1-none' }), 400, 'previous_response_id', 'previous_response_not_found', /no response/],
    ]
    for (const [message, status, param, code, says] of cases) {
      if (Buffer.isBuffer(message)) talking.socket.send(message, { binary: true })
      else talking.say(message)
      const { error, ...event } = await talking.next(isEnd)
      assert.deepEqual([event['type'], event['status'], error.param, error.code], ['error', status, param, code], JSON.stringify({ message: String(message), event, error }))
      assert.match(error.message, says)
    }
    talking.say({ type: 'response.steer', previous_response_id: 'gen-1', input: 'Faster.' })
    const steered = await talking.next(({ type }) => type === 'response.steer.failed')
    assert.deepEqual([steered['error'].code, steered['steer']], ['steering_not_supported', { input: 'Faster.', previous_response_id: 'gen-1' }])
    assert.equal(upstream.requests.length, 0)
    talking.say(asks('Still there?', { stream_id: 'b' }))
    const done = await talking.next(isEnd)
    assert.deepEqual([done['response'].output_text, done['stream_id']], ['Still there?', 'b'])
  })

  test('is of a key that may ask, also when it was taken away after the connection was opened', async () => {
    const { box } = await started()
    const talking = await talkTo(box)
    talking.say(asks('One'))
    assert.equal((await talking.next(isEnd))['type'], 'response.completed')
    const [key] = await box.app.accounts.listKeys()
    await box.app.accounts.updateKey(key!.id, { disabled: true })
    talking.say(asks('Two'))
    const { status, error } = await talking.next(isEnd)
    assert.equal(status, 401)
    assert.match(error.message, /disabled/)
  })

  test('may go on from answers of its own connection and from those that are kept, and from nobody else\'s', async () => {
    const { box, upstream } = await started()
    const [mine, other] = [await talkTo(box), await talkTo(box)]
    mine.say(asks('My name is Ada.'))
    const { id } = (await mine.next(isEnd))['response']
    other.say(asks('Who am I?', { previous_response_id: id }))
    assert.equal((await other.next(isEnd))['error'].code, 'previous_response_not_found')
    mine.say(asks('Keep this.', { previous_response_id: id, store: true }))
    const kept = (await mine.next(isEnd))['response']
    assert.equal(kept.store, true)
    other.say(asks('Who am I?', { previous_response_id: kept.id }))
    assert.equal((await other.next(isEnd))['type'], 'response.completed')
    assert.ok(JSON.stringify(upstream.requests.at(-1)!.body).includes('Ada'))
    mine.say(asks('Under ZDR', { previous_response_id: id, provider: { zdr: true } }))
    const under = await mine.next(isEnd)
    // No provider here promises it; that the answer of before was found is what counts.
    assert.equal(under['status'], 404, JSON.stringify(under))
  })

  test('waits for the one before it, up to a bound, and one that is refused costs nothing', async () => {
    const { box, upstream } = await started()
    const talking = await talkTo(box)
    talking.say(asks(ENDLESS))
    await talking.next(hasText('a'))
    for (let at = 0; at < 34; at++) talking.say(asks(`Later ${at}`))
    for (let at = 0; at < 2; at++) {
      const { status, error } = await talking.next(isError)
      assert.deepEqual([status, error.code], [429, 'rate_limit_exceeded'])
    }
    for (let at = 0; at < 8; at++) talking.say(asks(ENDLESS, { stream_id: `lane-${at}` }))
    const { status, stream_id: lane } = await talking.next(isError)
    assert.deepEqual([status, lane], [429, 'lane-7'])
    await upstream.waitFor(() => upstream.requests.length === 8)
    talking.socket.terminate()
    await upstream.waitFor(() => upstream.requests.every(({ state }) => state === 'aborted'))
    await box.app.gateway.idle()
    assert.equal(upstream.requests.length, 8, 'what waited was asked for after its caller had left')
  })
})

describe('A caller over a WebSocket', () => {
  for (const [how, leave] of [['closes', (socket: WebSocket) => socket.close()], ['is cut off', (socket: WebSocket) => socket.terminate()]] as const) {
    test(`who ${how} in the middle stops the provider, and pays for what had come`, async () => {
      const { box, upstream } = await started()
      const talking = await talkTo(box)
      talking.say(asks(order({ text: WORDS, paceMs: 30 })))
      const { id } = (await talking.next(({ type }) => type === 'response.created'))['response']
      await talking.next(hasText('gamma'))
      leave(talking.socket)
      await upstream.waitFor((it) => it.state === 'aborted')
      const record = await recordOf(box, id)
      assert.equal(record['cancelled'], true)
      const completion = record['native_tokens_completion'] as number
      assert.ok(completion >= 3 && completion < 300, `${completion} tokens`)
      assert.ok((record['total_cost'] as number) > 0)
    })
  }

  test('who reads nothing holds the provider up, and nothing piles up here', { timeout: 300_000 }, async () => {
    const { box, upstream } = await started()
    const talking = await talkTo(box)
    const piece = 'x'.repeat(64 * 1024)
    upstream.next({ text: [piece], endless: true })
    talking.socket.pause()
    talking.say(asks('Go.'))
    const request = await upstream.waitFor((it) => it.state === 'answering')
    let sent = -1
    while (sent !== request.sentBytes) {
      sent = request.sentBytes
      await new Promise((resolve) => setTimeout(resolve, 1000))
    }
    assert.ok(sent < 3 * kernelTakes() + (32 << 20), `${sent} bytes were taken from the provider`)
    assert.equal(request.state, 'answering')
    talking.socket.terminate()
    await upstream.waitFor(() => request.state === 'aborted')
  })

  test('who sends garbage, a giant, or a message without end is refused by the rules, and costs no memory', async () => {
    const { box } = await started()
    const giant = 1 << 30
    const endless = Buffer.alloc(64 * 1024, 97)
    const cases: readonly [string, number, (send: (bytes: Buffer) => boolean) => Promise<void>][] = [
      ['garbage', 1002, async (send) => { send(Buffer.from('\x7f\x7fgarbage that is no frame')) }],
      ['a frame without a mask', 1002, async (send) => { send(Buffer.from([0x81, 0x02, 0x68, 0x69])) }],
      ['a text that is no UTF-8', 1007, async (send) => { send(frameOf(Buffer.from([0xc3, 0x28]))) }],
      ['a frame of a gigabyte', 1009, async (send) => { send(frameOf(Buffer.alloc(0), { length: giant })) }],
      ['fragments without end', 1009, async (send) => {
        send(frameOf(endless, { fin: false }))
        while (send(frameOf(endless, { opcode: 0, fin: false }))) await new Promise(setImmediate)
      }],
      ['fragments of nothing without end', 1008, async (send) => {
        const nothing = Buffer.concat(Array.from({ length: 1000 }, () => frameOf(Buffer.alloc(0), { opcode: 0, fin: false })))
        send(frameOf(Buffer.from('{'), { fin: false }))
        while (send(nothing)) await new Promise(setImmediate)
      }],
    ]
    for (const [what, code, send] of cases) {
      const { socket, closed } = await rawTo(box)
      await send((bytes) => !socket.destroyed && !socket.writableEnded && (socket.write(bytes), closedYet(socket) === null))
      const frame = await closed
      assert.equal(frame, code, what)
    }
    assert.deepEqual(box.complaints, [])
    assert.equal((await talk(`${box.url}/healthz`, { method: 'GET', headers: { connection: 'close' } })).status, 200)
  })

  test('who asks for more answers than it reads, pings or bad requests, is not answered without end', { timeout: 300_000 }, async () => {
    const { box } = await started()
    const pinging = await rawTo(box, false)
    const pings = Buffer.concat(Array.from({ length: 1000 }, () => frameOf(Buffer.alloc(125, 97), { opcode: 9 })))
    const bytes = kernelTakes() + (16 << 20)
    for (let sent = 0; sent < bytes; sent += pings.length) await new Promise((resolve) => pinging.socket.write(pings, resolve))
    let got = 0
    const ponged = new Promise<void>((resolve) => pinging.socket.on('data', (chunk: Buffer) => {
      got += chunk.length
      if (chunk.includes('must be response.create')) resolve()
    }).resume())
    pinging.socket.write(frameOf(Buffer.from('{}')))
    await ponged
    assert.ok(got < bytes - (8 << 20), `${got} bytes of pongs for ${bytes} of pings`)
    pinging.socket.destroy()

    const asking = await rawTo(box, false)
    const bad = Buffer.concat(Array.from({ length: 1000 }, () => frameOf(Buffer.from('{}'))))
    while (!asking.socket.destroyed) await new Promise((resolve) => asking.socket.write(bad, resolve))
  })
})

const frames = new WeakMap<object, number>()
const closedYet = (socket: object): number | null => frames.get(socket) ?? null

/** A bare connection that has become a WebSocket. `closed` is the code of the server's close frame. */
async function rawTo(box: Signalbox, reads = true): Promise<{ socket: ReturnType<typeof connect>; closed: Promise<number> }> {
  const socket = connect(Number(new URL(box.url).port), '127.0.0.1')
  after(() => socket.destroy())
  socket.on('error', () => {})
  const head = Object.entries({ host: 'x', authorization: `Bearer ${box.key}`, ...upgrade() }).map(([name, value]) => `${name}: ${value}\r\n`).join('')
  socket.write(`GET /v1/responses HTTP/1.1\r\n${head}\r\n`)
  await new Promise<void>((resolve) => socket.once('data', () => resolve()))
  if (!reads) {
    socket.pause()
    return { socket, closed: Promise.resolve(0) }
  }
  const closed = new Promise<number>((resolve) => {
    let got = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      got = Buffer.concat([got, chunk])
      const at = got.indexOf(0x88)
      if (at < 0 || got.length < at + 4) return
      frames.set(socket, got.readUInt16BE(at + 2))
      resolve(got.readUInt16BE(at + 2))
    })
    socket.on('close', () => resolve(1006))
  })
  return { socket, closed }
}

describe('A server that stops', () => {
  test('closes connections that rest, lets answers end, and refuses what waits behind them', async () => {
    const { box } = await started()
    const [resting, busy] = [await talkTo(box), await talkTo(box)]
    busy.say(asks(order({ text: ['alpha', ' beta', ' gamma', ' delta'], paceMs: 300 })))
    await busy.next(hasText('alpha'))
    busy.say(asks('And then?'))
    const draining = box.app.http.drain(60_000)
    assert.equal(await resting.closed, 1001)
    const done = await busy.next(isEnd)
    assert.equal(done['response'].output_text, 'alpha beta gamma delta')
    const { status, error } = await busy.next(isError)
    assert.deepEqual([status, error.metadata.reason], [503, 'server_shutdown'])
    assert.equal(await busy.closed, 1001)
    await draining
  })

  test('ends those that outlive its grace as failed, with what they cost', { timeout: 60_000 }, async () => {
    const { box, upstream } = await started()
    const talking = await talkTo(box)
    talking.say(asks(order({ text: ['one', ' two', ' three', ' four'], stallAfter: 4 })))
    await talking.next(hasText('three'))
    const draining = box.app.http.drain(100)
    const { type, response } = await talking.next(isEnd)
    assert.deepEqual([type, response.status, response.output_text], ['response.failed', 'failed', 'one two three'])
    await draining
    await upstream.waitFor((request) => request.state === 'aborted')
    // A machine that is late tells of the end before the call has come to its own.
    await box.app.gateway.idle()
    assert.ok(Number((await box.app.stats.find(response.id, 'default'))!.cost) > 0)
  })
})
