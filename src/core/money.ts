/**
 * Money without floats. Prices are integers of atto-dollars (10⁻¹⁸ USD) per unit, because 36 prices of the
 * catalogue are finer than 10⁻¹²; amounts are integers of nano-dollars (10⁻⁹ USD). A number appears only at the
 * API's edge, where OpenRouter's clients expect one.
 */

/** Atto-dollars (10⁻¹⁸ USD) per unit: the unit of prices. */
export type Atto = bigint
/** Nano-dollars (10⁻⁹ USD): the unit of amounts. */
export type Nano = bigint

const ATTO_DIGITS = 18
const ATTO_PER_NANO = 1_000_000_000n
const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/

/**
 * Reads a decimal string of dollars ("0.00000175") as atto-dollars.
 * Returns null for anything else: exponents, blanks, signs other than a leading minus, more than 18 decimals.
 */
export function attoFromDecimal(text: string): Atto | null {
  const match = DECIMAL.exec(text)
  if (!match) return null
  const fraction = (match[3] ?? '').replace(/0+$/, '')
  if (fraction.length > ATTO_DIGITS) return null
  const units = BigInt(match[2] + fraction.padEnd(ATTO_DIGITS, '0'))
  return match[1] === '-' ? -units : units
}

/** Writes atto-dollars as the shortest decimal string of dollars; zero is "0". */
export function decimalFromAtto(atto: Atto): string {
  const sign = atto < 0n ? '-' : ''
  const digits = (atto < 0n ? -atto : atto).toString().padStart(ATTO_DIGITS + 1, '0')
  const fraction = digits.slice(-ATTO_DIGITS).replace(/0+$/, '')
  return sign + digits.slice(0, -ATTO_DIGITS) + (fraction && '.' + fraction)
}

/** Rounds atto-dollars up to whole nano-dollars: the one rounding of a charge. */
export function ceilToNano(atto: Atto): Nano {
  const whole = atto / ATTO_PER_NANO
  return atto % ATTO_PER_NANO > 0n ? whole + 1n : whole
}

/** Exact: a nano-dollar is a whole number of atto-dollars. */
export function attoFromNano(nano: Nano): Atto {
  return nano * ATTO_PER_NANO
}

/** Dollars as a number, for JSON. The division is correctly rounded, so 140000n gives 0.00014. */
export function usdFromNano(nano: Nano): number {
  return Number(nano) / 1e9
}

const EXACT = 2n ** 53n

/** Dollars as a number from atto-dollars, for shares of a cost that are shown and never summed. */
export function usdFromAtto(atto: Atto): number {
  // Both are exact doubles, so the division rounds once, as reading the decimal would.
  if (atto >= 0n && atto < EXACT) return Number(atto) / 1e18
  return Number(decimalFromAtto(atto))
}

/**
 * Reads a cost that a provider states as a JSON number of dollars (OpenRouter's `usage.cost`), rounded up to
 * nano-dollars. Returns null when it is not a finite number ≥ 0: what a provider reports is not trusted.
 */
export function nanoFromUsd(usd: unknown): Nano | null {
  if (typeof usd !== 'number' || !Number.isFinite(usd) || usd < 0 || usd > 1e9) return null
  // The shortest form of the number is what was meant; below 10⁻⁶ that form has an exponent, so digits are spelled out.
  const exact = attoFromDecimal(String(usd)) ?? attoFromDecimal(usd.toFixed(ATTO_DIGITS))
  return exact === null ? null : ceilToNano(exact)
}
