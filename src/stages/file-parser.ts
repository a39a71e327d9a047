import {
  fault, FaultError, rewrite,
  type Annotation, type ChatRequest, type Fault, type FileNote, type JsonObject, type MediaPart, type Message, type Part, type Stage, type StageCall,
} from '../core/index.ts'

/** What a PDF says, by pages; or why that cannot be known. */
export type FileText =
  | { readonly pages: readonly string[] }
  | { readonly failed: 'password' | 'broken' | 'time' | 'memory' | 'busy' }
  | { readonly failed: 'pages' | 'characters'; readonly pages: number }

export interface FileParserBounds {
  readonly maxBytes: number
  readonly maxPages: number
  readonly maxCharacters: number
  readonly timeoutMs: number
}

export interface FileParserGiven {
  readonly bounds: () => FileParserBounds
  readonly read: (bytes: Uint8Array, bounds: FileParserBounds) => Promise<FileText>
  /** Fetches what callers name, under guard; rejects with a FaultError. */
  readonly download: (url: string, bounds: { readonly maxBytes: number; readonly timeoutMs: number; readonly types: RegExp; readonly field: string }) =>
    Promise<{ readonly bytes: Uint8Array }>
  /** SHA-256, hex. */
  readonly hash: (bytes: Uint8Array) => Promise<string>
}

const ID = 'file-parser'
/** OpenRouter's names of what reads the text of a PDF; both are our own reader. */
const TEXT_ENGINES: ReadonlySet<unknown> = new Set(['pdf-text', 'cloudflare-ai'])
const PDF_TYPES = /^application\/(?:x-)?(?:pdf|octet-stream)$/
/** `%PDF-` as base64 begins with it. */
const PDF_START = 'JVBERi'
const MAX_FILES = 20
const DOWNLOAD_MS = 10_000

/**
 * `file-parser`: PDFs become text for models that take no files. Where an endpoint of the request takes files, it reads them
 * itself unless the plugin names an engine. What was read goes back with the answer as a `file` annotation; a caller
 * who sends that again has it put in the place of the file, which is not read twice.
 */
export function fileParser(given: FileParserGiven): Stage {
  return {
    name: ID,
    wants: (call) => reads(call) && call.asked.operation.request.messages.some(({ parts }) => parts.some(isPdfSomewhere)),
    async request(call) {
      const { asked, departure } = call
      const refused = engineFault(call)
      if (refused) return { fault: refused }
      const { request } = asked.operation
      const reading = new Reading(given, notesIn(request))
      try {
        const messages = departure ? await reading.messages(request.messages, () => departure.gone) : foretold(request.messages)
        return {
          pass: { ...asked, operation: { type: 'chat', request: rewrite(request, { messages }) } },
          note: { type: 'plugin', name: ID, ...(departure ? reading.told() : { summary: 'the text of PDFs would be read' }) },
          annotations: reading.annotations,
        }
      } catch (error) {
        if (error instanceof FaultError) return { fault: error.fault }
        throw error
      }
    },
  }
}

function engineOf({ asked: { plugins } }: StageCall): { readonly engine: unknown; readonly at: number; readonly enabled: boolean } {
  const at = plugins.findIndex(({ id }) => id === ID)
  const plugin = plugins[at]
  const pdf = plugin?.settings['pdf'] as JsonObject | null | undefined
  return { engine: typeof pdf === 'object' && pdf !== null ? pdf['engine'] ?? null : null, at, enabled: plugin?.enabled ?? true }
}

/** Without an engine that is named, files stay what they are wherever an endpoint takes them. */
function reads(call: StageCall): boolean {
  const { engine, enabled } = engineOf(call)
  if (!enabled || engine === 'native') return false
  return engine !== null || !call.offers.some(({ endpoints }) => endpoints.some(({ inputModalities }) => inputModalities.has('file')))
}

