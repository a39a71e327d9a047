// What a piece of text costs that a provider says in one format and a caller reads in another, beside the case where both speak the same.
import { Agent, createServer, request as httpRequest, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { DIALECTS, type ReplyMeta } from '../../src/dialects/index.ts'
import { anEndpoint } from '../../src/dialects/laws/endpoint.ts'
import { startSignalbox, untilReady } from '../overhead/candidates.ts'
import { createMachine, treeOf } from '../overhead/machine.ts'
import { recordStreams, requestIn, type Recorded } from './streams.ts'

/** A piece may cost so much more where the formats differ. */
const LIMIT = 1.5
/** Within the process a measured batch is so many streams. */
const BATCH = 30
const EVERY_MS = 5

const { values } = parseArgs({
  options: { rounds: { type: 'string' }, streams: { type: 'string' }, pieces: { type: 'string' }, only: { type: 'string' }, codec: { type: 'boolean' }, json: { type: 'boolean' }, gate: { type: 'boolean' } },
})
const rounds = Number(values.rounds ?? 3)
const streams = Number(values.streams ?? 60)
const pieces = Number(values.pieces ?? 120)

interface Cell {
  readonly surface: string
  readonly provider: string
  /** Microseconds of CPU for each piece. */
  readonly us: number
  /** The median of what it is in each round, of the same surface before a provider that speaks the same. */
  readonly ratio: number
}

const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[Math.floor(of.length / 2)]!
const recorded = await recordStreams(pieces)
const formats = [...recorded.keys()]
const surfaces = formats.filter((name) => DIALECTS.get(name)!.inbound && (values.only === undefined || values.only.split(',').includes(name)))

/**
 * Every pair, in turns: a row of a surface begins and ends with the case where both are the same, so that what the machine
 * does meanwhile falls on both. The first round is thrown away.
 */
async function measured(cost: (surface: string, provider: string) => number | Promise<number>): Promise<Cell[]> {
  const found = new Map<string, { us: number[]; ratios: number[] }>()
  for (let round = 0; round <= rounds; round++) for (const surface of surfaces) {
    const before = await cost(surface, surface)
    const row = new Map<string, number>()
    for (const provider of formats) if (provider !== surface) row.set(provider, await cost(surface, provider))
    const same = (before + await cost(surface, surface)) / 2
    row.set(surface, same)
    if (round === 0) continue
    for (const [provider, us] of row) {
      const own = found.get(`${surface} ${provider}`) ?? { us: [], ratios: [] }
      found.set(`${surface} ${provider}`, own)
      own.us.push(us)
      own.ratios.push(us / same)
    }
  }
  return surfaces.flatMap((surface) => formats.map((provider) => {
    const { us, ratios } = found.get(`${surface} ${provider}`)!
    return { surface, provider, us: median(us), ratio: median(ratios) }
  }))
}

/** Of the whole gateway: its process in front of a provider that says a piece every few milliseconds, and callers that read them. */
async function ofTheGateway(): Promise<Cell[]> {
  const machine = createMachine()
  const replay = await createReplay()
  try {
    const config = {
      providers: Object.fromEntries(formats.map((dialect, at) => [`replay-${at}`, { base_url: `http://127.0.0.1:${replay.port}/${at}`, api_key: 'none', dialect, settings: { project_id: 'p' } }])),
      models: formats.map((_, at) => ({ id: `bench/model-${at}` })),
      endpoints: formats.map((_, at) => ({ model: `bench/model-${at}`, provider: `replay-${at}`, pricing: { prompt: '0.000001', completion: '0.000002' } })),
    }
    const box = await startSignalbox(machine, replay.port, { config })
    await untilReady(box, undefined)
    const agent = new Agent({ keepAlive: true, maxSockets: Infinity })
    const cost = async (surface: string, provider: string): Promise<number> => {
      const ask = callerOf(surface, `bench/model-${formats.indexOf(provider)}`, box)
      const from = treeOf(box.child.pid).cpuUs
      const sizes = await Promise.all(Array.from({ length: streams }, () => ask(agent)))
      const { cpuUs } = treeOf(box.child.pid)
      if (sizes.some((bytes) => bytes < pieces * 2)) throw new Error(`${surface} in front of ${provider}: an answer of ${Math.min(...sizes)} bytes is none\n${box.child.log().slice(-800)}`)
      return (cpuUs - from) / (streams * pieces)
    }
    const cells = await measured(cost)
    agent.destroy()
    return cells
  } finally {
    await machine.closeAll()
    replay.close()
  }
}

interface Box { readonly port: number; readonly headers: Readonly<Record<string, string>> }

/** Asks once in a surface's words, and resolves with the bytes of the answer when it has ended. */
function callerOf(surface: string, model: string, { port, headers }: Box): (agent: Agent) => Promise<number> {
  const { outbound } = DIALECTS.get(surface)!
  const out = requestIn(outbound!, { stream: true, endpoint: anEndpoint({ dialect: surface, upstreamModel: model }) })
  const path = (surface === 'google-generate-content' ? '/api/v1beta/models' : '/api/v1') + out.path
  return (agent) => new Promise((resolve, reject) => {
    const sent = httpRequest({ agent, port, host: '127.0.0.1', path, method: 'POST', headers: { 'content-type': 'application/json', ...headers } }, (response) => {
      let bytes = 0
      response.on('data', (chunk: Buffer) => { bytes += chunk.length })
      response.once('end', () => { response.statusCode === 200 ? resolve(bytes) : reject(new Error(`${path}: status ${response.statusCode}`)) })
      response.once('error', reject)
    })
    sent.once('error', reject)
    sent.end(out.body)
  })
}

/** A provider of every format: it reads nothing of a request but whose it is, and says the recorded stream piece by piece. */
async function createReplay(): Promise<{ readonly port: number; close(): void }> {
  interface Open { readonly response: ServerResponse; readonly reads: readonly Uint8Array[]; at: number }
  const open = new Set<Open>()
  const server = createServer((request, response) => {
    const { reads, type } = recorded.get(formats[Number(/^\/(\d+)/.exec(request.url!)![1])]!)!
    request.resume()
    response.writeHead(200, { 'content-type': type })
    open.add({ response, reads, at: 0 })
  })
  server.keepAliveTimeout = 0
  const timer = setInterval(() => {
    for (const it of open) {
      it.response.write(it.reads[it.at++])
      if (it.at < it.reads.length) continue
      it.response.end()
      open.delete(it)
    }
  }, EVERY_MS)
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      clearInterval(timer)
      server.closeAllConnections()
      server.close()
    },
  }
}

