import {
  fault, FaultError, FAULTS, cacheDiscount, usdFromAtto, usdFromNano, type Attempt, type Generation,
} from '../../core/index.ts'
import { z } from '../../schema/index.ts'
import { queryReader } from '../query.ts'
import { api, type Route } from '../route.ts'
import type { Services } from '../services.ts'
import { GenerationShape } from './shapes.ts'

const Query = z.object({ id: z.string().min(1).max(100).describe('`gen-…`: the id of an answer, also in its X-Generation-Id') })

export function generationRoutes(services: Services): readonly Route[] {
  const read = queryReader(Query)
  const routerOf = (requested: string): string | null => {
    const found = services.catalog.snapshot().offer(requested)
    return 'router' in found ? found.router.id : null
  }
  return [{
    name: 'getGeneration', methods: ['GET'], paths: api('/generation'), tag: 'Generations', policy: 'key',
    summary: 'The record of one call: usage, cost, times and every attempt. Of the workspace of the key only',
    query: Query,
    replies: { 200: { description: 'The record', schema: z.object({ data: GenerationShape }) } },
    errors: ['not-found'],
    async handle(x) {
      const id = read(x.search)['id'] as string
      const generation = await services.stats.find(id, x.key.workspace)
      // The same for one of another workspace as for one that never was.
      if (!generation) throw new FaultError(fault('not-found', `There is no generation ${id}`))
      return { json: { data: generationBody(generation, routerOf(generation.requested)) }, headers: ['Cache-Control', 'no-store'] }
    },
  }]
}

/** What kind of call a surface is for, in OpenRouter's words; of those that are not here, `completions`. */
const API_TYPES: Readonly<Record<string, string>> = { 'openai-embeddings': 'embeddings', 'jina-rerank': 'rerank' }

/** A generation in OpenRouter's shape, with the router model that was asked for. What nobody has measured is null, never zero. */
export function generationBody(g: Generation, router: string | null): Record<string, unknown> {
  const { input, output } = g.usage
  const cost = usdFromNano(g.cost)
  const search = g.usage.services['web_search']
  return {
    id: g.id,
    upstream_id: g.upstreamId,
    request_id: g.id,
    session_id: g.session,
    response_cache_source_id: g.cachedFrom ?? null,
    created_at: new Date(g.createdAt).toISOString(),
    model: g.model ?? g.requested,
    provider_name: g.providerName,
    router,
    api_type: API_TYPES[g.surface] ?? 'completions',
    origin: g.referer ?? '',
    http_referer: g.referer,
    user_agent: g.userAgent,
    app_id: null,
    external_user: g.user,
    preset_id: g.presetId ?? null,
    workspace_id: g.workspace,
    streamed: g.streamed,
    cancelled: g.cancelled,
    is_byok: false,
    service_tier: g.tier,
    data_region: 'global',
    finish_reason: g.finish,
    native_finish_reason: g.nativeFinish,
    latency: whole(g.latencyMs),
    generation_time: g.latencyMs === null ? null : whole(Math.max(0, g.durationMs - g.latencyMs)),
    moderation_latency: null,
    tokens_prompt: input.total,
    tokens_completion: output.total,
    native_tokens_prompt: input.total,
    native_tokens_completion: output.total,
    native_tokens_completion_images: output.image,
    native_tokens_reasoning: output.reasoning,
    native_tokens_cached: input.cacheRead,
    num_media_prompt: g.inputMedia,
    num_input_audio_prompt: g.inputAudio,
    num_media_completion: null,
    num_search_results: search ?? null,
    num_fetches: g.usage.services['web_fetch'] ?? null,
    web_search_engine: null,
    usage: cost,
    total_cost: cost,
    upstream_inference_cost: null,
    cache_discount: discountOf(g),
    provider_responses: g.attempts.map(attemptBody),
    ...(g.coalesced && { coalesced: { paid_by: g.coalesced.paidBy, cost: usdFromNano(g.coalesced.cost), calls: g.coalesced.calls } }),
  }
}

function attemptBody(attempt: Attempt): Record<string, unknown> {
  return {
    status: attempt.status,
    provider_name: attempt.providerName,
    model_permaslug: attempt.model,
    endpoint_id: attempt.endpoint,
    ...(attempt.upstreamId !== null && { id: attempt.upstreamId }),
    is_byok: false,
    latency: whole(attempt.headersMs ?? attempt.durationMs),
    ...(attempt.fault !== null && { error_type: FAULTS[attempt.fault].type }),
    ...(attempt.hedge && { hedge: attempt.hedge }),
    ...(attempt.outcome === 'superseded' && { superseded: true }),
    ...(attempt.step !== undefined && { step: attempt.step }),
    ...(attempt.within !== undefined && { within: attempt.within }),
    ...(attempt.tokens && { tokens_prompt: attempt.tokens.input, tokens_completion: attempt.tokens.output }),
    ...((attempt.outcome === 'superseded' || attempt.cost !== undefined) && {
      cost: usdFromNano(attempt.cost ?? 0n), ...(attempt.counted === 'by-us' && { cost_estimated: true }),
    }),
  }
}

function discountOf({ usage, price }: Generation): number | null {
  const discount = price === null ? null : cacheDiscount(price, usage)
  return discount === null ? null : usdFromAtto(discount)
}

function whole(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms)
}
