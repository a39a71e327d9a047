import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { fault, FAULTS } from '../core/index.ts'
import type { Inbound } from '../dialects/index.ts'
import { createFakeAmbient } from '../testing/index.ts'
import { createHttp, type Http } from './server.ts'
import { CHAT, chatRequest, FACE, raw, servicesWith, type Raw } from './stand-ins.test.ts'

const FULL = [2, 3].map((seconds) => fault('over-capacity', 'This server is full.', { retryAfterMs: seconds * 1000, metadata: { reason: 'full' } }))
/** A face that names the request in its errors. */
const NAMING: Inbound = {
  ...FACE, dialect: 'anthropic-messages', fault: (what, _, id) => ({ status: FAULTS[what.kind].status, body: JSON.stringify({ type: 'error', request_id: id }) }),
}

describe('a caller who is turned away unread', () => {
  const ambient = createFakeAmbient()
  let next = 0
  let http: Http
  let caller: Raw
  let answered = 0

  before(async () => {
    const dialects = new Map(servicesWith().dialects).set('anthropic-messages', { name: 'anthropic-messages', inbound: NAMING })
    http = createHttp({
      ...servicesWith(() => assert.fail('a call was begun')), ambient, dialects,
      admission: { knock: () => FULL[next]!, turn: () => null, figures: () => assert.fail('nobody asks') },
    })
    await http.listen({ port: 0, host: '127.0.0.1' })
    caller = raw(http, '')
  })
  after(() => http.close())

  /** All of the next answer on the one connection; its id, and the rest of it. */
  async function ask(headers: Readonly<Record<string, string>> = {}, from = caller): Promise<{ readonly id: string; readonly text: string }> {
    const before = from === caller ? answered : 0
    from.socket.write(chatRequest(CHAT, headers))
    await from.until(new RegExp(`^(?:[^]{${before}})HTTP/1\\.1 503 [^]*?\\r\\n\\r\\n\\{[^]*\\}$`))
    const whole = from.text().slice(before)
    if (from === caller) answered = from.text().length
    const id = /X-Generation-Id: (\S+)/.exec(whole)![1]!
    assert.match(id, /^gen-\d{10}-[0-9A-Za-z]{20}$/)
    return { id, text: whole.replaceAll(id, 'ID') }
  }

  it('is told what the one before was told, byte for byte, with an id of its own', async () => {
    const [one, two] = [await ask(), await ask()]
    assert.equal(one.text, two.text)
    assert.notEqual(one.id, two.id)
    assert.match(two.text, /^HTTP\/1\.1 503 Service Unavailable\r\n/)
    assert.match(two.text, /\r\nRetry-After: 2\r\n/)
    assert.match(two.text, /\r\nConnection: keep-alive\r\n/)
    const [head, body] = two.text.split('\r\n\r\n')
    assert.equal(Number(/Content-Length: (\d+)/.exec(head!)![1]), body!.length)
  })

  it('is told the same as one for whom every word was made', async () => {
    const { text } = await ask()
    const made = await ask({ Origin: 'https://a.example' })
    assert.equal(made.text.replace(/Access-Control-Expose-Headers: .*\r\n/, ''), text)
    assert.notEqual(made.text, text, 'a browser is to read the id and the wait')
  })

  it('is told when to come back himself, whatever the one before was told', async () => {
    next = 1
    assert.match((await ask()).text, /\r\nRetry-After: 3\r\n/)
    next = 0
    assert.match((await ask()).text, /\r\nRetry-After: 2\r\n/)
  })

  it('is told the time that it is, and not that of the one before', async () => {
    const date = (text: string): number => Date.parse(/\r\nDate: (.*)\r\n/.exec(text)![1]!)
    const before = date((await ask()).text)
    ambient.advance(5000)
    assert.equal(date((await ask()).text), before + 5000)
  })

  it('is told in the words of the API that he speaks, in which the id may stand as well', async () => {
    await ask()
    for (let i = 0; i < 2; i++) assert.match((await ask({ 'anthropic-version': '2023-06-01' })).text, /\{"type":"error","request_id":"ID"\}$/)
  })

  it('has his connection closed behind the answer where he asked for it', async () => {
    await ask()
    const other = raw(http, '')
    assert.match((await ask({ Connection: 'close' }, other)).text, /\r\nConnection: close\r\n/)
    await other.closed()
  })
})
