/** How figures are written, in one place. Prices stay decimal text from the catalogue to the page: no float rounds them. */

export const NOT_STATED = 'not stated'

/** A decimal of dollars moved `digits` places, without leading or trailing zeros: ("0.00000175", 6) is "1.75". */
export function shifted(decimal: string, digits: number): string {
  const [, sign = '', whole = '0', part = ''] = /^(-?)(\d+)(?:\.(\d*))?$/.exec(decimal) ?? []
  const all = whole + part.padEnd(digits, '0')
  const point = whole.length + digits
  const left = all.slice(0, point).replace(/^0+(?=\d)/, '')
  const right = all.slice(point).replace(/0+$/, '')
  return `${sign}${left}${right && `.${right}`}`
}

/** Dollars by so many units (`digits` is the power of ten), to the last digit, with cents where there is a fraction: "$14", "$1.10", "$0.175". */
export const dollars = (decimal: string, digits: number): string => `$${shifted(decimal, digits).replace(/\.\d$/, '$&0')}`

/** Prices by the million tokens, as they are compared. */
export const perMillion = (decimal: string): string => dollars(decimal, 6)

/** 128000 is "128K", 1048576 is "1.05M". */
export function compact(count: number): string {
  if (count < 1000) return String(Math.round(count))
  for (const [unit, size] of [['K', 1e3], ['M', 1e6], ['B', 1e9], ['T', 1e12]] as const) {
    const value = count / size
    if (value < 999.5 || unit === 'T') return `${value >= 99.95 ? Math.round(value) : Number(value.toPrecision(3))}${unit}`
  }
  return String(count)
}

export const whole = (count: number): string => count.toLocaleString('en-US')

/** 240 ms, 1.21 s */
export const duration = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`)

/** 97.6 t/s */
export const rate = (perSecond: number): string => `${perSecond < 100 ? perSecond.toFixed(1) : Math.round(perSecond)} t/s`

export const percent = (value: number): string => `${value === 100 || value === 0 ? value : value.toFixed(2)} %`

const DAY = new Intl.DateTimeFormat('en-US', { month: 'short', day: 'numeric', timeZone: 'UTC' })
const DATE = new Intl.DateTimeFormat('en-US', { month: 'short', day: 'numeric', year: 'numeric', timeZone: 'UTC' })
const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', timeZone: 'UTC' })

export const day = (ms: number): string => DAY.format(ms)
export const date = (ms: number): string => DATE.format(ms)
export const clock = (ms: number): string => CLOCK.format(ms)

/** "2025-08-31" is "Aug 31, 2025"; a month alone, "2025-01", is "Jan 2025". */
export function stated(text: string): string {
  const parsed = Date.parse(`${text}T00:00:00Z`)
  if (/^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(parsed)) return date(parsed)
  if (/^\d{4}-\d\d$/.test(text)) return new Intl.DateTimeFormat('en-US', { month: 'short', year: 'numeric', timeZone: 'UTC' }).format(Date.parse(`${text}-01T00:00:00Z`))
  return text
}

export const plural = (count: number, one: string, many = `${one}s`): string => `${whole(count)} ${count === 1 ? one : many}`

/** "OpenAI: GPT-5.3 Chat" is "GPT-5.3 Chat" where its author stands beside it. */
export const shortName = (name: string): string => name.replace(/^[^:]{1,40}: (?=\S)/, '')
