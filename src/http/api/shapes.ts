import { COALESCE, MAX_OUTPUT, UNSUPPORTED_PARAMETERS } from '../../core/index.ts'
import { availabilitySchema, metadataSchema } from '../../dialects/index.ts'
import { z } from '../../schema/index.ts'
import { ChatRequestShape } from './chat-shapes.ts'

/**
 * The shapes of what the API answers, as they are published. They follow OpenRouter's objects field by field:
 * a field without `optional` must be there (its official SDK throws otherwise), one without `nullable` must not be null.
 */

const money = z.string().describe('US dollars as a decimal string')

export const Pricing = z.looseObject({
  prompt: money.describe('Per token of the prompt; "-1" where no price is known'),
  completion: money.describe('Per token of the completion; "-1" where no price is known'),
  request: money.optional(),
  image: money.optional(),
  image_token: money.optional(),
  image_output: money.optional(),
  audio: money.optional(),
  audio_output: money.optional(),
  input_audio_cache: money.optional(),
  web_search: money.optional(),
  internal_reasoning: money.optional(),
  input_cache_read: money.optional(),
  input_cache_write: money.optional(),
  input_cache_write_1h: money.optional(),
  discount: z.number().optional().describe('A fraction that is already inside the prices'),
  overrides: z.array(z.looseObject({ min_prompt_tokens: z.int() })).optional()
    .describe('Prices that hold for the whole request when its prompt has more tokens than this'),
}).meta({ id: 'Pricing' })

export const Architecture = z.object({
  modality: z.string().nullable(),
  input_modalities: z.array(z.string()),
  output_modalities: z.array(z.string()),
  tokenizer: z.string().optional(),
  instruct_type: z.string().nullable().optional(),
}).meta({ id: 'Architecture' })

const Benchmark = z.looseObject({ metric: z.string(), value: z.number(), source: z.string() })

export const ModelShape = z.looseObject({
  id: z.string(),
  canonical_slug: z.string(),
  name: z.string(),
  created: z.int().describe('Unix seconds; 0 where unknown'),
  description: z.string().optional(),
  description_source: z.enum(['operator', 'written', 'generated']),
  context_length: z.int().nullable(),
  architecture: Architecture,
  pricing: Pricing,
  top_provider: z.object({
    context_length: z.int().nullable().optional(),
    max_completion_tokens: z.int().nullable().optional(),
    is_moderated: z.boolean(),
  }),
  per_request_limits: z.object({ prompt_tokens: z.number(), completion_tokens: z.number() }).nullable(),
  supported_parameters: z.array(z.string()),
  default_parameters: z.looseObject({}).nullable(),
  supported_voices: z.array(z.string()).nullable(),
  reasoning: z.object({
    mandatory: z.boolean(),
    supported_efforts: z.array(z.string()).nullable().optional(),
    default_effort: z.string().nullable().optional(),
    supports_max_tokens: z.boolean().optional(),
  }).optional(),
  benchmarks: z.looseObject({ design_arena: z.array(z.unknown()), reported: z.array(Benchmark).optional() }).optional(),
  links: z.object({ details: z.string() }),
  hugging_face_id: z.string().nullable().optional(),
  knowledge_cutoff: z.string().nullable().optional(),
  expiration_date: z.string().nullable().optional(),
  alias_target: z.object({ name: z.string(), slug: z.string() }).optional(),
  last_pricing: z.looseObject({}).optional().describe('The last list price of a model that is retired'),
  status: z.enum(['active', 'deprecated', 'delisted', 'retired']),
  kind: z.string(),
  default_effort: z.string().nullable(),
  fine_tuning: z.boolean().nullable(),
  distillation: z.boolean().nullable(),
  served_on: z.array(z.string()).nullable(),
  requires_own_key: z.boolean().nullable(),
  notes: z.array(z.unknown()).nullable(),
  key_features: z.array(z.string()).optional(),
  use_cases: z.array(z.string()).optional(),
  limitations: z.array(z.string()).optional(),
}).meta({ id: 'Model', description: 'In OpenRouter\'s shape; of the fields beyond it, null is not stated' })

