// From raw measurements to the table: ratios inside each round, their medians, and whether the promise is kept.
import type { CandidateName } from './candidates.ts'
import type { Measurement, Row } from './rows.ts'

/**
 * Above this share of their core, mock and generator may have been what limited the run, unless the gateway's own core
 * was full: the cheapest gateway costs about what they cost, so beside a full nginx they are never far below.
 */
const BUSY = 0.7
const FULL = 0.93

export interface Figure {
  readonly candidate: CandidateName
  /** Median over the measured rounds, in the row's unit. For the latency row: what was added to the direct way. */
  readonly value: number
  readonly least: number
  readonly most: number
  /** Median of the ratios to nginx inside each round. */
  readonly ratio?: number
  readonly trouble?: string
  readonly note?: string
  /** Medians, as shares of a core. */
  readonly gatewayShare: number
  readonly mockShare: number
  readonly loadShare: number
  readonly foreignShare: number
  readonly rounds: number
}

export type Verdict = 'met' | 'not met' | 'not measured'
export interface Judged { readonly row: Row; readonly figures: readonly Figure[]; readonly verdict: Verdict; readonly why: string }

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return Number.NaN
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** With fewer, what a process grows by once weighs more in each stream's part. */
const PROMISED_STREAMS = 9500

/** Above this share of a core taken by others, a round is measured once more if there is time for it. */
export const DISTURBED = 0.1

/** Above this share even a median says little: processes that are made to wait find more to do at each turn, and look cheaper. */
const DISTURBED_BADLY = 0.25

/** How much others took of a core in each round of a row, at worst. Round 0 is warming up and counts for nothing. */
export function disturbances(row: Row, all: readonly Measurement[]): ReadonlyMap<number, number> {
  const found = new Map<number, number>()
  for (const one of all) if (one.row === row.name && one.round > 0) found.set(one.round, Math.max(found.get(one.round) ?? 0, one.foreignShare))
  return found
}

/**
 * Of more rounds than `rounds` the least disturbed count: chosen by what other processes took of our cores, never by
 * what was measured.
 */
export function judge(row: Row, all: readonly Measurement[], rounds: number, streams: number): Judged {
  const quietest = [...disturbances(row, all)].toSorted((a, b) => a[1] - b[1]).slice(0, rounds).map(([round]) => round)
  const counted = all.filter((one) => one.row === row.name && quietest.includes(one.round))
  const valueIn = (candidate: string, round: number): number => {
    const found = counted.find((one) => one.candidate === candidate && one.round === round)
    if (!found) return Number.NaN
    return row.direct ? found.value - valueOfDirect(round) : found.value
  }
  const valueOfDirect = (round: number) => counted.find((one) => one.candidate === 'direct' && one.round === round)?.value ?? Number.NaN
  const names = [...new Set(counted.map((one) => one.candidate))].filter((name) => name !== 'direct')
  const figures = names.map((candidate): Figure => {
    const own = counted.filter((one) => one.candidate === candidate)
    const values = own.map((one) => valueIn(candidate, one.round)).filter(Number.isFinite)
    // A wait below that of the direct way is noise, and a ratio to it nonsense.
    const ratios = own.filter((one) => valueIn('nginx', one.round) > 0)
      .map((one) => valueIn(candidate, one.round) / valueIn('nginx', one.round)).filter(Number.isFinite)
    const trouble = own.find((one) => one.trouble)?.trouble
    return {
      candidate, value: median(values), least: Math.min(...values), most: Math.max(...values),
      ...(ratios.length ? { ratio: median(ratios) } : {}), trouble, note: own.at(-1)?.note, rounds: own.length,
      gatewayShare: median(own.map((one) => one.gatewayShare)),
      mockShare: median(own.map((one) => one.mockShare)), loadShare: median(own.map((one) => one.loadShare)),
      foreignShare: median(own.map((one) => one.foreignShare)),
    }
  })
  return { row, figures, ...verdictOf(row, figures, streams) }
}

function verdictOf(row: Row, figures: readonly Figure[], streams: number): { verdict: Verdict; why: string } {
  const ours = figures.find((one) => one.candidate === 'signalbox')
  if (!ours) return { verdict: 'not measured', why: '' }
  if (row.name === 'memory' && streams < PROMISED_STREAMS) return { verdict: 'not measured', why: `promised at ${PROMISED_STREAMS.toLocaleString('en')}` }
  if (ours.trouble) return { verdict: 'not met', why: ours.trouble }
  const { kind, ours: limit, ofPortkey } = row.limit
  const figure = kind === 'ratio' ? ours.ratio : ours.value
  if (figure === undefined || !Number.isFinite(figure)) return { verdict: 'not measured', why: kind === 'ratio' ? 'no nginx to compare with' : 'no figure' }
  const kept = kind === 'least' ? figure >= limit : figure <= limit
  if (!kept) return { verdict: 'not met', why: '' }
  const portkey = figures.find((one) => one.candidate === 'portkey')
  if (ofPortkey && portkey && !portkey.trouble && ours.value > portkey.value * ofPortkey)
    return { verdict: 'not met', why: `${(ours.value / portkey.value).toFixed(2)} of Portkey's` }
  return { verdict: 'met', why: ofPortkey && !portkey ? 'Portkey not measured' : '' }
}

