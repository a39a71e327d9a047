import { setTimeout as delay } from 'node:timers/promises'
import { Departure, fault, type Ambient, type Fault, type JsonObject } from '../core/index.ts'
import type { Store } from '../store/index.ts'
import { framesOf, textFrom, type EventLog, type Frames } from './event-log.ts'
import type { Item } from './turns.ts'

/** A response that is made with nobody waiting for it. Who makes it says what it comes to; others may end it before. */
export interface Run {
  /** Leaves when the run has to end: it was cancelled or deleted, wherever that was said, or the server is stopping. */
  readonly departure: Departure
  /** Why it has to end; null while it may go on. */
  readonly why: Fault | null
  /** A model answers. */
  begun(): void
  /** The next events of its stream, whole. */
  say(frames: string): void
  /** Its end: the response as JSON, and its last events. Resolves when it is kept; never rejects. */
  end(response: string, frames: string): Promise<void>
}

export interface Runs {
  /** Keeps a response that is to be made; a fault when its key has as many under way as it may have. */
  begin(what: Beginning): Promise<Run | Fault>
  /**
   * The events of a response from a number on, as they stand in its stream: what is kept of them, then those to come,
   * whichever process makes them. Ends with the response, or when the reader leaves.
   */
  events(workspace: string, id: string, from: number, reader: Departure): AsyncIterable<string>
  /** Ends a run and waits for its end. Nothing happens to a response that is not under way. */
  cancel(workspace: string, id: string): Promise<void>
  /** Ends a run of this process whose response was deleted; those of others notice by themselves. */
  forget(id: string): void
  /** Ends as failed what was being made by processes that are gone. To be called now and then, and for one that is asked for. */
  bury(id?: string): Promise<void>
  /** Waits for the runs of this process, at most for the grace, then ends them as failed. Called again it shortens the grace. */
  drain(graceMs: number): Promise<void>
}

export interface Beginning {
  readonly id: string
  readonly workspace: string
  readonly key: string
  readonly createdAt: number
  readonly items: readonly Item[]
  /** As JSON, and the first events of its stream. */
  readonly response: string
  readonly frames: string
  /** Whether it stays for the time that responses are kept, or only until it was fetched. */
  readonly stored: boolean
}

/** What the format of responses has to say of those that somebody else ends than who made them. */
export interface EndWords {
  /** A response that was under way, as it ended. */
  ended(response: JsonObject, why: Fault): JsonObject
  /** The last event of the stream of a response, with its number. */
  lastFrame(response: JsonObject, sequence: number): string
}

export interface RunsSettings {
  readonly retentionDays: number
  /** How many runs a key may have under way. */
  readonly backgroundPerKey: number
  /** How long a run is believed in whose process says nothing. */
  readonly backgroundLeaseMs: number
}

/** What is kept of a response: how its row is written and read. */
export interface Contents {
  seal(workspace: string, id: string, content: { readonly items: readonly Item[]; readonly response: string; readonly torn?: boolean }): string
  open(workspace: string, id: string, content: string): { readonly items: readonly Item[]; readonly response: JsonObject; readonly torn?: boolean }
}

/** Events go to the database together: a row for each would be a write for each token. */
const FLUSH_MS = 200
const FLUSH_BYTES = 256 * 1024
/** What may wait for a database that takes nothing; beyond, the run ends. */
const MAX_HELD_BYTES = 8 * 1024 * 1024
const RETRY_MS = 1000
const END_TRIES = 30
/** How often a reader asks for the events of a run at another node. */
const POLL_MS = 500
/** How long the node that makes a response has to end it, before it is ended over its head. */
const CANCEL_MS = 5000
const TICK_MS = 1000
const BURIED_AT_ONCE = 50
const DAY_MS = 86_400_000
/** How long a background response stays that its caller does not want stored: long enough to be fetched. */
const UNSTORED_MS = 600_000

