import { parentPort } from 'node:worker_threads'
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base'

parentPort?.on('message', ({ id, texts }: { id: number; texts: readonly string[] }) => {
  // Text of users may spell out the vocabulary's special tokens; they count as the plain text that they are.
  parentPort?.postMessage({ id, counts: texts.map((text) => countTokens(text, { disallowedSpecial: new Set() })) })
})