export const ModelList = z.object({
  data: z.array(ModelShape),
  total_count: z.int().min(0),
  links: z.object({ next: z.string().nullable() }),
}).meta({ id: 'ModelList' })

export const OpenAiModel = z.object({
  id: z.string(), object: z.literal('model'), created: z.int(), owned_by: z.string(),
}).meta({ id: 'OpenAIModel' })

export const OpenAiModelList = z.object({
  object: z.literal('list'),
  data: z.array(OpenAiModel),
}).meta({ id: 'OpenAIModelList' })

export const AnthropicModel = z.object({
  type: z.literal('model'), id: z.string(), display_name: z.string(), created_at: z.string(),
  max_input_tokens: z.int().nullable(), max_tokens: z.int().nullable(),
}).meta({ id: 'AnthropicModel' })

export const AnthropicModelList = z.object({
  data: z.array(AnthropicModel), has_more: z.boolean(), first_id: z.string().nullable(), last_id: z.string().nullable(),
}).meta({ id: 'AnthropicModelList' })

const Percentiles = z.object({ p50: z.number(), p75: z.number(), p90: z.number(), p99: z.number() })

export const EndpointShape = z.looseObject({
  name: z.string(),
  model_id: z.string(),
  model_name: z.string(),
  provider_name: z.string(),
  tag: z.string(),
  quantization: z.string().nullable(),
  context_length: z.int().describe('0 where unknown'),
  max_completion_tokens: z.int().nullable(),
  max_prompt_tokens: z.int().nullable(),
  pricing: Pricing,
  status: z.int().optional(),
  supported_parameters: z.array(z.string()),
  supports_implicit_caching: z.boolean(),
  supports_tool_choice: z.object({ auto: z.boolean(), none: z.boolean(), required: z.boolean(), function: z.boolean() })
    .describe('Worked out from supported_parameters'),
  latency_last_30m: Percentiles.nullable(),
  throughput_last_30m: Percentiles.nullable(),
  requests_last_30m: z.int().describe('How many answers the latency and throughput rest on'),
  probes_last_30m: z.int().describe('How many of those were probes: small requests of this instance to endpoints that nobody called'),
  tries_last_1d: z.int().describe('How many tries the uptime of a day rests on'),
  probes_last_1d: z.int().describe('How many of those were probes'),
  uptime_last_5m: z.number().nullable().describe('Percent of the tries that did not fail; null when there were none'),
  uptime_last_30m: z.number().nullable(),
  uptime_last_1d: z.number().nullable(),
  e2e_latency_last_30m: Percentiles.nullable().describe('Milliseconds to the end of the answer'),
  uptime_last_3d: z.number().nullable().optional().describe('Of whole days, today included, as all that follows; in the endpoints of one model'),
  uptime_last_90d: z.number().nullable().optional(),
  availability_last_3d: z.number().nullable().optional().describe('Percent of the tries that brought an answer: a 429 counts against it'),
  availability_last_90d: z.number().nullable().optional(),
  last_7d: z.object({
    requests: z.int(), tool_requests: z.int(), tool_call_error_rate: z.number().nullable().describe('Percent'),
    structured_requests: z.int(), structured_output_error_rate: z.number().nullable().describe('Percent'),
    cache_hit_rate: z.number().nullable().describe('Percent of prompt tokens'),
    effective_price_per_million: money.nullable().describe('Really paid for a million tokens, prompt and completion together'),
    list_price_per_million: money.nullable().describe('The same tokens by the list'),
  }).optional(),
  unpriced: z.string().nullable().describe('Why it has no price, and so cannot be called'),
}).meta({ id: 'Endpoint' })

export const ModelEndpoints = z.object({
  data: z.object({
    id: z.string(),
    name: z.string(),
    created: z.int(),
    description: z.string(),
    architecture: Architecture.extend({ tokenizer: z.string().nullable() }).meta({ id: 'EndpointsArchitecture' }),
    endpoints: z.array(EndpointShape),
    demo_traffic: z.literal(true).optional().describe('There where a demonstration is in the figures'),
  }),
}).meta({ id: 'ModelEndpoints' })

