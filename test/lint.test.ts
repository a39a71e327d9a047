import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'node:test'

const root = path.dirname(import.meta.dirname)

function oxlint(...args: string[]) {
  const bin = path.join(root, 'node_modules', 'oxlint', 'bin', 'oxlint')
  const config = path.join(root, '.oxlintrc.json')
  return spawnSync(process.execPath, [bin, '--config', config, '--deny-warnings', ...args], { cwd: root, encoding: 'utf8' })
}

test('the linter has nothing to say about the project', () => {
  const { status, stdout, stderr } = oxlint('bin', 'src', 'test', 'web')
  assert.equal(status, 0, `oxlint found:\n${stdout}${stderr}`)
})

for (const [ban, source] of Object.entries({
  'fetch, which costs three times the dispatch of undici': 'export const answer = await fetch("http://127.0.0.1/")\n',
  'http.request beside the door outward': 'import { request } from "node:https"\nexport const open = request\n',
  'console, which no log setting reaches': 'console.log("hello")\n',
  'a promise constructor that swallows what it throws': 'export const p = new Promise(async resolve => { resolve(1) })\n',
})) {
  test(`the linter refuses ${ban}`, t => {
    const folder = mkdtempSync(path.join(tmpdir(), 'lint-'))
    t.after(() => rmSync(folder, { recursive: true }))
    writeFileSync(path.join(folder, 'sample.ts'), source)
    const { status, stdout } = oxlint(folder)
    assert.notEqual(status, 0, stdout)
  })
}
