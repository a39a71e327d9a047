/** A whole Signalbox in this process for stories and clients: the operator's contract in, an address and a key out. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, afterEach, describe, type SuiteContext, type TestContext } from 'node:test'
import { ambient } from '../../src/ambient.ts'
import { createApp, type App } from '../../src/app.ts'
import { readConfig, type ConfigFile } from '../../src/config/index.ts'
import type { Ambient } from '../../src/core/index.ts'
import { createConformance, type OpenApi } from '../../src/http/index.ts'
import { createFakeUpstream, type FakeUpstream, type FakeUpstreamOptions } from '../../src/testing/index.ts'
import { freshDatabase, freshSchema, type Database } from '../postgres.ts'

export interface Signalbox {
  /** `http://127.0.0.1:…`, without `/api/v1`. */
  readonly url: string
  readonly key: string
  readonly app: App
  /** The data folder, and the environment for a command line beside this server. */
  readonly home: string
  readonly env: Readonly<Record<string, string>>
  /** What was logged as an error or a warning: most stories end with none. */
  readonly complaints: readonly string[]
  /** POST /api/v1/chat/completions with the key. */
  chat(body: unknown, headers?: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<Response>
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>
  /** Any route of the document, with the key; what is sent and answered is held against /openapi.json. */
  send(method: string, path: string, init?: Sending): Promise<Response>
  /** POST /api/v1/chat/completions that has to be answered whole: the parsed body. */
  whole(body: Readonly<Record<string, unknown>>, headers?: Readonly<Record<string, string>>): Promise<WholeReply>
  /** POST /api/v1/chat/completions that has to be refused: status, parsed error, headers. */
  refused(body: unknown, headers?: Readonly<Record<string, string>>): Promise<Refusal>
  /** The plan of POST /api/v1/route/explain. */
  explain(body: Readonly<Record<string, unknown>>): Promise<Explained>
  /** Takes another operator's file into force, as a change of the file does. */
  reload(config: ConfigFile, env?: Readonly<Record<string, string>>): void
  /** The record of `GET /api/v1/generation`. */
  generation(id: string): Promise<Record<string, unknown>>
  close(): Promise<void>
}

