// bench/overload: what becomes of the answers when three times as much is asked as can be served. See ../README.md.
//
//   node bench/overload/run.ts [--quick] [--only places,processor,greedy,greedy-processor] [--rounds N] [--root FOLDER] [--gate]
import { execFileSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { startSignalbox, untilReady, writeRequest } from '../overhead/candidates.ts'
import { busyUs, createMachine, sleep, treeOf, which } from '../overhead/machine.ts'
import { bodyOf, mockCall, type LoadResult } from '../overhead/rows.ts'
import type { Running } from '../overhead/candidates.ts'
import type { Child, Machine } from '../overhead/machine.ts'

/** However it goes, the bench is over by then. */
const LONGEST_MINUTES = 15
const OVERHEAD = join(import.meta.dirname, '..', 'overhead')
/** An answer is a stream of five events, 20 ms apart. */
const ANSWER = 'stream=1&events=5&gap_ms=20'
const TIMES = 3

const { values: flags } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' }, rounds: { type: 'string', default: '3' }, root: { type: 'string' }, gate: { type: 'boolean', default: false } },
})
/** The checkout whose server is measured; this one where nothing is said. */
const CHECKOUT = flags.root === undefined ? {} : { root: resolve(flags.root) }
const say = (text: string): void => { process.stderr.write(`${text}\n`) }

/** What there is too little of. */
interface Scenario {
  readonly name: 'places' | 'processor'
  readonly about: string
  readonly limits: Record<string, number>
  /** Connections of the closed loop that finds what can be served. */
  readonly callers: number
}

const SCENARIOS: readonly Scenario[] = [
  { name: 'places', about: '64 calls at once', limits: { concurrent_requests: 64, key_share: 1 }, callers: 64 },
  { name: 'processor', about: 'the default limits: the one core of the gateway is what runs out', limits: {}, callers: 400 },
]

interface Load extends LoadResult {
  readonly refusal_us: LoadResult['latency_us']
  readonly refused_with_wait: number
}

interface Phase {
  readonly name: string
  readonly offered: number
  readonly served: number
  readonly p50: number
  readonly p99: number
  readonly refused: number
  readonly refusalP99: number
  /** Refusals that say when to come back. */
  readonly withWait: number
  readonly otherwise: number
  /** Of their cores. */
  readonly gatewayShare: number
  readonly loadShare: number
  /** What other processes took of both cores. */
  readonly others: number
  readonly answers: number
  readonly cpuUs: number
  /** How late the event loop was, at the 99th percentile. */
  readonly loopMs: number
}

async function main(): Promise<number> {
  if (!which('cc')) throw new Error('cc is not installed (Debian: apt-get install gcc libc6-dev): the mock and the generator are C programs')
  const machine = createMachine()
  const end = async (code: number): Promise<never> => { await machine.closeAll(); process.exit(code) }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => { say(`bench: ended by ${name}`); void end(130) })
  const bound = setTimeout(() => { say(`bench: over after ${LONGEST_MINUTES} minutes`); void end(2) }, LONGEST_MINUTES * 60_000)
  try {
    const wanted = SCENARIOS.filter(({ name }) => flags.only === undefined || flags.only.split(',').includes(name))
    const programs = { mock: compile(machine, 'mock'), load: compile(machine, 'load') }
    let met = true
    for (const scenario of wanted) met = await overload(machine, scenario, programs) && met
    for (const crowd of CROWDS) if (flags.only === undefined || flags.only.split(',').includes(crowd.name)) met = await greedy(machine, crowd, programs) && met
    process.stdout.write(`\n${machine.describe()}\n`)
    return flags.gate && !met ? 1 : 0
  } finally {
    clearTimeout(bound)
    await machine.closeAll()
  }
}

function compile(machine: Machine, name: string): string {
  const to = join(machine.folder, name)
  execFileSync(which('cc') ?? 'cc', ['-O2', '-o', to, join(OVERHEAD, `${name}.c`)], { stdio: ['ignore', 'ignore', 'pipe'] })
  return to
}

async function startMock(machine: Machine, program: string): Promise<{ readonly port: number; readonly child: Child }> {
  const child = machine.start('mock', [program, '0', String(LONGEST_MINUTES * 60)], { core: 'load' })
  for (let i = 0; i < 100; i++) {
    const port = /ready (\d+)/.exec(child.log())?.[1]
    if (port) return { port: Number(port), child }
    await sleep(20)
  }
  throw new Error(`the mock did not start: ${child.log()}`)
}

