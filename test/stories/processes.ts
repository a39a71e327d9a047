/** Real processes of the server, for stories in which one is killed: by its pid, without a chance to say anything. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after } from 'node:test'
import { promisify } from 'node:util'
import type { ConfigFile } from '../../src/config/index.ts'
import { freshDatabase, freshSchema, type Database } from '../postgres.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')

export interface ServerProcess {
  readonly url: string
  /** A request with the key; `body` as JSON. */
  send(method: string, at: string, body?: object): Promise<Response>
  /** Kills it, and waits until it is gone. */
  kill(): Promise<void>
}

/** A data folder, a database and a key on which processes can be started one after the other. All is removed after the test. */
export async function startServer(store: 'sqlite' | 'postgres', config: ConfigFile): Promise<{ run(): Promise<ServerProcess> }> {
  const home = mkdtempSync(path.join(tmpdir(), 'signalbox-process-'))
  const started: ChildProcess[] = []
  let database: Database | null = null
  after(async () => {
    for (const child of started) child.kill('SIGKILL')
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
    await database?.drop()
  })
  const file = path.join(home, 'signalbox.config.json')
  writeFileSync(file, JSON.stringify({ discover_local: false, ...config }))
  const env = {
    PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'], HOME: home, HOST: '127.0.0.1', PORT: '0', SIGNALBOX_HOME: home, SIGNALBOX_CONFIG: file,
    ...(store === 'postgres' && { DATABASE_URL: await freshSchema(database = await freshDatabase()) }),
  }
  const { stdout } = await promisify(execFile)(process.execPath, [path.join(ROOT, 'src/cli.ts'), 'key', 'create', '--json'], { cwd: ROOT, env })
  const { key } = JSON.parse(stdout) as { key: string }

  return {
    async run() {
      const child = spawn(process.execPath, [path.join(ROOT, 'src/main.ts')], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] })
      started.push(child)
      const gone = new Promise<void>((resolve) => { child.once('exit', () => resolve()) })
      let said = ''
      const url = await new Promise<string>((resolve, reject) => {
        const hear = (part: Buffer): void => {
          said += part.toString()
          const found = /is at (http:\/\/\S+)/.exec(said)
          if (found) resolve(found[1]!)
        }
        child.stdout.on('data', hear)
        child.stderr.on('data', hear)
        gone.then(() => reject(new Error(`The server did not start:\n${said}`)))
      })
      return {
        url,
        send: (method, at, body) => fetch(`${url}${at}`, {
          method, headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) }, ...(body && { body: JSON.stringify(body) }),
        }),
        kill() {
          child.kill('SIGKILL')
          return gone
        },
      }
    },
  }
}
