/** One who stands in a line; `of` is whose turn it is, `since` the clock of whoever keeps the line. */
export interface Standing<T> {
  readonly of: T
  readonly since: number
}

interface Place<T> extends Standing<T> {
  readonly queue: Queue<T>
  /** Of the same key. */
  behind: Place<T> | null
  /** Of all that stand here, whoever's they are. */
  older: Place<T> | null
  newer: Place<T> | null
}

/** Those of one key and class, the oldest first, in a ring with the other keys of the class. It is there while somebody stands in it. */
interface Queue<T> {
  readonly key: string
  readonly rank: number
  first: Place<T> | null
  last: Place<T> | null
  size: number
  before: Queue<T>
  after: Queue<T>
}

/**
 * A line in which nobody stands behind the crowd of another key: the best class first, in a class its keys in turn, and of
 * each key the oldest. So a key that asks for less than its part of the turns has hardly to wait, however many another
 * one sends; and where nobody else wants a turn, one key has them all. Each call is a few pointers, whatever stands here,
 * and a key of which nobody stands here is not known.
 */
export class Line<T> {
  readonly #keys: readonly Map<string, Queue<T>>[]
  /** Of each class whose turn it is next. */
  readonly #heads: (Queue<T> | null)[]
  readonly #sizes: number[]
  #oldest: Place<T> | null = null
  #newest: Place<T> | null = null
  #size = 0

  constructor(classes: number) {
    this.#keys = Array.from({ length: classes }, () => new Map<string, Queue<T>>())
    this.#heads = Array.from({ length: classes }, () => null)
    this.#sizes = Array.from({ length: classes }, () => 0)
  }

  get size(): number {
    return this.#size
  }

  /** Keys of which somebody stands here, one for each class. */
  get keys(): number {
    return this.#keys.reduce((sum, keys) => sum + keys.size, 0)
  }

  /** Who stands here longest, whosever turn it is. */
  get oldest(): Standing<T> | null {
    return this.#oldest
  }

  /** `rank` is the place of the class, the lowest being 0; `since` is never less than that of who came before. */
  join(of: T, key: string, rank: number, since: number): void {
    const queue = this.#keys[rank]!.get(key) ?? this.#opens(key, rank)
    const place: Place<T> = { of, since, queue, behind: null, older: this.#newest, newer: null }
    if (queue.last === null) queue.first = place
    else queue.last.behind = place
    queue.last = place
    queue.size++
    if (this.#newest === null) this.#oldest = place
    else this.#newest.newer = place
    this.#newest = place
    this.#sizes[rank]!++
    this.#size++
  }

  /** Whose turn it is, who stands here no longer; null when nobody does. */
  next(): Standing<T> | null {
    for (let rank = this.#heads.length - 1; rank >= 0; rank--) {
      const queue = this.#heads[rank]!
      if (queue === null) continue
      this.#heads[rank] = queue.after
      return this.#leaves(queue.first!)
    }
    return null
  }

  /** Who stands here longest, where that is since before this moment; who stands here no longer. */
  overdue(before: number): Standing<T> | null {
    const oldest = this.#oldest
    return oldest === null || oldest.since >= before ? null : this.#leaves(oldest)
  }

  /**
   * Whether one more of a key has its part of a line that is to be no longer than this: what better classes leave, divided by
   * the keys of its own that stand here. One that has nobody here has it wherever they leave anything: no crowd keeps it out.
   * What a crowd had before others came is not taken from it, but nobody of it joins until it has its part again.
   */
  fits(key: string, rank: number, most: number): boolean {
    let left = most
    for (let above = rank + 1; above < this.#sizes.length; above++) left -= this.#sizes[above]!
    const keys = this.#keys[rank]!
    const own = keys.get(key)
    return left > 0 && (own === undefined || own.size < left / keys.size)
  }

  #opens(key: string, rank: number): Queue<T> {
    const head = this.#heads[rank]!
    const queue = { key, rank, first: null, last: null, size: 0 } as unknown as Queue<T>
    // Behind all the others: the one before the head.
    queue.after = head ?? queue
    queue.before = head?.before ?? queue
    queue.before.after = queue.after.before = queue
    this.#heads[rank] = head ?? queue
    this.#keys[rank]!.set(key, queue)
    return queue
  }

  /** Always the first of its key: the oldest of all is the oldest of its own. */
  #leaves(place: Place<T>): Standing<T> {
    const { queue, older, newer } = place
    queue.first = place.behind
    if (place.behind === null) queue.last = null
    if (older === null) this.#oldest = newer
    else older.newer = newer
    if (newer === null) this.#newest = older
    else newer.older = older
    // What is old must not hold on to what is young: V8 would keep all that stood behind it.
    place.behind = place.older = place.newer = null
    this.#sizes[queue.rank]!--
    this.#size--
    if (--queue.size === 0) this.#closes(queue)
    return place
  }

  #closes(queue: Queue<T>): void {
    const { rank } = queue
    queue.before.after = queue.after
    queue.after.before = queue.before
    if (this.#heads[rank] === queue) this.#heads[rank] = queue.after === queue ? null : queue.after
    this.#keys[rank]!.delete(queue.key)
  }
}
