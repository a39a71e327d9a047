/**
 * What the pages of the site are told. Types alone: `web/` imports them and nothing else of the server, and `app.ts`
 * hands the pages a `Site` to ask. Everything here is JSON, because what a loader returns is sent to the browser.
 */
import type { EndpointFigures as Measured, LongerFigures, ModelFigures, Percentiles as SomePercentiles } from './core/index.ts'

export type { LongerFigures, Measured, ModelFigures }
export type Percentiles = Required<SomePercentiles>

/** Answers the questions of the pages. Model ids are those of the catalogue; every figure is this instance's own. */
export interface Site {
  /** The program's version. */
  readonly version: string
  /** Whether a demonstration is in the figures: then each block of figures says "demo traffic". */
  demoTraffic(): Promise<boolean>
  /** Ms since the epoch, where calls that ended after it are not in the figures yet; null where they are as of seconds ago. */
  behind(): Promise<number | null>
  home(): Promise<HomeView>
  /** The list that a query of `GET /api/v1/models` asks for, `order` standing for its `sort`. */
  models(query: URLSearchParams): Promise<ModelsView>
  /** By id, canonical slug or alias; null when there is none. */
  model(id: string): Promise<ModelView | null>
  /** Ids that are spelled nearly like one that does not exist. */
  near(id: string): readonly string[]
  /** What a few typed words find among models, providers and authors, best first. */
  search(text: string, most: number): Promise<readonly Hit[]>
  /** How fast each endpoint was over a window, and the same by its steps. */
  speed(id: string, window: Window): Promise<SpeedView>
  performance(id: string, window: Window): Promise<SeriesView>
  /** By day, the last `days` of them, today included. */
  activity(id: string, days: number): Promise<ActivityView>
  /** What the lists of a model asked over time, and what was really paid. */
  prices(id: string, range: PriceRange): Promise<PricesView>
  uptime(id: string, days: number): Promise<UptimeView>
  apps(id: string, days: number): Promise<AppsView>
  /** What callers set the sampling parameters of a model to, and their medians for a sample. */
  parameters(id: string): Promise<ParametersView>
  /** What has a page, for maps of the site. */
  index(): Promise<{ readonly models: readonly { readonly id: string; readonly name: string }[]; readonly authors: readonly string[]; readonly providers: readonly string[] }>
  /** Models, authors and apps by their tokens. */
  rankings(period: RankingPeriod): Promise<RankingsView>
  /** Apps by their tokens in a period, of one category or group of categories where it is named. */
  topApps(asked: { readonly period: RankingPeriod; readonly category?: string }): Promise<TopAppsView>
  /** By host, or `localhost/title`; null when no call came from it. */
  app(id: string, days: number): Promise<AppView | null>
  author(slug: string): Promise<AuthorView | null>
  providers(): Promise<readonly ProviderCard[]>
  provider(slug: string): Promise<ProviderView | null>
  /** What a month was like, `2026-11`, or this one so far; null where it is none of the last twelve. */
  report(month: string | null): Promise<ReportView | null>
  /** How providers do now, and did over so many days. */
  status(days: number): Promise<StatusView>
  /** What the operator wrote for the site, and where else they want readers to go. */
  operator(): OperatorView
  /** The program's own log of changes, as Markdown. */
  changes(): Promise<string>
  /** The manual's pages for those who use or run an instance, in the order in which they are read. */
  guides(): Promise<readonly GuideCard[]>
  guide(slug: string): Promise<Guide | null>
  /** The document that `/openapi.json` has. */
  openApi(): OpenApiView
}

/** A thing that was found by typing: what it is, and where its page stands. */
export interface Hit {
  readonly kind: 'model' | 'provider' | 'author' | 'page'
  readonly to: string
  /** `openai/gpt-5.3-chat`, `groq`, `openai`. */
  readonly id: string
  readonly name: string
  /** A few words that tell it from others of its name. */
  readonly detail: string
}

export type Window = '1h' | '1d' | '7d' | '30d'

/** `today` is the day so far; `week` and `month` are seven and thirty days, today's included; days are UTC's. */
export type RankingPeriod = 'today' | 'week' | 'month' | 'trending'

/** How far back prices are looked at; `all` is as far as anything is known. */
export type PriceRange = '3d' | '30d' | '90d' | 'all'

/** Decimal strings of dollars per unit by price key, as the API has them; null where no price is known. */
export type Pricing = Readonly<Record<string, string>> | null

