/**
 * The latest items of a history, oldest first, at most so many. A value: adding gives a new one and leaves the old as
 * it was, in constant time, because versions share one list and each sees its own part of it. (Copying a hundred
 * measurements for each attempt was a twentieth of all that a request allocated.)
 */
export class Recent<T extends { readonly at: number }> {
  readonly #items: T[]
  readonly #from: number
  readonly #to: number

  private constructor(items: T[], from: number, to: number) {
    this.#items = items
    this.#from = from
    this.#to = to
  }

  static none<T extends { readonly at: number }>(): Recent<T> {
    return new Recent<T>([], 0, 0)
  }

  get length(): number {
    return this.#to - this.#from
  }

  /** The item at a place, 0 being the oldest. */
  at(index: number): T {
    return this.#items[this.#from + index]!
  }

  /** With an item more, at most `kept` in all, and without what is not younger than `since`. */
  with(item: T, kept: number, since: number): Recent<T> {
    let from = Math.max(this.#from, this.#to - kept + 1)
    while (from < this.#to && this.#items[from]!.at <= since) from++
    // An older version adds to a list of its own, and so does one that drags along more than it sees.
    if (this.#items.length !== this.#to || from > kept) {
      return new Recent([...this.#items.slice(from, this.#to), item], 0, this.#to - from + 1)
    }
    this.#items.push(item)
    return new Recent(this.#items, from, this.#to + 1)
  }

  /** Those younger than `since`, as a list. */
  since(since: number): T[] {
    return this.#items.slice(this.#from, this.#to).filter((item) => item.at > since)
  }
}
