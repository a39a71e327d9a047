import type { Transaction } from 'kysely'
import { Departure, FAULTS, type Ambient, type ChatRequest, type EndpointId, type FaultKind, type Generation, type Nano, type Operation } from '../core/index.ts'
import type { Schema, Store } from '../store/index.ts'

/** What the operator wants of probes. */
export interface ProbeRules {
  /** The most that they may cost in a month of UTC. */
  readonly budget: Nano
  /** How long an endpoint goes without traffic before one is sent. */
  readonly everyMs: number
  /** How many may be under way at once, on one node. */
  readonly concurrent: number
}

/** A probe that may be sent. */
export interface ReadyProbe {
  /** The most that it can cost. */
  readonly worst: Nano
  /** Waits for its end; null where nobody was asked after all. Never rejects. */
  send(departure: Departure): Promise<Generation | null>
}

/** What the last probe of an endpoint showed. */
export interface ProbeResult {
  readonly endpoint: EndpointId
  /** Milliseconds since the epoch. */
  readonly sentAt: number
  /** `answered`, the kind of its fault, or `nothing`: it showed nothing. Null while it is under way, or where its sender died. */
  readonly outcome: string | null
  /** Since when every probe that showed anything failed; null for one that answers. */
  readonly downSince: number | null
  readonly latencyMs: number | null
  readonly cost: Nano
  readonly generation: string | null
}

export interface ProbeMonth {
  /** `2026-11`. */
  readonly month: string
  readonly sent: number
  /** With the most that those under way can cost. */
  readonly spent: Nano
}

/** How an endpoint stands with probes. */
export interface ProbeStanding {
  readonly endpoint: EndpointId
  /** Null where none was ever sent. */
  readonly last: ProbeResult | null
  /** The earliest moment of the next one, ms since the epoch; null for as long as it has traffic. */
  readonly nextAt: number | null
}

export interface Probes {
  /** Sends the one probe that is due the most, where there is one and it may be sent; does not wait for its end. */
  turn(): Promise<void>
  /** What was spent this month, and where each endpoint stands, those that failed first. */
  report(): Promise<{ readonly month: ProbeMonth; readonly endpoints: readonly ProbeStanding[] }>
  /** Resolves when none is under way on this node. */
  idle(): Promise<void>
  /** Sends no more, and ends those that are under way. */
  close(): Promise<void>
}

/** Whoever pays for all of it is not to be surprised by a slip of the clock: no two are sent within this, by whichever node. */
const LEAST_GAP_MS = 1000
/** Where nothing is due it is looked again so soon. */
const LOOK_AGAIN_MS = 5000
/** An endpoint that failed is asked again so many times as often: neither its fall nor its return should take an hour to be certain of. */
const DOWN_OFTENER = 5
/** Of the even gap, from the shortest to the longest that is drawn; a tenth shorter in the mean, so that nobody is left behind. */
const GAP = { least: 0.5, spread: 0.8 }
/** All who send take turns under this name. */
const TURN = 'probes'

/**
 * One small call to each endpoint that nobody called for a while, so that its figures, and health, are of today. What real
 * traffic says is better, and suppresses it. Which endpoint is next is read from the database, and the most that a probe can
 * cost is booked there before it is sent: nodes that both believe that it is their turn send one, and a process that dies
 * leaves too much booked and never too little.
 */
