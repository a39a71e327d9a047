/** The site is built where it is missing or older than its sources, and only there. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'node:test'
import type { TestContext } from 'node:test'
import { bringSite, siteFingerprint } from '../bin/site.mjs'

/** A project with two sources and a pretended build that writes what the real one writes, or fails. */
function project(t: TestContext) {
  const root = mkdtempSync(path.join(tmpdir(), 'site test '))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  mkdirSync(path.join(root, 'web', 'routes'), { recursive: true })
  const source = (name: string, text: string) => writeFileSync(path.join(root, 'web', name), text)
  source('root.tsx', 'one')
  source('routes/home.tsx', 'two')
  writeFileSync(path.join(root, 'package-lock.json'), '{}')
  const builds: string[] = []
  let failing: string | null = null
  let printed = ''
  const bring = () => bringSite({
    root, node: 'node', out: { write: (text: string) => { printed += text } },
    build: ({ to }: { to: string }) => {
      builds.push(path.basename(to))
      if (failing !== null) return Promise.resolve(failing)
      mkdirSync(path.join(to, 'server'), { recursive: true })
      writeFileSync(path.join(to, 'server', 'index.js'), '')
      return Promise.resolve(null)
    },
  })
  const folder = path.join(root, 'web', 'build')
  return {
    root, source, bring, builds, folder, printed: () => printed, fail: (words: string | null) => { failing = words },
    current: () => readFileSync(path.join(folder, 'current'), 'utf8'),
  }
}

test('the first start builds the site and says so; the second neither builds nor says anything', async t => {
  const { bring, builds, current, printed } = project(t)
  assert.equal(await bring(), true)
  assert.deepEqual(builds, [current()])
  assert.match(printed(), /Building the site \(first start only\)/)
  const said = printed()
  assert.equal(await bring(), true)
  assert.deepEqual([builds.length, printed()], [1, said])
})

test('what makes a build stale is another content, or other packages, and never a date', async t => {
  const { root, source, bring, builds } = project(t)
  await bring()
  utimesSync(path.join(root, 'web', 'root.tsx'), 1, 1)
  await bring()
  assert.equal(builds.length, 1, 'a fresh checkout has new dates on old files')
  for (const change of [
    () => source('routes/home.tsx', 'three'), () => source('routes/more.tsx', 'four'), () => rmSync(path.join(root, 'web', 'routes', 'more.tsx')),
    () => writeFileSync(path.join(root, 'package-lock.json'), '{ }'),
  ]) {
    const before = siteFingerprint(root)
    change()
    assert.notEqual(siteFingerprint(root), before)
    await bring()
    assert.equal(builds.at(-1), siteFingerprint(root))
  }
})

test('a site that cannot be built keeps nobody from the API: the reason is told, the old site stands', async t => {
  const { source, bring, fail, current, printed } = project(t)
  await bring()
  const before = current()
  source('root.tsx', 'broken')
  fail('root.tsx: unexpected end')
  assert.equal(await bring(), false)
  assert.match(printed(), /the API is served without it.*root\.tsx: unexpected end/s)
  assert.equal(current(), before)
  fail(null)
  assert.equal(await bring(), true, 'the next start tries again')
})

test('the build before this one stays for a server that still serves it; older ones go', async t => {
  const { source, bring, folder, builds } = project(t)
  for (const text of ['a', 'b', 'c', 'd']) {
    source('root.tsx', text)
    await bring()
  }
  const left = readdirSync(folder, { withFileTypes: true }).filter(entry => entry.isDirectory()).map(({ name }) => name)
  assert.equal(left.length, 2)
  assert.ok(left.includes(builds.at(-1)!) && existsSync(path.join(folder, builds.at(-1)!, 'server', 'index.js')))
})
