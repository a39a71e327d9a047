import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPdf } from '../testing/index.ts'
import { createPdfReader, type PdfBounds } from './pdf.ts'

const BOUNDS: PdfBounds = { maxPages: 10, maxCharacters: 10_000, timeoutMs: 120_000 }

test('the text of a PDF comes page by page and line by line', async () => {
  const reader = createPdfReader()
  try {
    assert.deepEqual(await reader.read(createPdf(['First (page).\nSecond line.', '', 'Third.']), BOUNDS), { pages: ['First (page).\nSecond line.', '', 'Third.'] })
  } finally {
    await reader.close()
  }
})

test('what is no PDF, too long or too full is said so, and the next one is read', async () => {
  const reader = createPdfReader()
  try {
    assert.deepEqual(await reader.read(Buffer.from('%PDF-1.7 and nothing more'), BOUNDS), { failed: 'broken' })
    assert.deepEqual(await reader.read(createPdf(Array.from({ length: 11 }, () => 'x')), BOUNDS), { failed: 'pages', pages: 11 })
    assert.deepEqual(await reader.read(createPdf(['x'.repeat(60), 'y'.repeat(60)]), { ...BOUNDS, maxCharacters: 100 }), { failed: 'characters', pages: 2 })
    assert.deepEqual(await reader.read(createPdf(['Fine.']), BOUNDS), { pages: ['Fine.'] })
  } finally {
    await reader.close()
  }
})

test('a document that swells in memory ends its thread and nobody else', async () => {
  const reader = createPdfReader({ maxExternalBytes: 64 * 2 ** 20 })
  try {
    const bomb = createPdf(['x'], { stretch: 400 })
    assert.ok(bomb.length < 2 ** 20, 'a small file')
    assert.deepEqual(await reader.read(bomb, BOUNDS), { failed: 'memory' })
    assert.deepEqual(await reader.read(createPdf(['Fine.']), BOUNDS), { pages: ['Fine.'] })
  } finally {
    await reader.close()
  }
})

test('a document that takes too long ends its thread, and others that wait are read after it', async () => {
  const reader = createPdfReader()
  try {
    const [slow, next] = await Promise.all([reader.read(createPdf(['x'], { stretch: 64 }), { ...BOUNDS, timeoutMs: 1 }), reader.read(createPdf(['Fine.']), BOUNDS)])
    assert.deepEqual([slow, next], [{ failed: 'time' }, { pages: ['Fine.'] }])
  } finally {
    await reader.close()
  }
})

test('more than may wait is turned away at once', async () => {
  const reader = createPdfReader({ maxWaitingBytes: 10 })
  assert.deepEqual(await reader.read(createPdf(['x']), BOUNDS), { failed: 'busy' })
})
