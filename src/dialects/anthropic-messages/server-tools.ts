import { SERVER_TOOL, toolsFound, type JsonObject, type Part, type ServerToolUse, type Tool } from '../../core/index.ts'
import { factOf, readUse } from '../server-tools.ts'
import { DIALECT, isLoose, textOf, type Loose } from './wire.ts'

/**
 * Anthropic's own advisor is asked for as any other tool of theirs; it is ours, so that it works with any model and takes
 * models by our names. Null for any other tool.
 */
export function advisorIn(tool: Loose, at: number): Tool | null {
  if (!/^advisor_\d+$/.test(textOf(tool['type']))) return null
  const { model, max_uses, max_tokens, caching } = tool
  const settings = { model, max_uses, caching, max_completion_tokens: max_tokens }
  return { type: 'native', dialect: SERVER_TOOL, value: { name: 'advisor', settings: Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)), field: `tools[${at}]` } }
}

/** Ids of uses that were made here; Anthropic's own have no underscore behind theirs. */
const MADE_HERE = /^srvtoolu_(st_.+)$/

/**
 * What a server tool did, as two blocks of this format: `server_tool_use` and its result. It has such a pair for searching
 * the web, for fetching, for searching tools and for advice, and no word for the time or for a task. What the model was told of a search goes as the `encrypted_content` of its
 * first result, which clients hand back unread. The call is without its input; null where there is no pair.
 */
export function blocksOfUse(use: ServerToolUse): { readonly call: JsonObject; readonly result: JsonObject } | null {
  const id = `srvtoolu_${use.id}`
  if (use.name === 'tool_search') {
    return { call: { type: 'server_tool_use', id, name: TOOL_SEARCH }, result: { type: 'tool_search_tool_result', tool_use_id: id, content: foundBy(use) } }
  }
  if (use.name !== 'web_search' && use.name !== 'web_fetch' && use.name !== 'advisor') return null
  return { call: { type: 'server_tool_use', id, name: use.name }, result: { type: `${use.name}_tool_result`, tool_use_id: id, content: resultOf(use) } }
}

const TOOL_SEARCH = 'tool_search_tool_bm25'

function foundBy(use: ServerToolUse): JsonObject {
  if (use.failed) return { type: 'tool_search_tool_result_error', error_code: 'invalid_tool_input', error_message: factOf(use, 'error') }
  const names = Array.isArray(use.facts['found']) ? use.facts['found'] as readonly string[] : []
  return { type: 'tool_search_tool_search_result', tool_references: names.map((name) => ({ type: 'tool_reference', tool_name: name })) }
}

function resultOf(use: ServerToolUse): unknown {
  if (use.failed) return { type: `${use.name}_tool_result_error`, error_code: 'unavailable' }
  if (use.name === 'advisor') return { type: 'advisor_result', text: factOf(use, 'advice') }
  if (use.name === 'web_fetch') {
    const document = { type: 'document', source: { type: 'text', media_type: 'text/plain', data: use.output }, title: factOf(use, 'title') || null, citations: null }
    return { type: 'web_fetch_result', url: factOf(use, 'url'), retrieved_at: null, content: document }
  }
  const sources = Array.isArray(use.facts['sources']) ? use.facts['sources'] as readonly JsonObject[] : []
  return sources.map(({ url, title }, at) => ({
    type: 'web_search_result', url, title, page_age: null, encrypted_content: at === 0 ? Buffer.from(use.output).toString('base64url') : '',
  }))
}

/** The parts of a message with those pairs that were made here put together again. */
export function withUses(parts: readonly Part[]): Part[] {
  const results = new Map<string, Loose>()
  for (const part of parts) {
    const value = blockIn(part)
    if (value && textOf(value['type']).endsWith('_tool_result') && MADE_HERE.test(textOf(value['tool_use_id']))) results.set(textOf(value['tool_use_id']), value)
  }
  if (results.size === 0) return [...parts]
  return parts.flatMap((part): Part[] => {
    const value = blockIn(part)
    if (!value || results.get(textOf(value['tool_use_id'])) === value) return value ? [] : [part]
    const id = textOf(value['id'])
    const result = value['type'] === 'server_tool_use' ? results.get(id) : undefined
    if (!result) return [part]
    const name = value['name'] === TOOL_SEARCH ? 'tool_search' : textOf(value['name'])
    const made = readUse(MADE_HERE.exec(id)![1]!, name, JSON.stringify(value['input'] ?? {}), outputOf(result['content']))
    return [{ type: 'native', dialect: SERVER_TOOL, value: made }]
  })
}

const blockIn = (part: Part): Loose | null => (part.type === 'native' && part.dialect === DIALECT && isLoose(part.value) ? part.value : null)

function outputOf(content: unknown): string {
  if (isLoose(content) && content['type'] === 'advisor_result') return JSON.stringify({ status: 'ok', advice: textOf(content['text']) })
  if (Array.isArray(content)) {
    const [first] = content as readonly Loose[]
    return first === undefined ? 'Nothing was found.' : Buffer.from(textOf(first['encrypted_content']), 'base64url').toString()
  }
  if (isLoose(content) && Array.isArray(content['tool_references'])) return toolsFound(content['tool_references'].filter(isLoose).map((it) => textOf(it['tool_name'])))
  if (isLoose(content) && textOf(content['error_message']) !== '') return `Error: ${textOf(content['error_message'])}`
  const document = isLoose(content) ? content['content'] : undefined
  const source = isLoose(document) ? document['source'] : undefined
  return isLoose(source) ? textOf(source['data']) : 'Error: unavailable'
}
