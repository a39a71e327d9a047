import type { JsonObject } from '../../core/index.ts'
import type { AnyTool } from './tools.ts'
import { isLoose, type Block, type CacheControl, type Loose, type Message, type Thinking } from './wire.ts'

/**
 * What a caller of this very format said, where it says what we would write and more: fields of blocks and tools that
 * nothing here has a word for (`citations: {enabled}`, `context`, `strict`, `defer_loading` …) reach the provider.
 * Where the two differ (a blank text that is refused, a seal of another family, a fifth cache mark), ours is written.
 */

/** The caller's own JSON for each message that may go as it was said; null at its place for one that may not. */
export function asSaid(messages: readonly Message[], body: JsonObject): readonly (string | null)[] | null {
  const said = body['messages']
  if (!Array.isArray(said) || said.length !== messages.length) return null
  return messages.map((message, at) => (isLoose(said[at]) && sameMessage(message, said[at]) ? JSON.stringify(said[at]) : null))
}

function sameMessage({ role, content }: Message, said: Loose): boolean {
  return said['role'] === role && sameContent(content, said['content'])
}

function sameContent(blocks: readonly Block[], said: unknown): boolean {
  if (typeof said === 'string') return blocks.length === 1 && blocks[0]!.type === 'text' && blocks[0]!.text === said && blocks[0]!.cache_control === undefined
  return Array.isArray(said) && said.length === blocks.length && blocks.every((block, at) => isLoose(said[at]) && sameBlock(block, said[at]))
}

function sameBlock(block: Block, said: Loose): boolean {
  const mark = 'cache_control' in block ? block.cache_control : undefined
  if (!sameMark(mark, said['cache_control'])) return false
  if (block.type === 'native') return block.value['type'] === said['type']
  // Both are read as what every family has a word for: text, and a text file.
  if (said['type'] === 'search_result') return block.type === 'text'
  if (said['type'] !== block.type) return false
  switch (block.type) {
    case 'text': return block.text === said['text']
    case 'thinking': return block.thinking === said['thinking'] && block.signature === said['signature']
    case 'redacted_thinking': return block.data === said['data']
    case 'tool_use': return block.id === said['id'] && block.name === said['name']
    case 'tool_result': return block.tool_use_id === said['tool_use_id'] && (block.is_error === true) === (said['is_error'] === true) && sameResult(block.content, said['content'])
    default: return mediaType(block.source) === mediaType(said['source'])
  }
}

function sameResult(content: string | readonly Block[] | undefined, said: unknown): boolean {
  if (content === undefined) return said === undefined || said === null || (Array.isArray(said) && said.length === 0) || said === ''
  if (typeof content !== 'string') return sameContent(content, said)
  return content === said || sameContent([{ type: 'text', text: content }], said)
}

const mediaType = (source: unknown): unknown => (isLoose(source) && source['type'] === 'base64' ? source['media_type'] : undefined)

function sameMark(mark: CacheControl | undefined, said: unknown): boolean {
  return isLoose(said) ? mark !== undefined && (mark.ttl ?? null) === (said['ttl'] ?? null) : mark === undefined
}

/** Tools with what their declarations say beyond ours. */
export function asDeclared(tools: readonly AnyTool[], body: JsonObject): readonly unknown[] {
  const said = Array.isArray(body['tools']) ? body['tools'].filter(isLoose) : []
  return tools.map((tool) => {
    const of = said.find((it) => it['name'] === tool.name && (it['type'] === undefined || it['type'] === 'custom'))
    return of ? { ...of, ...tool } : tool
  })
}

/** The wish for thinking with what it says beyond ours; how much of it is shown is the caller's to say. */
export function asWished(thinking: Thinking, body: JsonObject): JsonObject {
  const said = body['thinking']
  const same = isLoose(said) && (said['type'] === thinking.type || (said['type'] === 'between_tools' && thinking.type === 'adaptive'))
  if (!same) return { ...thinking }
  if (said['type'] === 'between_tools') return said
  return { ...thinking, ...said, ...(thinking.type === 'enabled' && { budget_tokens: thinking.budget_tokens }) }
}

/** What `output_config` holds beyond effort and format (`task_budget`). */
export function furtherConfig(body: JsonObject): JsonObject | null {
  const said = body['output_config']
  if (!isLoose(said)) return null
  const { effort: _, format: __, ...further } = said
  return further
}
