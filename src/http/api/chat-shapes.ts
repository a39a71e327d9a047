import { chatReplySchema, chatRequestSchema } from '../../dialects/index.ts'

/** The shapes of the chat surface are those of its dialect: what is checked is what is published. */
export const ChatRequestShape = chatRequestSchema.meta({ id: 'ChatRequest' })
export const ChatReplyShape = chatReplySchema.meta({ id: 'ChatReply' })

export const CHAT_EXAMPLE = {
  model: 'openai/gpt-5',
  messages: [{ role: 'user', content: 'What is a signal box?' }],
}
