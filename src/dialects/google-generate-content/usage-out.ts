import { usdFromNano, type Charge, type JsonObject, type Usage } from '../../core/index.ts'

/** Usage as Google's clients read it: thoughts stand beside the candidates, what was cached is inside the prompt. */
export function writeUsage({ input, output }: Usage, charge: Charge | undefined): JsonObject {
  return {
    promptTokenCount: input.total,
    candidatesTokenCount: output.total - output.reasoning,
    totalTokenCount: input.total + output.total,
    ...(output.reasoning > 0 && { thoughtsTokenCount: output.reasoning }),
    ...(input.cacheRead > 0 && { cachedContentTokenCount: input.cacheRead }),
    promptTokensDetails: detailsOf(input.total, { AUDIO: input.audio, IMAGE: input.image, VIDEO: input.video }),
    candidatesTokensDetails: detailsOf(output.total - output.reasoning, { AUDIO: output.audio, IMAGE: output.image }),
    // OpenRouter's word for it, in dollars; Google has none.
    cost: charge ? usdFromNano(charge.total) : 0,
  }
}

function detailsOf(total: number, others: Readonly<Record<string, number>>): JsonObject[] {
  const told = Object.entries(others).filter(([, count]) => count > 0).map(([modality, tokenCount]) => ({ modality, tokenCount }))
  const text = total - told.reduce((sum, { tokenCount }) => sum + tokenCount, 0)
  return text > 0 ? [{ modality: 'TEXT', tokenCount: text }, ...told] : told
}
