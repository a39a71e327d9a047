import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { inspect } from 'node:util'
import { ConfigError, nearest, type EndpointPatch, type ModelPatch, type Overlay, type ProviderPatch } from '../catalog/index.ts'
import { attoFromDecimal, ceilToNano, type Coalesce, type MaxOutput, type Nano, type UnsupportedParameters } from '../core/index.ts'
import type { ProviderPreferences } from '../schema/index.ts'
import { readFile } from './file.ts'
import { CLIENT_VARIABLES, DEFAULTS, VARIABLES, VARIABLES_NOT_YET, type ConfigFile } from './schema.ts'
import { Secret } from './secret.ts'
import { isLoopback, refuseOwnAddress } from './self.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** All in milliseconds. */
export interface Timeouts {
  readonly connectMs: number
  /** To the first block of an answer, on an ordinary model and on one that reasons first. */
  readonly firstTokenMs: number
  readonly firstTokenReasoningMs: number
  /** Over all attempts, before the first block. */
  readonly preTokenTotalMs: number
  readonly idleMs: number
  readonly totalMs: number
}

/** What one connection or one request may take of the server. */
export interface Limits {
  readonly bodyBytes: number
  readonly headerBytes: number
  readonly headersTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly bodyGraceMs: number
  readonly bodyBytesPerSecond: number
  readonly keepAliveMs: number
  readonly commitAfterMs: number
  readonly heartbeatMs: number
  readonly writeStallMs: number
  readonly lingerMs: number
  readonly drainGraceMs: number
  readonly drainSettleMs: number
  readonly refusedKeysPerMinute: number
  readonly concurrentRequests: number
  readonly concurrentRequestsPerProvider: number
  /** Of either, what one key may hold while it is alone, 0–1. */
  readonly keyShare: number
  readonly queueMs: number
  readonly eventLoopDelayMs: number
  /** Of resident memory; 0 is what the system lets this process have. */
  readonly maxRssBytes: number
}

/** The numbers of the routing policy and of health, in the names of the room that reads them, which says what they mean. */
export interface Routing {
  readonly attemptsPerModel: number
  readonly attemptsInAll: number
  readonly outageWindowMs: number
  readonly maxOutput: MaxOutput
  readonly unsupportedParameters: UnsupportedParameters
  readonly expectedOutputTokens: number
  readonly unboundedOutputTokens: number
  readonly ejectAfter: number
  readonly ejectShare: number
  readonly ejectShareOf: number
  readonly ejectionMs: number
  readonly longestEjectionMs: number
  readonly ejectionJitter: number
  readonly quickFailureMs: number
  readonly longestQuickEjectionMs: number
  readonly relapseMs: number
  readonly trialGapMs: number
  readonly trialsToRecover: number
  readonly trialLeaseMs: number
  readonly trialCostFactor: number
  readonly trialPatience: number
  readonly balance: 'price' | 'measured'
  readonly toolRequests: number
  readonly toolMargin: number
  readonly hedge: 'off' | 'on'
  readonly hedgePercentile: number
  readonly hedgeSamples: number
  readonly hedgeLeastMs: number
  readonly coalesce: Coalesce
  readonly coalesceBufferBytes: number
  readonly stickyMs: number
  readonly rampMs: number
  readonly rampFrom: number
  readonly benchMs: number
  readonly defaultCooldownMs: number
  readonly longestCooldownMs: number
  readonly figuresWindowMs: number
  readonly retryTokens: number
  readonly retryTokensPerSecond: number
  readonly retryTokensPerSuccess: number
  readonly retryCost: number
  readonly retryCostAfterTimeout: number
}

