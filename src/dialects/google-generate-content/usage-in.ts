import { count, usage, type Usage } from '../../core/index.ts'
import { listIn, type Loose } from './wire.ts'

/**
 * `usageMetadata` in the one meaning. Thoughts are counted beside the candidates, and what built-in tools put into
 * the prompt beside the prompt; what was cached is inside the prompt.
 */
export function readUsage(it: Loose, searches: number): Usage {
  const thoughts = count(it['thoughtsTokenCount'])
  const input = [...listIn(it, 'promptTokensDetails'), ...listIn(it, 'toolUsePromptTokensDetails')]
  const output = listIn(it, 'candidatesTokensDetails')
  return usage(
    {
      total: count(it['promptTokenCount']) + count(it['toolUsePromptTokenCount']),
      cacheRead: count(it['cachedContentTokenCount']),
      audio: of(input, 'AUDIO'), image: of(input, 'IMAGE'), video: of(input, 'VIDEO'),
    },
    {
      total: count(it['candidatesTokenCount']) + thoughts,
      reasoning: thoughts,
      audio: of(output, 'AUDIO'), image: of(output, 'IMAGE'),
    },
    searches > 0 ? { services: { web_search: searches } } : {},
  )
}

/** Whether counts are in it: Vertex sends only `trafficType` until the last event. */
export function hasCounts(it: Loose): boolean {
  return typeof it['promptTokenCount'] === 'number' || typeof it['totalTokenCount'] === 'number'
}

function of(details: readonly Loose[], modality: string): number {
  return details.reduce((sum, detail) => (detail['modality'] === modality ? sum + count(detail['tokenCount']) : sum), 0)
}
