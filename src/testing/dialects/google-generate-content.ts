import { count, list, texts } from '../asked.ts'
import type { Asked, Loose, Media } from '../asked.ts'
import type { Frame } from '../frames.ts'
import { joined, wordsOf } from '../order.ts'
import type { Part, TokenLogprob, Usage } from '../order.ts'
import type { Reply } from '../reply.ts'
import type { FakeDialect, Incoming } from './dialect.ts'
import { GEMINI_SHAPES, partialArgs, reshapeGemini } from './google-generate-content-shapes.ts'

const PATH = /\/models\/(.+):(generateContent|streamGenerateContent)$/

/** Gemini's generateContent, on the Gemini API and Vertex. Streams are CRLF-framed SSE, or an array without `alt=sse`. */
export const googleGenerateContent: FakeDialect = {
  name: 'google-generate-content',
  path: PATH,
  shapes: Object.fromEntries(Object.entries(GEMINI_SHAPES).map(([name, shape]) => [name, shape.says])),
  eol: '\r\n',
  understand,
  whole: (reply, asked, shapes) => {
    const parts = [...reply.parts.flatMap((part) => partsOf(reply, part, shapes, false)), ...trailing(reply, shapes)]
    return reshapeGemini([answer(reply, asked, parts, true)], shapes)[0]
  },
  stream,
  error: (status, message, shapes) => {
    const body = { error: {
      code: status, message, status: ERROR_STATUS[status] ?? (status < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL'),
      details: []
    } }
    return shapes.has('error-array') ? [body] : body
  },
  headers: () => ({ server: 'scaffolding on HTTPServer2', vary: 'Origin' }),
  arrayStream: (query) => !new URLSearchParams(query).getAll('alt').includes('sse'),
}

const ERROR_STATUS: Record<number, string> = {
  401: 'UNAUTHENTICATED', 403: 'PERMISSION_DENIED', 404: 'NOT_FOUND', 408: 'CANCELLED', 429: 'RESOURCE_EXHAUSTED',
  503: 'UNAVAILABLE', 504: 'DEADLINE_EXCEEDED',
}
const FINISH: Record<string, string> = {
  stop: 'STOP', length: 'MAX_TOKENS', tool_calls: 'STOP', content_filter: 'SAFETY'
}

function understand({ path, body }: Incoming): Asked {
  const [, model = '', verb] = PATH.exec(path) ?? []
  const contents = list(body.contents)
  const config: Loose = body.generationConfig ?? {}
  const calling = body.toolConfig?.functionCallingConfig
  const thinking = config.thinkingConfig
  const effort = thinking?.thinkingLevel?.toLowerCase() ?? thinking?.thinkingBudget
  const named = texts(calling?.allowedFunctionNames)[0]
  return {
    dialect: 'google-generate-content',
    model: decodeURIComponent(model),
    stream: verb === 'streamGenerateContent',
    turns: [
      ...(body.systemInstruction ? [turnOf({ ...body.systemInstruction, role: 'system' })] : []),
      ...contents.map(turnOf)
    ],
    tools: list(body.tools).flatMap((tool) => list(tool.functionDeclarations))
      .map((tool) => ({ name: String(tool.name), schema: tool.parametersJsonSchema ?? tool.parameters })),
    choice: calling?.mode === 'NONE' ? 'none'
      : calling?.mode === 'ANY' ? (named ? { name: named } : 'required')
      : 'auto',
    format: config.responseMimeType === 'application/json'
      ? config.responseJsonSchema ?? config.responseSchema ?? true
      : undefined,
    effort: effort === undefined ? undefined : String(effort),
    showReasoning: thinking?.includeThoughts === true,
    stop: texts(config.stopSequences),
    maxTokens: count(config.maxOutputTokens),
    choices: count(config.candidateCount) ?? 1,
    logprobs: config.responseLogprobs === true,
    problem: problemOf(contents, thinking, body),
  }
}

function turnOf({ role, parts }: Loose) {
  const found = list(parts)
  const results = found.filter((part) => part.functionResponse)
  const text = found.filter((part) => !part.thought).map((part) => part.text ?? '').join('')
  return {
    role: results.length && !text ? 'tool' as const
      : role === 'model' ? 'assistant' as const
      : role === 'system' ? 'system' as const
      : 'user' as const,
    text: text || results.map((part) => responseText(part.functionResponse.response)).join('\n'),
    media: found.flatMap(partMedia),
  }
}

function responseText(response: unknown): string {
  const values = Object.values((response ?? {}) as Loose)
  return values.length === 1 && typeof values[0] === 'string' ? values[0] : JSON.stringify(response)
}

function partMedia({ inlineData, fileData }: Loose): Media[] {
  const mediaType = String((inlineData ?? fileData)?.mimeType ?? 'unknown')
  const family = mediaType.split('/')[0]!
  const kind = family === 'image' || family === 'audio' || family === 'video' ? family : 'file'
  if (inlineData) return [{ kind, mediaType, bytes: Buffer.byteLength(String(inlineData.data), 'base64') }]
  return fileData ? [{ kind, mediaType, url: String(fileData.fileUri) }] : []
}

function problemOf(contents: readonly Loose[], thinking: Loose | undefined, body: Loose): string | undefined {
  if (contents.length === 0) return '* GenerateContentRequest.contents: contents is not specified'
  if (thinking?.thinkingLevel !== undefined && thinking.thinkingBudget !== undefined) {
    return 'You can only set one of thinking budget and thinking level.'
  }
  const known = [
    'contents', 'systemInstruction', 'tools', 'toolConfig', 'safetySettings', 'cachedContent', 'generationConfig',
    'labels', 'serviceTier', 'model'
  ]
  const unknown = Object.keys(body).find((key) => !known.includes(key))
  if (unknown) return `Invalid JSON payload received. Unknown name "${unknown}": Cannot find field.`
  let open: string[] = []
  for (const [i, { role, parts }] of contents.entries()) {
    if (role !== undefined && role !== 'user' && role !== 'model') return 'Please use a valid role: user, model.'
    if (list(parts).length === 0) {
      return `* GenerateContentRequest.contents[${i}].parts: contents.parts must not be empty.`
    }
    const answers = list(parts).flatMap((part) => (part.functionResponse ? [String(part.functionResponse.name)] : []))
    if (answers.join() !== open.join()) {
      return 'Please ensure that the number of function response parts is equal to the number of function call parts.'
    }
    open = list(parts).flatMap((part) => (part.functionCall ? [String(part.functionCall.name)] : []))
  }
  return open.length > 0 ? 'Please ensure that function call turn comes with a function response turn.' : undefined
}

/** Each event is a whole response with its piece; finish and final counts come in the last one, with an empty text. */
function stream(reply: Reply, asked: Asked, shapes: ReadonlySet<string>): readonly Frame[] {
  const pieces = reply.parts.flatMap((part) => partsOf(reply, part, shapes, true))
  const called = reply.parts.some((part) => part.type === 'call')
  // An answer of calls finishes on the event of the last call; an answer of text on an empty text of its own.
  const end = trailing(reply, shapes)[0] ?? (pieces.length === 0 || called ? undefined : { text: '' })
  if (end) pieces.push(end)
  const responses = pieces.length === 0 ? [answer(reply, asked, [], true)]
    : pieces.map((piece, i) => answer(reply, asked, [piece], i === pieces.length - 1))
  return reshapeGemini(responses, shapes).map((data) => ({
    data, piece: Boolean(data.candidates?.[0]?.content?.parts?.[0]?.text)
  }))
}

function answer(reply: Reply, asked: Asked, parts: readonly Loose[], last: boolean): Loose {
  const content = parts.length > 0 ? { parts, role: 'model' } : { role: 'model' }
  const found = last && reply.logprobs
  const candidates = Array.from({ length: asked.choices }, (_, index) => ({
    content, ...(last ? { finishReason: FINISH[reply.finish] ?? reply.finish } : {}), index,
    ...(found ? { avgLogprobs: found.reduce((sum, it) => sum + it.logprob, 0) / (found.length || 1),
      logprobsResult: { chosenCandidates: found.map(chosenOf) } } : {}),
    ...(last ? grounding(reply.parts) : {}),
  }))
  return {
    candidates, ...(reply.usage ? { usageMetadata: usageOf(reply.usage, last) } : {}),
    modelVersion: reply.model, responseId: `fake${reply.serial}`,
  }
}

const chosenOf = ({ token, logprob }: TokenLogprob) => ({ token, tokenId: token.length, logProbability: logprob })

/** Signatures ride on the part after the thought: the first call, or the text. Google never signs the thought. */
function partsOf(reply: Reply, part: Part, shapes: ReadonlySet<string>, streamed: boolean): Loose[] {
  const pieces = (text: Extract<Part, { type: 'text' }>['text']) => (streamed ? wordsOf(text) : [joined(text)])
  const signature = signatureFor(reply, part, shapes)
  const signed = signature === undefined ? {} : { thoughtSignature: signature }
  if (part.type === 'reasoning') {
    return joined(part.text) ? pieces(part.text).map((text) => ({ text, thought: true })) : []
  }
  if (part.type === 'text' || part.type === 'refusal') {
    return pieces(part.text).map((text, i) => ({ text, ...(i === 0 ? signed : {}) }))
  }
  if (part.type === 'image') return [{ inlineData: { mimeType: part.mediaType, data: part.data }, ...signed }]
  if (part.type === 'audio') return [{ inlineData: { mimeType: `audio/${part.format}`, data: part.data }, ...signed }]
  if (part.type !== 'call') return []
  const args = parsed(joined(part.arguments ?? ''))
  const id = part.id ?? (shapes.has('call-ids') ? `fc_fake${reply.serial}x${reply.parts.indexOf(part)}` : undefined)
  const head = { name: part.name, ...(id === undefined ? {} : { id }) }
  if (streamed && (shapes.has('partial-args') || shapes.has('partial-args-unterminated'))) {
    return partialArgs(
      head, args, !shapes.has('partial-args-unterminated')
    ).map((functionCall, i) => ({ functionCall, ...(i === 0 ? signed : {}) }))
  }
  return [{ functionCall: Object.keys(args).length > 0 ? { ...head, args } : head, ...signed }]
}

function signatureFor(reply: Reply, part: Part, shapes: ReadonlySet<string>): string | undefined {
  const thought = reply.parts.find((it) => it.type === 'reasoning')
  if (!thought?.signature || shapes.has('trailing-signature')) return undefined
  const bearer = reply.parts.find((it) => it.type === 'call')
    ?? reply.parts.find((it) => it.type !== 'reasoning' && it.type !== 'sealed')
  return part === bearer ? thought.signature : undefined
}

function trailing(reply: Reply, shapes: ReadonlySet<string>): Loose[] {
  const signature = reply.parts.find((part) => part.type === 'reasoning')?.signature
  return signature !== undefined && shapes.has('trailing-signature') ? [{ text: '', thoughtSignature: signature }] : []
}

function grounding(parts: readonly Part[]): Loose {
  const citations = parts.flatMap((part) => (part.type === 'text' ? part.citations ?? [] : []))
  if (citations.length === 0) return {}
  const text = parts.map((part) => (part.type === 'text' ? joined(part.text) : '')).join('')
  const bytes = (at: number) => Buffer.byteLength(text.slice(0, at))
  return {
    groundingMetadata: {
      groundingChunks: citations.map(({ url, title = '' }) => ({ web: { uri: url, title } })),
      groundingSupports: citations.map(({ start = 0, end = text.length }, i) => ({
        // Byte offsets into the UTF-8 text, as Google counts; a zero is left out.
        segment: {
          ...(start ? { startIndex: bytes(start) } : {}), endIndex: bytes(end), text: text.slice(start, end)
        }, groundingChunkIndices: [i],
      })),
    },
  }
}

const parsed = (text: string): Loose => { try { return JSON.parse(text || '{}') ?? {} } catch { return {} } }

/** Google's candidates leave the thoughts out; prompt counts contain the cached ones. */
function usageOf({ input, output, cacheRead, reasoning = 0 }: Usage, last: boolean): Loose {
  const candidates = last ? { candidatesTokenCount: output - reasoning } : {}
  return {
    promptTokenCount: input, ...candidates, totalTokenCount: input + (last ? output : reasoning),
    ...(cacheRead ? { cachedContentTokenCount: cacheRead } : {}),
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: input }], ...(
      reasoning ? { thoughtsTokenCount: reasoning } : {}
    ),
  }
}
