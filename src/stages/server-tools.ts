import {
  fault, FaultError, rewrite, SERVER_TOOL, useIn,
  type Annotation, type Asked, type ChatRequest, type Departure, type Fees, type Generate, type JsonObject, type LoopWishes, type Message, type Offer, type Part, type Said, type ServerTools,
  type ServerToolUse, type ServerToolWish, type Stage, type StageNote, type StopCondition, type Tool, type ToolCallPart, type ToolChoice, type Turn,
} from '../core/index.ts'
import { asTool, type Nest } from './agent.ts'
import { hasPanel, isFused, withPanel } from './fusion.ts'
import type { Callable } from './tool-index.ts'
import { SERVER_TOOL_NAMES, serverTool, type Exchange, type Ran, type ServerTool, type ToolKitGiven, type ToolTurn } from './tool-kit.ts'

export interface ServerToolsRules {
  /** Answers of the model, the last one not counted. */
  readonly maxSteps: number
  /** After so many milliseconds no further tool is run. */
  readonly timeoutMs: number
  /** So long may one call of a tool take that asks models. */
  readonly modelTimeoutMs: number
  /** Names that nobody may ask for, as OpenRouter has them. */
  readonly disabled: readonly string[]
}

export interface ServerToolsGiven extends ToolKitGiven {
  readonly rules: () => ServerToolsRules
  readonly monotonic: () => number
  /** Distinct, and safe in any format's ids: begins with `st_`. */
  readonly id: () => string
}

const ID = 'server-tools'
/** Of one answer; what is called beyond them is not run. */
const MOST_AT_ONCE = 16

/**
 * Server tools, as `KIT` lists them: `openrouter:datetime`, `openrouter:web_search` and so on. The model is offered them as
 * functions. What it calls is run here and told to it, and it is asked again, until it answers, calls a tool of its
 * caller's, or has gone as far as it may: then it is asked once more without tools. What was done in an earlier turn, and
 * came back with the caller's history, is put before the model as it was.
 */
export function serverTools(given: ServerToolsGiven): Stage {
  return {
    name: ID,
    wants: (call) => {
      const { tools, messages } = call.asked.operation.request
      return hasPanel(call) || tools?.some(isOurs) === true || messages.some(({ role, parts }) => role === 'assistant' && parts.some((part) => useIn(part) !== null))
    },
    async request(call) {
      const { offers, departure } = call
      try {
        const whole = await withPanel(call)
        if ('fault' in whole) return whole
        const { asked } = whole
        const { request } = asked.operation
        const kit = kitOf(given, request, asked.inside)
        const { tools: _, toolChoice, ...bare } = request
        // A choice among tools none of which is left is none.
        const choice = toolChoice === undefined || kit.offered.length === 0 ? undefined : choiceIn(toolChoice, kit)
        const pass = rewrite(bare, {
          messages: request.messages.flatMap((message) => unfolded(recalled(message, kit), kit, given.read)),
          ...(kit.offered.length > 0 && { tools: kit.offered }),
          ...(choice !== undefined && { toolChoice: choice }),
          ...(request.extras['max_tool_calls'] !== undefined && { extras: without(request.extras, 'max_tool_calls') }),
        })
        const asWritten = kit.ignored.length === 0 && isInOthersWords(request) && { origin: request.origin! }
        const next = { ...asked, operation: { type: 'chat' as const, request: { ...pass, ...asWritten } }, ...(kit.ignored.length > 0 && { ignored: [...asked.ignored, ...kit.ignored] }) }
        if (kit.tools.size === 0) return { pass: next }
        if (!departure) return { pass: next, note: { type: 'server_tools', name: ID, summary: `the model may call ${[...kit.names.keys()].map((name) => `openrouter:${name}`).join(', ')}` } }
        return { pass: next, tools: new Running(given, kit, asked.loop ?? {}, departure, modelsOf(asked, offers)) }
      } catch (error) {
        if (error instanceof FaultError) return { fault: error.fault }
        throw error
      }
    },
  }
}