/** The operator's changes to how router models choose, in the names of the room that reads them. */
export interface AutoRouter {
  readonly tasks: Readonly<Record<string, {
    readonly words?: readonly string[]
    readonly signals?: readonly ('tools' | 'structured output' | 'media')[]
    readonly costTier?: 'low' | 'medium' | 'high' | 'xhigh' | 'max'
    readonly reasoning?: boolean
    readonly models?: readonly string[]
  }>>
  readonly defaultTask: string
  readonly efforts?: readonly { readonly words: readonly string[]; readonly effort: 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max' }[]
  readonly models: number
  readonly slowSeconds: number
}

export interface ProviderSettings {
  /** Null where the file does not say: then a key in the environment decides. */
  readonly enabled: boolean | null
  readonly apiKey: Secret | null
  /** What sign-ins other than a key are made from, by name: `access_key_id`, `client_secret` … */
  readonly credentials: Readonly<Record<string, Secret>>
  /** The text of the file that holds a service account. */
  readonly credentialsFile: Secret | null
  readonly baseUrl: string | null
  readonly headers: Readonly<Record<string, Secret>>
  readonly settings: Readonly<Record<string, string>>
  /** Where they differ from the general ones. */
  readonly timeouts: Partial<Timeouts>
  /** Calls at once; null where the general number holds. */
  readonly concurrentRequests: number | null
}

export interface Config {
  readonly host: string
  readonly port: number
  readonly adminPort: number | null
  /** Whether `host` reaches only this machine; if not, an admin has to exist before we listen. */
  readonly loopback: boolean
  readonly home: string
  readonly databaseUrl: string | null
  /** The file that was read; null when there is none. */
  readonly configPath: string | null
  /** Where the file is or would be: what to watch. */
  readonly watchPath: string
  readonly discoverLocal: boolean
  /** 1 is real time, 0 waits for nothing. */
  readonly demoPace: number
  readonly providers: Readonly<Record<string, ProviderSettings>>
  readonly overlay: Overlay
  /** What every request of a workspace's keys is held to, by the workspace's id. */
  readonly workspaces: Readonly<Record<string, { readonly provider?: ProviderPreferences; readonly storeDefault?: boolean }>>
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly routing: Routing
  readonly autoRouter: AutoRouter
  readonly responses: {
    readonly storeDefault: boolean; readonly retentionDays: number; readonly backgroundPerKey: number; readonly backgroundLeaseMs: number
  }
  /** The bounds of one PDF that is read here. */
  readonly fileParser: { readonly maxBytes: number; readonly maxPages: number; readonly maxCharacters: number; readonly timeoutMs: number; readonly ocrModels: readonly string[] }
  readonly responseCache: { readonly enabled: boolean; readonly maxBytes: number; readonly maxAnswerBytes: number }
  readonly promptCaching: { readonly automatic: boolean }
  /** `engine` is the one that is asked by default: the one that is named, or the first of those that are set up. */
  readonly moderation: {
    readonly models: readonly string[]; readonly always: boolean; readonly failure: 'open' | 'closed'; readonly policy: string | null
    readonly output: boolean; readonly stream: 'hold' | 'release'
  }
  readonly webSearch: {
    readonly engine: SearchEngine | null
    readonly timeoutMs: number
    readonly engines: Readonly<Partial<Record<SearchEngine, { readonly baseUrl: string | null; readonly apiKey: Secret | null; readonly price: Nano }>>>
  }
  /** `pageHosts` are private hosts that models may read pages of. */
  readonly serverTools: {
    readonly maxSteps: number; readonly timeoutMs: number; readonly modelTimeoutMs: number; readonly disabled: readonly string[]
    readonly pageMaxBytes: number; readonly pageMaxCharacters: number; readonly pageTimeoutMs: number; readonly pageHosts: readonly string[]
  }
  readonly structuredOutput: { readonly enforce: 'strict' | 'always' | 'never' }
  readonly stats: { readonly minKeys: number }
  /** Null where none are sent. A budget is for a month; of filters, null leaves nothing out. */
  readonly probes: {
    readonly budget: Nano; readonly everyMs: number; readonly maxTokens: number; readonly concurrent: number
    readonly providers: readonly string[] | null; readonly models: readonly string[] | null; readonly endpoints: readonly string[] | null
  } | null
  /** What the operator wrote for the site. */
  readonly site: { readonly pages: NonNullable<NonNullable<ConfigFile['site']>['pages']>; readonly links: NonNullable<NonNullable<ConfigFile['site']>['links']> }
  readonly log: { readonly level: string }
  /** The value of an environment variable; null when it is not set or empty. */
  secret(name: string): Secret | null
  /** The text of the file that an environment variable names; null when there is none that can be read. */
  secretFile(name: string): Secret | null
  /** What fills a provider's address: the file's `settings`, then those of its variables that are set. */
  settings(provider: string, variables?: readonly string[]): Readonly<Record<string, string>>
}

/**
 * The configuration from the environment and the file, the former first; parsed once, frozen.
 * Throws a ConfigError that names the setting, what is wrong and what would be right, and never shows a secret.
 */
export function readConfig(env: Environment, cwd: string): Config {
  refuseUnknownVariables(env)
  const value = (name: string): string | null => env[name]?.trim() || null
  const host = value('HOST') ?? '127.0.0.1'
  const port = portOf(value('PORT'), 'PORT') ?? 3000
  const adminPort = portOf(value('ADMIN_PORT'), 'ADMIN_PORT')
  if (adminPort !== null && adminPort !== 0 && adminPort === port) {
    throw new ConfigError(`ADMIN_PORT must be another port than PORT, is ${adminPort} too`)
  }
  const found = readFile(value('SIGNALBOX_CONFIG'), cwd)
  const file = found.content ?? {}
  const ports = [port, adminPort ?? 0].filter((listening) => listening > 0)
  const providers = mapValues(file.providers ?? {}, (given, slug) => providerOf(slug, given, env, cwd, { host, ports }))
  for (const [index, row] of (file.endpoints ?? []).entries()) {
    if (typeof row['base_url'] === 'string') refuseOwnAddress(`endpoints[${index}].base_url`, row['base_url'], { host, ports })
  }

  const config: Config = {
    host,
    port,
    adminPort,
    loopback: isLoopback(host),
    home: resolve(cwd, value('SIGNALBOX_HOME') ?? '.signalbox'),
    databaseUrl: databaseOf(value('DATABASE_URL')),
    configPath: found.content ? found.path : null,
    watchPath: found.path,
    discoverLocal: file.discover_local ?? DEFAULTS.discover_local,
    demoPace: paceOf(value('SIGNALBOX_DEMO_PACE')),
    providers,
    overlay: overlayOf(file),
    workspaces: workspacesOf(file),
    limits: limitsOf(file.limits ?? {}),
    timeouts: timeoutsOf({ ...DEFAULTS.timeouts, ...file.timeouts }),
    routing: routingOf(file.routing ?? {}),
    autoRouter: autoRouterOf(file.auto_router ?? {}),
    responses: responsesOf(file.responses ?? {}),
    fileParser: fileParserOf({ ...DEFAULTS.file_parser, ...file.file_parser }),
    responseCache: responseCacheOf(file.response_cache ?? {}),
    promptCaching: { ...DEFAULTS.prompt_caching, ...file.prompt_caching },
    moderation: moderationOf(file.moderation ?? {}),
    webSearch: webSearchOf(file.web_search ?? {}, env),
    serverTools: serverToolsOf(file.server_tools ?? {}),
    structuredOutput: { ...DEFAULTS.structured_output, ...file.structured_output },
    probes: probesOf(file.probes),
    stats: { minKeys: file.stats?.min_keys ?? DEFAULTS.stats.min_keys },
    site: { pages: file.site?.pages ?? {}, links: file.site?.links ?? {} },
    log: { level: file.log?.level ?? DEFAULTS.log.level },
    secret(name) {
      const set = value(name)
      return set === null ? null : new Secret(set)
    },
    secretFile(name) {
      const path = value(name)
      try {
        return path === null ? null : secretFileAt(resolve(cwd, path), name)
      } catch (error) {
        // Another tool set it: what is wrong with it is said where somebody asks for that provider.
        if (error instanceof ConfigError) return null
        throw error
      }
    },
    settings: (provider, variables = []) => ({
      ...providers[provider]?.settings,
      ...Object.fromEntries(variables.flatMap((name) => {
        const set = NAMES_A_KEY.test(name) ? null : value(name)
        return set === null ? [] : [[name, set]]
      })),
    }),
  }
  return deepFreeze(withHiddenAddress(config))
}

/** Variables that hold keys: they fill no address. */
const NAMES_A_KEY = /(KEY|TOKEN|_PAT|SECRET|CREDENTIALS|KEY_ID|BEDROCK)$/

function refuseUnknownVariables(env: Environment): void {
  const known: readonly string[] = [...VARIABLES, ...CLIENT_VARIABLES]
  for (const name of Object.keys(env)) {
    if (!name.startsWith('SIGNALBOX_') || known.includes(name)) continue
    if (VARIABLES_NOT_YET.includes(name)) throw new ConfigError(`${name} is not available yet`)
    const [near] = nearest(name, VARIABLES)
    throw new ConfigError(`${name} is not a known setting; ${near ? `did you mean ${near}?` : `known are ${VARIABLES.join(', ')}`}`)
  }
}

function portOf(text: string | null, name: string): number | null {
  if (text === null) return null
  const port = Number(text)
  if (/^\d+$/.test(text) && port <= 65_535) return port
  throw new ConfigError(`${name} must be a port from 0 to 65535, is ${JSON.stringify(text)}`)
}

function paceOf(text: string | null): number {
  if (text === null) return 1
  const pace = Number(text)
  if (/^\d+(\.\d+)?$/.test(text) && pace <= 1000) return pace
  throw new ConfigError(`SIGNALBOX_DEMO_PACE must be a number from 0 (no waiting) to 1000, 1 being real time, is ${JSON.stringify(text)}`)
}

function databaseOf(text: string | null): string | null {
  if (text === null || /^postgres(ql)?:\/\//.test(text)) return text
  throw new ConfigError('DATABASE_URL must begin with postgres://; without it the database is a file in SIGNALBOX_HOME')
}

type ProviderGiven = NonNullable<ConfigFile['providers']>[string]

function providerOf(slug: string, given: ProviderGiven, env: Environment, cwd: string, own: { host: string; ports: readonly number[] }): ProviderSettings {
  const where = `providers.${slug}`
  if (given.base_url !== undefined) refuseOwnAddress(`${where}.base_url`, given.base_url, own)
  const secretOf = (text: string, path: string): Secret => new Secret(interpolate(text, path, env))
  return {
    enabled: given.enabled ?? null,
    apiKey: given.api_key === undefined ? null : secretOf(given.api_key, `${where}.api_key`),
    credentials: mapValues(given.credentials ?? {}, (text, name) => secretOf(text, `${where}.credentials.${name}`)),
    credentialsFile: given.credentials_file === undefined ? null
      : secretFileAt(resolve(cwd, interpolate(given.credentials_file, `${where}.credentials_file`, env)), `${where}.credentials_file`),
    baseUrl: given.base_url ?? null,
    headers: mapValues(given.headers ?? {}, (text, name) => secretOf(text, `${where}.headers.${name}`)),
    settings: given.settings ?? {},
    timeouts: ownTimeoutsOf(given.timeouts ?? {}),
    concurrentRequests: given.concurrent_requests ?? null,
  }
}

/** A key's file has a few kilobytes; whatever is longer is something else. */
const MAX_SECRET_FILE_BYTES = 64 * 1024

function secretFileAt(path: string, setting: string): Secret {
  try {
    if (statSync(path).size > MAX_SECRET_FILE_BYTES) throw new ConfigError(`${setting} names ${path}, which is too large for a file of credentials`)
    return new Secret(readFileSync(path, 'utf8'))
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError(`${setting} names ${path}, which cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`)
  }
}

/** Puts environment variables in the place of `${NAME}`; one that is not set is an error, not an empty key. */
function interpolate(text: string, path: string, env: Environment): string {
  return text.replace(/\$\{(\w+)\}/g, (_, name: string) => {
    const set = env[name]?.trim()
    if (!set) throw new ConfigError(`${path} names the environment variable ${name}, which is not set`)
    return set
  })
}

function overlayOf(file: ConfigFile): Overlay {
  return {
    providers: mapValues(file.providers ?? {}, ({ name, base_url, dialect, enabled, data_policy }): ProviderPatch => ({
      ...(name !== undefined && { name }),
      ...(base_url !== undefined && { base_url }),
      ...(dialect !== undefined && { dialect }),
      ...(enabled !== undefined && { enabled }),
      ...(data_policy !== undefined && { data_policy }),
    })),
    models: (file.models ?? []) as unknown as readonly ModelPatch[],
    endpoints: (file.endpoints ?? []) as unknown as readonly EndpointPatch[],
    modelAliases: file.model_aliases ?? {},
  }
}

/** There is one workspace yet; the name of another is a slip, and its limits would hold for nobody. */
function workspacesOf({ workspaces = {} }: ConfigFile): Config['workspaces'] {
  const unknown = Object.keys(workspaces).find((id) => id !== 'default')
  if (unknown !== undefined) throw new ConfigError(`workspaces.${unknown} is not a workspace; the one that there is is called default`)
  return mapValues(workspaces, ({ provider, responses }) => ({
    ...(provider && { provider: provider as ProviderPreferences }),
    ...(responses?.store_default !== undefined && { storeDefault: responses.store_default }),
  }))
}

function timeoutsOf(given: Required<NonNullable<ConfigFile['timeouts']>>): Timeouts {
  return {
    connectMs: given.connect_ms,
    firstTokenMs: given.first_token_ms,
    firstTokenReasoningMs: given.reasoning_first_token_ms,
    preTokenTotalMs: given.pre_token_total_ms,
    idleMs: given.idle_ms,
    totalMs: given.total_ms,
  }
}

function ownTimeoutsOf(given: NonNullable<ProviderGiven['timeouts']>): Partial<Timeouts> {
  return {
    ...(given.connect_ms !== undefined && { connectMs: given.connect_ms }),
    // One number for a provider: it holds for its models that reason as well.
    ...(given.first_token_ms !== undefined && { firstTokenMs: given.first_token_ms, firstTokenReasoningMs: given.first_token_ms }),
    ...(given.idle_ms !== undefined && { idleMs: given.idle_ms }),
    ...(given.total_ms !== undefined && { totalMs: given.total_ms }),
  }
}

function limitsOf(given: NonNullable<ConfigFile['limits']>): Limits {
  const all = { ...DEFAULTS.limits, ...given }
  return {
    bodyBytes: all.max_body_bytes,
    headerBytes: all.max_header_bytes,
    headersTimeoutMs: all.headers_timeout_ms,
    requestTimeoutMs: all.request_timeout_ms,
    bodyGraceMs: all.body_grace_ms,
    bodyBytesPerSecond: all.body_bytes_per_second,
    keepAliveMs: all.keep_alive_ms,
    commitAfterMs: all.commit_after_ms,
    heartbeatMs: all.heartbeat_ms,
    writeStallMs: all.write_stall_ms,
    lingerMs: all.linger_ms,
    drainGraceMs: all.drain_grace_ms,
    drainSettleMs: all.drain_settle_ms,
    refusedKeysPerMinute: all.refused_keys_per_minute,
    concurrentRequests: all.concurrent_requests,
    concurrentRequestsPerProvider: all.concurrent_requests_per_provider,
    keyShare: all.key_share,
    queueMs: all.queue_ms,
    eventLoopDelayMs: all.event_loop_delay_ms,
    maxRssBytes: all.max_rss_mb * 1024 * 1024,
  }
}

/** A ConfigError where everything is to be judged and nobody could: that would refuse every request. */
function moderationOf(of: NonNullable<ConfigFile['moderation']>): Config['moderation'] {
  const rules = { ...DEFAULTS.moderation, models: [], policy: null, ...of }
  if (rules.always && rules.models.length === 0) throw new ConfigError('moderation.always is set, and moderation.models names nobody who could judge')
  if (rules.output && rules.models.length === 0) throw new ConfigError('moderation.output is set, and moderation.models names nobody who could judge')
  return rules
}

type SearchEngine = NonNullable<NonNullable<ConfigFile['web_search']>['engine']>

function webSearchOf(given: NonNullable<ConfigFile['web_search']>, env: Environment): Config['webSearch'] {
  const engines: { [E in SearchEngine]?: NonNullable<Config['webSearch']['engines'][E]> } = {}
  for (const [name, of] of Object.entries(given.engines ?? {})) {
    if (of === undefined) continue
    engines[name as SearchEngine] = {
      baseUrl: of.base_url ?? null,
      apiKey: of.api_key === undefined ? null : new Secret(interpolate(of.api_key, `web_search.engines.${name}.api_key`, env)),
      price: ceilToNano(attoFromDecimal(of.price ?? '0')!),
    }
  }
  const [first = null] = Object.keys(engines) as SearchEngine[]
  const engine = given.engine ?? first
  if (engine !== null && engines[engine] === undefined) throw new ConfigError(`web_search.engine names ${engine}, which web_search.engines does not set up`)
  return { engine, timeoutMs: given.timeout_ms ?? DEFAULTS.web_search.timeout_ms, engines }
}

function serverToolsOf(given: NonNullable<ConfigFile['server_tools']>): Config['serverTools'] {
  const all = { disabled: [], page_hosts: [], ...DEFAULTS.server_tools, ...given }
  return {
    maxSteps: all.max_steps, timeoutMs: all.timeout_ms, modelTimeoutMs: all.model_timeout_ms, disabled: all.disabled,
    pageMaxBytes: all.page_max_bytes, pageMaxCharacters: all.page_max_characters, pageTimeoutMs: all.page_timeout_ms, pageHosts: all.page_hosts,
  }
}

/** Who sets something of probes and no budget would wait for them in vain. */
function probesOf(given: ConfigFile['probes']): Config['probes'] {
  if (given === undefined) return null
  const { budget, providers = null, models = null, endpoints = null, ...rest } = given
  if (budget === undefined) throw new ConfigError('probes.budget is not set, and without one no probe is sent: dollars a month, as a decimal in quotes ("1")')
  const all = { ...DEFAULTS.probes, ...rest }
  return { budget: ceilToNano(attoFromDecimal(budget)!), everyMs: all.every_ms, maxTokens: all.max_tokens, concurrent: all.concurrent, providers, models, endpoints }
}

type FileParserFile = NonNullable<ConfigFile['file_parser']>

function fileParserOf(of: Required<Omit<FileParserFile, 'ocr_models'>> & Pick<FileParserFile, 'ocr_models'>): Config['fileParser'] {
  return { maxBytes: of.max_bytes, maxPages: of.max_pages, maxCharacters: of.max_characters, timeoutMs: of.timeout_ms, ocrModels: of.ocr_models ?? [] }
}

function responseCacheOf(given: NonNullable<ConfigFile['response_cache']>): Config['responseCache'] {
  const all = { ...DEFAULTS.response_cache, ...given }
  return { enabled: all.enabled, maxBytes: all.max_bytes, maxAnswerBytes: all.max_answer_bytes }
}

function responsesOf(given: NonNullable<ConfigFile['responses']>): Config['responses'] {
  const all = { ...DEFAULTS.responses, ...given }
  return {
    storeDefault: all.store_default, retentionDays: all.retention_days,
    backgroundPerKey: all.background_per_key, backgroundLeaseMs: all.background_lease_ms,
  }
}

function routingOf(given: NonNullable<ConfigFile['routing']>): Routing {
  const all = { ...DEFAULTS.routing, ...given }
  if (all.attempts_in_all < all.attempts_per_model) {
    throw new ConfigError(`routing.attempts_in_all must be at least routing.attempts_per_model (${all.attempts_per_model}), is ${all.attempts_in_all}`)
  }
  if (all.ejection_longest_ms < all.ejection_ms) {
    throw new ConfigError(`routing.ejection_longest_ms must be at least routing.ejection_ms (${all.ejection_ms}), is ${all.ejection_longest_ms}`)
  }
  const dearest = Math.max(all.retry_cost, all.retry_cost_after_timeout)
  if (all.retry_tokens < dearest) {
    throw new ConfigError(`routing.retry_tokens must be at least what one retry costs (${dearest}), is ${all.retry_tokens}`)
  }
  return {
    attemptsPerModel: all.attempts_per_model,
    attemptsInAll: all.attempts_in_all,
    outageWindowMs: all.outage_window_ms,
    maxOutput: all.max_output,
    unsupportedParameters: all.unsupported_parameters,
    expectedOutputTokens: all.expected_output_tokens,
    unboundedOutputTokens: all.unbounded_output_tokens,
    ejectAfter: all.ejection_failures,
    ejectShare: all.ejection_share,
    ejectShareOf: all.ejection_share_of,
    ejectionMs: all.ejection_ms,
    longestEjectionMs: all.ejection_longest_ms,
    ejectionJitter: all.ejection_jitter,
    quickFailureMs: all.quick_failure_ms,
    longestQuickEjectionMs: all.quick_ejection_longest_ms,
    relapseMs: all.relapse_ms,
    trialGapMs: all.trial_gap_ms,
    trialsToRecover: all.trial_successes,
    trialLeaseMs: all.trial_lease_ms,
    trialCostFactor: all.trial_cost_factor,
    trialPatience: all.trial_patience,
    balance: all.balance,
    toolRequests: all.tool_requests,
    toolMargin: all.tool_margin,
    hedge: all.hedge,
    hedgePercentile: all.hedge_percentile,
    hedgeSamples: all.hedge_samples,
    hedgeLeastMs: all.hedge_least_ms,
    coalesce: all.coalesce,
    coalesceBufferBytes: all.coalesce_buffer_bytes,
    stickyMs: all.sticky_ms,
    rampMs: all.ramp_ms,
    rampFrom: all.ramp_from,
    benchMs: all.bench_ms,
    defaultCooldownMs: all.cooldown_ms,
    longestCooldownMs: all.cooldown_longest_ms,
    figuresWindowMs: all.figures_window_ms,
    retryTokens: all.retry_tokens,
    retryTokensPerSecond: all.retry_tokens_per_second,
    retryTokensPerSuccess: all.retry_tokens_per_success,
    retryCost: all.retry_cost,
    retryCostAfterTimeout: all.retry_cost_after_timeout,
  }
}

function autoRouterOf(given: NonNullable<ConfigFile['auto_router']>): AutoRouter {
  const all = { ...DEFAULTS.auto_router, ...given }
  return {
    tasks: mapValues(given.tasks ?? {}, ({ words, signals, cost_tier, reasoning, models }) => ({
      ...(words && { words }), ...(signals && { signals }), ...(cost_tier && { costTier: cost_tier }),
      ...(reasoning !== undefined && { reasoning }), ...(models && { models }),
    })),
    defaultTask: all.default_task,
    // As the prompt is read: in lower case.
    ...(given.efforts && { efforts: given.efforts.map(({ words, effort }) => ({ words: words.map((word) => word.toLowerCase()), effort })) }),
    models: all.models,
    slowSeconds: all.slow_seconds,
  }
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, map: (value: T, key: string) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]))
}

/** The database's address holds its password: it is there to be used, and not to be printed with the rest. */
function withHiddenAddress(config: Config): Config {
  const shown = () => ({ ...config, databaseUrl: config.databaseUrl === null ? null : '[secret]' })
  Object.defineProperty(config, 'toJSON', { value: shown })
  Object.defineProperty(config, inspect.custom, { value: shown })
  return config
}

function deepFreeze<T>(value: T): T {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function') || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const inner of Object.values(value)) deepFreeze(inner)
  return value
}
