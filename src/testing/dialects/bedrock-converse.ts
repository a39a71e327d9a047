import { count, list, texts } from '../asked.ts'
import type { Asked, Loose, Media, Turn } from '../asked.ts'
import { awsFrames } from '../frames.ts'
import type { Frame } from '../frames.ts'
import { fragmentsOf, joined, wordsOf } from '../order.ts'
import type { Call, Part, Usage } from '../order.ts'
import type { Reply } from '../reply.ts'
import type { FakeDialect, Incoming } from './dialect.ts'

/** What readers of this dialect meet besides the manual. */
export const CONVERSE_SHAPES = {
  'metadata-first': 'the usage comes before the stop',
  'no-message-start': 'there is no messageStart',
  'exception-first': 'a throttling exception as the first frame, with status 200',
  'exception-frame': 'an exception of the model where the end was due, with status 200',
  'capital-message': 'the text of an error is in "Message"',
} as const
export type ConverseShape = keyof typeof CONVERSE_SHAPES

const PATH = /\/model\/([^/]+)\/(converse|converse-stream)$/

/** AWS Bedrock's Converse: binary frames, results inside the user's messages, the cache outside the input. */
export const bedrockConverse: FakeDialect = {
  name: 'bedrock-converse',
  path: PATH,
  shapes: CONVERSE_SHAPES,
  eol: '\n',
  understand,
  whole,
  stream,
  error: (_, message, shapes) => (shapes.has('capital-message') ? { Message: message } : { message }),
  headers: () => ({ 'x-amzn-requestid': '00000000-0000-4000-8000-000000000000' }),
  errorHeaders: (status) => ({ 'x-amzn-errortype': `${EXCEPTIONS[status] ?? (status < 500 ? 'ValidationException' : 'InternalServerException')}:http://internal.amazon.com/coral/` }),
  framing: { type: 'application/vnd.amazon.eventstream', write: awsFrames },
}

