import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault, FaultError, type ChatRequest, type Endpoint } from '../core/index.ts'
import type { Outbound } from '../dialects/index.ts'
import type { GuardedFetch } from '../net/index.ts'
import { inlined } from './inline.ts'

const target = { endpoint: {} as Endpoint, stream: false }
const outbound = { fetches: (url: string) => url.startsWith('https://own.example/') } as unknown as Outbound
const image = (url: string) => ({ type: 'media' as const, kind: 'image' as const, source: { from: 'url' as const, url } })
const asking = (...urls: readonly string[]): ChatRequest => ({
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'look' }, ...urls.map(image)] }],
  sampling: {}, extras: {}, origin: { dialect: 'openai-chat', body: {} },
})

test('media that the provider does not fetch is sent as bytes, and each address is fetched once for a call', async () => {
  const fetched: string[] = []
  const fetch: GuardedFetch = async (url) => {
    fetched.push(url)
    return { mime: 'image/png', bytes: new Uint8Array([1, 2, 3]) }
  }
  const downloads = new Map()
  const request = asking('https://a.example/x.png', 'https://own.example/y.png', 'https://a.example/x.png')
  const first = await inlined(request, outbound, target, fetch, downloads)
  await inlined(request, outbound, target, fetch, downloads)
  assert.deepEqual(fetched, ['https://a.example/x.png'])
  const sources = first.messages[0]!.parts.flatMap((part) => part.type === 'media' ? [part.source] : [])
  assert.deepEqual(sources, [
    { from: 'data', mime: 'image/png', base64: 'AQID' }, { from: 'url', url: 'https://own.example/y.png' }, { from: 'data', mime: 'image/png', base64: 'AQID' },
  ])
  assert.equal(first.origin, undefined)
})

test('a request with nothing to fetch is passed on as it is', async () => {
  const request = asking('https://own.example/y.png')
  const never: GuardedFetch = () => { throw new Error('fetched') }
  assert.equal(await inlined(request, outbound, target, never, new Map()), request)
})

test('an address that may not be fetched is refused by the place where the caller wrote it', async () => {
  const refusing: GuardedFetch = async (_, { field }) => { throw new FaultError(fault('invalid-request', 'must be a public address', { field })) }
  await assert.rejects(inlined(asking('http://10.0.0.1/x.png'), outbound, target, refusing, new Map()),
    (error: FaultError) => error.fault.field === 'messages[0].content[1]')
})