/** The models as they were asked for; a panel is not asked by its own members. */
function modelsOf({ preferences }: Asked, offers: readonly Offer[]): readonly string[] {
  return offers.some(isFused) ? offers.map(({ model }) => model.id) : preferences.models
}

/**
 * Whether all that is run here was asked for in the words of a vendor, and nothing came back of it: an endpoint that knows
 * them is sent the body as its caller wrote it.
 */
function isInOthersWords({ tools = [], messages, origin }: ChatRequest): boolean {
  return origin !== undefined && tools.some(isOurs) && messages.every(({ parts }) => parts.every((part) => useIn(part) === null))
    && tools.every((tool) => !isOurs(tool) || (tool.type === 'native' && (tool.value as unknown as ServerToolWish).native?.asWritten === true))
}

const isOurs = (tool: Tool): boolean => tool.type === 'native' && tool.dialect === SERVER_TOOL

/** The tools of one request. */
interface Kit {
  /** By the function that the model calls. */
  readonly tools: ReadonlyMap<string, { readonly name: string; readonly tool: ServerTool }>
  /** The functions by the names of the tools that they stand for. */
  readonly names: ReadonlyMap<string, string>
  /** Of tools that may be there several times: their functions, by the tools' names and then by their own. */
  readonly instances: ReadonlyMap<string, ReadonlyMap<string | null, string>>
  /** What the model is offered: the tools in their order, functions in the place of those that are run here, and behind them what it has found before. */
  readonly offered: readonly Tool[]
  readonly ignored: readonly string[]
}

function kitOf(given: ServerToolsGiven, request: Pick<ChatRequest, 'tools' | 'choices' | 'messages' | 'toolChoice'>, inside: readonly string[] = []): Kit {
  const { tools: asked = [], choices } = request
  const searches = asked.some(isSearch)
  const { all, found } = searches ? deferredIn(request, given.read) : NOTHING_DEFERRED
  const tools = new Map<string, { name: string; tool: ServerTool }>()
  const offered: Tool[] = []
  const names = new Map<string, string>()
  const instances = new Map<string, Map<string | null, string>>()
  const ignored: string[] = []
  const taken = new Set(asked.flatMap((tool) => (tool.type === 'native' ? [] : [tool.name])))
  for (const tool of asked) {
    if (tool.type !== 'native' || tool.dialect !== SERVER_TOOL) {
      if (tool.type === 'native' || !tool.deferred || !searches) offered.push(tool)
      continue
    }
    const wish = tool.value as unknown as ServerToolWish
    const field = wish.field.replace(/\.parameters$/, '')
    const refused = (what: string): FaultError => new FaultError(fault('invalid-request', `${field}: ${what}`, { field }))
    if ((choices ?? 1) > 1) throw new FaultError(fault('invalid-request', 'n: must be 1 beside server tools, which are run for one answer', { field: 'n' }))
    if (given.rules().disabled.includes(`openrouter:${wish.name}`)) throw refused(`openrouter:${wish.name} is switched off on this server (server_tools.disabled)`)
    const made = serverTool(given, wish, { deferred: all, nest: nestOf(given) })
    if (made === null) throw refused(`openrouter:${wish.name.slice(0, 60)} is not run here; there are ${SERVER_TOOL_NAMES.join(', ')}`)
    // Nothing to be searched for, or a call that is made within this tool.
    if ((wish.name === SEARCH && all.length === 0) || inside.includes(wish.name)) {
      ignored.push(field)
      continue
    }
    const { instance, called, instead, description, parameters } = made
    if (called !== undefined && taken.has(called)) throw refused(`there is a function ${called} among tools, whose calls could not be told from those of openrouter:${wish.name}`)
    const same = instances.get(wish.name)
    if (instance === undefined && names.has(wish.name)) throw refused(`openrouter:${wish.name} is there twice`)
    if (instance !== undefined && same?.has(instance)) {
      throw instance === null ? refused(`of several openrouter:${wish.name} tools only one may have no name`) : new FaultError(fault('invalid-request', `${wish.field}.name: ${JSON.stringify(instance)} is there twice`, { field: `${wish.field}.name` }))
    }
    // OpenRouter's names: those behind the first are told apart by their place.
    const plain: string = called ?? `openrouter_${wish.name}${same ? `__${same.size}` : ''}`
    let name = plain
    for (let n = 2; taken.has(name); n++) name = `${plain}_${n}`
    tools.set(name, { name: wish.name, tool: made })
    offered.push({ type: 'function', name, description, parameters, ...(instead && { instead }) })
    if (!names.has(wish.name)) names.set(wish.name, name)
    if (instance !== undefined) instances.set(wish.name, new Map([...same ?? [], [instance, name]]))
    ignored.push(...made.ignored)
  }
  return { tools, names, instances, offered: [...offered, ...found], ignored }
}