/** A model in a list. */
export interface ModelCard {
  readonly id: string
  readonly name: string
  readonly author: string
  readonly authorName: string
  /** What somebody wrote about it, cut to a card; null where only its facts are known, which stand beside it anyway. */
  readonly summary: string | null
  readonly kind: string
  readonly status: 'active' | 'deprecated' | 'delisted' | 'retired'
  /** Unix seconds; null when nobody stated it. */
  readonly created: number | null
  readonly contextLength: number | null
  readonly inputModalities: readonly string[]
  readonly outputModalities: readonly string[]
  readonly pricing: Pricing
  readonly free: boolean
  /** Endpoints on sale, whether or not there is a key to them. */
  readonly providers: number
  /** Whether one of them can be called from here now. */
  readonly usable: boolean
  /** What it did, where lists say so; null of a model that nobody asked lately. */
  readonly lately?: ModelFigures | null
}

export interface ModelsView {
  readonly models: readonly ModelCard[]
  readonly total: number
  /** Models that lists show, whatever the query. */
  readonly all: number
  readonly offset: number
  readonly limit: number
  /** Why there is nothing that an order or a filter by measurements could go by: then the order is the newest first. Null where there is, or where nothing of it was asked for. */
  readonly wanting: 'unmeasured' | 'lost' | null
  /** What is wrong with the query, in words for its sender; then there are no models. */
  readonly problem: { readonly field: string; readonly message: string } | null
  readonly choices: {
    readonly authors: readonly Choice[]
    readonly providers: readonly Choice[]
    readonly parameters: readonly Choice[]
    readonly inputs: readonly Choice[]
    readonly outputs: readonly Choice[]
    readonly families: readonly Choice[]
    readonly variants: readonly Choice[]
  }
}

/** A value of a filter, and of how many models it is true. */
export interface Choice {
  readonly value: string
  readonly label: string
  readonly models: number
}

export interface EndpointView {
  readonly id: string
  readonly tag: string
  readonly tier: string
  readonly provider: string
  readonly providerName: string
  readonly contextLength: number | null
  readonly maxOutput: number | null
  readonly maxPrompt: number | null
  readonly quantization: string | null
  readonly pricing: Pricing
  /** Why there is no price; null where there is one. */
  readonly unpriced: string | null
  readonly overrides: readonly { readonly minPromptTokens: number; readonly pricing: Readonly<Record<string, string>> }[]
  /** A fraction that is already inside the prices. */
  readonly discount: number | null
  /** The price is what the provider's answer states; the sheet only bounds it. */
  readonly priceIsBound: boolean
  readonly training: boolean | null
  readonly retainsPrompts: boolean | null
  readonly retentionDays: number | null
  /** null when nobody said, which is all of its dialect. */
  readonly parameters: readonly string[] | null
  readonly implicitCaching: boolean
  readonly deprecated: boolean
  readonly simulated: boolean
  /** Whether it can be called from here now: it has a price, and there is a key to its provider or none is needed. */
  readonly usable: boolean
  readonly headquarters: string | null
  readonly datacenters: readonly string[]
  readonly measured: Measured | null
  /** What the tokens of the last seven days, as many of each kind, cost by the list; null where there are none, or no price. */
  readonly listPerMillion: string | null
}

export interface Benchmark {
  readonly metric: string
  readonly value: number
  readonly unit?: string
  readonly source: string
  readonly source_url?: string
  readonly as_of?: string
}

export interface ModelView extends ModelCard {
  readonly description: string
  readonly canonicalSlug: string
  readonly aliases: readonly string[]
  readonly descriptionSource: 'operator' | 'written' | 'generated'
  /** `2026-03-03`; null when not stated. */
  readonly released: string | null
  readonly maxOutput: number | null
  readonly knowledgeCutoff: string | null
  readonly tokenizer: string | null
  readonly instructType: string | null
  readonly huggingFaceId: string | null
  readonly parameters: readonly string[]
  readonly defaultParameters: Readonly<Record<string, number | null>>
  readonly reasoning: {
    readonly supported: boolean
    readonly efforts: readonly string[]
    readonly defaultEffort: string | null
    /** null when not stated. */
    readonly canDisable: boolean | null
  }
  readonly features: { readonly tools: boolean; readonly structuredOutputs: boolean; readonly openWeights: boolean; readonly moderated: boolean | null }
  readonly fineTuning: boolean | null
  readonly distillation: boolean | null
  readonly servedOn: readonly string[] | null
  readonly requiresOwnKey: boolean
  readonly experimental: boolean
  /** The day on which it ends or ended; null when not stated. */
  readonly expires: string | null
  readonly successor: { readonly id: string; readonly name: string } | null
  readonly movingTarget: { readonly id: string; readonly name: string } | null
  /** The moving aliases that stand for this model now. */
  readonly movingAliases: readonly string[]
  readonly variants: readonly { readonly id: string; readonly variant: string }[]
  readonly notes: readonly string[]
  readonly keyFeatures: readonly string[]
  readonly useCases: readonly string[]
  readonly limitations: readonly string[]
  readonly benchmarks: readonly Benchmark[]
  readonly endpoints: readonly EndpointView[]
  /** Prompt and completion tokens of the last seven days, and the requests that they belong to; null where figures could not be asked for. */
  readonly week: { readonly tokens: number; readonly requests: number } | null
  readonly more: readonly ModelCard[]
}

