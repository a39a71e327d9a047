import { rewrite, type ChatRequest, type Endpoint, type JsonObject, type SearchWish } from '../core/index.ts'

/**
 * Whether an endpoint is known to search the web itself: its row says what a search costs there, or lists the parameter.
 * Where neither is known nobody could say what the answer will cost.
 */
export function isKnownToSearch({ price, parameters }: Endpoint): boolean {
  return price?.rates.web_search !== undefined || parameters?.has('web_search_options') === true
}

/** The request with a tool that the servers of its dialect run, in the place of the wish. One that the caller wrote stands for both. */
export function withSearchTool(request: ChatRequest, dialect: string, value: JsonObject): ChatRequest {
  const { search: _, ...rest } = request
  const { tools = [] } = request
  if (tools.some((tool) => tool.type === 'native' && tool.dialect === dialect && sameTool(tool.value, value))) return rest
  return rewrite(rest, { tools: [...tools, { type: 'native', dialect, value }] })
}

const sameTool = (a: JsonObject, b: JsonObject): boolean => ('type' in b ? a['type'] === b['type'] : Object.keys(b).every((key) => key in a))

/** An answer that has to be JSON, or that may call nothing, leaves no room for a search in most formats. */
export function leavesRoom({ format, toolChoice }: ChatRequest): boolean {
  return toolChoice !== 'none' && (format === undefined || format.type === 'text')
}

/** Where the caller is, as OpenAI and Anthropic want it said. */
export function approximate({ location }: SearchWish): JsonObject | null {
  return location === undefined ? null : { type: 'approximate', ...location }
}
