/**
 * Text as both databases can keep it. Postgres refuses NUL, and a half of a surrogate pair inside JSON; SQLite would
 * keep the first. Callers put both into `user` and `session`, and one such row must not hold up the others of its batch.
 */
export function storable(text: string): string {
  const whole = text.isWellFormed() ? text : text.toWellFormed()
  return whole.includes('\0') ? whole.replaceAll('\0', '\uFFFD') : whole
}

/** What a JSON column holds, which is what we wrote into it: not for text from anywhere else. */
export function readColumn<T>(text: string): T {
  return JSON.parse(text) as T
}

/** Whether an integer column is money: the rule that `schema.ts` states. */
export function isMoney(column: string): boolean {
  return column.endsWith('_nano')
}
