import { fault, FAULTS, type Asked, type ChatEvent, type ChatReply, type Choice, type Fault, type JsonObject, type TokenLogprob } from '../../core/index.ts'
import { checker } from '../../schema/index.ts'
import type { Encoder, Inbound, Rendered, ReplyMeta } from '../dialect.ts'
import { errorBody, errorOf } from '../openai-chat/faults.ts'
import { decode as decodeChat, faultOfIssue } from '../openai-chat/request.ts'
import { writeUsage } from '../openai-chat/usage-out.ts'
import { DIALECT, OWN_KEYS, requestSchema } from './wire.ts'

const check = checker(requestSchema)

/** Callers that speak OpenAI's legacy completions. Their prompt is what the user says, for models that chat. */
export const inbound: Inbound = {
  dialect: DIALECT,
  decode,
  reply: renderReply,
  encoder: (meta) => new CompletionEncoder(meta),
  fault: (of, extra) => ({ status: FAULTS[of.kind].status, body: errorBody(of, extra) }),
  faultFrames: (of, meta, metadata) => errorChunk(of, meta, [0], metadata),
  heartbeat: ': OPENROUTER PROCESSING\n\n',
}

function decode(body: unknown): { readonly asked: Asked } | { readonly fault: Fault } {
  const issue = check(body)
  if (issue) return { fault: faultOfIssue(issue) }
  const it = body as JsonObject
  const problem = unavailable(it)
  if (problem) return { fault: problem }
  const { prompt, logprobs } = it
  const chat: Record<string, unknown> = { prompt: Array.isArray(prompt) ? prompt[0] : prompt }
  for (const key in it) if (!OWN_KEYS.has(key)) chat[key] = it[key]
  if (typeof logprobs === 'number') Object.assign(chat, { logprobs: true, top_logprobs: logprobs })
  const read = decodeChat(chat)
  if ('fault' in read) return read
  const request = { ...read.asked.operation.request, extrasFrom: DIALECT, origin: { dialect: DIALECT, body: it } }
  return { asked: { ...read.asked, operation: { type: 'chat', request } } }
}

/** What a chat cannot do in the place of a completion is refused by name, never accepted and left out. */
function unavailable({ prompt, suffix, echo, best_of: best, n, tools, messages }: JsonObject): Fault | null {
  if (Array.isArray(prompt) && prompt.length > 1) return bad('prompt', `must be one text, is a list of ${prompt.length}; send a request for each`)
  if (typeof suffix === 'string' && suffix !== '') return bad('suffix', 'is not available: the models here answer a prompt, and do not fill a gap')
  if (echo === true) return bad('echo', 'is not available: put the prompt before the text yourself')
  if (typeof best === 'number' && best !== (n ?? 1)) return bad('best_of', `must be as many as n (${String(n ?? 1)}), is ${best}`)
  if (messages !== undefined && messages !== null) return bad('messages', 'belongs to POST /chat/completions; here the text is in prompt')
  return Array.isArray(tools) && tools.length > 0 ? bad('tools', 'belongs to POST /chat/completions') : null
}

const bad = (field: string, what: string): Fault => fault('invalid-request', `${field}: ${what}`, { field })

function renderReply(reply: ChatReply, meta: ReplyMeta, metadata?: JsonObject): Rendered {
  const { fault: failed } = reply
  if (failed && reply.choices.length === 0) return { status: FAULTS[failed.kind].status, body: errorBody(failed, metadata && { openrouter_metadata: metadata }) }
  const body = {
    ...aboutOf(meta), choices: reply.choices.map((choice) => choiceOf(choice, failed)),
    usage: reply.usage && writeUsage(reply.usage, reply.charge), openrouter_metadata: metadata,
  }
  return { status: 200, body: JSON.stringify(body) }
}

const aboutOf = (meta: ReplyMeta): JsonObject =>
  ({ id: meta.id, object: 'text_completion', created: meta.created, model: meta.model, provider: meta.provider })

function choiceOf({ index, parts, reason, native, logprobs }: Choice, fault: Fault | undefined): JsonObject {
  const failed = fault !== undefined && reason === null
  const said = (type: 'text' | 'reasoning'): string => parts.map((part) => (part.type === type || (type === 'text' && part.type === 'refusal') ? part.text : '')).join('')
  return {
    text: said('text'), index, logprobs: logprobs && logprobs.content.length > 0 ? logprobsOf(logprobs.content, 0) : null,
    finish_reason: failed ? 'error' : reason, native_finish_reason: native ?? (failed ? 'error' : reason),
    ...(said('reasoning') !== '' && { reasoning: said('reasoning') }),
    ...(failed && { error: errorOf(fault) }),
  }
}

