import { LRUCache } from 'lru-cache'
import type { Ambient } from '../core/index.ts'
import { isLocalApp, type Apps } from './apps.ts'
import { MINUTE_MS, type Count } from './cuts.ts'
import { percentOf, type Figures, type Span, type Sum } from './figures.ts'

/** `today` is the day so far; `week` and `month` are seven and thirty days with today's; all in UTC. */
export type Period = 'today' | 'week' | 'month' | 'trending'

/** A model or an app in its place. */
export interface Ranked {
  readonly name: string
  /** 1 is the first. */
  readonly rank: number
  readonly tokens: number
  readonly prompt: number
  readonly completion: number
  readonly reasoning: number
  readonly cached: number
  readonly requests: number
  readonly toolCalls: number
  /** Percent of the tokens of all that are ranked, to a hundredth. */
  readonly share: number
  /** Percent more tokens than in the stretch before, up to the same hour; null where that had none. */
  readonly change: number | null
  /** Places climbed since then; null for what was in none. */
  readonly moved: number | null
  /** Of `trending`: tokens of the week beyond the mean of the three weeks before. */
  readonly excess: number
}

export interface Board {
  readonly period: Period
  readonly span: Span
  readonly tokens: number
  readonly requests: number
  readonly ranked: readonly Ranked[]
}

export interface Rankings {
  /** Who had the most tokens. Apps on somebody's own machine and those that their key hides are in no ranking. */
  board(of: 'model' | 'app', period: Period): Promise<Board>
  /** The same for whole days of one's own choice, `to` not in them: by tokens, or by what is more than in the three stretches before. */
  between(of: 'model' | 'app', span: Span, sort: 'popular' | 'trending'): Promise<readonly Ranked[]>
}

const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const DAYS: Readonly<Record<Period, number>> = { today: 1, week: 7, month: 30, trending: 7 }
/** Places change when calls are added up; asked again sooner, the same answer is given. */
const REMEMBERED_MS = 2000
const COUNTED: readonly Count[] = ['requests', 'prompt_tokens', 'completion_tokens', 'reasoning_tokens', 'cache_read_tokens', 'tool_calls']

export function createRankings({ figures, apps, ambient }: {
  readonly figures: Pick<Figures, 'sums'>
  readonly apps: Pick<Apps, 'of'>
  readonly ambient: Ambient
}): Rankings {
  const remembered = new LRUCache<string, Promise<Board>>({ max: 20, ttl: REMEMBERED_MS, perf: { now: () => ambient.monotonic() } })
  const sumsOf = (of: 'model' | 'app', span: Span): Promise<readonly Sum[]> => figures.sums({ cut: of, span, names: ['a'], counts: COUNTED })

  /** Whether a name is ranked: calls that nobody answered have no model, and those of no app no app. */
  const seats = async (of: 'model' | 'app'): Promise<(name: string) => boolean> => {
    if (of === 'model') return (name) => name !== ''
    const known = await apps.of()
    return (name) => name !== '' && !isLocalApp(name) && known.get(name)?.hidden !== true
  }

  const made = async (of: 'model' | 'app', period: Period): Promise<Board> => {
    const now = ambient.now()
    const today = Math.floor(now / DAY_MS) * DAY_MS
    const days = DAYS[period]
    const span = { from: today - (days - 1) * DAY_MS, to: now + 1 }
    // Up to the same hour of its last day: a day that has just begun would otherwise always be a fall.
    const before = { from: span.from - days * DAY_MS, to: (Math.floor(now / HOUR_MS) + 1) * HOUR_MS - days * DAY_MS }
    const [seated, own, last, earlier] = await Promise.all([
      seats(of), sumsOf(of, span), sumsOf(of, before),
      period === 'trending' ? sumsOf(of, { from: span.from - 3 * days * DAY_MS, to: span.from }) : [],
    ])
    const listed = own.filter(({ a }) => seated(a))
    const ranked = ranking(listed, { before: last.filter(({ a }) => seated(a)), earlier: period === 'trending' ? earlier : null })
    return { period, span, ranked, tokens: total(listed, tokensOf), requests: total(listed, ({ counts }) => counts.requests) }
  }

  return {
    board(of, period) {
      const name = `${of} ${period}`
      let board = remembered.get(name)
      if (board === undefined) {
        remembered.set(name, board = made(of, period))
        board.catch(() => remembered.delete(name))
      }
      return board
    },
    async between(of, { from, to }, sort) {
      const length = to - from
      const [seated, own, earlier] = await Promise.all([
        seats(of), sumsOf(of, { from, to }), sort === 'trending' ? sumsOf(of, { from: from - 3 * length, to: from }) : [],
      ])
      return ranking(own.filter(({ a }) => seated(a)), { before: [], earlier: sort === 'trending' ? earlier : null })
    },
  }
}

const tokensOf = ({ counts }: Sum): number => counts.prompt_tokens + counts.completion_tokens
const total = (sums: readonly Sum[], of: (sum: Sum) => number): number => sums.reduce((all, sum) => all + of(sum), 0)

/** Sums in their order: by tokens or, where earlier stretches are given, by what goes beyond their mean. Ties go by name. */
function ranking(own: readonly Sum[], { before, earlier }: { readonly before: readonly Sum[]; readonly earlier: readonly Sum[] | null }): readonly Ranked[] {
  const tokens = total(own, tokensOf)
  const then = new Map(before.map((sum) => [sum.a, tokensOf(sum)]))
  const places = new Map([...then].toSorted(([a, many], [b, more]) => more - many || (a < b ? -1 : 1)).map(([name], i) => [name, i + 1]))
  const usual = new Map((earlier ?? []).map((sum) => [sum.a, tokensOf(sum) / 3]))
  return own.map((sum) => ({ sum, mine: tokensOf(sum), excess: tokensOf(sum) - (usual.get(sum.a) ?? 0) }))
    .filter(({ sum, excess }) => sum.counts.requests > 0 && (earlier === null || excess > 0))
    .toSorted((a, b) => (earlier === null ? b.mine - a.mine : b.excess - a.excess) || (a.sum.a < b.sum.a ? -1 : 1))
    .map(({ sum: { a, counts }, mine, excess }, i) => {
      const past = then.get(a) ?? 0
      const place = places.get(a)
      return {
        name: a, rank: i + 1, tokens: mine, prompt: counts.prompt_tokens, completion: counts.completion_tokens, reasoning: counts.reasoning_tokens,
        cached: counts.cache_read_tokens, requests: counts.requests, toolCalls: counts.tool_calls,
        share: percentOf(mine, tokens) ?? 0,
        change: past === 0 ? null : Math.round((mine - past) / past * 1000) / 10,
        moved: place === undefined ? null : place - (i + 1),
        excess: earlier === null ? 0 : Math.round(excess),
      }
    })
}