/** Of reading and writing alone, in this process: what a burst of pieces comes near to, where the sockets cost little. */
const ofTheFormats = (): Promise<Cell[]> => measured((surface, provider) => {
  const from = process.cpuUsage()
  for (let i = 0; i < BATCH; i++) translate(surface, recorded.get(provider)!)
  const { user, system } = process.cpuUsage(from)
  return (user + system) / (BATCH * pieces)
})

const META: ReplyMeta = {
  id: 'gen-1', created: 1_760_000_000, model: 'bench/model', provider: 'Bench', now: () => 1_760_000_000_000,
  asked: { operation: { type: 'chat', request: { messages: [], sampling: {}, extras: {} } }, preferences: { models: ['bench/model'] }, plugins: [], stream: true, ignored: [] },
}

/** One stream, event by event, as the gateway passes it. */
function translate(surface: string, { outbound, target, reads }: Recorded): void {
  const decoder = outbound.decoder(target)
  const encoder = DIALECTS.get(surface)!.inbound!.encoder(META)
  let written = 0
  for (const read of reads) {
    const batch = decoder.push(read)
    if (batch.length > 0) written += encoder.push(batch).length
  }
  written += encoder.push(decoder.end()).length + encoder.end().length
  if (written < pieces * 2) throw new Error(`${surface} in front of ${outbound.dialect}: ${written} characters are no answer`)
}

function print(title: string, cells: readonly Cell[]): void {
  const widest = Math.max(...formats.map((name) => name.length)) + 2
  process.stdout.write(`\n${title}\n\n${'provider \\ surface'.padEnd(widest)}${surfaces.map((name) => name.padStart(26)).join('')}\n`)
  for (const provider of formats) {
    const row = surfaces.map((surface) => {
      const { us, ratio } = cells.find((cell) => cell.surface === surface && cell.provider === provider)!
      return `${us.toFixed(2)} µs ${ratio.toFixed(2)} ×${ratio > LIMIT ? ' !' : '  '}`.padStart(26)
    })
    process.stdout.write(`${provider.padEnd(widest)}${row.join('')}\n`)
  }
}

const gateway = values.codec ? null : await ofTheGateway()
const codec = await ofTheFormats()
if (values.json) process.stdout.write(`${JSON.stringify({ rounds, streams, pieces, gateway, codec })}\n`)
else {
  if (gateway) print(`CPU of the gateway for each piece (${streams} streams at once, a piece every ${EVERY_MS} ms), and its ratio to the case where provider and caller speak the same`, gateway)
  print('Reading and writing alone, without sockets, accounting or record', codec)
}
if (values.gate && gateway?.some(({ ratio }) => ratio > LIMIT)) process.exitCode = 1
process.exit()
