import type { Asked, Loose } from '../asked.ts'
import type { Reply } from '../reply.ts'
import type { FakeDialect, Incoming } from './dialect.ts'
import { openaiChat } from './openai-chat.ts'
import { askedFor, packed, plain, texts, tokensOf, unknownKey, vectorOf } from './vectors.ts'

/** What readers of this dialect meet besides the manual. */
export const EMBEDDINGS_SHAPES = {
  'floats-only': 'numbers, whatever encoding was asked for',
  'backwards': 'the last input comes first, with its index',
  'no-index': 'entries without an index, in order',
  'one-short': 'a vector is missing',
  'int8': 'signed bytes in base64, as Perplexity sends them',
} as const
export type EmbeddingsShape = keyof typeof EMBEDDINGS_SHAPES

/** OpenAI's embeddings: 2,048 inputs at most, no field that is not known, base64 on demand. */
export const openaiEmbeddings: FakeDialect = {
  ...openaiChat,
  name: 'openai-embeddings',
  path: /\/embeddings$/,
  shapes: EMBEDDINGS_SHAPES,
  understand,
  whole,
  stream: () => [],
}

const KNOWN = new Set(['model', 'input', 'encoding_format', 'dimensions', 'output_dimension', 'input_type', 'user'])

function understand({ body }: Incoming): Asked {
  return askedFor('openai-embeddings', body, String(body.model ?? ''), inputsOf(body).map(textOf), problemOf(body))
}

/** A list of numbers is one input. */
const inputsOf = ({ input }: Loose): unknown[] => (Array.isArray(input) && typeof input[0] !== 'number' ? input : [input])

const textOf = (input: unknown): string =>
  (typeof input === 'object' && input !== null && 'content' in input ? (input.content as Loose[]).map((part) => part.text ?? '').join(' ') : texts([input])[0]!)

function problemOf(body: Loose): string | undefined {
  const unknown = unknownKey(body, KNOWN)
  if (unknown) return `Unrecognized request argument supplied: ${unknown}`
  const inputs = inputsOf(body)
  if (inputs.length > 2048) return "Invalid 'input': array too long. Expected an array with maximum length 2048."
  if (inputs.some((input) => input === '' || input === undefined)) return "'$.input' is invalid."
  if (body.encoding_format !== undefined && body.encoding_format !== 'float' && body.encoding_format !== 'base64') return `'${body.encoding_format}' is not one of ['float', 'base64'] - 'encoding_format'`
  return undefined
}

function whole(reply: Reply, asked: Asked, shapes: ReadonlySet<string>): unknown {
  const { body = {} } = asked
  const inputs = inputsOf(body).map(textOf)
  const data = inputs.map((text, index) => {
    const vector = vectorOf(plain(text), body.dimensions ?? body.output_dimension)
    const embedding = shapes.has('int8') ? Buffer.from(Int8Array.from(vector, (value) => Math.round(value * 127)).buffer).toString('base64')
      : body.encoding_format === 'base64' && !shapes.has('floats-only') ? packed(vector) : vector
    return { object: 'embedding', ...(!shapes.has('no-index') && { index }), embedding }
  })
  if (shapes.has('backwards')) data.reverse()
  const tokens = tokensOf(reply)
  return {
    object: 'list', data: shapes.has('one-short') ? data.slice(1) : data, model: reply.model,
    ...(tokens === null ? {} : { usage: { prompt_tokens: tokens, total_tokens: tokens } }),
  }
}
