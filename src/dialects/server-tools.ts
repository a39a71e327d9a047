import { fault, SERVER_TOOL, type ChatRequest, type Fault, type LoopWishes, type ServerToolUse, type ServerToolWish, type StopCondition, type Tool, type VendorTool } from '../core/index.ts'
import { z } from '../schema/index.ts'
import { isObject, type Loose } from './loose.ts'

/** OpenRouter's server tools, as bodies of every format ask for them. Settings stand in `parameters`, or beside the type. */

const text = z.string()
const domains = z.array(text).nullish()
const tool = (name: string, settings: z.ZodRawShape) =>
  z.looseObject({ type: z.literal(`openrouter:${name}`), parameters: z.looseObject(settings).nullish() })

const whole = z.int().nullish()
const nested = z.array(z.looseObject({ type: text })).nullish().describe('Server tools that it may use.')
const asking = {
  model: text.nullish(), instructions: text.nullish(), tools: nested, max_tool_calls: whole.describe('1 to 25; 10.'), max_uses: whole, max_completion_tokens: whole,
  reasoning: z.looseObject({ effort: text.nullish(), max_tokens: whole }).nullish(), temperature: z.number().nullish(), name: text.nullish().describe('Where there are several.'),
}

/** For the published schema: what is wrong with a setting is said by the tool itself. */
export const SERVER_TOOL_SHAPES = [
  tool('datetime', { timezone: text.nullish().describe('IANA name; UTC.') }),
  tool('web_search', {
    engine: text.nullish().describe('auto, or one that is set up here.'), max_results: z.int().nullish().describe('1 to 20; 5.'),
    max_total_results: z.int().nullish().describe('Over all searches; 50.'), max_uses: z.int().nullish(), max_characters: z.int().nullish().describe('Of each result.'),
    allowed_domains: domains, excluded_domains: domains,
  }),
  tool('web_fetch', {
    engine: text.nullish().describe('auto or openrouter.'), max_uses: z.int().nullish(), max_content_tokens: z.int().nullish(), allowed_domains: domains, blocked_domains: domains,
  }),
  tool('apply_patch', { engine: text.nullish().describe("auto and native: the provider's own where it has one; openrouter: never.") }),
  tool('tool_search', { max_results: z.int().nullish().describe('Tools that one search finds, 1 to 20; 5.') }),
  tool('advisor', { ...asking, forward_transcript: z.boolean().nullish().describe('The advisor reads the conversation.') }),
  tool('subagent', asking),
  tool('fusion', {
    analysis_models: z.array(text).nullish().describe('The panel, 1 to 8 models; else by the preset.'), preset: text.nullish().describe('general-high, general-budget or general-fast.'),
    model: text.nullish().describe('The analyst.'), tools: nested, max_tool_calls: whole.describe('1 to 16; 4.'), max_completion_tokens: whole.describe('16000.'),
    reasoning: asking.reasoning, temperature: asking.temperature,
  }),
] as const

/** Of a tool, on every surface but Anthropic's, whose own document says it. */
export const deferLoading = z.boolean().nullish().describe('Kept from the model until openrouter:tool_search finds it.')

/** `stop_server_tools_when`: any of them ends it. */
export const stopSchema = z.array(z.union([
  z.strictObject({ type: z.literal('step_count_is'), step_count: z.int().min(1) }),
  z.strictObject({ type: z.literal('has_tool_call'), tool_name: text.min(1) }),
  z.strictObject({ type: z.literal('max_tokens_used'), max_tokens: z.int().min(1) }),
  z.strictObject({ type: z.literal('max_cost'), max_cost_in_dollars: z.number().min(0) }),
  z.strictObject({ type: z.literal('finish_reason_is'), reason: text.min(1) }),
])).max(16).nullish()

/** Whether a body that lists no tool may have one all the same: the plugin `fusion` brings its own, and so does `openrouter/fusion`. */
export function bringsTool({ model, plugins }: Loose): boolean {
  const plugin = Array.isArray(plugins) ? (plugins as readonly unknown[]).find((it) => isObject(it) && it['id'] === 'fusion') as Loose | undefined : undefined
  return plugin ? plugin['enabled'] !== false : typeof model === 'string' && model.endsWith('/fusion')
}

const PREFIX = 'openrouter:'

/** A tool of the body as a server tool; null for all others. */
export function serverToolOf(of: Loose, at: number): Tool | null {
  const { type } = of
  if (typeof type !== 'string' || !type.startsWith(PREFIX)) return null
  const { type: _, parameters, cache_control: __, ...beside } = of
  const name = type.slice(PREFIX.length)
  // None can be deferred; its settings say so.
  const deferred = of['defer_loading'] !== undefined && of['defer_loading'] !== null && of['defer_loading'] !== false
  return asked(isObject(parameters) && !deferred ? { name, settings: parameters, field: `tools[${at}].parameters` } : { name, settings: beside, field: `tools[${at}]` })
}

