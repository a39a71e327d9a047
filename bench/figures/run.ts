// What a page and a figure cost when there is a hundred times as much behind them: docs/figures.md says that it is the same.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { bringSite } from '../../bin/site.mjs'
import { ambient } from '../../src/ambient.ts'
import { readConfig } from '../../src/config/index.ts'
import { demoModels } from '../../src/offline.ts'
import { openStore } from '../../src/store/index.ts'
import { envOf, serve } from '../server.ts'
import { createDemoTraffic, createRollups, demoCalls, LONG_STEP } from '../../src/stats/index.ts'

const ROOT = join(import.meta.dirname, '..', '..')
/** A page or figure may cost so much more with all of the history than with a hundredth of it. */
const LIMIT = 1.3
/** How long a page may take, in the median. */
const PAGE_MS = 60
/** Answers that are remembered are forgotten by then. */
const FORGOTTEN_MS = 2300

const { values } = parseArgs({
  options: { calls: { type: 'string' }, share: { type: 'string' }, passes: { type: 'string' }, keep: { type: 'string' }, build: { type: 'boolean' }, json: { type: 'boolean' }, gate: { type: 'boolean' } },
})
const calls = Number(values.calls ?? 1_000_000)
const share = Number(values.share ?? 100)
const passes = Number(values.passes ?? 15)

/** What it took to make a data folder. */
interface Built {
  readonly written: number
  readonly writingMs: number
  readonly addingMs: number
  /** CPU of this process, by which both are better compared on a machine that does anything else. */
  readonly writingCpuMs: number
  readonly addingCpuMs: number
  readonly sums: number
  readonly bytes: number
  /** The two with the most calls. */
  readonly models: readonly [string, string]
  readonly at: string
}

interface Box {
  readonly calls: number
  readonly built: Built
  readonly url: string
  readonly key: string
  readonly pid: number
  close(): Promise<void>
}

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Fills a folder with so many calls, of the workspace that keys belong to. */
async function build(count: number, home: string): Promise<Built> {
  writeFileSync(join(home, 'bench.config.json'), JSON.stringify({ discover_local: false }))
  const config = readConfig(envOf(home), home)
  const models = demoModels(config)
  const store = await openStore({ url: config.databaseUrl, home })
  let said = 0
  const say = (what: string, done: number): void => {
    if (process.stderr.isTTY) process.stderr.write(`\r${count} calls: ${done} ${what}\u001b[K`)
    else if (done >= said + 500_000) process.stderr.write(`${count} calls: ${said = done} ${what}\n`)
  }
  const began = performance.now()
  const cpuBegan = cpuMs()
  const written = await createDemoTraffic({ store, ambient }).write(
    demoCalls({ models, now: ambient.now(), days: 60, calls: count, seed: 1, workspace: 'default' }), (done) => say('written', done))
  const writtenAt = performance.now()
  const cpuWrittenAt = cpuMs()
  said = 0
  await createRollups({ store, ambient, step: LONG_STEP }).catchUp((done) => say('added up', done))
  const [addingMs, addingCpuMs] = [performance.now() - writtenAt, cpuMs() - cpuWrittenAt]
  const [first, second] = await store.db.selectFrom('rollups').where('cut', '=', 'model').where('grain', '=', 1440).where('a', '!=', '').groupBy('a').select('a')
    .orderBy((by) => by.fn.sum('requests'), 'desc').limit(2).execute()
  const { sums } = await store.db.selectFrom('rollups').select((by) => by.fn.countAll<number>().as('sums')).executeTakeFirstOrThrow()
  await store.close()
  if (process.stderr.isTTY) process.stderr.write('\n')
  return {
    written, writingMs: writtenAt - began, addingMs, writingCpuMs: cpuWrittenAt - cpuBegan, addingCpuMs, sums,
    bytes: statSync(join(home, 'signalbox.db')).size, models: [first!.a, second!.a], at: new Date().toISOString(),
  }
}

