import { parentPort } from 'node:worker_threads'
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base'
import type { Numbered } from './thread.ts'

parentPort?.on('message', ({ id, of }: Numbered<readonly string[]>) => {
  // Text of users may spell out the vocabulary's special tokens; they count as the plain text that they are.
  parentPort?.postMessage({ id, of: of.map((text) => countTokens(text, { disallowedSpecial: new Set() })) })
})
