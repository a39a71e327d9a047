import { fault, type ChatRequest, type Endpoint, type Fault, type JsonObject, type Tool } from '../../core/index.ts'
import { MAX_NAME, wireName } from './names.ts'
import { toSubset } from './schemas.ts'
import { refuses, type Traits } from './traits.ts'
import { DIALECT, type WireBody } from './wire.ts'

export interface Tooling {
  readonly tools?: WireBody['tools']
  readonly toolConfig?: WireBody['toolConfig']
}

/**
 * The tools of a request: functions in one entry, Google's own tools each in one of its own. A subset that is not
 * required is declared alone, because names can only be allowed where a call is forced.
 */
export function writeTools(
  request: ChatRequest, endpoint: Endpoint, traits: Traits, dropped: Set<string>,
): Tooling | { readonly fault: Fault } {
  const { tools, toolChoice } = request
  if (!tools || tools.length === 0) return NOTHING
  if (refuses(endpoint, 'tools')) {
    dropped.add('tools')
    return NOTHING
  }
  if (request.parallelToolCalls === false) dropped.add('parallel_tool_calls')
  const own: object[] = []
  const declared: JsonObject[] = []
  const subset = typeof toolChoice === 'object' && 'allowed' in toolChoice && !toolChoice.required ? new Set(toolChoice.allowed) : null
  const names = new Map<string, string>()
  const taken = new Set<string>()
  for (const [at, tool] of tools.entries()) {
    if (tool.type === 'native') {
      if (tool.dialect === DIALECT) own.push(tool.value)
      else dropped.add('tools')
      continue
    }
    const name = wireName(tool.name, tool.type)
    if (name.length > MAX_NAME) {
      return refused(`tools[${at}]`, `must have a name of at most ${MAX_NAME} letters, digits or _ for Gemini, is ${JSON.stringify(tool.name.slice(0, 80))}`)
    }
    if (taken.has(name)) return refused(`tools[${at}]`, `has the name ${JSON.stringify(tool.name.slice(0, 80))} twice; each tool needs its own`)
    taken.add(name)
    names.set(tool.name, name)
    if (!subset || subset.has(tool.name)) declared.push(declaration(tool, name, traits))
  }
  if (own.length > 0 && declared.length > 0 && !traits.mixesTools) {
    return refused('tools', "must be either functions or Google's own tools: models before Gemini 3 refuse both together")
  }
  const choice = choiceOf(toolChoice, names)
  if ('fault' in choice) return choice
  const all = [...(declared.length > 0 ? [{ functionDeclarations: declared }] : []), ...own]
  return {
    ...(all.length > 0 && { tools: all }),
    ...(declared.length > 0 && choice.config && { toolConfig: { functionCallingConfig: choice.config } }),
  }
}

const NOTHING: Tooling = Object.freeze({})

/** Free-form tools are functions of one text; the answer's reader makes them free-form again by their name. */
const FREE_TEXT: JsonObject = { type: 'object', properties: { input: { type: 'string' } }, required: ['input'] }

function declaration(tool: Exclude<Tool, { type: 'native' }>, name: string, traits: Traits): JsonObject {
  const schema = tool.type === 'custom' ? FREE_TEXT : tool.parameters
  const described = { name, ...(tool.description !== undefined && { description: tool.description }) }
  if (!schema) return described
  if (traits.jsonSchema) return Object.keys(schema).length > 0 ? { ...described, parametersJsonSchema: schema } : described
  const parameters = toSubset(schema)
  return parameters ? { ...described, parameters } : described
}

type Config = NonNullable<WireBody['toolConfig']>['functionCallingConfig']

function choiceOf(choice: ChatRequest['toolChoice'], names: ReadonlyMap<string, string>): { readonly config?: Config } | { readonly fault: Fault } {
  switch (choice) {
    case undefined: return {}
    case 'auto': return { config: { mode: 'AUTO' } }
    case 'none': return { config: { mode: 'NONE' } }
    case 'required': return { config: { mode: 'ANY' } }
    default: {
      const asked = 'tool' in choice ? [choice.tool] : choice.allowed
      const unknown = asked.find((name) => !names.has(name))
      if (unknown !== undefined) return refused('tool_choice', `names ${JSON.stringify(unknown.slice(0, 80))}, which is not among the functions in tools`)
      if ('allowed' in choice && !choice.required) return { config: { mode: 'AUTO' } }
      return { config: { mode: 'ANY', allowedFunctionNames: asked.map((name) => names.get(name)!) } }
    }
  }
}

const refused = (field: string, what: string): { fault: Fault } => ({ fault: fault('invalid-request', `${field}: ${what}`, { field }) })