/** What one round says: each figure beside those of the same minute, for another minute is another machine. */
interface Round {
  readonly peak: Phase
  readonly unloaded: Phase
  readonly onset: Phase
  readonly over: Phase
  /** Seconds until nobody was refused any more and all was as fast as before. */
  readonly recovered: number
}

/** Of so much of two cores other processes may take, or the round says more of them than of us. */
const DISTURBED = 0.1
/** The overload is there for so long before it counts: a second of lateness is no overload yet. */
const ONSET_SECONDS = 5

/** One gateway through all phases, round by round; says whether it kept what is promised. */
async function overload(machine: Machine, scenario: Scenario, programs: { readonly mock: string; readonly load: string }): Promise<boolean> {
  const mock = await startMock(machine, programs.mock)
  const to = await startSignalbox(machine, mock.port, { ...CHECKOUT, config: { limits: scenario.limits } })
  await mockCall(mock.port, '/__mode?stream=0')
  await untilReady(to, bodyOf('plain'))
  await mockCall(mock.port, `/__mode?${ANSWER}`)
  const file = writeRequest(machine, to, 'overload', bodyOf('stream'))
  const long = flags.quick ? 4 : 10
  const run = async (name: string, args: readonly string[], seconds: number): Promise<Phase> => {
    const phase = await measure(machine, programs.load, to, file, name, args, seconds, mock.child.pid)
    say(`bench: ${scenario.name}: ${name}: ${phase.served.toFixed(0)}/s of ${phase.offered.toFixed(0)}/s, p99 ${phase.p99.toFixed(0)} ms, refused ${phase.refused}, others ${(100 * phase.others).toFixed(0)} %`)
    return phase
  }
  const open = (rate: number): string[] => ['--open', '--conns', '4000', '--rate', String(Math.round(rate))]
  const saturated = ['--conns', String(scenario.callers)]

  // By few callers: while nothing is compiled yet four hundred are an overload, and calls are turned away for ten seconds after one.
  await run('warm', ['--conns', '32'], long)
  const rounds: Round[] = []
  for (let n = 0; n < (flags.quick ? 1 : Number(flags.rounds)); n++) {
    const peak = await run('saturated', saturated, long)
    const unloaded = await run('unloaded', open(peak.served * 0.3), long)
    const onset = await run(`${TIMES} × saturated, at first`, open(peak.served * TIMES), ONSET_SECONDS)
    const over = await run(`${TIMES} × saturated`, open(peak.served * TIMES), long)
    const ended = performance.now()
    let recovered = Infinity
    for (let second = 1; second <= 12 && recovered === Infinity; second++) {
      const after = await run(`after, ${second}`, open(peak.served * 0.3), 1)
      if (after.refused === 0 && after.p99 <= 2 * unloaded.p99) recovered = (performance.now() - ended) / 1000
    }
    rounds.push({ peak, unloaded, onset, over, recovered })
  }
  const left = await gauge(to)
  await to.child.stop(10_000)
  await mock.child.stop()

  const of = (figure: (round: Round) => number): number => median(rounds.map(figure))
  const goodput = of(({ over, peak }) => over.served / peak.served)
  const slower = of(({ over, unloaded }) => over.p99 / unloaded.p99)
  const refusal = of(({ over }) => over.refusalP99)
  const recovered = of((round) => round.recovered)
  // In CPU time, which does not know whether others were at it: what an answer costs, what a refusal, and what that leaves.
  const answerUs = of(({ peak }) => peak.cpuUs / peak.answers)
  const refusalUs = of(({ over, peak }) => (over.cpuUs - over.answers * peak.cpuUs / peak.answers) / Math.max(1, over.refused))
  const possible = Math.min(1, (answerUs - TIMES * refusalUs) / (answerUs - refusalUs))
  const withWait = rounds.every(({ over }) => over.withWait === over.refused && over.otherwise === 0)
  const loop = Math.max(...rounds.map(({ over }) => over.loopMs))
  const disturbed = of(({ peak, unloaded, over }) => Math.max(peak.others, unloaded.others, over.others))
  const checks: readonly (readonly [string, string, boolean])[] = [
    ['goodput at 3 ×, of the saturated peak', `${(100 * goodput).toFixed(0)} %, ≥ 90 %${scenario.name === 'processor' ? ' or 95 % of what refusals leave' : ''}`,
      goodput >= 0.9 || (scenario.name === 'processor' && goodput >= 0.95 * possible)],
    ['p99 of answers at 3 ×, of the unloaded', `${slower.toFixed(2)} ×, ≤ 2 ×`, slower <= 2],
    ['p99 of refusals', `${refusal.toFixed(0)} ms, ≤ 50 ms`, refusal <= 50],
    ['refusals that say when to come back', withWait ? 'all' : 'not all', withWait],
    ['back to normal after', `${recovered.toFixed(1)} s, ≤ 10 s`, recovered <= 10],
    ['calls that are still counted afterwards', String(left), left === 0],
  ]
  process.stdout.write(`\n${scenario.name}: ${scenario.about}\n\n${table(rounds.flatMap(({ peak, unloaded, onset, over }) => [peak, unloaded, onset, over]))}\n\n${verdicts(checks)}\n`
    + `  CPU of the gateway: ${answerUs.toFixed(0)} µs an answer, ${refusalUs.toFixed(0)} µs a refusal; where the processor runs out that leaves ${(100 * possible).toFixed(0)} % of the peak at ${TIMES} ×\n`
    + `  the event loop at ${TIMES} ×: late by ${loop.toFixed(0)} ms at the 99th percentile\n`
    + (disturbed > DISTURBED ? `  DISTURBED: other processes took ${(100 * disturbed).toFixed(0)} % of both cores, so the figures of time say little\n` : ''))
  return checks.every(([, , ok]) => ok)
}

