import { count, texts } from '../asked.ts'
import type { Asked, Loose } from '../asked.ts'
import type { Frame } from '../frames.ts'
import { joined, wordsOf } from '../order.ts'
import type { Reply } from '../reply.ts'
import { CREATED } from './dialect.ts'
import type { FakeDialect, Incoming } from './dialect.ts'
import { openaiChat } from './openai-chat.ts'

/** OpenAI's legacy completions: a prompt in, its continuation out. What is heard is the whole prompt. */
export const openaiCompletions: FakeDialect = {
  ...openaiChat,
  name: 'openai-completions',
  path: /\/completions$/,
  shapes: {},
  understand,
  whole: (reply) => ({ ...head(reply), choices: [choiceOf(textOf(reply), reply.finish)], ...(reply.usage ? { usage: usageOf(reply) } : {}) }),
  stream,
}

function understand({ body }: Incoming): Asked {
  const prompt = body.prompt
  return {
    dialect: 'openai-completions', model: String(body.model ?? ''), stream: body.stream === true, turns: [{ role: 'user', text: String(prompt ?? '') }],
    // As vLLM takes it; OpenAI's own has none.
    format: body.response_format?.json_schema?.schema ?? (body.response_format?.type === 'json_object' ? true : undefined),
    tools: [], choice: 'none', stop: texts(body.stop), maxTokens: count(body.max_tokens), choices: 1, logprobs: false,
    ...(typeof prompt === 'string' && prompt !== '' ? body.messages === undefined ? {} : { problem: 'Unrecognized request argument supplied: messages' }
      : { problem: 'you must provide a prompt parameter' }),
  }
}

const textOf = (reply: Reply) => reply.parts.map((part) => (part.type === 'text' || part.type === 'refusal' ? joined(part.text) : '')).join('')
const head = (reply: Reply) => ({ id: `cmpl-fake${reply.serial}`, object: 'text_completion', created: CREATED, model: reply.model })
const choiceOf = (text: string, finish: string | null): Loose => ({ text, index: 0, logprobs: null, finish_reason: finish })
const usageOf = ({ usage }: Reply) => ({
  prompt_tokens: usage!.input, completion_tokens: usage!.output, total_tokens: usage!.input + usage!.output,
  ...(usage!.cacheRead === undefined ? {} : { prompt_tokens_details: { cached_tokens: usage!.cacheRead } }),
})

function stream(reply: Reply, asked: Asked): readonly Frame[] {
  const words = reply.parts.flatMap((part) => (part.type === 'text' || part.type === 'refusal' ? wordsOf(part.text) : []))
  return [
    ...words.map((text) => ({ data: { ...head(reply), choices: [choiceOf(text, null)] }, piece: true })),
    { data: { ...head(reply), choices: [choiceOf('', reply.finish)] } },
    ...(reply.usage && asked.stream ? [{ data: { ...head(reply), choices: [], usage: usageOf(reply) } }] : []),
    { data: '[DONE]' },
  ]
}
