import {
  asVector, fault, usdFromAtto, usdFromNano,
  type Asked, type Charge, type ChatReply, type Embed, type EmbedInput, type EmbedRequest, type Fault, type InputPart, type JsonObject, type Usage, type Vector,
} from '../../core/index.ts'
import { checker } from '../../schema/index.ts'
import type { Inbound, Rendered, ReplyMeta } from '../dialect.ts'
import { inbound as chat } from '../openai-chat/inbound.ts'
import { readMessages } from '../openai-chat/messages.ts'
import { readPreferences } from '../openai-chat/preferences.ts'
import { faultOfIssue } from '../openai-chat/request.ts'
import { given, type Loose } from '../openai-chat/wire.ts'
import { DIALECT, KNOWN_KEYS, requestSchema } from './wire.ts'

/** Callers that speak OpenAI's embeddings, with OpenRouter's extensions. Nothing is streamed. */
export const inbound: Inbound<Embed> = { ...chat, dialect: DIALECT, decode, reply }

const check = checker(requestSchema)

function decode(body: unknown): { readonly asked: Asked<Embed> } | { readonly fault: Fault } {
  const issue = check(body)
  if (issue) return { fault: faultOfIssue(issue) }
  const it = body as Loose
  const read = readInputs(it['input'])
  if ('fault' in read) return read
  const wishes = readPreferences(it)
  if ('fault' in wishes) return wishes
  const { dimensions, input_type: inputType, user, session_id: session } = it
  const request: EmbedRequest = {
    inputs: read.inputs,
    encoding: it['encoding_format'] ?? 'float',
    ...(given(dimensions) && { dimensions }), ...(given(inputType) && { inputType }),
    ...(given(user) && { user }), ...(given(session) && { session }),
    extras: Object.fromEntries(Object.entries(it).filter(([key, value]) => !KNOWN_KEYS.has(key) && given(value))),
    origin: { dialect: DIALECT, body: it },
  }
  return {
    asked: { operation: { type: 'embed', request }, preferences: wishes.preferences, plugins: [], stream: false, ignored: given(it['trace']) ? ['trace'] : [] },
  }
}

type Read = { readonly inputs: readonly EmbedInput[] } | { readonly fault: Fault }

function readInputs(input: string | readonly unknown[]): Read {
  if (typeof input === 'string') return input === '' ? { fault: empty('input') } : { inputs: [textInput(input)] }
  if (typeof input[0] === 'number') return { inputs: [{ tokens: input as readonly number[] }] }
  const inputs: EmbedInput[] = []
  for (const [at, one] of input.entries()) {
    if (one === '') return { fault: empty(`input[${at}]`) }
    if (typeof one === 'string') inputs.push(textInput(one))
    else if (Array.isArray(one)) inputs.push({ tokens: one as readonly number[] })
    else {
      const read = readParts((one as Loose)['content'], `input[${at}]`)
      if ('fault' in read) return read
      inputs.push(read)
    }
  }
  return { inputs }
}

const textInput = (text: string): EmbedInput => ({ parts: [{ type: 'text', text }] })

const empty = (field: string): Fault => fault('invalid-request', `${field}: must not be empty`, { field })

/** The parts of an input are those of a user's message, and so are the faults in them, but for where they stand. */
function readParts(content: readonly Loose[], at: string): { readonly parts: readonly InputPart[] } | { readonly fault: Fault } {
  const lacking = content.findIndex((part) => !given(part[part['type'] as string]))
  if (lacking >= 0) return { fault: missing(`${at}.content[${lacking}]`, String(content[lacking]!['type'])) }
  const read = readMessages([{ role: 'user', content }])
  if ('messages' in read) return { parts: read.messages[0]!.parts as readonly InputPart[] }
  const { field = '', message } = read.fault
  const here = field.replace(/^messages\[0\]/, at)
  return { fault: { ...read.fault, field: here, message: message.replace(field, here) } }
}

const missing = (field: string, type: string): Fault => fault('invalid-request', `${field}.${type}: is required in a part of this type`, { field: `${field}.${type}` })

function reply(collected: ChatReply, meta: ReplyMeta, metadata?: JsonObject): Rendered<string | Uint8Array> {
  if (collected.fault) return chat.fault(collected.fault, metadata && { openrouter_metadata: metadata }, meta.id)
  const part = collected.choices[0]?.parts.find((it) => it.type === 'embeddings')
  const vectors = part?.vectors ?? []
  const operation = meta.asked?.operation
  const encoding = operation?.type === 'embed' ? operation.request.encoding : 'float'
  const [head, tail] = [
    JSON.stringify({ id: meta.id, object: 'list' }),
    JSON.stringify({
      model: meta.model, provider: meta.provider, usage: collected.usage && writeUsage(collected.usage, collected.charge), openrouter_metadata: metadata,
    }),
  ]
  const data = vectors.flatMap((vector, index) => [`${index === 0 ? '' : ','}{"object":"embedding","index":${index},"embedding":`, written(vector, encoding), '}'])
  return { status: 200, body: joined([`${head.slice(0, -1)},"data":[`, ...data, `],${tail.slice(1)}`]) }
}

/** A vector that a thread wrote stays the bytes that it is: of megabytes nobody makes a text again. */
const written = (vector: Vector, encoding: EmbedRequest['encoding']): string | Uint8Array =>
  vector instanceof Uint8Array ? vector : JSON.stringify(asVector(encoding, vector))

function joined(pieces: readonly (string | Uint8Array)[]): string | Uint8Array {
  return pieces.every((piece) => typeof piece === 'string') ? pieces.join('') : Buffer.concat(pieces.map((piece) => typeof piece === 'string' ? Buffer.from(piece) : piece))
}

/** OpenRouter tells the modalities apart where there are several. */
function writeUsage({ input }: Usage, charge: Charge | undefined): JsonObject {
  const { total, image, audio, video } = input
  const text = Math.max(0, total - image - audio - video)
  const some = (count: number): number | undefined => (count > 0 ? count : undefined)
  return {
    prompt_tokens: total,
    total_tokens: total,
    cost: charge ? usdFromNano(charge.total) : 0,
    is_byok: false,
    prompt_tokens_details: image + audio + video > 0
      ? { text_tokens: some(text), image_tokens: some(image), audio_tokens: some(audio), video_tokens: some(video) } : undefined,
    cost_details: {
      upstream_inference_cost: null,
      upstream_inference_prompt_cost: charge ? usdFromAtto(charge.prompt) : 0,
      upstream_inference_completions_cost: 0,
    },
  }
}
