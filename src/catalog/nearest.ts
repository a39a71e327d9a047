/**
 * The words of a list that come nearest to one, nearest first: those within a third of its length in edits
 * (insert, delete, change, swap), or that contain it or are contained in it.
 */
export function nearest(word: string, known: Iterable<string>, count = 1): readonly string[] {
  const wanted = word.toLowerCase()
  const limit = Math.max(1, Math.floor(wanted.length / 3))
  const found: { text: string; distance: number }[] = []
  for (const text of known) {
    const candidate = text.toLowerCase()
    const within = wanted.length >= 4 && (candidate.includes(wanted) || (candidate.length >= 4 && wanted.includes(candidate)))
    const distance = Math.abs(candidate.length - wanted.length) > limit ? Infinity : edits(wanted, candidate, limit)
    if (distance <= limit) found.push({ text, distance })
    else if (within) found.push({ text, distance: limit + Math.abs(candidate.length - wanted.length) / 100 })
  }
  found.sort((a, b) => a.distance - b.distance || a.text.length - b.text.length || (a.text < b.text ? -1 : 1))
  return found.slice(0, count).map(({ text }) => text)
}

/** Edits between two words (optimal string alignment), or more than `limit` as soon as that is certain. */
function edits(a: string, b: string, limit: number): number {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    let least = i
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, before[j - 2]! + 1)
      row.push(cost)
      if (cost < least) least = cost
    }
    if (least > limit) return Infinity
    before = last
    last = row
  }
  return last[b.length]!
}
