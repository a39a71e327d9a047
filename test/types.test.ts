import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import test from 'node:test'

const root = path.dirname(import.meta.dirname)

test('every TypeScript file of the project type-checks', () => {
  const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, '--project', root, '--noEmit'], { cwd: root, encoding: 'utf8' })
  assert.equal(status, 0, `tsc found:\n${stdout}${stderr}`)
})

test('the type check looks at the sources and at the tests, not at an empty list', () => {
  const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const { stdout } = spawnSync(process.execPath, [tsc, '--project', root, '--listFilesOnly'], { cwd: root, encoding: 'utf8' })
  const files = stdout.split('\n').map(file => path.relative(root, file).replaceAll('\\', '/'))
  assert.ok(files.includes('src/core/index.ts') && files.includes('test/types.test.ts'), stdout)
})

test('every file of the site type-checks, pages included', () => {
  const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const site = path.join(root, 'web')
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, '--project', site, '--noEmit'], { cwd: root, encoding: 'utf8' })
  assert.equal(status, 0, `tsc found:\n${stdout}${stderr}`)
  const listed = spawnSync(process.execPath, [tsc, '--project', site, '--listFilesOnly'], { cwd: root, encoding: 'utf8' }).stdout
  assert.match(listed, /web[\\/]routes[\\/]models\.tsx/)
})
