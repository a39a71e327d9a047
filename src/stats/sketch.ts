/**
 * Percentiles that can be added up: a histogram whose buckets grow by two parts in a hundred, so that every value is
 * told within one in a hundred of what it was, whatever its size. Adding the sketches of two minutes gives exactly the
 * sketch of both, in any order, so figures that are rebuilt come out the same. (The idea is DDSketch's: Masson, Rim
 * and Lee, VLDB 2019. Why not its package: docs/decisions.)
 *
 * Values are milliseconds or tokens per second; what is below 1 counts as 1.
 */
export interface Sketch {
  /** Counts by bucket; bucket i holds values in (γ^(i-1), γ^i]. */
  readonly buckets: ReadonlyMap<number, number>
  readonly count: number
}

/** A percentile is at most this share beside the value that a full list would give. */
export const SKETCH_ERROR = 0.01
const GAMMA = (1 + SKETCH_ERROR) / (1 - SKETCH_ERROR)
const LOG_GAMMA = Math.log(GAMMA)

export const NO_SKETCH: Sketch = Object.freeze({ buckets: new Map<number, number>(), count: 0 })

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

  merge(other: Sketch): void {
    for (const [bucket, count] of other.buckets) this.#put(bucket, count)
  }

  done(): Sketch {
    return { buckets: this.#buckets, count: this.#count }
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

/** The sketch of all values of both. */
export function merged(sketches: Iterable<Sketch>): Sketch {
  const all = new Sketching()
  for (const sketch of sketches) all.merge(sketch)
  return all.done()
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
export function rankIn({ buckets, count }: Sketch, rank: number): number | null {
  if (count === 0) return null
  let left = Math.min(count, Math.max(1, rank))
  for (const bucket of [...buckets.keys()].toSorted((a, b) => a - b)) {
    left -= buckets.get(bucket)!
    if (left <= 0) return bucket
  }
  return null
}

/** A sketch as text, for a column: `bucket*count` with the distance to the bucket before, `12*3 1 4*2`; null of nothing. */
export function sketchText({ buckets, count }: Sketch): string | null {
  if (count === 0) return null
  let before = 0
  return [...buckets].toSorted(([a], [b]) => a - b).map(([bucket, times]) => {
    const step = bucket - before
    before = bucket
    return times === 1 ? String(step) : `${step}*${times}`
  }).join(' ')
}

/** The sketch that `sketchText` wrote. */
export function sketchOf(text: string | null): Sketch {
  if (text === null || text === '') return NO_SKETCH
  const buckets = new Map<number, number>()
  let bucket = 0
  let count = 0
  for (const word of text.split(' ')) {
    const star = word.indexOf('*')
    bucket += Number(star < 0 ? word : word.slice(0, star))
    const times = star < 0 ? 1 : Number(word.slice(star + 1))
    buckets.set(bucket, times)
    count += times
  }
  return { buckets, count }
}
