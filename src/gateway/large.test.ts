import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { asVector, Departure, type Asked, type ChatEvent, type ChatRequest, type EmbedRequest, type Endpoint } from '../core/index.ts'
import { DIALECTS, parseBody, type Outgoing, type Target } from '../dialects/index.ts'
import { pieceOf } from './large-worker.ts'
import { createLargeBodies, type LargeBody } from './large.ts'

const bodies = createLargeBodies()
after(() => bodies.close())

const MB = 1024 * 1024
const bytesOf = (value: unknown) => Buffer.from(JSON.stringify(value))
const pictured = (megabytes: number, url = `data:image/png;base64,${'iVBORw0KGgo'.repeat(megabytes * MB / 11)}`) => ({
  model: 'acme/one', seed: 7, max_tokens: 50, unknown_to_us: { kept: true },
  messages: [
    { role: 'system', content: 'Naïve, but „kind“.' },
    { role: 'user', content: [{ type: 'text', text: 'What is this?' }, { type: 'image_url', image_url: { url } }] },
  ],
})
const talkative = (messages: number) => ({
  model: 'acme/one', messages: Array.from({ length: messages }, (_, i) => ({ role: i % 2 ? 'assistant' : 'user', content: `${i} ${'word '.repeat(20)}` })),
})

/** What reading on the event loop makes of the same bytes. */
function readHere(bytes: Buffer): { asked: Asked } | { fault: unknown } {
  const parsed = parseBody(bytes)
  return 'fault' in parsed ? parsed : DIALECTS.get('openai-chat')!.inbound!.decode(parsed.value, bytes)
}

async function readThere(bytes: Buffer, from = bodies): Promise<{ asked: Asked; large: LargeBody }> {
  const read = await from.read(bytes, { dialect: 'openai-chat' }, {}, new Departure())
  assert.ok('asked' in read, `it was refused: ${JSON.stringify(read)}`)
  return read
}

const target = (rest: Partial<Endpoint> = {}): Target => ({
  stream: false,
  endpoint: {
    id: 'acme/one@acme', model: 'acme/one', provider: 'acme', providerName: 'Acme', tag: 'acme', tier: 'default', upstreamModel: 'one',
    dialect: 'openai-chat', protocols: [], baseUrl: 'http://127.0.0.1', price: null, unpriced: null, contextLength: null,
    maxOutputTokens: null, maxPromptTokens: null, quantization: null, parameters: null, parametersSource: 'none',
    reasoning: { supported: false }, inputModalities: new Set(['text', 'image']), outputModalities: new Set(['text']), implicitCaching: false,
    dataPolicy: { training: null, retainsPrompts: null, retentionDays: null }, quirks: new Set(), forcedParams: null, forcedHeaders: null,
    disabled: false, deprecated: false, simulated: false, ...rest,
  } as Endpoint,
})
const textOf = ({ body }: Outgoing): string => Buffer.from(body as Uint8Array).toString()

/** How often the event loop came round during some work, and its longest stay away in milliseconds. */
async function watched(work: () => Promise<unknown>): Promise<{ turns: number; longest: number }> {
  let turns = 0
  let longest = 0
  let last = performance.now()
  let on = true
  const turn = (): void => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    turns++
    if (on) setImmediate(turn)
  }
  setImmediate(turn)
  await work()
  on = false
  return { turns, longest }
}

