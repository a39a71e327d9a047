import type { JsonObject, Message, Part, ServerToolWish } from '../core/index.ts'
import { readAgent, type Answered } from './agent.ts'
import type { Beside, Exchange, Ran, ServerTool, ToolKitGiven, ToolTurn } from './tool-kit.ts'
import { told, ToolSettings, wrong } from './tool-settings.ts'

/**
 * Server tools by which a model has another one asked: `openrouter:advisor` for its advice, `openrouter:subagent` to do a
 * task. Several of each may be offered, told apart by their names.
 */

const MOST_USES = 100
const USUAL_ADVICE = 10
const USUAL_TASKS = 20
const CALLS = { usual: 10, most: 25 } as const
const NAME = /^[A-Za-z0-9 _-]{1,64}$/
/** Of earlier advice, the latest so many are told to an advisor again. */
const REMEMBERED = 20

/** The model that answers may ask a stronger one what to do. The advisor knows what it was asked before, also in earlier turns that come back. */
export function advisor(given: ToolKitGiven, wish: ServerToolWish, { nest }: Beside): ServerTool {
  const settings = new ToolSettings(wish)
  const name = nameOf(settings)
  const whole = settings.flag('forward_transcript') ?? false
  const maxUses = settings.whole('max_uses', MOST_USES) ?? USUAL_ADVICE
  const agent = readAgent({ settings, nest, unknown: given.unknown, calls: CALLS })
  settings.unused(['stream', 'caching'])
  settings.done()
  let uses = 0
  return {
    instance: name,
    description: `${called('Advisor', name)}Asks ${agent.model ?? 'another model'} for advice, and tells what it says. Use it before you decide on an approach to something hard, when you are stuck, or to have a result looked at before you call it done; not for what you can do at once.${whole ? ' It has read this conversation.' : ' It knows nothing of this conversation but what you write.'}`,
    parameters: {
      type: 'object',
      properties: {
        prompt: { type: 'string', description: whole ? 'What you want advice on' : 'What you want advice on, with all that has to be known for it' },
        ...(agent.model === null && { model: { type: 'string', description: 'The model to ask, as author/name; leave it out for the usual one' } }),
      },
      required: whole ? [] : ['prompt'],
    },
    ignored: [...settings.ignored, ...agent.ignored],
    async run({ prompt, model }, departure, turn) {
      const question = prompt === undefined || prompt === null ? '' : prompt
      if (typeof question !== 'string' || (question.trim() === '' && !whole)) throw wrong('prompt', 'has to be a text')
      if (++uses > maxUses) throw told(`advice may be asked for ${maxUses} times for this answer`)
      const models = modelsOf(agent.model, model, turn)
      const messages = whole ? transcript(turn, question) : [...turn.history.slice(-REMEMBERED).flatMap((exchange) => remembered(exchange, given.read)), user(question)]
      const answer = await agent.ask({ tool: 'openrouter:advisor', models, messages, turn, departure })
      return ranOf(answer, 'Advisor', { ...(name !== null && { name }) }, { prompt: question }, 'advice')
    },
  }
}

/** The model that answers may hand a task to another, which sees nothing but what is written to it and remembers nothing. */
export function subagent(given: ToolKitGiven, wish: ServerToolWish, { nest }: Beside): ServerTool {
  const settings = new ToolSettings(wish)
  const name = nameOf(settings)
  const maxUses = settings.whole('max_uses', MOST_USES) ?? USUAL_TASKS
  const agent = readAgent({ settings, nest, unknown: given.unknown, calls: CALLS })
  settings.done()
  let uses = 0
  return {
    instance: name,
    description: `${called('Subagent', name)}Has ${agent.model ?? 'another model'} do a task that stands by itself, such as to sum up, to extract, to draft or to reformat, and tells what came of it. It sees only what you write, and remembers nothing of other tasks: write all that it has to know, and what you expect back.`,
    parameters: {
      type: 'object',
      properties: { task_name: { type: 'string', description: 'A short name of the task' }, task_description: { type: 'string', description: 'All of the task' } },
      required: ['task_name', 'task_description'],
    },
    ignored: [...settings.ignored, ...agent.ignored],
    async run({ task_name: short, task_description: task }, departure, turn) {
      if (typeof short !== 'string' || short.trim() === '') throw wrong('task_name', 'has to be a text')
      if (typeof task !== 'string' || task.trim() === '') throw wrong('task_description', 'has to be a text')
      if (++uses > maxUses) throw told(`${maxUses} tasks may be given to others for this answer`)
      const answer = await agent.ask({ tool: 'openrouter:subagent', models: modelsOf(agent.model, undefined, turn), messages: [user(task)], turn, departure })
      return ranOf(answer, 'Subagent', { ...(name !== null && { name }), task_name: short }, { task_description: task }, 'outcome')
    },
  }
}

