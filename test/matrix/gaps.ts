/**
 * What gets lost between two formats, looked at one by one. Each names the side that has no word for it, and the line in
 * which that side declares it. Whatever is lost and is not here fails.
 */
export interface Gap {
  readonly surface: string
  readonly outbound: string
  readonly scenario: string
  /** Both where it is absent. */
  readonly mode?: 'whole' | 'streamed'
  /** The format that has no word for it. */
  readonly of: string
  /** The line of its `cannot`, up to the colon. */
  readonly lacks: string
}

/** What becomes of a conversation where there is only a prompt and its continuation, whichever side that is. */
const OF_COMPLETIONS: Readonly<Record<string, string>> = {
  'tools': 'tools', 'parallel tools': 'tools', 'tool loop of three turns': 'tools', 'reasoning kept across turns': 'reasoning', 'image in': 'media', 'image in a result': 'media',
  'citations': 'text.marks', 'cache marks': 'cache', 'cache marks that last an hour': 'cache',
}
/** A model behind such a format is told of tools in its prompt; a caller who speaks it has no place for them. */
const TOLD: ReadonlySet<string> = new Set(['tools', 'parallel tools', 'tool loop of three turns'])
const ofCompletions = (pair: Pick<Gap, 'surface' | 'outbound'>): Gap[] =>
  Object.entries(OF_COMPLETIONS).filter(([scenario]) => pair.surface !== '*' || !TOLD.has(scenario)).map(([scenario, lacks]) => ({ ...pair, scenario, of: 'openai-completions', lacks }))

/** Formats that have no mark of a cache at all, on whichever side. */
const marks = (side: { readonly surface: string } | { readonly outbound: string }, lacks: string): Gap[] =>
  ['cache marks', 'cache marks that last an hour'].map((scenario) => ({
    surface: '*', outbound: '*', ...side, scenario, of: 'surface' in side ? side.surface : side.outbound, lacks,
  }))

export const GAPS: readonly Gap[] = [
  ...ofCompletions({ surface: 'openai-completions', outbound: '*' }),
  ...ofCompletions({ surface: '*', outbound: 'openai-completions' }),
  { surface: '*', outbound: 'azure-openai', scenario: 'reasoning kept across turns', of: 'azure-openai', lacks: 'reasoning' },
  { surface: '*', outbound: 'watsonx-text-chat', scenario: 'reasoning kept across turns', of: 'watsonx-text-chat', lacks: 'reasoning.back' },
  { surface: '*', outbound: 'ollama-native', scenario: 'tokens read from a cache', of: 'ollama-native', lacks: 'usage.cached' },
  { surface: '*', outbound: 'ollama-native', scenario: 'citations', of: 'ollama-native', lacks: 'text.annotations' },
  { surface: '*', outbound: 'ollama-native', scenario: 'refusal', of: 'ollama-native', lacks: 'refusal' },
  ...marks({ outbound: 'mistral-chat' }, 'cache.marks'),
  ...marks({ outbound: 'watsonx-text-chat' }, 'cache.marks'),
  ...marks({ outbound: 'cohere-v2' }, 'cache'),
  ...marks({ outbound: 'ollama-native' }, 'cache'),
  ...marks({ surface: 'google-generate-content' }, 'cache'),
  ...marks({ outbound: 'google-generate-content' }, 'cache'),
  { surface: '*', outbound: 'azure-openai', scenario: 'cache marks that last an hour', of: 'azure-openai', lacks: 'cache.life' },
  { surface: 'openai-responses', outbound: '*', scenario: 'cache marks that last an hour', of: 'openai-responses', lacks: 'cache.life' },
  { surface: '*', outbound: 'openai-responses', scenario: 'cache marks that last an hour', of: 'openai-responses', lacks: 'cache.life' },
]