const SEARCH = 'tool_search'
const isSearch = (tool: Tool): boolean => tool.type === 'native' && tool.dialect === SERVER_TOOL && tool.value['name'] === SEARCH

/** The deferred tools of a request, and those of them that are not kept from its model any more. */
interface Deferred {
  readonly all: readonly Callable[]
  readonly found: readonly Callable[]
}

const NOTHING_DEFERRED: Deferred = { all: [], found: [] }

/**
 * What was found stands in the order of its finding: what searches of earlier turns told the model, what it has called,
 * and what `tool_choice` names. So a conversation goes on with the tools in the order that it had them in, and its cache.
 */
function deferredIn({ tools = [], messages, toolChoice }: Pick<ChatRequest, 'tools' | 'messages' | 'toolChoice'>, read: ServerToolsGiven['read']): Deferred {
  const held = new Map<string, Callable>()
  const found: Callable[] = []
  for (const tool of tools) if (tool.type !== 'native' && tool.deferred) held.set(tool.name, tool)
  const all = [...held.values()]
  if (all.length === 0) return NOTHING_DEFERRED
  const take = (name: unknown): void => {
    const tool = held.get(String(name))
    if (tool && held.delete(tool.name)) found.push(loaded(tool))
  }
  for (const { role, parts } of messages) {
    if (role !== 'assistant') continue
    for (const part of parts) {
      const use = useIn(part)
      if (part.type === 'tool-call') take(part.name)
      else if (use?.name === SEARCH) for (const name of namesIn(use, read)) take(name)
    }
  }
  if (typeof toolChoice === 'object') for (const name of 'tool' in toolChoice ? [toolChoice.tool] : toolChoice.allowed) take(name)
  return { all, found }
}

/** The tools that the model was told of, as the caller has sent it back. */
function namesIn({ output }: ServerToolUse, read: ServerToolsGiven['read']): readonly unknown[] {
  const told = read(output)
  const { found } = 'value' in told && typeof told.value === 'object' && told.value !== null ? told.value as { readonly found?: unknown } : {}
  return Array.isArray(found) ? found : []
}

function loaded({ deferred: _, ...tool }: Callable): Callable {
  return tool
}

/** Tools for the models that tools ask. */
function nestOf(given: ServerToolsGiven): Nest {
  return (wishes, maxCalls) => {
    const kit = kitOf(given, { tools: wishes.map(asTool), messages: [] })
    return { tools: kit.offered, ignored: kit.ignored, running: (departure, models) => new Running(given, kit, { maxCalls }, departure, models) }
  }
}

/** The function that a use was a call of; one of several says in its result which it was. */
function functionOf({ name, output }: ServerToolUse, { names, instances }: Kit): string {
  const same = instances.get(name)
  if (same && same.size > 1) for (const [instance, of] of same) if (instance !== null && output.includes(`"name":${JSON.stringify(instance)}`)) return of
  return same?.get(null) ?? names.get(name) ?? `openrouter_${name}`
}

