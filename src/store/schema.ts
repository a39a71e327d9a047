import type { Generated } from 'kysely'

/**
 * The tables, as rows read and write. Three rules hold for all of them, on both databases:
 * a column whose name ends in `_nano` is money and a bigint, every other integer is a number;
 * a yes or no is 1 or 0, so that one query serves both; JSON is text, parsed by whoever owns the column.
 */
export interface Schema {
  readonly workspaces: WorkspaceTable
  readonly peppers: PepperTable
  readonly keys: KeyTable
  readonly counters: CounterTable
  readonly generations: GenerationTable
  readonly rollups: RollupTable
  readonly rollup_cursors: RollupCursorTable
  readonly apps: AppTable
  readonly parameter_rollups: ParameterRollupTable
  readonly leases: LeaseTable
  readonly versions: VersionTable
  readonly health_summaries: HealthSummaryTable
  readonly vault_keys: VaultKeyTable
  readonly responses: ResponseTable
  readonly response_runs: ResponseRunTable
  readonly response_events: ResponseEventTable
  readonly presets: PresetTable
  readonly preset_versions: PresetVersionTable
  readonly conversations: ConversationTable
  readonly conversation_items: ConversationItemTable
  readonly response_cache: ResponseCacheTable
  readonly price_lists: PriceListTable
  readonly list_prices: ListPriceTable
  readonly probes: ProbeTable
  readonly probe_months: ProbeMonthTable
  readonly page_votes: PageVoteTable
  readonly visitor_salts: VisitorSaltTable
  readonly migrations: MigrationTable
}

export type Flag = 0 | 1

export interface WorkspaceTable {
  id: string
  name: string
  /** Milliseconds since the epoch, as every `_at`. */
  created_at: number
}

/** Which peppers keys may have been made under. The secrets themselves are never in the database. */
export interface PepperTable {
  id: string
  created_at: number
  removed_at: number | null
}

export interface KeyTable {
  /** SHA-256 of the key, hex: its public name. */
  hash: string
  /** HMAC-SHA-256 of the key under `pepper`, hex: what must match too, so that a row cannot be forged or swapped. */
  hmac: string
  pepper: string
  name: string
  label: string
  workspace: string
  disabled: Flag
  settings: string
  created_at: number
  updated_at: number | null
  /** A deleted key stays as a row without its HMAC, so that every node hears of it. */
  deleted_at: number | null
  /** The count of changes to keys when this one was last changed; nodes ask for what is above the last they saw. */
  version: number
}

/** Counters that are raised in the transaction of what they count, so that their order is the order of commits. */
export interface CounterTable {
  name: string
  value: number
}

export interface MigrationTable {
  number: number
  name: string
  applied_at: number
}

/** What a catalogue or a policy was made from, by the hash of its JSON. */
export interface VersionTable {
  hash: string
  body: string
  created_at: number
}

/** What one node knew of health at a moment, and by which versions it planned. */
export interface HealthSummaryTable {
  at: number
  node: string
  /** Milliseconds that it speaks for: the first of each minute 60,000 and kept for longer, the others 10,000. */
  grain: number
  catalog: string
  policy: string
  body: string
}

/**
 * One row for each call. Attempts are JSON inside it: only the log and `GET /generation` read rows, one at a time,
 * and a second table would double the writes.
 */