/** A stretch of time, and what one endpoint did in it. */
export interface Point {
  /** Ms since the epoch: its beginning. */
  readonly at: number
  readonly answers: number
  readonly latency: Percentiles | null
  readonly throughput: Percentiles | null
  readonly duration: Percentiles | null
}

export interface EndpointSpeed {
  readonly id: string
  readonly tag: string
  readonly providerName: string
  /** Over the whole window. */
  readonly total: Omit<Point, 'at'> & {
    /** Of the answers, those that nobody had asked for: they were probes of this instance. */
    readonly probes: number
    readonly cacheHitRate: number | null
    readonly paidPerMillion: string | null
  }
}

export interface SpeedView {
  readonly window: Window
  readonly from: number
  readonly to: number
  readonly stepMs: number
  readonly endpoints: readonly EndpointSpeed[]
}

export interface SeriesView extends SpeedView {
  readonly endpoints: readonly (EndpointSpeed & { readonly points: readonly Point[] })[]
}

export interface PricesView {
  readonly range: PriceRange
  readonly from: number
  readonly to: number
  /** The stretches that paid prices are told by. */
  readonly by: 'hour' | 'day' | 'week' | 'month'
  /** Ms since the epoch, from when on lists were written down here; null where none was yet. */
  readonly since: number | null
  /** The tokens of all paid answers of the range, by whose shares a list is told as one figure; three in for one out where `requests` is 0. */
  readonly mix: { readonly prompt: number; readonly completion: number; readonly requests: number }
  /** Those with a price in the range, also where they are gone by now: the most tokens first, then the cheapest. */
  readonly endpoints: readonly {
    readonly id: string
    readonly tag: string
    readonly providerName: string
    /** Oldest first: what its list asked when the range began, where that is known, and each change since. */
    readonly listed: readonly {
      /** Ms since the epoch; it may be before the range. */
      readonly at: number
      /** null: not on sale, or without a usable price, from then on. */
      readonly pricing: Pricing
      readonly overrides: readonly { readonly minPromptTokens: number; readonly pricing: Readonly<Record<string, string>> }[]
      /** Dollars for a million tokens of the mix, as a decimal; null where there is no price, or one of other units. */
      readonly perMillion: string | null
    }[]
    /** Oldest first. */
    readonly paid: readonly {
      readonly at: number
      readonly requests: number
      readonly promptTokens: number
      readonly completionTokens: number
      readonly perMillion: string
      /** The same tokens by the list that held when the stretch ended. */
      readonly listPerMillion: string | null
    }[]
  }[]
}

export interface UptimeView {
  readonly days: number
  readonly from: number
  readonly endpoints: readonly {
    readonly id: string
    readonly tag: string
    readonly providerName: string
    readonly uptime: number | null
    /** Percent of the tries that brought an answer: a 429 counts against it, and not against uptime. */
    readonly availability: number | null
    readonly tries: number
    readonly failures: number
    /** Tries that were told to wait. */
    readonly limited: number
    /** Of the tries, those that nobody asked for: they were probes of this instance. */
    readonly probes: number
    /** One for each day, oldest first; `uptime` is null where nothing was tried. */
    readonly byDay: readonly { readonly at: number; readonly uptime: number | null; readonly availability: number | null; readonly tries: number }[]
  }[]
}

export interface ActivityView {
  readonly days: readonly {
    readonly at: number
    readonly requests: number
    readonly prompt: number
    readonly cached: number
    readonly completion: number
    readonly reasoning: number
    readonly toolCalls: number
  }[]
}

export interface AppsView {
  readonly days: number
  readonly apps: readonly (AppCard & { readonly app: string; readonly tokens: number; readonly requests: number; readonly share: number })[]
}

