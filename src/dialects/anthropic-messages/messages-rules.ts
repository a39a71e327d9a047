/**
 * The laws of a Messages request, as Anthropic refuses what breaks them: a test's oracle, written from the format's
 * description and not from the writer. It answers with the first law that a body breaks, or null.
 */

type Foreign = { readonly [key: string]: unknown }

const ID = /^[a-zA-Z0-9_-]+$/
const NAME = /^[a-zA-Z0-9_-]{1,128}$/

export function broken(body: unknown): string | null {
  if (!isObject(body)) return 'the body is no object'
  const { max_tokens: limit, messages, tools, thinking, tool_choice: choice } = body
  if (typeof body['model'] !== 'string' || body['model'] === '') return 'model: required'
  if (!whole(limit) || limit < 1) return 'max_tokens: a whole number from 1'
  if (body['stream'] !== true && limit > 21_333) return 'max_tokens: above 21333 without streaming'
  const told = Array.isArray(tools) ? tools : []
  return rangesOf(body) ?? toolsOf(told, choice) ?? thinkingOf(thinking, limit, body, choice) ?? systemOf(body['system'])
    ?? messagesOf(messages, told.length > 0, isObject(thinking) && thinking['type'] === 'enabled') ?? marksOf(body)
}

function rangesOf(body: Foreign): string | null {
  const { temperature, top_p: topP, top_k: topK, stop_sequences: stops } = body
  if (temperature !== undefined && !between(temperature, 0, 1)) return 'temperature: 0 to 1'
  if (topP !== undefined && !between(topP, 0, 1)) return 'top_p: 0 to 1'
  if (topK !== undefined && (!whole(topK) || topK < 1)) return 'top_k: from 1'
  if (stops !== undefined && (!Array.isArray(stops) || stops.length === 0 || stops.some((text) => blank(text)))) return 'stop_sequences: blank'
  for (const key of ['frequency_penalty', 'presence_penalty', 'seed', 'logit_bias', 'response_format', 'n', 'user', 'reasoning']) {
    if (body[key] !== undefined) return `${key}: Extra inputs are not permitted`
  }
  return null
}

function toolsOf(tools: readonly unknown[], choice: unknown): string | null {
  const names = new Set<unknown>()
  for (const tool of tools) {
    if (!isObject(tool) || typeof tool['name'] !== 'string' || !NAME.test(tool['name'])) return 'tools: name'
    if (names.has(tool['name'])) return 'tools: names must be unique'
    names.add(tool['name'])
    const schema = tool['input_schema']
    if (tool['type'] === undefined && (!isObject(schema) || schema['type'] !== 'object')) return 'tools.input_schema.type: object'
  }
  if (choice === undefined) return null
  if (!isObject(choice) || tools.length === 0) return 'tool_choice: only beside tools'
  if (!['auto', 'any', 'tool', 'none'].includes(String(choice['type']))) return 'tool_choice.type'
  return choice['type'] === 'tool' && !names.has(choice['name']) ? 'tool_choice.name: no such tool' : null
}

function thinkingOf(thinking: unknown, limit: number, body: Foreign, choice: unknown): string | null {
  if (thinking === undefined) return null
  if (!isObject(thinking)) return 'thinking: an object'
  if (thinking['type'] === 'disabled') return null
  if (isObject(choice) && (choice['type'] === 'any' || choice['type'] === 'tool')) return 'thinking: not with a forced tool'
  if (body['temperature'] !== undefined && body['temperature'] !== 1) return 'temperature: only 1 with thinking'
  if (body['top_k'] !== undefined) return 'top_k: not with thinking'
  if (body['top_p'] !== undefined && !between(body['top_p'], 0.95, 1)) return 'top_p: from 0.95 with thinking'
  if (thinking['type'] === 'adaptive') return null
  const budget = thinking['budget_tokens']
  return !whole(budget) || budget < 1024 || budget >= limit ? 'thinking.budget_tokens: from 1024, below max_tokens' : null
}

function systemOf(system: unknown): string | null {
  if (system === undefined) return null
  if (typeof system === 'string') return blank(system) ? 'system: blank' : null
  if (!Array.isArray(system) || system.length === 0) return 'system: text or blocks'
  return system.some((block) => !isObject(block) || block['type'] !== 'text' || blank(block['text'])) ? 'system: blank block' : null
}

