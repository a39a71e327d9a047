import {
  EFFORTS, SERVER_TOOL,
  type Annotation, type ChatRequest, type Departure, type Effort, type Fault, type JsonObject, type Message, type Nano, type Reasoning, type ReplyPart, type ServerTools,
  type ServerToolWish, type Tool,
} from '../core/index.ts'
import type { ToolTurn } from './tool-kit.ts'
import type { ToolSettings } from './tool-settings.ts'

/** Models that server tools ask, with tools of their own where the caller gives them some. */

/** Tools for a model that a tool asks, made anew for each time: what they count is counted for one answer of it. */
export interface Nested {
  readonly tools: readonly Tool[]
  readonly ignored: readonly string[]
  running(departure: Departure, models: readonly string[]): ServerTools
}

/** Makes them. Throws a FaultError of the field that is wrong. */
export type Nest = (wishes: readonly ServerToolWish[], maxCalls: number) => Nested

/** A model as the settings of a tool say how it is asked. */
export interface Agent {
  /** Null where it is left open. */
  readonly model: string | null
  readonly ignored: readonly string[]
  ask(question: Question): Promise<Answered>
}

export interface Question {
  /** The tool that asks: `openrouter:advisor`. */
  readonly tool: string
  readonly models: readonly string[]
  readonly messages: readonly Message[]
  /** In the place of what the settings say. */
  readonly temperature?: number
  readonly format?: ChatRequest['format']
  readonly turn: ToolTurn
  readonly departure: Departure
}

export type Answered = Bought & (
  | { readonly text: string; readonly model: string; readonly cut: boolean }
  | { readonly fault: Fault | null; readonly why: string }
)

/** What its own tools took, in the names of prices, and the pages that they found. What models cost is not in it. */
interface Bought {
  readonly services: Readonly<Record<string, number>>
  readonly cost: Nano
  readonly annotations: readonly Annotation[]
}

export interface AgentGiven {
  readonly settings: ToolSettings
  readonly nest: Nest
  /** Why nobody can be asked by this name; null for a model of the catalogue. */
  readonly unknown: (reference: string) => string | null
  /** The tools that it has where its caller says nothing of tools. */
  readonly usual?: readonly ServerToolWish[]
  /** Calls of them where nobody says how many, and the most that may be said. */
  readonly calls: { readonly usual: number; readonly most: number }
  readonly tokens?: number
  /** False for one whose instructions are not its caller's to set. */
  readonly instructed?: boolean
}

const MOST_TOKENS = 1_000_000
const ASKS = 'which would ask models in its turn, and nothing would bound how deep that goes'
/** Tools that a model which a tool asks is not given, and why. */
const NOT_GIVEN: ReadonlyMap<string, string> = new Map([
  ['advisor', ASKS], ['subagent', ASKS], ['fusion', ASKS],
  ['apply_patch', 'whose calls are carried out by the caller, who is not there'], ['tool_search', 'which finds tools of the request, and these are not given either'],
])

/** Reads how a model is asked: `model`, `instructions`, `tools`, `max_tool_calls`, `max_completion_tokens`, `reasoning`, `temperature`. */
export function readAgent({ settings, nest, unknown, usual = [], calls, tokens, instructed = true }: AgentGiven): Agent {
  const model = settings.text('model')
  const why = model === null ? null : unknown(model)
  if (why !== null) throw settings.bad('model', why)
  const instructions = instructed ? settings.text('instructions') : null
  const maxOutputTokens = settings.whole('max_completion_tokens', MOST_TOKENS) ?? tokens
  const warmth = settings.number('temperature', 0, 2)
  const reasoning = reasoningOf(settings)
  const maxCalls = settings.whole('max_tool_calls', calls.most) ?? calls.usual
  const wishes = wishesOf(settings) ?? usual
  const { ignored } = nest(wishes, maxCalls)
  const system: readonly Message[] = instructions === null ? [] : [{ role: 'system', parts: [{ type: 'text', text: instructions }] }]
  return {
    model, ignored,
    ask({ tool, models, messages, turn, departure, format, temperature = warmth ?? undefined }) {
      const { tools, running } = nest(wishes, maxCalls)
      const { user } = turn.request
      const request: ChatRequest = {
        messages: [...system, ...messages], sampling: temperature === undefined ? {} : { temperature }, extras: {},
        ...(tools.length > 0 && { tools }), ...(maxOutputTokens !== undefined && { maxOutputTokens }), ...(reasoning && { reasoning }), ...(format && { format }),
        ...(user !== undefined && { user }),
      }
      return answered(tool, models, request, turn, tools.length > 0 ? running(departure, models) : null)
    },
  }
}