const CANCELLED = fault('cancelled', 'The response was cancelled')
const DELETED = fault('cancelled', 'The response was deleted, or ended by another node')
const ORPHANED = fault('unavailable', 'The server that was making this response stopped before it was finished. Nothing goes on from it: ask again')
const STOPPING = fault('shutting-down', 'The server that was making this response was stopped', { metadata: { reason: 'server_shutdown' } })
const NO_ROOM = fault('unavailable', 'The events of this response could not be kept')

export function createRuns({ store, log, contents, ambient, settings, words, onError }: {
  readonly store: Store
  readonly log: EventLog
  readonly contents: Contents
  readonly ambient: Ambient
  readonly settings: () => RunsSettings
  readonly words: EndWords
  readonly onError: (error: Error) => void
}): Runs {
  const { db } = store
  const holder = Buffer.from(ambient.bytes(9)).toString('base64url')
  const live = new Map<string, LiveRun>()
  let ticking: NodeJS.Timeout | null = null
  let stopAt = Infinity

  const keptUntil = (stored: boolean): number => ambient.now() + (stored ? settings().retentionDays * DAY_MS : UNSTORED_MS)
  const leasedUntil = (): number => ambient.now() + settings().backgroundLeaseMs

  /** Says that the runs here are alive, and hears which of them have to end. */
  const tick = async (): Promise<void> => {
    const asked = [...live.values()].filter((run) => !run.ending)
    try {
      const rows = await db.updateTable('response_runs').set({ until_at: leasedUntil() }).where('holder', '=', holder).returning(['id', 'cancelled']).execute()
      const found = new Map(rows.map(({ id, cancelled }) => [id, cancelled]))
      for (const run of asked) {
        const cancelled = found.get(run.what.id)
        if (cancelled === undefined && !run.ending) run.stop(DELETED)
        else if (cancelled === 1) run.stop(CANCELLED)
      }
    } catch (error) {
      onError(error as Error)
    }
  }
  const watch = (): void => {
    if (ticking !== null || live.size === 0) return
    ticking = setTimeout(() => {
      void tick().finally(() => {
        ticking = null
        watch()
      })
    }, Math.min(TICK_MS, settings().backgroundLeaseMs / 4)).unref()
  }

  const running = async (id: string): Promise<boolean> =>
    await db.selectFrom('response_runs').select('id').where('id', '=', id).executeTakeFirst() !== undefined

  /** Ends a run that its own process does not end. Nothing happens when it has ended, or is believed in again. */
  const endOver = (id: string, why: Fault, expired: boolean): Promise<void> => store.db.transaction().execute(async (trx) => {
    const ours = trx.deleteFrom('response_runs').where('id', '=', id)
    const taken = await (expired ? ours.where('until_at', '<=', ambient.now()) : ours).returning('workspace').execute()
    if (taken.length === 0) return
    const { workspace } = taken[0]!
    const row = await trx.selectFrom('responses').select('content').where('id', '=', id).executeTakeFirst()
    if (!row) return
    const { items, response } = contents.open(workspace, id, row.content)
    const ended = words.ended(response, why)
    const first = await log.last(trx, id) + 1
    await log.append(trx, [await log.rowOf(workspace, id, framesOf(words.lastFrame(ended, first), first))])
    const content = contents.seal(workspace, id, { items, response: JSON.stringify(ended), torn: true })
    await trx.updateTable('responses').set({ content }).where('id', '=', id).execute()
  })

  /** What is kept as the end of a run, unless somebody else has ended it. */
  const keepEnd = async ({ what }: LiveRun, response: string, rest: readonly Frames[]): Promise<void> => {
    const { id, workspace, items, stored } = what
    const rows = await Promise.all(rest.map((frames) => log.rowOf(workspace, id, frames)))
    const content = contents.seal(workspace, id, { items, response })
    await db.transaction().execute(async (trx) => {
      const ours = await trx.deleteFrom('response_runs').where('id', '=', id).where('holder', '=', holder).returning('id').execute()
      if (ours.length === 0) return
      await log.append(trx, rows)
      await trx.updateTable('responses').set({ content, expires_at: keptUntil(stored) }).where('id', '=', id).execute()
    })
  }

  return {
    async begin(what) {
      const { id, workspace, key, createdAt, items, response, frames } = what
      const most = settings().backgroundPerKey
      const content = contents.seal(workspace, id, { items, response })
      const refused = await store.exclusively(`background responses of ${key}`, async (trx) => {
        const { count } = await trx.selectFrom('response_runs').select((build) => build.fn.countAll<number>().as('count')).where('key_id', '=', key).executeTakeFirstOrThrow()
        if (count >= most) return true
        await trx.insertInto('responses').values({ id, workspace, key_id: key, created_at: createdAt, expires_at: keptUntil(true), content }).execute()
        await trx.insertInto('response_runs').values({ id, workspace, key_id: key, status: 'queued', holder, until_at: leasedUntil(), cancelled: 0 }).execute()
        return false
      })
      if (refused) {
        return fault('rate-limited', `background: this key has ${most} responses under way in the background, and responses.background_per_key permits no more. Wait until some have ended`, {
          retryAfterMs: RETRY_MS, metadata: { reason: 'background_per_key' },
        })
      }
      const run = new LiveRun(what, {
        onError,
        append: async (stretch) => log.append(db, [await log.rowOf(workspace, id, stretch)]),
        async begun() {
          await db.updateTable('response_runs').set({ status: 'in_progress' }).where('id', '=', id).where('holder', '=', holder).execute()
        },
        keepEnd: (of, last, rest) => keepEnd(of, last, rest),
        over: () => live.delete(id),
      })
      live.set(id, run)
      run.say(frames)
      watch()
      if (ambient.monotonic() >= stopAt) run.stop(STOPPING)
      return run
    },
    async* events(workspace, id, from, reader) {
      for (let next = from; !reader.gone;) {
        const run = live.get(id)
        if (run !== undefined && next >= run.heldFrom) {
          const text = run.since(next)
          if (text === '') await run.more(reader)
          else {
            next = run.next
            yield text
          }
          continue
        }
        // Asked before the events are: what is over has said everything.
        const over = !await running(id)
        const kept = await log.read(workspace, id, next)
        if (kept !== null) {
          next = kept.first + kept.count
          yield kept.text
        } else if (over) {
          const row = await db.selectFrom('responses').select('content').where('id', '=', id).executeTakeFirst()
          const content = row && contents.open(workspace, id, row.content)
          // Its reader has seen more than was kept of it, and not how it ended.
          if (content?.torn === true && next > await log.last(db, id) + 1) yield words.lastFrame(content.response, next)
          return
        } else await delay(POLL_MS, undefined, { ref: false })
      }
    },
    async cancel(workspace, id) {
      const here = live.get(id)
      if (here !== undefined) {
        here.stop(CANCELLED)
        return here.done
      }
      const marked = await db.updateTable('response_runs').set({ cancelled: 1 }).where('id', '=', id).where('workspace', '=', workspace).returning('id').execute()
      if (marked.length === 0) return
      for (const until = ambient.monotonic() + CANCEL_MS; ambient.monotonic() < until;) {
        await delay(POLL_MS, undefined, { ref: false })
        if (!await running(id)) return
      }
      await endOver(id, CANCELLED, false)
    },
    forget(id) {
      live.get(id)?.stop(DELETED)
    },
    async bury(id) {
      const dead = db.selectFrom('response_runs').select('id').where('until_at', '<=', ambient.now()).limit(BURIED_AT_ONCE)
      for (const row of await (id === undefined ? dead : dead.where('id', '=', id)).execute()) await endOver(row.id, ORPHANED, true)
    },
    async drain(graceMs) {
      stopAt = Math.min(stopAt, ambient.monotonic() + graceMs)
      while (live.size > 0 && ambient.monotonic() < stopAt) await delay(Math.max(1, Math.min(50, stopAt - ambient.monotonic())))
      const left = [...live.values()]
      for (const run of left) run.stop(STOPPING)
      await Promise.all(left.map(({ done }) => done))
      if (ticking !== null) clearTimeout(ticking)
    },
  }
}

