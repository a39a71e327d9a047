/** Reading what a provider sent: hostile until looked at, and never as deep or as typed as its document says. */

export type Loose = { readonly [key: string]: unknown }

export const isObject = (value: unknown): value is Loose => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The text of a key, unless it is something else or empty. */
export function textIn(at: Loose, key: string): string | undefined {
  const value = at[key]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** The object of a key; an empty one where there is none. */
export function objectIn(at: Loose, key: string): Loose {
  const value = at[key]
  return isObject(value) ? value : EMPTY
}

/** The objects of a list; what is no list, or no object in it, is left out. */
export function listIn(at: Loose, key: string): readonly Loose[] {
  const value = at[key]
  return Array.isArray(value) ? value.filter(isObject) : NONE
}

const EMPTY: Loose = Object.freeze({})
const NONE: readonly Loose[] = Object.freeze([])
