import type { Effort } from '../core/index.ts'

/** Fifths of the models that fit a request, by what it would cost there: `low` is the cheapest fifth. */
export const COST_TIERS = ['low', 'medium', 'high', 'xhigh', 'max'] as const
export type CostTier = (typeof COST_TIERS)[number]

export type TaskSignal = 'tools' | 'structured output' | 'media'

export interface TaskRule {
  /** Words and phrases of a prompt, in lower case. */
  readonly words: readonly string[]
  /** What of a request, beside its words, speaks for the task. */
  readonly signals: readonly TaskSignal[]
  readonly costTier: CostTier
  /** Models that reason go first within their cost tier. */
  readonly reasoning: boolean
  /** Patterns of models that go before all others, in this order, whatever they cost; `*` stands for anything. */
  readonly models: readonly string[]
}

/** How a router model chooses: all of it can be read, and set by the operator. */
export interface RouterRules {
  /** By name; where two tasks have as many words in a prompt, the earlier one is meant. */
  readonly tasks: Readonly<Record<string, TaskRule>>
  /** The task of a prompt in which nothing is recognised, and of one that could not be read. */
  readonly defaultTask: string
  /** Words that ask for more thought; the first that is found counts. */
  readonly efforts: readonly { readonly words: readonly string[]; readonly effort: Effort }[]
  /** How many of the ranked models are tried, one after the other. */
  readonly models: number
  /** A model that was measured to take longer than this for the expected answer goes behind the others, in seconds. */
  readonly slowSeconds: number
}

const task = (costTier: CostTier, reasoning: boolean, words: readonly string[], signals: readonly TaskSignal[] = []): TaskRule =>
  ({ words, signals, costTier, reasoning, models: [] })

export const ROUTER_RULES: RouterRules = Object.freeze({
  tasks: Object.freeze({
    code: task('medium', true, [
      '```', 'code', 'function', 'bug', 'debug', 'refactor', 'compile', 'compiler', 'stack trace', 'exception', 'unit test', 'regex', 'sql',
      'python', 'typescript', 'javascript', 'java', 'rust', 'golang', 'c++', 'script', 'api', 'class', 'commit', 'pull request', 'repository',
    ]),
    mathematics: task('high', true, [
      'prove', 'proof', 'theorem', 'lemma', 'equation', 'integral', 'derivative', 'probability', 'matrix', 'solve for', 'calculate', 'geometry', 'algebra',
    ]),
    analysis: task('medium', true, [
      'analyse', 'analyze', 'analysis', 'compare', 'trade-offs', 'tradeoffs', 'strategy', 'root cause', 'evaluate', 'plan', 'research', 'pros and cons',
      'contract', 'legal', 'diagnosis',
    ]),
    extraction: task('low', false, ['extract', 'classify', 'categorize', 'categorise', 'label', 'sentiment', 'json', 'parse'], ['structured output']),
    translation: task('low', false, ['translate', 'translation', 'into english', 'into german', 'into french', 'into spanish', 'into chinese']),
    summary: task('low', false, ['summarize', 'summarise', 'summary', 'tl;dr', 'key points', 'shorten']),
    writing: task('medium', false, ['write', 'essay', 'story', 'poem', 'email', 'blog', 'letter', 'rewrite', 'headline', 'article']),
    agent: task('medium', true, ['browse', 'step by step plan', 'use the tools'], ['tools']),
    vision: task('medium', false, ['picture', 'image', 'photo', 'screenshot', 'chart'], ['media']),
    general: task('low', false, []),
  }),
  defaultTask: 'general',
  efforts: Object.freeze([
    { words: ['ultrathink', 'think harder', 'think as hard as you can'], effort: 'xhigh' },
    { words: ['think hard', 'think carefully', 'think deeply', 'think it through', 'reason carefully'], effort: 'high' },
    { words: ['think step by step', 'think about it'], effort: 'medium' },
  ] as const),
  models: 3,
  slowSeconds: 60,
})

/** Whom the panels of `openrouter/fusion` are made of, by OpenRouter's names for them. */
export interface PanelRule {
  readonly costTier: CostTier
  /** Models that reason go first within their cost tier. */
  readonly reasoning: boolean
  /** A model that was measured to take longer than this for the expected answer goes behind the others, in seconds; absent: as for every router model. */
  readonly slowSeconds?: number
}

export const PANELS: Readonly<Record<string, PanelRule>> = Object.freeze({
  'general-high': { costTier: 'xhigh', reasoning: true },
  'general-budget': { costTier: 'low', reasoning: true },
  'general-fast': { costTier: 'low', reasoning: false, slowSeconds: 10 },
})
export const USUAL_PANEL = 'general-high'
/** Members, of different authors while there are such: models of one family make the same mistakes. */
export const PANEL_SIZE = 3

/** What an operator changes of the rules: tasks field by field, new ones behind the known ones, the rest as a whole. */
export interface RouterChanges {
  readonly tasks?: Readonly<Record<string, Partial<TaskRule>>>
  readonly defaultTask?: string
  readonly efforts?: RouterRules['efforts']
  readonly models?: number
  readonly slowSeconds?: number
}

export function routerRules({ tasks = {}, ...rest }: RouterChanges): RouterRules {
  const all: Record<string, TaskRule> = { ...ROUTER_RULES.tasks }
  for (const [name, change] of Object.entries(tasks)) {
    const words = change.words && { words: change.words.map((word) => word.toLowerCase()) }
    all[name] = { ...all[name] ?? task('low', false, []), ...change, ...words }
  }
  return { ...ROUTER_RULES, ...rest, tasks: all }
}
