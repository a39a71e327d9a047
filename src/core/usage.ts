import type { Nano } from './money.ts'

/**
 * What a reply consumed, in one meaning for all dialects: totals include their parts. Cache reads and writes are
 * inside `input.total`, reasoning is inside `output.total`; a dialect that reports otherwise adds up at its edge
 * (Anthropic leaves the cache out of the input, Gemini and xAI's chat leave reasoning out of the output).
 */
export interface Usage {
  readonly input: {
    readonly total: number
    readonly cacheRead: number
    readonly cacheWrite5m: number
    readonly cacheWrite1h: number
    readonly audio: number
    readonly image: number
    readonly video: number
  }
  readonly output: {
    readonly total: number
    readonly reasoning: number
    readonly audio: number
    readonly image: number
    readonly predictionAccepted: number
    readonly predictionRejected: number
  }
  /** Units other than tokens, by price key: `web_search`, `image`, `request` … */
  readonly services: Readonly<Record<string, number>>
  /** The cost that the provider itself states, where it does (OpenRouter, xAI). */
  readonly stated?: Nano
  /** Tokens that are paid for, where a provider bills fewer than it counts (Cohere leaves its own instructions out). */
  readonly billed?: { readonly input: number; readonly output: number }
  readonly counted: 'by-upstream' | 'by-us'
}

type Loose<T> = { readonly [K in keyof T]?: T[K] | undefined }

/** Makes a Usage from the figures that are known; the others are 0. */
export function usage(
  input: Loose<Usage['input']>,
  output: Loose<Usage['output']>,
  rest: { services?: Readonly<Record<string, number>>; stated?: Nano; billed?: Loose<NonNullable<Usage['billed']>>; counted?: Usage['counted'] } = {},
): Usage {
  return {
    input: {
      total: count(input.total),
      cacheRead: count(input.cacheRead),
      cacheWrite5m: count(input.cacheWrite5m),
      cacheWrite1h: count(input.cacheWrite1h),
      audio: count(input.audio),
      image: count(input.image),
      video: count(input.video),
    },
    output: {
      total: count(output.total),
      reasoning: count(output.reasoning),
      audio: count(output.audio),
      image: count(output.image),
      predictionAccepted: count(output.predictionAccepted),
      predictionRejected: count(output.predictionRejected),
    },
    services: rest.services ?? NO_SERVICES,
    ...(rest.stated === undefined ? null : { stated: rest.stated }),
    ...(rest.billed === undefined ? null : { billed: { input: count(rest.billed.input), output: count(rest.billed.output) } }),
    counted: rest.counted ?? 'by-upstream',
  }
}

/** What several answers consumed together, the pieces of one request. A cost is stated where all of them state theirs. */
export function usageOfAll(all: readonly Usage[]): Usage {
  const sum = <K extends string>(of: (usage: Usage) => Readonly<Record<K, number>>): Record<K, number> => {
    const into = {} as Record<K, number>
    for (const one of all) for (const [key, value] of Object.entries(of(one)) as [K, number][]) into[key] = (into[key] ?? 0) + value
    return into
  }
  const stated = all.map((one) => one.stated)
  return {
    input: sum((one) => one.input),
    output: sum((one) => one.output),
    services: sum((one) => one.services),
    ...(stated.length > 0 && stated.every((cost) => cost !== undefined) && { stated: stated.reduce((total, cost) => total + cost, 0n) }),
    ...(all.some((one) => one.billed !== undefined) && { billed: sum((one) => one.billed ?? { input: one.input.total, output: one.output.total }) }),
    counted: all.every((one) => one.counted === 'by-upstream') ? 'by-upstream' : 'by-us',
  }
}

const NO_SERVICES: Readonly<Record<string, number>> = Object.freeze({})

/** The usage of a call that consumed nothing. */
export const NO_USAGE: Usage = Object.freeze(usage({}, {}))

/**
 * A token count as a provider may report it, made safe: whole, ≥ 0, ≤ 10⁹. Providers have sent negative counts,
 * strings and 1e18; none of them may become money.
 */
export function count(value: unknown): number {
  if (typeof value !== 'number' || !(value > 0)) return 0
  return value > 1e9 ? 1e9 : Math.ceil(value)
}
