// bench/overload: what becomes of the answers when three times as much is asked as can be served. See ../README.md.
//
//   node bench/overload/run.ts [--quick] [--only places,processor,greedy] [--gate]
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startSignalbox, untilReady, writeRequest } from '../overhead/candidates.ts'
import { createMachine, sleep, treeOf, which } from '../overhead/machine.ts'
import { bodyOf, mockCall, type LoadResult } from '../overhead/rows.ts'
import type { Running } from '../overhead/candidates.ts'
import type { Child, Machine } from '../overhead/machine.ts'

/** However it goes, the bench is over by then. */
const LONGEST_MINUTES = 10
const OVERHEAD = join(import.meta.dirname, '..', 'overhead')
/** An answer is a stream of five events, 20 ms apart. */
const ANSWER = 'stream=1&events=5&gap_ms=20'
const TIMES = 3

const { values: flags } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' }, gate: { type: 'boolean', default: false } },
})
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
    if (flags.only === undefined || flags.only.split(',').includes('greedy')) met = await greedy(machine, programs) && met
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

/** One gateway through all phases; says whether it kept what is promised. */
async function overload(machine: Machine, scenario: Scenario, programs: { readonly mock: string; readonly load: string }): Promise<boolean> {
  const mock = await startMock(machine, programs.mock)
  const to = await startSignalbox(machine, mock.port, { config: { limits: scenario.limits } })
  await mockCall(mock.port, '/__mode?stream=0')
  await untilReady(to, bodyOf('plain'))
  await mockCall(mock.port, `/__mode?${ANSWER}`)
  const file = writeRequest(machine, to, 'overload', bodyOf('stream'))
  const long = flags.quick ? 4 : 15
  const phases: Phase[] = []
  const run = async (name: string, args: readonly string[], seconds: number, keep = true): Promise<Phase> => {
    const phase = await measure(machine, programs.load, to, file, name, args, seconds)
    if (keep) phases.push(phase)
    say(`bench: ${scenario.name}: ${name}: ${phase.served.toFixed(0)}/s of ${phase.offered.toFixed(0)}/s, p99 ${phase.p99.toFixed(0)} ms, refused ${phase.refused}`)
    return phase
  }
  const open = (rate: number): string[] => ['--open', '--conns', '4000', '--rate', String(Math.round(rate))]

  await run('warm', ['--conns', String(scenario.callers)], long / 2, false)
  const peak = await run('saturated', ['--conns', String(scenario.callers)], long)
  const unloaded = await run('unloaded', open(peak.served * 0.3), long)
  const over = await run(`${TIMES} × saturated`, open(peak.served * TIMES), long)
  const ended = performance.now()
  let recovered = Infinity
  for (let second = 1; second <= 12 && recovered === Infinity; second++) {
    const after = await run(`after, ${second}`, open(peak.served * 0.3), 1, false)
    if (after.refused === 0 && after.p99 <= 2 * unloaded.p99) recovered = (performance.now() - ended) / 1000
  }
  const left = await gauge(to)
  await to.child.stop(10_000)
  await mock.child.stop()

  const checks: readonly (readonly [string, string, boolean])[] = [
    ['goodput at 3 ×, of the saturated peak', `${(100 * over.served / peak.served).toFixed(0)} %, ≥ 90 %`, over.served >= 0.9 * peak.served],
    ['p99 of answers at 3 ×, of the unloaded', `${(over.p99 / unloaded.p99).toFixed(2)} ×, ≤ 2 ×`, over.p99 <= 2 * unloaded.p99],
    ['p99 of refusals', `${over.refusalP99.toFixed(0)} ms, ≤ 50 ms`, over.refusalP99 <= 50],
    ['refusals that say when to come back', `${over.withWait} of ${over.refused}`, over.withWait === over.refused && over.otherwise === 0],
    ['back to normal after', `${recovered.toFixed(1)} s, ≤ 10 s`, recovered <= 10],
    ['calls that are still counted afterwards', String(left), left === 0],
  ]
  process.stdout.write(`\n${scenario.name}: ${scenario.about}\n\n${table(phases)}\n\n${verdicts(checks)}\n`)
  return checks.every(([, , ok]) => ok)
}

