/**
 * `npm test [area or path …]`: one run of Node's test runner over the chosen files, so that its summary, the last thing
 * printed, counts everything, the type check and the linter included. Exits with the runner's status.
 */
import { spawn } from 'node:child_process'
import { chmodSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import path from 'node:path'
import { select } from './areas.ts'
import { cleanEnvironment } from './environment.ts'

const root = path.dirname(import.meta.dirname)
/** A test that takes longer hangs: the slowest story is to stay under a minute. */
const TEST_TIMEOUT_MS = 120_000
/** The whole suite is to stay under ten minutes; an endless loop, which no timeout of a test can end, ends here. */
const RUN_TIMEOUT_MS = 15 * 60_000

const all = globSync(['src/**/*.test.ts', 'test/**/*.test.ts'], { cwd: root }).map(file => file.replaceAll('\\', '/'))
const selection = select(process.argv.slice(2), all)
if ('refused' in selection) {
  process.stderr.write(`${selection.refused}\n`)
  process.exitCode = 2
} else {
  run(selection.files)
}

function run(files: readonly string[]): void {
  const scratch = mkdtempSync(path.join(tmpdir(), 'signalbox-test-'))
  // The embedded Postgres refuses to run as root and runs as a user of its own, who must get through to its folder.
  chmodSync(scratch, 0o711)
  for (const folder of ['home', 'data']) mkdirSync(path.join(scratch, folder))
  writeFileSync(path.join(scratch, 'signalbox.config.yaml'), '{}\n')

  process.stderr.write(`Running ${files.length} test files, three at a time …\n`)
  const runner = spawn(process.execPath, [
    '--test', '--test-reporter=spec', '--test-concurrency=3', `--test-timeout=${TEST_TIMEOUT_MS}`,
    // Not --test-force-exit: a file's process then ended before its last results were read, and tests went uncounted.
    ...files,
    // A group of its own, so that nothing a test started outlives the run.
  ], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], detached: true, env: cleanEnvironment(process.env, scratch) })

  const stop = () => {
    runner.kill('SIGTERM') // It still says which tests it was in.
    setTimeout(() => killGroup(runner.pid), 2_000)
  }
  let overdue = false
  const deadline = setTimeout(() => {
    overdue = true
    process.stderr.write(`The tests have run for ${RUN_TIMEOUT_MS / 60_000} minutes and are stopped.\n`)
    stop()
  }, RUN_TIMEOUT_MS)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
  runner.on('error', error => {
    process.stderr.write(`The test runner could not be started: ${error.message}\n`)
    process.exitCode = 1
  })
  runner.on('exit', (code, signal) => {
    clearTimeout(deadline)
    killGroup(runner.pid)
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 })
    process.exit(signal ? 128 + constants.signals[signal] : overdue ? 1 : code ?? 1)
  })
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined || process.platform === 'win32') return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch { /* nobody is left */ }
}
