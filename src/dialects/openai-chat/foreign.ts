import type { TokenLogprob } from '../../core/index.ts'
import type { Loose } from './wire.ts'

/** What providers send, before it is believed: each of these takes anything and answers with what can be used of it. */

/** The error that a chunk or reply of status 200 is or holds: an object, a text, a flat body, MiniMax's `base_resp`. */
export function errorIn(value: Loose, choices: readonly Loose[], event: string): unknown {
  const { error } = value
  if ((isObject(error) && Object.keys(error).length > 0) || isText(error) || (Array.isArray(error) && error.length > 0)) return value
  for (const choice of choices) if (isObject(choice['error'])) return { error: choice['error'] }
  const base = value['base_resp']
  if (isObject(base) && typeof base['status_code'] === 'number' && base['status_code'] !== 0) {
    return { error: { message: base['status_msg'], code: String(base['status_code']) } }
  }
  if (choices.length > 0) return undefined
  if (event === 'error' || value['object'] === 'error' || value['type'] === 'error') return value
  return 'detail' in value && !('choices' in value) && !('usage' in value) ? value : undefined
}

/** Log probabilities in the one shape; undefined where there are none. */
export function tokens(list: unknown): TokenLogprob[] | undefined {
  if (!Array.isArray(list)) return undefined
  const one = (it: Loose) => ({
    token: String(it['token'] ?? ''), logprob: typeof it['logprob'] === 'number' ? it['logprob'] : -9999,
    bytes: Array.isArray(it['bytes']) ? it['bytes'] : null,
  })
  return arrayOf(list).map((it) => ({ ...one(it), top_logprobs: arrayOf(it['top_logprobs']).map(one) }))
}

/** Unix seconds from what hosts send: seconds, milliseconds, text, or 0 for "not known". */
export function createdOf(value: unknown): number | undefined {
  const at = Number(value)
  if (!Number.isFinite(at) || at <= 0) return undefined
  return Math.floor(at > 1e11 ? at / 1000 : at)
}

/** The texts of a list of parts, joined. */
export const textsOf = (list: unknown): string => arrayOf(list).map((item) => (typeof item['text'] === 'string' ? item['text'] : '')).join('')
export const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
export const isObject = (value: unknown): value is Loose => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The objects of a list; the list itself where it has nothing else, as nearly always. */
export function arrayOf(value: unknown): readonly Loose[] {
  if (!Array.isArray(value) || value.length === 0) return NONE
  for (const item of value) if (!isObject(item)) return value.filter(isObject)
  return value
}

const NONE: readonly Loose[] = Object.freeze([])