/** What a model has called of a tool whose calls its caller sees, and what came back as the call of a function of that name. */
function recalled(message: Message, { tools }: Kit): Message {
  if (message.role !== 'assistant' || !message.parts.some((part) => part.type === 'tool-call' && tools.get(part.name)?.tool.called)) return message
  return {
    ...message, parts: message.parts.map((part) => {
      const as = part.type === 'tool-call' ? tools.get(part.name)?.tool.called : undefined
      return as && part.type === 'tool-call' ? { ...part, as } : part
    }),
  }
}

/** A choice that names a server tool names its function. */
function choiceIn(choice: ToolChoice, { names }: Kit): ToolChoice {
  if (typeof choice === 'string') return choice
  const named = (tool: string): string => names.get(tool.replace(/^openrouter:/, '')) ?? tool
  return 'tool' in choice ? { tool: named(choice.tool) } : { ...choice, allowed: choice.allowed.map(named) }
}

const without = (of: JsonObject, key: string): JsonObject => Object.fromEntries(Object.entries(of).filter(([name]) => name !== key))

/**
 * What an assistant said in one answer with server tools, as the several answers that it was: each ends with its calls,
 * and their results follow; what was called at once is known by its ids. Behind the last stand the calls of the caller's
 * own tools, whose results the caller has. Where a format has told what was done before all that was said (chat does),
 * the words with those calls had thoughts of their own only if some stand there; otherwise they belong to the answer
 * before, whose thoughts they need; but a tool that was found in that answer was called in one of its own.
 */
function unfolded(message: Message, kit: Kit, read: ServerToolsGiven['read']): readonly Message[] {
  if (message.role !== 'assistant' || !message.parts.some((part) => useIn(part) !== null)) return [message]
  const steps: { said: Part[]; calls: ToolCallPart[]; uses: ServerToolUse[] }[] = []
  for (const part of message.parts) {
    const use = useIn(part)
    const last = steps.at(-1)
    const goesOn = last !== undefined && (use !== null ? last.uses.every(({ id }) => turnOf(id) === turnOf(use.id))
      : last.uses.length === 0 && (part.type === 'tool-call' || last.calls.length === 0))
    const step = goesOn ? last : { said: [], calls: [], uses: [] }
    if (!goesOn) steps.push(step)
    if (use !== null) step.uses.push(use)
    else if (part.type === 'tool-call') step.calls.push(part)
    else step.said.push(part)
  }
  const [before, last] = steps.slice(-2)
  const foundThere = before?.uses.some((use) => use.name === SEARCH && namesIn(use, read).some((found) => last?.calls.some(({ name }) => name === found)))
  if (before && last && !foundThere && last.calls.length > 0 && last.uses.length === 0 && !last.said.some(({ type }) => type === 'reasoning')) {
    before.said.push(...last.said)
    before.calls.push(...last.calls)
    steps.pop()
  }
  return steps.flatMap(({ said, calls, uses }): Message[] => {
    const used = uses.map((use): ToolCallPart => ({ type: 'tool-call', id: use.id, name: functionOf(use, kit), form: 'function', input: use.input }))
    const results = uses.map((use): Part => ({ type: 'tool-result', callId: use.id, name: functionOf(use, kit), content: [{ type: 'text', text: use.output }], ...(use.failed && { failed: true }) }))
    return [{ ...message, parts: [...said, ...used, ...calls] }, ...(results.length > 0 ? [{ role: 'tool' as const, parts: results }] : [])]
  })
}

/** What the ids of uses have in common that were called at once. */
const turnOf = (id: string): string => id.slice(0, id.lastIndexOf('_'))

/** The tools of one call at work. */
class Running implements ServerTools {
  readonly #given: ServerToolsGiven
  readonly #kit: Kit
  readonly #wishes: LoopWishes
  readonly #departure: Departure
  readonly #models: readonly string[]
  readonly #rules: ServerToolsRules
  readonly #startedAt: number
  readonly #done: { readonly tool: string; readonly ok: boolean; readonly duration_ms: number }[] = []
  #ran = 0