export interface GenerationTable {
  id: string
  created_at: number
  key_id: string
  workspace: string
  surface: string
  requested: string
  model: string | null
  endpoint: string | null
  provider: string | null
  provider_name: string | null
  upstream_id: string | null
  streamed: Flag
  cancelled: Flag
  simulated: Flag
  finish: string | null
  native_finish: string | null
  fault: string | null
  latency_ms: number | null
  duration_ms: number
  input_tokens: number
  cache_read_tokens: number
  cache_write_5m_tokens: number
  cache_write_1h_tokens: number
  input_audio_tokens: number
  input_image_tokens: number
  input_video_tokens: number
  output_tokens: number
  reasoning_tokens: number
  output_audio_tokens: number
  output_image_tokens: number
  prediction_accepted_tokens: number
  prediction_rejected_tokens: number
  /** JSON: units by price key; null for none. */
  services: string | null
  stated_nano: bigint | null
  counted: string
  cost_nano: bigint
  absorbed_nano: bigint
  /** JSON: the price sheet, prices as decimal strings of dollars. */
  price: string | null
  tier: string | null
  /** JSON: a list of attempts. */
  attempts: string
  /** JSON: who pays for an answer that several calls shared, how much, and how many they are; null for others. */
  coalesced: string | null
  /** The generation whose answer this call was given again. */
  cached_from: string | null
  untried: number
  referer: string | null
  title: string | null
  /** JSON: a list of strings; null for none. */
  categories: string | null
  user_agent: string | null
  external_user: string | null
  session: string | null
  input_media: number
  input_audio: number
  /** Whether tools were offered, what was called, and what of it was wrong; null where nothing was judged. */
  tools: Flag | null
  tool_calls: number | null
  bad_tool_calls: number | null
  structured: Flag | null
  bad_structured: Flag | null
  preset_id: string | null
  /** JSON: the sampling parameters that the request set; null for none. */
  sampling: string | null
  /** The run of a program that wrote the row, and its place among that run's rows: the order in which rows are added up. */
  node: number
  seq: number
  /** Nobody asked for it: a call of the instance's own, to see how an endpoint does. */
  probe: Flag
}

/** What calls added up to in a stretch of time, by one way to group them; `a`, `b` and `c` name the group. */
export interface RollupTable {
  cut: string
  /** Minutes: 1, 60 or 1440. */
  grain: number
  /** The beginning of the stretch, UTC. */
  at: number
  a: string
  b: string
  c: string
  requests: number
  answered: number
  cancelled: number
  streamed: number
  prompt_tokens: number
  cache_read_tokens: number
  cache_write_tokens: number
  completion_tokens: number
  reasoning_tokens: number
  tool_requests: number
  bad_tool_requests: number
  tool_calls: number
  structured_requests: number
  bad_structured_requests: number
  attempts: number
  failures: number
  limited: number
  probes: number
  answered_probes: number
  cost_nano: bigint
  absorbed_nano: bigint
  /** Sketches: milliseconds to the first token, tokens per second, milliseconds to the end. */
  latency: string | null
  throughput: string | null
  duration: string | null
}

/** An app that calls came from: what they said of it, and what the key says that claimed it. */
export interface AppTable {
  /** Host, or `localhost/title`. */
  id: string
  /** The time of the first call that came from it. */
  first_at: number
  /** Of the first call that named it. */
  title: string | null
  titled_at: number | null
  /** JSON: category → the time of the first call that said it. */
  categories: string
  /** Hash and workspace of the key that speaks for it; null for one that nobody claimed. */
  claimed_by: string | null
  claimed_in: string | null
  claimed_at: number | null
  claimed_title: string | null
  tagline: string | null
  hidden: Flag
}

/** What callers of a model set one sampling parameter to on one day. */
export interface ParameterRollupTable {
  model: string
  parameter: string
  /** The beginning of the day, UTC. */
  at: number
  /** A sketch: values in hundredths. */
  settings: string
  /** The smallest hashes of their keys, joined by blanks: how many they were. */
  callers: string
}

/** How far the rows of each run of a program have been added up. */
export interface RollupCursorTable {
  node: number
  seq: number
  /** When the run last wrote, to within an hour: those that have been silent for days are not asked any more. */
  seen_at: number
  /** It wrote a demonstration: traffic that never was. */
  demo: Generated<Flag>
}

/** Who does a piece of background work, and until when nobody else does. */
export interface LeaseTable {
  name: string
  holder: string
  until_at: number
}

/** Which keys of the vault rows may have been sealed under. The keys themselves are never in the database. */
export interface VaultKeyTable {
  id: string
  created_at: number
}

/** A response that was kept for its caller's next turn. */
export interface ResponseTable {
  /** That of its generation. */
  id: string
  workspace: string
  key_id: string
  created_at: number
  /** From here on it is as if it had never been. */
  expires_at: number
  /** Sealed: what was said to the model, and what came of it. */
  content: string
}