export const ProviderShape = z.object({
  name: z.string(),
  slug: z.string(),
  privacy_policy_url: z.string().nullable(),
  terms_of_service_url: z.string().nullable().optional(),
  status_page_url: z.string().nullable().optional(),
  headquarters: z.string().nullable().optional(),
  datacenters: z.array(z.string()).nullable().optional(),
}).meta({ id: 'Provider' })

const ms = z.number().nullable().describe('Milliseconds')
const tokens = z.int().nullable()

export const GenerationShape = z.object({
  id: z.string(),
  upstream_id: z.string().nullable(),
  request_id: z.string().nullable().optional(),
  session_id: z.string().nullable().optional(),
  response_cache_source_id: z.string().nullable().optional().describe('The generation whose answer was given again, at no cost'),
  created_at: z.string(),
  model: z.string(),
  provider_name: z.string().nullable(),
  router: z.string().nullable(),
  api_type: z.string().nullable(),
  origin: z.string(),
  http_referer: z.string().nullable(),
  user_agent: z.string().nullable(),
  app_id: z.int().nullable(),
  external_user: z.string().nullable(),
  preset_id: z.string().nullable(),
  workspace_id: z.string().nullable(),
  streamed: z.boolean().nullable(),
  cancelled: z.boolean().nullable(),
  is_byok: z.boolean(),
  service_tier: z.string().nullable(),
  data_region: z.enum(['global', 'europe', 'us']),
  finish_reason: z.string().nullable(),
  native_finish_reason: z.string().nullable(),
  latency: ms,
  generation_time: ms,
  moderation_latency: ms,
  tokens_prompt: tokens,
  tokens_completion: tokens,
  native_tokens_prompt: tokens,
  native_tokens_completion: tokens,
  native_tokens_completion_images: tokens,
  native_tokens_reasoning: tokens,
  native_tokens_cached: tokens,
  num_media_prompt: z.int().nullable(),
  num_input_audio_prompt: z.int().nullable(),
  num_media_completion: z.int().nullable(),
  num_search_results: z.int().nullable(),
  num_fetches: z.int().nullable(),
  web_search_engine: z.string().nullable(),
  usage: z.number().describe('US dollars'),
  total_cost: z.number().describe('US dollars'),
  upstream_inference_cost: z.number().nullable(),
  cache_discount: z.number().nullable(),
  provider_responses: z.array(z.looseObject({
    status: z.int().nullable(),
    provider_name: z.string().optional(),
    model_permaslug: z.string().optional(),
    endpoint_id: z.string().optional(),
    id: z.string().optional(),
    is_byok: z.boolean().optional(),
    latency: z.number().optional(),
    error_type: z.string().optional(),
    hedge: z.enum(['caller', 'operator']).optional().describe('It was opened beside a slow one; and who pays for the loser'),
    superseded: z.boolean().optional().describe('Another answered before it did'),
    step: z.int().optional().describe("Which of the model's answers it was for, from 1, where server tools were run between them"),
    within: z.string().optional().describe('The stage that had a model asked before the answer'),
    tokens_prompt: z.int().optional().describe('Of such a one, or of a step, as the next'),
    tokens_completion: z.int().optional(),
    cost: z.number().optional().describe('Of one that was superseded, whose answer was not what was asked for, that a stage made, or that was one of several steps: what its provider bills, in US dollars'),
    cost_estimated: z.boolean().optional().describe('That is our estimate: its provider had not said what it counted'),
  })).nullable().describe('Each attempt; the one that answered is the last'),
  coalesced: z.object({
    paid_by: z.string().describe('The generation that is charged, and has the attempts'),
    cost: z.number().describe('What that one is charged, in US dollars: what the others were spared'),
    calls: z.int().describe('How many shared the answer, that one included'),
  }).optional().describe('Where several identical calls that were under way at once shared one answer'),
}).meta({ id: 'Generation' })

export const ErrorShape = z.looseObject({
  error: z.looseObject({
    code: z.int().describe('The HTTP status'),
    message: z.string(),
    metadata: z.looseObject({ error_type: z.string().optional() }).optional(),
    availability: availabilitySchema.optional(),
  }),
  user_id: z.string().optional(),
  openrouter_metadata: metadataSchema.optional(),
}).meta({ id: 'Error' })