/** The same where a format names a tool by a key, as Google's does: `{"openrouter:datetime": {}}`. */
export function serverToolsIn(of: Loose, at: number): { readonly tools: readonly Tool[]; readonly rest: Loose } {
  const own = Object.keys(of).filter((key) => key.startsWith(PREFIX))
  if (own.length === 0) return { tools: [], rest: of }
  const tools = own.map((key) => asked({ name: key.slice(PREFIX.length), settings: isObject(of[key]) ? of[key] : {}, field: `tools[${at}].${key}` }))
  return { tools, rest: Object.fromEntries(Object.entries(of).filter(([key]) => !key.startsWith(PREFIX))) }
}

const asked = (wish: ServerToolWish): Tool => ({ type: 'native', dialect: SERVER_TOOL, value: { ...wish, ...NATIVES.get(wish.name) } })

/** Tools that some vendors run, or have trained their models in, by our names of them. */
const NATIVES: ReadonlyMap<string, Pick<ServerToolWish, 'native'>> = new Map([
  ['apply_patch', { native: { dialect: 'openai-responses', value: { type: 'apply_patch' } } }],
])

/** A vendor's own tool that is run here for models that do not know it. */
export function standInOf(name: string, at: number, native: VendorTool): Tool {
  return { type: 'native', dialect: SERVER_TOOL, value: { name, settings: {}, field: `tools[${at}]`, native } satisfies ServerToolWish }
}

/** What a tool says of itself; OpenAI's chat nests what a function is, and callers write the mark on either level. */
export function deferral(...levels: readonly Loose[]): { readonly deferred: true } | null {
  return levels.some((it) => it['defer_loading'] === true || it['deferLoading'] === true) ? { deferred: true } : null
}

/**
 * Why a tool that is deferred would never be called, where nothing that searches for it is asked for; null where there is
 * something. Anthropic's clients may search themselves, and are not asked.
 */
export function unfindable(tools: readonly Tool[] | undefined, fieldOf = (at: number): string => `tools[${at}].defer_loading`): Fault | null {
  const at = tools?.findIndex((tool) => tool.type !== 'native' && tool.deferred) ?? -1
  if (at < 0 || tools!.some((tool) => tool.type === 'native' && (tool.dialect === SERVER_TOOL ? tool.value['name'] === 'tool_search' : tool.value['type'] === 'tool_search'))) return null
  const field = fieldOf(at)
  return fault('invalid-request', `${field}: needs something that finds the tool: {"type": "openrouter:tool_search"} among tools`, { field })
}

/** How far they may go; null where none is asked for, which leaves such wishes without effect. */
export function loopOf(body: Loose, tools: readonly Tool[] | undefined): LoopWishes | null {
  if (!tools?.some((it) => it.type === 'native' && it.dialect === SERVER_TOOL)) return null
  const { max_tool_calls: maxCalls, stop_server_tools_when: stopWhen } = body
  return {
    ...(typeof maxCalls === 'number' && { maxCalls }),
    ...(Array.isArray(stopWhen) && stopWhen.length > 0 && { stopWhen: stopWhen as readonly StopCondition[] }),
  }
}

/** The counts of server tools, as usage tells them; nothing where none was called. */
export function serverToolCounts(services: Readonly<Record<string, number>>): { readonly [key: string]: number } | undefined {
  const { web_search: searches = 0, server_tool_call: requested = 0, server_tool_result: executed = 0 } = services
  if (searches === 0 && requested === 0) return undefined
  return { ...(requested > 0 && { tool_calls_requested: requested, tool_calls_executed: executed }), ...(searches > 0 && { web_search_requests: searches }) }
}

/** A fact of a use that has to be a text. */
export function factOf({ facts }: ServerToolUse, key: string): string {
  const value = facts[key]
  return typeof value === 'string' ? value : ''
}

/** What a use is read back as, where its format has no word for its having failed. */
export const readUse = (id: string, name: string, input: string, output: string): ServerToolUse =>
  ({ id, name, input, output, ...(FAILED.some((begin) => output.startsWith(begin)) && { failed: true }), facts: {} })

/** How the result of a tool begins that has failed; those that ask models tell theirs as OpenRouter does. */
const FAILED = ['Error: ', '{"status":"error"'] as const

/**
 * Whether a request may go to an endpoint in the words of its caller: each of a vendor's tools in them is known there. A
 * function stands in for those that are not, with all that belongs to it.
 */
export function saysAsWritten({ tools }: ChatRequest, dialect: string, knows: (tool: string) => boolean): boolean {
  return tools?.every((tool) => tool.type !== 'function' || tool.instead?.dialect !== dialect || knows(String(tool.instead.value['type']))) !== false
}
