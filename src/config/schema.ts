import { COALESCE, MAX_OUTPUT, UNSUPPORTED_PARAMETERS } from '../core/index.ts'
import { providerPreferences, z } from '../schema/index.ts'

/** Milliseconds, up to a day. */
const ms = z.int().min(1).max(86_400_000)
const concurrency = z.int().min(1).max(1_000_000)
const address = z.string().regex(/^https?:\/\//)
const phrases = z.array(z.string().min(1).max(100)).max(500)
/** Dollars as a decimal with at most 9 places. */
const dollars = z.string().regex(/^\d{1,6}(\.\d{1,9})?$/)
/** A search engine that is somebody's service. */
const keyedEngine = z.strictObject({ api_key: z.string().min(1), base_url: address.optional(), price: dollars.optional() })
/** Names of the catalogue, or patterns of them. */
const names = z.array(z.string().min(1).max(200)).min(1).max(500)
const row = z.record(z.string(), z.unknown())

/** What stands when neither the environment nor the file says otherwise. */
export const DEFAULTS = {
  timeouts: {
    connect_ms: 3_000,
    first_token_ms: 30_000,
    reasoning_first_token_ms: 120_000,
    pre_token_total_ms: 90_000,
    idle_ms: 60_000,
    total_ms: 1_800_000,
  },
  limits: {
    max_body_bytes: 20 * 1024 * 1024,
    max_header_bytes: 16 * 1024,
    headers_timeout_ms: 10_000,
    request_timeout_ms: 300_000,
    body_grace_ms: 10_000,
    body_bytes_per_second: 1024,
    keep_alive_ms: 75_000,
    commit_after_ms: 10_000,
    heartbeat_ms: 10_000,
    write_stall_ms: 60_000,
    linger_ms: 2_000,
    drain_grace_ms: 120_000,
    drain_settle_ms: 5_000,
    refused_keys_per_minute: 20,
    concurrent_requests: 16_000,
    concurrent_requests_per_provider: 12_000,
    key_share: 0.8,
    queue_ms: 100,
    event_loop_delay_ms: 200,
    max_rss_mb: 0,
  },
  routing: {
    attempts_per_model: 3,
    attempts_in_all: 6,
    outage_window_ms: 30_000,
    max_output: 'clamp',
    unsupported_parameters: 'drop',
    expected_output_tokens: 500,
    unbounded_output_tokens: 128_000,
    ejection_failures: 5,
    ejection_share: 0.5,
    ejection_share_of: 20,
    ejection_ms: 10_000,
    ejection_longest_ms: 300_000,
    ejection_jitter: 0.2,
    quick_failure_ms: 1_000,
    quick_ejection_longest_ms: 10_000,
    relapse_ms: 60_000,
    trial_gap_ms: 1_000,
    trial_successes: 3,
    trial_lease_ms: 120_000,
    trial_cost_factor: 3,
    trial_patience: 2,
    balance: 'price',
    tool_requests: 100,
    tool_margin: 0.02,
    hedge: 'off',
    hedge_percentile: 95,
    hedge_samples: 20,
    hedge_least_ms: 100,
    coalesce: 'asked',
    coalesce_buffer_bytes: 524_288,
    sticky_ms: 600_000,
    ramp_ms: 10_000,
    ramp_from: 0.1,
    bench_ms: 300_000,
    cooldown_ms: 5_000,
    cooldown_longest_ms: 60_000,
    figures_window_ms: 300_000,
    retry_tokens: 100,
    retry_tokens_per_second: 3,
    retry_tokens_per_success: 0.2,
    retry_cost: 1,
    retry_cost_after_timeout: 2,
  },
  auto_router: { default_task: 'general', models: 3, slow_seconds: 60 },
  responses: { store_default: false, retention_days: 30, background_per_key: 32, background_lease_ms: 15_000 },
  structured_output: { enforce: 'strict' },
  prompt_caching: { automatic: false },
  stats: { min_keys: 1 },
  moderation: { always: false, failure: 'closed', output: false, stream: 'hold' },
  web_search: { timeout_ms: 10_000 },
  server_tools: { max_steps: 30, timeout_ms: 120_000, model_timeout_ms: 300_000, page_max_bytes: 4 * 1024 * 1024, page_max_characters: 100_000, page_timeout_ms: 15_000 },
  file_parser: { max_bytes: 20 * 1024 * 1024, max_pages: 1_000, max_characters: 4_000_000, timeout_ms: 15_000 },
  response_cache: { enabled: true, max_bytes: 256 * 1024 * 1024, max_answer_bytes: 1024 * 1024 },
  probes: { every_ms: 600_000, max_tokens: 16, concurrent: 4 },
  log: { level: 'info' },
  discover_local: true,
} as const

/** Markdown that a page of the site shows. */
const siteText = z.string().min(1).max(100_000).optional()
const siteLink = z.string().max(2000).regex(/^https:\/\/[^\s/]+/, 'must be an https:// address').optional()

const providerTimeouts = z.strictObject({
  connect_ms: ms.optional(),
  first_token_ms: ms.optional(),
  idle_ms: ms.optional(),
  total_ms: ms.optional(),
})

const provider = z.strictObject({
  name: z.string().min(1).max(100).optional(),
  enabled: z.boolean().optional(),
  base_url: address.optional(),
  api_key: z.string().min(1).optional(),
  credentials: z.record(z.string().regex(/^[a-z_]+$/), z.string().min(1)).optional(),
  credentials_file: z.string().min(1).optional(),
  headers: z.record(z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/), z.string()).optional(),
  dialect: z.string().min(1).optional(),
  settings: z.record(z.string(), z.string()).optional(),
  timeouts: providerTimeouts.optional(),
  concurrent_requests: concurrency.optional(),
  data_policy: z.strictObject({
    training: z.boolean().nullable().optional(),
    retains_prompts: z.boolean().nullable().optional(),
    retention_days: z.int().min(0).nullable().optional(),
    requires_user_ids: z.boolean().optional(),
  }).optional(),
})