function nameOf(settings: ToolSettings): string | null {
  const given = settings.text('name')
  if (given === null) return null
  const name = given.trim()
  if (!NAME.test(name)) throw settings.bad('name', `must have 1 to 64 letters, digits, spaces, _ and -, is ${JSON.stringify(given.slice(0, 70))}`)
  return name
}

const called = (what: string, name: string | null): string => (name === null ? '' : `${what} "${name}". `)

/** The model of the settings, else the one that is named in the call, else those of the request. */
function modelsOf(set: string | null, named: unknown, { models }: ToolTurn): readonly string[] {
  if (set !== null) return [set]
  if (named === undefined || named === null || named === '') return models
  if (typeof named !== 'string') throw wrong('model', 'has to be a text')
  return [named]
}

/** What a call came to, in OpenRouter's words. `told` goes to the model, and with `facts` to the caller. */
function ranOf(answer: Answered, what: string, told: JsonObject, facts: JsonObject, key: 'advice' | 'outcome'): Ran {
  const { services, cost } = answer
  if (!('text' in answer)) {
    const error = `${what} call failed: ${answer.why}`
    return { output: JSON.stringify({ status: 'error', ...told, error }), failed: true, facts: { ...told, ...facts, error }, services, cost }
  }
  const { model, text, cut } = answer
  return {
    output: JSON.stringify({ status: 'ok', ...told, model, [key]: text, ...(cut && { truncated: true }) }),
    facts: { ...told, ...facts, model, [key]: text }, services, cost,
  }
}

const user = (text: string): Message => ({ role: 'user', parts: [{ type: 'text', text }] })

/** A question to this advisor and its answer, as the conversation that they were. */
function remembered({ input, output }: Exchange, read: ToolKitGiven['read']): readonly Message[] {
  const [{ prompt }, { advice }] = [objectIn(input, read), objectIn(output, read)]
  return typeof prompt === 'string' && typeof advice === 'string' ? [user(prompt), { role: 'assistant', parts: [{ type: 'text', text: advice }] }] : []
}

function objectIn(text: string, read: ToolKitGiven['read']): JsonObject {
  const it = read(text)
  const value = 'value' in it ? it.value : null
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as JsonObject : {}
}

/**
 * The conversation for somebody else to read. Calls and results stand in it as words: whoever reads it has not these
 * tools, and providers refuse calls of tools that a request does not have. Thoughts are left out, which their maker sealed.
 */
function transcript({ request: { messages }, parts }: ToolTurn, question: string): readonly Message[] {
  const said: Message = { role: 'assistant', parts: parts.filter((part): part is Part => part.type === 'text') }
  const read = [...messages, said].map(({ role, parts: all }): Message => ({ role: role === 'tool' ? 'user' : role, parts: all.flatMap(inWords) })).filter(({ parts: all }) => all.length > 0)
  return [...read, user(question === '' ? 'What do you advise the assistant of this conversation to do next?' : question)]
}

function inWords(part: Part): readonly Part[] {
  switch (part.type) {
    case 'text': return [{ type: 'text', text: part.text }]
    case 'refusal': return [{ type: 'text', text: part.text }]
    case 'media': return [part]
    case 'tool-call': return [{ type: 'text', text: `[The assistant calls ${part.name} with ${part.input}]` }]
    case 'tool-result': {
      const text = part.content.map((it) => (it.type === 'text' ? it.text : `(${it.type})`)).join('\n')
      return [{ type: 'text', text: `[The result of ${part.name ?? 'the call'}: ${text}]` }]
    }
    case 'reasoning':
    case 'native': return []
  }
}
