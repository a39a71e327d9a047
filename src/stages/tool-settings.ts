import { fault, FaultError, type JsonObject, type ServerToolWish } from '../core/index.ts'
import { shown, slipInDomains } from './web-search.ts'

/**
 * The settings of a server tool as its caller wrote them, read one by one. Each reader throws a FaultError that names the
 * field; `done` refuses what nobody has read.
 */
export class ToolSettings {
  readonly #wish: ServerToolWish
  readonly #read = new Set<string>()
  /** Fields that were read and change nothing here. */
  readonly ignored: string[] = []

  constructor(wish: ServerToolWish) {
    this.#wish = wish
  }

  whole(key: string, most: number): number | null {
    const value = this.#take(key)
    if (value === null) return null
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > most) throw this.bad(key, `must be a whole number from 1 to ${most}, is ${shown(value)}`)
    return value
  }

  text(key: string): string | null {
    const value = this.#take(key)
    if (value !== null && typeof value !== 'string') throw this.bad(key, `must be a text, is ${shown(value)}`)
    return value
  }

  number(key: string, least: number, most: number): number | null {
    const value = this.#take(key)
    if (value === null) return null
    if (typeof value !== 'number' || !(value >= least && value <= most)) throw this.bad(key, `must be a number from ${least} to ${most}, is ${shown(value)}`)
    return value
  }

  flag(key: string): boolean | null {
    const value = this.#take(key)
    if (value !== null && typeof value !== 'boolean') throw this.bad(key, `must be true or false, is ${shown(value)}`)
    return value
  }

  record(key: string): JsonObject | null {
    const value = this.#take(key)
    if (value !== null && (typeof value !== 'object' || Array.isArray(value))) throw this.bad(key, `must be an object, is ${shown(value)}`)
    return value as JsonObject | null
  }

  list(key: string): readonly unknown[] | null {
    const value = this.#take(key)
    if (value !== null && !Array.isArray(value)) throw this.bad(key, `must be a list, is ${shown(value)}`)
    return value
  }

  domains(key: string): readonly string[] {
    const list = this.#take(key)
    if (list === null) return []
    const slip = slipInDomains(list)
    if (slip) throw this.bad(key + slip.at, slip.what)
    return (list as readonly string[]).map((domain) => domain.toLowerCase())
  }

  /** Where they stand in the body. */
  get field(): string {
    return this.#wish.field
  }

  /** Of OpenRouter's, without effect here. */
  unused(keys: readonly string[]): void {
    for (const key of keys) if (this.#take(key) !== null) this.ignored.push(`${this.#wish.field}.${key}`)
  }

  done(): void {
    const unknown = Object.keys(this.#wish.settings).find((key) => !this.#read.has(key))
    if (unknown !== undefined) throw this.bad(unknown.slice(0, 60), `is not a setting of openrouter:${this.#wish.name}; there are ${[...this.#read].join(', ')}`)
  }

  bad(key: string, what: string): FaultError {
    const field = `${this.#wish.field}.${key}`
    return new FaultError(fault('invalid-request', `${field}: ${what}`, { field }))
  }

  #take(key: string): unknown {
    this.#read.add(key)
    return (this.#wish.settings as JsonObject)[key] ?? null
  }
}

/** What is told to the model that has called a tool. */
export function told(why: string): FaultError {
  return new FaultError(fault('unprocessable', why))
}

/** The same of an argument. */
export function wrong(field: string, what: string): FaultError {
  return told(`${field} ${what}`)
}
