// Writes the catalogue's files in one settled shape, so that a change of a row is a change of a line.
//   node src/catalog/data/format.mjs          rewrites the files that differ
//   node src/catalog/data/format.mjs --check  changes nothing; exit status 1 and a list when any differ
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const dir = import.meta.dirname
const rowsOf = { 'models.json': 'models', 'endpoints.json': 'endpoints', 'providers.json': 'providers' }
const indented = ['texts', 'texts.schema', 'models.schema', 'endpoints.schema', 'providers.schema'].map(
  (name) => `${name}.json`,
)

const line = (value) => JSON.stringify(value)

/** Header members one per line (their list or map members one per line too), then one row per line. */
function lineByLine(file, rowsKey) {
  const members = Object.entries(file).map(([key, value]) => {
    if (Array.isArray(value)) return ` ${line(key)}: [\n${value.map((row) => `  ${line(row)}`).join(',\n')}\n ]`
    if (value === null || typeof value !== 'object') return ` ${line(key)}: ${line(value)}`
    const inner = Object.entries(value).map(([name, item]) => `  ${line(name)}: ${line(item)}`)
    return ` ${line(key)}: {\n${inner.join(',\n')}\n }`
  })
  if (!Array.isArray(file[rowsKey])) throw new Error(`${rowsKey} is not a list`)
  return `{\n${members.join(',\n')}\n}\n`
}

const check = process.argv.includes('--check')
const changed = []
for (const name of [...Object.keys(rowsOf), ...indented]) {
  const path = join(dir, name)
  const before = readFileSync(path, 'utf8')
  const value = JSON.parse(before)
  const after = name in rowsOf ? lineByLine(value, rowsOf[name]) : `${JSON.stringify(value, null, 2)}\n`
  if (after === before) continue
  changed.push(name)
  if (!check) writeFileSync(path, after)
}
if (changed.length) console.log(`${check ? 'would rewrite' : 'rewrote'} ${changed.join(', ')}`)
if (changed.length && check) process.exitCode = 1