function messagesOf(messages: unknown, hasTools: boolean, budget: boolean): string | null {
  if (!Array.isArray(messages) || messages.length === 0) return 'messages: at least one'
  const ids = new Set<string>()
  let open = new Set<string>()
  let before: unknown
  for (const [at, message] of messages.entries()) {
    if (!isObject(message)) return `messages.${at}: an object`
    const { role, content } = message
    if (role !== 'user' && role !== 'assistant') return `messages.${at}: role`
    if (at === 0 && role !== 'user') return 'messages.0: the first is the user\'s'
    if (role === before) return `messages.${at}: roles alternate`
    before = role
    const blocks: readonly unknown[] = typeof content === 'string' ? [{ type: 'text', text: content }] : Array.isArray(content) ? content : []
    if (blocks.length === 0) return `messages.${at}: empty content`
    const problem = blocksOf(blocks, role, open, ids, hasTools)
    if (problem) return `messages.${at}.${problem}`
    if (role === 'user') {
      if (open.size > 0) return `messages.${at}: calls without results: ${[...open].join()}`
    } else open = new Set(blocks.flatMap((block) => (isObject(block) && block['type'] === 'tool_use' ? [String(block['id'])] : [])))
    const last = blocks.at(-1)
    if (role === 'assistant' && isObject(last) && String(last['type']).includes('thinking')) return `messages.${at}: ends with a thought`
    if (role === 'assistant' && at === messages.length - 1 && isObject(last) && /\s$/.test(String(last['text'] ?? ''))) return `messages.${at}: ends with a blank`
    const next = messages[at + 1] as Foreign | undefined
    const results = Array.isArray(next?.['content']) && isObject(next['content'][0]) && next['content'][0]['type'] === 'tool_result'
    const first = blocks[0] as Foreign
    if (budget && role === 'assistant' && results && at === messages.length - 2 && !String(first['type']).includes('thinking')) return `messages.${at}: thoughts are missing`
  }
  return open.size > 0 ? `messages: calls without results: ${[...open].join()}` : null
}

function blocksOf(blocks: readonly unknown[], role: string, open: Set<string>, ids: Set<string>, hasTools: boolean): string | null {
  let other = false
  for (const [at, block] of blocks.entries()) {
    if (!isObject(block)) return `${at}: an object`
    const { type } = block
    if (type === 'tool_result') {
      if (role !== 'user' || other) return `${at}: results come first, from the user`
      if (!open.delete(String(block['tool_use_id']))) return `${at}: a result without its call`
      const { content } = block
      const empty = content === undefined || (Array.isArray(content) && content.length === 0) || blank(content)
      if (empty && block['is_error'] === true) return `${at}: a failure without content`
      if (Array.isArray(content) && content.some((inner) => isObject(inner) && inner['type'] === 'text' && blank(inner['text']))) return `${at}: blank text`
      continue
    }
    other = true
    if (type === 'text' && blank(block['text'])) return `${at}: blank text`
    if (type === 'tool_use') {
      const id = String(block['id'])
      if (role !== 'assistant' || !hasTools) return `${at}: a call of the user, or without tools`
      if (!ID.test(id)) return `${at}: id ${id}`
      if (ids.has(id)) return `${at}: id ${id} stands twice`
      ids.add(id)
      if (!isObject(block['input'])) return `${at}: input is no object`
      if (!NAME.test(String(block['name']))) return `${at}: name`
    }
    if (type === 'thinking' && (role !== 'assistant' || typeof block['signature'] !== 'string')) return `${at}: thinking`
    if ((type === 'image' || type === 'document') && role !== 'user') return `${at}: media of the assistant`
  }
  return null
}

/** Marks in the order of the prompt: tools, system, messages, and the one of the request last. */
function marksOf(body: Foreign): string | null {
  const marks: unknown[] = []
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit)
    else if (isObject(value)) {
      if (value['type'] !== 'tool_use') for (const key of ['content']) visit(value[key])
      if (value['cache_control'] === undefined) return
      if (String(value['type']).includes('thinking')) marks.push(undefined)
      marks.push(value['cache_control'])
    }
  }
  visit(body['tools'])
  visit(body['system'])
  visit(body['messages'])
  if (body['cache_control'] !== undefined) marks.push(body['cache_control'])
  if (marks.length > 4) return 'cache_control: more than four'
  let short = false
  for (const mark of marks) {
    if (!isObject(mark) || mark['type'] !== 'ephemeral') return 'cache_control: ephemeral, and not on a thought'
    if (mark['ttl'] === '1h' && short) return 'cache_control: a longer ttl after a shorter one'
    short ||= mark['ttl'] !== '1h'
  }
  return null
}

const isObject = (value: unknown): value is Foreign => typeof value === 'object' && value !== null && !Array.isArray(value)
const blank = (value: unknown): boolean => typeof value === 'string' && value.trim() === ''
const whole = (value: unknown): value is number => Number.isSafeInteger(value)
const between = (value: unknown, min: number, max: number): boolean => typeof value === 'number' && value >= min && value <= max