export interface ParametersView {
  /** The last days that are looked at, today included. */
  readonly days: number
  /** The eight sampling parameters. */
  readonly parameters: readonly {
    readonly name: string
    /** Of the model where its maker publishes one, otherwise the usual one. */
    readonly default: number
    readonly min: number
    readonly max: number | null
    readonly integer: boolean
    /** Requests that set it. */
    readonly requests: number
    /** Why there are no percentiles, `needs 50 requests, has 12`; null where there are. */
    readonly waiting: string | null
    readonly p10: number | null
    readonly p50: number | null
    readonly p90: number | null
  }[]
  /** Of those whose percentiles are told, by name. */
  readonly medians: Readonly<Record<string, number>>
}

/** An app that calls came from. */
export interface AppCard {
  /** Host, or `localhost/title`. */
  readonly id: string
  readonly name: string
  /** null for an app on somebody's own machine. */
  readonly url: string | null
  readonly tagline: string | null
  /** Of OpenRouter's marketplace, in the order in which calls named them. */
  readonly categories: readonly string[]
  /** A key speaks for it; of the others anybody may have sent the name. */
  readonly verified: boolean
  /** Ms since the epoch: its first call. */
  readonly firstAt: number
}

/** What has a place in a ranking. */
export interface RankedRow {
  readonly rank: number
  readonly tokens: number
  readonly prompt: number
  readonly completion: number
  readonly reasoning: number
  readonly cached: number
  readonly requests: number
  readonly toolCalls: number
  /** Percent of all that is ranked. */
  readonly share: number
  /** Percent more than in the stretch before, up to the same hour; null where that had nothing. */
  readonly change: number | null
  /** Places climbed since then; null for what was not in it. */
  readonly moved: number | null
  /** Of `trending`: tokens of the week beyond the mean of the three weeks before. */
  readonly excess: number
}

/** A stretch of time of a chart, and the tokens of each of its layers in it. */
export interface Layers {
  /** Ms since the epoch: its beginning. */
  readonly at: number
  readonly tokens: Readonly<Record<string, number>>
  /** Of those that have no layer of their own. */
  readonly other: number
}

export interface RankingsView {
  readonly period: RankingPeriod
  readonly from: number
  readonly to: number
  readonly tokens: number
  readonly requests: number
  /** `model` is null for one that is in the catalogue no more. */
  readonly models: readonly (RankedRow & { readonly id: string; readonly name: string; readonly author: string; readonly model: ModelCard | null })[]
  readonly authors: readonly { readonly slug: string; readonly name: string; readonly tokens: number; readonly requests: number; readonly share: number }[]
  readonly apps: readonly (RankedRow & AppCard)[]
  /** Of twelve weeks that begin on Mondays, this one included: the ten models with most tokens in them, by id. */
  readonly weeks: readonly Layers[]
  /** The same by author. */
  readonly authorWeeks: readonly Layers[]
}

/** What was answered in a month. Shares are percent, null of nothing. */
export interface MonthFigures {
  readonly requests: number
  /** How many models answered. */
  readonly models: number
  readonly tokens: number
  readonly prompt: number
  readonly completion: number
  /** Of prompt tokens, those that were read from a cache. */
  readonly cachedShare: number | null
  /** Of completion tokens. */
  readonly reasoningShare: number | null
  readonly toolCalls: number
}

export interface ReportView {
  /** `2026-11`, in UTC. */
  readonly month: string
  readonly over: boolean
  /** Those with traffic, and this one; newest first. */
  readonly months: readonly string[]
  readonly all: MonthFigures
  /** The month before; null where nothing was answered in it. */
  readonly before: MonthFigures | null
  /** Of all tokens, those of models whose weights are open. */
  readonly openWeights: number | null
  /** `change` is percent more tokens than in the month before. */
  readonly models: readonly { readonly id: string; readonly name: string; readonly listed: boolean; readonly tokens: number; readonly requests: number; readonly share: number; readonly change: number | null }[]
  readonly authors: readonly { readonly slug: string; readonly name: string; readonly models: number; readonly tokens: number; readonly requests: number; readonly share: number }[]
}

export interface TopAppsView {
  readonly period: RankingPeriod
  readonly from: number
  readonly to: number
  readonly apps: readonly (RankedRow & AppCard)[]
  /** Categories, and how many apps with traffic are in each. */
  readonly categories: readonly { readonly group: string; readonly category: string; readonly apps: number }[]
}

