import type { ChatRequest, Endpoint, JsonObject } from '../../core/index.ts'
import { parseUpstream } from '../json.ts'
import { thinkingOf } from '../reasoning.ts'
import { ANSWER_TOOL, WRAPPED_ANSWER_TOOL } from './names.ts'
import { closedSchema } from './schemas.ts'
import type { Traits } from './traits.ts'
import { isLoose, type OutputConfig, type Tool } from './wire.ts'

/** How an output format is asked for. */
export type FormatPlan =
  | { readonly by: 'nothing'; readonly dropped: readonly string[] }
  /** Constrained decoding. */
  | { readonly by: 'config'; readonly format: NonNullable<OutputConfig['format']> }
  /** A tool that the model has to call with the answer; the reader of the reply hides the call. */
  | { readonly by: 'tool'; readonly tool: Tool }
  | { readonly by: 'words'; readonly words: string; readonly dropped: readonly string[] }

const NOTHING: FormatPlan = { by: 'nothing', dropped: [] }

const JSON_ONLY = 'Answer with one JSON object and nothing else: no text before or after it, and no code fence.'
const FITTING_JSON_ONLY =
  'Answer with one JSON value that fits this JSON Schema and nothing else: no text before or after it, and no code fence.'
const ANSWER_DESCRIPTION = 'Gives the final answer. Call it once, with the whole answer.'
const MAX_DESCRIPTION = 1024

/**
 * Plans the output format. A schema goes to constrained decoding where the endpoint has it. Elsewhere a tool is
 * forced whose arguments are the answer; that cannot be where thinking is wished for (a forced tool is refused
 * beside it) or where the caller forces a tool, and there only words are left, which is reported.
 */
export function planFormat(request: ChatRequest, endpoint: Endpoint, traits: Traits): FormatPlan {
  const { format } = request
  if (!format || format.type === 'text') return NOTHING
  if (format.type === 'json') return { by: 'words', words: JSON_ONLY, dropped: [] }
  if (format.type !== 'schema') return { by: 'nothing', dropped: ['response_format'] }
  if (traits.structuredOutputs) return { by: 'config', format: { type: 'json_schema', schema: closedSchema(format.schema) } }
  const wish = thinkingOf(request.reasoning)
  const wished = wish !== undefined && !('off' in wish) && traits.thinking !== 'never'
  const thinks = wished || traits.thinking === 'always' || !traits.canDisable
  const forceable = endpoint.parameters?.has('tool_choice') !== false && !endpoint.quirks.has('no-tool-choice')
  if (thinks || !forceable || forcesTool(request)) {
    return { by: 'words', words: `${FITTING_JSON_ONLY}\n${JSON.stringify(format.schema)}`, dropped: ['structured_outputs'] }
  }
  const wrapped = mayBeWrapper(format.schema)
  const description = [ANSWER_DESCRIPTION, format.description].filter(Boolean).join(' ')
  return {
    by: 'tool',
    tool: {
      name: wrapped ? WRAPPED_ANSWER_TOOL : ANSWER_TOOL,
      description: description.slice(0, MAX_DESCRIPTION),
      input_schema: wrapped ? valueSchema(format.schema) : format.schema,
    },
  }
}

/** Whether the caller's tool choice leaves the model no way but to call one of the caller's tools. */
export function forcesTool(request: ChatRequest): boolean {
  const { toolChoice, tools } = request
  if (!tools?.length || toolChoice === undefined) return false
  return toolChoice === 'required' || (typeof toolChoice === 'object' && ('tool' in toolChoice || toolChoice.required))
}

/** Keys under which models wrap the arguments of the answer tool once more, when they do. */
const WRAPPERS: ReadonlySet<string> = new Set([
  'json', 'answer', 'response', 'result', 'output', 'parameters', 'arguments', 'input', 'value', '$PARAMETER_NAME',
])

/** Whether a schema is no plain object, or has keys of its own that could be taken for a wrapper. */
function mayBeWrapper(schema: JsonObject): boolean {
  if (schema['type'] !== 'object' || !isLoose(schema['properties'])) return true
  return Object.keys(schema['properties']).some((key) => WRAPPERS.has(key))
}

/** The schema one level down. References count from the root, so what they refer to stays up there. */
function valueSchema(schema: JsonObject): JsonObject {
  const { $defs, definitions, $schema: _, ...value } = schema
  return {
    type: 'object', properties: { value }, required: ['value'],
    ...($defs !== undefined && { $defs }), ...(definitions !== undefined && { definitions }),
  }
}

/**
 * The answer out of the arguments of the answer tool, as text. The arguments stay as they were written, unless they
 * are wrapped, by us or by the model; text that is no JSON stays too, so that the caller sees what came.
 */
export function answerOf(args: string, wrapped: boolean): string {
  const parsed = parseUpstream(args)
  if ('fault' in parsed || !isLoose(parsed.value)) return args
  const { value } = parsed
  const [key, ...others] = Object.keys(value)
  if (key === undefined || others.length > 0) return args
  if (wrapped) return key === 'value' ? JSON.stringify(value[key]) : args
  const inner = value[key]
  return WRAPPERS.has(key) && isLoose(inner) ? JSON.stringify(inner) : args
}
