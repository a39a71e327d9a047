import { deflateSync } from 'node:zlib'

/**
 * A PDF by hand: a page for each text, in Helvetica, a line for each of its lines. `stretch` puts so many megabytes of
 * blanks into the first page, which take next to nothing in the file. Letters of ASCII only.
 */
export function createPdf(pages: readonly string[], given: { readonly stretch?: number } = {}): Buffer {
  const objects: (string | Buffer)[] = ['', '<< /Type /Catalog /Pages 2 0 R >>', '', '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>']
  const kids: string[] = []
  for (const [at, text] of pages.entries()) {
    const lines = text.split('\n').map((line) => `(${line.replace(/[\\()]/g, '\\$&')}) Tj 0 -14 Td`)
    const said = text === '' ? '' : `BT /F1 12 Tf 50 750 Td ${lines.join(' ')} ET`
    const content = deflateSync(at === 0 && given.stretch ? Buffer.concat([Buffer.alloc(given.stretch * 2 ** 20, ' '), Buffer.from(said)]) : Buffer.from(said))
    const number = objects.length
    kids.push(`${number} 0 R`)
    objects.push(`<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /Contents ${number + 1} 0 R >>`)
    objects.push(Buffer.concat([Buffer.from(`<< /Length ${content.length} /Filter /FlateDecode >>\nstream\n`), content, Buffer.from('\nendstream')]))
  }
  objects[2] = `<< /Type /Pages /Kids [${kids.join(' ')}] /Count ${kids.length} >>`
  const pieces: Buffer[] = [Buffer.from('%PDF-1.4\n')]
  const places: number[] = []
  let length = pieces[0]!.length
  for (let number = 1; number < objects.length; number++) {
    places.push(length)
    const piece = Buffer.concat([Buffer.from(`${number} 0 obj\n`), Buffer.from(objects[number]!), Buffer.from('\nendobj\n')])
    pieces.push(piece)
    length += piece.length
  }
  pieces.push(Buffer.from(`xref\n0 ${objects.length}\n0000000000 65535 f \n${places.map((place) => `${String(place).padStart(10, '0')} 00000 n \n`).join('')}`
    + `trailer\n<< /Size ${objects.length} /Root 1 0 R >>\nstartxref\n${length}\n%%EOF\n`))
  return Buffer.concat(pieces)
}
