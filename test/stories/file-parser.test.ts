import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ConfigFile } from '../../src/config/index.ts'
import { createPdf } from '../../src/testing/index.ts'
import { providerAt, startSignalbox, startUpstream, together } from './signalbox.ts'

/** PDFs for models that take none: their text is put in their place, on whichever surface they come. */

const upstream = await startUpstream()
const config: ConfigFile = {
  ...together(
    providerAt('plain', `${upstream.url}/plain/v1`, { model: 'acme/text', row: { input_modalities: ['text'] } }),
    providerAt('reader', `${upstream.url}/reader`, { model: 'acme/files', dialect: 'anthropic-messages', row: { input_modalities: ['text', 'file'] } }),
  ),
  file_parser: { max_pages: 3, timeout_ms: 120_000 },
}
const box = await startSignalbox({ config })
// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>
const sent = (): string => JSON.stringify(upstream.requests.at(-1)!.body)
const PDF = createPdf(['The switch at Olten is set for Bern.', 'Second page.']).toString('base64')
const filePart = (base64 = PDF): Loose => ({ type: 'file', file: { filename: 'olten.pdf', file_data: `data:application/pdf;base64,${base64}` } })
const asking = (model: string, ...parts: readonly Loose[]): Loose => ({ model, messages: [{ role: 'user', content: [{ type: 'text', text: 'What does it say?' }, ...parts] }] })

describe('A PDF that is sent to a model that takes no files', () => {
  test('reaches it as text, is told to the caller as an annotation, and that annotation spares the second reading', async () => {
    const reply = await box.whole(asking('acme/text', filePart()), { 'x-openrouter-metadata': 'enabled' })
    assert.ok(sent().includes('The switch at Olten is set for Bern.') && sent().includes('Second page.') && !sent().includes(PDF))
    const { message } = reply.choices[0]!
    const [note] = message.annotations
    assert.deepEqual([note.type, note.file.name, /^[0-9a-f]{64}$/.test(note.file.hash)], ['file', 'olten.pdf', true])
    const pipeline = (of: Loose): Loose => of['openrouter_metadata'].pipeline.find((it: Loose) => it['name'] === 'file-parser').data
    assert.deepEqual([pipeline(reply)['parsed'], pipeline(reply)['pages']], [1, 2])

    const next = await box.whole({
      model: 'acme/text', messages: [...asking('', filePart())['messages'], message, { role: 'user', content: 'And now?' }],
    }, { 'x-openrouter-metadata': 'enabled' })
    assert.ok(sent().includes('The switch at Olten is set for Bern.'))
    assert.deepEqual([pipeline(next)['parsed'], pipeline(next)['from_annotations'], next.choices[0]!.message.annotations], [0, 1, undefined])
  })

  test('streamed, the annotation comes before the words', async () => {
    const text = await (await box.chat({ ...asking('acme/text', filePart()), stream: true })).text()
    assert.ok(text.indexOf('"annotations"') > 0 && text.indexOf('"annotations"') < text.indexOf('"content":"W'), text.slice(0, 2000))
    assert.ok(text.endsWith('data: [DONE]\n\n'))
  })

  test('does so on every surface that has files', async () => {
    const inline = `data:application/pdf;base64,${PDF}`
    for (const [path, body] of [
      ['/responses', { model: 'acme/text', input: [{ role: 'user', content: [{ type: 'input_file', filename: 'olten.pdf', file_data: inline }] }] }],
      ['/messages', { model: 'acme/text', max_tokens: 99, messages: [{ role: 'user', content: [{ type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: PDF } }] }] }],
      ['/models/acme/text:generateContent', { contents: [{ role: 'user', parts: [{ inlineData: { mimeType: 'application/pdf', data: PDF } }] }] }],
    ] as const) {
      for (const stream of path.startsWith('/models') ? [false] : [false, true]) {
        const response = await box.send('POST', `/api/v1${path}`, { body: stream ? { ...body, stream } : body })
        assert.equal(response.status, 200, `${path}: ${await response.clone().text()}`)
        await response.text()
        assert.ok(sent().includes('The switch at Olten is set for Bern.'), path)
      }
    }
  })

  test('that cannot be read is an error at its place, and no provider is asked', async () => {
    const before = upstream.requests.length
    const long = await box.refused(asking('acme/text', filePart(createPdf(['1', '2', '3', '4']).toString('base64'))))
    assert.deepEqual([long.status, /messages\[0\]\.content\[1\]: olten\.pdf has 4 pages; at most 3/.test(long.error.message)], [422, true])
    const empty = await box.refused(asking('acme/text', filePart(createPdf(['']).toString('base64'))))
    assert.match(empty.error.message, /no text that could be read/)
    const near = await box.refused(asking('acme/text', { type: 'file', file: { file_data: 'http://127.0.0.1:1/secret.pdf' } }))
    assert.deepEqual([near.status, /must be a public address/.test(near.error.message)], [400, true])
    const engine = await box.refused({ ...asking('acme/text', filePart()), plugins: [{ id: 'file-parser', pdf: { engine: 'mistral-ocr' } }] })
    assert.match(engine.error.message, /^plugins\[0\]\.pdf\.engine: /)
    assert.equal(upstream.requests.length, before)
  })

  test('is not lost when the call fails afterwards: the error carries what was read', async () => {
    upstream.next([{ status: 500 }, { status: 500 }, { status: 500 }])
    const { error } = await box.refused(asking('acme/text', filePart()))
    assert.equal(error.metadata['file_annotations'][0].file.name, 'olten.pdf')
    assert.ok(JSON.stringify(error.metadata['file_annotations']).includes('Olten'))
    upstream.forget()
  })

  test('can be planned without being read', async () => {
    const { candidates } = await box.explain(asking('acme/text', filePart()))
    assert.equal(candidates.length, 1)
  })
})

describe('A PDF that is sent to a model that takes files', () => {
  test('goes there as it is, and as text where the plugin says so', async () => {
    await box.whole(asking('acme/files', filePart()))
    assert.ok(sent().includes(PDF))
    await box.whole({ ...asking('acme/files', filePart()), plugins: [{ id: 'file-parser', pdf: { engine: 'pdf-text' } }] })
    assert.ok(!sent().includes(PDF) && sent().includes('The switch at Olten is set for Bern.'))
  })

  test('is refused where the plugin is switched off and nobody takes it', async () => {
    const { status } = await box.refused({ ...asking('acme/text', filePart()), plugins: [{ id: 'file-parser', enabled: false }] })
    assert.equal(status, 404)
  })
})
