import { anthropicMessages } from './anthropic-messages.ts'
import { bedrockConverse } from './bedrock-converse.ts'
import { bedrockInvoke } from './bedrock-invoke.ts'
import { cohereEmbed, cohereRerank } from './cohere-v2-lists.ts'
import { cohereV2 } from './cohere-v2.ts'
import type { FakeDialect } from './dialect.ts'
import { googleEmbedContent } from './google-embed-content.ts'
import { googleGenerateContent } from './google-generate-content.ts'
import { jinaRerank } from './jina-rerank.ts'
import { ollamaEmbed } from './ollama-embed.ts'
import { ollamaNative } from './ollama-native.ts'
import { openaiChat } from './openai-chat.ts'
import { openaiResponses } from './openai-responses.ts'
import { openaiCompletions } from './openai-completions.ts'
import { openaiEmbeddings } from './openai-embeddings.ts'
import { voyage } from './voyage.ts'
import { watsonxTextChat } from './watsonx-text-chat.ts'

/** The wire formats that the fake speaks, tried in this order against the path. */
export const FAKE_DIALECTS: readonly FakeDialect[] = [
  openaiChat, openaiResponses, anthropicMessages, googleGenerateContent, cohereV2, ollamaNative, bedrockConverse, watsonxTextChat, openaiCompletions,
  // Voyage is known by its name alone, and Cohere by its version: they come before who has the plain path.
  voyage, cohereEmbed, cohereRerank, googleEmbedContent, ollamaEmbed, bedrockInvoke, openaiEmbeddings, jinaRerank,
]
