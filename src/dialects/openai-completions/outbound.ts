import { fault, type ChatRequest, type Endpoint, type Fault, type FinishReason, type TokenLogprob } from '../../core/index.ts'
import type { Changed, Outbound, Outgoing, Target } from '../dialect.ts'
import { isObject, listIn, objectIn, textIn, type Loose } from '../loose.ts'
import { decodeWhole, sseDecoder, type ObjectReader } from '../object-stream.ts'
import { decodeFault } from '../openai-chat/decoder.ts'
import { finishOf } from '../openai-chat/finish.ts'
import { flagsOf } from '../openai-chat/quirks.ts'
import { readUsage } from '../openai-chat/usage-in.ts'
import { writeFormat } from '../openai-chat/write.ts'
import { ReplyWriter } from '../reply-writer.ts'
import { dropUnspoken } from '../unspoken.ts'
import { saidBy, upstreamFault } from '../upstream-fault.ts'
import { turnsOf, type Placed } from '../turns.ts'
import { without } from '../without.ts'
import { templateOf, type ChatTemplate, type TemplateMessage } from './template.ts'

const DIALECT = 'openai-completions'
const MAX_STOPS = 4
const MAX_ALTERNATIVES = 5
const OURS: ReadonlySet<string> = new Set(['model', 'prompt', 'stream', 'stream_options', 'n', 'messages'])

/**
 * Base models, and servers that only continue a text. A prompt goes as it is; a conversation is written by the template
 * of the model's family, and refused where none is known: a wrong one gives answers that look right and are not.
 */
export const outbound: Outbound = {
  dialect: DIALECT,
  cannot: [
    'conversations: a prompt is one text; turns are written by the template of the family, where one is known',
    'tools: but in words, by the template of the family', 'media', 'native-parts: items of other dialects', 'reasoning: is shown where a server tells it, and neither asked for nor taken back',
    'refusal.text: a refusal is text', 'text.marks: seals and annotations', 'cache', 'prompt_cache_key', 'response_format: but where an endpoint names it', 'n', 'prediction', 'verbosity', 'modalities',
    'logprobs.five: at most five alternatives', 'stop.four: with those of the template', 'extras: fields of other formats',
    'router-fields: user, session, metadata and serviceTier are written from the target',
  ],
  fetches: () => true,
  // A model without a template only continues what stands there, and no instruction is one to it.
  toolsBy: (endpoint) => templateOf(endpoint) === null ? 'nothing' : 'prompt',
  encode,
  decodeReply: (body, { endpoint }) => decodeWhole(body, new Reader(endpoint), sseDecoder),
  decoder: ({ endpoint }) => sseDecoder(new Reader(endpoint)),
  decodeFault,
}

function encode(request: ChatRequest, target: Target): Outgoing | { readonly fault: Fault } {
  const { endpoint, stream } = target
  const dropped = new Set<string>()
  const prompt = promptOf(request, endpoint, dropped)
  if ('fault' in prompt) return prompt
  const { sampling } = request
  // The template's own come first: without them the model would go on as the user.
  const stops = [...prompt.stop, ...request.stop?.filter((stop) => stop !== '') ?? []]
  if (stops.length > MAX_STOPS) dropped.add('stop')
  const alternatives = Math.min(request.topLogprobs ?? 0, MAX_ALTERNATIVES)
  const native = request.origin?.dialect === DIALECT ? request.extras : null
  if (!native) for (const key of Object.keys(request.extras)) dropped.add(key)
  const body = {
    model: endpoint.upstreamModel,
    prompt: prompt.text,
    ...(stream && { stream: true, stream_options: { include_usage: true } }),
    // Without it OpenAI's own stops after sixteen tokens.
    ...(limitOf(request, endpoint) !== undefined && { max_tokens: limitOf(request, endpoint) }),
    ...sampling,
    ...(stops.length > 0 && { stop: stops.slice(0, MAX_STOPS) }),
    ...(request.seed !== undefined && { seed: request.seed }),
    ...(request.logitBias && { logit_bias: request.logitBias }),
    ...(request.logprobs && { logprobs: alternatives }),
    ...(request.format && formats(endpoint) && { response_format: writeFormat(request.format) }),
    ...(target.userId !== undefined && { user: target.userId }),
    ...without(native, OURS), ...without(target.options, OURS), ...endpoint.forcedParams,
  }
  unspoken(request, endpoint, dropped)
  const changed = changedIn(request, body.max_tokens, body.logprobs)
  return { path: '/completions', headers: {}, body: JSON.stringify(body), dropped: [...dropped], ...(changed.length > 0 && { changed }) }
}