/** Asks until there is an answer: again with what its tools came to, for as long as it calls some. */
async function answered(tool: string, models: readonly string[], first: ChatRequest, turn: ToolTurn, tools: ServerTools | null): Promise<Answered> {
  const services: Record<string, number> = {}
  const annotations: Annotation[] = []
  let [cost, tokens, spent] = [0n, 0, 0n]
  let request = first
  let last = false
  for (let step = 1; ; step++) {
    const made = await turn.generate({ models, request, tool, timeoutMs: turn.left() })
    const bought: Bought = { services, cost, annotations }
    if ('fault' in made) return { ...bought, fault: made.fault, why: made.fault.message }
    const [choice] = made.reply.choices
    const parts = choice?.parts ?? []
    const calls = tools !== null && !last && parts.some((part) => part.type === 'tool-call' && tools.runs(part.name))
    if (!calls) return { ...bought, ...worded(parts, made.model, choice?.reason ?? null) }
    spent += made.cost
    tokens += made.usage.input.total + made.usage.output.total
    const next = await tools.turn({ request, parts, reason: choice?.reason ?? null, step, spent: { tokens, cost: spent + cost }, generate: turn.generate })
    cost += next.fees.cost
    for (const [unit, count] of Object.entries(next.fees.services)) if (!UNCOUNTED.has(unit)) services[unit] = (services[unit] ?? 0) + count
    annotations.push(...next.annotations)
    if (next.next === null) return { services, cost, annotations, fault: null, why: 'it called a tool that it does not have' }
    request = next.next
    last = next.last
  }
}

/** The calls of a model that a tool asked are not calls of the one that answers. */
const UNCOUNTED: ReadonlySet<string> = new Set(['server_tool_call', 'server_tool_result'])

function worded(parts: readonly ReplyPart[], model: string, reason: string | null): { text: string; model: string; cut: boolean } | { fault: null; why: string } {
  const text = parts.map((part) => (part.type === 'text' ? part.text : '')).join('').trim()
  const refusal = parts.map((part) => (part.type === 'refusal' ? part.text : '')).join('').trim()
  if (text !== '') return { text, model, cut: reason === 'length' }
  return { fault: null, why: refusal !== '' ? `it refused: ${refusal}` : reason === 'length' ? 'it had no tokens left for an answer (max_completion_tokens)' : 'its answer was empty' }
}

function reasoningOf(settings: ToolSettings): Reasoning | null {
  const given = settings.record('reasoning')
  if (given === null) return null
  const unknown = Object.keys(given).find((key) => key !== 'effort' && key !== 'max_tokens')
  if (unknown !== undefined) throw settings.bad(`reasoning.${unknown.slice(0, 60)}`, 'is not a setting of it; there are effort, max_tokens')
  const { effort, max_tokens: maxTokens } = given
  if (effort !== undefined && !EFFORTS.includes(effort as Effort)) throw settings.bad('reasoning.effort', `must be one of ${EFFORTS.join(', ')}, is ${JSON.stringify(effort)?.slice(0, 60)}`)
  if (maxTokens !== undefined && !(Number.isInteger(maxTokens) && (maxTokens as number) > 0)) {
    throw settings.bad('reasoning.max_tokens', `must be a whole number from 1 on, is ${JSON.stringify(maxTokens)?.slice(0, 60)}`)
  }
  if (effort !== undefined && maxTokens !== undefined) throw settings.bad('reasoning.max_tokens', 'contradicts reasoning.effort: send one of them')
  return { ...(effort !== undefined && { effort: effort as Effort }), ...(maxTokens !== undefined && { maxTokens: maxTokens as number }) }
}

/** `tools` of a tool: server tools in the shape that the body has them in; null where nothing is said. */
function wishesOf(settings: ToolSettings): readonly ServerToolWish[] | null {
  const list = settings.list('tools')
  if (list === null) return null
  return list.map((tool, at): ServerToolWish => {
    const key = `tools[${at}]`
    const { type, parameters, ...beside } = (typeof tool === 'object' && tool !== null && !Array.isArray(tool) ? tool : {}) as JsonObject
    if (typeof type !== 'string' || !type.startsWith('openrouter:')) {
      throw settings.bad(`${key}.type`, 'must be a server tool, such as openrouter:web_search: nobody is there who could run another')
    }
    const name = type.slice('openrouter:'.length)
    const why = NOT_GIVEN.get(name)
    if (why !== undefined) throw settings.bad(`${key}.type`, `must not be ${type}, ${why}`)
    const inside = typeof parameters === 'object' && parameters !== null && !Array.isArray(parameters)
    return { name, settings: inside ? parameters as JsonObject : beside, field: `${settings.field}.${key}${inside ? '.parameters' : ''}` }
  })
}

export const asTool = (wish: ServerToolWish): Tool => ({ type: 'native', dialect: SERVER_TOOL, value: { ...wish } })
