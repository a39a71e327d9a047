// bench/overhead: what a gateway costs beside a bare nginx proxy. See ../README.md.
//
//   node bench/overhead/run.ts [--quick] [--only plain,burst,…] [--rounds N] [--no-peers] [--gate] [--json]
//   node bench/overhead/run.ts --against <another checkout> [--only …] [--rounds N] [--seconds S]
//   node bench/overhead/run.ts --profile plain|burst|paced|big [--of signalbox|floor]
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { allCandidates, ourCandidates, untilReady } from './candidates.ts'
import { createMachine, sleep, treeOf, which } from './machine.ts'
import { describeProfile, inspectorPort, profileWhile } from './profile.ts'
import { DISTURBED, comparison, details, disturbances, judge, table } from './report.ts'
import { ROWS, bodyOf, measure, measureMemory, mockCall } from './rows.ts'
import type { Candidate, Running } from './candidates.ts'
import type { Machine } from './machine.ts'
import type { Measurement, Rig, Row, RowName } from './rows.ts'

/** However it goes, the bench is over by then. */
const LONGEST_MINUTES = 30
const HERE = import.meta.dirname
const RESULTS = join(HERE, '..', 'results')

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    streams: { type: 'string' },
    'no-peers': { type: 'boolean', default: false },
    gate: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    against: { type: 'string' },
    profile: { type: 'string' },
    of: { type: 'string', default: 'signalbox' },
  },
})

const say = (text: string): void => { process.stderr.write(`${text}\n`) }

function compile(machine: Machine, name: string): string {
  const to = join(machine.folder, name)
  execFileSync(which('cc') ?? 'cc', ['-O2', '-o', to, join(HERE, `${name}.c`)], { stdio: ['ignore', 'ignore', 'pipe'] })
  return to
}

async function startMock(machine: Machine, program: string): Promise<Rig['mock']> {
  const child = machine.start('mock', [program, '0', String(LONGEST_MINUTES * 60)], { core: 'load' })
  for (let i = 0; i < 100; i++) {
    const port = /ready (\d+)/.exec(child.log())?.[1]
    if (port) return { port: Number(port), child }
    await sleep(20)
  }
  throw new Error(`the mock did not start: ${child.log()}`)
}

function rowsAsked(): Row[] {
  if (flags.only === undefined) return [...ROWS]
  const wanted = flags.only.split(',').map((name) => name.trim())
  const unknown = wanted.find((name) => !ROWS.some((row) => row.name === name))
  if (unknown !== undefined) throw new Error(`--only: no row is called ${unknown}; there are ${ROWS.map((row) => row.name).join(', ')}`)
  return ROWS.filter((row) => wanted.includes(row.name))
}

/** A positive number given as an option, or its default. */
function numberOf(name: 'rounds' | 'seconds' | 'streams', otherwise: number, most: number): number {
  const text = flags[name]
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!(value > 0 && value <= most)) throw new Error(`--${name}: ${text} is not a number between 0 and ${most}`)
  return value
}

/** Streams that fit: a gateway takes two descriptors for each, and keeps some for itself. */
function streamsPossible(): { count: number; limited: boolean } {
  const hard = execFileSync('/bin/sh', ['-c', 'ulimit -Hn']).toString().trim()
  const wanted = numberOf('streams', flags.quick ? 2000 : 9500, 9500)
  const fits = hard === 'unlimited' ? wanted : Math.floor((Number(hard) - 600) / 2)
  return { count: Math.min(wanted, fits), limited: fits < wanted }
}

async function main(): Promise<number> {
  const machine = createMachine()
  const end = async (code: number): Promise<never> => { await machine.closeAll(); process.exit(code) }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => { say(`bench: ended by ${name}`); void end(130) })
  const bound = setTimeout(() => { say(`bench: over after ${LONGEST_MINUTES} minutes`); void end(2) }, LONGEST_MINUTES * 60_000)
  try {
    if (flags.profile !== undefined) return await profile(machine, flags.profile)
    return flags.against === undefined ? await bench(machine) : await compare(machine, flags.against)
  } finally {
    clearTimeout(bound)
    await machine.closeAll()
  }
}