/** A limit that nobody asked for is told, and that fewer alternatives were asked for. */
function changedIn({ maxOutputTokens, topLogprobs }: ChatRequest, limit: unknown, alternatives: unknown): Changed[] {
  const changed: Changed[] = []
  if (typeof limit === 'number' && limit !== maxOutputTokens) changed.push({ parameter: 'max_tokens', asked: maxOutputTokens ?? null, sent: limit })
  if (typeof alternatives === 'number' && topLogprobs !== undefined && alternatives !== topLogprobs) changed.push({ parameter: 'top_logprobs', asked: topLogprobs, sent: alternatives })
  return changed
}

const limitOf = (request: ChatRequest, endpoint: Endpoint): number | undefined => request.maxOutputTokens ?? endpoint.maxOutputTokens ?? undefined

type Prompt = { readonly text: string; readonly stop: readonly string[] }

/** A caller of completions has a prompt, which stays as it is; so does a single text of the user for a model that knows no turns. */
function promptOf(request: ChatRequest, endpoint: Endpoint, dropped: Set<string>): Prompt | { readonly fault: Fault } {
  const [first, ...more] = request.messages
  const alone = more.length === 0 && first?.role === 'user' && first.parts.every((part) => part.type === 'text')
  const text = alone ? first.parts.map((part) => (part.type === 'text' ? part.text : '')).join('') : ''
  if (alone && request.origin?.dialect === DIALECT) return { text, stop: [] }
  const template = templateOf(endpoint)
  if (!template) {
    if (alone) return { text, stop: [] }
    return { fault: fault('unsupported-parameter', `messages: ${endpoint.providerName} only continues texts, and no chat template is known for this model; send one prompt`, { field: 'messages' }) }
  }
  const messages = conversationOf(request, template, dropped)
  if ('fault' in messages) return messages
  return { text: template.render(messages.list, messages.list.at(-1)?.role !== 'assistant'), stop: template.stop }
}

function conversationOf(request: ChatRequest, template: ChatTemplate, dropped: Set<string>): { readonly list: readonly TemplateMessage[] } | { readonly fault: Fault } {
  const list: TemplateMessage[] = []
  let aside = ''
  for (const turn of turnsOf(request.messages)) {
    if (turn.role === 'results') return refused('messages', 'hold results of tools, which a model that continues texts has not')
    const media = turn.parts.find(({ part }) => part.type === 'media')
    if (media) return refused(media.field, 'is media, and this provider takes only text')
    const content = aside + textOf(turn.parts, template, dropped)
    aside = ''
    if (content === '') continue
    if (turn.role === 'system' && !template.system) aside = `${content}\n\n`
    else list.push({ role: turn.role, content })
  }
  if (aside !== '') list.push({ role: 'user', content: aside.trimEnd() })
  const last = list.at(-1)
  if (!last) return refused('messages', 'hold nothing to answer; send at least one message with text')
  return { list: last.role === 'assistant' ? [...list.slice(0, -1), { ...last, open: true }] : list }
}

const refused = (field: string, what: string): { fault: Fault } => ({ fault: fault('invalid-request', `${field}: ${what}`, { field }) })

