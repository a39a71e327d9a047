// A server of this checkout on a data folder of the bench's.
import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SERVER_FLAGS } from '../bin/install.mjs'

const ROOT = join(import.meta.dirname, '..')
const READY_WITHIN_MS = 120_000

/** What it runs in, and nothing of who runs the bench. */
export const envOf = (home: string): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '', HOME: home, HOST: '127.0.0.1', PORT: '0', SIGNALBOX_HOME: home,
  SIGNALBOX_CONFIG: join(home, 'bench.config.json'), NODE_ENV: 'production',
})

/** Starts it with the flags that `npm start` gives, on a free port of 127.0.0.1; rejects with what it said where it does not listen. */
export async function serve(env: Readonly<Record<string, string>>): Promise<{ readonly url: string; readonly pid: number; close(): Promise<void> }> {
  const child = spawn(process.execPath, [...SERVER_FLAGS, join(ROOT, 'src', 'main.ts')], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const url = await addressOf(child)
  return {
    url, pid: child.pid!,
    async close() {
      const gone = new Promise((resolve) => { child.once('exit', resolve) })
      child.kill('SIGTERM')
      await Promise.race([gone, sleep(10_000).then(() => child.kill('SIGKILL'))])
    },
  }
}

function addressOf(child: ChildProcess): Promise<string> {
  let said = ''
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`The server did not start:\n${said.slice(-2000)}`)), READY_WITHIN_MS)
    const hear = (part: Buffer): void => {
      said += part.toString()
      const found = /is at (http:\/\/\S+)/.exec(said)
      if (found === null) return
      clearTimeout(timer)
      resolve(found[1]!)
    }
    child.stdout!.on('data', hear)
    child.stderr!.on('data', hear)
    child.once('exit', () => reject(new Error(`The server ended:\n${said.slice(-2000)}`)))
  })
}
