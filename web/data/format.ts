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

const COUNT = new Intl.NumberFormat('en-US')
/** 1,234,567. By one formatter: `toLocaleString` makes itself a new one for each figure, which was half of what a page of tables took. */
export const whole = (count: number): string => COUNT.format(count)

/** 240 ms, 1.21 s */
export const duration = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`)

/** 97.6 t/s */
export const rate = (perSecond: number): string => `${perSecond < 100 ? perSecond.toFixed(1) : Math.round(perSecond)} t/s`

export const percent = (value: number): string => `${value === 100 || value === 0 ? value : value.toFixed(2)} %`

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** Times are UTC: "Aug 31", "Aug 31, 2025", "09:05". A chart says thousands of them. */
export function day(ms: number): string {
  const at = new Date(ms)
  return `${MONTHS[at.getUTCMonth()]} ${at.getUTCDate()}`
}
export const date = (ms: number): string => `${day(ms)}, ${new Date(ms).getUTCFullYear()}`
export const clock = (ms: number): string => new Date(ms).toISOString().slice(11, 16)

/** "2025-08-31" is "Aug 31, 2025"; a month alone, "2025-01", is "Jan 2025". */
export function stated(text: string): string {
  const [, month = '', ofDay] = /^(\d{4}-\d\d)(-\d\d)?$/.exec(text) ?? []
  const parsed = Date.parse(`${month}${ofDay ?? '-01'}T00:00:00Z`)
  if (Number.isNaN(parsed)) return text
  return ofDay === undefined ? `${MONTHS[new Date(parsed).getUTCMonth()]} ${new Date(parsed).getUTCFullYear()}` : date(parsed)
}

export const plural = (count: number, one: string, many = `${one}s`): string => `${whole(count)} ${count === 1 ? one : many}`

/** "OpenAI: GPT-5.3 Chat" is "GPT-5.3 Chat" where its author stands beside it. */
export const shortName = (name: string): string => name.replace(/^[^:]{1,40}: (?=\S)/, '')

/** What part of figures nobody had asked for, as a sentence with a space before it; nothing of none. */
export const probed = (probes: number, of: string): string =>
  probes === 0 ? '' : ` ${whole(probes)} of ${of} ${probes === 1 ? 'was' : 'were'} measured by probes, small requests of this instance’s own.`

/** 10 minutes, an hour and a half: "10 minutes", "1.5 hours". */
export const stretch = (ms: number): string => {
  const [size, unit] = ms < 3_600_000 ? [60_000, 'minute'] as const : [3_600_000, 'hour'] as const
  return plural(Number((ms / size).toFixed(1)), unit)
}
