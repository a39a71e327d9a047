import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fc } from '../../test/properties.ts'
import { Line } from './line.ts'

const CLASSES = 3

/** Who comes: each is told apart by a number. */
interface Caller {
  readonly id: number
  readonly key: string
  readonly rank: number
}

const comes = fc.record({ do: fc.constant('join' as const), key: fc.constantFrom('a', 'b', 'c', 'd'), rank: fc.nat(CLASSES - 1) })
const step = fc.oneof({ weight: 3, arbitrary: comes }, { weight: 2, arbitrary: fc.constant({ do: 'next' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('overdue' as const), age: fc.nat(12) }) })

/** The same line as one list: who is next is looked for among all of them. */
class Plain {
  readonly waiting: (Caller & { readonly since: number })[] = []
  /** Keys that somebody stands here of, the one whose turn it is first. */
  readonly turns = Array.from({ length: CLASSES }, (): string[] => [])

  join(caller: Caller, since: number): void {
    this.waiting.push({ ...caller, since })
    const turns = this.turns[caller.rank]!
    if (!turns.includes(caller.key)) turns.push(caller.key)
  }

  next(): number | null {
    for (let rank = CLASSES - 1; rank >= 0; rank--) {
      const key = this.turns[rank]!.shift()
      if (key === undefined) continue
      this.turns[rank]!.push(key)
      return this.#take(this.waiting.find((one) => one.rank === rank && one.key === key)!)
    }
    return null
  }

  overdue(before: number): number | null {
    const [oldest] = this.waiting
    return oldest === undefined || oldest.since >= before ? null : this.#take(oldest)
  }

  #take(one: Caller & { readonly since: number }): number {
    this.waiting.splice(this.waiting.indexOf(one), 1)
    const { key, rank } = one
    if (!this.waiting.some((other) => other.key === key && other.rank === rank)) this.turns[rank]!.splice(this.turns[rank]!.indexOf(key), 1)
    return one.id
  }
}

/** A line to which so many of each key came, class by class. */
function lineOf(...classes: readonly Readonly<Record<string, number>>[]): Line<string> {
  const line = new Line<string>(classes.length)
  for (const [rank, keys] of classes.entries()) {
    for (const [key, count] of Object.entries(keys)) for (let i = 0; i < count; i++) line.join(key, key, rank, 0)
  }
  return line
}

function all(line: Line<string>): string {
  let order = ''
  for (let next = line.next(); next !== null; next = line.next()) order += next.of
  return order
}

describe('Whose turn it is', () => {
  test('is the only one of a key before the hundred of another', () => {
    assert.equal(all(lineOf({ g: 6, m: 1 })), 'gmggggg')
  })

  test('goes round among the keys, each of them losing as little as the others', () => {
    assert.equal(all(lineOf({ a: 3, b: 1, c: 2 })), 'abcaca')
  })

  test('is that of the better class as long as somebody of it stands here', () => {
    assert.equal(all(lineOf({ f: 2 }, { p: 2 }, { a: 2 })), 'aappff')
  })

  test('comes for a key that left and came back behind all those who stayed', () => {
    const line = lineOf({ a: 1, b: 2 })
    assert.equal(line.next()!.of, 'a')
    line.join('a', 'a', 0, 1)
    assert.equal(all(line), 'bab')
  })
})

describe('Whatever comes', () => {
  test('the line is the one that a list would be: nobody is lost, nobody has two turns, nobody of a key passes another of it', () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const [line, plain] = [new Line<number>(CLASSES), new Plain()]
      for (const [now, it] of steps.entries()) {
        if (it.do === 'join') {
          line.join(now, it.key, it.rank, now)
          plain.join({ id: now, key: it.key, rank: it.rank }, now)
        } else if (it.do === 'next') assert.equal(line.next()?.of ?? null, plain.next())
        else assert.equal(line.overdue(now - it.age)?.of ?? null, plain.overdue(now - it.age))
        assert.equal(line.size, plain.waiting.length)
        assert.equal(line.keys, plain.turns.flat().length, 'a key that nobody stands here of is known, or one that somebody does is not')
        assert.equal(line.oldest?.of ?? null, plain.waiting[0]?.id ?? null)
      }
    }))
  })

  test('there is a turn as long as somebody stands here', () => {
    fc.assert(fc.property(fc.array(comes, { minLength: 1, maxLength: 60 }), (joins) => {
      const line = new Line<number>(CLASSES)
      for (const [i, { key, rank }] of joins.entries()) line.join(i, key, rank, i)
      const seen = new Set<number>()
      for (let i = 0; i < joins.length; i++) seen.add(line.next()!.of)
      assert.equal(seen.size, joins.length)
      assert.equal(line.next(), null)
    }))
  })

  test('who joins only where it fits makes the line no longer than keys that come one after the other can; nobody who has less than a part is kept out', () => {
    fc.assert(fc.property(fc.array(fc.oneof({ weight: 4, arbitrary: comes }, { weight: 1, arbitrary: fc.constant({ do: 'next' as const }) }), { maxLength: 200 }),
      fc.integer({ min: 1, max: 20 }), (steps, most) => {
        const [line, plain] = [new Line<number>(CLASSES), new Plain()]
        for (const [now, it] of steps.entries()) {
          if (it.do === 'next') {
            line.next()
            plain.next()
            continue
          }
          const fits = line.fits(it.key, it.rank, most)
          const better = plain.waiting.filter(({ rank }) => rank > it.rank).length
          const own = plain.waiting.filter(({ rank, key }) => rank === it.rank && key === it.key).length
          const keys = new Set([...plain.turns[it.rank]!, it.key]).size
          if (better >= most) assert.equal(fits, false, 'a better class has the whole line')
          else if (own === 0 || own < (most - better) / keys) assert.equal(fits, true, 'a key that has less than its part is kept out')
          if (!fits) continue
          line.join(now, it.key, it.rank, now)
          plain.join({ id: now, key: it.key, rank: it.rank }, now)
          assert.ok(plain.waiting.filter(({ rank }) => rank === it.rank).length <= most * (1 + Math.log(keys)) + keys)
        }
      }))
  })

  test('two keys that send as much as they can have the same part of a line', () => {
    const line = new Line<string>(1)
    const stand = { a: 0, b: 0 }
    for (let i = 0; i < 1000; i++) {
      for (const key of ['a', 'b'] as const) {
        if (!line.fits(key, 0, 20)) continue
        line.join(key, key, 0, i)
        stand[key]++
      }
      if (i % 3 === 0) stand[line.next()!.of as 'a' | 'b']--
    }
    assert.deepEqual([stand.a + stand.b >= 19, Math.abs(stand.a - stand.b) <= 1], [true, true], JSON.stringify(stand))
  })

  test('a key of which one stands here is passed by no other key twice, however many come of it meanwhile', () => {
    fc.assert(fc.property(fc.array(fc.constantFrom('b', 'c', 'd'), { maxLength: 40 }), fc.nat(5), (crowd, each) => {
      const line = new Line<string>(1)
      for (const key of crowd) line.join(key, key, 0, 0)
      line.join('a', 'a', 0, 0)
      const passed = new Set<string>()
      for (let next = line.next()!; next.of !== 'a'; next = line.next()!) {
        assert.equal(passed.has(next.of), false, `${next.of} has its second turn before the first of a`)
        passed.add(next.of)
        for (let i = 0; i < each; i++) line.join('b', 'b', 0, 0)
      }
    }))
  })
})