describe('A body that is too large for the event loop', () => {
  for (const [what, value] of [['a picture of 19 MB', pictured(19)], ['sixty thousand messages', talkative(60_000)]] as const) {
    test(`${what}: it asks for the same in a thread as on the loop`, async () => {
      const bytes = bytesOf(value)
      const here = readHere(bytes) as { asked: Asked }
      const { asked } = await readThere(bytes)
      const bare = ({ operation: { request: { origin: _, ...request } }, ...rest }: Asked) => ({ ...rest, request })
      assert.deepEqual(bare(asked), bare(here.asked))
    })
  }

  // Whatever is handed in goes through the thread: of these, two pieces.
  for (const [what, value] of [['a picture of 2 MB', pictured(2)], ['twelve thousand messages', talkative(12_000)]] as const) {
    test(`${what}: each dialect writes the same bytes there as here, after the changes that routing makes`, async () => {
      const bytes = bytesOf(value)
      const here = readHere(bytes) as { asked: Asked }
      const { asked, large } = await readThere(bytes)
      const changed = (request: ChatRequest): ChatRequest => ({ ...request, maxOutputTokens: 20, reasoning: { effort: 'low' } })
      const rewritten = ({ origin: _, seed: __, ...request }: ChatRequest): ChatRequest => ({ ...request, messages: request.messages.slice(0, 2) })
      for (const [name, { outbound }] of DIALECTS) {
        if (!outbound) continue
        for (const change of [(request: ChatRequest) => request, changed, rewritten]) {
          const expected = outbound.encode(change(here.asked.operation.request), target({ dialect: name }))
          const written = await large.encode(name, change(asked.operation.request), target({ dialect: name }))
          if ('fault' in expected || 'fault' in written) {
            assert.deepEqual(written, expected)
            continue
          }
          assert.ok(textOf({ ...expected, body: Buffer.from(expected.body as string) }) === textOf(written), `${name} writes something else`)
          assert.deepEqual({ ...written, body: 0 }, { ...expected, body: 0 })
        }
      }
    })
  }

  test('What is wrong in it is named by the same path and in the same words', async () => {
    for (const wrong of [pictured(19, `${'x'.repeat(19 * MB)}.png`), { ...pictured(9), temperature: 3 }]) {
      const bytes = bytesOf(wrong)
      assert.deepEqual(await bodies.read(bytes, { dialect: 'openai-chat' }, {}, new Departure()), readHere(bytes))
    }
    const cut = bytesOf(pictured(9)).subarray(0, 8 * MB)
    assert.deepEqual(await bodies.read(cut, { dialect: 'openai-chat' }, {}, new Departure()), readHere(cut))
  })

  test('Others are served while it is read and written: the event loop goes round all the time', async () => {
    const bytes = bytesOf(pictured(19))
    let read: Awaited<ReturnType<typeof readThere>> | null = null
    const reading = await watched(async () => { read = await readThere(bytes) })
    const { asked, large } = read!
    const writing = await watched(() => large.encode('anthropic-messages', asked.operation.request, target()))
    assert.ok(reading.turns > 50, `${reading.turns} turns while it was read`)
    assert.ok(writing.turns > 50, `${writing.turns} turns while it was written`)
  })

  test('Its messages come back a megabyte at a time, since making all of them at once would hold the loop up as well', () => {
    const { asked } = readHere(bytesOf(talkative(60_000))) as { asked: Asked }
    const { messages } = asked.operation.request
    let pieces = 0
    for (let from = 0; from < messages.length; pieces++) {
      const piece = pieceOf(messages, from)
      assert.ok(piece.length > 0 && JSON.stringify(piece).length < 1.1 * MB)
      assert.equal(piece[0], messages[from])
      from += piece.length
    }
    assert.ok(pieces > 10, `${pieces} pieces`)
  })

  test('One whose caller leaves while it waits for another is not read', async () => {
    const departure = new Departure()
    const [first, second] = [readThere(bytesOf(pictured(19))), bodies.read(bytesOf(pictured(19)), { dialect: 'openai-chat' }, {}, departure)]
    departure.leave()
    await first
    // A few turns of the loop: to be read it would need thousands.
    const turns = async () => { for (let i = 0; i < 20; i++) await new Promise((resolve) => { setImmediate(resolve) }) }
    const left = await Promise.race([second, turns().then(() => null)])
    assert.ok(left !== null, 'it is waited for')
    assert.ok('fault' in left && left.fault.kind === 'cancelled')
  })

  test('When too many wait, the next caller is asked to come again, and is served when he does', async () => {
    const narrow = createLargeBodies({ maxWaitingBytes: 25 * MB })
    try {
      const first = readThere(bytesOf(pictured(19)), narrow)
      const second = await narrow.read(bytesOf(pictured(19)), { dialect: 'openai-chat' }, {}, new Departure())
      assert.ok('fault' in second)
      assert.equal(second.fault.kind, 'unavailable')
      assert.ok(second.fault.retryAfterMs! > 0)
      await first
      await readThere(bytesOf(pictured(19)), narrow)
    } finally {
      await narrow.close()
    }
  })

  test('When the thread is closed under it, its caller is told to try again', async () => {
    const other = createLargeBodies()
    const reading = other.read(bytesOf(pictured(19)), { dialect: 'openai-chat' }, {}, new Departure())
    await new Promise((resolve) => { setImmediate(resolve) })
    await other.close()
    const read = await reading
    assert.ok('fault' in read)
    assert.equal(read.fault.kind, 'unavailable')
  })
})

