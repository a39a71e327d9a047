/** Every program of the page on frameworks is run as it stands, with the client that it names. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import manifest from '../../package.json' with { type: 'json' }
import { FRAMEWORKS, type Framework } from '../../web/data/frameworks.ts'
import { KEY_NAME } from '../../web/data/samples.ts'
import { providerAt, startSignalbox, startUpstream } from '../stories/signalbox.ts'

const run = promisify(execFile)
const ROOT = path.dirname(path.dirname(import.meta.dirname))
const folder = mkdtempSync(path.join(tmpdir(), 'frameworks-'))
// So that a program finds the clients that it imports.
symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'), 'junction')
after(() => rmSync(folder, { recursive: true, force: true }))

const upstream = await startUpstream()
upstream.always({ text: 'Because of the air.' })
const box = await startSignalbox({ config: providerAt('acme', `${upstream.url}/v1`) })

const runs = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0
const RUNNERS: Readonly<Record<Framework['language'], readonly [command: string, file: string]>> = {
  TypeScript: [process.execPath, 'program.mts'], Python: ['python3', 'program.py'], Shell: ['sh', 'program.sh'],
}

function missing({ id, language }: Framework): string | false {
  if (language === 'Python') return !runs('python3', ...(id === 'openai-python' ? ['-c', 'import openai'] : ['--version'])) && 'no Python, or none with openai, on this machine'
  return language === 'Shell' && !runs('curl', '--version') && 'no curl on this machine'
}

for (const framework of FRAMEWORKS) {
  test(`the program for ${framework.name} in ${framework.language} gets an answer as it stands`, { skip: missing(framework) }, async () => {
    const [command, file] = RUNNERS[framework.language]
    const text = framework.program({ origin: box.url, model: 'acme/one' })
    const at = path.join(folder, `${framework.id}-${file}`)
    writeFileSync(at, text)
    const before = upstream.requests.length
    const { stdout } = await run(command, [at], { env: { PATH: process.env['PATH'], [KEY_NAME]: box.key }, timeout: 120_000 })
      .catch((error: Error & { stderr?: string }) => { throw new Error(`${text}\n${error.stderr ?? error.message}`, { cause: error }) })
    assert.match(stdout, /Because of the air\./, text)
    assert.equal(upstream.requests.length, before + 1)
    assert.match(JSON.stringify(upstream.requests.at(-1)!.body), /Why is the sky blue\?/)
  })
}

test('the packages whose versions the page names are those that are run here', () => {
  for (const { packages } of FRAMEWORKS) for (const name of packages) assert.ok(name in manifest.devDependencies, name)
})
