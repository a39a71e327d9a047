import { fault, type ChatRequest, type Fault } from '../core/index.ts'

/** Whose server tools are the router's own (`openrouter:web_search`): they are left out and reported, as they always were. */
const OF_THE_ROUTER = 'openai-chat'

/**
 * Why a request cannot go to an endpoint of a dialect, where it asks for a tool that only the servers of another one
 * run; null when it can. To leave the tool out in silence would answer another question than the one that was asked.
 * The fault lets another endpoint of the model be tried.
 */
export function foreignTool({ tools, origin }: ChatRequest, dialect: string): Fault | null {
  if (!tools) return null
  for (const [at, tool] of tools.entries()) {
    if (tool.type !== 'native' || tool.dialect === dialect || tool.dialect === OF_THE_ROUTER) continue
    const name = JSON.stringify(tool.value['type'] ?? Object.keys(tool.value)[0] ?? '')
    // A namespace of tools is one entry of what the caller wrote, and several tools here.
    const written = origin?.body['tools']
    const place = Array.isArray(written) ? written.indexOf(tool.value) : -1
    const field = `tools[${place < 0 ? at : place}]`
    return fault('unsupported-parameter',
      `${field}: ${name} is run by servers that speak ${tool.dialect}, and this endpoint speaks ${dialect}; name a model that they serve, or leave it out`, { field })
  }
  return null
}