/** A response that is being made in the background: there is a row for as long as it is. */
export interface ResponseRunTable {
  id: string
  workspace: string
  key_id: string
  status: 'queued' | 'in_progress'
  /** The process that makes it, and until when it is believed to live. */
  holder: string
  until_at: number
  /** Somebody wants it to end. */
  cancelled: Flag
}

/** A stretch of the events of a response, in the order and with the numbers that its stream has. */
export interface ResponseEventTable {
  id: string
  first: number
  last: number
  /** Sealed, and compressed before. */
  content: string
}

/** Settings that requests are filled in with, under a name of a workspace. */
export interface PresetTable {
  id: string
  workspace: string
  slug: string
  name: string
  description: string | null
  status: string
  status_updated_at: number | null
  designated_version: number
  created_at: number
  updated_at: number
  /** A deleted preset stays as a row without its versions, so that every node hears of it. */
  deleted_at: number | null
  /** The count of changes to presets when this one was last changed; nodes ask for what is above the last they saw. */
  change: number
}

export interface PresetVersionTable {
  id: string
  preset_id: string
  version: number
  /** Whose words the config is in. */
  dialect: string
  /** JSON: the fields of a request's body. */
  config: string
  system_prompt: string | null
  /** The key that made it. */
  creator: string
  created_at: number
}

/** A conversation that is kept for its caller. */
export interface ConversationTable {
  id: string
  workspace: string
  key_id: string
  created_at: number
  /** From here on it is as if it had never been; each change moves it on. */
  expires_at: number
  /** Sealed: its metadata. */
  content: string
  /** The place of the next item. */
  next: number
  /** The turn that is under way, and until when it is believed in. */
  turn: string | null
  turn_until_at: number
}

/** What was said in a conversation, in the order of its places. */
export interface ConversationItemTable {
  conversation: string
  place: number
  id: string
  /** Sealed. */
  content: string
}

/** Answers that callers want again when they ask the same. */
export interface ResponseCacheTable {
  /** What was asked, and by which key, as a hash. */
  id: string
  key_id: string
  created_at: number
  /** From here on it is as if it had never been. */
  expires_at: number
  /** Of the content, in characters. */
  size: number
  /** Sealed: the answer. */
  content: string
}

/** A catalogue that list prices were read from, when they were: the first row is since when they are known. */
export interface PriceListTable {
  at: number
  version: string
}

/** What an endpoint's list asked from a moment on, until its next row: there is one only where that differs from the one before. */
export interface ListPriceTable {
  /** `model@tag`, with the tier behind it. */
  endpoint: string
  at: number
  model: string
  /** JSON: prices by key as the API has them, keys in the order of the alphabet; null where it went from sale. */
  pricing: string | null
}

/** The last probe of an endpoint: a call of the instance's own, to see how it does. */
export interface ProbeTable {
  endpoint: string
  sent_at: number
  /** Null while it is under way; or for good, where the process that sent it died. */
  ended_at: number | null
  generation: string | null
  /** `answered`, the kind of the fault, or `nothing` where it showed nothing. */
  outcome: string | null
  /** Since when every probe that showed anything failed. */
  down_since_at: number | null
  latency_ms: number | null
  cost_nano: bigint
}

/** What probes cost in a month of UTC. */
export interface ProbeMonthTable {
  /** `2026-11`. */
  month: string
  sent: number
  /** With the most that those under way can cost. */
  spent_nano: bigint
  /** When the last one was sent, whichever node did. */
  last_at: number
}

/** What a visitor said of a page of the manual. */
export interface PageVoteTable {
  /** Its address. */
  page: string
  /** A hash that means nothing without the salt of its day. */
  visitor: string
  at: number
  helpful: Flag
  text: string | null
}

/** What visitors of a day are told apart by; it goes with the day. */
export interface VisitorSaltTable {
  /** The beginning of the day, UTC. */
  day: number
  salt: string
}
