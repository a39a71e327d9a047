import type { Asked, Loose } from '../asked.ts'
import type { Frame } from '../frames.ts'
import type { FakeDialect, Incoming } from './dialect.ts'
import { openaiChat } from './openai-chat.ts'

/** IBM watsonx's text chat: OpenAI's answers, a version in the address, a project in the body, named events. */
export const watsonxTextChat: FakeDialect = {
  ...openaiChat,
  name: 'watsonx-text-chat',
  path: /\/text\/(chat|chat_stream)$/,
  shapes: {},
  understand,
  whole: (reply, asked, shapes) => renamed(openaiChat.whole(reply, asked, new Set([...shapes, SHOWN])) as Loose),
  stream: (reply, asked, shapes) => openaiChat.stream(reply, asked, new Set([...shapes, SHOWN])).flatMap(({ data, ...frame }): Frame[] => (
    data === '[DONE]' ? [] : [{ ...frame, event: 'message', data: renamed(data as Loose) }]
  )),
  error: (status, message) => ({ errors: [{ code: CODES[status] ?? 'invalid_request_entity', message }], trace: 'fake', status_code: status }),
  headers: () => ({ 'x-global-transaction-id': 'fake' }),
}

/** What the model thought stands in `reasoning_content`, always. */
const SHOWN = 'reasoning-content'

const CODES: Record<number, string> = { 401: 'authentication_token_not_valid', 404: 'model_not_supported', 429: 'too_many_requests', 500: 'downstream_request_failed' }

function understand(incoming: Incoming): Asked {
  const { path, query, body } = incoming
  const { model_id: model, tool_choice_option: choice, ...rest } = body
  const asked = openaiChat.understand({
    ...incoming,
    body: { ...rest, model, stream: path.endsWith('chat_stream'), stream_options: { include_usage: true, include_obfuscation: false }, tool_choice: choice ?? body.tool_choice },
  })
  const problem = !/(^|&)version=\d{4}-\d\d-\d\d(&|$)/.test(query) ? 'The required query parameter version is missing'
    : !body.project_id && !body.space_id ? 'Missing either space_id or project_id or wml_instance_crn'
    : body.model !== undefined ? 'Json document validation error: model should not be there' : asked.problem
  return { ...asked, dialect: 'watsonx-text-chat', ...(problem === undefined ? {} : { problem }) }
}

const renamed = ({ model, ...rest }: Loose): Loose => ({ ...rest, model_id: model, created_at: '2025-10-09T08:53:20.000Z' })
