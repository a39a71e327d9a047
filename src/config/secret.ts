import { inspect } from 'node:util'

const SHOWN = '[secret]'

/** A value that shows itself to nobody who does not ask for it by name: not in logs, JSON, templates or `inspect`. */
export class Secret {
  readonly #value: string
  constructor(value: string) {
    this.#value = value
  }
  /** The value itself; for the wire only. */
  reveal(): string {
    return this.#value
  }
  toJSON(): string {
    return SHOWN
  }
  toString(): string {
    return SHOWN
  }
  [inspect.custom](): string {
    return SHOWN
  }
}