export interface AppView extends AppCard {
  readonly tokens: number
  readonly requests: number
  /** Its place of this week; null when it has none. */
  readonly rank: number | null
  /** By tokens, over the days asked for. */
  readonly models: readonly { readonly id: string; readonly name: string; readonly tokens: number; readonly requests: number; readonly share: number }[]
  /** One for each day, oldest first: tokens by model, the ten with most. */
  readonly days: readonly (Layers & { readonly prompt: number; readonly completion: number; readonly requests: number })[]
}

export interface AuthorView {
  readonly slug: string
  readonly name: string
  readonly models: readonly ModelCard[]
  readonly retired: readonly ModelCard[]
}

export interface ProviderCard {
  readonly slug: string
  readonly name: string
  readonly models: number
  readonly headquarters: string | null
  readonly datacenters: readonly string[]
  readonly training: boolean | null
  readonly retainsPrompts: boolean | null
  readonly retentionDays: number | null
  readonly usable: boolean
}

export interface ProviderView extends ProviderCard {
  readonly homepage: string | null
  readonly privacyPolicy: string | null
  readonly termsOfService: string | null
  readonly statusPage: string | null
  /** Whether the measurements of its offers could be asked for. */
  readonly measured: boolean
  readonly probes: ProbesView
  readonly offers: readonly { readonly model: ModelCard; readonly endpoint: EndpointView }[]
}

/** Whether this instance asks endpoints that nobody calls how they do; null where it does not. */
export type ProbesView = {
  /** After so many ms without a call. */
  readonly everyMs: number
  /** Of how many endpoints. */
  readonly endpoints: number
} | null

export interface StatusView {
  /** Ms since the epoch. */
  readonly at: number
  readonly days: number
  readonly from: number
  readonly probes: ProbesView
  /** Those that were called in that time, most often first; then those that could be. */
  readonly providers: readonly {
    readonly slug: string
    readonly name: string
    readonly usable: boolean
    /** Percent of the tries of the last 30 minutes that did not fail; null of none. */
    readonly now: number | null
    readonly triesNow: number
    readonly uptime: number | null
    readonly availability: number | null
    readonly tries: number
    readonly failures: number
    /** Of the tries, those that nobody asked for: they were probes of this instance. */
    readonly probes: number
    readonly byDay: readonly { readonly at: number; readonly uptime: number | null; readonly tries: number }[]
    /** Those that were tried in the last day. */
    readonly endpoints: readonly {
      readonly id: string
      readonly model: string
      readonly name: string
      readonly tag: string
      /** 0 well, -1 failing at times, below failing. */
      readonly status: number
      readonly uptime30m: number | null
      readonly uptime1d: number | null
    }[]
  }[]
}

export interface OperatorView {
  /** Markdown by page; what is not written is not there. */
  readonly pages: { readonly [page in 'about' | 'support' | 'privacy' | 'terms' | 'announcements']?: string | undefined }
  /** `https://` addresses. */
  readonly links: { readonly [name in 'labs' | 'enterprise' | 'careers' | 'github' | 'discord' | 'x']?: string | undefined }
}

/** A page of the manual, as lists show it. */
export interface GuideCard {
  readonly slug: string
  /** A word or two, for a list beside the text. */
  readonly name: string
  readonly part: 'Requests' | 'Routing' | 'Running it'
  /** The heading of the page. */
  readonly title: string
  readonly summary: string
  /** `routing.md`, as other pages of the manual link to it. */
  readonly file: string
  readonly headings?: readonly string[]
}

export interface Guide extends GuideCard {
  /** Markdown. */
  readonly text: string
  /** `2026-11-20`, the day of its last change; null where that is not known. */
  readonly updated: string | null
}

/** The part of an OpenAPI 3.1 document that its pages read. */
export interface OpenApiView {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, unknown>>>>>>
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> }
}

export interface HomeView {
  readonly models: number
  readonly providers: number
  readonly usableProviders: readonly string[]
  readonly authors: number
  readonly newest: readonly ModelCard[]
  /** Of seven days; null where figures could not be asked for. */
  readonly week: {
    readonly tokens: number
    readonly requests: number
    readonly busiest: readonly { readonly model: ModelCard; readonly tokens: number; readonly requests: number }[]
  } | null
  /** A model that can be asked now, for the sample. */
  readonly sample: string
}

/** A request for a page, or for a file that one needs. Only GET and HEAD are asked. */
export interface PageRequest {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
}

/** What the build of `web/` exports: given the build itself and what its loaders ask, what answers a request. */
export type Responding = (build: unknown, given: { readonly site: Site; readonly report: (error: unknown) => void })
=> (request: PageRequest, nonce: string)
=> Promise<{ readonly status: number; readonly headers: readonly (readonly [string, string])[]; readonly body: string }>
