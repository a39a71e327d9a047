// The floor: the least that a gateway on node:http and undici can do and still be one. It is no part of the product and
// imports nothing of it. Key by SHA-256 among ten thousand, body parsed and checked, one of three providers by 1/price²,
// model rewritten, answer parsed, cost counted, id and model rewritten, one row per request in SQLite in batches, the
// upstream aborted when the client leaves. No fallback, no plan, no hold, no translation: what the product costs above
// this row is what those cost.
//
//   node floor.ts   with PORT, UPSTREAM (http://127.0.0.1:port), DATA (folder), KEY
import { hash, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Pool } from 'undici'
import type { Dispatcher } from 'undici'

const { PORT, UPSTREAM, DATA, KEY } = process.env
if (!PORT || !UPSTREAM || !DATA || !KEY) throw new Error('floor: PORT, UPSTREAM, DATA and KEY are needed')

const keys = new Map<string, { id: number }>()
for (let id = 0; id < 10_000; id++) keys.set(hash('sha256', `key-${id}`), { id })
keys.set(hash('sha256', KEY), { id: 10_000 })

const providers = [
  { name: 'bench', prompt: 1000n, completion: 2000n },
  { name: 'bench2', prompt: 1500n, completion: 2500n },
  { name: 'bench3', prompt: 3000n, completion: 6000n },
].map((row) => ({ ...row, weight: 1 / Number(row.prompt) ** 2, pool: new Pool(UPSTREAM, { connections: null, pipelining: 1 }) }))
const weights = providers.reduce((sum, row) => sum + row.weight, 0)

const db = new DatabaseSync(join(DATA, 'floor.db'))
db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
  CREATE TABLE generation (id TEXT PRIMARY KEY, at INTEGER, key INTEGER, model TEXT, provider TEXT, status INTEGER,
    prompt INTEGER, completion INTEGER, cost INTEGER, ms INTEGER, stream INTEGER)`)
const insert = db.prepare('INSERT INTO generation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
let batch: (string | number | bigint)[][] = []
setInterval(() => {
  if (batch.length === 0) return
  const rows = batch
  batch = []
  db.exec('BEGIN')
  for (const row of rows) insert.run(...row)
  db.exec('COMMIT')
}, 250)

interface Usage { prompt_tokens: number; completion_tokens: number; cost?: number }

function pick(): (typeof providers)[number] {
  let left = Math.random() * weights
  for (const row of providers) if ((left -= row.weight) <= 0) return row
  return providers[0]!
}

function refuse(res: ServerResponse, status: number, message: string): void {
  if (!res.headersSent) res.writeHead(status, { 'content-type': 'application/json' })
  res.end(JSON.stringify({ error: { code: status, message } }))
}

function handle(req: IncomingMessage, res: ServerResponse, body: Buffer): void {
  const began = Date.now()
  const key = keys.get(hash('sha256', (req.headers.authorization ?? '').slice(7)))
  if (!key) return refuse(res, 401, 'unknown key')
  let input: { model?: unknown; messages?: unknown; stream?: unknown }
  try { input = JSON.parse(body.toString()) } catch { return refuse(res, 400, 'not JSON') }
  if (!Array.isArray(input.messages) || !input.messages.every((m) => typeof m === 'object' && m && typeof m.role === 'string'))
    return refuse(res, 400, 'messages')
  const model = String(input.model)
  const provider = pick()
  const id = `gen-${randomUUID()}`
  const streaming = input.stream === true

  const settle = (status: number, usage: Usage | undefined): number => {
    const cost = usage ? BigInt(usage.prompt_tokens) * provider.prompt + BigInt(usage.completion_tokens) * provider.completion : 0n
    batch.push([id, began, key.id, model, provider.name, status, usage?.prompt_tokens ?? 0, usage?.completion_tokens ?? 0, cost,
      Date.now() - began, streaming ? 1 : 0])
    return Number(cost) / 1e9
  }

  let control: Dispatcher.DispatchController | undefined
  let left = false
  res.once('close', () => {
    if (res.writableFinished) return
    left = true
    control?.abort(new Error('client left'))
  })

  const chunks: Buffer[] = []
  let pending = '', ended = false
  const flush = (controller: Dispatcher.DispatchController): void => {
    const out = pending
    pending = ''
    if (ended) res.end(out, 'latin1')
    else if (!res.write(out, 'latin1')) controller.pause()
  }
  const sse = streaming ? createSplicer(id, model, (usage) => { usage.cost = settle(200, usage) }) : undefined
  const text = JSON.stringify({ ...input, model: 'model' })
  provider.pool.dispatch(
    { path: '/v1/chat/completions', method: 'POST', body: text, headers: { 'content-type': 'application/json', authorization: 'Bearer upstream' } },
    {
      onRequestStart(controller) { control = controller; if (left) controller.abort(new Error('client left')) },
      onResponseStart(controller, status) {
        if (!sse) return
        res.writeHead(status, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
        res.on('drain', () => controller.resume())
      },
      onResponseData(controller, chunk) {
        if (!sse) { chunks.push(chunk); return }
        // undici calls once per HTTP chunk, and a provider makes a chunk of each event: what came in one read is
        // collected here and leaves in one write, when the parser is through with the read.
        if (!pending) queueMicrotask(() => flush(controller))
        pending += sse(chunk)
      },
      onResponseEnd() {
        if (sse) { ended = true; if (!pending) res.end(); return }
        const reply = JSON.parse(Buffer.concat(chunks).toString())
        reply.id = id
        reply.model = model
        reply.provider = provider.name
        reply.usage.cost = settle(200, reply.usage)
        const out = Buffer.from(JSON.stringify(reply))
        res.writeHead(200, { 'content-type': 'application/json', 'content-length': out.length })
        res.end(out)
      },
      onResponseError() {
        settle(left ? 499 : 502, undefined)
        if (!left) refuse(res, 502, 'upstream')
      },
    },
  )
}

/** Replaces the constant head of each event where it matches byte for byte; any other event is parsed and printed. */
function createSplicer(id: string, model: string, settle: (usage: Usage) => void): (chunk: Buffer) => string {
  let rest = '', from = '', to = ''
  return (chunk) => {
    const text = rest + chunk.toString('latin1')
    let out = '', at = 0
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n', at)) {
      if (from && text.startsWith(from, at) && text.startsWith('"usage":null}', end - 13)) {
        out += to + text.slice(at + from.length, end + 2)
      } else if (text.startsWith('data: {', at)) {
        const event = JSON.parse(Buffer.from(text.slice(at + 6, end), 'latin1').toString())
        if (event.usage) settle(event.usage)
        const choices = text.indexOf('"choices":', at)
        if (!from && choices > 0 && choices < end) {
          from = text.slice(at, choices)
          to = `data: ${JSON.stringify({ ...event, id, model, choices: undefined, usage: undefined }).slice(0, -1)},`
        }
        out += Buffer.from(`data: ${JSON.stringify({ ...event, id, model })}\n\n`).toString('latin1')
      } else out += text.slice(at, end + 2)
      at = end + 2
    }
    rest = text.slice(at)
    return out
  }
}

createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
  const parts: Buffer[] = []
  req.on('data', (part: Buffer) => parts.push(part))
  req.on('end', () => handle(req, res, parts.length === 1 ? parts[0]! : Buffer.concat(parts)))
  req.on('error', () => {})
}).listen(Number(PORT), '127.0.0.1')

process.on('SIGTERM', () => process.exit(0))