/** A data folder with so many calls in it; one that was kept is not made again. */
async function folderOf(count: number): Promise<{ readonly home: string; readonly built: Built }> {
  const home = values.keep === undefined ? mkdtempSync(join(tmpdir(), 'signalbox-figures-')) : join(values.keep, String(count))
  const mark = join(home, 'built.json')
  if (values.keep !== undefined && !existsSync(mark)) {
    // What was cut short is no folder to measure in.
    rmSync(home, { recursive: true, force: true })
    mkdirSync(home, { recursive: true, mode: 0o700 })
  }
  const built = existsSync(mark) ? JSON.parse(readFileSync(mark, 'utf8')) as Built : await build(count, home)
  writeFileSync(mark, JSON.stringify(built))
  return { home, built }
}

/** A server on such a folder. */
async function boxOf(count: number): Promise<Box> {
  const { home, built } = await folderOf(count)
  const env = envOf(home)
  const { stdout } = await promisify(execFile)(process.execPath, [join(ROOT, 'src', 'cli.ts'), 'key', 'create', '--name', 'bench', '--json'], { cwd: ROOT, env })
  const { key } = JSON.parse(stdout) as { key: string }

  const server = await serve(env)
  return {
    calls: count, url: server.url, key, built, pid: server.pid,
    async close() {
      await server.close()
      if (values.keep === undefined) rmSync(home, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

interface Asked { readonly name: string; readonly path: string; readonly body?: unknown }

/** `another` is a model whose page is not asked for: what that had read would be remembered. */
function askedOf(model: string, another: string): readonly Asked[] {
  const query = (name: string, body: unknown): Asked => ({ name: `analytics: ${name}`, path: '/api/v1/analytics/query', body })
  return [
    ...['/', '/models', '/providers', `/${model}`, ...['performance', 'uptime', 'activity', 'apps', 'parameters', 'pricing'].map((section) => `/${model}/${section}`), '/rankings', '/apps', '/status']
      .map((path) => ({ name: `page ${path.replace(model, '{model}')}`, path })),
    { name: 'endpoints of a model', path: `/api/v1/models/${another}/endpoints` },
    { name: 'endpoints that keep nothing', path: '/api/v1/endpoints/zdr' },
    { name: 'parameters of a model', path: `/api/v1/parameters/${another}` },
    { name: 'rankings by day', path: '/api/v1/datasets/rankings-daily' },
    { name: 'rankings by week', path: '/api/v1/datasets/rankings-daily?period=week&context_bucket=10K' },
    { name: 'apps', path: '/api/v1/datasets/app-rankings' },
    { name: 'apps, trending', path: '/api/v1/datasets/app-rankings?sort=trending' },
    { name: 'activity', path: '/api/v1/activity' },
    query('requests', { metrics: ['request_count', 'total_usage'] }),
    query('by model and day', { metrics: ['tokens_total'], dimensions: ['model'], granularity: 'day' }),
    query('by key and model', { metrics: ['tokens_total'], dimensions: ['api_key_id', 'model'] }),
    query('by hour', { metrics: ['request_count'], granularity: 'hour' }),
  ]
}

/** Milliseconds that the thread which answers has had of a processor so far; null where the system does not say. */
function cpuOf({ pid }: Box): number | null {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6
  } catch {
    return null
  }
}

interface Took {
  readonly ms: number
  /** Of the server's thread; without it, the same as the time: then what else the machine does is in it. */
  readonly cpu: number
}

/** What it took until the whole answer was there; null when it is no answer. */
async function took(box: Box, { path, body }: Asked): Promise<Took | null> {
  const { url, key } = box
  const cpu = cpuOf(box)
  const from = performance.now()
  const response = await fetch(url + path, {
    headers: { authorization: `Bearer ${key}`, accept: path.startsWith('/api') ? '*/*' : 'text/html', ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
  })
  await response.arrayBuffer()
  const ms = performance.now() - from
  return response.status === 200 ? { ms, cpu: cpu === null ? ms : cpuOf(box)! - cpu } : null
}

const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[Math.floor(of.length / 2)]!
const medianOf = (of: readonly Took[]): Took => ({ ms: median(of.map(({ ms }) => ms)), cpu: median(of.map(({ cpu }) => cpu)) })

const ofCalls = { few: Math.max(1, Math.round(calls / share)), many: calls }

function printBuilt(built: readonly Built[]): void {
  for (const it of built) {
    const each = (ms: number): string => `${Math.round(ms / it.written * 1000)} µs of CPU each`
    process.stdout.write(`${it.written} calls: written in ${(it.writingMs / 1000).toFixed(1)} s (${each(it.writingCpuMs)}), added up to ${it.sums} sums in ${(it.addingMs / 1000).toFixed(1)} s `
      + `(${each(it.addingCpuMs)}, ${Math.round(it.written / it.addingMs * 1000)} a second), ${(it.bytes / 1e6).toFixed(0)} MB, ${it.at}\n`)
  }
}

if (values.build) {
  if (values.keep === undefined) throw new Error('--build makes folders for later: --keep FOLDER says where.')
  for (const count of [ofCalls.few, ofCalls.many]) printBuilt([(await folderOf(count)).built])
  process.exit()
}

await bringSite({ root: ROOT, node: process.execPath })
const few = await boxOf(ofCalls.few)
const many = await boxOf(ofCalls.many)
try {
  const rows: { name: string; few: Took; many: Took; ratio: number }[] = []
  const times = new Map<string, { few: Took[]; many: Took[] }>()
  const left = new Set<string>()
  for (let pass = 0; pass < passes + 3; pass++) {
    // Both at once and in turns: what else the machine does falls on both.
    for (const [i, asked] of askedOf(...many.built.models).entries()) {
      const both = pass % 2 === 0 ? [few, many] : [many, few]
      const pair = new Map<Box, Took | null>()
      for (const box of both) pair.set(box, await took(box, asked))
      const [small, large] = [pair.get(few)!, pair.get(many)!]
      if (small === null || large === null) left.add(asked.name)
      else if (pass >= 3) {
        const own = times.get(asked.name) ?? { few: [], many: [] }
        times.set(asked.name, own)
        own.few.push(small)
        own.many.push(large)
      }
      if (i % 6 === 5) await sleep(1)
    }
    await sleep(FORGOTTEN_MS)
  }
  for (const [name, own] of times) {
    const [small, large] = [medianOf(own.few), medianOf(own.many)]
    rows.push({ name, few: small, many: large, ratio: large.cpu / small.cpu })
  }

  const built = [few, many].map((box) => ({ calls: box.calls, ...box.built }))
  if (values.json) process.stdout.write(`${JSON.stringify({ built, rows, left: [...left] })}\n`)
  else {
    printBuilt(built)
    const heads = [`${few.calls}`, 'ms', `${many.calls}`, 'ms'].map((head) => head.padStart(10)).join('')
    process.stdout.write(`\n${'medians of CPU ms and ms until the answer'.padEnd(44)}${heads}  ratio of CPU\n`)
    for (const row of rows) {
      const figures = [row.few.cpu, row.few.ms, row.many.cpu, row.many.ms].map((ms) => ms.toFixed(1).padStart(10)).join('')
      const notes = [row.ratio > LIMIT ? `> ${LIMIT}` : '', row.name.startsWith('page') && row.many.ms > PAGE_MS ? `> ${PAGE_MS} ms` : ''].filter(Boolean).join(', ')
      process.stdout.write(`${row.name.padEnd(44)}${figures}  ${row.ratio.toFixed(2)} ${notes}\n`)
    }
    if (left.size > 0) process.stdout.write(`\nLeft out, because it did not answer: ${[...left].join(', ')}\n`)
  }
  if (values.gate && rows.some(({ ratio }) => ratio > LIMIT)) process.exitCode = 1
} finally {
  await Promise.all([few.close(), many.close()])
}