async function bench(machine: Machine): Promise<number> {
  const rows = rowsAsked()
  const rounds = Math.round(numberOf('rounds', flags.quick ? 2 : 4, 50))
  const leftOut: string[] = []
  const candidates = allCandidates(machine).filter((one) => {
    if (flags['no-peers'] && one.name === 'portkey') return false
    if (one.missing) leftOut.push(`${one.name}: ${one.missing}`)
    return !one.missing
  })
  const streams = streamsPossible()
  if (streams.limited) leftOut.push(`the hard limit of open files allows ${streams.count} streams`)

  let rig: Rig | undefined
  if (which('cc')) {
    const mock = await startMock(machine, compile(machine, 'mock'))
    rig = { machine, mock, loadProgram: compile(machine, 'load'), seconds: numberOf('seconds', flags.quick ? 1.5 : 3, 20), streams: streams.count }
  } else leftOut.push('cc is not installed (Debian: apt-get install gcc libc6-dev): without it there is no mock and no generator, and only idle memory is measured')

  const began = new Date()
  const all: Measurement[] = []
  mkdirSync(RESULTS, { recursive: true })
  const raw = join(RESULTS, `${began.toISOString().slice(0, 19).replaceAll(':', '-')}.jsonl`)
  const keep = (one: Measurement) => { all.push(one); appendFileSync(raw, `${JSON.stringify(one)}\n`) }
  appendFileSync(raw, `${JSON.stringify({ about: candidates.map((one) => one.about), machine: machine.describe(), leftOut, flags, rounds })}\n`)

  if (rig) await together(rig, candidates, rows.filter((row) => !row.alone), rounds, all, keep, leftOut)
  const alone = rows.filter((row) => row.alone && (rig || row.name === 'idle'))
  if (alone.length > 0) await oneByOne(rig, candidates, new Set(alone.map((row) => row.name)), flags.quick ? 1 : 2, keep, leftOut)

  const judged = rows.map((row) => judge(row, all, roundsOf(row, rounds), streams.count))
  const text = [
    `Overhead, ${began.toISOString().slice(0, 16).replace('T', ' ')} UTC, ${rounds} rounds after one discarded${flags.quick ? ', quick' : ''}; × is times nginx, median of the ratios inside each round`,
    '', table(judged, streams.count), '', 'Configuration', ...candidates.map((one) => `  ${one.about}`), `  ${machine.describe()}`,
    ...(leftOut.length ? ['', 'Left out', ...leftOut.map((line) => `  ${line}`)] : []), '', 'Details', details(judged),
  ].join('\n')
  process.stdout.write(flags.json ? `${JSON.stringify({ judged, leftOut, machine: machine.describe() })}\n` : `${text}\n\nRaw rows: ${raw}\n`)
  if (!flags.quick && flags.only === undefined) {
    const file = join(RESULTS, `summary-${began.toISOString().slice(0, 10)}.md`)
    writeFileSync(file, `# Overhead, ${began.toISOString().slice(0, 10)}\n\n${asMarkdown(text)}\n`)
    say(`summary: ${file}`)
  }
  if (!flags.gate) return 0
  const failed = judged.filter((one) => one.verdict !== 'met')
  for (const one of failed) say(`gate: ${one.row.name}: ${one.verdict}${one.why ? ` (${one.why})` : ''}`)
  return failed.length > 0 ? 1 : 0
}

/** This checkout beside another one, in turns on one core: what changes between the two is all that differs. */
async function compare(machine: Machine, against: string): Promise<number> {
  if (!which('cc')) throw new Error('cc is not installed: without it there is no mock and no generator')
  const rows = rowsAsked().filter((row) => row.timed && !row.direct)
  const candidates = ourCandidates(machine, against)
  for (const { name, missing } of candidates) if (missing) throw new Error(`${name}: ${missing}`)
  const mock = await startMock(machine, compile(machine, 'mock'))
  const rig: Rig = { machine, mock, loadProgram: compile(machine, 'load'), seconds: numberOf('seconds', flags.quick ? 1 : 2, 20), streams: 0 }
  const all: Measurement[] = [], leftOut: string[] = []
  await together(rig, candidates, rows, Math.round(numberOf('rounds', flags.quick ? 4 : 10, 50)), all, (one) => all.push(one), leftOut)
  if (leftOut.length > 0) throw new Error(leftOut.join('; '))
  process.stdout.write(`${candidates.map((one) => one.about).join('\n')}\nCPU per unit, ours ÷ the other's\n${comparison(rows, all)}\n`)
  return 0
}

/** The lists below the table as a code block, so that a page shows their columns. */
function asMarkdown(text: string): string {
  const [head, rest] = text.split('\n\nConfiguration\n')
  return `${head}\n\n\`\`\`\nConfiguration\n${rest}\n\`\`\``
}

async function tryStart(candidate: Candidate, rig: Rig | undefined, leftOut: string[]): Promise<Running | undefined> {
  let running: Running | undefined
  try {
    if (rig) await mockCall(rig.mock.port, '/__mode?stream=0')
    running = await candidate.start(rig?.mock.port ?? 9)
    await untilReady(running, rig ? bodyOf('plain') : undefined)
    return running
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    if (!leftOut.some((line) => line.startsWith(`${candidate.name}:`))) leftOut.push(`${candidate.name}: did not start: ${text.slice(0, 2000)}`)
    say(`bench: ${candidate.name} did not start: ${text}`)
    await running?.child.stop()
    return undefined
  }
}

/** How much longer than a counted round the first, discarded one is. */
const WARM_UP = 4

/** Clients that leave are counted, not timed: once is enough. */
function roundsOf(row: Row, rounds: number): number {
  return row.timed ? rounds * (row.manyRounds ?? 1) : row.alone ? rounds : 1
}

