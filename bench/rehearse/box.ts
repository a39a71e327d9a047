// A Signalbox of the rehearsal's own, as `npm start` runs it, on an empty data folder that goes when it ends.
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { FIRST_TOKEN_MS, MODEL, UPSTREAMS, type Slug } from './score.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const READY_WITHIN_MS = 30_000
const STOP_WITHIN_MS = 5_000

export interface Box {
  readonly url: string
  readonly key: string
  close(): Promise<void>
}

/** Starts it before upstreams at these addresses. Throws with its own words when it does not answer within half a minute. */
export async function startBox(addresses: Readonly<Record<Slug, string>>): Promise<Box> {
  const home = mkdtempSync(join(tmpdir(), 'signalbox-rehearsal-'))
  const config = join(home, 'rehearsal.config.yaml')
  writeFileSync(config, JSON.stringify({
    discover_local: false,
    providers: Object.fromEntries(UPSTREAMS.map(({ slug }) => [slug, {
      base_url: `${addresses[slug]}/v1`, api_key: `key-of-${slug}`, dialect: 'openai-chat', timeouts: { first_token_ms: FIRST_TOKEN_MS },
    }])),
    models: [{ id: MODEL }],
    endpoints: UPSTREAMS.map(({ slug, prompt, completion }) => ({ model: MODEL, provider: slug, pricing: { prompt, completion } })),
  }))
  const env = {
    PATH: process.env['PATH'] ?? '', HOME: home, HOST: '127.0.0.1', PORT: '0',
    SIGNALBOX_HOME: home, SIGNALBOX_CONFIG: config, NODE_ENV: 'production',
  }
  const { stdout } = await promisify(execFile)(process.execPath,
    [join(ROOT, 'src', 'cli.ts'), 'key', 'create', '--name', 'rehearsal', '--json'], { cwd: ROOT, env, timeout: READY_WITHIN_MS })
  const { key } = JSON.parse(stdout) as { key: string }

  const child = spawn(process.execPath, [join(ROOT, 'src', 'main.ts')], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const orphaned = (): void => void child.kill('SIGKILL')
  process.once('exit', orphaned)
  const close = async (): Promise<void> => {
    child.kill('SIGTERM')
    const timer = setTimeout(orphaned, STOP_WITHIN_MS)
    await gone
    clearTimeout(timer)
    process.off('exit', orphaned)
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  }
  const address = new Promise<string>((resolve) => {
    const hear = (part: Buffer): void => {
      said += part.toString()
      const found = /is at (http:\/\/\S+)/.exec(said)
      if (found) resolve(found[1]!)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
  })
  const late = new Promise<null>((resolve) => setTimeout(resolve, READY_WITHIN_MS, null).unref())
  const url = await Promise.race([address, late, gone.then(() => null)])
  if (url === null) {
    await close()
    throw new Error(`The server did not start:\n${said.slice(-2000)}`)
  }
  return { url, key, close }
}
