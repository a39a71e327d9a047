import type { Accounts } from '../accounts/index.ts'
import type { Catalog } from '../catalog/index.ts'
import type { Ambient } from '../core/index.ts'
import type { Dialect } from '../dialects/index.ts'
import type { Admission, Gateway, LargeBodies, Upstreams } from '../gateway/index.ts'
import type { Feedback } from '../feedback/index.ts'
import type { Presets } from '../presets/index.ts'
import type { Answers, Responses } from '../responses/index.ts'
import type { ProviderPreferences } from '../schema/index.ts'
import type { Apps, Figures, Parameters, Prices, Rankings, Stats } from '../stats/index.ts'
import type { HttpLimits } from './limits.ts'
import type { Pages } from './page.ts'

/** The part of a logger that is used here; pino's has it. */
export interface Log {
  error(facts: Readonly<Record<string, unknown>>, message: string): void
  warn(facts: Readonly<Record<string, unknown>>, message: string): void
}

/** What probes found, and cost this month. */
export interface ProbeGauges {
  readonly endpoints: number
  /** Of those, the ones that did not answer their last probes. */
  readonly down: number
  readonly sent: number
  readonly spentUsd: number
  readonly budgetUsd: number
}

/** What the room is given. Each is the smallest part of another room's door, so that a test can stand in for it. */
export interface Services {
  readonly ambient: Ambient
  readonly log: Log
  /** The program's version, for the document of the API and for `/healthz`. */
  readonly version: string
  readonly limits?: Partial<HttpLimits>
  readonly dialects: ReadonlyMap<string, Dialect>
  readonly catalog: Pick<Catalog, 'snapshot'>
  readonly accounts: Pick<Accounts, 'authenticate' | 'listKeys'>
  readonly stats: Pick<Stats, 'find'>
  readonly figures: Pick<Figures, 'endpoints' | 'models' | 'sums' | 'isDemo'>
  readonly rankings: Pick<Rankings, 'between'>
  readonly apps: Apps
  readonly parameters: Parameters
  readonly prices: Pick<Prices, 'history'>
  readonly gateway: Pick<Gateway, 'generate' | 'replay' | 'explain' | 'countTokens'>
  /** Who is let in; without it everybody is. */
  readonly admission?: Pick<Admission, 'knock' | 'turn' | 'figures'>
  readonly upstreams?: Pick<Upstreams, 'figures'>
  /** Null where no probes are sent. */
  probes?(): Promise<ProbeGauges | null>
  /** Responses that are kept between turns; without it none are. */
  readonly responses?: Pick<Responses, 'keep' | 'find' | 'remove' | 'hasEvents' | 'runs' | 'conversations' | 'compactions'>
  /** Answers that are given again; without it each is made anew. */
  readonly answers?: Pick<Answers, 'enabled' | 'find' | 'keep' | 'forget'>
  /** Whether a response of a workspace is kept when neither its request nor its key says. */
  storeDefault?(workspace: string): boolean
  /** What requests are filled in with where they name a preset; without it a preset is a model that nobody knows. */
  readonly presets?: Presets
  /** Reads bodies that would hold the event loop up; without it all are read on it. */
  readonly large?: Pick<LargeBodies, 'read'>
  /** The site; without one every address that is not in the table is refused as an API refuses it. */
  readonly pages?: Pages
  /** What readers say of the manual's pages; without it they are not asked. */
  readonly feedback?: Pick<Feedback, 'allows' | 'take'>
  /** Whether there is a key to a provider, or none is needed: what `/v1/models` shows as usable. */
  hasCredential(provider: string): boolean
  /** The routing preferences of a workspace, in the shape of a request's `provider`. */
  workspace?(id: string): ProviderPreferences | undefined
  /** Why the server cannot serve (a database that does not answer), or null; drain is known here anyway. */
  ready?(): string | null | Promise<string | null>
}