function textOf(parts: readonly Placed[], { control }: ChatTemplate, dropped: Set<string>): string {
  const texts = parts.map(({ part }) => {
    if (part.type === 'text' || part.type === 'refusal') return part.text
    if (part.type !== 'reasoning') dropped.add('messages')
    return ''
  })
  return control.reduce((text, word) => text.replaceAll(word, `${word.slice(0, 1)} ${word.slice(1)}`), texts.filter((text) => text !== '').join('\n'))
}

/** OpenAI's refuses a format; vLLM's and its like take that of a chat, where the endpoint's row says so. */
const formats = ({ parameters, parametersSource }: Endpoint): boolean => parametersSource !== 'derived' && parameters !== null && parameters.has('response_format')

function unspoken(request: ChatRequest, endpoint: Endpoint, dropped: Set<string>): void {
  if (request.tools && request.tools.length > 0) dropped.add('tools')
  if (request.format && request.format.type !== 'text' && !formats(endpoint)) dropped.add('response_format')
  dropUnspoken(['n', 'reasoning', 'modalities', 'prediction', 'verbosity', 'prompt_cache_key'], request, endpoint, dropped)
}

/** Chunks of text, a finish, a usage without choices; a whole answer is one of them. `[DONE]` is passed over: the close ends it. */
class Reader implements ObjectReader {
  readonly writer: ReplyWriter
  private readonly endpoint: Endpoint
  private reason: string | null = null

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint
    this.writer = new ReplyWriter(endpoint)
  }

  object(value: Loose): void {
    const { writer } = this
    if (value['error'] !== undefined && value['error'] !== null) {
      writer.fail(upstreamFault(500, {}, saidBy(value), this.endpoint, JSON.stringify(value)))
      return
    }
    if (!Array.isArray(value['choices'])) {
      writer.failed('invalid-response', 'sent what is no completion.')
      return
    }
    if (!writer.started) this.start(value)
    const [choice] = listIn(value, 'choices')
    if (choice) {
      // OpenAI's has none; routers and servers of models that think show it beside the text.
      writer.say('reasoning', textIn(choice, 'reasoning') ?? textIn(choice, 'reasoning_content') ?? '')
      writer.say('text', textIn(choice, 'text') ?? '')
      writer.logprobs(logprobsOf(objectIn(choice, 'logprobs')))
      this.reason = textIn(choice, 'finish_reason') ?? this.reason
    }
    if (isObject(value['usage'])) writer.count(readUsage(value['usage'], flagsOf(this.endpoint.quirks)))
  }

  whole(value: Loose): void {
    this.object(value)
    this.closed()
  }

  closed(): void {
    const { writer, reason } = this
    if (writer.over) return
    if (reason === null) writer.cut()
    else writer.finish(finishOf(reason, 0) satisfies FinishReason, reason)
  }

  private start(value: Loose): void {
    const id = textIn(value, 'id')
    const model = textIn(value, 'model')
    const { created } = value
    this.writer.start({
      ...(id !== undefined && { upstreamId: id }), ...(model !== undefined && { model }),
      ...(typeof created === 'number' && created > 0 && { created }),
    })
  }
}

/** Lists side by side, one entry for each token. */
function logprobsOf(of: Loose): readonly TokenLogprob[] {
  const tokens = Array.isArray(of['tokens']) ? of['tokens'] : []
  const probabilities = Array.isArray(of['token_logprobs']) ? of['token_logprobs'] : []
  const tops = Array.isArray(of['top_logprobs']) ? of['top_logprobs'] : []
  const one = (token: unknown, logprob: unknown): Omit<TokenLogprob, 'top_logprobs'> =>
    ({ token: String(token), logprob: typeof logprob === 'number' ? logprob : -9999, bytes: [...Buffer.from(String(token))] })
  return tokens.map((token: unknown, at) => {
    const top: unknown = tops[at]
    return { ...one(token, probabilities[at]), top_logprobs: isObject(top) ? Object.entries(top).map(([word, logprob]) => one(word, logprob)) : [] }
  })
}
