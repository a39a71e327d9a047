import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Departure } from '../core/index.ts'
import { createFakeAmbient } from '../testing/index.ts'
import { awaitPlace, Places, type PlacesRules, type Share } from './places.ts'

const [FREE, PLAYGROUND, API] = [0, 1, 2]

/** Places with a clock of the test; who waits there is called by a name, and who was let in is in `order`. */
function door(rules: Partial<PlacesRules> = {}) {
  const { monotonic, advance } = createFakeAmbient()
  const places = new Places(() => ({ limit: 10, keyShare: 1, queueMs: 100, ...rules }), monotonic)
  const order: string[] = []
  const shares: Share[] = []
  const waits = (name: string, key: string, rank = API): boolean => places.join({
    key, rank,
    admit(share) {
      order.push(name)
      shares.push(share)
    },
    dismiss() { order.push(`${name} dismissed`) },
  })
  const fill = (key: string, count: number, rank = API): Share[] =>
    Array.from({ length: count }, () => places.take(key, rank)).filter((share) => share !== null)
  return { places, order, shares, waits, fill, advance }
}

describe('The number of places', () => {
  test('is never passed, and each that is given back is free for another', () => {
    const { places, fill } = door()
    const taken = fill('a', 12)
    assert.equal(taken.length, 10)
    taken[0]!.release()
    assert.equal(fill('a', 3).length, 1)
    assert.equal(places.running, 10)
  })

  test('leaves the last fifth to better classes than the free one, and the last tenth to the API', () => {
    const { fill } = door()
    assert.equal(fill('a', 10, FREE).length, 8)
    assert.equal(fill('a', 10, PLAYGROUND).length, 1)
    assert.equal(fill('a', 10, API).length, 1)
  })

  test('lets somebody of the lowest class in even where it is one', () => {
    assert.equal(door({ limit: 1 }).fill('a', 1, FREE).length, 1)
  })

  test('may be lowered while more are inside: nobody is thrown out, nobody comes in until enough have left', () => {
    const rules = { limit: 4 }
    const places = new Places(() => ({ ...rules, keyShare: 1, queueMs: 100 }), () => 0)
    const taken = [1, 2, 3, 4].map(() => places.take('a', API)!)
    rules.limit = 2
    for (const share of taken.slice(0, 2)) share.release()
    assert.equal(places.take('b', API), null)
    taken[2]!.release()
    assert.ok(places.take('b', API))
  })
})

describe('The share of a key', () => {
  test('is four fifths while it is alone, so that whoever comes next finds a place', () => {
    const { places, fill } = door({ limit: 100, keyShare: 0.8 })
    assert.equal(fill('greedy', 100).length, 80)
    assert.equal(places.refusal('greedy', API), 'share')
    assert.equal(fill('other', 1).length, 1)
  })

  test('shrinks as others come, and nobody has to know how many there are', () => {
    const { places } = door({ limit: 1000, keyShare: 0.8 })
    const held = new Map<string, number>([['a', 0], ['b', 0], ['c', 0]])
    for (let round = 0; round < 1000; round++) {
      for (const key of held.keys()) if (places.take(key, API)) held.set(key, held.get(key)! + 1)
    }
    for (const [key, count] of held) assert.ok(count > 280 && count < 320, `${key} has ${count} of 1000`)
  })

  test('is no business of a limit under five, where it would leave places empty', () => {
    assert.equal(door({ limit: 4, keyShare: 0.8 }).fill('a', 5).length, 4)
    assert.equal(door({ limit: 2, keyShare: 0.8 }).fill('a', 5).length, 2)
  })

  test('is everything where the operator says so', () => {
    assert.equal(door({ limit: 100, keyShare: 1 }).fill('a', 200).length, 100)
  })
})

