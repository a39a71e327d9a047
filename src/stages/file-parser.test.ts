import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  Departure, fault, FaultError, type Annotation, type Asked, type ChatRequest, type Endpoint, type Message, type Offer, type Part, type StageCall,
} from '../core/index.ts'
import { fileParser, type FileParserBounds } from './index.ts'
import type { FileText } from './file-parser.ts'

const BOUNDS: FileParserBounds = { maxBytes: 1000, maxPages: 5, maxCharacters: 1000, timeoutMs: 1000, ocrModels: [] }
const base64 = (text: string): string => Buffer.from(`%PDF-${text}`).toString('base64')
const pdf = (text: string, name?: string): Part => ({ type: 'media', kind: 'file', source: { from: 'data', mime: 'application/pdf', base64: base64(text) }, ...(name && { name }) })
const user = (...parts: readonly Part[]): Message => ({ role: 'user', parts })

function call(messages: readonly Message[], given: { readonly plugin?: object; readonly takes?: readonly string[]; readonly spends?: boolean } = {}): StageCall {
  const request: ChatRequest = { messages, sampling: {}, extras: {} }
  const endpoint = { inputModalities: new Set(given.takes ?? ['text']) } as unknown as Endpoint
  const asked: Asked = {
    operation: { type: 'chat', request }, preferences: { models: ['m'] }, stream: false, ignored: [],
    plugins: given.plugin ? [{ id: 'file-parser', enabled: true, settings: {}, ...given.plugin }] : [],
  }
  return { asked, offers: [{ requested: 'm', variants: [], endpoints: [endpoint], model: {} as Offer['model'] }], ...(given.spends !== false && { departure: new Departure() }) }
}

interface Seen { readonly read: string[]; readonly fetched: string[] }
function stageWith(read: (text: string) => FileText = (text) => ({ pages: [text] })): Seen & { readonly stage: ReturnType<typeof fileParser> } {
  const seen: Seen = { read: [], fetched: [] }
  const stage = fileParser({
    bounds: () => BOUNDS,
    hash: async (bytes) => `hash of ${Buffer.from(bytes).toString()}`,
    read: async (bytes) => {
      const text = Buffer.from(bytes).toString().slice(5)
      seen.read.push(text)
      return read(text)
    },
    download: async (url, { field }) => {
      seen.fetched.push(url)
      if (url.includes('10.0.0.1')) throw new FaultError(fault('invalid-request', `${field} must be a public address`, { field }))
      return { bytes: Buffer.from('%PDF-from afar') }
    },
  })
  return { stage, ...seen }
}

async function passed(stage: ReturnType<typeof fileParser>, of: StageCall): Promise<{ readonly parts: readonly Part[]; readonly annotations: readonly Annotation[] }> {
  assert.equal(stage.wants(of), true)
  const result = await stage.request!(of)
  assert.ok('pass' in result, JSON.stringify(result))
  return { parts: result.pass.operation.request.messages.flatMap(({ parts }) => parts), annotations: result.annotations ?? [] }
}

async function refused(stage: ReturnType<typeof fileParser>, of: StageCall): Promise<string> {
  const result = await stage.request!(of)
  assert.ok('fault' in result)
  assert.equal(result.fault.field === undefined || result.fault.message.startsWith(result.fault.field), true)
  return `${result.fault.kind} ${result.fault.message}`
}

test('a PDF becomes its text, with its name, in its place', async () => {
  const { stage } = stageWith()
  const { parts, annotations } = await passed(stage, call([user({ type: 'text', text: 'Before' }, pdf('Said.', 'a"b.pdf'), { type: 'text', text: 'After' })]))
  assert.deepEqual(parts.map((part) => part.type === 'text' && part.text), ['Before', '<file name="a_b.pdf">\nSaid.\n</file>', 'After'])
  assert.deepEqual(annotations.map((it) => it.type === 'file' && [it.name, it.hash]), [['a"b.pdf', 'hash of %PDF-Said.']])
})

test('what comes back as an annotation is not read again, and neither is told again', async () => {
  const { stage, read } = stageWith()
  const first = await passed(stage, call([user(pdf('Said.'))]))
  const again: Message[] = [user(pdf('Said.')), { role: 'assistant', parts: [{ type: 'text', text: 'Yes.', annotations: first.annotations }] }, user(pdf('New.'))]
  const second = await passed(stage, call(again))
  assert.deepEqual(read, ['Said.', 'New.'])
  assert.deepEqual(second.parts[0], first.parts[0])
  assert.deepEqual(second.annotations.map((it) => it.type === 'file' && it.hash), ['hash of %PDF-New.'])
})

