import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ambient } from '../../src/ambient.ts'
import type { ConfigFile } from '../../src/config/index.ts'
import { createStats } from '../../src/stats/index.ts'
import { openStore } from '../../src/store/index.ts'
import { providerAt, saying, startUpstream, type Given } from './signalbox.ts'
import { follow, type Following } from './stream.ts'

/** A server that is told to stop: a process of its own, as an operator has it, with many streams under way. */

const STREAMS = 24
const ROOT = path.resolve(import.meta.dirname, '../..')

interface Process {
  readonly url: string
  readonly key: string
  readonly home: string
  readonly log: () => string
  signal(name: NodeJS.Signals): void
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
}

async function startProcess(given: { readonly config: ConfigFile; readonly env?: Given['env'] }): Promise<Process> {
  const home = mkdtempSync(path.join(tmpdir(), 'signalbox-drain-'))
  const file = path.join(home, 'signalbox.config.json')
  writeFileSync(file, JSON.stringify({ discover_local: false, ...given.config }))
  const child = spawn(process.execPath, [path.join(ROOT, 'src/main.ts')], {
    cwd: home, stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, HOST: '127.0.0.1', PORT: '0', SIGNALBOX_HOME: home, SIGNALBOX_CONFIG: file, ...given.env },
  })
  let said = ''
  child.stdout.on('data', (data) => { said += String(data) })
  child.stderr.on('data', (data) => { said += String(data) })
  const ended = new Promise<number | NodeJS.Signals>((resolve) => { child.once('exit', (code, signal) => resolve(code ?? signal!)) })
  after(async () => {
    child.kill('SIGKILL')
    await ended
    rmSync(home, { recursive: true, force: true })
  })
  for (let tries = 0; ; tries++) {
    const found = /is at (\S+)[\s\S]*?(sk-sb-v1-\S+)[\s\S]*-d '/.exec(said)
    if (found) return { url: found[1]!, key: found[2]!, home, log: () => said, signal: (name) => void child.kill(name), ended }
    if (tries === 1600) throw new Error(`it did not start: ${said}`)
    await sleep(50)
  }
}

const ask = (at: Process, body: unknown): Promise<Response> => fetch(`${at.url}/api/v1/chat/completions`, {
  method: 'POST', body: JSON.stringify(body), headers: { 'authorization': `Bearer ${at.key}`, 'content-type': 'application/json' },
})

/** A process with many streams under way, each of so many words, 20 ms apart, of which some have come. */
async function busy(words: number, limits: ConfigFile['limits']): Promise<{ running: Process; streams: readonly Following[] }> {
  const upstream = await startUpstream({ keep: 1000 })
  upstream.when({ stream: true }, { text: Array.from({ length: words }, (_, n) => ` w${n}`), paceMs: 20 })
  const running = await startProcess({ config: { ...providerAt('acme', `${upstream.url}/acme/v1`), ...(limits && { limits }) } })
  const streams = await Promise.all(Array.from({ length: STREAMS }, async () => {
    const following = follow(await ask(running, saying('acme/one', 'Hello', { stream: true })))
    await following.until(' w3')
    return following
  }))
  return { running, streams }
}

/** What the record says of a call, read from the data folder after the process has ended. */
async function recordsOf(home: string, ids: readonly string[]) {
  const store = await openStore({ url: null, home })
  const stats = createStats({ store, ambient, onError(error) { throw error } })
  try {
    return await Promise.all(ids.map((id) => stats.find(id, 'default')))
  } finally {
    await stats.close()
    await store.close()
  }
}

/** Whether nobody listens there any more, after so many milliseconds at most. */
async function refusedWithin(ms: number, { url }: Process): Promise<boolean> {
  for (const until = performance.now() + ms; performance.now() < until; await sleep(50)) {
    if (await fetch(`${url}/healthz`).then((response) => response.text(), () => null) === null) return true
  }
  return false
}

const idOf = ({ raw }: Following): string => /gen-[\w-]+/.exec(raw)![0]

describe('SIGTERM', () => {
  test('lets every stream end whole; readiness fails at once, new calls are taken until load balancers have noticed, then refused', async () => {
    const { running, streams } = await busy(300, { drain_settle_ms: 3000 })
    assert.equal((await fetch(`${running.url}/readyz`)).status, 200)
    running.signal('SIGTERM')
    const asked = performance.now()
    let ready = 200
    while (ready === 200 && performance.now() - asked < 3000) ready = (await fetch(`${running.url}/readyz`)).status
    assert.equal(ready, 503)
    assert.equal((await ask(running, saying('acme/one', 'Still there?'))).status, 200)
    assert.equal(await refusedWithin(30_000, running), true, 'new connections are refused')
    assert.ok(performance.now() - asked > 2900, 'they were refused before')
    const ends = await Promise.all(streams.map((stream) => stream.end()))
    for (const end of ends) {
      assert.equal(end.done, true)
      assert.match(end.text, / w299$/)
    }
    assert.equal(await running.ended, 0)
    const records = await recordsOf(running.home, streams.map(idOf))
    assert.deepEqual(records.map((record) => record?.finish), ends.map(() => 'stop'))
  })

  test('ends what is left after the grace with an error event; what was delivered is on record, and the process is gone within seconds', async () => {
    const { running, streams } = await busy(10_000, { drain_settle_ms: 0, drain_grace_ms: 400 })
    running.signal('SIGTERM')
    const asked = performance.now()
    const ends = await Promise.all(streams.map((stream) => stream.end()))
    assert.equal(await running.ended, 0)
    const took = performance.now() - asked
    assert.ok(took < 30_000, `it took ${took.toFixed(0)} ms`)
    assertStopped(ends)
    const records = await recordsOf(running.home, streams.map(idOf))
    for (const record of records) assert.ok(record && record.usage.output.total > 0, `what was delivered is not on record: ${JSON.stringify(record?.usage)}`)
  })

  test('a second time ends at once what has all the time of the world', async () => {
    const { running, streams } = await busy(10_000, { drain_settle_ms: 60_000, drain_grace_ms: 60_000 })
    const said = async (what: RegExp, withinMs: number): Promise<boolean> => {
      for (const until = performance.now() + withinMs; performance.now() < until; await sleep(50)) if (what.test(running.log())) return true
      return false
    }
    running.signal('SIGTERM')
    assert.ok(await said(/calls under way may end/, 60_000))
    for (const stream of streams) assert.doesNotMatch(stream.raw, /"error"/)
    // Two within a second are one, and a process that others keep from its work hears of them closer together than they were sent.
    do {
      await sleep(1200)
      running.signal('SIGTERM')
    } while (!await said(/again: stopping now/, 5000))
    const asked = performance.now()
    assertStopped(await Promise.all(streams.map((stream) => stream.end())))
    assert.equal(await running.ended, 0)
    assert.ok(performance.now() - asked < 30_000)
    const [record] = await recordsOf(running.home, [idOf(streams[0]!)])
    assert.ok(record!.usage.output.total > 0)
  })

  test('of a server that nobody uses takes no time, whatever load balancers elsewhere need', async () => {
    const running = await startProcess({ config: { limits: { drain_settle_ms: 60_000 } } })
    const asked = performance.now()
    running.signal('SIGTERM')
    assert.equal(await running.ended, 0)
    assert.ok(performance.now() - asked < 30_000)
  })
})

function assertStopped(ends: readonly Awaited<ReturnType<Following['end']>>[]): void {
  for (const end of ends) {
    assert.equal(end.done, false)
    assert.equal(end.error!.code, 503)
    assert.equal(end.error!.metadata!['reason'], 'server_shutdown')
  }
}
