import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { kernelTakes } from '../../src/testing/index.ts'
import { providerAt, saying, startUpstream } from './signalbox.ts'

/** Readers who stop reading answers without end, in front of a server that is a process of its own, so that its memory can be told. */

const READERS = Number(process.env['SIGNALBOX_STALLED_READERS'] ?? 100)
const KIB = 1024
/** What one reader may cost, in KiB. */
const EACH = 512
/** What resident memory grows by when so much passes through the heap at once, however many read: 70 MiB where the collector keeps up. */
const COMMON = 192 * KIB
/** In the server's process: has the collector do all of its work when it is asked, and says what is left. */
const WEIGHS = `process.on('message', () => { gc(); setImmediate(() => { gc(); process.send(process.memoryUsage()) }) }); process.channel.unref()`
const upstream = await startUpstream({ keep: 10_000 })
upstream.when({ model: 'endless' }, { text: ` ${'x'.repeat(2047)}`, endless: true })

interface Running {
  readonly url: string
  readonly key: string
  readonly pid: number
  /** KiB that are in use, on the heap and beside it, when everything has been collected that nobody needs: by no clock, and whatever else the machine does. */
  inUse(): Promise<number>
}

async function startProcess(): Promise<Running> {
  const home = mkdtempSync(path.join(tmpdir(), 'signalbox-readers-'))
  const file = path.join(home, 'signalbox.config.json')
  const { providers, models, endpoints } = providerAt('acme', `${upstream.url}/acme/v1`)
  writeFileSync(file, JSON.stringify({
    discover_local: false, providers,
    // A hundred readers at once on a machine that does much else are no overload here: one that is turned away is waited for in vain.
    limits: { event_loop_delay_ms: 0 },
    models: [...models!, { id: 'acme/endless' }],
    endpoints: [...endpoints!, { ...endpoints![0], model: 'acme/endless', provider_model_id: 'endless' }],
  }))
  const root = path.dirname(path.dirname(import.meta.dirname))
  const child = spawn(process.execPath, ['--expose-gc', '--import', `data:text/javascript,${encodeURIComponent(WEIGHS)}`, path.join(root, 'src/main.ts')], {
    env: { PATH: process.env['PATH'], NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'], PORT: '0', SIGNALBOX_HOME: home, SIGNALBOX_CONFIG: file }, stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  after(async () => {
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
    rmSync(home, { recursive: true, force: true })
  })
  const inUse = async (): Promise<number> => {
    const told = once(child, 'message')
    child.send('weigh')
    const [{ heapUsed, external }] = await told as [NodeJS.MemoryUsage]
    return (heapUsed + external) / KIB
  }
  let said = ''
  for await (const piece of child.stdout!) {
    said += String(piece)
    const key = /sk-[\w-]+/.exec(said)?.[0]
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0]
    if (key && url) return { url, key, pid: child.pid!, inUse }
  }
  return assert.fail(`it did not start: ${said}`)
}

/** Resident memory in KiB, where the system tells it. */
function residentOf(pid: number): number | null {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1])
  } catch {
    return null
  }
}

function stall(box: Running): Socket {
  const body = JSON.stringify(saying('acme/endless', 'Everything', { stream: true }))
  const { hostname, port } = new URL(box.url)
  const socket = connect({ port: Number(port), host: hostname }).on('error', () => {}).pause()
  socket.write(`POST /api/v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${box.key}\r\n`
    + `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  return socket
}

/** Until no provider's answer gets on any more. */
async function standstill(count: number): Promise<void> {
  let before = -1
  for (let still = 0; still < 8;) {
    await sleep(100)
    const endless = upstream.requests.filter(({ model, state }) => model === 'endless' && state === 'answering')
    const sent = endless.reduce((sum, { sentBytes }) => sum + sentBytes, 0)
    still = endless.length === count && sent === before ? still + 1 : 0
    before = sent
  }
}

async function askOthers(box: Running, times: number): Promise<number> {
  const begun = performance.now()
  for (let i = 0; i < times; i++) {
    const response = await fetch(`${box.url}/api/v1/chat/completions`, {
      method: 'POST', headers: { authorization: `Bearer ${box.key}`, 'content-type': 'application/json' },
      body: JSON.stringify(saying('acme/one', 'Still there?', { stream: i % 2 === 0 })),
    })
    assert.match(await response.text(), /Still|there/)
  }
  return (performance.now() - begun) / times
}

test('Each costs a bounded amount of memory and takes a bounded amount from the provider; other callers are answered as before, and all is given back when they leave', { timeout: 300_000 }, async () => {
  const box = await startProcess()
  await askOthers(box, 200)
  // The first ones pay for code and buffers that the others share.
  const first = Array.from({ length: 5 }, () => stall(box))
  await standstill(5)
  const alone = await askOthers(box, 50)
  const [before, usedBefore] = [residentOf(box.pid), await box.inUse()]

  const readers = Array.from({ length: READERS }, () => stall(box))
  await standstill(READERS + 5)
  const resident = residentOf(box.pid)
  const used = (await box.inUse() - usedBefore) / READERS
  const among = await askOthers(box, 50)
  const taken = upstream.requests.filter(({ model }) => model === 'endless').map(({ sentBytes }) => sentBytes)
  const each = before === null || resident === null ? null : (resident - before) / READERS
  if (process.env['SIGNALBOX_STALLED_READERS']) {
    console.log(`${READERS} readers: ${used.toFixed(0)} KiB in use for each, ${each?.toFixed(0)} KiB resident; others ${alone.toFixed(1)} ms before, ${among.toFixed(1)} ms among them; at most ${Math.max(...taken)} bytes taken for one`)
  }
  assert.ok(used <= EACH, `${used.toFixed(0)} KiB are in use for each reader`)
  if (each !== null) assert.ok(each < COMMON / READERS + EACH, `${each.toFixed(0)} KiB resident for each reader`)
  // What the kernel holds on the way, in both connections, and what waits in the server.
  assert.ok(Math.max(...taken) < 2 * kernelTakes() + 4 * KIB * KIB, `${Math.max(...taken)} bytes were taken in for one`)
  assert.ok(among < 10 * alone + 500, `others waited ${among.toFixed(1)} ms among them, ${alone.toFixed(1)} ms before`)

  for (const socket of [...first, ...readers]) socket.destroy()
  for (let tries = 0; tries < 1000 && upstream.openStreams() > 0; tries++) await sleep(20)
  assert.equal(upstream.openStreams(), 0)
})
