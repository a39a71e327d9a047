/** The manual on the site is the manual in the files. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createGuides } from './guides.ts'

const DOCS = fileURLToPath(new URL('../../docs', import.meta.url))
/** For those who work on the program, or on the site itself. */
const NOT_ON_SITE = ['rehearsal.md', 'site.md']

test('every page of the manual is on the site, but for those of the people who work on the program', async () => {
  const guides = await createGuides(DOCS).guides()
  assert.deepEqual([...guides.map(({ file }) => file), ...NOT_ON_SITE].toSorted(), readdirSync(DOCS).filter((file) => file.endsWith('.md')).toSorted())
  for (const { slug, title, summary } of guides) {
    assert.ok(title.length > 3 && summary.length > 20 && /[.]$/.test(summary) && !/[`*[\]]/.test(summary), `${slug}: ${title}: ${summary}`)
  }
})

test('a page that is asked for by a path is not there', async () => {
  const { guide } = createGuides(DOCS)
  for (const slug of ['../README', 'routing.md', 'decisions/0001-one-language-for-shapes', '', '__proto__']) assert.equal(await guide(slug), null, slug)
})
