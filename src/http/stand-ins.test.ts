import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { it } from 'node:test'
import { ambient } from '../ambient.ts'
import type { KeyRecord } from '../accounts/index.ts'
import { createCatalog, NO_OVERLAY } from '../catalog/index.ts'
import {
  fault, FaultError, FAULTS, malformed, usage,
  type ChatEvent, type Charge, type Fault, type Generation, type JsonObject,
} from '../core/index.ts'
import type { Dialect, Encoder, Inbound, ReplyMeta } from '../dialects/index.ts'
import type { Call, Outcome } from '../gateway/index.ts'
import type { Http } from './server.ts'
import type { Services } from './services.ts'

/** Stand-ins for the rooms behind the server: just enough of each to tell what the server does with it. */

export const KEY: KeyRecord = {
  id: 'a'.repeat(64), name: 'test', label: 'sk-sb-v1-abc...xyz', workspace: 'default', disabled: false, settings: {},
  createdAt: 0, updatedAt: null,
}

export const CHARGE: Charge = { total: 140_000n, prompt: 100n, completion: 40n, services: 0n }
export const START: ChatEvent = { type: 'start' }
export const USAGE: ChatEvent = { type: 'usage', usage: usage({ total: 5 }, { total: 2 }), charge: CHARGE }

/** A reply as batches: the text in pieces, then the finish, then the charge. */
export function batchesOf(...pieces: string[]): ChatEvent[][] {
  return [
    [START, { type: 'block-open', index: 0, choice: 0, block: { type: 'text' } }],
    ...pieces.map((text): ChatEvent[] => [{ type: 'block-delta', index: 0, text }]),
    [{ type: 'block-close', index: 0 }, { type: 'finish', choice: 0, reason: 'stop' }],
    [USAGE],
  ]
}

export function metaOf(call: Call): ReplyMeta {
  return { id: call.id, created: Math.floor(call.createdAt / 1000), model: 'fake/model', provider: 'Fake' }
}

/** An outcome that gives these batches; functions among them are awaited in their place. */
export function answering(call: Call, steps: readonly (readonly ChatEvent[] | (() => Promise<unknown>))[]): Outcome {
  return {
    meta: metaOf(call),
    events: (async function* () {
      for (const step of steps) {
        if (typeof step === 'function') await step()
        else yield step
      }
    })(),
    metadata: () => ({ requested: 'fake/model' }),
  }
}

/** Resolves when a call is aborted; for fakes that wait as a provider would. */
export function aborted(call: Call): Promise<void> {
  return new Promise((resolve) => {
    if (call.departure.gone) resolve()
    call.departure.listen(() => resolve())
  })
}