test('where an endpoint takes files they stay what they are, unless an engine is named', () => {
  const { stage } = stageWith()
  const files = [user(pdf('x'))]
  assert.equal(stage.wants(call(files, { takes: ['text', 'file'] })), false)
  assert.equal(stage.wants(call(files, { takes: ['text', 'file'], plugin: { settings: { pdf: { engine: 'cloudflare-ai' } } } })), true)
  assert.equal(stage.wants(call(files, { plugin: { settings: { pdf: { engine: 'native' } } } })), false)
  assert.equal(stage.wants(call(files, { plugin: { enabled: false } })), false)
  assert.equal(stage.wants(call([user({ type: 'media', kind: 'image', source: { from: 'url', url: 'https://a.b/c.png' } })])), false)
  assert.equal(stage.wants(call([user({ type: 'media', kind: 'file', source: { from: 'data', mime: 'text/plain', base64: 'aGk=' } })])), false)
})

test('an address is fetched under guard, and what guards it is told by the part', async () => {
  const { stage, fetched } = stageWith()
  const file = (url: string): Part => ({ type: 'media', kind: 'file', source: { from: 'url', url } })
  const { parts } = await passed(stage, call([user(file('https://example.com/reports/may.pdf?x=1'))]))
  assert.equal(parts[0]!.type === 'text' && parts[0]!.text, '<file name="may.pdf">\nfrom afar\n</file>')
  assert.match(await refused(stage, call([user({ type: 'text', text: 'x' }, file('http://10.0.0.1/a.pdf'))])), /^invalid-request messages\[0\]\.content\[1\] must be a public address/)
  assert.equal(fetched.length, 2)
})

test('a call that is only explained reads nothing, fetches nothing, and is planned as one of texts', async () => {
  const { stage, read, fetched } = stageWith()
  const { parts, annotations } = await passed(stage, call([user(pdf('x'), { type: 'media', kind: 'file', source: { from: 'url', url: 'https://a.b/c.pdf' } })], { spends: false }))
  assert.deepEqual([parts.map(({ type }) => type), annotations, read, fetched], [['text', 'text'], [], [], []])
})

test('a file in the result of a tool is read, too', async () => {
  const { stage } = stageWith()
  const { parts } = await passed(stage, call([{ role: 'tool', parts: [{ type: 'tool-result', callId: 'c', content: [pdf('Inside.')] }] }]))
  const [result] = parts
  assert.ok(result?.type === 'tool-result' && result.content[0]?.type === 'text' && result.content[0].text.includes('Inside.'))
})

test('a file that cannot be read is refused with its place, its name and the reason', async () => {
  const failing = (said: FileText) => refused(stageWith(() => said).stage, call([user(pdf('x', 'scan.pdf'))]))
  assert.match(await failing({ pages: ['', ''] }), /^unprocessable messages\[0\]\.content\[0\]: scan\.pdf has 2 pages and no text/)
  assert.match(await failing({ failed: 'password' }), /scan\.pdf is locked/)
  assert.match(await failing({ failed: 'broken' }), /scan\.pdf cannot be read/)
  assert.match(await failing({ failed: 'pages', pages: 9 }), /9 pages; at most 5/)
  assert.match(await failing({ failed: 'characters', pages: 1 }), /more than 1000 characters/)
  assert.match(await failing({ failed: 'time' }), /longer than 1000 ms/)
  assert.match(await failing({ failed: 'memory' }), /memory/)
  assert.match(await failing({ failed: 'busy' }), /^unavailable /)
  assert.match(await refused(stageWith().stage, call([user(pdf('x'.repeat(2000)))])), /^payload-too-large /)
  assert.match(await refused(stageWith().stage, call([user(...Array.from({ length: 21 }, () => pdf('x')))])), /at most 20 files/)
  const engine = (name: unknown) => refused(stageWith().stage, call([user(pdf('x'))], { plugin: { settings: { pdf: { engine: name } } } }))
  assert.match(await engine('mistral-ocr'), /^invalid-request plugins\[0\]\.pdf\.engine: recognising text/)
  assert.match(await engine('best'), /must be native, pdf-text, cloudflare-ai or mistral-ocr, is "best"/)
})
