import assert from 'node:assert/strict'
import path from 'node:path'
import test from 'node:test'
import { AREAS, select } from './areas.ts'
import { cleanEnvironment } from './environment.ts'

const ALL = [
  'test/stories/first.test.ts', 'src/routing/plan.test.ts', 'test/types.test.ts', 'src/dialects/laws.test.ts', 'src/core/money.test.ts',
]

test('without a word every test file runs, types and then what takes long first', () => {
  assert.deepEqual(select([], ALL), { files: [
    'test/types.test.ts', 'test/stories/first.test.ts', 'src/dialects/laws.test.ts', 'src/core/money.test.ts', 'src/routing/plan.test.ts',
  ] })
})

test('areas and paths can be named together, and no file runs twice', () => {
  assert.deepEqual(select(['stories', 'laws', 'src/dialects/', './src/routing/plan.test.ts'], ALL), {
    files: ['test/stories/first.test.ts', 'src/dialects/laws.test.ts', 'src/routing/plan.test.ts'],
  })
})

test('an unknown area is refused by name, with the areas that there are', () => {
  const selection = select(['storys'], ALL)
  assert.deepEqual(selection, {
    refused: `"storys" is no area and no path of a test. The areas are: ${Object.keys(AREAS).join(', ')}.`,
  })
})

test('an area without tests is refused, because a run of nothing would pass', () => {
  assert.deepEqual(select(['clients'], ALL), { refused: 'The area "clients" has no tests yet.' })
})

test('a test file that no area would run is refused by name', () => {
  const selection = select([], [...ALL, 'test/forgotten.test.ts'])
  assert.match('refused' in selection ? selection.refused : '', /^test\/forgotten\.test\.ts: no area/)
})

test('tests see no key and no setting of the developer, and write into the scratch folder only', () => {
  const env = cleanEnvironment({
    PATH: '/bin', OPENAI_API_KEY: 'sk-x', AWS_SECRET_ACCESS_KEY: 'x', DATABASE_URL: 'postgres://x', PORT: '1', SIGNALBOX_HOME: '/home/me/.signalbox',
  }, '/scratch')
  assert.deepEqual(env, {
    PATH: '/bin',
    HOME: path.join('/scratch', 'home'),
    USERPROFILE: path.join('/scratch', 'home'),
    TMPDIR: '/scratch',
    TEMP: '/scratch',
    TMP: '/scratch',
    SIGNALBOX_HOME: path.join('/scratch', 'data'),
    SIGNALBOX_CONFIG: path.join('/scratch', 'signalbox.config.yaml'),
  })
})
