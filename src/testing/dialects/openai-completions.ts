import { count, texts } from '../asked.ts'
import type { Asked, Loose, Turn } from '../asked.ts'
import type { Frame } from '../frames.ts'
import { joined, wordsOf } from '../order.ts'
import type { Reply } from '../reply.ts'
import { CREATED } from './dialect.ts'
import type { FakeDialect, Incoming } from './dialect.ts'
import { openaiChat } from './openai-chat.ts'

/**
 * OpenAI's legacy completions: a prompt in, its continuation out. What is heard is the whole prompt. A model that was told
 * of tools in its prompt calls them between the marks that most open models were taught.
 */
export const openaiCompletions: FakeDialect = {
  ...openaiChat,
  name: 'openai-completions',
  path: /\/completions$/,
  shapes: {},
  understand,
  whole: (reply) => ({ ...head(reply), choices: [choiceOf(saidBy(reply).join(''), finishOf(reply))], ...(reply.usage ? { usage: usageOf(reply) } : {}) }),
  stream,
}

function understand({ body }: Incoming): Asked {
  const prompt = body.prompt
  return {
    dialect: 'openai-completions', model: String(body.model ?? ''), stream: body.stream === true, turns: turnsOf(String(prompt ?? '')),
    // As vLLM takes it; OpenAI's own has none.
    format: body.response_format?.json_schema?.schema ?? (body.response_format?.type === 'json_object' ? true : undefined),
    tools: [], choice: 'none', stop: texts(body.stop), maxTokens: count(body.max_tokens), choices: 1, logprobs: false,
    ...(typeof prompt === 'string' && prompt !== '' ? body.messages === undefined ? {} : { problem: 'Unrecognized request argument supplied: messages' }
      : { problem: 'you must provide a prompt parameter' }),
  }
}

/** The whole prompt, unless the turns of a conversation stand in it (ChatML) and one of them is an order. */
function turnsOf(prompt: string): Turn[] {
  const turns = [...prompt.matchAll(/<\|im_start\|>(system|user|assistant)\n([^]*?)(?:<\|im_end\|>|$)/g)].flatMap(([, role, text]) =>
    text!.split(/\n(?=#fake )/).map((piece) => ({ role: role as Turn['role'], text: piece })))
  return turns.some(({ text }) => text.startsWith('#fake ')) ? turns : [{ role: 'user', text: prompt }]
}

/** What is said, piece by piece; a call is text here. */
const saidBy = (reply: Reply): string[] => reply.parts.flatMap((part) => {
  if (part.type === 'text' || part.type === 'refusal') return wordsOf(part.text)
  return part.type === 'call' ? ['\n<tool_call>\n', `{"name": ${JSON.stringify(part.name)}, "arguments": `, joined(part.arguments ?? '{}'), '}\n</tool_call>'] : []
})
const finishOf = ({ finish }: Reply): string => (finish === 'tool_calls' ? 'stop' : finish)
const head = (reply: Reply) => ({ id: `cmpl-fake${reply.serial}`, object: 'text_completion', created: CREATED, model: reply.model })
const choiceOf = (text: string, finish: string | null): Loose => ({ text, index: 0, logprobs: null, finish_reason: finish })
const usageOf = ({ usage }: Reply) => ({
  prompt_tokens: usage!.input, completion_tokens: usage!.output, total_tokens: usage!.input + usage!.output,
  ...(usage!.cacheRead === undefined ? {} : { prompt_tokens_details: { cached_tokens: usage!.cacheRead } }),
})

function stream(reply: Reply, asked: Asked): readonly Frame[] {
  return [
    ...saidBy(reply).map((text) => ({ data: { ...head(reply), choices: [choiceOf(text, null)] }, piece: true })),
    { data: { ...head(reply), choices: [choiceOf('', finishOf(reply))] } },
    ...(reply.usage && asked.stream ? [{ data: { ...head(reply), choices: [], usage: usageOf(reply) } }] : []),
    { data: '[DONE]' },
  ]
}