function engineFault(call: StageCall): Fault | null {
  const { engine, at } = engineOf(call)
  if (engine === null || TEXT_ENGINES.has(engine)) return null
  const field = `plugins[${at}].pdf.engine`
  const what = engine === 'mistral-ocr'
    ? 'recognising text in pictures is not available here; pdf-text reads the text of a PDF, and native leaves it to a model that takes files'
    : `must be native, pdf-text or cloudflare-ai, is ${JSON.stringify(engine).slice(0, 60)}`
  return fault('invalid-request', `${field}: ${what}`, { field })
}

function isPdfSomewhere(part: Part): boolean {
  return part.type === 'tool-result' ? part.content.some(isPdfSomewhere) : isPdf(part)
}

/** What an address leads to is not known before it was fetched: any file that is named by one is taken for a PDF. */
function isPdf(part: Part): part is MediaPart {
  if (part.type !== 'media' || part.kind !== 'file' || part.source.from === 'id') return false
  return part.source.from === 'url' || part.source.mime === 'application/pdf' || part.source.base64.startsWith(PDF_START)
}

/** What earlier turns had read, by the hash of the file. */
function notesIn({ messages }: ChatRequest): ReadonlyMap<string, FileNote> {
  const notes = new Map<string, FileNote>()
  for (const { parts } of messages) {
    for (const part of parts) {
      if (part.type === 'text') for (const note of part.annotations ?? []) if (note.type === 'file') notes.set(note.hash, note)
    }
  }
  return notes
}

/** The request as a plan sees it: with texts in the place of files, which nobody has read yet. */
function foretold(messages: readonly Message[]): readonly Message[] {
  const part = (of: Part): Part => {
    if (of.type === 'tool-result') return { ...of, content: of.content.map(part) }
    return isPdf(of) ? { type: 'text', text: wrapped(of.name ?? 'document.pdf', '') } : of
  }
  return messages.map((message) => ({ ...message, parts: message.parts.map(part) }))
}

/** The files of one request, one after the other. */
class Reading {
  readonly annotations: Annotation[] = []
  readonly #given: FileParserGiven
  readonly #known: ReadonlyMap<string, FileNote>
  #files = 0
  #pages = 0
  #again = 0

  constructor(given: FileParserGiven, known: ReadonlyMap<string, FileNote>) {
    this.#given = given
    this.#known = known
  }

