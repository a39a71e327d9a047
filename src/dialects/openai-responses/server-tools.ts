import { SERVER_TOOL, type JsonObject, type Part, type ServerToolUse } from '../../core/index.ts'
import { factOf, readUse } from '../server-tools.ts'
import { isObject, type Loose } from './wire.ts'

/**
 * What a server tool did, as an item: searches and pages as OpenAI's `web_search_call`, the time as OpenRouter's own. What
 * the model was told goes with it in `server_tool`, so that a caller who sends the item back has it before the model again.
 */
export function itemOfUse(use: ServerToolUse): JsonObject {
  const status = use.failed ? 'failed' : 'completed'
  const server_tool = { name: use.name, arguments: use.input, result: use.output }
  switch (use.name) {
    case 'web_search': {
      const sources = Array.isArray(use.facts['sources']) ? use.facts['sources'] as readonly JsonObject[] : []
      const query = factOf(use, 'query')
      return {
        type: 'web_search_call', id: `ws_${use.id}`, status,
        action: { type: 'search', query, queries: [query], sources: sources.map(({ url }) => ({ type: 'url', url })) }, server_tool,
      }
    }
    case 'web_fetch': return { type: 'web_search_call', id: `ws_${use.id}`, status, action: { type: 'open_page', url: factOf(use, 'url') }, server_tool }
    default: return { ...use.facts, type: `openrouter:${use.name}`, id: use.id, status, server_tool }
  }
}

/** An item that we have made of a use; null for any other. */
export function useOfItem(item: Loose): Part | null {
  const { id, server_tool: told } = item
  if (typeof id !== 'string' || !isObject(told)) return null
  const { name, arguments: input, result } = told
  if (typeof name !== 'string' || typeof input !== 'string' || typeof result !== 'string') return null
  return { type: 'native', dialect: SERVER_TOOL, value: readUse(id.replace(/^ws_/, ''), name, input, result) }
}
