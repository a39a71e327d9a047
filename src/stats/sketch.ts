/**
 * Percentiles that can be added up: a histogram whose buckets grow by two parts in a hundred, so that every value is
 * told within one in a hundred of what it was, whatever its size. Adding the sketches of two minutes gives exactly the
 * sketch of both, in any order, so figures that are rebuilt come out the same. (The idea is DDSketch's: Masson, Rim
 * and Lee, VLDB 2019. Why not its package: docs/decisions.)
 *
 * Values are milliseconds or tokens per second; what is below 1 counts as 1.
 */
export interface Sketch {
  /** Those that hold something, from the lowest; bucket i holds values in (γ^(i-1), γ^i]. */
  readonly buckets: readonly number[]
  /** How many values each of them holds. */
  readonly counts: readonly number[]
  readonly count: number
}

/** A percentile is at most this share beside the value that a full list would give. */
export const SKETCH_ERROR = 0.01
const GAMMA = (1 + SKETCH_ERROR) / (1 - SKETCH_ERROR)
const LOG_GAMMA = Math.log(GAMMA)

export const NO_SKETCH: Sketch = Object.freeze({ buckets: [], counts: [], count: 0 })

/** Collects values; `done` is the sketch of what was added so far. */
export class Sketching {
  readonly #buckets = new Map<number, number>()
  #count = 0

  add(value: number): void {
    const bucket = bucketOfValue(value)
    if (bucket !== null) this.#put(bucket, 1)
  }

  /** Counts a value in a bucket of the caller's own making. */
  addTo(bucket: number): void {
    this.#put(bucket, 1)
  }

  merge({ buckets, counts }: Sketch): void {
    for (let i = 0; i < buckets.length; i++) this.#put(buckets[i]!, counts[i]!)
  }

  /** The same of what is still being collected elsewhere, which then need not be put in order. */
  gather(other: Sketching): void {
    for (const [bucket, count] of other.#buckets) this.#put(bucket, count)
  }

  done(): Sketch {
    const buckets = [...this.#buckets.keys()].toSorted((a, b) => a - b)
    return { buckets, counts: buckets.map((bucket) => this.#buckets.get(bucket)!), count: this.#count }
  }

  #put(bucket: number, count: number): void {
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + count)
    this.#count += count
  }
}

/** The bucket that a value is counted in; null for what is no number. */
export function bucketOfValue(value: number): number | null {
  if (!Number.isFinite(value)) return null
  return value <= 1 ? 0 : Math.ceil(Math.log(value) / LOG_GAMMA)
}

/**
 * The sketch of all values of all. A week of an endpoint's hours is five hundred sketches: they are added up in one array
 * from the lowest bucket of all to the highest, which takes a tenth of what finding each bucket's count by its name does.
 */
export function merged(sketches: readonly Sketch[]): Sketch {
  if (sketches.length < 2) return sketches[0] ?? NO_SKETCH
  let [lowest, highest] = [Infinity, -Infinity]
  for (const { buckets } of sketches) {
    if (buckets.length === 0) continue
    lowest = Math.min(lowest, buckets[0]!)
    highest = Math.max(highest, buckets.at(-1)!)
  }
  if (lowest > highest) return NO_SKETCH
  const all = new Float64Array(highest - lowest + 1)
  let count = 0
  for (const { buckets, counts, count: own } of sketches) {
    for (let i = 0; i < buckets.length; i++) all[buckets[i]! - lowest]! += counts[i]!
    count += own
  }
  const [buckets, counts]: [number[], number[]] = [[], []]
  for (let i = 0; i < all.length; i++) {
    if (all[i] === 0) continue
    buckets.push(i + lowest)
    counts.push(all[i]!)
  }
  return { buckets, counts, count }
}

/**
 * The value that a share of all values does not exceed (nearest rank), within `SKETCH_ERROR`; null of nothing.
 * `quantile(s, 0.9)` is a p90.
 */
export function quantile(sketch: Sketch, share: number): number | null {
  return valueAt(sketch, Math.ceil(share * sketch.count))
}

/** The value that a share of all values reaches: the p90 of a throughput, which is below its p50. */
export function reachedBy(sketch: Sketch, share: number): number | null {
  return valueAt(sketch, sketch.count + 1 - Math.ceil(share * sketch.count))
}

/** The value of a rank, of which 1 is the lowest. */
function valueAt(sketch: Sketch, rank: number): number | null {
  const bucket = rankIn(sketch, rank)
  return bucket === null ? null : bucket === 0 ? 1 : 2 * GAMMA ** bucket / (GAMMA + 1)
}

/** The bucket of a rank. */
export function rankIn({ buckets, counts, count }: Sketch, rank: number): number | null {
  if (count === 0) return null
  let left = Math.min(count, Math.max(1, rank))
  for (let i = 0; i < buckets.length; i++) {
    left -= counts[i]!
    if (left <= 0) return buckets[i]!
  }
  return null
}

/** A sketch as text, for a column: `bucket*count` with the distance to the bucket before, `12*3 1 4*2`; null of nothing. */
export function sketchText({ buckets, counts, count }: Sketch): string | null {
  if (count === 0) return null
  let text = ''
  let before = 0
  for (let i = 0; i < buckets.length; i++) {
    text += `${i === 0 ? '' : ' '}${buckets[i]! - before}${counts[i] === 1 ? '' : `*${counts[i]}`}`
    before = buckets[i]!
  }
  return text
}

const [BLANK, STAR, MINUS, ZERO] = [32, 42, 45, 48]

/** The sketch that `sketchText` wrote. Read letter by letter: a page reads thousands, and splitting took ten times as long. */
export function sketchOf(text: string | null): Sketch {
  if (text === null || text === '') return NO_SKETCH
  const buckets: number[] = []
  const counts: number[] = []
  let count = 0
  let bucket = 0
  let step = 0
  let times = 1
  let number = 0
  let sign = 1
  for (let i = 0; i <= text.length; i++) {
    const letter = i === text.length ? BLANK : text.charCodeAt(i)
    if (letter === BLANK) {
      if (times === 0) times = number
      else step = sign * number
      bucket += step
      buckets.push(bucket)
      counts.push(times)
      count += times
      times = sign = 1
      number = 0
    } else if (letter === STAR) {
      step = sign * number
      times = number = 0
    } else if (letter === MINUS) sign = -1
    else number = number * 10 + letter - ZERO
  }
  return { buckets, counts, count }
}
