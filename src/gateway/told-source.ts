import type { ChatEvent, Seal } from '../core/index.ts'
import type { Source } from './source.ts'
import { ToldCalls, type Mend } from './told-calls.ts'
import type { Callable } from './tool-template.ts'

export interface ToldGiven {
  readonly tools: readonly Callable[]
  readonly stream: boolean
  readonly mend: Mend
  /** The id of a call: providers that do not know of calls give none. */
  readonly makeId: () => string
}

/** The answer of a model that was told its tools in words: what its text says of calls becomes calls. */
export function withCallsOf(source: Source, given: ToldGiven): Source {
  const told = new ToldEvents(given)
  return {
    get ended() { return source.ended },
    get finished() { return source.finished },
    get status() { return source.status },
    abort: () => source.abort(),
    async next() {
      const batch = await source.next()
      return batch === null ? null : told.pass(batch)
    },
    conclude() {
      const batch = source.conclude()
      return batch === null ? null : told.pass(batch)
    },
    rest: () => told.pass(source.rest()),
  }
}

/** A block of text of the provider's: what it says goes into blocks of its own, made as they are needed. */
interface OpenText {
  readonly choice: number
  readonly block: Extract<ChatEvent, { type: 'block-open' }>['block']
  readonly calls: ToldCalls
  /** The block that is open for it; null between words and calls. */
  current: number | null
}

/** The events with calls in the place of their texts; blocks are numbered anew, as they open. */
class ToldEvents {
  readonly #given: ToldGiven
  readonly #texts = new Map<number, OpenText>()
  readonly #others = new Map<number, number>()
  /** Choices that called something. */
  readonly #called = new Set<number>()
  #out: ChatEvent[] = []
  #blocks = 0

  constructor(given: ToldGiven) {
    this.#given = given
  }

  pass(batch: readonly ChatEvent[]): readonly ChatEvent[] {
    this.#out = []
    for (const event of batch) this.#take(event)
    return this.#out
  }

  #take(event: ChatEvent): void {
    switch (event.type) {
      case 'block-open':
        if (event.block.type === 'text') this.#texts.set(event.index, this.#opened(event))
        else this.#others.set(event.index, this.#next(event.choice, event.block))
        return
      case 'block-delta': {
        const text = this.#texts.get(event.index)
        if (text) text.calls.push(event.text)
        else this.#put({ ...event, index: this.#others.get(event.index)! })
        return
      }
      case 'block-close': {
        const text = this.#texts.get(event.index)
        if (text) {
          this.#texts.delete(event.index)
          this.#closed(text, event.seal)
        }
        else this.#put({ ...event, index: this.#others.get(event.index)! })
        return
      }
      case 'note': {
        if (event.index === undefined) this.#put(event)
        else {
          const index = this.#texts.get(event.index)?.current ?? this.#others.get(event.index)
          const { index: _, ...rest } = event
          this.#put(index === undefined ? rest : { ...rest, index })
        }
        return
      }
      case 'finish':
        this.#put(event.reason === 'stop' && this.#called.has(event.choice) ? { ...event, reason: 'tool_calls' } : event)
        return
      case 'fault':
        // What was held back was said all the same.
        for (const text of this.#texts.values()) text.calls.end()
        this.#put(event)
        return
      default: this.#put(event)
    }
  }

  #put(event: ChatEvent): void {
    this.#out.push(event)
  }

  #next(choice: number, block: OpenText['block']): number {
    this.#put({ type: 'block-open', index: this.#blocks, choice, block })
    return this.#blocks++
  }

  #opened({ choice, block }: Extract<ChatEvent, { type: 'block-open' }>): OpenText {
    const of: OpenText = { choice, block, current: null, calls: new ToldCalls({
      text: (text) => {
        of.current ??= this.#next(choice, block)
        this.#put({ type: 'block-delta', index: of.current, text })
      },
      open: (name, form) => {
        this.#end(of)
        this.#called.add(choice)
        of.current = this.#next(choice, { type: 'tool-call', id: this.#given.makeId(), name, form })
      },
      input: (text) => this.#put({ type: 'block-delta', index: of.current!, text }),
      close: () => this.#end(of),
    }, { tools: this.#given.tools, eager: this.#given.stream, mend: this.#given.mend }) }
    return of
  }

  #closed(of: OpenText, seal: Seal | undefined): void {
    of.calls.end()
    // A seal alone is a block of its own.
    if (seal && of.current === null) of.current = this.#next(of.choice, of.block)
    this.#end(of, seal)
  }

  #end(of: OpenText, seal?: Seal): void {
    if (of.current !== null) this.#put({ type: 'block-close', index: of.current, ...(seal && { seal }) })
    of.current = null
  }
}
