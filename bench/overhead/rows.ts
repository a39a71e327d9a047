// The rows of the table: what is sent, what is counted, and what was promised.
import { treeOf, busyUs, sleep } from './machine.ts'
import { writeRequest } from './candidates.ts'
import type { Child, Machine } from './machine.ts'
import type { CandidateName, Running } from './candidates.ts'

export type RowName = 'plain' | 'burst' | 'paced' | 'big' | 'latency' | 'idle' | 'memory' | 'abort'

export interface Limit {
  /** `ratio`: times nginx in the same round. `absolute`: in the row's unit. `least`: at least this. */
  readonly kind: 'ratio' | 'absolute' | 'least'
  readonly ours: number
  readonly later?: number
  /** At most this part of Portkey's figure. */
  readonly ofPortkey?: number
}

export interface Row {
  readonly name: RowName
  readonly title: string
  readonly unit: 'µs' | 'KB' | 'MB' | '%'
  readonly limit: Limit
  /** A fresh process for each measurement, alone on its core: resident memory remembers all that went before. */
  readonly alone?: boolean
  /** Also measured without a gateway: what is added is what counts. */
  readonly direct?: boolean
  /** Rounds for each that was asked for. Waiting times suffer most from a busy machine: many short runs, the quietest count. */
  readonly manyRounds?: number
  /** Whether mock and generator have a share of a core that can saturate. */
  readonly timed: boolean
}

export const ROWS: readonly Row[] = [
  { name: 'plain', title: 'CPU per plain request, 1 KB in, 0.9 KB out, 64 connections', unit: 'µs', timed: true, limit: { kind: 'ratio', ours: 5, later: 3, ofPortkey: 1 / 5 } },
  { name: 'burst', title: 'CPU per stream of 50 events in a burst', unit: 'µs', timed: true, limit: { kind: 'ratio', ours: 3.5, later: 2 } },
  { name: 'paced', title: 'CPU per event, 400 streams, 10 ms apart', unit: 'µs', timed: true, limit: { kind: 'ratio', ours: 3, later: 2.1 } },
  { name: 'big', title: 'CPU per request with a 5 MB body', unit: 'µs', timed: true, limit: { kind: 'ratio', ours: 3.5, later: 1.6 } },
  { name: 'latency', title: 'added p50 at 400 requests/s', unit: 'µs', timed: true, direct: true, manyRounds: 3, limit: { kind: 'ratio', ours: 3 } },
  { name: 'memory', title: 'memory per open stream', unit: 'KB', timed: false, alone: true, limit: { kind: 'absolute', ours: 40, later: 20 } },
  { name: 'idle', title: 'idle resident memory', unit: 'MB', timed: false, alone: true, limit: { kind: 'absolute', ours: 170, later: 130 } },
  { name: 'abort', title: '200 client aborts that reach the upstream within 1 s', unit: '%', timed: false, limit: { kind: 'least', ours: 100 } },
]

/** What the generator prints. Times in microseconds. */
export interface LoadResult {
  readonly started: number; readonly finished: number; readonly failed: number; readonly short: number
  readonly unfinished: number; readonly aborted: number; readonly events: number; readonly opened: number
  readonly wall_us: number; readonly cpu_us: number; readonly error: string
  /** By the spinners on the gateway's core and on ours, which are no noise. */
  readonly spun_us: readonly [number, number]
  readonly latency_us: Quantiles; readonly first_event_us: Quantiles; readonly delay_us: Quantiles
}
interface Quantiles { readonly n: number; readonly p50: number; readonly p90: number; readonly p99: number; readonly max: number }

export interface MockStats {
  readonly requests: number; readonly answered: number; readonly streams_started: number; readonly streams_finished: number
  readonly cut: number; readonly events: number; readonly late_ms: number; readonly in_progress: number; readonly body_bytes: number
  readonly conns_open: number; readonly cpu_us: number
}

