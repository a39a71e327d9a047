/** A whole Signalbox in this process for stories and clients: the operator's contract in, an address and a key out. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, describe } from 'node:test'
import { ambient } from '../../src/ambient.ts'
import { createApp, type App } from '../../src/app.ts'
import { readConfig, type ConfigFile } from '../../src/config.ts'
import type { Ambient } from '../../src/core/index.ts'
import { freshDatabase, freshSchema, type Database } from '../postgres.ts'

export interface Signalbox {
  /** `http://127.0.0.1:…`, without `/api/v1`. */
  readonly url: string
  readonly key: string
  readonly app: App
  /** What was logged as an error or a warning: most stories end with none. */
  readonly complaints: readonly string[]
  /** POST /api/v1/chat/completions with the key. */
  chat(body: unknown, headers?: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<Response>
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>
  /** The record of `GET /api/v1/generation`. */
  generation(id: string): Promise<Record<string, unknown>>
  close(): Promise<void>
}

export interface Given {
  /** The operator's file. */
  readonly config?: ConfigFile
  readonly env?: Readonly<Record<string, string>>
  /** null is SQLite. */
  readonly databaseUrl?: string | null
  readonly ambient?: Ambient
}

/** Starts one on a free port. It is closed after the suite at the latest. */
export async function startSignalbox(given: Given = {}): Promise<Signalbox> {
  const home = mkdtempSync(path.join(tmpdir(), 'signalbox-story-'))
  const file = path.join(home, 'signalbox.config.json')
  writeFileSync(file, JSON.stringify({ discover_local: false, ...given.config }))
  const config = readConfig({
    PORT: '0', SIGNALBOX_HOME: home, SIGNALBOX_CONFIG: file, SIGNALBOX_DEMO_PACE: '0', ...given.env,
    ...(given.databaseUrl && { DATABASE_URL: given.databaseUrl }),
  }, home)
  const complaints: string[] = []
  const complain = (facts: object, message: string): void => void complaints.push(`${message} ${JSON.stringify(facts)}`)
  const app = await createApp({
    config, version: 'test', ambient: given.ambient ?? ambient, log: { error: complain, warn: complain },
  })
  await app.http.listen({ host: '127.0.0.1', port: 0, adminPort: null })
  const url = app.http.address()!
  const { key } = await app.accounts.createKey({ name: 'story' })
  const authorised = { authorization: `Bearer ${key}` }

  let closed = false
  const close = async (): Promise<void> => {
    if (closed) return
    closed = true
    await app.close(1000)
    rmSync(home, { recursive: true, force: true })
  }
  after(close)
  return {
    url, key, app, complaints, close,
    chat: (body, headers, signal) => fetch(`${url}/api/v1/chat/completions`, {
      method: 'POST',
      headers: { ...authorised, 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...(signal && { signal }),
    }),
    get: (at, headers) => fetch(`${url}${at}`, { headers: { ...authorised, ...headers } }),
    async generation(id) {
      const response = await fetch(`${url}/api/v1/generation?id=${id}`, { headers: authorised })
      if (response.status !== 200) throw new Error(`GET /generation?id=${id} answered ${response.status}: ${await response.text()}`)
      return ((await response.json()) as { data: Record<string, unknown> }).data
    },
  }
}

/** A provider of the operator's, at an address, that sells one model at a price in dollars per million tokens. */
export function providerAt(slug: string, baseUrl: string, given: {
  readonly model?: string
  readonly dialect?: string
  readonly prompt?: number
  readonly completion?: number
  readonly endpoint?: Readonly<Record<string, unknown>>
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
    models: [{ id: model }],
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
    declare(async (given) => startSignalbox({ ...given, databaseUrl: await freshSchema(await (database ??= freshDatabase())) }))
  })
}