export interface Sending {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>

export interface WholeReply extends Loose {
  readonly id: string
  readonly model: string
  readonly provider: string
  readonly choices: readonly Loose[]
  readonly usage: Loose & { readonly cost: number; readonly prompt_tokens: number; readonly completion_tokens: number }
}

export interface Refusal {
  readonly status: number
  readonly error: Loose & { readonly code: number; readonly message: string; readonly metadata: Loose }
  readonly headers: Headers
  /** The generation's id, which a refused call has too. */
  readonly id: string
  readonly body: Loose
}

export interface Explained {
  readonly strategy: string
  readonly candidates: readonly Loose[]
  readonly rejected: readonly { readonly endpoint: string; readonly provider: string; readonly why: string; readonly detail: string }[]
}

export interface Given {
  /** The operator's file. */
  readonly config?: ConfigFile
  readonly env?: Readonly<Record<string, string>>
  /** null is SQLite. */
  readonly databaseUrl?: string | null
  readonly ambient?: Ambient
}

/** Starts one on a free port. It is closed after the test, or the suite, that starts it. */
export function startSignalbox(given: Given = {}): Promise<Signalbox> {
  // Said before anything is awaited: what a pooled connection resumes looks like the test that opened it.
  return watched(start(given))
}

/** Closes a box after the test, or the suite, that starts it; of a test that failed it says what was answered last, and logged. */
async function watched(starting: Promise<Told>): Promise<Signalbox> {
  const told = new Set<string>()
  const say = async (t: TestContext | SuiteContext): Promise<void> => {
    if (!('passed' in t) || t.passed || !('error' in t) || told.has(t.fullName)) return
    told.add(t.fullName)
    for (const line of (await starting).lately()) (t as TestContext).diagnostic(line)
  }
  afterEach(say)
  after(async (t) => {
    await say(t)
    await (await starting).box.close()
  })
  return (await starting).box
}

/** A box, and its latest exchanges and complaints, for the report of a failure. */
interface Told {
  readonly box: Signalbox
  lately(): readonly string[]
}
const REMEMBERED = 8

async function start(given: Given): Promise<Told> {
  const home = mkdtempSync(path.join(tmpdir(), 'signalbox-story-'))
  const file = path.join(home, 'signalbox.config.json')
  const env = {
    PORT: '0', SIGNALBOX_HOME: home, SIGNALBOX_CONFIG: file, SIGNALBOX_DEMO_PACE: '0',
    ...(given.databaseUrl && { DATABASE_URL: given.databaseUrl }),
  }
  const read = (config: ConfigFile | undefined, more: Given['env'] = given.env) => {
    // The server shares its thread with the provider, its callers and other servers: how late that is says nothing of its own load.
    const limits = { event_loop_delay_ms: 0, ...config?.limits }
    writeFileSync(file, JSON.stringify({ discover_local: false, ...config, limits }))
    return readConfig({ ...env, ...more }, home)
  }
  const complaints: string[] = []
  const complain = (facts: object, message: string): void => {
    complaints.push(`${message} ${JSON.stringify(facts, (_, value: unknown) => value instanceof Error ? value.stack : value)}`)
  }
  const app = await createApp({
    config: read(given.config), version: 'test', ambient: given.ambient ?? ambient, log: { error: complain, warn: complain },
  })
  await app.warmUp()
  await app.http.listen({ host: '127.0.0.1', port: 0, adminPort: null })
  const url = app.http.address()!
  const { key } = await app.accounts.createKey({ name: 'story' })
  const differs = await conformanceOf(url)

  const exchanges: string[] = []
  const send = async (method: string, at: string, { body, headers, signal }: Sending = {}): Promise<Response> => {
    const response = await fetch(url + at, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(signal && { signal }),
    })
    const json = response.headers.get('content-type')?.startsWith('application/json') ?? false
    const text = json ? await response.text() : undefined
    exchanges.push(`${method} ${at} answered ${response.status}: ${text?.slice(0, 600) ?? response.headers.get('content-type') ?? 'nothing'}`)
    if (exchanges.length > REMEMBERED) exchanges.shift()
    assert.equal(differs({
      method, path: at, status: response.status,
      ...(body !== undefined && typeof body !== 'string' && { sent: body }),
      ...(text !== undefined && { got: JSON.parse(text) as unknown }),
    }), null, `/openapi.json says otherwise: ${text?.slice(0, 500)}`)
    return text === undefined ? response : new Response(text, { status: response.status, headers: response.headers })
  }
  const chat: Signalbox['chat'] = (body, headers, signal) =>
    send('POST', '/api/v1/chat/completions', { body, ...(headers && { headers }), ...(signal && { signal }) })

  let closed = false
  const close = async (): Promise<void> => {
    if (closed) return
    closed = true
    await app.close(1000)
    rmSync(home, { recursive: true, force: true })
  }
  const box: Signalbox = {
    url, key, app, home, complaints,
    env: { ...env, ...(process.env['NODE_COMPILE_CACHE'] && { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }) },
    close, send, chat,
    get: (at, headers) => send('GET', at, headers && { headers }),
    async whole(body, headers) {
      const response = await chat(body, headers)
      const text = await response.text()
      assert.equal(response.status, 200, text)
      return JSON.parse(text) as WholeReply
    },
    async refused(body, headers) {
      const response = await chat(body, headers)
      const text = await response.text()
      assert.ok(response.status >= 400, `a refusal was expected, but it answered ${response.status}: ${text.slice(0, 500)}`)
      const parsed = JSON.parse(text) as Refusal['body']
      assert.equal(parsed['error'].code, response.status, 'error.code is the status')
      return {
        status: response.status, error: parsed['error'], headers: response.headers, body: parsed,
        id: response.headers.get('x-generation-id')!,
      }
    },
    async explain(body) {
      const response = await send('POST', '/api/v1/route/explain', { body })
      const text = await response.text()
      assert.equal(response.status, 200, text)
      return (JSON.parse(text) as { data: Explained }).data
    },
    async generation(id) {
      const response = await send('GET', `/api/v1/generation?id=${id}`)
      if (response.status !== 200) throw new Error(`GET /generation?id=${id} answered ${response.status}: ${await response.text()}`)
      return ((await response.json()) as { data: Record<string, unknown> }).data
    },
    reload: (config, more) => app.reload(read(config, more ?? given.env)),
  }
  return { box, lately: () => [...exchanges, ...complaints.slice(-REMEMBERED).map((it) => `logged: ${it.slice(0, 600)}`)] }
}