/** The old form of log probabilities; `offset` is where the first token stands in the text. */
function logprobsOf(tokens: readonly TokenLogprob[], offset: number): JsonObject {
  let at = offset
  return {
    tokens: tokens.map(({ token }) => token),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top_logprobs: top }) => Object.fromEntries(top.map(({ token, logprob }) => [token, logprob]))),
    text_offset: tokens.map(({ token }) => (at += token.length) - token.length),
  }
}

function errorChunk(
  of: Fault, meta: Partial<ReplyMeta> & { readonly id: string; readonly created: number }, choices: readonly number[], metadata?: JsonObject,
): string {
  return `data: ${JSON.stringify({
    id: meta.id, object: 'text_completion', created: meta.created, model: meta.model ?? '', error: errorOf(of),
    choices: choices.map((index) => ({ text: '', index, logprobs: null, finish_reason: 'error', native_finish_reason: of.upstream?.code ?? 'error' })),
    ...(metadata && of.kind !== 'internal' && { openrouter_metadata: metadata }),
  })}\n\n`
}

/** Events as chunks of text, one with the finish, one with the usage and no choices, then `[DONE]`. */
class CompletionEncoder implements Encoder {
  private readonly meta: ReplyMeta
  private readonly about: string
  /** What each open block is, and whose. */
  private readonly blocks: ({ readonly head: string; readonly tail: string } | undefined)[] = []
  private readonly lengths: number[] = []
  private readonly finished = new Set<number>()
  private usage: JsonObject | undefined = undefined
  private over = false

  constructor(meta: ReplyMeta) {
    this.meta = meta
    this.about = JSON.stringify(aboutOf(meta)).slice(0, -1)
  }

  push(batch: readonly ChatEvent[], metadata?: JsonObject): string {
    let out = ''
    for (const event of batch) {
      if (this.over) break
      if (event.type === 'fault') return out + this.fail(event.fault, metadata)
      out += this.write(event)
    }
    return out
  }

  end(metadata?: JsonObject): string {
    if (this.over) return ''
    this.over = true
    const rest = { choices: [], ...(this.usage && { usage: this.usage }), ...(metadata && { openrouter_metadata: metadata }) }
    return `${this.usage || metadata ? this.frame(rest) : ''}data: [DONE]\n\n`
  }

  private fail(of: Fault, metadata: JsonObject | undefined): string {
    this.over = true
    return errorChunk(of, this.meta, [...this.lengths.keys()].filter((index) => !this.finished.has(index)), metadata)
  }

  private frame(rest: JsonObject): string {
    return `data: ${this.about},${JSON.stringify(rest).slice(1)}\n\n`
  }

  /** What stands around the text of a delta, made once when the block opens. */
  private opened(key: 'text' | 'reasoning', choice: number) {
    const rest = `"index":${choice},"logprobs":null,"finish_reason":null,"native_finish_reason":null`
    const [before, after] = key === 'text' ? ['{"text":"', `",${rest}}`] : [`{"text":"",${rest},"reasoning":"`, '"}']
    return { head: `data: ${this.about},"choices":[${before}`, tail: `${after}]}\n\n` }
  }

  private chunk(index: number, text: string, more: JsonObject = UNFINISHED): string {
    return this.frame({ choices: [{ text, index, logprobs: null, ...more }] })
  }

  private write(event: Exclude<ChatEvent, { type: 'fault' }>): string {
    switch (event.type) {
      case 'block-open': {
        const { type } = event.block
        while (this.lengths.length <= event.choice) this.lengths.push(0)
        if (type === 'text' || type === 'refusal' || type === 'reasoning') this.blocks[event.index] = this.opened(type === 'reasoning' ? type : 'text', event.choice)
        return ''
      }
      case 'block-delta': {
        const block = this.blocks[event.index]
        if (!block || event.text === '') return ''
        return block.head + JSON.stringify(event.text).slice(1, -1) + block.tail
      }
      case 'note': {
        if (event.note.type !== 'logprobs' || !event.note.content?.length) return ''
        const offset = this.lengths[event.choice] ?? 0
        this.lengths[event.choice] = offset + event.note.content.reduce((sum, { token }) => sum + token.length, 0)
        return this.chunk(event.choice, '', { ...UNFINISHED, logprobs: logprobsOf(event.note.content, offset) })
      }
      case 'usage':
        this.usage = writeUsage(event.usage, event.charge)
        return ''
      case 'finish':
        this.finished.add(event.choice)
        return this.chunk(event.choice, '', { finish_reason: event.reason, native_finish_reason: event.native ?? event.reason })
      default: return ''
    }
  }
}

const UNFINISHED = { finish_reason: null, native_finish_reason: null }
