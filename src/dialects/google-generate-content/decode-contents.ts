import { fault, type Fault, type MediaKind, type Message, type Part, type ReasoningPart, type ToolCallPart } from '../../core/index.ts'
import { sealedBy } from './seal-out.ts'
import { DIALECT, isObject, listIn, textIn, type Loose } from './wire.ts'

type Read<T> = T | { readonly fault: Fault }

/** A call of the conversation that waits for its result. */
interface Waiting {
  readonly id: string
  readonly name: string
}

/**
 * Reads `systemInstruction` and `contents`. What a model said in several entries (each event of a stream is one in the
 * history of Google's own client) is one message, with its text joined again. Calls without an id get one by their place,
 * and a result without one answers the first call of its name that has none. Faults name the part.
 */
export function readConversation(body: Loose): Read<{ readonly messages: Message[] }> {
  const messages: Message[] = []
  const system = isObject(body['systemInstruction']) ? listIn(body['systemInstruction'], 'parts') : []
  const instructions = system.flatMap((part): Part[] => (typeof part['text'] === 'string' && part['text'] !== '' ? [{ type: 'text', text: part['text'] }] : []))
  if (instructions.length > 0) messages.push({ role: 'system', parts: instructions })

  let waiting: Waiting[] = []
  let said: Part[] | null = null
  let calls = 0
  for (const [at, content] of listIn(body, 'contents').entries()) {
    const field = `contents[${at}].parts`
    if (content['role'] === 'model') {
      if (!said) messages.push({ role: 'assistant', parts: said = [] })
      for (const [index, part] of listIn(content, 'parts').entries()) {
        const read = readModelPart(said, part, `${field}[${index}]`, () => `call_${calls++}`)
        if (read) return { fault: read }
      }
      waiting = said.flatMap((part) => (part.type === 'tool-call' ? [{ id: part.id, name: part.name }] : []))
      continue
    }
    said = null
    const results: Part[] = []
    const parts: Part[] = []
    for (const [index, part] of listIn(content, 'parts').entries()) {
      const response = part['functionResponse']
      if (isObject(response)) {
        const read = readResult(response, `${field}[${index}].functionResponse`, waiting)
        if ('fault' in read) return read
        results.push(read.part)
        waiting = waiting.filter((call) => call.id !== (read.part.type === 'tool-result' ? read.part.callId : ''))
        continue
      }
      const read = readPart(part, `${field}[${index}]`)
      if ('fault' in read) return read
      if (read.part) parts.push(read.part)
    }
    if (results.length > 0) messages.push({ role: 'tool', parts: results })
    if (parts.length > 0 || results.length === 0) messages.push({ role: content['role'] === 'system' ? 'system' : 'user', parts })
  }
  return { messages }
}

function readModelPart(said: Part[], part: Loose, field: string, makeId: () => string): Fault | null {
  const signature = textIn(part, 'thoughtSignature')
  const sealed = signature === undefined ? null : sealedBy(signature)
  const call = part['functionCall']
  if (isObject(call)) {
    said.push({
      type: 'tool-call', id: textIn(call, 'id') ?? makeId(), name: textIn(call, 'name')!, form: 'function', input: JSON.stringify(isObject(call['args']) ? call['args'] : {}),
      ...(sealed?.seal && { seal: sealed.seal }),
    } satisfies ToolCallPart)
    return null
  }
  if (typeof part['text'] === 'string') {
    if (part['thought'] === true) think(said, part['text'], sealed)
    else speak(said, part['text'], sealed)
    return null
  }
  const read = readPart(part, field)
  if ('fault' in read) return read.fault
  if (read.part) said.push(sealed?.seal ? { ...read.part, seal: sealed.seal } : read.part)
  return null
}

