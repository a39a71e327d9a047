import { flushCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { pino } from 'pino'
import manifest from '../package.json' with { type: 'json' }
import { ambient } from './ambient.ts'
import { createApp, type App } from './app.ts'
import { ConfigError, createLiveConfig, readConfig, watchConfig, type Config } from './config/index.ts'
import { welcome } from './welcome.ts'

/** The process: configuration, app, listen, drain. */

const PROJECT = fileURLToPath(new URL('..', import.meta.url))
/** A terminal and npm both pass Ctrl-C on, so the same press arrives twice; a second press comes later. */
const SAME_PRESS_MS = 1000
/** Soon after the start, and not so soon that the first request waits for it. */
const GIVE_BACK_AFTER_MS = 500

try {
  await serve(readConfig(process.env, PROJECT))
} catch (error) {
  const expected = error instanceof ConfigError || isListenError(error) || (error as Error).name === 'StoreError'
  process.stderr.write(`signalbox: ${expected ? (error as Error).message : (error as Error).stack}\n`)
  process.exitCode = 1
}

async function serve(config: Config): Promise<void> {
  if (!config.loopback) {
    throw new ConfigError(
      `HOST is ${config.host}, which other machines can reach. That needs an administrator's account or a management key, `
      + 'and neither exists yet: leave HOST at 127.0.0.1 and put a reverse proxy in front',
    )
  }
  const log = pino({ level: config.log.level }, pino.destination({ fd: 2, sync: false }))
  const app = await createApp({ config, ambient, log, version: manifest.version, siteLoaded: giveBackMemory })
  await app.http.listen({ host: config.host, port: config.port, adminPort: config.adminPort })
  flushCompileCache()

  const first = (await app.accounts.listKeys()).length === 0
    ? (await app.accounts.createKey({ name: 'First key' })).key : null
  process.stdout.write(welcome({ app, version: manifest.version, firstKey: first }))

  const live = createLiveConfig({
    first: config,
    read: () => readConfig(process.env, PROJECT),
    apply: (next) => app.reload(next),
    report: (message) => log.error({ file: config.watchPath }, message),
  })
  const unwatch = watchConfig(config.watchPath, () => {
    if (live.reload()) log.info({ file: config.watchPath }, 'the configuration was reloaded')
  }, {
    onHangup: (listener) => {
      process.on('SIGHUP', listener)
      return () => process.off('SIGHUP', listener)
    },
  })
  stopOnSignals(app, unwatch, () => live.current().limits, (message) => log.info({}, message))
  await app.warmUp()
  setTimeout(giveBackMemory, GIVE_BACK_AFTER_MS).unref()
}

/**
 * A start reads megabytes of JSON and compiles schemas, and the first page loads the site; what that took stays with the process until V8 has a reason to
 * look, which on an idle server is never: 205 MB in the place of 117. One thorough collection gives it back.
 */
function giveBackMemory(): void {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as (how: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void
  gc({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}

/**
 * SIGTERM and SIGINT end the process in good order: calls under way may end. A second one ends it now, still in order:
 * each open stream is told, and what was delivered is on record. A third cuts everything. A Ctrl-C is somebody at a
 * terminal, with no load balancer that has to notice first.
 */
function stopOnSignals(
  app: App, unwatch: () => void, limits: () => Pick<Config['limits'], 'drainGraceMs' | 'drainSettleMs'>, say: (message: string) => void,
): void {
  let presses = 0
  let pressedAt = -Infinity
  const stop = (signal: NodeJS.Signals): void => {
    const now = ambient.monotonic()
    if (now - pressedAt < SAME_PRESS_MS) return
    pressedAt = now
    const { drainGraceMs, drainSettleMs } = limits()
    switch (++presses) {
      case 1:
        unwatch()
        say(`${signal}: stopping; calls under way may end within ${Math.round(drainGraceMs / 1000)} s`)
        app.close(drainGraceMs, signal === 'SIGTERM' ? drainSettleMs : 0).then(() => process.exit(0), () => process.exit(1))
        return
      case 2:
        say(`${signal} again: stopping now`)
        void app.close(0)
        return
      default:
        process.exit(1)
    }
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

function isListenError(error: unknown): boolean {
  const code = (error as { code?: string }).code
  if (code !== 'EADDRINUSE' && code !== 'EACCES') return false
  const { port } = error as { port?: number }
  ;(error as Error).message = code === 'EADDRINUSE'
    ? `port ${port} is taken by another program: stop it, or set PORT to another one`
    : `port ${port} may not be used by this user: set PORT to one above 1023`
  return true
}
