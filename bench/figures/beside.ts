// Whether the figures keep up: calls of now are written at a rate, as another node writes them, and a server adds them up.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { ambient } from '../../src/ambient.ts'
import { readConfig } from '../../src/config/index.ts'
import { demoModels } from '../../src/offline.ts'
import { createStats, demoCalls } from '../../src/stats/index.ts'
import { openStore } from '../../src/store/index.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const STEP_MS = 50
/** Records that may wait to be added up: those of the pause between two runs of the job, of the run, and of a busy machine. */
const BEHIND_S = 10

const { values } = parseArgs({ options: { rate: { type: 'string' }, seconds: { type: 'string' }, json: { type: 'boolean' }, gate: { type: 'boolean' } } })
const rate = Number(values.rate ?? 2000)
const seconds = Number(values.seconds ?? 60)

const home = mkdtempSync(join(tmpdir(), 'signalbox-beside-'))
const file = join(home, 'bench.config.json')
writeFileSync(file, JSON.stringify({ discover_local: false }))
const env = { PATH: process.env['PATH'] ?? '', HOME: home, HOST: '127.0.0.1', PORT: '0', SIGNALBOX_HOME: home, SIGNALBOX_CONFIG: file, NODE_ENV: 'production' }
const config = readConfig(env, home)
const models = demoModels(config)
const store = await openStore({ url: config.databaseUrl, home })
const lost: Error[] = []
const stats = createStats({ store, ambient, onError: (error) => lost.push(error) })
const server = spawn(process.execPath, [join(ROOT, 'src', 'main.ts')], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'inherit'] })
const serverCpuMs = (): number => {
  const fields = readFileSync(`/proc/${server.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}
const ownCpuMs = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

try {
  const url = await new Promise<string>((resolve, reject) => {
    let said = ''
    server.stdout.on('data', (part: Buffer) => {
      const found = /is at (http:\/\/\S+)/.exec(said += part.toString())
      if (found !== null) resolve(found[1]!)
    })
    server.once('exit', () => reject(new Error(`The server ended:\n${said}`)))
  })
  // As varied as a day is: thirty keys, sixty users, eight apps, forty models at all of their endpoints.
  const calls = [...demoCalls({ models, now: ambient.now() - 86_400_000, days: 1, calls: 40_000, seed: 1, workspace: 'default' })]
  const state = async (): Promise<{ recorded: number; added: number }> => {
    const { added } = await store.db.selectFrom('rollup_cursors').select((by) => by.fn.sum<number>('seq').as('added')).executeTakeFirstOrThrow()
    return { recorded: sent - stats.figures().waiting, added }
  }
  let sent = 0
  const send = (until: number): void => {
    for (; sent < until; sent++) {
      const now = ambient.now()
      stats.record({ ...calls[sent % calls.length]!, id: `gen-${Math.floor(now / 1000)}-beside${sent}`, createdAt: now })
    }
  }
  const began = performance.now()
  const [cpu, own] = [serverCpuMs(), ownCpuMs()]
  const behind: number[] = []
  const answers: number[] = []
  for (let nextLook = 1000; ;) {
    const passed = performance.now() - began
    if (passed >= seconds * 1000) break
    send(Math.floor(passed / 1000 * rate))
    if (passed >= nextLook) {
      nextLook += 1000
      const { recorded, added } = await state()
      behind.push(recorded - added)
      const from = performance.now()
      await (await fetch(`${url}/healthz`)).arrayBuffer()
      answers.push(performance.now() - from)
    }
    await sleep(STEP_MS)
  }
  const [cpuMs, ownMs] = [serverCpuMs() - cpu, ownCpuMs() - own]
  await stats.flush()
  const ended = performance.now()
  for (;;) {
    const { recorded, added } = await state()
    if (added >= recorded || performance.now() - ended > 60_000) break
    await sleep(100)
  }
  const caughtUpMs = performance.now() - ended
  const sorted = behind.toSorted((a, b) => a - b)
  const result = {
    rate, seconds, sent, lost: stats.figures().lost + lost.length,
    behind: { median: sorted[sorted.length >> 1] ?? 0, most: sorted.at(-1) ?? 0, last: behind.at(-1) ?? 0 }, caughtUpMs: Math.round(caughtUpMs),
    addingCpuUs: Math.round(cpuMs / sent * 1000), recordingCpuUs: Math.round(ownMs / sent * 1000), healthMs: { median: answers.toSorted((a, b) => a - b)[answers.length >> 1], most: Math.max(...answers) },
  }
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`)
  else {
    process.stdout.write(`${sent} calls in ${seconds} s, ${result.lost} lost. Not yet added up: ${result.behind.median} in the median, ${result.behind.most} at most, `
      + `${result.behind.last} at the end; all of them ${(caughtUpMs / 1000).toFixed(1)} s after the last.\n`
      + `CPU of the server: ${result.addingCpuUs} µs a call (${(cpuMs / seconds / 10).toFixed(0)} % of a core); of who records, drawing the calls included: ${result.recordingCpuUs} µs. `
      + `The server answered /healthz in ${result.healthMs.median!.toFixed(1)} ms in the median, ${result.healthMs.most.toFixed(0)} at most.\n`)
  }
  if (values.gate && (result.lost > 0 || result.behind.last > rate * BEHIND_S)) process.exitCode = 1
} finally {
  const gone = new Promise((resolve) => { server.once('exit', resolve) })
  server.kill('SIGTERM')
  await Promise.race([gone, sleep(10_000).then(() => server.kill('SIGKILL'))])
  await stats.close()
  await store.close()
  rmSync(home, { recursive: true, force: true, maxRetries: 5 })
}