describe('A request that became large by what was fetched for it', () => {
  const grown: ChatRequest = {
    messages: [{ role: 'user', parts: [{ type: 'text', text: 'Naïve?' }, { type: 'media', kind: 'image', source: { from: 'data', mime: 'image/png', base64: 'iVBORw0KGgo='.repeat(MB) } }] }],
    sampling: { temperature: 1 }, maxOutputTokens: 20, extras: {},
  }

  test('is the same to the byte as if it had been written on the event loop, which goes round meanwhile', async () => {
    for (const name of ['openai-chat', 'anthropic-messages', 'google-generate-content']) {
      const expected = DIALECTS.get(name)!.outbound!.encode(grown, target({ dialect: name }))
      let written: Awaited<ReturnType<typeof bodies.write>> | null = null
      const { turns } = await watched(async () => { written = await bodies.write('chat', grown, target({ dialect: name })) })
      assert.ok('body' in expected && 'body' in written!)
      assert.ok(textOf({ ...expected, body: Buffer.from(expected.body as string) }) === textOf(written!), `${name} writes something else`)
      assert.ok(turns > 20, `${turns} turns while it was written`)
    }
  })

  test('is refused in the words of its face', async () => {
    const foreign: EmbedRequest = { inputs: [{ parts: [{ type: 'media', kind: 'image', source: { from: 'data', mime: 'image/png', base64: 'AAAA' } }] }], encoding: 'float', extras: {} }
    const expected = DIALECTS.get('openai-embeddings')!.embed!.outbound!.encode(foreign, target({ dialect: 'openai-embeddings' }))
    assert.ok('fault' in expected)
    assert.deepEqual(await bodies.write('embed', foreign, target({ dialect: 'openai-embeddings' })), expected)
  })
})

describe('An answer of many vectors', () => {
  const vectors = Array.from({ length: 300 }, (_, at) => Array.from({ length: 1536 }, (__, i) => Math.fround(Math.sin(at * 1536 + i))))
  const at = target({ dialect: 'openai-embeddings' })
  const answer = (data: readonly unknown[]) => bytesOf({ object: 'list', data: data.map((embedding, index) => ({ object: 'embedding', index, embedding })), usage: { prompt_tokens: 7, total_tokens: 7 } })
  const textsIn = (events: readonly ChatEvent[]) => events.flatMap((event) => event.type === 'block-open' && event.block.type === 'embeddings' ? event.block.vectors.map((vector) => Buffer.from(vector as Uint8Array).toString()) : [])

  for (const encoding of ['float', 'base64'] as const) {
    test(`is read as its caller will read it, in ${encoding}, whichever form it came in, while others are served`, async () => {
      for (const form of ['float', 'base64'] as const) {
        let events: readonly ChatEvent[] = []
        const body = answer(vectors.map((vector) => asVector(form, vector)))
        const { turns } = await watched(async () => { events = await bodies.vectors(body, encoding, at) })
        assert.ok(turns > 20, `${turns} turns while it was read`)
        assert.ok(textsIn(events).every((text, i) => text === JSON.stringify(asVector(encoding, vectors[i]!))), 'a vector is another')
        assert.deepEqual([textsIn(events).length, events.map(({ type }) => type)], [300, ['start', 'block-open', 'block-close', 'finish', 'usage']])
      }
    })
  }

  test('that is none is the fault that it is on the event loop', async () => {
    const wrong = () => bytesOf({ data: [{ index: 0, embedding: 'x'.repeat(MB) + '!' }] })
    assert.deepEqual(await bodies.vectors(wrong(), 'float', at), DIALECTS.get('openai-embeddings')!.embed!.outbound!.decodeReply(wrong(), at))
  })

  test('is a fault that is worth another try where the thread is closed under it', async () => {
    const other = createLargeBodies()
    const reading = other.vectors(answer(vectors), 'float', at)
    await other.close()
    const [event] = await reading
    assert.ok(event?.type === 'fault' && event.fault.kind === 'unavailable')
  })
})
