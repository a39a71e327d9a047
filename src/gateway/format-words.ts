import { rewrite, type ChatRequest, type OutputFormat } from '../core/index.ts'
import { instructed } from './tool-template.ts'

const ONE_OBJECT = 'Answer with one JSON object and nothing else: no text before or after it, and no code fence.'
const ONE_VALUE = 'Answer with one JSON value that fits the JSON Schema below and nothing else: no text before or after it, and no code fence.'

/** The request with its format in words, where what goes out would say nothing of it; null where it does. */
export function reworded(request: ChatRequest, dropped: readonly string[]): ChatRequest | null {
  return request.format !== undefined && isUnsaid(request.format, dropped) ? inWords(request) : null
}

/** Whether a format is asked for that what goes out says nothing of, or only half: JSON, and not which. */
function isUnsaid(format: OutputFormat, dropped: readonly string[]): boolean {
  if (format.type !== 'json' && format.type !== 'schema') return false
  return dropped.includes('response_format') || (format.type === 'schema' && dropped.includes('structured_outputs'))
}

/**
 * The request with its format said in the prompt, where a model that has no parameter for it may still read it: behind
 * the caller's own instructions, so that the beginning of the prompt stays what a cache knows.
 */
export function inWords(request: ChatRequest): ChatRequest {
  const { format, messages } = request
  const words = format?.type !== 'schema' ? ONE_OBJECT
    : [ONE_VALUE, ...(format.description === undefined ? [] : [format.description]), JSON.stringify(format.schema)].join('\n')
  return rewrite(request, { messages: instructed(messages, words) })
}