const frame = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`
const errorOf = ({ kind, message, field }: Fault) => ({ code: FAULTS[kind].status, message, metadata: { error_type: FAULTS[kind].type, ...(field && { field }) } })

function encoderOf(meta: ReplyMeta): Encoder {
  let over = false
  const head = { id: meta.id, object: 'chat.completion.chunk', created: meta.created, model: meta.model }
  return {
    push(batch) {
      let out = ''
      for (const event of batch) {
        if (event.type === 'block-delta') out += frame({ ...head, choices: [{ index: 0, delta: { content: event.text }, finish_reason: null }] })
        if (event.type === 'finish') out += frame({ ...head, choices: [{ index: 0, delta: {}, finish_reason: event.reason }] })
        if (event.type === 'usage') out += frame({ ...head, choices: [], usage: { total_tokens: event.usage.input.total + event.usage.output.total } })
        if (event.type === 'fault') {
          over = true
          out += frame({ ...head, error: errorOf(event.fault), choices: [{ index: 0, delta: {}, finish_reason: 'error' }] })
        }
      }
      return out
    },
    end: (metadata) => over ? '' : `${metadata ? frame({ ...head, choices: [], openrouter_metadata: metadata }) : ''}data: [DONE]\n\n`,
  }
}

/** A face of the size of a postcard: `{ model, messages, stream?, provider? }`. */
export const FACE: Inbound = {
  dialect: 'openai-chat',
  decode(body) {
    const { model, messages, stream, provider } = (body ?? {}) as JsonObject
    if (typeof model !== 'string') return { fault: fault('invalid-request', 'model must be a string', { field: 'model' }) }
    if (!Array.isArray(messages)) return { fault: fault('invalid-request', 'messages must be a list', { field: 'messages' }) }
    return {
      asked: {
        operation: { type: 'chat', request: { messages: [], sampling: {}, extras: {} } },
        preferences: { models: [model], ...(provider as object) }, plugins: [], stream: stream === true, ignored: [],
      },
    }
  },
  reply: (reply, meta, metadata) => ({
    status: 200,
    body: JSON.stringify({
      id: meta.id, object: 'chat.completion', created: meta.created, model: meta.model, provider: meta.provider, system_fingerprint: null,
      choices: reply.choices.map(({ index, parts, reason }) => ({
        index, logprobs: null, finish_reason: reason, native_finish_reason: null,
        message: { role: 'assistant', content: parts.map((part) => 'text' in part ? part.text : '').join(''), refusal: null, reasoning: null },
      })),
      ...(metadata && { openrouter_metadata: metadata }),
    }),
  }),
  encoder: encoderOf,
  fault: (what, extra) => ({ status: FAULTS[what.kind].status, body: JSON.stringify({ error: errorOf(what), ...extra }) }),
  faultFrames: (what, { id, created }) => frame({ id, created, error: errorOf(what), choices: [{ index: 0, delta: {}, finish_reason: 'error' }] }),
  heartbeat: ': OPENROUTER PROCESSING\n\n',
}

export interface Faked extends Services {
  readonly calls: Call[]
  readonly logged: { facts: Readonly<Record<string, unknown>>; message: string }[]
}

const nothing = async (what: string): Promise<never> => {
  throw new FaultError(fault('not-found', `there is nothing to ${what}`))
}

export type Generate = (call: Call) => Promise<Outcome>

/** A whole set of services around one `generate`. The key `good` is known, `slow` is known after a look-up, others are not. */
export function servicesWith(
  generate: Generate = async (call) => answering(call, batchesOf('Hel', 'lo')),
  rest: Partial<Services> & { key?: KeyRecord; generations?: readonly Generation[] } = {},
): Faked {
  const calls: Call[] = []
  const logged: Faked['logged'] = []
  const note = (facts: Readonly<Record<string, unknown>>, message: string) => { logged.push({ facts, message }) }
  const key = rest.key ?? KEY
  const dialect: Dialect = { name: 'openai-chat', inbound: FACE }
  return {
    calls, logged,
    ambient,
    log: { error: note, warn: note },
    version: '1.2.3',
    dialects: new Map([['openai-chat', dialect]]),
    catalog: rest.catalog ?? createCatalog({ overlay: NO_OVERLAY, faces: new Set(['openai-chat']), settings: () => ({}) }),
    accounts: {
      authenticate(presented) {
        if (presented === 'good') return key
        if (presented === 'slow') return new Promise((resolve) => { setTimeout(resolve, 5, key) })
        return fault('unauthenticated', presented === null ? 'No auth credentials found' : 'User not found')
      },
      listKeys: async () => [key],
    },
    figures: { endpoints: async () => new Map(), models: async () => ({ of: new Map(), version: 0 }), sums: async () => [], isDemo: async () => false, ...rest.figures },
    rankings: { between: async () => [] },
    parameters: { of: async () => new Map() },
    prices: { history: () => nothing('history') },
    apps: rest.apps ?? { of: async () => new Map(), claim: () => nothing('claim'), release: () => nothing('release') },
    stats: { find: async (id) => rest.generations?.find((one) => one.id === id) ?? null },
    gateway: {
      replay: () => { throw new Error('replay is not used here') },
      generate(call) {
        calls.push(call)
        return generate(call)
      },
      explain: async () => ({ fault: fault('no-endpoint', 'nothing can take this') }),
      countTokens: async () => ({ tokens: 7 }),
      ...rest.gateway,
    },
    large: rest.large ?? { read: async () => ({ fault: fault('unavailable', 'nothing is read here') }) },
    hasCredential: rest.hasCredential ?? ((provider) => provider === 'openai'),
    ...(rest.limits && { limits: rest.limits }),
    ...(rest.ready && { ready: rest.ready }),
    ...(rest.admission && { admission: rest.admission }),
  }
}

export const CHAT = { model: 'fake/model', messages: [{ role: 'user', content: 'hi' }] }

export function post(http: Http, path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(`${http.address()}${path}`, {
    method: 'POST',
    headers: { 'authorization': 'Bearer good', 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

export function get(http: Http, path: string, headers: Readonly<Record<string, string>> = { authorization: 'Bearer good' }): Promise<Response> {
  return fetch(`${http.address()}${path}`, { headers })
}

/** A raw connection: what was read so far, and its end. */
export interface Raw {
  readonly socket: Socket
  text(): string
  /** Resolves when the text read so far matches; rejects when the connection ends or two seconds pass before. */
  until(pattern: RegExp): Promise<string>
  closed(): Promise<string>
}

export function raw(http: Http, send: string | Uint8Array): Raw {
  const { hostname, port } = new URL(http.address()!)
  // Left half open on the server's end, so that what a test sees is what the server did.
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  let text = ''
  let over = false
  const watchers = new Set<() => void>()
  const wake = () => { for (const watcher of Array.from(watchers)) watcher() }
  socket.setEncoding('latin1')
  socket.on('data', (chunk) => { text += String(chunk); wake() })
  for (const event of ['end', 'close', 'error']) socket.on(event, () => { over = true; wake() })
  socket.write(send)
  const when = (done: () => boolean): Promise<string> => new Promise((resolve, reject) => {
    const watcher = () => {
      if (done()) settle(() => resolve(text))
      else if (over) settle(() => reject(new Error(`the connection ended after: ${text}`)))
    }
    const timer = setTimeout(() => settle(() => reject(new Error(`half a minute passed after: ${text}`))), 30_000)
    const settle = (then: () => void) => { clearTimeout(timer); watchers.delete(watcher); then() }
    watchers.add(watcher)
    watcher()
  })
  return { socket, text: () => text, until: (pattern) => when(() => pattern.test(text)), closed: () => when(() => over) }
}

export function head(method: string, path: string, headers: Readonly<Record<string, string | number>> = {}): string {
  const lines = Object.entries({ 'Host': 'localhost', 'Authorization': 'Bearer good', ...headers }).map(([name, value]) => `${name}: ${value}`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
}

export function chatRequest(body: unknown, headers: Readonly<Record<string, string | number>> = {}): string {
  const text = JSON.stringify(body)
  return head('POST', '/api/v1/chat/completions', { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text), ...headers }) + text
}

it('the stand-in for a reply obeys the grammar of replies, so that what is tested here can happen', () => {
  assert.equal(malformed(batchesOf('Hel', 'lo').flat()), null)
})
