import type { Asked } from '../asked.ts'
import type { Reply } from '../reply.ts'
import type { FakeDialect, Incoming } from './dialect.ts'
import { ollamaNative } from './ollama-native.ts'
import { askedFor, plain, texts, tokensOf, vectorOf } from './vectors.ts'

/** Ollama's embeddings. */
export const ollamaEmbed: FakeDialect = {
  ...ollamaNative,
  name: 'ollama-embed',
  path: /\/api\/embed$/,
  shapes: {},
  understand: ({ body }: Incoming): Asked => askedFor('ollama-native', body, String(body.model ?? ''), texts(body.input ?? []), body.input === undefined ? 'missing input' : undefined),
  whole(reply: Reply, { body = {} }: Asked) {
    const tokens = tokensOf(reply)
    return {
      model: reply.model, embeddings: texts(body.input).map((text) => vectorOf(plain(text), body.dimensions)), total_duration: 1, load_duration: 1,
      ...(tokens === null ? {} : { prompt_eval_count: tokens }),
    }
  },
  stream: () => [],
}