interface LiveParts {
  append(stretch: Frames): Promise<void>
  begun(): Promise<void>
  keepEnd(run: LiveRun, response: string, rest: readonly Frames[]): Promise<void>
  over(): void
  onError(error: Error): void
}

/** A run of this process, with the events that are not in the database yet. */
class LiveRun implements Run {
  readonly departure = new Departure()
  readonly what: Beginning
  readonly done: Promise<void>
  why: Fault | null = null
  /** Its end is being kept. */
  ending = false
  /** The number of the next event, and of the first that is held. */
  next = 0
  heldFrom = 0
  readonly #parts: LiveParts
  #held: Frames[] = []
  #heldBytes = 0
  /** A stretch whose writing failed: it may be there all the same, so that it is written again just as it was. */
  #tried: Frames | null = null
  #flushing: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | null = null
  #waiting: (() => void)[] = []
  readonly #over: () => void

  constructor(what: Beginning, parts: LiveParts) {
    this.what = what
    this.#parts = parts
    const { promise, resolve } = Promise.withResolvers<void>()
    this.done = promise
    this.#over = resolve
  }

  begun(): void {
    this.#flushing = this.#flushing.then(() => this.#parts.begun()).catch((error: unknown) => this.#parts.onError(error as Error))
  }

  say(text: string): void {
    this.#hold(text)
    if (this.#heldBytes > MAX_HELD_BYTES) this.stop(NO_ROOM)
    else if (this.#heldBytes > FLUSH_BYTES && this.#tried === null) this.#flush()
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS).unref()
  }

  async end(response: string, text: string): Promise<void> {
    this.ending = true
    this.#hold(text)
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#flushing
    for (let tries = 1; ; tries++) {
      try {
        await this.#parts.keepEnd(this, response, this.#stretches())
        break
      } catch (error) {
        this.#parts.onError(error as Error)
        // Whoever finds it later, without a sign of life, ends it.
        if (tries >= END_TRIES) break
        await delay(RETRY_MS, undefined, { ref: false })
      }
    }
    this.#parts.over()
    this.#wake()
    this.#over()
  }

  stop(why: Fault): void {
    this.why ??= why
    this.departure.leave()
  }

  /** The events from a number on that are held; `next` is behind them. */
  since(from: number): string {
    if (from >= this.next) return ''
    let text = ''
    for (const frames of this.#held) {
      if (from <= frames.first) text += frames.text
      else if (from < frames.first + frames.count) text += textFrom(frames, from)
    }
    return text
  }

  /** Resolves when there are more events, or none to come, or the reader leaves. */
  more(reader: Departure): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        reader.ignore(wake)
        resolve()
      }
      reader.listen(wake)
      this.#waiting.push(wake)
    })
  }

  #hold(text: string): void {
    const frames = framesOf(text, this.next)
    if (frames.count === 0) return
    this.#held.push(frames)
    this.#heldBytes += text.length
    this.next += frames.count
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  #flush(): void {
    this.#timer = null
    this.#flushing = this.#flushing.then(() => this.#write())
  }

  async #write(): Promise<void> {
    if (this.ending || this.#held.length === 0) return
    const stretch = this.#tried ?? joined(this.#held)
    try {
      await this.#parts.append(stretch)
    } catch (error) {
      this.#tried = stretch
      this.#parts.onError(error as Error)
      this.#timer ??= setTimeout(() => this.#flush(), RETRY_MS).unref()
      return
    }
    this.#tried = null
    this.heldFrom = stretch.first + stretch.count
    this.#held = this.#held.filter(({ first }) => first >= this.heldFrom)
    this.#heldBytes -= stretch.text.length
  }

  /** What is still to be written: what was tried before by itself. */
  #stretches(): readonly Frames[] {
    const tried = this.#tried
    if (tried === null) return this.#held.length === 0 ? [] : [joined(this.#held)]
    const rest = this.#held.filter(({ first }) => first >= tried.first + tried.count)
    return rest.length === 0 ? [tried] : [tried, joined(rest)]
  }
}

function joined(held: readonly Frames[]): Frames {
  return { first: held[0]!.first, count: held.reduce((sum, { count }) => sum + count, 0), text: held.map(({ text }) => text).join('') }
}
