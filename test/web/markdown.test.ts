/** The manual on the site: the same text as in the files, and nothing that it holds is obeyed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blocksOf, partsOf, type Block, type Inline } from '../../web/data/markdown.server.ts'

const PAGES: Readonly<Record<string, { to: string, name: string }>> = { 'routing.md': { to: '/docs/provider-routing', name: 'Provider routing' }, 'errors.md': { to: '/docs/errors', name: 'Errors' } }
const read = (text: string): readonly Block[] => blocksOf(text, (file) => PAGES[file] ?? null)
const first = (text: string): readonly Inline[] => {
  const [block] = read(text)
  assert.ok(block?.kind === 'paragraph')
  return block.text
}

test('links between documents lead to their pages, with the part of the page; to a document that is no page they are text', () => {
  assert.deepEqual(first('See [routing](routing.md#the-weights).'), ['See ', { kind: 'link', to: '/docs/provider-routing#the-weights', parts: ['routing'] }, '.'])
  assert.deepEqual(first('([errors.md](errors.md))')[1], { kind: 'link', to: '/docs/errors', parts: ['Errors'] }, 'a file is called by the name of its page')
  assert.deepEqual(first('[a decision](decisions/0001-x.md)'), [{ kind: 'link', to: null, parts: ['a decision'] }])
  assert.deepEqual(first('[here](#this-part) [there](https://example.com/a?b)').filter((part) => typeof part !== 'string').map((part) => part.kind === 'link' && part.to), ['#this-part', 'https://example.com/a?b'])
})

test('addresses that would run something lead nowhere', () => {
  for (const href of ['javascript:alert(1)', 'data:text/html,x', '//evil.example/x', 'JaVaScRiPt:alert(1)', 'vbscript:x', '/\\evil.example']) {
    const link = first(`[press](${href})`).find((part) => typeof part !== 'string' && part.kind === 'link')
    assert.ok(link === undefined || (typeof link !== 'string' && link.kind === 'link' && link.to === null), href)
  }
})

test('HTML in a document is its characters', () => {
  assert.deepEqual(read('<script>alert(1)</script>'), [{ kind: 'paragraph', text: ['<script>alert(1)</script>'] }])
  assert.deepEqual(first('a <b onclick="x">b</b>').join(''), 'a <b onclick="x">b</b>')
  assert.deepEqual(first('`providers.<slug>.name` & more'), [{ kind: 'code', text: 'providers.<slug>.name' }, ' & more'])
})

test('headings are found by the anchors that the files link to, also where two have the same words', () => {
  const blocks = read('# Title\n\n## Signing in to the clouds\n\n## `a` & b: c\n\n## `a` & b: c\n\n### deep')
  assert.deepEqual(partsOf(blocks), [
    { id: 'signing-in-to-the-clouds', text: 'Signing in to the clouds' }, { id: 'a--b-c', text: 'a & b: c' }, { id: 'a--b-c-1', text: 'a & b: c' },
  ])
})

test('tables, lists and code keep their order and their words', () => {
  assert.deepEqual(read('| a | b |\n|---|---|\n| `x` | **y** |\n\n1. one\n2. two\n\n```sh\nls\n```'), [
    { kind: 'table', label: 'Document', head: [['a'], ['b']], rows: [[[{ kind: 'code', text: 'x' }], [{ kind: 'strong', parts: ['y'] }]]] },
    { kind: 'list', ordered: true, items: [[{ kind: 'paragraph', text: ['one'] }], [{ kind: 'paragraph', text: ['two'] }]] },
    { kind: 'code', label: 'Example under Document', text: 'ls' },
  ])
})
