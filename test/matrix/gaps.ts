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
  'tools': 'tools', 'parallel tools': 'tools', 'tool loop of three turns': 'tools', 'reasoning kept across turns': 'reasoning', 'image in': 'media',
  'citations': 'text.marks', 'cache marks': 'cache',
}
const ofCompletions = (pair: Pick<Gap, 'surface' | 'outbound'>): Gap[] =>
  Object.entries(OF_COMPLETIONS).map(([scenario, lacks]) => ({ ...pair, scenario, of: 'openai-completions', lacks }))

export const GAPS: readonly Gap[] = [
  ...ofCompletions({ surface: 'openai-completions', outbound: '*' }),
  ...ofCompletions({ surface: '*', outbound: 'openai-completions' }),
  { surface: '*', outbound: 'azure-openai', scenario: 'reasoning kept across turns', of: 'azure-openai', lacks: 'reasoning' },
  { surface: '*', outbound: 'watsonx-text-chat', scenario: 'reasoning kept across turns', of: 'watsonx-text-chat', lacks: 'reasoning.back' },
  { surface: '*', outbound: 'ollama-native', scenario: 'tokens read from a cache', of: 'ollama-native', lacks: 'usage.cached' },
  { surface: '*', outbound: 'ollama-native', scenario: 'citations', of: 'ollama-native', lacks: 'text.annotations' },
  { surface: '*', outbound: 'ollama-native', scenario: 'refusal', of: 'ollama-native', lacks: 'refusal' },
  { surface: '*', outbound: 'mistral-chat', scenario: 'cache marks', of: 'mistral-chat', lacks: 'cache.marks' },
  { surface: '*', outbound: 'azure-openai', scenario: 'cache marks', of: 'azure-openai', lacks: 'cache.marks' },
  { surface: '*', outbound: 'watsonx-text-chat', scenario: 'cache marks', of: 'watsonx-text-chat', lacks: 'cache.marks' },
  { surface: '*', outbound: 'cohere-v2', scenario: 'cache marks', of: 'cohere-v2', lacks: 'cache' },
  { surface: '*', outbound: 'ollama-native', scenario: 'cache marks', of: 'ollama-native', lacks: 'cache' },
  { surface: 'google-generate-content', outbound: '*', scenario: 'cache marks', of: 'google-generate-content', lacks: 'cache' },
  { surface: '*', outbound: 'google-generate-content', scenario: 'cache marks', of: 'google-generate-content', lacks: 'cache' },
  { surface: 'openai-responses', outbound: '*', scenario: 'cache marks', of: 'openai-responses', lacks: 'cache-marks' },
  { surface: '*', outbound: 'openai-responses', scenario: 'cache marks', of: 'openai-responses', lacks: 'cache-marks' },
]
