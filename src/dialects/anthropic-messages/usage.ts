import { count, usage, type Usage } from '../../core/index.ts'
import { isLoose, type Loose } from './wire.ts'

/** Puts the two parts of a usage together, field by field, and reads them in the one meaning. */
export interface UsageReader {
  add(value: unknown): void
  /** Undefined while nothing was counted at all. */
  read(): Usage | undefined
}

/**
 * Anthropic counts twice: input when the message starts, output at its end, where input may be revised (43 became
 * 61). The later figure stands, except that a 0 never replaces a figure: bridges send 0 for what they do not count.
 */
export function createUsageReader(): UsageReader {
  const fields = new Map<string, unknown>()
  return {
    add(value) {
      if (!isLoose(value)) return
      for (const [key, found] of Object.entries(value)) {
        if (found === null || found === undefined || (found === 0 && count(fields.get(key)) > 0)) continue
        const known = fields.get(key)
        fields.set(key, isLoose(known) && isLoose(found) ? merged(known, found) : found)
      }
    },
    read() {
      return fields.size === 0 ? undefined : usageOf(Object.fromEntries(fields))
    },
  }
}

function merged(known: Loose, found: Loose): Loose {
  const out: Record<string, unknown> = { ...known }
  for (const [key, value] of Object.entries(found)) {
    if (value !== null && !(value === 0 && count(out[key]) > 0)) out[key] = value
  }
  return out
}

interface Counts {
  readonly input: number
  readonly read: number
  readonly write5m: number
  readonly write1h: number
  readonly output: number
}

function usageOf(all: Loose): Usage {
  const counts = iterationsOf(all['iterations'])?.map(countsOf).reduce(sum) ?? countsOf(all)
  const details = isLoose(all['output_tokens_details']) ? all['output_tokens_details'] : {}
  const tools = isLoose(all['server_tool_use']) ? all['server_tool_use'] : {}
  const searches = count(tools['web_search_requests'])
  return usage(
    {
      total: counts.input + counts.read + counts.write5m + counts.write1h,
      cacheRead: counts.read, cacheWrite5m: counts.write5m, cacheWrite1h: counts.write1h,
    },
    { total: counts.output, reasoning: count(details['thinking_tokens']) },
    searches > 0 ? { services: { web_search: searches } } : {},
  )
}

/**
 * The runs that make up a reply, where the total is not their sum: with compaction the top level leaves the compaction
 * out. Advice of another model is priced otherwise and stays out; after a fallback the top level is right already.
 */
function iterationsOf(value: unknown): readonly Loose[] | null {
  if (!Array.isArray(value)) return null
  const runs = value.filter(isLoose)
  if (runs.some((run) => run['type'] === 'fallback_message')) return null
  const own = runs.filter((run) => run['type'] === 'message' || run['type'] === 'compaction')
  return own.length > 0 ? own : null
}

/** Writes whose life is not told are of five minutes, which is what a mark without one means. */
function countsOf(of: Loose): Counts {
  const split = isLoose(of['cache_creation']) ? of['cache_creation'] : {}
  const write1h = count(split['ephemeral_1h_input_tokens'])
  const told = count(split['ephemeral_5m_input_tokens']) + write1h
  const written = Math.max(count(of['cache_creation_input_tokens']), told)
  return {
    input: count(of['input_tokens']), read: count(of['cache_read_input_tokens']),
    write5m: written - write1h, write1h, output: count(of['output_tokens']),
  }
}

const sum = (a: Counts, b: Counts): Counts => ({
  input: a.input + b.input, read: a.read + b.read, write5m: a.write5m + b.write5m, write1h: a.write1h + b.write1h,
  output: a.output + b.output,
})
