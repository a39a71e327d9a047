import { fault, type Fault, type Plugin } from '../core/index.ts'
import { COST_TIERS, type CostTier } from './router-rules.ts'

/** What a request says of the choice: the settings of the plugin `auto-router`. */
export interface RouterSettings {
  readonly costTier: CostTier | null
  /** Null is any. */
  readonly allowed: readonly string[] | null
  readonly excluded: readonly string[]
}

export const NO_SETTINGS: RouterSettings = Object.freeze({ costTier: null, allowed: null, excluded: Object.freeze([]) })

const PATTERNS = 1024
const PATTERN_LENGTH = 1024
const LENGTH_IN_ALL = 65_536

/** Settings that OpenRouter has and that nothing stands behind here: refused by name, never accepted and left out. */
const NOT_HERE: Readonly<Record<string, string>> = {
  pin_model: 'is not available here; name the model of the last answer as "model"',
  cost_quality_tradeoff: 'is deprecated; set cost_tier',
}

/**
 * Reads the `auto-router` plugin: `cost_tier`, `allowed_models` and `excluded_models` (at most 1,024 patterns of 1,024
 * characters, 65,536 in all). Anything else in it is refused by its path.
 */
export function readRouterSettings(plugins: readonly Plugin[]): { readonly settings: RouterSettings } | { readonly fault: Fault } {
  const at = plugins.findIndex((plugin) => plugin.id === 'auto-router' && plugin.enabled)
  if (at < 0) return { settings: NO_SETTINGS }
  const refuse = (key: string, what: string) => {
    const field = `plugins[${at}].${key}`
    return { fault: fault('invalid-request', `${field}: ${what}`, { field }) }
  }
  let settings = NO_SETTINGS
  for (const [key, value] of Object.entries(plugins[at]!.settings)) {
    if (value === null || value === undefined) continue
    switch (key) {
      case 'cost_tier': {
        const costTier = COST_TIERS.find((tier) => tier === value)
        if (costTier === undefined) return refuse(key, `must be one of ${COST_TIERS.join(', ')}, is ${shown(value)}`)
        settings = { ...settings, costTier }
        break
      }
      case 'allowed_models':
      case 'excluded_models': {
        const wrong = whyNoPatterns(value)
        if (wrong !== null) return refuse(key + wrong.at, wrong.why)
        settings = { ...settings, [key === 'allowed_models' ? 'allowed' : 'excluded']: value as readonly string[] }
        break
      }
      default: return refuse(key, NOT_HERE[key] ?? 'is not a setting of the auto-router; cost_tier, allowed_models and excluded_models are')
    }
  }
  return { settings }
}

function whyNoPatterns(value: unknown): { readonly at: string; readonly why: string } | null {
  if (!Array.isArray(value)) return { at: '', why: `must be a list of patterns such as "openai/*", is ${shown(value)}` }
  if (value.length > PATTERNS) return { at: '', why: `must have at most ${PATTERNS} patterns, has ${value.length}` }
  let length = 0
  for (const [i, pattern] of (value as readonly unknown[]).entries()) {
    if (typeof pattern !== 'string' || pattern === '') return { at: `[${i}]`, why: `must be a pattern such as "openai/*", is ${shown(pattern)}` }
    if (pattern.length > PATTERN_LENGTH) return { at: `[${i}]`, why: `must have at most ${PATTERN_LENGTH} characters, has ${pattern.length}` }
    length += pattern.length
  }
  return length > LENGTH_IN_ALL ? { at: '', why: `must have at most ${LENGTH_IN_ALL} characters in all, has ${length}` } : null
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

/**
 * Whether a text is of a pattern in which `*` stands for any characters, case-sensitive. No regular expression is made
 * of what a caller writes: a hundred stars in one would take a second for one model.
 */
export function matchesPattern(pattern: string, text: string): boolean {
  let p = 0
  let t = 0
  let star = -1
  let resume = 0
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++
      resume = t
    } else if (p < pattern.length && pattern[p] === text[t]) {
      p++
      t++
    } else if (star >= 0) {
      p = star + 1
      t = ++resume
    } else return false
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}