export function createProbes(given: {
  readonly store: Store
  readonly ambient: Ambient
  /** Null where none are to be sent. */
  readonly rules: () => ProbeRules | null
  /** The endpoints that are to be probed. */
  readonly targets: () => readonly EndpointId[]
  /** Null where the endpoint is to be left alone for now. */
  readonly ready: (endpoint: EndpointId) => ReadyProbe | null
  /** Those that callers called since then (ms epoch). */
  readonly called: (since: number) => Promise<ReadonlySet<EndpointId>>
  /** Whether callers need all that there is. */
  readonly overloaded: () => boolean
  /** Hears what the operator may want to know. */
  readonly say: (facts: Readonly<Record<string, unknown>>, message: string) => void
  readonly onError: (error: Error) => void
}): Probes {
  const { store, ambient, rules: rulesNow, say } = given
  const departure = new Departure()
  const underWay = new Set<Promise<void>>()
  /** The monotonic clock before which nothing is sent. */
  let nextAt = -Infinity
  let closed = false
  /** The month and the budget that was said to be used up. */
  let saidSpent = ''

  const lastOf = async (): Promise<ReadonlyMap<EndpointId, ProbeResult>> => {
    const rows = await store.db.selectFrom('probes').selectAll().execute()
    return new Map(rows.map((row) => [row.endpoint, {
      endpoint: row.endpoint, sentAt: row.sent_at, outcome: row.ended_at === null ? null : row.outcome, downSince: row.down_since_at,
      latencyMs: row.latency_ms, cost: row.cost_nano, generation: row.generation,
    }]))
  }

  /** Books the most that a probe can cost, and says that it is sent; or why it is not. */
  const claim = (endpoint: EndpointId, worst: Nano, before: ProbeResult | undefined, { budget }: ProbeRules): Promise<Claim> => store.exclusively(TURN, async (trx) => {
    const now = ambient.now()
    const month = monthOf(now)
    const [latest] = await trx.selectFrom('probe_months').selectAll().orderBy('last_at', 'desc').limit(1).execute()
    const there = await trx.selectFrom('probes').select('sent_at').where('endpoint', '=', endpoint).executeTakeFirst()
    if (there?.sent_at !== before?.sentAt) return 'taken'
    if (latest !== undefined && now >= latest.last_at && now - latest.last_at < LEAST_GAP_MS) return 'taken'
    const spent = (latest?.month === month ? latest : await monthIn(trx, month))?.spent_nano ?? 0n
    if (worst > 0n && spent + worst > budget) return 'spent'
    await trx.insertInto('probe_months').values({ month, sent: 1, spent_nano: worst, last_at: now })
      .onConflict((conflict) => conflict.column('month').doUpdateSet((build) => ({
        sent: build('probe_months.sent', '+', 1), spent_nano: build('probe_months.spent_nano', '+', worst), last_at: now,
      }))).execute()
    await trx.insertInto('probes').values({ endpoint, sent_at: now, ended_at: null, generation: null, outcome: null, down_since_at: null, latency_ms: null, cost_nano: worst })
      .onConflict((conflict) => conflict.column('endpoint').doUpdateSet({ sent_at: now, ended_at: null, cost_nano: worst })).execute()
    return { sentAt: now, month, worst }
  })

  /** Gives back what a probe did not cost, and takes down what it showed. */
  const settle = async (endpoint: EndpointId, { sentAt, month, worst }: Claimed, before: ProbeResult | undefined, made: Generation | null): Promise<void> => {
    const now = ambient.now()
    const cost = made?.absorbed ?? 0n
    const outcome = outcomeOf(made)
    const down = isDown(outcome)
    const downSince = down === null ? before?.downSince ?? null : down ? before?.downSince ?? now : null
    await store.exclusively(TURN, async (trx) => {
      await trx.updateTable('probe_months').set((build) => ({ spent_nano: build('spent_nano', '+', cost - worst) })).where('month', '=', month).execute()
      await trx.updateTable('probes').set({
        ended_at: now, outcome, down_since_at: downSince, generation: made?.id ?? null, latency_ms: made?.latencyMs ?? null, cost_nano: cost,
      }).where('endpoint', '=', endpoint).where('sent_at', '=', sentAt).execute()
    })
    if (down === null || down === wasDown(before)) return
    // Its next one is due sooner, or later, than the gap was drawn for.
    nextAt = Math.min(nextAt, ambient.monotonic() + LEAST_GAP_MS)
    if (down) {
      say({ endpoint, fault: outcome, generation: made?.id, said: made?.attempts.at(-1)?.message }, 'a probe found an endpoint that does not answer')
    } else {
      say({ endpoint, generation: made?.id, down_since: new Date(before!.downSince!).toISOString() }, 'an endpoint that did not answer its probes answers again')
    }
  }

  const send = (endpoint: EndpointId, probe: ReadyProbe, claimed: Claimed, before: ProbeResult | undefined): void => {
    const sent = probe.send(departure).then((made) => settle(endpoint, claimed, before, made)).catch(given.onError).finally(() => underWay.delete(sent))
    underWay.add(sent)
  }

  const standingsOf = async (rules: Pick<ProbeRules, 'everyMs'>): Promise<readonly Standing[]> => {
    const now = ambient.now()
    const [last, called] = await Promise.all([lastOf(), given.called(now - rules.everyMs)])
    return given.targets().map((endpoint) => {
      const known = last.get(endpoint)
      const every = wasDown(known) ? rules.everyMs / DOWN_OFTENER : rules.everyMs
      // What was sent in the future was sent by a clock that has been set back since.
      return { endpoint, last: known, everyMs: every, nextAt: called.has(endpoint) ? null : known === undefined || known.sentAt > now ? now : known.sentAt + every }
    })
  }

  return {
    async turn() {
      const rules = rulesNow()
      const started = ambient.monotonic()
      if (rules === null || closed || started < nextAt || underWay.size >= rules.concurrent || given.overloaded()) return
      const standings = await standingsOf(rules)
      const gap = gapOf(standings, rules, ambient.random)
      const now = ambient.now()
      // Those that were never probed come by lot, so that a start does not go through one provider after the other.
      const due = standings.filter(({ nextAt: at }) => at !== null && at <= now)
        .map((it) => ({ ...it, place: it.last === undefined ? -ambient.random() : it.nextAt! })).toSorted((a, b) => a.place - b.place)
      let short = false
      for (const { endpoint, last } of due) {
        if (closed) return
        const probe = given.ready(endpoint)
        if (probe === null) continue
        const claimed = await claim(endpoint, probe.worst, last, rules)
        if (claimed === 'spent') {
          short = true
          continue
        }
        // Another node has just sent one: this one waits as if it had done so itself.
        if (claimed !== 'taken') send(endpoint, probe, claimed, last)
        nextAt = started + gap
        return
      }
      nextAt = started + Math.min(Math.max(LEAST_GAP_MS, gap), LOOK_AGAIN_MS)
      const month = monthOf(now)
      if (!short || saidSpent === `${month} ${rules.budget}`) return
      saidSpent = `${month} ${rules.budget}`
      say({ month, until: new Date(afterMonth(now)).toISOString() }, 'the budget for probes is used up: none that costs anything is sent for the rest of the month')
    },
    async report() {
      const month = monthOf(ambient.now())
      const row = await monthIn(store.db, month)
      const rules = rulesNow()
      const standings = rules === null ? [...(await lastOf()).values()].map((last) => ({ endpoint: last.endpoint, last, nextAt: null })) : await standingsOf(rules)
      return {
        month: { month, sent: row?.sent ?? 0, spent: row?.spent_nano ?? 0n },
        endpoints: standings.map(({ endpoint, last, nextAt: at }) => ({ endpoint, last: last ?? null, nextAt: at }))
          .toSorted((a, b) => Number(wasDown(b.last)) - Number(wasDown(a.last)) || (a.endpoint < b.endpoint ? -1 : 1)),
      }
    },
    async idle() {
      await Promise.all(underWay)
    },
    async close() {
      closed = true
      departure.leave()
      await Promise.all(underWay)
    },
  }
}

