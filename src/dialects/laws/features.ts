import type { ChatRequest, Message, Part, ToolResultPart } from '../../core/index.ts'

/**
 * What a wire format may lack, as the change that a request suffers on its way through it. A dialect names these in
 * its `cannot`; the laws make the change before they compare, so that everything else has to come back as it was.
 */
export const FEATURES: Readonly<Record<string, (request: ChatRequest) => ChatRequest>> = {
  'interleaved-parts': assistants((parts) => ORDER.flatMap((kind) => (kind === 'refusal' ? oneRefusal(parts) : parts.filter((part) => kindOf(part) === kind)))),
  'several-results': (request) => ({
    ...request,
    messages: request.messages.flatMap((message): Message[] => (message.role === 'tool' ? message.parts.map((part) => ({ ...message, parts: [part] })) : [message])),
  }),
  'text.seal': (request) => {
    const moved = assistants((parts) => {
      const seals = parts.flatMap((part): Part[] => (part.type === 'text' && part.seal ? [{ type: 'reasoning', text: '', seal: { ...part.seal, kind: 'encrypted' } }] : []))
      const after = parts.findLastIndex((part) => part.type === 'reasoning') + 1
      return [...parts.slice(0, after), ...seals, ...parts.slice(after)]
    })(request)
    return everyPart((part) => (part.type === 'text' ? [without(part, 'seal')] : [part]))(moved)
  },
  'media.seal': everyPart((part) => (part.type === 'media' ? [without(part, 'seal')] : [part])),
  'call.cache': everyPart((part) => (part.type === 'tool-call' ? [without(part, 'cache')] : [part])),
  'call.seal.signature': everyPart((part) => (part.type === 'tool-call' && part.seal ? [{ ...part, seal: { ...part.seal, kind: 'encrypted' } }] : [part])),
  'result.failed': results((part) => without(part, 'failed')),
  'result.media': mediaBehindResults,
  'native-parts': everyPart((part) => (part.type === 'native' ? [] : [part])),
  'text.annotations': (request) => {
    const told = everyPart((part) => (part.type === 'text' ? [without(part, 'annotations')] : [part]))(request)
    return {
      ...told,
      messages: told.messages.map((message, at) => {
        const notes = message.role === 'assistant' ? request.messages[at]!.parts.flatMap((part) => (part.type === 'text' ? part.annotations ?? [] : [])) : []
        const first = message.parts.findIndex((part) => part.type === 'text')
        return notes.length === 0 ? message : { ...message, parts: message.parts.map((part, i) => (i === first ? { ...part, annotations: notes } as Part : part)) }
      }),
    }
  },
  'assistant-media': assistants((parts) => parts.filter((part) => part.type !== 'media' || (part.kind === 'image' && part.source.from !== 'id'))),
  'media.id': everyPart((part) => (part.type === 'media' && part.source.from === 'id' && part.kind !== 'file' ? [] : [part])),
  'audio.mime': everyPart((part) => [part.type === 'media' && part.kind === 'audio' && part.source.from === 'data'
    ? { ...part, source: { ...part.source, mime: part.detail === 'mp3' ? 'audio/mpeg' : `audio/${part.detail}` } } : part]),
  'router-fields': ({ user: _, session: __, metadata: ___, serviceTier: ____, ...request }) => request,
  'empty-message': (request) => {
    const filled = results((part) => (part.content.length > 0 ? part : { ...part, content: [{ type: 'text', text: '' }] }))(request)
    return { ...filled, messages: filled.messages.map((message) => (message.parts.length > 0 ? message : { ...message, parts: [{ type: 'text', text: '' }] })) }
  },
}

/** A request after everything that the list says it loses, in the order of the table. Names are what stands before the colon. */
export function suffer(request: ChatRequest, cannot: readonly string[]): ChatRequest {
  const names = cannot.map((entry) => entry.split(':')[0]!)
  const unknown = names.find((name) => !(name in FEATURES))
  if (unknown !== undefined) throw new Error(`the laws do not know what "${unknown}" means`)
  return Object.keys(FEATURES).filter((name) => names.includes(name)).reduce((it, name) => FEATURES[name]!(it), request)
}

/** Media of results stands in a user message behind the last result of a run. */
function mediaBehindResults(request: ChatRequest): ChatRequest {
  const messages: Message[] = []
  let media: Part[] = []
  const flush = (): void => {
    if (media.length > 0) messages.push({ role: 'user', parts: media })
    media = []
  }
  for (const message of request.messages) {
    if (message.role !== 'tool') flush()
    media.push(...message.parts.flatMap((part) => (part.type === 'tool-result' ? part.content.filter((inner) => inner.type === 'media') : [])))
    messages.push({
      ...message,
      parts: message.parts.map((part) => (part.type === 'tool-result' ? { ...part, content: part.content.filter((inner) => inner.type !== 'media') } : part)),
    })
  }
  flush()
  return { ...request, messages }
}

const ORDER = ['reasoning', 'text', 'refusal', 'media', 'tool-call', 'native', 'tool-result'] as const
const kindOf = (part: Part) => part.type

function oneRefusal(parts: readonly Part[]): Part[] {
  const text = parts.map((part) => (part.type === 'refusal' ? part.text : '')).join('')
  return text === '' ? [] : [{ type: 'refusal', text }]
}

function assistants(change: (parts: readonly Part[]) => readonly Part[]): (request: ChatRequest) => ChatRequest {
  return (request) => ({
    ...request, messages: request.messages.map((message) => (message.role === 'assistant' ? { ...message, parts: change(message.parts) } : message)),
  })
}

function everyPart(change: (part: Part) => readonly Part[]): (request: ChatRequest) => ChatRequest {
  const within = (parts: readonly Part[]): Part[] => parts.flatMap(change)
    .map((part) => (part.type === 'tool-result' ? { ...part, content: within(part.content) } : part))
  return (request) => ({ ...request, messages: request.messages.map((message) => ({ ...message, parts: within(message.parts) })) })
}

function results(change: (part: ToolResultPart) => ToolResultPart): (request: ChatRequest) => ChatRequest {
  return everyPart((part) => [part.type === 'tool-result' ? change(part) : part])
}

function without<T extends object>(from: T, key: string): T {
  return Object.fromEntries(Object.entries(from).filter(([name]) => name !== key)) as T
}