  constructor(given: ServerToolsGiven, kit: Kit, wishes: LoopWishes, departure: Departure, models: readonly string[]) {
    this.#given = given
    this.#kit = kit
    this.#wishes = wishes
    this.#departure = departure
    this.#models = models
    this.#rules = given.rules()
    this.#startedAt = given.monotonic()
  }

  runs(name: string): boolean {
    return this.#kit.tools.has(name)
  }

  async turn({ request, parts, reason, step, spent, generate }: Said): Promise<Turn> {
    let asked = 0n
    const counted: Generate = async (asking) => {
      const made = await generate(asking)
      if ('cost' in made) asked += made.cost
      return made
    }
    const called = parts.filter((part): part is ToolCallPart => part.type === 'tool-call')
    const own = called.filter(({ name }) => this.runs(name))
    const late = this.#late()
    const left = Math.min(MOST_AT_ONCE, this.#wishes.stopWhen ? Infinity : (this.#wishes.maxCalls ?? Infinity) - this.#ran)
    const ran = await Promise.all(own.map((call, at) => at < left && !late ? this.#run(call, { request, parts, generate: counted }) : refused(late ? 'the time for tools is over' : 'no more tools may be called for this answer')))
    this.#ran += Math.min(own.length, left)
    const turn = this.#given.id()
    const calls = own.flatMap((call, at): readonly ToolCallPart[] => {
      const { handed } = ran[at]!
      const as = this.#kit.tools.get(call.name)!.tool.called
      return handed === undefined ? [] : [{ ...call, ...(as && { as }), input: JSON.stringify(handed) }]
    })
    const uses = own.flatMap((call, at): readonly ServerToolUse[] => {
      const { output, failed, facts, handed } = ran[at]!
      if (handed !== undefined) return []
      return [{ id: `${turn}_${at}`, name: this.#kit.tools.get(call.name)!.name, input: call.input, output, ...(failed && { failed }), facts }]
    })
    const fees: Fees = {
      services: added([{ server_tool_call: own.length, server_tool_result: ran.filter(({ failed }) => !failed).length }, ...ran.map(({ services = {} }) => services)]),
      cost: ran.reduce((sum, { cost = 0n }) => sum + cost, 0n),
    }
    const told = { uses, ...(calls.length > 0 && { calls }), annotations: ran.flatMap(({ annotations = [] }): readonly Annotation[] => annotations), fees }
    const broken = ran.find((it) => it.fault !== undefined)
    if (broken) return { ...told, next: null, last: true, fault: broken.fault! }
    if (own.length < called.length || calls.length > 0) return { ...told, next: null, last: true }
    const tokens = { ...spent, cost: spent.cost + fees.cost + asked }
    const last = this.#late() || step >= this.#rules.maxSteps || (this.#wishes.stopWhen
      ? this.#wishes.stopWhen.some((condition) => holds(condition, { step, spent: tokens, reason, names: uses.map(({ name }) => name) }))
      : this.#ran >= (this.#wishes.maxCalls ?? Infinity))
    return { ...told, next: next(request, parts, own, ran, last), last }
  }

  note(): StageNote | null {
    if (this.#done.length === 0) return null
    const failed = this.#done.filter(({ ok }) => !ok).length
    const counts = Object.entries(added(this.#done.map(({ tool }) => ({ [tool]: 1 })))).map(([tool, count]) => `${tool} ${count}`)
    return { type: 'server_tools', name: ID, summary: `${counts.join(', ')}${failed === 0 ? '' : `; ${failed} failed`}`, data: { calls: [...this.#done] } }
  }

  #late(): boolean {
    return this.#given.monotonic() - this.#startedAt >= this.#rules.timeoutMs
  }

  async #run({ name, input }: ToolCallPart, of: Pick<ToolTurn, 'request' | 'parts' | 'generate'>): Promise<Ran> {
    const { tool, name: tool_ } = this.#kit.tools.get(name)!
    const begun = this.#given.monotonic()
    const until = begun + this.#rules.modelTimeoutMs
    const ran = await this.#carriedOut(tool, input, {
      ...of, models: this.#models, history: tool.instance === undefined ? [] : exchangesOf(name, of.request), left: () => Math.max(1, until - this.#given.monotonic()),
    })
    this.#done.push({ tool: `openrouter:${tool_}`, ok: ran.failed !== true, duration_ms: Math.round(this.#given.monotonic() - begun) })
    return ran
  }

  async #carriedOut(tool: ServerTool, input: string, turn: ToolTurn): Promise<Ran> {
    const read = input.trim() === '' ? { value: {} } : this.#given.read(input)
    const args = 'value' in read ? read.value : null
    if (typeof args !== 'object' || args === null || Array.isArray(args)) return refused('the arguments have to be a JSON object')
    try {
      return await tool.run(args as JsonObject, this.#departure, turn)
    } catch (error) {
      if (error instanceof FaultError) return refused(error.fault.message)
      throw error
    }
  }
}

/** What a model is told of a call that came to nothing: it may try otherwise, or answer without. */
const refused = (why: string): Ran => ({ output: `Error: ${why}`, failed: true, facts: { error: why } })

/** What a function was called with before, and what it told, as far as the conversation has it. */
function exchangesOf(name: string, { messages }: ChatRequest): readonly Exchange[] {
  const found: Exchange[] = []
  const calls = new Map<string, string>()
  for (const { parts } of messages) {
    for (const part of parts) {
      if (part.type === 'tool-call' && part.name === name) calls.set(part.id, part.input)
      const input = part.type === 'tool-result' ? calls.get(part.callId) : undefined
      if (part.type !== 'tool-result' || input === undefined) continue
      found.push({ input, output: part.content.map((it) => (it.type === 'text' ? it.text : '')).join('') })
      calls.delete(part.callId)
    }
  }
  return found
}

/** The conversation with what was called and what came of it. A tool that was demanded has been called. */
function next(request: ChatRequest, parts: Said['parts'], calls: readonly ToolCallPart[], ran: readonly Ran[], last: boolean): ChatRequest {
  const said = parts.filter((part): part is Part => part.type !== 'audio' && part.type !== 'embeddings' && part.type !== 'ranking' && !(part.type === 'text' && part.text === '' && !part.seal))
  const results = calls.map((call, at): Part => ({
    type: 'tool-result', callId: call.id, name: call.name, content: [{ type: 'text', text: ran[at]!.output }], ...(ran[at]!.failed && { failed: true }),
  }))
  const { toolChoice } = request
  const choice: ToolChoice | undefined = last ? 'none' : toolChoice === 'required' || (typeof toolChoice === 'object' && 'tool' in toolChoice) ? 'auto'
    : typeof toolChoice === 'object' ? { ...toolChoice, required: false } : toolChoice
  const offered = new Set(request.tools?.map((tool) => (tool.type === 'native' ? '' : tool.name)))
  const found = [...new Set(ran.flatMap(({ tools = [] }) => tools))].filter(({ name }) => !offered.has(name)).map(loaded)
  return rewrite(request, {
    messages: [...request.messages, { role: 'assistant', parts: said }, { role: 'tool', parts: results }],
    ...(found.length > 0 && { tools: [...request.tools ?? [], ...found] }),
    ...(choice !== undefined && { toolChoice: choice }),
  })
}

function holds(condition: StopCondition, { step, spent, reason, names }: { readonly step: number; readonly spent: Said['spent']; readonly reason: Said['reason']; readonly names: readonly string[] }): boolean {
  switch (condition.type) {
    case 'step_count_is': return step >= condition.step_count
    case 'has_tool_call': return names.includes(condition.tool_name.replace(/^openrouter:/, ''))
    case 'max_tokens_used': return spent.tokens >= condition.max_tokens
    case 'max_cost': return Number(spent.cost) / 1e9 >= condition.max_cost_in_dollars
    case 'finish_reason_is': return reason === condition.reason
  }
}

function added(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const one of counts) for (const [key, count] of Object.entries(one)) if (count > 0) sum[key] = (sum[key] ?? 0) + count
  return sum
}
