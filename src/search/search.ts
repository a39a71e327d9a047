import { fault, FaultError, type Departure, type FaultKind, type Nano } from '../core/index.ts'
import { driverOf, ENGINES, resultsIn, type Engine, type Found, type Question, type SearchRequest } from './engines.ts'

export interface SearchSettings {
  /** The engine that is asked when nobody says which; null where none is set up. */
  readonly engine: Engine | null
  readonly timeoutMs: number
  readonly engines: Readonly<Partial<Record<Engine, {
    readonly baseUrl: string | null
    readonly key: string | null
    /** What one search costs a caller. */
    readonly price: Nano
  }>>>
}

export interface SearchQuestion extends Question {
  readonly engine: string
}

export interface SearchAnswer {
  readonly results: readonly Found[]
  readonly cost: Nano
}

export interface Search {
  /** The engines that are set up, and the one that is asked by default. */
  available(): { readonly engines: readonly Engine[]; readonly usual: Engine | null }
  /** Rejects with a FaultError; nothing that an engine said of the operator's key is in it. */
  ask(question: SearchQuestion, departure: Departure): Promise<SearchAnswer>
}

/** Sends a request and resolves with its status and the JSON of its answer, null where that is none; rejects with a FaultError. */
export type Send = (request: SearchRequest, bounds: { readonly timeoutMs: number; readonly departure: Departure }) => Promise<{ readonly status: number; readonly body: unknown }>

export function createSearch({ settings, send }: { readonly settings: () => SearchSettings; readonly send: Send }): Search {
  return {
    available() {
      const { engines, engine } = settings()
      return { engines: Object.keys(engines) as Engine[], usual: engine }
    },
    async ask({ engine: name, ...question }, departure) {
      const { engines, timeoutMs } = settings()
      const engine = ENGINES.find((it) => it === name)
      const own = engine && engines[engine]
      const driver = engine && driverOf(engine)
      const baseUrl = own?.baseUrl ?? driver?.baseUrl ?? null
      if (!engine || !own || !driver || baseUrl === null) throw new FaultError(fault('internal', `The search engine ${name} is not set up`))
      const { status, body } = await send(driver.write(question, baseUrl.replace(/\/+$/, ''), own.key), { timeoutMs, departure })
      if (status !== 200) throw new FaultError(fault(kindOf(status), `The web search by ${engine} failed with the status ${status}${HINTS[engine]?.[status] ?? ''}`))
      const results = resultsIn(engine, body, question.maxResults)
      if (results === null) throw new FaultError(fault('invalid-response', `The search engine ${engine} answered what is no list of results`))
      return { results, cost: own.price }
    },
  }
}

/** What an operator would look for long. */
const HINTS: Readonly<Partial<Record<Engine, Readonly<Record<number, string>>>>> = {
  searxng: { 403: ': its settings have to name json under search.formats' },
}

function kindOf(status: number): FaultKind {
  if (status === 401 || status === 403) return 'upstream-auth'
  if (status === 402) return 'upstream-payment'
  return status === 429 ? 'upstream-rate-limited' : 'upstream-error'
}
