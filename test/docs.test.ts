/** What the documents say of the code is true: tables and commands are held against what is there. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { FAULTS } from '../src/core/index.ts'
import { AREAS } from './areas.ts'
import { ROOMS } from './rooms.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8')
const documents = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md',
  ...readdirSync(path.join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.md')).map((file) => `docs/${file}`)]
/** First cells of the tables of a document, with what stands in code marks. */
const firstCells = (text: string): readonly string[] => [...text.matchAll(/^\| (.+?) \|/gm)].flatMap(([, cell]) => [...cell!.matchAll(/`([^`]+)`/g)].map(([, code]) => code!))

test('the map names every room, and none that does not exist', () => {
  const named = firstCells(read('ARCHITECTURE.md')).map((cell) => cell.replace(/\/$/, ''))
  assert.deepEqual(named.toSorted(), ROOMS.filter((room) => existsSync(path.join(ROOT, 'src', room))).toSorted())
})

test('every direct dependency has its reason in CONTRIBUTING, and no reason is for a package that is gone', () => {
  const manifest = JSON.parse(read('package.json')) as Record<string, Record<string, string> | undefined>
  const direct = ['dependencies', 'devDependencies'].flatMap((kind) => Object.keys(manifest[kind] ?? {}))
  const reasons = firstCells(read('CONTRIBUTING.md')).filter((name) => name !== 'node-*')
  assert.deepEqual(reasons.toSorted(), direct.toSorted())
})

test('the areas that CONTRIBUTING shows can be run', () => {
  for (const [, words] of read('CONTRIBUTING.md').matchAll(/^npm test -- (.*?)(?: +#.*)?$/gm)) {
    for (const area of words!.trim().split(' ')) assert.ok(area in AREAS, `${area} is no area`)
  }
})

test('links between documents lead somewhere', () => {
  for (const document of documents) {
    for (const [, target] of read(document).matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
      if (/^https?:/.test(target!)) continue
      assert.ok(existsSync(path.join(ROOT, path.dirname(document), target!)), `${document}: ${target}`)
    }
  }
})

test('every command of the manuals is one that the command line knows', () => {
  const manual = JSON.parse(execFileSync(process.execPath, [path.join(ROOT, 'src/cli.ts'), 'help', '--json'], { encoding: 'utf8' })) as
    { commands: { usage: string }[] }
  const known = manual.commands.map(({ usage }) => usage.split(' ').filter((word) => /^[a-z]+$/.test(word)).join(' '))
  for (const document of documents) {
    for (const [, words] of read(document).matchAll(/npm run -s signalbox -- ([a-z]+(?: [a-z]+)?)/g)) {
      assert.ok(known.some((command) => words === command || words!.split(' ')[0] === command), `${document}: ${words}`)
    }
  }
})

test('the table of failures is in the manual, row by row, as the code has it', () => {
  const rows = [...read('docs/errors.md').matchAll(/^\| `([a-z-]+)` \| (\d+) \| `([a-z_]+)` \| (endpoint|model|nothing) \| (caller|provider|operator|us) \| (.+) \|$/gm)]
    .map(([, kind, status, type, next, blame, meaning]) => [kind, Number(status), type, next, blame, meaning])
  assert.deepEqual(rows, Object.entries(FAULTS).map(([kind, row]) => [kind, row.status, row.type, row.next, row.blame, row.meaning]))
})

test('decisions are dated pages in the order of their numbers', () => {
  const pages = readdirSync(path.join(ROOT, 'docs/decisions')).filter((file) => file.endsWith('.md')).toSorted()
  for (const [at, page] of pages.entries()) {
    assert.ok(page.startsWith(String(at + 1).padStart(4, '0')), page)
    assert.match(read(`docs/decisions/${page}`), /20\d\d-\d\d-\d\d/, `${page} has no date`)
  }
})

test('each test that the page on faults names exists, by the title that it has there', () => {
  const page = read('docs/faults.md')
  const rows = [...page.matchAll(/^\| ([AS]\d+) \|.*\|$/gm)]
  assert.deepEqual(rows.map(([, id]) => id), [...range('A', 26), ...range('S', 9)])
  /** Rows that another place shows, or nobody yet. */
  const untested = new Set(['A9', 'S2'])
  for (const [row, id] of rows) {
    const named = [...row.matchAll(/([\w/-]+) "(.+?)"(?= [·|])/g)]
    assert.equal(named.length === 0, untested.has(id!), id!)
    for (const [, file, title] of named) {
      const source = read(existsSync(path.join(ROOT, `test/stories/${file}.test.ts`)) ? `test/stories/${file}.test.ts` : `src/${file}.test.ts`)
      assert.ok(titlesOf(source).some((is) => is(title!)), `${id}: ${file} has no test "${title}"`)
    }
  }
})

const range = (letter: string, count: number): readonly string[] => Array.from({ length: count }, (_, i) => `${letter}${i + 1}`)

/** The titles in a test file. What stands in the place of `${…}` has to stand somewhere in the file as well. */
function titlesOf(source: string): readonly ((title: string) => boolean)[] {
  return [...source.matchAll(/\b(?:test|it|waits)\((["'`])((?:\\.|(?!\1).)+)\1/g)].map(([, quote, raw]) => {
    const text = raw!.replaceAll(/\\(.)/g, '$1')
    if (quote !== '`') return (title) => title === text
    const pattern = new RegExp(`^${text.split(/\$\{(?:[^{}]|\{[^{}]*\})*\}/).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)).join('(.+)')}$`)
    return (title) => pattern.exec(title)?.slice(1).every((part) => source.includes(part) || part.split(': ').every((it) => source.includes(it))) ?? false
  })
}
