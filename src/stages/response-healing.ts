import {
  collectNow, fault, rewrite,
  type Asked, type ChatEvent, type ChatRequest, type Choice, type Fault, type JsonObject, type Review, type Stage, type StageNote,
} from '../core/index.ts'
import { repairs, type Flaw, type ReadJson } from './repair-json.ts'

/** Whose answers have to fit: of those who said `strict`, of everybody who gave a schema or asked for JSON, or of nobody. */
export type Enforced = 'strict' | 'always' | 'never'

export interface ResponseHealingGiven {
  /** What of a value is not as a schema says, or null; null of a schema that cannot be judged by. */
  readonly judge: (schema: JsonObject) => ((value: unknown) => Violation | null) | null
  readonly read: ReadJson
  /** What holds where a request does not say. */
  readonly enforce: () => Enforced
}

interface Violation {
  readonly path: string
  readonly message: string
}

const ID = 'response-healing'
const MOST_RETRIES = 3
/** So much of an answer that does not fit goes with its error: it was paid. */
const MOST_SHOWN = 65_536

/**
 * `response-healing`: answers that were asked for in JSON, or by a schema, are that. A whole answer that is almost JSON is
 * mended; one that cannot be is asked for once more where the caller says so (`max_retries`), and else is an error where
 * the schema is strict. A stream is judged when it has ended. Without the plugin a strict schema is still held to, and the
 * metadata tells of others that were missed.
 */
export function responseHealing({ judge, read: readJson, enforce }: ResponseHealingGiven): Stage {
  return {
    name: ID,
    wants: ({ asked }) => isJson(asked) && (enforce() !== 'never' || asked.plugins.some((plugin) => plugin.id === ID && plugin.enabled)),
    async request({ asked }) {
      const read = settingsOf(asked, enforce())
      return 'fault' in read ? read : { pass: asked }
    },
    review({ asked }) {
      const read = settingsOf(asked, enforce())
      const settings = 'fault' in read ? OFF : read.settings
      const reader: Reader = { check: checkOf(asked.operation.request, judge), read: readJson }
      let { request } = asked.operation
      let left = settings.maxRetries
      return (reply) => {
        const found = reviewed(reply, reader, settings, asked.stream)
        if (!('violation' in found)) return found
        const { violation, text } = found
        const missed = mismatch(violation, text)
        if (left-- <= 0 || asked.stream) return missed
        request = againWith(request, violation, text)
        return { ...missed, again: request }
      }
    },
  }
}

function isJson({ operation: { request: { format } } }: Asked): boolean {
  return format?.type === 'json' || format?.type === 'schema'
}

interface Settings {
  /** A whole answer that is almost JSON is mended. */
  readonly heals: boolean
  /** The caller asked for that by name: then also what a limit cut off is closed. */
  readonly closes: boolean
  readonly enforced: boolean
  readonly maxRetries: number
}

const OFF: Settings = { heals: false, closes: false, enforced: false, maxRetries: 0 }

/** What the plugin says, under what holds without it. Anything else in it is refused by its path. */
function settingsOf({ plugins, operation: { request: { format } } }: Asked, enforce: Enforced): { readonly settings: Settings } | { readonly fault: Fault } {
  const at = plugins.findIndex((plugin) => plugin.id === ID)
  const byDefault = enforce === 'always' || (enforce === 'strict' && format?.type === 'schema' && format.strict === true)
  if (at < 0) return { settings: { heals: byDefault, closes: false, enforced: byDefault, maxRetries: 0 } }
  const { enabled, settings } = plugins[at]!
  const refuse = (key: string, what: string) => {
    const field = `plugins[${at}].${key}`
    return { fault: fault('invalid-request', `${field}: ${what}`, { field }) }
  }
  for (const key of Object.keys(settings)) {
    if (key !== 'max_retries' && key !== 'mode') return refuse(key, `is not a setting of ${ID}; max_retries and mode are`)
  }
  const mode = settings['mode'] ?? undefined
  const maxRetries = settings['max_retries'] ?? 0
  if (mode !== undefined && mode !== 'enforce' && mode !== 'audit') return refuse('mode', `must be one of "enforce", "audit", is ${JSON.stringify(mode)}`)
  if (typeof maxRetries !== 'number' || !Number.isInteger(maxRetries) || maxRetries < 0 || maxRetries > MOST_RETRIES) {
    return refuse('max_retries', `must be a whole number from 0 to ${MOST_RETRIES}, is ${JSON.stringify(maxRetries)}`)
  }
  if (mode === 'audit' && maxRetries > 0) return refuse('max_retries', 'contradicts mode "audit", which takes every answer')
  const enforced = mode === undefined ? byDefault || maxRetries > 0 : mode === 'enforce'
  return { settings: { heals: enabled, closes: enabled, enforced, maxRetries: enabled ? maxRetries : 0 } }
}

/** What is wrong with a text as the answer that was asked for: it is no JSON, or its schema does not hold. */
type Check = (value: unknown) => Violation | null

interface Reader {
  readonly check: Check
  readonly read: ReadJson
}