const tokensBound = z.int().min(1).max(10_000_000).optional()

export const ExplainRequestShape = z.intersection(ChatRequestShape, z.looseObject({
  at: z.union([z.string(), z.number()]).nullish()
    .describe('A moment in the past, as ISO 8601 or Unix seconds: with the health, the catalogue and the policy of then'),
  policy: z.strictObject({
    max_output: z.enum(MAX_OUTPUT).optional(),
    unsupported_parameters: z.enum(UNSUPPORTED_PARAMETERS).optional(),
    expected_output_tokens: tokensBound,
    unbounded_output_tokens: tokensBound,
    trial_cost_factor: z.number().min(1).max(1000).optional(),
    balance: z.enum(['price', 'measured']).optional(),
    tool_requests: z.int().min(1).max(1_000_000).optional(),
    tool_margin: z.number().min(0).max(1).optional(),
    hedge: z.enum(['off', 'on']).optional(),
    coalesce: z.enum(COALESCE).optional(),
  }).nullish().describe('What the settings under `routing` shall say otherwise'),
})).meta({ id: 'ExplainRequest', description: 'A chat request, with what it shall be explained for' })

export const ExplanationShape = z.object({
  data: z.object({
    chosen: z.object({
      endpoint: z.string(), provider_name: z.string(), estimated_cost: z.number(), worst_cost: z.number(),
    }).nullable().describe('What would be tried first, and its costs in US dollars; null where nobody can take the request'),
    past: z.object({
      as_of: z.string().describe('The moment that was kept'), catalog: z.string(), policy: z.string(),
    }).optional().describe('With `at`: what it was planned with, and by which versions'),
    strategy: z.string(),
    models: z.array(z.string()),
    need: z.object({
      prompt_tokens: z.int().describe('Estimated'),
      max_tokens: z.int().nullable(),
      input_modalities: z.array(z.string()),
      output_modalities: z.array(z.string()),
      parameters: z.array(z.string()),
    }),
    candidates: z.array(z.looseObject({
      position: z.int().min(1),
      endpoint: z.string(),
      model: z.string(),
      provider: z.string(),
      provider_name: z.string(),
      tag: z.string(),
      tier: z.string(),
      credential: z.string().describe('The label of the key, never the key'),
      weight: z.number().nullable().describe('The share of first tries; null where the order is fixed'),
      estimated_cost: z.number().describe('What the request is expected to cost there, in US dollars, with an answer of usual length'),
      worst_cost: z.number().describe('The most that the call can cost there, in US dollars'),
      price_per_million: z.object({ prompt: z.string(), completion: z.string() }),
      simulated: z.boolean(),
      reasons: z.array(z.string()),
    })).describe('In the order in which they would be tried'),
    rejected: z.array(z.object({
      endpoint: z.string(), model: z.string(), provider: z.string(), why: z.string(), detail: z.string(),
    })),
    hedge: z.object({
      opens: z.boolean().describe('Whether a second attempt would be opened beside the first'),
      after_ms: z.number().optional().describe('When the first has not begun to answer by then'),
      endpoint: z.string().optional().describe('Where'),
      paid_by: z.enum(['caller', 'operator']).optional().describe('Who pays for the one that loses'),
      why: z.string().optional().describe('Why none would be'),
    }).describe('What would be done about a first attempt that is slow'),
    coalesce: z.object({
      shares: z.boolean().describe('Whether it would share the answer of an identical request that is under way'),
      why: z.string().optional().describe('Why it would not'),
    }).describe('Whether identical requests that are under way at once share one answer'),
    ignored: z.array(z.string()).describe('Fields that were understood but have no effect'),
    pipeline: z.array(z.looseObject({ type: z.string(), name: z.string(), summary: z.string() }))
      .describe('What would be changed of the request, and what a router model would choose and why'),
  }),
}).meta({ id: 'Explanation' })

export const HealthShape = z.object({ status: z.string(), version: z.string().optional() }).meta({ id: 'Health' })
