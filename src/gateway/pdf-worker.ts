import { parentPort } from 'node:worker_threads'
import { getDocumentProxy } from 'unpdf'
import type { PdfJob, PdfText } from './pdf.ts'
import type { Numbered } from './thread.ts'

/** No script of a document is run, nothing that it names is fetched, and what is broken in it is passed over in silence. */
const QUIETLY = { isEvalSupported: false, enableXfa: false, disableFontFace: true, useSystemFonts: false, stopAtErrors: false, verbosity: 0 }

async function textOf({ bytes, maxPages, maxCharacters }: PdfJob): Promise<PdfText> {
  let pdf: Awaited<ReturnType<typeof getDocumentProxy>>
  try {
    pdf = await getDocumentProxy(bytes, QUIETLY)
  } catch (error) {
    return { failed: (error as Error).name === 'PasswordException' ? 'password' : 'broken' }
  }
  try {
    if (pdf.numPages > maxPages) return { failed: 'pages', pages: pdf.numPages }
    const pages: string[] = []
    let length = 0
    for (let number = 1; number <= pdf.numPages; number++) {
      const page = await pdf.getPage(number)
      const { items } = await page.getTextContent()
      let text = ''
      for (const item of items) if ('str' in item) text += item.hasEOL ? `${item.str}\n` : item.str
      page.cleanup()
      length += text.length
      if (length > maxCharacters) return { failed: 'characters', pages: pdf.numPages }
      pages.push(text.trim())
    }
    return { pages }
  } catch {
    return { failed: 'broken' }
  } finally {
    await pdf.loadingTask.destroy().catch(() => {})
  }
}

parentPort?.on('message', ({ id, of }: Numbered<PdfJob>) => {
  void textOf(of).then((text) => parentPort?.postMessage({ id, of: text } satisfies Numbered<PdfText>))
})
