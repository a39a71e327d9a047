import type { ChatEvent, ChatRequest, Departure, Endpoint, EventStream, Part } from '../core/index.ts'
import { fault, usage } from '../core/index.ts'

/** A provider without a wire: it answers in events, in this process. */
export interface LocalProvider {
  stream(request: ChatRequest, endpoint: Endpoint, departure: Departure): EventStream
}

const FIRST_TOKEN_MS = 200
const TOKENS_PER_SECOND = 50
/** Every text of the simulation begins with this: nobody may take it for a model's. */
export const DEMO_PREFIX = 'Simulated by Signalbox:'

/**
 * The demo provider: deterministic, 200 ms to the first token and 50 tokens a second. `pace` scales that; 0 waits
 * for nothing (tests). `demo/echo` repeats, `demo/tools` calls the first tool, `demo/slow` takes ten times as long.
 */
export function createDemo(given: { readonly pace: number }): LocalProvider {
  return {
    async *stream(request, endpoint, departure) {
      const slow = endpoint.upstreamModel === 'slow' ? 10 : 1
      const wait = (ms: number): Promise<boolean> => sleep(ms * given.pace * slow, departure)
      const tool = endpoint.upstreamModel === 'tools' || request.toolChoice === 'required' || typeof request.toolChoice === 'object'
        ? request.tools?.find((t) => t.type === 'function') : undefined
      const asked = lastUserText(request)
      const promptTokens = countWords(request)

      if (!await wait(FIRST_TOKEN_MS)) return yield cancelled()
      yield [{ type: 'start', upstreamId: 'demo' }]
      if (tool && tool.type === 'function') {
        const input = JSON.stringify(instanceOf(tool.parameters ?? {}))
        yield [
          { type: 'block-open', index: 0, choice: 0, block: { type: 'tool-call', id: 'call_demo_1', name: tool.name, form: 'function' } },
          { type: 'block-delta', index: 0, text: input },
          { type: 'block-close', index: 0 },
          { type: 'finish', choice: 0, reason: 'tool_calls', native: 'tool_calls' },
          { type: 'usage', usage: usage({ total: promptTokens }, { total: Math.ceil(input.length / 4) }) },
        ]
        return
      }

      const words = textFor(request, asked).match(/\s*\S+/g) ?? []
      const limit = request.maxOutputTokens ?? words.length
      yield [{ type: 'block-open', index: 0, choice: 0, block: { type: 'text' } }]
      let sent = 0
      for (const word of words.slice(0, limit)) {
        if (sent > 0 && !await wait(1000 / TOKENS_PER_SECOND)) return yield cancelled()
        yield [{ type: 'block-delta', index: 0, text: word }]
        sent++
      }
      const cut = words.length > limit
      yield [
        { type: 'block-close', index: 0 },
        { type: 'finish', choice: 0, reason: cut ? 'length' : 'stop', native: cut ? 'length' : 'stop' },
        { type: 'usage', usage: usage({ total: promptTokens }, { total: sent }) },
      ]
    },
  }
}

function cancelled(): readonly ChatEvent[] {
  return [{ type: 'fault', fault: fault('cancelled', 'The request was cancelled') }]
}

/** Waits, unless there is nothing to wait for; false when the caller left meanwhile. */
function sleep(ms: number, departure: Departure): Promise<boolean> {
  if (departure.gone) return Promise.resolve(false)
  if (ms <= 0) return Promise.resolve(true)
  return new Promise((resolve) => {
    const done = (finished: boolean) => {
      clearTimeout(timer)
      departure.ignore(left)
      resolve(finished)
    }
    const left = () => done(false)
    const timer = setTimeout(() => done(true), ms)
    departure.listen(left)
  })
}

function textFor(request: ChatRequest, asked: string): string {
  if (request.format?.type === 'schema') return JSON.stringify(instanceOf(request.format.schema))
  if (request.format?.type === 'json') return JSON.stringify({ note: `${DEMO_PREFIX} ${asked}` })
  return `${DEMO_PREFIX} you said "${asked}". No model was called. Add a provider's key to get real answers.`
}

function lastUserText(request: ChatRequest): string {
  const message = request.messages.findLast((m) => m.role === 'user')
  return message ? textOf(message.parts).slice(0, 2000) : ''
}

function textOf(parts: readonly Part[]): string {
  return parts.map((part) => part.type === 'text' ? part.text : part.type === 'media' ? `[${part.kind}]` : '').join('')
}

function countWords(request: ChatRequest): number {
  return request.messages.reduce((sum, m) => sum + (textOf(m.parts).match(/\S+/g)?.length ?? 0), 0)
}

/** The smallest value that a JSON Schema describes, so that demo answers to structured requests parse. */
function instanceOf(schema: unknown, depth = 0): unknown {
  if (schema === null || typeof schema !== 'object' || depth > 16) return null
  const s = schema as Record<string, unknown>
  if ('const' in s) return s['const']
  if (Array.isArray(s['enum'])) return s['enum'][0]
  const branch = (s['anyOf'] ?? s['oneOf']) as unknown[] | undefined
  if (Array.isArray(branch)) return instanceOf(branch[0], depth + 1)
  switch (Array.isArray(s['type']) ? s['type'][0] : s['type']) {
    case 'string': return DEMO_PREFIX
    case 'integer':
    case 'number': return typeof s['minimum'] === 'number' ? s['minimum'] : 0
    case 'boolean': return false
    case 'null': return null
    case 'array': return Number(s['minItems'] ?? 0) > 0 ? [instanceOf(s['items'], depth + 1)] : []
    default: {
      const properties = (s['properties'] ?? {}) as Record<string, unknown>
      return Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, instanceOf(value, depth + 1)]))
    }
  }
}