const round = (value: number): string =>
  !Number.isFinite(value) ? '–' : Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en') : Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(1)

function cell(row: Row, figure: Figure | undefined): string {
  if (!figure) return '–'
  const value = `${round(figure.value)} ${figure.candidate === 'nginx' || row.limit.kind !== 'ratio' ? row.unit : ''}`.trim()
  const mark = figure.trouble ? ' !' : !row.timed ? '' : saturated(figure) ? ' saturated' : figure.foreignShare > DISTURBED_BADLY ? ' disturbed' : ''
  if (row.limit.kind !== 'ratio' || figure.candidate === 'nginx' || figure.ratio === undefined) return value + mark
  return `${figure.ratio.toFixed(figure.ratio < 10 ? 2 : 1)} × (${value})${mark}`
}

const saturated = (figure: Figure): boolean => figure.mockShare + figure.loadShare > BUSY && figure.gatewayShare < FULL

function limitText(row: Row): string {
  const { kind, ours, later, ofPortkey } = row.limit
  const unit = kind === 'ratio' ? ' ×' : ` ${row.unit}`
  const sign = kind === 'least' ? '≥' : '≤'
  const first = kind === 'least' ? `${ours}${unit}` : `${sign} ${ours}${unit}`
  return `${first}${later ? ` (then ${later})` : ''}${ofPortkey ? `, ≤ 1/${Math.round(1 / ofPortkey)} of Portkey` : ''}`
}

const COLUMNS: readonly CandidateName[] = ['nginx', 'floor', 'portkey', 'signalbox']

/** The table, in Markdown with padded cells so that it reads in a terminal as well. */
export function table(judged: readonly Judged[], streams: number): string {
  const title = (row: Row) => (row.name === 'memory' ? `${row.title} at ${streams.toLocaleString('en')}` : row.title)
  const lines = [['figure', ...COLUMNS, 'limit', 'verdict']]
  for (const { row, figures, verdict, why } of judged)
    lines.push([title(row), ...COLUMNS.map((name) => cell(row, figures.find((one) => one.candidate === name))), limitText(row), why ? `${verdict}: ${why}` : verdict])
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  const print = (line: readonly string[]) => `| ${line.map((text, column) => text.padEnd(widths[column]!)).join(' | ')} |`
  return [print(lines[0]!), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...lines.slice(1).map(print)].join('\n')
}

/** Two checkouts, row by row: the median of ours ÷ the other's inside each round, between the quartiles of the rounds. */
export function comparison(rows: readonly Row[], all: readonly Measurement[]): string {
  return rows.map((row) => {
    const of = (candidate: string, at: number) => all.find((one) => one.row === row.name && one.candidate === candidate && one.round === at)?.value ?? Number.NaN
    const rounds = [...disturbances(row, all).keys()].filter((at) => Number.isFinite(of('signalbox', at) / of('other', at)))
    const ratios = rounds.map((at) => of('signalbox', at) / of('other', at)).toSorted((a, b) => a - b)
    const at = (part: number) => (ratios[Math.round((ratios.length - 1) * part)] ?? Number.NaN).toFixed(3)
    const values = (candidate: string) => `${round(median(rounds.map((each) => of(candidate, each))))} ${row.unit}`
    return `${row.name.padEnd(8)}${values('signalbox')} ÷ ${values('other')}: ${median(ratios).toFixed(3)} × [${at(0.25)}–${at(0.75)}], n = ${ratios.length}`
  }).join('\n')
}

/** Per row and gateway: spread, how hard mock and generator worked, what else ran on the gateway's core, and what went wrong. */
export function details(judged: readonly Judged[]): string {
  const percent = (share: number) => `${Math.round(share * 100)} %`
  return judged.flatMap(({ row, figures }) => figures.map((one) => {
    const parts = [`${row.name.padEnd(8)}${one.candidate.padEnd(10)}${round(one.value)} ${row.unit} [${round(one.least)}–${round(one.most)}], n = ${one.rounds}`]
    if (row.timed) {
      parts.push(`gateway ${percent(one.gatewayShare)} of its core, mock ${percent(one.mockShare)} + generator ${percent(one.loadShare)} of theirs` +
        (saturated(one) ? ' (saturated)' : ''))
      if (one.foreignShare > 0.05) parts.push(`other processes took ${percent(one.foreignShare)} of a core`)
    }
    if (one.note) parts.push(one.note)
    if (one.trouble) parts.push(`! ${one.trouble}`)
    return parts.join('; ')
  })).join('\n')
}
