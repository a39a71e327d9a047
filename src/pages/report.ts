import type { Ambient } from '../core/index.ts'
import type { MonthFigures, Site } from '../site.ts'
import { beginOf, percentOf, type Figures, type Sum } from '../stats/index.ts'
import type { Shelf } from './views.ts'

/** Months that can be looked back to, this one included. */
const MONTHS = 12
const MOST_ROWS = 10

const nameOf = (at: number): string => new Date(at).toISOString().slice(0, 7)
const tokensOf = ({ counts }: Pick<Sum, 'counts'>): number => counts.prompt_tokens + counts.completion_tokens

/** What a calendar month was like, from the sums of its models beside those of the month before. Months are UTC's. */
export function createReport({ shelf, figures, ambient }: {
  shelf(): Shelf
  readonly figures: Pick<Figures, 'sums'>
  readonly ambient: Ambient
}): Pick<Site, 'report'> {
  return {
    async report(asked) {
      const now = ambient.now()
      const this_ = new Date(now)
      const begins = Array.from({ length: MONTHS + 1 }, (_, i) => Date.UTC(this_.getUTCFullYear(), this_.getUTCMonth() - i, 1))
      const at = asked === null ? begins[0]! : begins.slice(0, MONTHS).find((begin) => nameOf(begin) === asked)
      if (at === undefined) return null
      const sums = (await figures.sums({
        cut: 'model', span: { from: begins.at(-1)!, to: now + 1 }, by: 'month', names: ['a'],
        counts: ['requests', 'prompt_tokens', 'completion_tokens', 'reasoning_tokens', 'cache_read_tokens', 'tool_calls'],
      })).filter(({ a, counts }) => a !== '' && counts.requests > 0)
      const ofMonth = (begin: number): readonly Sum[] => sums.filter((sum) => beginOf('month', sum.at) === begin)
      const [own, before] = [ofMonth(at), ofMonth(begins[begins.indexOf(at) + 1]!)]
      const all = own.reduce((sum, each) => sum + tokensOf(each), 0)
      const earlier = new Map(before.map((each) => [each.a, tokensOf(each)]))
      const catalog = shelf().at
      const entryOf = (id: string) => catalog.model(id)?.row
      const open = own.filter(({ a }) => entryOf(a)?.features.open_weights === true)
      return {
        month: nameOf(at), over: at !== begins[0],
        months: begins.slice(0, MONTHS).filter((begin) => begin === begins[0] || ofMonth(begin).length > 0).map(nameOf),
        all: figuresOf(own), before: before.length === 0 ? null : figuresOf(before),
        openWeights: percentOf(open.reduce((sum, each) => sum + tokensOf(each), 0), all),
        models: own.toSorted((a, b) => tokensOf(b) - tokensOf(a) || (a.a < b.a ? -1 : 1)).slice(0, MOST_ROWS).map((each) => ({
          id: each.a, name: entryOf(each.a)?.name.trim() ?? each.a, listed: entryOf(each.a) !== undefined, tokens: tokensOf(each), requests: each.counts.requests,
          share: percentOf(tokensOf(each), all)!, change: change(tokensOf(each), earlier.get(each.a)),
        })),
        authors: [...Map.groupBy(own, ({ a }) => entryOf(a)?.author ?? a.split('/')[0]!)].map(([slug, of]) => ({
          slug, name: entryOf(of[0]!.a)?.author_name ?? slug, models: of.length,
          tokens: of.reduce((sum, each) => sum + tokensOf(each), 0), requests: of.reduce((sum, { counts }) => sum + counts.requests, 0),
          share: percentOf(of.reduce((sum, each) => sum + tokensOf(each), 0), all)!,
        })).toSorted((a, b) => b.tokens - a.tokens || (a.slug < b.slug ? -1 : 1)).slice(0, MOST_ROWS),
      }
    },
  }
}

/** Percent more than before; null where there was nothing. */
const change = (now: number, before: number | undefined): number | null => (before ? Math.round((now / before - 1) * 1000) / 10 : null)

function figuresOf(sums: readonly Sum[]): MonthFigures {
  const add = (of: keyof Sum['counts']): number => sums.reduce((sum, { counts }) => sum + counts[of], 0)
  const [prompt, completion] = [add('prompt_tokens'), add('completion_tokens')]
  return {
    requests: add('requests'), models: sums.length, tokens: prompt + completion, prompt, completion,
    cachedShare: percentOf(add('cache_read_tokens'), prompt), reasoningShare: percentOf(add('reasoning_tokens'), completion), toolCalls: add('tool_calls'),
  }
}
