/**
 * Whether the caller of a call has left, and who wants to know. What an AbortSignal does, without the microsecond and
 * the kilobyte that one costs on every request.
 */
export class Departure {
  #gone = false
  #listeners: (() => void)[] = []

  get gone(): boolean {
    return this.#gone
  }

  /** The caller has left: tells everybody, once. */
  leave(): void {
    if (this.#gone) return
    this.#gone = true
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener()
  }

  /** Calls back when the caller leaves; not when it has left already. */
  listen(listener: () => void): void {
    this.#listeners.push(listener)
  }

  ignore(listener: () => void): void {
    const at = this.#listeners.indexOf(listener)
    if (at >= 0) this.#listeners.splice(at, 1)
  }
}
