import type { ReportView } from '../../../src/site.ts'
import { compact, percent, plural } from '../../data/format.ts'

export const NOTHING = 'Nothing was answered in this month. The report is made of the requests that providers answer through this instance: the first one begins it.'

export interface Fact {
  readonly name: string
  readonly value: string
  /** What it rests on. */
  readonly of: string
}

/** What is said of a month in figures, each with how many answers it rests on. */
export function factsOf({ all, before, openWeights, models, authors }: ReportView): readonly Fact[] {
  const answers = plural(all.requests, 'answer')
  const facts: readonly (Fact | null)[] = [
    { name: 'Tokens', value: compact(all.tokens), of: before === null ? `${answers}; nothing in the month before` : `${answers}; ${compact(before.tokens)} in the month before` },
    { name: 'Models asked', value: String(all.models), of: answers },
    models[0] ? { name: 'Most used', value: models[0].name, of: `${percent(models[0].share)} of tokens, ${plural(models[0].requests, 'answer')}` } : null,
    authors[0] ? { name: 'Largest author', value: authors[0].name, of: `${percent(authors[0].share)} of tokens, ${plural(authors[0].requests, 'answer')}` } : null,
    openWeights === null ? null : { name: 'Open weights', value: percent(openWeights), of: `of ${compact(all.tokens)} tokens` },
    { name: 'Prompt to answer', value: all.completion === 0 ? 'no answer tokens' : `${(all.prompt / all.completion).toFixed(1)} : 1`, of: `${compact(all.prompt)} and ${compact(all.completion)} tokens` },
    all.cachedShare === null ? null : { name: 'Read from caches', value: percent(all.cachedShare), of: `of ${compact(all.prompt)} prompt tokens` },
    all.reasoningShare === null ? null : { name: 'Spent on reasoning', value: percent(all.reasoningShare), of: `of ${compact(all.completion)} answer tokens` },
    { name: 'Tool calls', value: compact(all.toolCalls), of: `${(all.toolCalls / all.requests).toFixed(2)} for each of ${answers}` },
  ]
  return facts.filter((fact) => fact !== null)
}
