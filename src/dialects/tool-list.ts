import { fault, type ChatRequest, type Endpoint, type Fault, type JsonObject, type Tool, type ToolCallPart } from '../core/index.ts'
import { isJson, parseUpstream } from './json.ts'
import { isObject } from './loose.ts'
import { MAX_TOOL_NAME, wireName } from './tool-names.ts'

/** A function as it is declared, whatever the wire format wraps around it. */
export interface Declared {
  readonly name: string
  readonly description?: string
  readonly parameters: JsonObject
  readonly cached: boolean
}

export interface ToolList {
  readonly declared: readonly Declared[]
  /** What may be called: none, anything, or that something has to be. One named tool is declared alone, and required. */
  readonly choice: 'auto' | 'none' | 'required'
  /** The wire name of the one tool that is demanded. */
  readonly only?: string
}

/** Free-form tools are functions of one text; the answer's reader makes them free-form again by their name. */
const FREE_TEXT: JsonObject = { type: 'object', properties: { input: { type: 'string' } }, required: ['input'] }
const NO_PARAMETERS: JsonObject = { type: 'object', properties: {} }

/**
 * The tools of a request for a format that can declare functions and nothing else. Subsets and single tools are sent
 * as shorter lists, which every such format understands; `dropped` gathers what has no place.
 */
export function listTools(request: ChatRequest, endpoint: Endpoint, dropped: Set<string>): ToolList | { readonly fault: Fault } {
  const { tools = [], toolChoice } = request
  if (tools.length > 0 && endpoint.parameters !== null && !endpoint.parameters.has('tools')) {
    dropped.add('tools')
    return NOTHING
  }
  const wanted = typeof toolChoice !== 'object' ? null : 'tool' in toolChoice ? [toolChoice.tool] : toolChoice.allowed
  const declared: Declared[] = []
  const known = new Set<string>()
  for (const [at, tool] of tools.entries()) {
    if (tool.type === 'native') {
      dropped.add('tools')
      continue
    }
    const name = wireName(tool.name, tool.type)
    if (name.length > MAX_TOOL_NAME) {
      return refused(`tools[${at}].${tool.type}.name`, `must be at most ${MAX_TOOL_NAME} letters, digits, _ or - for this provider, is ${JSON.stringify(tool.name.slice(0, 80))}`)
    }
    known.add(tool.name)
    if (wanted === null || wanted.includes(tool.name)) declared.push(declarationOf(tool, name))
  }
  const missing = wanted?.find((name) => !known.has(name))
  if (missing !== undefined) return refused('tool_choice', `names ${JSON.stringify(missing.slice(0, 80))}, which is not among the functions in tools`)
  if (toolChoice === 'none') return { declared, choice: 'none' }
  if (toolChoice === 'required') return { declared, choice: 'required' }
  if (wanted === null) return { declared, choice: 'auto' }
  if (typeof toolChoice === 'object' && 'tool' in toolChoice) return { declared, choice: 'required', only: declared[0]!.name }
  return { declared, choice: typeof toolChoice === 'object' && 'required' in toolChoice && toolChoice.required ? 'required' : 'auto' }
}

const NOTHING: ToolList = Object.freeze({ declared: [], choice: 'auto' })

function declarationOf(tool: Exclude<Tool, { type: 'native' }>, name: string): Declared {
  const schema = tool.type === 'custom' ? FREE_TEXT : tool.parameters
  return {
    name,
    ...(tool.description !== undefined && tool.description !== '' && { description: tool.description }),
    parameters: schema && Object.keys(schema).length > 0 ? ('type' in schema ? schema : { type: 'object', ...schema }) : NO_PARAMETERS,
    cached: tool.type === 'function' && tool.cache !== undefined,
  }
}

/** The arguments of a call as the text of a JSON object: free-form input, and text that is none, is its `input`. */
export function argumentsOf(call: ToolCallPart): string {
  if (call.form === 'custom') return JSON.stringify({ input: call.input })
  const text = call.input.trim()
  if (text === '' || text === 'null') return '{}'
  return text.startsWith('{') && isJson(text) ? text : JSON.stringify({ input: call.input })
}

/** The text of a free-form tool, out of the object that such a format made of it. */
export function freeText(args: string): string {
  const parsed = parseUpstream(args)
  const value = 'value' in parsed ? parsed.value : null
  return isObject(value) && typeof value['input'] === 'string' ? value['input'] : args
}

const refused = (field: string, what: string): { fault: Fault } => ({ fault: fault('invalid-request', `${field}: ${what}`, { field }) })