function median(list: readonly number[]): number {
  const sorted = list.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** What a greedy key takes all of, and how much it asks for a second: three times of what there is, the processor's as it was measured just before. */
interface Crowd {
  readonly name: 'greedy' | 'greedy-processor'
  readonly about: string
  readonly limits: Record<string, number>
  /** Connections of the closed loop that warms, and finds what can be served. */
  readonly callers: number
  readonly rate: number | null
}

const CROWDS: readonly Crowd[] = [
  { name: 'greedy', about: '64 calls at once, two keys', limits: { concurrent_requests: 64 }, callers: 48, rate: 1900 },
  { name: 'greedy-processor', about: 'the default limits, two keys: the one core of the gateway is what runs out', limits: {}, callers: 400, rate: null },
]

/** A key that asks for three times of all that can be served, beside one that asks for little; alone before and after, since minutes differ. */
async function greedy(machine: Machine, { name, about, limits, callers, rate }: Crowd, programs: { readonly mock: string; readonly load: string }): Promise<boolean> {
  const mock = await startMock(machine, programs.mock)
  const to = await startSignalbox(machine, mock.port, { ...CHECKOUT, config: { limits } })
  await mockCall(mock.port, '/__mode?stream=0')
  await untilReady(to, bodyOf('plain'))
  await mockCall(mock.port, `/__mode?${ANSWER}`)
  const files = {
    greedy: writeRequest(machine, to, 'greedy', bodyOf('stream')),
    modest: writeRequest(machine, { ...to, headers: to.otherHeaders }, 'modest', bodyOf('stream')),
  }
  const seconds = flags.quick ? 4 : 10
  const run = (what: string, file: string, args: readonly string[], long = seconds): Promise<Phase> => measure(machine, programs.load, to, file, what, args, long)
  const modest = (what: string): Promise<Phase> => run(what, files.modest, ['--open', '--conns', '200', '--rate', '40'])
  await run('warm', files.greedy, ['--conns', '32'])
  const rounds: { readonly before: Phase; readonly beside: Phase; readonly greedy: Phase; readonly after: Phase }[] = []
  for (let n = 0; n < (flags.quick ? 1 : Number(flags.rounds)); n++) {
    const asked = rate ?? TIMES * (await run('saturated', files.greedy, ['--conns', String(callers)])).served
    const open = ['--open', '--conns', '4000', '--rate', String(Math.round(asked))]
    await sleep(1000)
    const before = await modest('modest, alone')
    await run('greedy, at first', files.greedy, open, ONSET_SECONDS)
    const [beside, crowd] = await Promise.all([modest('modest, beside a greedy one'), run('greedy', files.greedy, open)])
    await sleep(1000)
    rounds.push({ before, beside, greedy: crowd, after: await modest('modest, alone again') })
  }
  await to.child.stop(10_000)
  await mock.child.stop()
  const slower = median(rounds.map(({ before, beside, after }) => 2 * beside.p99 / (before.p99 + after.p99)))
  const refused = Math.max(...rounds.map(({ beside }) => beside.refused))
  const checks: readonly (readonly [string, string, boolean])[] = [
    ['p99 of the modest key beside a greedy one', `${slower.toFixed(2)} ×, ≤ 1.2 ×`, slower <= 1.2],
    ['refusals of the modest key', String(refused), refused === 0],
  ]
  process.stdout.write(`\n${name}: ${about}\n\n${table(rounds.flatMap((round) => [round.before, round.beside, round.greedy, round.after]))}\n\n${verdicts(checks)}\n`)
  return checks.every(([, , ok]) => ok)
}

function verdicts(checks: readonly (readonly [string, string, boolean])[]): string {
  return checks.map(([what, figure, ok]) => `  ${ok ? 'met    ' : 'NOT MET'}  ${what.padEnd(42)}${figure}`).join('\n')
}

async function measure(machine: Machine, program: string, to: Running, file: string, name: string, args: readonly string[], seconds: number, mock = -1): Promise<Phase> {
  await metric(to, 'nodejs_eventloop_lag_p99_seconds')
  const [before, busy, mocked] = [treeOf(to.child.pid).cpuUs, allBusyUs(machine), treeOf(mock).cpuUs]
  const child = machine.start('load', [program, '--port', String(to.port), '--file', file, '--stream', '--seconds', String(seconds), '--grace', '5', ...args],
    { core: 'load' })
  while (!child.ended()) await sleep(20)
  const last = child.log().trim().split('\n').at(-1) ?? ''
  await child.stop()
  if (!last.startsWith('{')) throw new Error(`the load generator said: ${child.log().trim() || 'nothing'}`)
  const load = JSON.parse(last) as Load
  const wall = load.wall_us / 1e6
  const cpuUs = treeOf(to.child.pid).cpuUs - before
  const ours = cpuUs + load.cpu_us + treeOf(mock).cpuUs - mocked
  const others = Math.max(0, (allBusyUs(machine) - busy - ours) / load.wall_us / 2)
  return {
    name, offered: load.started / wall, served: load.finished / wall,
    p50: load.latency_us.p50 / 1000, p99: load.latency_us.p99 / 1000,
    refused: load.refusal_us.n, refusalP99: load.refusal_us.p99 / 1000, withWait: load.refused_with_wait,
    otherwise: load.failed - load.refusal_us.n + load.short + load.unfinished,
    gatewayShare: cpuUs / load.wall_us, loadShare: load.cpu_us / load.wall_us,
    others, answers: load.finished, cpuUs, loopMs: 1000 * await metric(to, 'nodejs_eventloop_lag_p99_seconds'),
  }
}

/** Calls that the gateway counts as under way, once it has had a moment. */
async function gauge(to: Running): Promise<number> {
  await sleep(500)
  return metric(to, 'signalbox_calls_running')
}

/** A figure of /metrics that has no labels. Those of the event loop are since they were last asked for. */
async function metric(to: Running, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${to.port}/metrics`)).text()
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
}

function allBusyUs(machine: Machine): number {
  return busyUs(machine.gatewayCore) + busyUs(machine.loadCore)
}

function table(phases: readonly Phase[]): string {
  const rows = phases.map((one) => [
    one.name, one.offered.toFixed(0), one.served.toFixed(0), one.p50.toFixed(0), one.p99.toFixed(0), String(one.refused), one.refusalP99.toFixed(0),
    String(one.otherwise), one.loopMs.toFixed(0), `${(100 * one.gatewayShare).toFixed(0)} %`, `${(100 * one.loadShare).toFixed(0)} %`, `${(100 * one.others).toFixed(0)} %`,
  ])
  const head = ['phase', 'asked/s', 'served/s', 'p50 ms', 'p99 ms', 'refused', 'p99 ms of it', 'failed', 'loop ms', 'gateway', 'generator', 'others']
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]!.length)))
  const line = (cells: readonly string[]): string => `| ${cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join(' | ')} |`
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n')
}

process.exitCode = await main()