/** All gateways up at once, measured in turn A B C … A B C …: what the machine does to one it does to all. */
async function together(rig: Rig, candidates: readonly Candidate[], rows: readonly Row[], rounds: number, all: readonly Measurement[],
  keep: (one: Measurement) => void, leftOut: string[]): Promise<void> {
  if (rows.length === 0) return
  const up: Running[] = []
  for (const candidate of candidates) {
    const running = await tryStart(candidate, rig, leftOut)
    if (running) up.push(running)
  }
  const direct: Running = { name: 'direct', port: rig.mock.port, path: '/v1/chat/completions', headers: {}, child: rig.mock.child }
  for (const row of rows) {
    const wanted = roundsOf(row, rounds)
    // A server runs for days and V8 optimises what ran often: the discarded round is long, for all alike.
    const warming: Rig = row.name === 'latency' ? rig : { ...rig, seconds: rig.seconds * WARM_UP }
    const quiet = () => [...disturbances(row, all).values()].filter((share) => share <= DISTURBED).length
    // What others disturbed is measured again, up to as many times as were asked for.
    for (let round = row.timed ? 0 : 1; round <= wanted || (row.timed && round <= 2 * wanted && quiet() < wanted); round++) {
      say(`bench: ${row.name}, round ${round} of ${wanted}${round === 0 ? ' (discarded)' : round > wanted ? ' (for one that others disturbed)' : ''}`)
      for (const running of row.direct ? [direct, ...up] : up) {
        if (running.child.ended()) continue
        const one = await measure(row, round === 0 ? warming : rig, running, round)
        say(`  ${one.candidate.padEnd(10)}${one.value.toFixed(1).padStart(10)} ${row.unit}  ${one.note ?? ''}${one.trouble ? `  ! ${one.trouble}` : ''}`)
        keep(one)
      }
    }
  }
  for (const running of up) {
    if (running.child.ended()) leftOut.push(`${running.name}: ended during the run: ${running.child.log().slice(-1000).trim()}`)
    await running.child.stop()
  }
}

async function oneByOne(rig: Rig | undefined, candidates: readonly Candidate[], wanted: ReadonlySet<RowName>, rounds: number,
  keep: (one: Measurement) => void, leftOut: string[]): Promise<void> {
  for (let round = 1; round <= rounds; round++) {
    for (const candidate of candidates) {
      const running = await tryStart(candidate, rig, leftOut)
      if (!running) continue
      const found = rig ? await measureMemory(rig, running, round, wanted) : await idleOnly(running, round)
      for (const one of found.filter((each) => wanted.has(each.row))) {
        say(`bench: ${one.row.padEnd(8)}${one.candidate.padEnd(10)}${one.value.toFixed(1).padStart(8)}  ${one.note ?? ''}`)
        keep(one)
      }
      await running.child.stop()
    }
  }
}

async function idleOnly(running: Running, round: number): Promise<Measurement[]> {
  await sleep(3000)
  return [{
    row: 'idle', candidate: running.name, round, value: treeOf(running.child.pid).rssBytes / 1e6, at: new Date().toISOString(),
    gatewayCpuUs: 0, wallUs: 0, gatewayShare: 0, mockShare: 0, loadShare: 0, foreignShare: 0,
  }]
}

async function profile(machine: Machine, name: string): Promise<number> {
  const row = ROWS.find((one) => one.name === name && one.timed)
  if (!row) throw new Error(`--profile: no row of time is called ${name}; there are ${ROWS.filter((one) => one.timed).map((one) => one.name).join(', ')}`)
  const candidate = allCandidates(machine).find((one) => one.name === flags.of)
  if (!candidate) throw new Error(`--of: nothing is called ${flags.of}`)
  if (candidate.missing) throw new Error(`${candidate.name}: ${candidate.missing}`)
  if (!which('cc')) throw new Error('cc is not installed: without it there is no mock and no generator')
  const mock = await startMock(machine, compile(machine, 'mock'))
  const rig: Rig = { machine, mock, loadProgram: compile(machine, 'load'), seconds: numberOf('seconds', 5, 20), streams: 0 }
  const port = await inspectorPort()
  const running = await candidate.start(mock.port, [`--inspect=127.0.0.1:${port}`])
  await untilReady(running, bodyOf('plain'))
  say('bench: warming up')
  await measure(row, { ...rig, seconds: rig.seconds * WARM_UP }, running, 0)
  let one: Measurement | undefined
  say('bench: profiling')
  const taken = await profileWhile(port, async () => { one = await measure(row, rig, running, 1) })
  if (!one) throw new Error('nothing was measured')
  mkdirSync(RESULTS, { recursive: true })
  const file = join(RESULTS, `${name}-${candidate.name}.cpuprofile`)
  writeFileSync(file, JSON.stringify(taken))
  const per = row.name === 'paced' ? one.mock?.events : one.load?.finished
  process.stdout.write(`${candidate.name}, ${row.title}\n${one.trouble ? `! ${one.trouble}\n` : ''}` +
    `${describeProfile(taken, per ?? 0, one.gatewayCpuUs)}\n\nFor a flame chart, load ${file} into a browser's performance panel.\n`)
  return 0
}

main().then((code) => process.exit(code), (error: unknown) => {
  say(`bench: ${error instanceof Error ? error.message : String(error)}`)
  process.exit(2)
})
