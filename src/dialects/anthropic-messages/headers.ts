import { fault, type Fault } from '../../core/index.ts'
import type { RequestHeaders } from '../dialect.ts'

/**
 * Betas that a caller may switch on at Anthropic: each changes only what the request means. Not among them is what
 * changes the price behind our back (`fast-mode`), who is asked (`oauth`), or what is kept in the operator's account.
 */
const BETAS = [
  'advanced-tool-use', 'advisor-tool', 'code-execution', 'compact', 'computer-use', 'context-1m', 'context-management', 'dev-full-thinking', 'effort',
  'extended-cache-ttl', 'files-api', 'fine-grained-tool-streaming', 'interleaved-thinking', 'max-tokens-3-5-sonnet', 'mcp-client', 'mid-conversation-system',
  'model-context-window-exceeded', 'output-128k', 'pdfs', 'prompt-caching', 'server-side-fallback', 'skills', 'structured-outputs', 'task-budgets',
  'thinking-block-binding', 'token-counting', 'token-efficient-tools', 'tool-examples', 'tool-search-tool', 'web-fetch',
]
const BETA = new RegExp(`^(?:${BETAS.join('|')})-\\d{4}-\\d{2}-\\d{2}$`)
const VERSION = /^\d{4}-\d{2}-\d{2}$/
const MAX_BETAS = 32

/** The betas of a request: those that go on to Anthropic, as one header, and those that are kept back, by name. */
export function betasIn(headers: RequestHeaders | undefined): { readonly passed: string; readonly kept: readonly string[] } {
  const given = headers?.['anthropic-beta']
  if (given === undefined) return NONE
  const names = String(given).split(',').map((name) => name.trim()).filter((name) => name !== '').slice(0, MAX_BETAS)
  return {
    passed: [...new Set(names.filter((name) => BETA.test(name)))].join(','),
    kept: names.filter((name) => !BETA.test(name)).map((name) => `anthropic-beta: ${name.slice(0, 80)}`),
  }
}

const NONE = Object.freeze({ passed: '', kept: [] })

/** Any version of the form is taken, and none: what was said of a version that is not known yet cannot be judged here. */
export function versionFault(headers: RequestHeaders | undefined): Fault | null {
  const version = headers?.['anthropic-version']
  if (version === undefined || VERSION.test(String(version))) return null
  const field = 'anthropic-version'
  return fault('invalid-request', `${field}: must be a version like "2023-06-01", is ${JSON.stringify(String(version).slice(0, 40))}`, { field })
}
