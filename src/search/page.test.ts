import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Departure, fault, FaultError } from '../core/index.ts'
import { createPageReader, type PageReaderGiven } from './page.ts'

type Got = Awaited<ReturnType<PageReaderGiven['download']>>

const reading = (got: Partial<Got> & { readonly body: Uint8Array | string }, pdf: PageReaderGiven['pdf'] = () => Promise.reject(new Error('no PDF'))) => {
  const { body, ...rest } = got
  const reader = createPageReader({
    bounds: () => ({ maxBytes: 100, timeoutMs: 100 }), pdf,
    download: () => Promise.resolve({ mime: 'text/html', bytes: Buffer.from(body as string), ...rest }),
  })
  return reader('https://a.example/', { permits: () => true }, new Departure())
}

describe('What is at an address', () => {
  test('is read in the encoding that its answer names, or the page itself, and in UTF-8 where that is unknown', async () => {
    const umlaut = Buffer.from([0xfc])
    const page = (charset: string): Buffer => Buffer.concat([Buffer.from(`<head><meta charset="${charset}"></head><p>gr`), umlaut, Buffer.from('n')])
    assert.equal((await reading({ body: page(''), charset: 'iso-8859-1' })).text, 'grün')
    assert.equal((await reading({ body: page('windows-1252') })).text, 'grün')
    assert.equal((await reading({ body: page('klingon') })).text, 'gr\ufffdn')
    assert.equal((await reading({ mime: 'text/plain', body: 'grün <p>' })).text, 'grün <p>', 'what is no page has no mark-up')
  })

  test('is named by where redirects have led', async () => {
    assert.equal((await reading({ body: '<p>x', url: 'https://b.example/there' })).url, 'https://b.example/there')
    assert.equal((await reading({ body: '<p>x' })).url, 'https://a.example/')
  })

  test('is the text of its pages where it is a PDF, or why it has none', async () => {
    assert.equal((await reading({ mime: 'application/pdf', body: '%PDF' }, async () => ({ pages: ['one', 'two'] }))).text, 'one\n\ntwo')
    await assert.rejects(reading({ mime: 'application/pdf', body: '%PDF' }, async () => ({ failed: 'password' })), /the page is a PDF that could not be read \(password\)/)
  })

  test('is told why it cannot be had, in a sentence about the page', async () => {
    const reader = createPageReader({
      bounds: () => ({ maxBytes: 1, timeoutMs: 1 }), pdf: () => Promise.reject(new Error()), download: () => Promise.reject(new FaultError(fault('invalid-request', 'answered 404'))),
    })
    await assert.rejects(reader('https://a.example/', { permits: () => true }, new Departure()), { message: 'the page answered 404' })
  })
})
