import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Roster, type Enrolled } from './roster.ts'
import { fc } from '../../test/properties.ts'

test('whoever was put on a roster and not taken off is on it once, in whatever order they come and go', () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.nat(9), fc.boolean())), (moves) => {
    const all = Array.from({ length: 10 }, (): Enrolled => ({ place: -1 }))
    const roster = new Roster<Enrolled>()
    const expected = new Set<Enrolled>()
    for (const [who, comes] of moves) {
      const one = all[who]!
      if (comes) roster.add(one)
      else roster.delete(one)
      if (comes) expected.add(one)
      else expected.delete(one)
    }
    const seen: Enrolled[] = []
    roster.each((one) => seen.push(one))
    assert.equal(roster.size, expected.size)
    assert.equal(seen.length, expected.size)
    assert.deepEqual(new Set(seen), expected)
  }))
})

test('members may be taken off while all are looked at, and nobody is left out for that', () => {
  for (const leaving of [[0], [4], [1, 3], [0, 1, 2, 3, 4]]) {
    const all = Array.from({ length: 5 }, (): Enrolled => ({ place: -1 }))
    const roster = new Roster<Enrolled>()
    for (const one of all) roster.add(one)
    const seen = new Set<Enrolled>()
    roster.each((one) => {
      seen.add(one)
      for (const at of leaving) roster.delete(all[at]!)
    })
    for (const [at, one] of all.entries()) assert.ok(seen.has(one) || leaving.includes(at), `${at} was left out when ${leaving.join()} left`)
    assert.equal(roster.size, 5 - leaving.length)
  }
})
