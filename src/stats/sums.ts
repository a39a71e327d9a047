import { bucketOf, COUNTS, CUTS, FIRST_OF_TRIES, MONEY, SKETCHES, type Called, type Contribution, type Count, type Cut, type Grain, type Measure } from './cuts.ts'
import { bucketOfValue, Sketching } from './sketch.ts'

/** What a group of calls comes to in one stretch of time. */
export interface Sum {
  /** The beginning of the stretch. */
  readonly at: number
  /** Of one of its calls: its cut's names are the same in all of them. */
  readonly of: Called
  /** The names of the group, and the same joined. */
  readonly names: readonly string[]
  readonly group: string
  /** In the order of `COUNTS`. Lists, not objects: they are added to each other by the ten thousand. */
  readonly counts: number[]
  /** In the order of `MONEY`. */
  readonly money: bigint[]
  /** In the order of `SKETCHES`; null for cuts that keep none. */
  readonly sketches: readonly Sketching[] | null
}

/** The sums of one cut by one length of time. */
export interface SumsOfCut {
  readonly cut: string
  readonly grain: Grain
  readonly measured: boolean
  readonly sums: readonly Sum[]
}

/** Calls of one stretch that differ in nothing that cuts group by, and tries of such calls. */
interface Alike {
  readonly of: Called
  readonly at: number
  /** There are calls among them, and not only tries of calls that another endpoint answered, or none. */
  called: boolean
  readonly counts: number[]
  readonly money: bigint[]
  /** By measure, the bucket of each value in a sketch. */
  readonly buckets: readonly number[][]
}

/** Between the names of a group; no name has one. */
const NAMES_END = '\n'
const HOUR: Grain = 60
const NO_COUNTS: readonly number[] = COUNTS.map(() => 0)
const NO_MONEY: readonly bigint[] = MONEY.map(() => 0n)
const PLACES = Object.fromEntries(COUNTS.map((count, place) => [count, place])) as Readonly<Record<Count, number>>
const MEASURES = Object.fromEntries(SKETCHES.map((measure, place) => [measure, place])) as Readonly<Record<Measure, number>>

/**
 * What the calls of a step come to, by every cut and length of time. Three things keep it cheap: calls that are alike are
 * added up before they are handed to the cuts; hours and days are made of the shortest time that a cut is kept for; and
 * a cut whose groups are made of another's is made of that one.
 */
export class Sums {
  readonly #alike = new Map<string, Alike>()
  readonly #minutesFrom: number

  /** Minutes are kept from a moment on: those before would be removed again, and a rebuild of a year is mostly such. */
  constructor(minutesFrom: number) {
    this.#minutesFrom = minutesFrom
  }

  /** How many calls differ in what cuts group by: no step writes more than some rows for each. */
  get size(): number {
    return this.#alike.size
  }

  add({ of, at, attempt, counts, money, measures }: Contribution): void {
    const begin = bucketOf(at, at < this.#minutesFrom ? HOUR : 1)
    const name = `${begin}\n${of.endpoint}\n${of.app}\n${of.workspace}\n${of.key}\n${of.user}\n${of.context}`
    let alike = this.#alike.get(name)
    if (alike === undefined) {
      this.#alike.set(name, alike = { of, at: begin, called: false, counts: NO_COUNTS.slice(), money: NO_MONEY.slice(), buckets: SKETCHES.map(() => []) })
    }
    if (!attempt) alike.called = true
    for (const count in counts) alike.counts[PLACES[count as Count]]! += counts[count as Count]!
    for (const [i, kind] of MONEY.entries()) if (money[kind] !== 0n) alike.money[i]! += money[kind]
    for (const measure in measures) {
      const bucket = bucketOfValue(measures[measure as Measure]!)
      if (bucket !== null) alike.buckets[MEASURES[measure as Measure]]!.push(bucket)
    }
  }

  /** What it all comes to, cut by cut; each takes some milliseconds to make. */
  *byCut(): Generator<readonly SumsOfCut[]> {
    const made = new Map<string, readonly SumsOfCut[]>()
    for (const cut of CUTS) {
      const tables = cut.from === undefined ? this.#of(cut) : partsOf(cut, made.get(cut.from)!)
      made.set(cut.name, tables)
      yield tables
    }
  }

  #of(cut: Cut): readonly SumsOfCut[] {
    const [first, ...longer] = cut.grains as readonly [Grain, ...Grain[]]
    // Of what lies before the first minute that is kept there are no minutes to begin with.
    const early = new Places(cut)
    const late = new Places(cut)
    for (const { of, at, called, counts, money, buckets } of this.#alike.values()) {
      if (!called && !cut.attempts) continue
      const isEarly = first === 1 && at < this.#minutesFrom
      const sum = (isEarly ? early : late).at(bucketOf(at, isEarly ? HOUR : first), of)
      addCounts(sum.counts, counts, cut.attempts ? COUNTS.length : FIRST_OF_TRIES)
      addMoney(sum.money, money)
      if (sum.sketches !== null) for (const [i, own] of buckets.entries()) for (const bucket of own) sum.sketches[i]!.addTo(bucket)
    }
    const tables = [late.table(first)]
    for (const grain of longer) {
      const places = new Places(cut)
      for (const sum of tables.at(-1)!.sums) places.merge(sum, grain)
      if (grain === HOUR) for (const sum of early.table(grain).sums) places.merge(sum, grain)
      tables.push(places.table(grain))
    }
    return tables
  }
}

/** The tables of a cut, made of those of another whose groups are parts of its own. */
function partsOf(cut: Cut, tables: readonly SumsOfCut[]): readonly SumsOfCut[] {
  return cut.grains.map((grain) => {
    const places = new Places(cut)
    for (const sum of tables.find((table) => table.grain === grain)!.sums) places.merge(sum, grain)
    return places.table(grain)
  })
}

/** Sums by stretch of time and group. */
class Places {
  readonly #cut: Cut
  readonly #sums = new Map<number, Map<string, Sum>>()

  constructor(cut: Cut) {
    this.#cut = cut
  }

  /** The sum of a call's place, new when there was none. */
  at(at: number, of: Called): Sum {
    let groups = this.#sums.get(at)
    if (groups === undefined) this.#sums.set(at, groups = new Map())
    const names = this.#cut.by(of)
    const group = names.join(NAMES_END)
    let sum = groups.get(group)
    if (sum === undefined) {
      groups.set(group, sum = {
        at, of, names, group, counts: NO_COUNTS.slice(), money: NO_MONEY.slice(), sketches: this.#cut.measured ? SKETCHES.map(() => new Sketching()) : null,
      })
    }
    return sum
  }

  /** Adds a sum to the one, of a longer time or of fewer names, that it is a part of. */
  merge(from: Sum, grain: Grain): void {
    const to = this.at(bucketOf(from.at, grain), from.of)
    addCounts(to.counts, from.counts, COUNTS.length)
    addMoney(to.money, from.money)
    if (to.sketches !== null) for (const [i, sketch] of to.sketches.entries()) sketch.gather(from.sketches![i]!)
  }

  table(grain: Grain): SumsOfCut {
    return { cut: this.#cut.name, grain, measured: this.#cut.measured, sums: [...this.#sums.values()].flatMap((groups) => [...groups.values()]) }
  }
}

function addCounts(to: number[], from: readonly number[], until: number): void {
  for (let i = 0; i < until; i++) to[i]! += from[i]!
}

function addMoney(to: bigint[], from: readonly bigint[]): void {
  for (let i = 0; i < from.length; i++) if (from[i] !== 0n) to[i]! += from[i]!
}