/** Text goes on where text was, until something else stands between or a seal closes it. */
function speak(said: Part[], text: string, sealed: ReturnType<typeof sealedBy> | null): void {
  const last = said.at(-1)
  const seal = sealed?.seal
  const goesOn = seal ? sealed?.ofText : true
  if (last?.type === 'text' && !last.seal && goesOn) said[said.length - 1] = { ...last, text: last.text + text, ...(seal && { seal }) }
  else if (text !== '' || seal) said.push({ type: 'text', text, ...(seal && { seal }) })
}

/** Thoughts go on where thoughts were; a seal that comes behind them is theirs. */
function think(said: Part[], text: string, sealed: ReturnType<typeof sealedBy> | null): void {
  const last = said.at(-1)
  const about: Partial<ReasoningPart> = sealed ? {
    ...(sealed.seal && { seal: sealed.seal }), ...(sealed.id !== undefined && { id: sealed.id }), ...(sealed.summary && { summary: true }),
    ...(!sealed.seal && sealed.format !== undefined && { format: sealed.format }),
  } : {}
  const whole = text + (sealed?.hidden ?? '')
  if (last?.type === 'reasoning' && !last.seal && last.id === undefined && last.format === undefined) said[said.length - 1] = { ...last, ...about, text: last.text + whole }
  else if (whole !== '' || sealed) said.push({ type: 'reasoning', text: whole, ...about })
}

function readPart(part: Loose, field: string): Read<{ readonly part: Part | null }> {
  if (typeof part['text'] === 'string') return { part: { type: 'text', text: part['text'] } }
  const { inlineData: blob, fileData: file } = part
  if (isObject(blob)) {
    const mime = textIn(blob, 'mimeType')!.toLowerCase()
    return { part: { type: 'media', kind: kindOf(mime), source: { from: 'data', mime, base64: textIn(blob, 'data')! }, ...nameOf(blob) } }
  }
  if (isObject(file)) {
    const uri = textIn(file, 'fileUri')!
    if (!/^(https?|gs):\/\//i.test(uri)) return bad(`${field}.fileData.fileUri`, `must be an http(s) or gs address, is ${JSON.stringify(uri.slice(0, 40))}`)
    return { part: { type: 'media', kind: kindOf(textIn(file, 'mimeType') ?? ''), source: { from: 'url', url: uri }, ...nameOf(file) } }
  }
  if (Object.keys(part).length === 0) return bad(field, 'is empty: it must have text, inlineData, fileData, functionCall or functionResponse')
  return { part: { type: 'native', dialect: DIALECT, value: part } }
}

const nameOf = (at: Loose): { readonly name?: string } => (textIn(at, 'displayName') === undefined ? {} : { name: textIn(at, 'displayName')! })

/** `output` and `error` are the words that Google's documents give for the one text of a result; anything else is its JSON. */
function readResult(response: Loose, field: string, waiting: readonly Waiting[]): Read<{ readonly part: Part }> {
  const name = textIn(response, 'name')!
  const callId = textIn(response, 'id') ?? waiting.find((call) => call.name === name)?.id ?? name
  const value = isObject(response['response']) ? response['response'] : {}
  const [key, ...others] = Object.keys(value)
  const plain = others.length === 0 && (key === 'output' || key === 'error' || key === 'result') ? value[key] : value
  const text = key === undefined ? '' : typeof plain === 'string' ? plain : JSON.stringify(plain)
  const content: Part[] = text === '' ? [] : [{ type: 'text', text }]
  for (const [at, inner] of listIn(response, 'parts').entries()) {
    const read = readPart(inner, `${field}.parts[${at}]`)
    if ('fault' in read) return read
    if (read.part) content.push(read.part)
  }
  return { part: { type: 'tool-result', callId, name, content, ...(key === 'error' && others.length === 0 && { failed: true }) } }
}

function kindOf(mime: string): MediaKind {
  const kind = mime.slice(0, mime.indexOf('/'))
  return kind === 'image' || kind === 'audio' || kind === 'video' ? kind : 'file'
}

const bad = (field: string, what: string): { readonly fault: Fault } => ({ fault: fault('invalid-request', `${field}: ${what}`, { field }) })