const EXCEPTIONS: Record<number, string> = {
  403: 'AccessDeniedException', 404: 'ResourceNotFoundException', 408: 'ModelTimeoutException', 424: 'ModelErrorException', 429: 'ThrottlingException',
  503: 'ServiceUnavailableException',
}
const FINISH: Record<string, string> = { stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use', content_filter: 'content_filtered' }

function understand({ path, body }: Incoming): Asked {
  const [, model = '', verb] = PATH.exec(path) ?? []
  const messages = list(body.messages)
  const system = list(body.system)
  const config: Loose = body.inferenceConfig ?? {}
  const extra: Loose = body.additionalModelRequestFields ?? {}
  const choice = body.toolConfig?.toolChoice
  const schema = body.outputConfig?.textFormat?.structure?.jsonSchema?.schema
  const effort = extra.thinking?.budget_tokens ?? extra.output_config?.effort ?? extra.reasoning_effort ?? extra.reasoningConfig?.maxReasoningEffort
  return {
    dialect: 'bedrock-converse',
    model: decodeURIComponent(model),
    stream: verb === 'converse-stream',
    turns: [...(system.length ? [turnOf({ role: 'system', content: system })] : []), ...messages.map(turnOf)],
    tools: list(body.toolConfig?.tools).flatMap(({ toolSpec }) => (toolSpec ? [{ name: String(toolSpec.name), schema: toolSpec.inputSchema?.json }] : [])),
    choice: choice?.any ? 'required' : choice?.tool ? { name: String(choice.tool.name) } : 'auto',
    format: typeof schema === 'string' ? JSON.parse(schema) : undefined,
    effort: effort === undefined ? undefined : String(effort),
    showReasoning: extra.thinking?.type === 'enabled' || extra.thinking?.type === 'adaptive',
    stop: texts(config.stopSequences),
    maxTokens: count(config.maxTokens),
    choices: 1,
    logprobs: false,
    problem: problemOf(body, messages),
  }
}

function turnOf({ role, content }: Loose): Turn {
  const blocks = list(content)
  const results = blocks.flatMap((block) => (block.toolResult ? [block.toolResult as Loose] : []))
  const text = blocks.map((block) => block.text ?? '').join('')
  const said = results.map((result) => list(result.content).map((part) => part.text ?? JSON.stringify(part.json ?? '')).join('')).join('\n')
  return {
    role: role === 'user' && results.length > 0 && !text ? 'tool' : role, text: text || said,
    media: [...blocks, ...results.flatMap((result) => list(result.content))].flatMap(mediaIn),
  }
}

function mediaIn({ image, video, document }: Loose): Media[] {
  const of = (kind: Media['kind'], prefix: string, it: Loose): Media =>
    ({ kind, mediaType: `${prefix}/${it.format}`, bytes: Buffer.byteLength(String(it.source?.bytes ?? ''), 'base64') })
  return [...(image ? [of('image', 'image', image)] : []), ...(video ? [of('video', 'video', video)] : []), ...(document ? [of('file', 'application', document)] : [])]
}

const FIELDS = new Set([
  'messages', 'system', 'inferenceConfig', 'toolConfig', 'guardrailConfig', 'additionalModelRequestFields', 'promptVariables',
  'additionalModelResponseFieldPaths', 'requestMetadata', 'performanceConfig', 'serviceTier', 'outputConfig',
])

/** What Bedrock refuses, which is more than anybody else does. */
function problemOf(body: Loose, messages: readonly Loose[]): string | undefined {
  const unknown = Object.keys(body).find((key) => !FIELDS.has(key))
  if (unknown) return `Malformed input request: extraneous key [${unknown}] is not permitted, please reformat your input and try again.`
  let usesTools = false
  let open: string[] = []
  for (const [i, { role, content }] of messages.entries()) {
    if (role !== 'user' && role !== 'assistant') return `Value '${role}' at 'messages.${i + 1}.member.role' failed to satisfy constraint: Member must satisfy enum value set: [user, assistant]`
    if (i === 0 && role !== 'user') return 'A conversation must start with a user message. Try again with a conversation that starts with a user message.'
    if (i > 0 && messages[i - 1]!.role === role) return 'A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and assistant roles and try again.'
    const blocks = list(content)
    if (blocks.length === 0) return `The content field in the Message object at messages.${i} is empty. Add a ContentBlock object to the content field and try again.`
    for (const [k, block] of blocks.entries()) {
      if (typeof block.text === 'string' && block.text.trim() === '') return `The text field in the ContentBlock object at messages.${i}.content.${k} is blank. Add text to the text field, and try again.`
      if (block.toolUse && typeof block.toolUse.input !== 'object') return 'The format of the value at toolUse.input is invalid. Provide a json object for the field and try again.'
      if (block.toolUse && !/^[a-zA-Z0-9_-]{1,64}$/.test(block.toolUse.name)) return `Value '${block.toolUse.name}' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+`
      if (block.toolResult?.status === 'error' && list(block.toolResult.content).some((part) => part.text?.trim() === '')) return `The text field in the ToolResultContentBlock object at messages.${i}.content.${k} is blank.`
      usesTools ||= Boolean(block.toolUse ?? block.toolResult)
    }
    if (blocks.some((block) => block.document) && !blocks.some((block) => typeof block.text === 'string')) return 'Add text to the text field in the ContentBlock object beside the document, and try again.'
    const answers = blocks.flatMap((block) => (block.toolResult ? [String(block.toolResult.toolUseId)] : []))
    if (open.some((id) => !answers.includes(id))) return `Expected toolResult blocks at messages.${i}.content for the following Ids: ${open.join(', ')}`
    open = blocks.flatMap((block) => (block.toolUse ? [String(block.toolUse.toolUseId)] : []))
  }
  const tools = body.toolConfig?.tools
  if (usesTools && !tools) return 'The toolConfig field must be defined when using toolUse and toolResult content blocks.'
  if (tools && list(tools).length === 0) return "The provided request is not valid: 'toolConfig.tools' must have length greater than or equal to 1"
  return messages.length === 0 ? 'Malformed input request: messages: at least one message is required' : undefined
}

const idOf = (reply: Reply, k: number, call: Call) => call.id ?? `tooluse_fake${reply.serial}x${k}`

function whole(reply: Reply): unknown {
  let calls = 0
  const content = reply.parts.flatMap((part): Loose[] => {
    switch (part.type) {
      case 'reasoning': return [{ reasoningContent: { reasoningText: { text: joined(part.text), ...(part.signature ? { signature: part.signature } : {}) } } }]
      case 'sealed': return [{ reasoningContent: { redactedContent: part.data } }]
      case 'call': return [{ toolUse: { toolUseId: idOf(reply, calls++, part), name: part.name, input: parsed(joined(part.arguments ?? '')) } }]
      case 'text': return part.citations?.length
        ? [{ citationsContent: { content: [{ text: joined(part.text) }], citations: part.citations.map(({ url, title }) => ({ title, location: { web: { url } } })) } }]
        : [{ text: joined(part.text) }]
      case 'refusal': return [{ text: joined(part.text) }]
      default: return []
    }
  })
  return {
    output: { message: { role: 'assistant', content } }, stopReason: FINISH[reply.finish] ?? reply.finish,
    ...(reply.usage ? { usage: usageOf(reply.usage) } : {}), metrics: { latencyMs: 1 },
  }
}

const parsed = (text: string): Loose => { try { return JSON.parse(text || '{}') ?? {} } catch { return {} } }

function stream(reply: Reply, _: Asked, shapes: ReadonlySet<string>): readonly Frame[] {
  if (shapes.has('exception-first')) return [{ event: 'exception:throttlingException', data: { message: 'Too many requests, please wait before trying again.' } }]
  const frames: Frame[] = []
  const push = (event: string, data: Loose, piece = false) => { frames.push({ event, data: { ...data, p: 'abcdefghijklm' }, piece }) }
  if (!shapes.has('no-message-start')) push('messageStart', { role: 'assistant' })
  let calls = 0
  for (const [index, part] of reply.parts.entries()) {
    if (part.type === 'call') {
      push('contentBlockStart', { contentBlockIndex: index, start: { toolUse: { toolUseId: idOf(reply, calls++, part), name: part.name } } })
    }
    for (const delta of deltasOf(part)) push('contentBlockDelta', { contentBlockIndex: index, delta }, typeof delta.text === 'string')
    push('contentBlockStop', { contentBlockIndex: index })
  }
  if (shapes.has('exception-frame')) return [...frames, { event: 'exception:modelStreamErrorException', data: { message: 'The model failed.', originalStatusCode: 500 } }]
  const end: [string, Loose][] = [
    ['messageStop', { stopReason: FINISH[reply.finish] ?? reply.finish }],
    ...(reply.usage ? [['metadata', { usage: usageOf(reply.usage), metrics: { latencyMs: 1 } }] as [string, Loose]] : []),
  ]
  for (const [event, data] of shapes.has('metadata-first') ? end.toReversed() : end) push(event, data)
  return frames
}

function deltasOf(part: Part): Loose[] {
  switch (part.type) {
    case 'text': return [
      ...wordsOf(part.text).map((text) => ({ text })),
      ...(part.citations ?? []).map(({ url, title }) => ({ citation: { title, location: { web: { url } }, sourceContent: [] } })),
    ]
    case 'refusal': return wordsOf(part.text).map((text) => ({ text }))
    case 'reasoning': return [
      ...wordsOf(part.text).map((text) => ({ reasoningContent: { text } })), ...(part.signature ? [{ reasoningContent: { signature: part.signature } }] : []),
    ]
    case 'sealed': return [{ reasoningContent: { redactedContent: part.data } }]
    case 'call': return fragmentsOf(part.arguments ?? '{}').map((input) => ({ toolUse: { input } }))
    default: return []
  }
}

/** The cache is outside the input here. */
const usageOf = ({ input, output, cacheRead = 0, cacheWrite = 0 }: Usage): Loose => ({
  inputTokens: input - cacheRead - cacheWrite, outputTokens: output, totalTokens: input + output, cacheReadInputTokens: cacheRead, cacheWriteInputTokens: cacheWrite,
})
