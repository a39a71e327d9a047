import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createPdf } from '../../src/testing/index.ts'
import { providerAt, startSignalbox, startUpstream, together } from './signalbox.ts'

/** PDFs of pictures for models that take no files: a model that reads files writes them down first. */

// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>
const upstream = await startUpstream()
const FILES = { row: { input_modalities: ['text', 'file'] }, prompt: 10, completion: 10 }
const providers = together(
  providerAt('plain', `${upstream.url}/plain/v1`, { model: 'acme/text', row: { input_modalities: ['text'] }, prompt: 1, completion: 1 }),
  providerAt('reader', `${upstream.url}/reader/v1`, { model: 'acme/reader', ...FILES }),
  providerAt('other', `${upstream.url}/other/v1`, { model: 'acme/other', ...FILES }),
)
const box = await startSignalbox({ config: { ...providers, file_parser: { ocr_models: ['acme/reader', 'acme/other'], timeout_ms: 120_000, max_characters: 5000 } } })
const TOLD = { 'x-openrouter-metadata': 'enabled' }
const SCAN = createPdf(['', '']).toString('base64')
const TEXT = createPdf(['The switch at Olten is set for Bern.']).toString('base64')
const USED = { input: 100, output: 10 }
const OCR = { plugins: [{ id: 'file-parser', pdf: { engine: 'mistral-ocr' } }] }
const asking = (base64: string, rest: Loose = {}): Loose => ({
  model: 'acme/text', ...rest,
  messages: [{ role: 'user', content: [{ type: 'text', text: 'What does it say?' }, { type: 'file', file: { filename: 'olten.pdf', file_data: `data:application/pdf;base64,${base64}` } }] }],
})
const asked = (): string[] => upstream.requests.map(({ path }) => path.split('/')[1]!)
const sentAt = (at: number): string => JSON.stringify(upstream.requests[at]!.body)
const next = (...orders: readonly Loose[]): void => {
  upstream.forget()
  for (const order of orders) upstream.next(order)
}
const noteOf = (reply: Loose): Loose => reply['openrouter_metadata'].pipeline.find((it: Loose) => it['name'] === 'file-parser')

describe('A PDF of pictures', () => {
  test('is written down by the model that the operator names, and reaches the one that was asked for as text; both are paid and on record', async () => {
    next({ text: '# Lever 36\n\nPull with care.', usage: USED }, { text: 'To pull it.', usage: USED })
    const reply = await box.whole(asking(SCAN), TOLD)
    assert.deepEqual(asked(), ['reader', 'plain'])
    assert.ok(sentAt(0).includes(SCAN), 'the reader did not get the file')
    assert.ok(sentAt(1).includes('Pull with care.') && !sentAt(1).includes(SCAN))
    assert.deepEqual([noteOf(reply)['data'].recognised, noteOf(reply)['data'].pages, noteOf(reply)['cost_usd']], [1, 2, 110 * 10 / 1e6])
    assert.equal(reply.usage.cost, (110 * 10 + 110) / 1e6)
    const record = await box.app.stats.find(reply.id, 'default')
    assert.deepEqual(record!.attempts.map(({ provider, within }) => [provider, within]), [['reader', 'file-parser'], ['plain', undefined]])
  })

  test('is written down once: the annotation of the answer spares it in the next turn', async () => {
    next({ text: 'Pull with care.', usage: USED }, { text: 'So.', usage: USED })
    const { message } = (await box.whole(asking(SCAN))).choices[0]!
    next({ text: 'Again.', usage: USED })
    const again = await box.whole({ model: 'acme/text', messages: [...asking(SCAN)['messages'], message, { role: 'user', content: 'And?' }] }, TOLD)
    assert.deepEqual(asked(), ['plain'])
    assert.ok(sentAt(0).includes('Pull with care.'))
    assert.deepEqual([noteOf(again)['data'].from_annotations, noteOf(again)['data'].recognised, noteOf(again)['cost_usd']], [1, undefined, undefined])
  })

  test('is written down by the next model where the first does not answer', async () => {
    next({ status: 500 }, { text: 'Pull.' }, { text: 'So.' })
    await box.whole(asking(SCAN))
    assert.deepEqual(asked(), ['reader', 'other', 'plain'])
  })

  test('that nobody writes down is an error at its place, paid by nobody, and the model is not asked', async () => {
    for (const [orders, status, why] of [
      [[{ status: 500 }, { status: 500 }], 503, /no model has answered that could read the pictures in olten\.pdf/],
      [[{ text: 'The first of ninety pa', finish: 'length', usage: USED }], 422, /more text in its pictures than acme\/reader writes down at once/],
      [[{ text: '(no text)', usage: USED }], 422, /no text that acme\/reader could read/],
      [[{ refusal: 'I would rather not.', usage: USED }], 422, /no text that acme\/reader could read/],
      [[{ text: 'x'.repeat(6000), usage: USED }], 422, /more than 5000 characters/],
    ] as const) {
      next(...orders)
      const { status: said, error, id } = await box.refused(asking(SCAN))
      assert.equal(said, status, error.message)
      assert.match(error.message, /^messages\[0\]\.content\[1\]: /)
      assert.match(error.message, why)
      assert.ok(!asked().includes('plain'))
      const record = await box.app.stats.find(id, 'default')
      assert.deepEqual([record!.cost, record!.absorbed], [0n, status === 503 ? 0n : 1_100_000n])
    }
  })

  test('is not recognised for a caller who names an engine of texts, nor on a server without a model for it', async () => {
    next()
    assert.match((await box.refused(asking(SCAN, { plugins: [{ id: 'file-parser', pdf: { engine: 'pdf-text' } }] }))).error.message, /no text that could be read/)
    const bare = await startSignalbox({ config: { ...providers, file_parser: { timeout_ms: 120_000 } } })
    assert.match((await bare.refused(asking(SCAN))).error.message, /no text that could be read/)
    assert.match((await bare.refused(asking(SCAN, OCR))).error.message, /^plugins\[0\]\.pdf\.engine: .*file_parser\.ocr_models/)
    assert.deepEqual(asked(), [])
  })
})

describe('A PDF with a text', () => {
  test('costs no model, unless the plugin asks for recognition by its name', async () => {
    next({ text: 'For Bern.' })
    await box.whole(asking(TEXT))
    assert.deepEqual(asked(), ['plain'])
    next({ text: 'The switch is set for Bern.' }, { text: 'For Bern.' })
    const reply = await box.whole(asking(TEXT, OCR), TOLD)
    assert.deepEqual(asked(), ['reader', 'plain'])
    assert.ok(sentAt(1).includes('The switch is set for Bern.') && !sentAt(1).includes('at Olten'))
    assert.equal(noteOf(reply)['data'].engine, 'mistral-ocr')
  })

  test('is planned without being written down', async () => {
    next()
    assert.equal((await box.explain(asking(SCAN, OCR))).candidates.length, 1)
    assert.deepEqual(asked(), [])
  })
})