  told(): { readonly summary: string; readonly data: JsonObject } {
    const { length } = this.annotations
    const read = `${length} of ${this.#files} ${this.#files === 1 ? 'file' : 'files'} read, ${this.#pages} pages`
    return {
      summary: this.#again === 0 ? read : `${read}; ${this.#again} known from an annotation`,
      data: { engine: 'pdf-text', files: this.#files, parsed: length, pages: this.#pages, from_annotations: this.#again },
    }
  }

  async messages(messages: readonly Message[], gone: () => boolean): Promise<readonly Message[]> {
    const read: Message[] = []
    for (const [at, message] of messages.entries()) {
      read.push(message.parts.some(isPdfSomewhere) ? { ...message, parts: await this.#parts(message.parts, `messages[${at}].content`, gone) } : message)
    }
    return read
  }

  async #parts(parts: readonly Part[], path: string, gone: () => boolean): Promise<readonly Part[]> {
    const read: Part[] = []
    for (const [at, part] of parts.entries()) {
      if (gone()) throw new FaultError(fault('cancelled', 'The caller left'))
      if (part.type === 'tool-result') read.push({ ...part, content: await this.#parts(part.content, path, gone) })
      else if (isPdf(part)) read.push(...await this.#file(part, `${path}[${at}]`))
      else read.push(part)
    }
    return read
  }

  async #file(part: MediaPart, field: string): Promise<readonly Part[]> {
    if (++this.#files > MAX_FILES) throw new FaultError(fault('invalid-request', `${field}: a request has at most ${MAX_FILES} files that are read here`, { field }))
    const bounds = this.#given.bounds()
    const bytes = await this.#bytes(part, field, bounds)
    const hash = await this.#given.hash(bytes)
    const known = this.#known.get(hash)
    if (known) {
      this.#again++
      return contentOf(known)
    }
    const name = part.name ?? nameIn(part) ?? 'document.pdf'
    const said = await this.#given.read(bytes, bounds)
    if ('failed' in said) throw new FaultError(failure(said, name, field, bounds))
    if (said.pages.every((page) => page === '')) {
      throw new FaultError(fault('unprocessable', `${field}: ${name} has ${said.pages.length} pages and no text that could be read: pictures of text are not recognised here. `
        + 'A model that takes files reads it itself', { field }))
    }
    this.#pages += said.pages.length
    const note: FileNote = {
      type: 'file', hash, name,
      content: [`<file name="${plain(name)}">`, said.pages.join('\n\n'), '</file>'].map((text) => ({ type: 'text', text })),
    }
    this.annotations.push(note)
    return contentOf(note)
  }

  async #bytes({ source }: MediaPart, field: string, { maxBytes }: FileParserBounds): Promise<Uint8Array> {
    if (source.from === 'url') {
      return (await this.#given.download(source.url, { maxBytes, timeoutMs: DOWNLOAD_MS, types: PDF_TYPES, field })).bytes
    }
    if (source.from !== 'data') throw new FaultError(fault('internal', 'A file without bytes was to be read'))
    if (source.base64.length * 3 / 4 > maxBytes + 2) {
      throw new FaultError(fault('payload-too-large', `${field}: must have at most ${maxBytes} bytes to be read here, has ${Math.floor(source.base64.length * 3 / 4)}`, { field }))
    }
    return Buffer.from(source.base64, 'base64')
  }
}

function failure(of: Extract<FileText, { failed: unknown }>, name: string, field: string, { maxPages, maxCharacters, timeoutMs }: FileParserBounds): Fault {
  switch (of.failed) {
    case 'password': return fault('unprocessable', `${field}: ${name} is locked by a password`, { field })
    case 'broken': return fault('unprocessable', `${field}: ${name} cannot be read as a PDF`, { field })
    case 'pages': return fault('unprocessable', `${field}: ${name} has ${of.pages} pages; at most ${maxPages} are read here`, { field })
    case 'characters': return fault('unprocessable', `${field}: ${name} has more than ${maxCharacters} characters, which is as much as is read here`, { field })
    case 'time': return fault('unprocessable', `${field}: ${name} took longer than ${timeoutMs} ms to read`, { field })
    case 'memory': return fault('unprocessable', `${field}: ${name} takes more memory to read than a document may`, { field })
    case 'busy': return fault('unavailable', 'Too many files are being read at the moment: try again', { retryAfterMs: 1000 })
  }
}

/** The last piece of an address. */
function nameIn({ source }: MediaPart): string | undefined {
  if (source.from !== 'url') return undefined
  const last = /([^/?#]+)(?:[?#]|$)/.exec(source.url.replace(/^https?:\/\/[^/?#]*/i, ''))?.[1]
  return last?.slice(0, 200)
}

/** A name cannot end the mark that it stands in. */
const plain = (name: string): string => name.replace(/["<>\n\r]/g, '_').slice(0, 200)
const wrapped = (name: string, text: string): string => `<file name="${plain(name)}">\n${text}\n</file>`

/** What was read of a file as parts: texts as one, and the pictures that another reader found in it. */
function contentOf({ content }: FileNote): readonly Part[] {
  const parts: Part[] = []
  const texts: string[] = []
  for (const item of content as readonly JsonObject[]) {
    if (typeof item?.['text'] === 'string') texts.push(item['text'])
    const image = item?.['image_url'] as JsonObject | undefined
    const url = typeof image?.['url'] === 'string' ? image['url'] : ''
    const data = /^data:(image\/[\w.+-]+);base64,/.exec(url.slice(0, 100))
    if (data) parts.push({ type: 'media', kind: 'image', source: { from: 'data', mime: data[1]!, base64: url.slice(data[0].length) } })
    else if (/^https?:\/\//.test(url)) parts.push({ type: 'media', kind: 'image', source: { from: 'url', url } })
  }
  return [{ type: 'text', text: texts.join('\n') }, ...parts]
}