/** The configuration file. Rows of `models` and `endpoints` are held against the catalogue's own schemas. */
export const fileSchema = z.strictObject({
  providers: z.record(z.string().regex(/^[a-z0-9][a-z0-9-]*$/), provider).optional(),
  models: z.array(row).optional(),
  endpoints: z.array(row).optional(),
  model_aliases: z.record(z.string().min(1), z.string().min(1)).optional(),
  workspaces: z.record(z.string().min(1), z.strictObject({
    provider: providerPreferences.optional(),
    responses: z.strictObject({ store_default: z.boolean().optional() }).optional(),
  })).optional(),
  discover_local: z.boolean().optional(),
  timeouts: z.strictObject({ ...providerTimeouts.shape, reasoning_first_token_ms: ms.optional(), pre_token_total_ms: ms.optional() }).optional(),
  limits: z.strictObject({
    max_body_bytes: z.int().min(1024).max(1024 ** 3).optional(),
    max_header_bytes: z.int().min(1024).max(1024 ** 2).optional(),
    headers_timeout_ms: ms.optional(),
    request_timeout_ms: ms.optional(),
    body_grace_ms: ms.optional(),
    body_bytes_per_second: z.int().min(0).max(1024 ** 3).optional(),
    keep_alive_ms: ms.optional(),
    commit_after_ms: ms.optional(),
    heartbeat_ms: ms.optional(),
    write_stall_ms: ms.optional(),
    linger_ms: ms.optional(),
    drain_grace_ms: ms.optional(),
    drain_settle_ms: z.int().min(0).max(3_600_000).optional(),
    refused_keys_per_minute: z.int().min(1).max(1_000_000).optional(),
    concurrent_requests: concurrency.optional(),
    concurrent_requests_per_provider: concurrency.optional(),
    key_share: z.number().min(0.01).max(1).optional(),
    queue_ms: z.int().min(0).max(60_000).optional(),
    event_loop_delay_ms: z.int().min(0).max(60_000).optional(),
    max_rss_mb: z.int().min(0).max(16_777_216).optional(),
  }).optional(),
  routing: z.strictObject({
    attempts_per_model: z.int().min(1).max(20).optional(),
    attempts_in_all: z.int().min(1).max(50).optional(),
    outage_window_ms: ms.optional(),
    max_output: z.enum(MAX_OUTPUT).optional(),
    unsupported_parameters: z.enum(UNSUPPORTED_PARAMETERS).optional(),
    expected_output_tokens: z.int().min(1).max(10_000_000).optional(),
    unbounded_output_tokens: z.int().min(1).max(10_000_000).optional(),
    ejection_failures: z.int().min(1).max(1_000).optional(),
    ejection_share: z.number().min(0.01).max(1).optional(),
    ejection_share_of: z.int().min(1).max(100).optional(),
    ejection_ms: ms.optional(),
    ejection_longest_ms: ms.optional(),
    ejection_jitter: z.number().min(0).max(0.9).optional(),
    quick_failure_ms: ms.optional(),
    quick_ejection_longest_ms: ms.optional(),
    relapse_ms: ms.optional(),
    trial_gap_ms: ms.optional(),
    trial_successes: z.int().min(1).max(100).optional(),
    trial_lease_ms: ms.optional(),
    trial_cost_factor: z.number().min(1).max(1_000).optional(),
    trial_patience: z.number().min(1).max(1_000).optional(),
    balance: z.enum(['price', 'measured']).optional(),
    tool_requests: z.int().min(1).max(1_000_000).optional(),
    tool_margin: z.number().min(0).max(1).optional(),
    hedge: z.enum(['off', 'on']).optional(),
    hedge_percentile: z.number().min(50).max(99.9).optional(),
    hedge_samples: z.int().min(5).max(100).optional(),
    hedge_least_ms: z.int().min(10).max(86_400_000).optional(),
    coalesce: z.enum(COALESCE).optional(),
    coalesce_buffer_bytes: z.int().min(1024).max(67_108_864).optional(),
    sticky_ms: z.int().min(0).max(86_400_000).optional(),
    ramp_ms: ms.optional(),
    ramp_from: z.number().min(0.001).max(1).optional(),
    bench_ms: ms.optional(),
    cooldown_ms: ms.optional(),
    cooldown_longest_ms: ms.optional(),
    figures_window_ms: ms.optional(),
    retry_tokens: z.number().min(1).max(1_000_000).optional(),
    retry_tokens_per_second: z.number().min(0.01).max(1_000_000).optional(),
    retry_tokens_per_success: z.number().min(0).max(1_000).optional(),
    retry_cost: z.number().min(0.01).max(1_000).optional(),
    retry_cost_after_timeout: z.number().min(0.01).max(1_000).optional(),
  }).optional(),
  auto_router: z.strictObject({
    tasks: z.record(z.string().regex(/^[a-z][a-z0-9-]*$/), z.strictObject({
      words: phrases.optional(),
      signals: z.array(z.enum(['tools', 'structured output', 'media'])).optional(),
      cost_tier: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).optional(),
      reasoning: z.boolean().optional(),
      models: z.array(z.string().min(1).max(200)).max(100).optional(),
    })).optional(),
    default_task: z.string().optional(),
    efforts: z.array(z.strictObject({ words: phrases, effort: z.enum(['minimal', 'low', 'medium', 'high', 'xhigh', 'max']) })).optional(),
    models: z.int().min(1).max(10).optional(),
    slow_seconds: z.number().min(0).max(86_400).optional(),
  }).optional(),
  file_parser: z.strictObject({
    max_bytes: z.int().min(1).optional(), max_pages: z.int().min(1).optional(), max_characters: z.int().min(1).optional(), timeout_ms: ms.optional(),
    ocr_models: z.array(z.string().min(1).max(200)).max(10).optional(),
  }).optional(),
  moderation: z.strictObject({
    models: z.array(z.string().min(1).max(200)).max(10).optional(),
    always: z.boolean().optional(),
    failure: z.enum(['open', 'closed']).optional(),
    policy: z.string().min(1).max(20_000).optional(),
    output: z.boolean().optional(),
    stream: z.enum(['hold', 'release']).optional(),
  }).optional(),
  prompt_caching: z.strictObject({ automatic: z.boolean().optional() }).optional(),
  web_search: z.strictObject({
    engine: z.enum(['exa', 'tavily', 'brave', 'searxng']).optional(),
    timeout_ms: ms.optional(),
    engines: z.strictObject({
      exa: keyedEngine.optional(), tavily: keyedEngine.optional(), brave: keyedEngine.optional(),
      searxng: keyedEngine.extend({ api_key: z.string().min(1).optional(), base_url: address }).optional(),
    }).optional(),
  }).optional(),
  server_tools: z.strictObject({
    max_steps: z.int().min(1).max(100).optional(),
    timeout_ms: ms.optional(),
    model_timeout_ms: ms.optional(),
    disabled: z.array(z.string().regex(/^openrouter:\w+$/)).optional(),
    page_max_bytes: z.int().min(1024).max(64 * 1024 * 1024).optional(),
    page_max_characters: z.int().min(100).optional(),
    page_timeout_ms: ms.optional(),
    page_hosts: z.array(z.string().min(1)).optional(),
  }).optional(),
  structured_output: z.strictObject({ enforce: z.enum(['strict', 'always', 'never']).optional() }).optional(),
  response_cache: z.strictObject({
    enabled: z.boolean().optional(),
    max_bytes: z.int().min(1024 * 1024).max(1024 ** 4).optional(),
    max_answer_bytes: z.int().min(1024).max(64 * 1024 ** 2).optional(),
  }).optional(),
  responses: z.strictObject({
    store_default: z.boolean().optional(),
    retention_days: z.int().min(1).max(3650).optional(),
    background_per_key: z.int().min(0).max(100_000).optional(),
    background_lease_ms: z.int().min(500).max(600_000).optional(),
  }).optional(),
  probes: z.strictObject({
    budget: dollars.optional(),
    every_ms: z.int().min(60_000).max(86_400_000).optional(),
    providers: names.optional(),
    models: names.optional(),
    endpoints: names.optional(),
    max_tokens: z.int().min(1).max(4096).optional(),
    concurrent: z.int().min(1).max(100).optional(),
  }).optional(),
  stats: z.strictObject({
    min_keys: z.int().min(1).max(64).optional(),
  }).optional(),
  site: z.strictObject({
    pages: z.strictObject({
      about: siteText, support: siteText, privacy: siteText, terms: siteText, announcements: siteText,
    }).optional(),
    links: z.strictObject({
      labs: siteLink, enterprise: siteLink, careers: siteLink, github: siteLink, discord: siteLink, x: siteLink,
    }).optional(),
  }).optional(),
  log: z.strictObject({ level: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).optional() }).optional(),
})

export type ConfigFile = z.infer<typeof fileSchema>

/** Settings that the manual speaks of and that do not exist yet: refused by name, so that nobody believes them set. */
export const FILE_NOT_YET: readonly string[] = ['mode', 'credits']

/** The environment variables that are read here, beside those that the catalogue names for providers. */
export const VARIABLES = [
  'HOST', 'PORT', 'ADMIN_PORT', 'SIGNALBOX_HOME', 'SIGNALBOX_CONFIG', 'DATABASE_URL', 'SIGNALBOX_DEMO_PACE',
] as const
/** Set for clients by the curl line that a start prints; nothing to a server. */
export const CLIENT_VARIABLES: readonly string[] = ['SIGNALBOX_API_KEY']
export const VARIABLES_NOT_YET: readonly string[] = ['SIGNALBOX_MANAGEMENT_KEY']
