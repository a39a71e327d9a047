import { usdFromAtto, usdFromNano, type Charge, type JsonObject, type Usage } from '../../core/index.ts'

/** Counts as Anthropic's clients read them: the input leaves both cache figures out. */
export function writeCounts(usage: Usage | undefined, tier: string | null | undefined): JsonObject {
  const input = usage?.input
  const written = input ? input.cacheWrite5m + input.cacheWrite1h : 0
  const reasoning = usage?.output.reasoning ?? 0
  const { web_search: searches = 0, web_fetch: fetches = 0 } = usage?.services ?? {}
  return {
    input_tokens: input ? Math.max(0, input.total - input.cacheRead - written) : 0,
    cache_creation_input_tokens: written,
    cache_read_input_tokens: input?.cacheRead ?? 0,
    cache_creation: { ephemeral_5m_input_tokens: input?.cacheWrite5m ?? 0, ephemeral_1h_input_tokens: input?.cacheWrite1h ?? 0 },
    output_tokens: usage?.output.total ?? 0,
    ...(reasoning > 0 && { output_tokens_details: { thinking_tokens: reasoning } }),
    server_tool_use: searches + fetches > 0 ? { web_search_requests: searches, web_fetch_requests: fetches } : null,
    service_tier: typeof tier === 'string' && tier !== 'default' ? tier : 'standard',
  }
}

/** Usage: the counts, and beside them what OpenRouter adds, the cost in dollars. */
export function writeUsage(usage: Usage | undefined, charge: Charge | undefined, tier: string | null | undefined): JsonObject {
  return {
    ...writeCounts(usage, tier),
    ...(usage && {
      cost: charge ? usdFromNano(charge.total) : 0,
      is_byok: false,
      cost_details: {
        upstream_inference_cost: null,
        upstream_inference_prompt_cost: charge ? usdFromAtto(charge.prompt) : 0,
        upstream_inference_completions_cost: charge ? usdFromAtto(charge.completion) : 0,
        ...(charge?.hedge && { hedge_cost: usdFromNano(charge.hedge) }),
        ...(charge?.retries && { retry_cost: usdFromNano(charge.retries) }),
        ...(charge?.coalesced !== undefined && { coalesced_cost: usdFromNano(charge.coalesced) }),
      },
    }),
  }
}