/** One measurement, as kept in the raw file. `value` is in the row's unit, before any ratio. */
export interface Measurement {
  readonly row: RowName
  readonly candidate: CandidateName | 'direct'
  readonly round: number
  readonly value: number
  readonly at: string
  readonly gatewayCpuUs: number
  readonly wallUs: number
  /** Of its own core. */
  readonly gatewayShare: number
  /** Of the core that mock and generator share. */
  readonly mockShare: number
  readonly loadShare: number
  /** Of the gateway's core, or of the other if that is more, taken by processes that are none of ours: noise. */
  readonly foreignShare: number
  /** What went wrong, in words; the figure then counts for nothing. */
  readonly trouble?: string
  readonly note?: string
  readonly load?: LoadResult
  readonly mock?: MockStats
}

export interface Rig {
  readonly machine: Machine
  readonly mock: { readonly port: number; readonly child: Child }
  readonly loadProgram: string
  readonly seconds: number
  readonly streams: number
}

export interface Workload { readonly label: string; readonly body: string }

const message = (bytes: number): string =>
  'Summarise the log below in one line and name the ship that came home first. '.repeat(Math.ceil(bytes / 77)).slice(0, bytes)

function chat(extra: Record<string, unknown>, content: unknown): string {
  return JSON.stringify({
    model: 'bench/model',
    messages: [{ role: 'system', content: 'You keep the log of a lighthouse.' }, { role: 'user', content }],
    temperature: 0.7, max_tokens: 256, ...extra,
  })
}

const bodies = new Map<string, () => string>([
  ['plain', () => chat({}, message(850))],
  ['stream', () => chat({ stream: true, stream_options: { include_usage: true } }, message(850))],
  // 5 MB in all: what a photograph becomes as a data URL. The pattern is not a picture; nobody on the way looks inside.
  ['big', () => chat({}, [{ type: 'text', text: message(200) },
    { type: 'image_url', image_url: { url: `data:image/png;base64,iVBORw0KGgo${'QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNk'.repeat(131_000)}` } }])],
])
export const bodyOf = (kind: 'plain' | 'stream' | 'big'): string => bodies.get(kind)!()