type Claimed = { readonly sentAt: number; readonly month: string; readonly worst: Nano }
/** `taken`: another node was faster. `spent`: it might cost more than is left. */
type Claim = Claimed | 'taken' | 'spent'

interface Standing {
  readonly endpoint: EndpointId
  readonly last: ProbeResult | undefined
  readonly everyMs: number
  readonly nextAt: number | null
}

/** Milliseconds from one probe to the next: all of them evenly over their time, drawn somewhat shorter or longer. */
function gapOf(standings: readonly Standing[], { everyMs }: ProbeRules, random: () => number): number {
  const perRound = standings.reduce((sum, it) => sum + everyMs / it.everyMs, 0)
  return Math.max(LEAST_GAP_MS, everyMs / Math.max(1, perRound) * (GAP.least + GAP.spread * random()))
}

/** Tells what a probe showed; a process that ends while it is under way has shown nothing. */
function outcomeOf(made: Generation | null): string {
  return made === null || made.cancelled || made.fault === 'cancelled' ? 'nothing' : made.fault ?? 'answered'
}

/** Whether an outcome says that an endpoint is down; null where it says nothing of that, as a 429 or a fault of ours. */
function isDown(outcome: string): boolean | null {
  if (outcome === 'answered') return false
  if (outcome === 'nothing' || outcome === 'upstream-rate-limited') return null
  const { blame } = FAULTS[outcome as FaultKind]
  return blame === 'provider' || blame === 'operator' ? true : null
}

function wasDown(last: ProbeResult | null | undefined): boolean {
  return (last?.downSince ?? null) !== null
}

/** The month of UTC that a moment belongs to. */
function monthOf(at: number): string {
  return new Date(at).toISOString().slice(0, 7)
}

function afterMonth(at: number): number {
  const date = new Date(at)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1)
}

function monthIn(db: Pick<Transaction<Schema>, 'selectFrom'>, month: string) {
  return db.selectFrom('probe_months').selectAll().where('month', '=', month).executeTakeFirst()
}

const SAYING: ChatRequest['messages'] = [{ role: 'user', parts: [{ type: 'text', text: 'Reply with OK.' }] }]

/** The smallest request of a kind that makes an endpoint do what it is for. */
export function tinyRequest(type: Operation['type'], maxTokens: number): Operation {
  switch (type) {
    case 'chat': return { type, request: { messages: SAYING, maxOutputTokens: maxTokens, sampling: {}, extras: {} } }
    case 'embed': return { type, request: { inputs: [{ parts: [{ type: 'text', text: 'OK' }] }], encoding: 'float', extras: {} } }
    case 'rerank': return { type, request: { query: 'OK', documents: [{ text: 'OK' }], extras: {} } }
  }
}
