import { cruise } from 'dependency-cruiser'
import type { ICruiseResult } from 'dependency-cruiser'
import assert from 'node:assert/strict'
import { globSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'node:test'
import settings from '../.dependency-cruiser.mjs'
import { BANS, bannedName, findBans } from './bans.ts'
import { ROOMS, TOP_FILES, forbidden } from './rooms.ts'

const root = path.dirname(import.meta.dirname)
const sources = globSync('src/**/*.ts', { cwd: root }).map(file => file.replaceAll('\\', '/')).filter(file => !file.includes('/fixtures/'))

async function look(baseDir: string): Promise<{ seen: string[], broken: { rule: string, from: string, to: string }[] }> {
  const { output } = await cruise(['src'], { ...settings.options, ruleSet: { forbidden }, validate: true, baseDir })
  const { modules, summary } = output as ICruiseResult
  return {
    seen: modules.map(module => module.source),
    broken: summary.violations.map(({ rule, from, to }) => ({ rule: rule.name, from, to })),
  }
}

test('rooms import each other by their doors and in the directions of the table', async () => {
  const { seen, broken } = await look(root)
  const missed = sources.filter(file => !seen.includes(file))
  assert.deepEqual(missed, [], `dependency-cruiser saw ${seen.length} modules and missed these: a check that sees nothing passes everything.`)
  const said = broken.map(({ rule, from, to }) => `${from} → ${to}\n    ${forbidden.find(({ name }) => name === rule)?.comment} [${rule}]`)
  assert.equal(said.length, 0, `\n  ${said.join('\n  ')}\n`)
})

test('src has the rooms of the table and no others', () => {
  const known = [...ROOMS, ...TOP_FILES.map(name => `${name}.ts`)]
  const strangers = readdirSync(path.join(root, 'src')).filter(name => !known.includes(name) && !name.endsWith('.test.ts'))
  assert.deepEqual(strangers, [], 'A new room needs a line in test/rooms.ts that says whom it may import.')
})

test('every room has a door that says what the room is for', () => {
  const doors = new Set(sources.filter(file => file.split('/').length > 2).map(file => `src/${file.split('/')[1]}/index.ts`))
  const dumb = [...doors].filter(door => !textOf(door).startsWith('/**'))
  assert.deepEqual(dumb, [], 'A door begins with /** and one sentence on what the room is for.')
})

test('clock, dice, environment, foreign JSON, providers and databases are touched only where they may be', () => {
  const found = sources.flatMap(file => findBans(file, textOf(file)))
  const said = found.map(({ path: file, line, what, why }) => `${file}:${line} has ${what}\n    ${why}`)
  assert.equal(said.length, 0, `\n  ${said.join('\n  ')}\n`)
})

test('no file or folder has a name that says nothing about what is inside', () => {
  const all = ['src', 'test', 'bin', 'bench', 'docs', 'examples']
    .flatMap(folder => globSync(`${folder}/**/*`, { cwd: root, exclude: name => name === 'node_modules' }))
  const said = all.filter(file => bannedName(file)).map(file => `${file}: "${bannedName(file)}" takes in everything and tells nothing; name the idea`)
  assert.deepEqual(said, [])
})

function textOf(file: string): string {
  try {
    return readFileSync(path.join(root, file), 'utf8')
  } catch {
    return ''
  }
}

// ── The rules themselves: each turns red for the thing that it is there for ─────────────────────────────────────────

test('each rule on imports is broken by a tree that breaks it, and only by the lines that do', async t => {
  const folder = mkdtempSync(path.join(tmpdir(), 'rooms-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const tree = {
    'package.json': '{ "type": "module", "dependencies": { "undici": "1", "pg": "1" }, "devDependencies": { "openai": "1" } }',
    ...Object.fromEntries(['undici', 'pg', 'openai'].flatMap(name => [
      [`node_modules/${name}/package.json`, `{ "name": "${name}", "version": "1.0.0", "main": "index.js" }`],
      [`node_modules/${name}/index.js`, 'module.exports = 1\n'],
    ])),
    'src/core/index.ts': 'export const a = 1\n',
    'src/core/reads.ts': 'import { readFileSync } from "node:fs"\nexport const b = readFileSync\n',
    'src/routing/index.ts': 'import { a } from "../core/index.ts"\nexport const c = a\n',
    'src/routing/knows-http.ts': 'import type { D } from "../http/index.ts"\nexport const c: D = 1\n',
    'src/http/index.ts': 'export type D = number\nexport const d = 1\n',
    'src/http/inner.ts': 'export const e = 1\n',
    'src/app.ts': 'import { e } from "./http/inner.ts"\nimport { c } from "./routing/index.ts"\nexport const f = [e, c]\n',
    'src/gateway/index.ts': 'import { c } from "../routing/knows-http.ts"\nexport const g = c\n',
    'src/gateway/one.ts': 'import { two } from "./two.ts"\nexport const one = () => two\n',
    'src/gateway/two.ts': 'import { one } from "./one.ts"\nexport const two = () => one\n',
    'src/gateway/names.ts': 'import type { P } from "./pairs.ts"\nexport type O = P[]\nexport const o = 1\n',
    'src/gateway/pairs.ts': 'import { o } from "./names.ts"\nexport type P = { o: typeof o }\n',
    'src/gateway/lost.ts': 'export { nothing } from "./nowhere.ts"\n',
    'src/gateway/out.ts': 'import undici from "undici"\nexport const h = undici\n',
    'src/stats/index.ts': 'import pg from "pg"\nexport const i = pg\n',
    'src/stats/sdk.ts': 'import openai from "openai"\nexport const j = openai\n',
    'src/stats/sdk.test.ts': 'import openai from "openai"\nimport { k } from "../testing/index.ts"\nexport const l = [openai, k]\n',
    'src/stats/fake.ts': 'import { k } from "../testing/index.ts"\nexport const m = k\n',
    'src/testing/index.ts': 'export const k = 1\n',
    'src/net/index.ts': 'import undici from "undici"\nexport const n = undici\n',
  }
  for (const [file, text] of Object.entries(tree)) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
    writeFileSync(path.join(folder, file), text)
  }

  const { broken } = await look(folder)
  const lines = broken.map(({ rule, from }) => `${rule}: ${from}`)
  assert.deepEqual([...new Set(lines)].toSorted(), [
    'core-imports-nothing: src/core/reads.ts',
    'databases-in-store: src/stats/index.ts',
    'directions-of-routing: src/routing/knows-http.ts',
    'directions-of-stats: src/stats/fake.ts',
    'door-only-from-the-top: src/app.ts',
    'door-only: src/gateway/index.ts',
    'imports-exist: src/gateway/lost.ts',
    'no-circles: src/gateway/one.ts',
    'no-dev-packages-in-the-server: src/stats/sdk.ts',
    'one-way-out: src/gateway/out.ts',
    'testing-is-for-tests: src/stats/fake.ts',
  ])
})

const BREACHES: Record<string, readonly string[]> = {
  'process.env': ['process.env.PORT', 'process["env"]', 'const { env } = process', 'import { env } from "node:process"'],
  'the clock': ['Date.now()', 'new Date()', 'Date()', 'performance.now()', 'globalThis.Date.now()', 'const { now } = Date', 'process.hrtime()'],
  'randomness': ['Math.random()', 'crypto.randomUUID()', 'import { randomBytes } from "node:crypto"', 'globalThis.crypto.getRandomValues(x)'],
  'JSON.parse': ['JSON.parse(body)', 'rows.map(JSON.parse)', 'const { parse } = JSON'],
  'a branch on a provider': ['if (provider === "openai") x()', 'const y = endpoint.provider !== "azure" ? 1 : 2', 'switch (endpoint?.provider) { case "groq": x() }'],
  'a branch on the database': ['if (kind === "sqlite") x()', 'if (db.sqlite) x()', 'const y = !isPostgres ? 1 : 2', 'switch (kind) { case "postgres": x() }'],
  'state of a module': ['let count = 0', 'export let last: string'],
}

for (const { name } of BANS) {
  const samples = BREACHES[name] ?? []
  test(`the ban on ${name} finds it in every spelling`, () => {
    assert.ok(samples.length > 0, 'a ban without a sample may find nothing')
    for (const sample of samples) {
      const found = findBans('src/gateway/sample.ts', `// é: ${sample}\n\n${sample}\n`)
      assert.deepEqual(found.map(({ what, line }) => [what, line]), [[name, 3]], sample)
    }
  })
}

test('the bans leave comments, strings, tests and innocent neighbours alone', () => {
  const innocent = `
    // Date.now() and Math.random()
    const text = 'process.env, JSON.parse, new Date()'
    const then = new Date(ambient.now())
    const same = endpoint.provider === other.provider
    const kind = body.type === 'text'
    const id = ambient.random()
    for (let i = 0; i < 3; i++) text.at(i)
  `
  assert.deepEqual(findBans('src/gateway/sample.ts', innocent), [])
  assert.deepEqual(findBans('src/gateway/sample.test.ts', 'Date.now()'), [])
  assert.deepEqual(findBans('src/ambient.ts', 'const now = () => Date.now()'), [])
})

test('names are read in their parts, whatever joins them', () => {
  assert.equal(bannedName('src/net/stringUtils.ts'), 'utils')
  assert.equal(bannedName('src/shared/index.ts'), 'shared')
  assert.equal(bannedName('src/gateway/key-manager.ts'), 'manager')
  assert.equal(bannedName('src/gateway/uncommonly.ts'), undefined)
})