/** Asks the mock itself, past every gateway. */
export async function mockCall(port: number, path: string): Promise<MockStats> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`)
  return await response.json() as MockStats
}

async function setMode(rig: Rig, query: string): Promise<void> {
  // Streams that a gateway still holds open upstream belong to the last run: give them a moment to go.
  for (let i = 0; i < 30 && (await mockCall(rig.mock.port, '/__stats')).in_progress > 0; i++) await sleep(50)
  await mockCall(rig.mock.port, `/__mode?${query}`)
}

interface LoadRun { readonly lines: readonly string[]; readonly result: LoadResult }

/** Runs the generator to its end; `onOpened` is called when a holding run has its streams open. */
async function runLoad(rig: Rig, to: Running, body: 'plain' | 'stream' | 'big', args: readonly string[], onOpened?: () => Promise<void>): Promise<LoadRun> {
  const file = writeRequest(rig.machine, to, body, bodyOf(body))
  const child = rig.machine.start('load', [rig.loadProgram, '--port', String(to.port), '--file', file, ...args], { core: 'load' })
  let told = false
  while (!child.ended()) {
    if (onOpened && !told && child.log().includes('"opened"')) { told = true; await onOpened() }
    await sleep(20)
  }
  const lines = child.log().trim().split('\n')
  const last = lines.at(-1) ?? ''
  await child.stop()
  if (!last.startsWith('{')) throw new Error(`the load generator said: ${child.log().trim() || 'nothing'}`)
  return { lines, result: JSON.parse(last) as LoadResult }
}

const AWAKE = (rig: Rig): string[] =>
  rig.machine.gatewayCore === undefined ? [] : ['--awake', `${rig.machine.gatewayCore},${rig.machine.loadCore}`]

/** Rows of time: the mock's mode, the generator's arguments, and what the CPU or the wait is divided by. */
function timedRun(row: RowName, rig: Rig): { mode: string; body: 'plain' | 'stream' | 'big'; args: string[] } {
  const seconds = String(row === 'latency' ? rig.seconds / 3 : rig.seconds)
  switch (row) {
    // No cap: at less than full load nginx pays up to half as much again per request in wake-ups, which would flatter us.
    case 'plain': return { mode: 'stream=0', body: 'plain', args: ['--conns', '64', '--seconds', seconds] }
    case 'burst': return { mode: 'stream=1&events=50&gap_ms=0', body: 'stream', args: ['--stream', '--conns', '64', '--seconds', seconds] }
    case 'paced': {
      const events = Math.round(rig.seconds * 100)
      return { mode: `stream=1&events=${events}&gap_ms=10`, body: 'stream',
        args: ['--stream', '--delays', '--conns', '400', '--count', '400', '--rate', '4000', '--seconds', seconds, '--grace', '15'] }
    }
    case 'big': return { mode: 'stream=0', body: 'big', args: ['--conns', '8', '--seconds', seconds] }
    case 'latency': return { mode: 'stream=0', body: 'plain', args: ['--open', '--conns', '32', '--rate', '400', '--seconds', seconds, ...AWAKE(rig)] }
    default: throw new Error(`${row} is not a row of time`)
  }
}

/** Runs one row once against one gateway that is up. */
export async function measure(row: Row, rig: Rig, to: Running, round: number): Promise<Measurement> {
  if (row.name === 'abort') return measureAborts(rig, to, round)
  const { mode, body, args } = timedRun(row.name, rig)
  await setMode(rig, mode)
  const before = treeOf(to.child.pid).cpuUs
  const mockBefore = treeOf(rig.mock.child.pid).cpuUs
  const busyBefore = [busyUs(rig.machine.gatewayCore), busyUs(rig.machine.loadCore)] as const
  const ownBefore = process.cpuUsage()
  const began = performance.now()
  const { result } = await runLoad(rig, to, body, args)
  const elapsedUs = (performance.now() - began) * 1000
  const gatewayCpuUs = to.name === 'direct' ? 0 : treeOf(to.child.pid).cpuUs - before
  const mockCpu = treeOf(rig.mock.child.pid).cpuUs - mockBefore
  const own = process.cpuUsage(ownBefore)
  const foreign = [
    busyUs(rig.machine.gatewayCore) - busyBefore[0] - gatewayCpuUs - result.spun_us[0],
    busyUs(rig.machine.loadCore) - busyBefore[1] - mockCpu - result.cpu_us - result.spun_us[1] - own.user - own.system,
  ]
  const mock = await mockCall(rig.mock.port, '/__stats')
  const wallUs = Math.max(result.wall_us, 1)
  const per = row.name === 'paced' ? mock.events : result.finished
  const value = row.name === 'latency' ? result.latency_us.p50 : per > 0 ? gatewayCpuUs / per : Number.NaN
  const trouble = troubleOf(row.name, result, mock)
  const rate = Math.round((row.name === 'paced' ? result.events : result.finished) / (wallUs / 1e6))
  const note = row.name === 'paced' ? `${rate} events/s, delay p50 ${result.delay_us.p50} µs` : `${rate}/s`
  return {
    row: row.name, candidate: to.name, round, value, at: new Date().toISOString(), gatewayCpuUs, wallUs,
    gatewayShare: gatewayCpuUs / wallUs, mockShare: mockCpu / wallUs, loadShare: result.cpu_us / wallUs,
    foreignShare: Math.max(0, ...foreign) / elapsedUs,
    ...(trouble ? { trouble } : {}), note, load: result, mock,
  }
}

function troubleOf(row: RowName, load: LoadResult, mock: MockStats): string | undefined {
  const bad = load.failed + load.short + load.unfinished
  if (bad > 0) return `${bad} of ${load.started} not answered whole (${load.error || 'still open at the end'})`
  if (load.finished === 0) return 'nothing was answered'
  // A gateway that answered by itself, or shortened the body, would look cheap.
  if (mock.requests < load.finished) return `only ${mock.requests} of ${load.finished} requests reached the upstream`
  if (row === 'big' && mock.body_bytes < load.finished * 5e6) return 'bodies reached the upstream shortened'
  if ((row === 'burst' || row === 'paced') && load.events < mock.events * 0.95) return `${mock.events - load.events} of ${mock.events} events were not passed on`
  return undefined
}

/** 100 clients leave after their first event, 100 while they wait for an answer; a second later no stream may be open upstream. */
async function measureAborts(rig: Rig, to: Running, round: number): Promise<Measurement> {
  let reached = 0, aborted = 0, wallUs = 0
  const started = treeOf(to.child.pid).cpuUs
  for (const when of ['first', 'waiting'] as const) {
    await setMode(rig, when === 'first' ? 'stream=1&events=100000&gap_ms=100' : 'stream=1&hang=1')
    const { result } = await runLoad(rig, to, 'stream', ['--stream', '--conns', '25', '--count', '100', '--abort', when, '--grace', '10', '--seconds', '5'])
    wallUs += result.wall_us
    aborted += result.aborted
    for (let i = 0; i < 20 && (await mockCall(rig.mock.port, '/__stats')).in_progress > 0; i++) await sleep(50)
    const mock = await mockCall(rig.mock.port, '/__stats')
    reached += mock.cut
    // What was never forwarded cannot have been cut; a gateway may notice the leaver before it calls upstream.
    aborted -= Math.max(0, result.aborted - mock.requests)
  }
  return {
    row: 'abort', candidate: to.name, round, value: aborted > 0 ? (100 * reached) / aborted : Number.NaN, at: new Date().toISOString(),
    gatewayCpuUs: treeOf(to.child.pid).cpuUs - started, wallUs, gatewayShare: 0, mockShare: 0, loadShare: 0, foreignShare: 0,
    ...(aborted === 0 ? { trouble: 'no request reached the upstream' } : {}), note: `${reached} of ${aborted}`,
  }
}

/** Idle memory of a fresh process, and its growth by thousands of open streams. Two measurements from one process. */
export async function measureMemory(rig: Rig, to: Running, round: number, wanted: ReadonlySet<RowName>): Promise<Measurement[]> {
  const rss = () => treeOf(to.child.pid).rssBytes
  const blank = { candidate: to.name, round, gatewayCpuUs: 0, wallUs: 0, gatewayShare: 0, mockShare: 0, loadShare: 0, foreignShare: 0 } as const
  await sleep(3000)
  const idle = rss()
  const found: Measurement[] = [{ ...blank, row: 'idle', value: idle / 1e6, at: new Date().toISOString() }]
  if (!wanted.has('memory')) return found

  // Warm: code compiled, pools and caches filled, so that what grows afterwards is the streams.
  await setMode(rig, 'stream=0')
  await runLoad(rig, to, 'plain', ['--conns', '64', '--seconds', '2', '--rate', '1000'])
  await setMode(rig, 'stream=1&events=50&gap_ms=0')
  await runLoad(rig, to, 'stream', ['--stream', '--conns', '64', '--seconds', '2', '--rate', '500'])
  await sleep(1000)
  const warm = rss()
  await setMode(rig, 'stream=1&events=1000000&gap_ms=1000')
  let open = 0, grown = 0, delay = ''
  const { lines, result } = await runLoad(rig, to, 'stream',
    ['--stream', '--hold', '--conns', String(rig.streams), '--rate', '1800', '--seconds', '4', '--grace', '13'],
    async () => {
      if (to.name === 'signalbox') await loopDelay(to.port)
      await sleep(2500)
      if (to.name === 'signalbox') delay = `; event loop late by ${await loopDelay(to.port)}`
      grown = rss() - warm
      open = (await mockCall(rig.mock.port, '/__stats')).in_progress
    })
  const announced = JSON.parse(lines[0] ?? '{}') as { opened?: number; us?: number }
  const opened = Math.min(announced.opened ?? 0, open)
  const enough = opened >= rig.streams * 0.99
  found.push({
    ...blank, row: 'memory', value: opened > 0 ? grown / opened / 1024 : Number.NaN, at: new Date().toISOString(), load: result,
    note: `${opened} streams, ${Math.round(warm / 1e6)} MB warm, ${Math.round((warm + grown) / 1e6)} MB then` +
      (enough ? '' : ` (not all ${rig.streams} had started after 13 s${result.error ? `: ${result.error}` : ''})`) + delay,
  })
  return found
}

/** How late the event loop was since this was asked last, from the gateway's own metrics. */
async function loopDelay(port: number): Promise<string> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  const ms = (name: string): string => `${(Number(new RegExp(`^nodejs_eventloop_lag_${name}_seconds (\\S+)`, 'm').exec(text)?.[1]) * 1000).toFixed(0)} ms`
  return `${ms('p50')} (median), ${ms('p99')} (p99), ${ms('max')} (most)`
}
