// The machine as the bench sees it: cores, child processes, and what /proc says of them.
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { cpus, loadavg, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'

/** USER_HZ. Linux has shown 100 to user space on every architecture since 2.6, whatever the kernel's own tick is. */
const TICK_US = 10_000

export interface Child {
  readonly pid: number
  readonly name: string
  /** All that it wrote to stdout and stderr, for error messages. */
  log(): string
  ended(): boolean
  /** SIGTERM to its group, SIGKILL after `graceMs`. Resolves when it is gone. */
  stop(graceMs?: number): Promise<void>
}

export interface Machine {
  readonly folder: string
  readonly gatewayCore: number | undefined
  readonly loadCore: number | undefined
  start(name: string, command: readonly string[], options: StartOptions): Child
  freePort(): Promise<number>
  closeAll(): Promise<void>
  describe(): string
}

export interface StartOptions {
  readonly core: 'gateway' | 'load'
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** The path of a program, or undefined. */
export function which(program: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(':').concat('/usr/sbin', '/usr/local/sbin', '/sbin')
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path) && statSync(path).isFile())
}

/** Cores that this process may use, from /proc/self/status ("0-1,4"). */
function allowedCores(): number[] {
  const list = /Cpus_allowed_list:\s*(\S+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  return list.split(',').flatMap((range) => {
    const [from, to] = range.split('-').map(Number)
    return Array.from({ length: (to ?? from ?? 0) - (from ?? 0) + 1 }, (_, at) => (from ?? 0) + at)
  })
}

/**
 * A folder of our own under the system's temporary one, and children that never outlive us: each has its own process
 * group, is ended by its id, and gets SIGTERM from the kernel should we die without a word.
 */
export function createMachine(): Machine {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-bench-'))
  const cores = allowedCores()
  const taskset = which('taskset')
  const setpriv = which('setpriv')
  const pinned = cores.length >= 2 && taskset !== undefined
  const gatewayCore = pinned ? cores[0] : undefined
  const loadCore = pinned ? cores[1] : undefined
  const children = new Set<Child>()
  let logs = 0

  if (pinned) execFileSync(taskset, ['-cp', String(loadCore), String(process.pid)], { stdio: 'ignore' })

  function start(name: string, command: readonly string[], options: StartOptions): Child {
    const core = options.core === 'gateway' ? gatewayCore : loadCore
    const wrapped = [
      ...(setpriv ? [setpriv, '--pdeathsig', 'TERM'] : []),
      ...(core === undefined || !taskset ? [] : [taskset, '-c', String(core)]),
      // Nine and a half thousand streams are nineteen thousand descriptors in a gateway; the soft limit is often 1,024.
      '/bin/sh', '-c', 'ulimit -n "$(ulimit -Hn)"; exec "$@"', name, ...command,
    ]
    const file = join(folder, `${String(logs++).padStart(3, '0')}-${name}.log`)
    const out = openSync(file, 'w')
    const child = spawn(wrapped[0]!, wrapped.slice(1), {
      detached: true,
      cwd: options.cwd ?? folder,
      stdio: ['ignore', out, out],
      env: { PATH: process.env['PATH'] ?? '', HOME: folder, TMPDIR: folder, ...options.env },
    })
    closeSync(out)
    let over = false
    const gone = new Promise<void>((resolve) => {
      child.once('exit', () => { over = true; resolve() })
      child.once('error', () => { over = true; resolve() })
    })
    const signal = (which: NodeJS.Signals) => {
      if (!child.pid) return
      try { process.kill(-child.pid, which) } catch { /* the group is gone already */ }
    }
    const self: Child = {
      pid: child.pid ?? -1,
      name,
      log: () => readFileSync(file, 'utf8'),
      ended: () => over,
      async stop(graceMs = 4000) {
        if (!over) signal('SIGTERM')
        const timer = setTimeout(() => signal('SIGKILL'), graceMs)
        await gone
        clearTimeout(timer)
        signal('SIGKILL')
        children.delete(self)
      },
    }
    children.add(self)
    return self
  }

  process.once('exit', () => {
    for (const child of children) {
      if (child.pid < 0) continue
      try { process.kill(-child.pid, 'SIGKILL') } catch { /* gone already */ }
    }
    rmSync(folder, { recursive: true, force: true })
  })

  return {
    folder, gatewayCore, loadCore, start, freePort,
    async closeAll() { await Promise.all([...children].map((child) => child.stop())) },
    describe() {
      const cpu = cpus()[0]?.model.trim() ?? 'unknown CPU'
      const kernel = readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim()
      const pins = pinned ? `gateways on core ${gatewayCore}, mock and generator on core ${loadCore}`
        : 'not pinned (needs two cores and taskset): figures of time mean little'
      return `${cpu}, ${cores.length} cores, ${Math.round(totalmem() / 2 ** 30)} GB, Linux ${kernel}; ${pins}; load ${loadavg()[0]!.toFixed(2)} at the end`
    },
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}

interface ProcessFacts { readonly parent: number; readonly cpuUs: number; readonly rssBytes: number }

function factsOf(pid: number | string): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name may hold blanks and brackets: fields are counted from its last ')'.
    const field = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return {
      parent: Number(field[1]),
      cpuUs: (Number(field[11]) + Number(field[12])) * TICK_US,
      rssBytes: Number(field[21]) * 4096,
    }
  } catch {
    return undefined
  }
}

/** utime + stime of all threads, and resident bytes, of a process and all its descendants alive now. */
export function treeOf(root: number): { cpuUs: number; rssBytes: number } {
  const all = new Map<number, ProcessFacts>()
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry)
    if (!Number.isInteger(pid)) continue
    const facts = factsOf(pid)
    if (facts) all.set(pid, facts)
  }
  const isOurs = (pid: number): boolean => {
    for (let at = pid, steps = 0; at > 1 && steps < 64; at = all.get(at)?.parent ?? 0, steps++) if (at === root) return true
    return false
  }
  let cpuUs = 0, rssBytes = 0
  for (const [pid, facts] of all) {
    if (!isOurs(pid)) continue
    cpuUs += facts.cpuUs
    rssBytes += facts.rssBytes
  }
  return { cpuUs, rssBytes }
}

/** Microseconds that a core was busy with anything since boot, from /proc/stat. */
export function busyUs(core: number | undefined): number {
  if (core === undefined) return 0
  const line = readFileSync('/proc/stat', 'latin1').split('\n').find((text) => text.startsWith(`cpu${core} `))
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (line ?? '').split(/\s+/).slice(1).map(Number)
  return (user + nice + system + irq + softirq + steal) * TICK_US
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