/** A key that asks for three times of all that can be served, beside one that asks for little. */
async function greedy(machine: Machine, programs: { readonly mock: string; readonly load: string }): Promise<boolean> {
  const mock = await startMock(machine, programs.mock)
  const to = await startSignalbox(machine, mock.port, { config: { limits: { concurrent_requests: 64 } } })
  await mockCall(mock.port, '/__mode?stream=0')
  await untilReady(to, bodyOf('plain'))
  await mockCall(mock.port, `/__mode?${ANSWER}`)
  const files = {
    greedy: writeRequest(machine, to, 'greedy', bodyOf('stream')),
    modest: writeRequest(machine, { ...to, headers: to.otherHeaders }, 'modest', bodyOf('stream')),
  }
  const seconds = flags.quick ? 4 : 15
  const modest = (name: string): Promise<Phase> =>
    measure(machine, programs.load, to, files.modest, name, ['--open', '--conns', '200', '--rate', '40'], seconds)
  await measure(machine, programs.load, to, files.greedy, 'warm', ['--conns', '48'], seconds / 2)
  const alone = await modest('modest, alone')
  const both = await Promise.all([
    modest('modest, beside a greedy one'),
    measure(machine, programs.load, to, files.greedy, 'greedy', ['--open', '--conns', '4000', '--rate', '1900'], seconds),
  ])
  await to.child.stop(10_000)
  await mock.child.stop()
  const [beside] = both
  const checks: readonly (readonly [string, string, boolean])[] = [
    ['p99 of the modest key beside a greedy one', `${(beside.p99 / alone.p99).toFixed(2)} ×, ≤ 1.2 ×`, beside.p99 <= 1.2 * alone.p99],
    ['refusals of the modest key', String(beside.refused), beside.refused === 0],
  ]
  process.stdout.write(`\ngreedy: 64 calls at once, two keys\n\n${table([alone, ...both])}\n\n${verdicts(checks)}\n`)
  return checks.every(([, , ok]) => ok)
}

function verdicts(checks: readonly (readonly [string, string, boolean])[]): string {
  return checks.map(([what, figure, ok]) => `  ${ok ? 'met    ' : 'NOT MET'}  ${what.padEnd(42)}${figure}`).join('\n')
}

async function measure(machine: Machine, program: string, to: Running, file: string, name: string, args: readonly string[], seconds: number): Promise<Phase> {
  const before = treeOf(to.child.pid).cpuUs
  const child = machine.start('load', [program, '--port', String(to.port), '--file', file, '--stream', '--seconds', String(seconds), '--grace', '5', ...args],
    { core: 'load' })
  while (!child.ended()) await sleep(20)
  const last = child.log().trim().split('\n').at(-1) ?? ''
  await child.stop()
  if (!last.startsWith('{')) throw new Error(`the load generator said: ${child.log().trim() || 'nothing'}`)
  const load = JSON.parse(last) as Load
  const wall = load.wall_us / 1e6
  return {
    name, offered: load.started / wall, served: load.finished / wall,
    p50: load.latency_us.p50 / 1000, p99: load.latency_us.p99 / 1000,
    refused: load.refusal_us.n, refusalP99: load.refusal_us.p99 / 1000, withWait: load.refused_with_wait,
    otherwise: load.failed - load.refusal_us.n + load.short + load.unfinished,
    gatewayShare: (treeOf(to.child.pid).cpuUs - before) / load.wall_us, loadShare: load.cpu_us / load.wall_us,
  }
}

/** Calls that the gateway counts as under way, once it has had a moment. */
async function gauge(to: Running): Promise<number> {
  await sleep(500)
  const text = await (await fetch(`http://127.0.0.1:${to.port}/metrics`)).text()
  return Number(/^signalbox_calls_running (\d+)$/m.exec(text)?.[1] ?? Number.NaN)
}

function table(phases: readonly Phase[]): string {
  const rows = phases.map((one) => [
    one.name, one.offered.toFixed(0), one.served.toFixed(0), one.p50.toFixed(0), one.p99.toFixed(0), String(one.refused), one.refusalP99.toFixed(0),
    String(one.otherwise), `${(100 * one.gatewayShare).toFixed(0)} %`, `${(100 * one.loadShare).toFixed(0)} %`,
  ])
  const head = ['phase', 'asked/s', 'served/s', 'p50 ms', 'p99 ms', 'refused', 'p99 ms of it', 'failed', 'gateway', 'generator']
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]!.length)))
  const line = (cells: readonly string[]): string => `| ${cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join(' | ')} |`
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n')
}

process.exitCode = await main()