describe('The queue', () => {
  test('has as many places as there are inside, then nobody can even wait', () => {
    const { places, fill, waits } = door({ limit: 4 })
    fill('z', 4)
    for (const key of ['a', 'b', 'c', 'd']) assert.equal(waits(key, key), true)
    assert.equal(places.waiting, 4)
    assert.equal(waits('e', 'e'), false)
    assert.equal(places.hopeless('e', API), true)
    assert.equal(places.refusal('e', API), 'full')
  })

  test('takes the best class first, whoever came first', () => {
    const { fill, waits, order } = door()
    const inside = fill('z', 10)
    waits('free', 'a', FREE)
    waits('play', 'a', PLAYGROUND)
    waits('api', 'a', API)
    for (const share of inside) share.release()
    assert.deepEqual(order, ['api', 'play', 'free'])
  })

  test('does so also where the classes may fill it alike', () => {
    const { fill, waits, order } = door({ limit: 4 })
    const inside = fill('z', 4)
    waits('free', 'a', FREE)
    waits('play', 'a', PLAYGROUND)
    for (const share of inside.slice(0, 2)) share.release()
    assert.deepEqual(order, ['play'])
  })

  test('gives keys their turns, so that one with many waiting does not stand before one with a single call', () => {
    const { fill, waits, order } = door()
    const inside = fill('z', 10)
    for (const n of [1, 2, 3, 4]) waits(`greedy ${n}`, 'greedy')
    waits('modest', 'modest')
    for (const share of inside) share.release()
    assert.deepEqual(order, ['greedy 1', 'modest', 'greedy 2', 'greedy 3', 'greedy 4'])
  })

  test('keeps room for other keys however many calls one has waiting', () => {
    const { fill, waits } = door({ limit: 100 })
    fill('z', 100)
    let joined = 0
    while (waits('x', 'greedy')) joined++
    assert.ok(joined <= 51, `${joined} of 100 are one key's`)
    assert.equal(waits('y', 'other'), true)
  })

  test('when it is full gives the room of the latest of the lowest class to a better one, and tells it', () => {
    const { fill, waits, order } = door({ limit: 3 })
    fill('z', 3)
    waits('one', 'a', FREE)
    waits('two', 'b', FREE)
    waits('three', 'c', PLAYGROUND)
    assert.equal(waits('four', 'd', API), true)
    assert.deepEqual(order, ['two dismissed'])
    assert.equal(waits('five', 'e', FREE), false)
  })

  test('that never gets empty keeps an eighth of its room, so that those who get in have hardly waited', () => {
    const { places, fill, waits, advance } = door({ limit: 16 })
    const inside = fill('z', 16)
    waits('first', 'a')
    advance(101)
    assert.equal(waits('second', 'b'), true)
    assert.equal(waits('third', 'c'), false)
    for (const share of inside.slice(0, 2)) share.release()
    assert.equal(places.waiting, 0)
    fill('z', 16)
    for (const key of ['d', 'e', 'f', 'g']) assert.equal(waits(key, key), true)
  })

  test('passes over a key that has its share, and comes back to it', () => {
    const { places, fill, waits, order } = door({ limit: 10, keyShare: 0.8 })
    const greedy = fill('greedy', 10)
    const others = fill('other', 10)
    waits('greedy again', 'greedy')
    waits('third', 'third')
    others[0]!.release()
    assert.deepEqual(order, ['third'])
    for (const share of greedy) share.release()
    assert.deepEqual(order, ['third', 'greedy again'])
    assert.equal(places.waiting, 0)
  })

  test('is none at all when nobody may wait', () => {
    const { fill, waits } = door({ queueMs: 0 })
    fill('z', 10)
    assert.equal(waits('a', 'a'), false)
  })
})

describe('Waiting', () => {
  const at = (limit: number) => new Places(() => ({ limit, keyShare: 1, queueMs: 100 }), () => 0)
  const who = (departure = new Departure()) => ({ key: 'k', rank: API, departure })

  test('ends with the first place that comes free at any door, and holds nothing at the others', async () => {
    const [one, two] = [at(1), at(1)]
    one.take('z', API)
    const inside = two.take('z', API)!
    const waiting = awaitPlace([one, two], who(), 1000)!
    inside.release()
    assert.equal((await waiting)!.places, two)
    assert.deepEqual([one.waiting, two.waiting, one.running, two.running], [0, 0, 1, 1])
  })

  test('ends without a place when its time has passed', async () => {
    const one = at(1)
    one.take('z', API)
    assert.equal(await awaitPlace([one], who(), 5), null)
    assert.equal(one.waiting, 0)
  })

  test('ends at once when the caller leaves, and the place goes to the next', async () => {
    const one = at(2)
    const [inside] = [one.take('z', API)!, one.take('z', API)]
    const departure = new Departure()
    const left = awaitPlace([one], who(departure), 5000)!
    const next = awaitPlace([one], { ...who(), key: 'next' }, 5000)!
    departure.leave()
    inside.release()
    assert.equal(await left, null)
    assert.equal((await next)!.key, 'next')
  })

  test('ends at once for one whose room a better class took', async () => {
    const one = at(1)
    one.take('z', API)
    const dismissed = awaitPlace([one], { ...who(), rank: FREE }, 60_000)!
    const better = awaitPlace([one], who(), 5)!
    assert.equal(await dismissed, null)
    await better
  })

  test('after very many endings of every kind nobody is inside and nobody waits', async () => {
    const one = new Places(() => ({ limit: 8, keyShare: 0.8, queueMs: 100 }), () => 0)
    let seed = 7
    const draw = (below: number) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % below
    const calls = Array.from({ length: 20_000 }, async () => {
      const departure = new Departure()
      const mine = { key: `key ${draw(2000)}`, rank: draw(3), departure }
      if (draw(5) === 0) setImmediate(() => departure.leave())
      const share = one.take(mine.key, mine.rank) ?? await awaitPlace([one], mine, draw(20))
      if (share === null) return
      if (draw(2) === 0) await new Promise(setImmediate)
      share.release()
    })
    await Promise.all(calls)
    assert.deepEqual([one.running, one.waiting, [0, 1, 2].map((rank) => one.waitingOf(rank))], [0, 0, [0, 0, 0]])
  })
})
