import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ChatEvent, ChatRequest, Endpoint } from '../core/index.ts'
import type { Decoder, Outbound } from '../dialects/index.ts'
import type { OutboundResponse } from '../net/index.ts'
import { openUpstream, type Door, type Source } from './source.ts'

const WORD: ChatEvent = { type: 'block-delta', index: 0, text: 'word' }
const LAST: ChatEvent = { type: 'finish', choice: 0, reason: 'stop' }

/** A provider that sends these reads, each of which is one event, and a decoder that is done with the last of them. */
async function opened(reads: number, how: { readonly stream: boolean; readonly finishes?: boolean }): Promise<Source> {
  let left = reads
  const response: OutboundResponse = {
    status: 200, headers: {}, over: true,
    read: async () => left-- > 0 ? Buffer.from('x') : null,
    abort() {},
  }
  let told = 0
  const decoder: Decoder = {
    get done() { return told === reads },
    get finished() { return how.finishes === true && told > 0 },
    push() { told++; return [WORD] },
    end: () => [LAST],
  }
  const outbound: Pick<Outbound, 'encode' | 'decoder' | 'decodeReply' | 'decodeFault'> = {
    encode: () => ({ path: '/x', headers: {}, body: '{}', dropped: [] }),
    decoder: () => decoder,
    decodeReply: () => [WORD, LAST],
    decodeFault: () => { throw new Error('the answer was no failure') },
  }
  const door = {
    net: { send: async () => response, async close() {} },
    target: { endpoint: { baseUrl: 'http://provider.example' } as Endpoint, stream: how.stream },
    headers: [], authoriser: null, connectMs: 1000, control() {},
  } as unknown as Door
  const found = await openUpstream(door, outbound as Outbound, {} as ChatRequest, null, null)
  assert.ok('source' in found)
  return found.source
}

describe('a source of events', () => {
  it('tells the end of a stream once, and keeps nothing of it but that it had finished', async () => {
    const source = await opened(2, { stream: true, finishes: true })
    assert.equal(source.finished, false)
    assert.deepEqual(await source.next(), [WORD])
    assert.deepEqual(await source.next(), [WORD, LAST])
    assert.equal(source.ended, true)
    assert.equal(source.finished, true, 'its reason to end stands')
    assert.deepEqual([source.rest(), source.conclude(), await source.next()], [[], [], null])
  })

  it('says what it had heard of a stream that nobody reads on, once', async () => {
    const source = await opened(3, { stream: true, finishes: true })
    await source.next()
    assert.deepEqual(source.conclude(), [LAST])
    assert.deepEqual([source.rest(), await source.next()], [[], null])
  })

  it('has no end to tell of a stream that had given no reason for one', async () => {
    const source = await opened(3, { stream: true })
    await source.next()
    assert.equal(source.conclude(), null)
    assert.deepEqual(source.rest(), [LAST])
    assert.equal(source.finished, false)
  })

  it('tells a whole answer once, and keeps nothing of it', async () => {
    const source = await opened(1, { stream: false })
    assert.deepEqual(source.rest(), [WORD, LAST], 'heard, and not yet said')
    assert.deepEqual(await source.next(), [WORD, LAST])
    assert.deepEqual([source.rest(), await source.next()], [[], null])
  })
})

describe('what is too large for the event loop', () => {
  /** Sends a request with a picture of so many letters in the place of its address, and is answered with so many bytes. */
  async function carried(letters: number, answer: number): Promise<{ readonly by: readonly string[] }> {
    const by: string[] = []
    let body: Buffer | null = Buffer.alloc(answer, 'x')
    const response: OutboundResponse = {
      status: 200, headers: {}, over: true, abort() {},
      async read() {
        const all = body
        body = null
        return all
      },
    }
    const written = { path: '/x', headers: {}, body: '{}', dropped: [] }
    const outbound: Pick<Outbound, 'encode' | 'fetches' | 'decodeReply'> = {
      fetches: () => false,
      encode: () => (by.push('written here'), written),
      decodeReply: () => (by.push('read here'), [WORD]),
    }
    const door: Partial<Door> = {
      net: { send: async () => response, async close() {} },
      target: { endpoint: { baseUrl: 'http://provider.example' } as Endpoint, stream: false },
      headers: [], authoriser: null, connectMs: 1000, control() {},
      download: async () => ({ mime: 'image/png', bytes: new Uint8Array(letters / 4 * 3) }), downloads: () => new Map(),
      writeLarge: async () => (by.push('written there'), written),
      readLarge: async () => (by.push('read there'), [WORD]),
    }
    const asked: ChatRequest = { messages: [{ role: 'user', parts: [{ type: 'media', kind: 'image', source: { from: 'url', url: 'https://a.example/x.png' } }] }], sampling: {}, extras: {} }
    await openUpstream(door as Door, outbound as Outbound, asked, null, null)
    return { by }
  }

  it('is written and read by a thread, requests from 8 MB of media and answers from 256 KB', async () => {
    assert.deepEqual(await carried(8 * 1024 * 1024 + 4, 256 * 1024 + 1), { by: ['written there', 'read there'] })
  })

  it('does not include what is smaller, which is written and read where it is', async () => {
    assert.deepEqual(await carried(8 * 1024 * 1024, 256 * 1024), { by: ['written here', 'read here'] })
  })
})
