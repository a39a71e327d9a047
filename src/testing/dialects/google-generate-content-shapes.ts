import type { Loose } from '../asked.ts'

/** `responses` rearranges the responses of a stream, or the single one of a whole answer. */
interface GeminiDeviation { says: string; responses?(responses: Loose[]): Loose[] }

const lastOf = (responses: Loose[]) => responses.at(-1)!

/** What readers of this dialect meet besides the manual. Native finish words (`MODEL_ARMOR`) are `finish`. */
export const GEMINI_SHAPES = {
  'trailing-signature': { says: 'the signature on an empty text part after all content (Gemini 3)' },
  'call-ids': { says: 'function calls have an id (Vertex and newer models)' },
  'partial-args': { says: 'arguments are streamed as partialArgs by JSON path, closed by an empty functionCall (Vertex)' },
  'partial-args-unterminated': { says: 'the same without the closing functionCall' },
  'blocked-prompt': {
    says: '200 without candidates, promptFeedback says why',
    responses: (responses) => [{
      promptFeedback: { blockReason: 'PROHIBITED_CONTENT' }, ...without(lastOf(responses), 'candidates')
    }],
  },
  'error-array': { says: 'an error body is an array of one' },
  'error-event': {
    says: 'an error object as an event where the finish was due',
    responses: (responses) => [
      ...responses.slice(0, -1), { error: { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' } }
    ],
  },
  'no-finish': {
    says: 'no finish reason at all',
    responses: (responses) => {
      for (const response of responses) for (const candidate of response.candidates ?? []) delete candidate.finishReason
      return responses
    },
  },
  'revised-usage': {
    says: 'the prompt count grows in the last event',
    responses: (responses) => {
      for (const { usageMetadata: usage } of responses.slice(0, -1)) {
        if (!usage) continue
        usage.totalTokenCount -= usage.promptTokenCount - Math.floor(usage.promptTokenCount / 3)
        usage.promptTokenCount = Math.floor(usage.promptTokenCount / 3)
      }
      return responses
    },
  },
  'usage-last-only': {
    says: 'counts only in the last event',
    responses: (responses) => responses.map((response, i) => (
      i < responses.length - 1 ? without(response, 'usageMetadata') : response
    )),
  },
} satisfies Record<string, GeminiDeviation>
export type GeminiShape = keyof typeof GEMINI_SHAPES

export function reshapeGemini(responses: Loose[], shapes: ReadonlySet<string>): Loose[] {
  const found = (Object.entries(GEMINI_SHAPES) as [string, GeminiDeviation][]).flatMap(([name, shape]) => (
    shapes.has(name) && shape.responses ? [shape.responses] : []
  ))
  return found.reduce((sum, reshape) => reshape(sum), responses)
}

/** A call as Vertex streams it: its name, then each leaf by path (texts in two pieces), then an empty call. */
export function partialArgs(head: Loose, args: Loose, closed: boolean): Loose[] {
  const leaves = leavesOf(args, '$').flatMap(([jsonPath, value]): Loose[] => {
    if (typeof value === 'number') return [{ jsonPath, numberValue: value }]
    if (typeof value === 'boolean') return [{ jsonPath, boolValue: value }]
    if (value === null) return [{ jsonPath, nullValue: 'NULL_VALUE' }]
    const text = [...String(value)]
    const half = Math.ceil(text.length / 2)
    return [
      { jsonPath, stringValue: text.slice(0, half).join(''), willContinue: true },
      { jsonPath, stringValue: text.slice(half).join('') }
    ]
  })
  const steps = leaves.map((leaf) => ({ partialArgs: [leaf], willContinue: true }))
  return [{ ...head, willContinue: true }, ...steps, ...(closed ? [{}] : [])]
}

function leavesOf(value: unknown, path: string): [path: string, value: unknown][] {
  if (typeof value !== 'object' || value === null) return [[path, value]]
  if (Array.isArray(value)) return value.flatMap((item, i) => leavesOf(item, `${path}[${i}]`))
  return Object.entries(value).flatMap(([key, item]) => leavesOf(item, `${path}.${key}`))
}

function without(value: Loose, key: string): Loose {
  const { [key]: _, ...rest } = value
  return rest
}