/** All boxes of a process publish the same document, which takes a while to make, and its checkers to compile. */
let conformance: Promise<ReturnType<typeof createConformance>> | null = null

const conformanceOf = (url: string): Promise<ReturnType<typeof createConformance>> => conformance ??= (async () => {
  const differs = createConformance(await (await fetch(`${url}/openapi.json`)).json() as OpenApi)
  // Compiled now: in the middle of a story it would stop this process, server and provider in it, for a while.
  differs({ method: 'POST', path: '/api/v1/chat/completions', sent: saying('a/b', 'c'), status: 200, got: {} })
  differs({ method: 'POST', path: '/api/v1/chat/completions', status: 400, got: {} })
  return differs
})()

/** A fake upstream that is closed after the suite. */
export function startUpstream(options?: FakeUpstreamOptions): Promise<FakeUpstream> {
  const started = createFakeUpstream(options)
  after(async () => (await started).close())
  return started
}

/** The request of someone who says one thing. */
export const saying = (model: string, text: string, rest: Readonly<Record<string, unknown>> = {}): Record<string, unknown> =>
  ({ model, messages: [{ role: 'user', content: text }], ...rest })

/** A provider of the operator's, at an address, that sells one model at a price in dollars per million tokens. */
export function providerAt(slug: string, baseUrl: string, given: {
  readonly model?: string
  readonly dialect?: string
  readonly prompt?: number
  readonly completion?: number
  readonly endpoint?: Readonly<Record<string, unknown>>
  /** Fields of the model's row. */
  readonly row?: Readonly<Record<string, unknown>>
  readonly timeouts?: NonNullable<NonNullable<ConfigFile['providers']>[string]['timeouts']>
} = {}): ConfigFile {
  const model = given.model ?? 'acme/one'
  const perToken = (perMillion: number) => (perMillion / 1e6).toFixed(12)
  return {
    providers: {
      [slug]: {
        base_url: baseUrl, api_key: `key-of-${slug}`, dialect: given.dialect ?? 'openai-chat',
        ...(given.timeouts && { timeouts: given.timeouts }),
      },
    },
    models: [{ id: model, ...given.row }],
    endpoints: [{
      model, provider: slug, provider_model_id: model.split('/')[1],
      pricing: { prompt: perToken(given.prompt ?? 1), completion: perToken(given.completion ?? 2) },
      ...given.endpoint,
    }],
  }
}

/** Files of the operator laid together: providers side by side, rows one after the other. */
export function together(...files: readonly ConfigFile[]): ConfigFile {
  const models = new Map(files.flatMap((file) => file.models ?? []).map((row) => [row['id'], row]))
  return Object.assign({}, ...files, {
    providers: Object.assign({}, ...files.map((file) => file.providers)),
    models: [...models.values()],
    endpoints: files.flatMap((file) => file.endpoints ?? []),
  })
}

/** Declares a suite twice, on SQLite and on Postgres; `start` starts a Signalbox on an empty database of that kind. */
export function onBothStores(declare: (start: (given?: Given) => Promise<Signalbox>) => void): void {
  describe('on sqlite', () => declare((given) => startSignalbox(given)))
  describe('on postgres', () => {
    let database: Promise<Database> | null = null
    after(async () => (await database)?.drop())
    declare((given) => watched((async () => start({ ...given, databaseUrl: await freshSchema(await (database ??= freshDatabase())) }))()))
  })
}