function checkOf({ format }: ChatRequest, judge: ResponseHealingGiven['judge']): Check {
  if (format?.type === 'schema') return judge(format.schema) ?? (() => null)
  return (value) => typeof value === 'object' && value !== null && !Array.isArray(value) ? null : { path: '', message: 'must be an object' }
}

function reviewed(
  reply: readonly ChatEvent[], reader: Reader, { heals, closes, enforced }: Settings, stream: boolean,
): Extract<Review, { pass: unknown }> | { readonly violation: Violation; readonly text: string } {
  const mended = new Map<number, string>()
  const flaws = new Set<Flaw>()
  let missed: Violation | null = null
  for (const choice of collectNow(reply).choices) {
    const text = answerOf(choice)
    if (text === null || (choice.reason !== 'stop' && !(choice.reason === 'length' && closes && !stream))) continue
    const violation = violationOf(text, reader)
    if (violation === null) continue
    const repaired = heals && !stream ? repairOf(text, reader) : null
    if (repaired) {
      mended.set(choice.index, repaired.text)
      for (const flaw of repaired.flaws) flaws.add(flaw)
    } else if (choice.reason === 'stop') {
      if (enforced) return { violation, text }
      missed ??= violation
    }
  }
  const note = missed !== null ? missedNote(missed) : flaws.size > 0 ? mendedNote([...flaws]) : undefined
  return { pass: mended.size > 0 ? withTexts(reply, mended) : reply, ...(note && { note }) }
}

/** The text of a final answer; null of one that calls a tool, refuses, or is of something else. */
function answerOf({ parts }: Choice): string | null {
  let text = ''
  for (const part of parts) {
    if (part.type === 'text') text += part.text
    else if (part.type !== 'reasoning') return null
  }
  return text
}

function violationOf(text: string, { read, check }: Reader): Violation | null {
  const parsed = read(text)
  return 'value' in parsed ? check(parsed.value) : { path: '', message: text.trim() === '' ? 'is empty' : 'is not JSON' }
}

function repairOf(text: string, { read, check }: Reader): { readonly text: string; readonly flaws: readonly Flaw[] } | null {
  for (const repaired of repairs(text, read)) if (check(repaired.value) === null) return repaired
  return null
}

/** The reply with other texts for some of its choices, each in one block where the first of its text stood. */
function withTexts(reply: readonly ChatEvent[], texts: ReadonlyMap<number, string>): readonly ChatEvent[] {
  const written = new Set<number>()
  const indices = new Map<number, number>()
  const out: ChatEvent[] = []
  let next = 0
  for (const event of reply) {
    switch (event.type) {
      case 'block-open': {
        const text = event.block.type === 'text' ? texts.get(event.choice) : undefined
        if (text === undefined) {
          indices.set(event.index, next)
          out.push({ ...event, index: next++ })
        } else if (!written.has(event.choice)) {
          written.add(event.choice)
          out.push({ ...event, index: next }, { type: 'block-delta', index: next, text }, { type: 'block-close', index: next++ })
        }
        break
      }
      case 'block-delta':
      case 'block-close': {
        const index = indices.get(event.index)
        if (index !== undefined) out.push({ ...event, index })
        break
      }
      case 'note': {
        // Probabilities and places belong to a text that is no longer there.
        if (texts.has(event.choice) && (event.note.type === 'logprobs' || event.index === undefined)) break
        const index = event.index === undefined ? undefined : indices.get(event.index)
        if (index !== undefined) out.push({ ...event, index })
        else if (event.index === undefined) out.push(event)
        break
      }
      default: out.push(event)
    }
  }
  return out
}

function said({ path, message }: Violation): string {
  return path === '' ? `the answer ${message}` : `${path} ${message}`
}

function mendedNote(flaws: readonly Flaw[]): StageNote {
  return { type: 'response_healing', name: ID, summary: `mended: ${flaws.join(', ')}`, data: { flaws } }
}

function missedNote(violation: Violation): StageNote {
  return { type: 'response_healing', name: 'validation', summary: said(violation), data: { valid: false, ...violation } }
}

/** The words of the fault are on record, so nothing of the answer is in them; its metadata reaches the caller alone. */
function mismatch(violation: Violation, text: string): Extract<Review, { fault: Fault }> {
  return {
    fault: fault('schema-mismatch', "The model's answer is not what response_format asks for: error.metadata.violation says where", {
      field: 'response_format', metadata: { violation, answer: text.slice(0, MOST_SHOWN) },
    }),
    note: missedNote(violation),
  }
}

/** The conversation with the answer and what is wrong with it: asked the same again, a cold model says the same. */
function againWith(request: ChatRequest, violation: Violation, text: string): ChatRequest {
  return rewrite(request, {
    messages: [
      ...request.messages,
      ...(text === '' ? [] : [{ role: 'assistant' as const, parts: [{ type: 'text' as const, text }] }]),
      { role: 'user', parts: [{ type: 'text', text: `That was not the form that was asked for: ${said(violation)}. Give the whole answer again, as JSON that fits, and nothing beside it.` }] },
    ],
  })
}
