import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeAmbient } from '../testing/index.ts'
import { allot, createPressure, steered } from './pressure.ts'

const [FREE, PLAYGROUND, API] = [0, 1, 2]
const came = (...classes: Readonly<Record<string, number>>[]) => classes.map((keys) => new Map(Object.entries(keys)))

describe('What is turned away of the calls that came', () => {
  test('is the free class before anything else', () => {
    const { cut, kept } = allot(came({ a: 50 }, { b: 10 }, { c: 40 }), 0.3)
    assert.equal(cut, FREE)
    assert.ok(Math.abs(kept.get('a')! - 0.4) < 1e-9)
  })

  test('then the playground, and the API only when nothing else is left to refuse', () => {
    assert.equal(allot(came({ a: 50 }, { b: 10 }, { c: 40 }), 0.55).cut, PLAYGROUND)
    const { cut, kept } = allot(came({ a: 50 }, { b: 10 }, { c: 40 }), 0.8)
    assert.equal(cut, API)
    assert.ok(Math.abs(kept.get('c')! - 0.5) < 1e-9)
  })

  test('is only of the key that asks for more than the others: a hundred times the calls take nothing from anybody', () => {
    const { kept } = allot(came({}, {}, { greedy: 1000, one: 10, two: 10 }), 0.5)
    assert.equal(kept.get('one'), 1)
    assert.equal(kept.get('two'), 1)
    assert.ok(Math.abs(kept.get('greedy')! - 0.49) < 1e-9)
  })

  test('is the same part of two keys that ask for the same', () => {
    const { kept } = allot(came({}, {}, { one: 100, two: 100 }), 0.25)
    assert.deepEqual([...kept.values()], [0.75, 0.75])
  })
})

describe('The share that is turned away', () => {
  test('grows by a part of what is let in while too much is lost, the more the farther that is off, and never takes in everybody', () => {
    assert.ok(Math.abs(steered(0.5, 75, 50) - 0.5125) < 1e-9)
    assert.ok(Math.abs(steered(0.5, 100, 50) - 0.525) < 1e-9)
    assert.equal(steered(0.5, 5000, 50), steered(0.5, 150, 50))
    assert.ok(steered(0.98, 500, 50) <= 0.98)
  })

  test('comes back by time and not by steps, which a busy machine makes long', () => {
    assert.ok(Math.abs(steered(0.5, 0, 50, 1000) - 0.25) < 1e-9)
  })

  test('is back to nothing within five seconds of the end of the load', () => {
    let share = 0.98
    let steps = 0
    for (; share > 0; steps++) share = steered(share, 5, 50)
    assert.ok(steps * 100 <= 5000, `${steps * 100} ms`)
  })
})

/** A loop whose ticks come as late as the test says, of which other programs take a part. */
function loop() {
  const { random } = createFakeAmbient()
  let now = 0
  let stolen = 0
  let unseen = 0
  const pressure = createPressure({
    ambient: { monotonic: () => now, random }, classes: 3, rules: () => ({ delayMs: 200 }), stolenMs: () => stolen, workedMs: () => now - stolen - unseen,
  })
  pressure.arrived('a', API)
  const late = (ms: number, times: number, given: { readonly stolen?: number; readonly unseen?: number; readonly calls?: number } = {}) => {
    for (let i = 0; i < times; i++) {
      now += 20 + ms
      stolen += given.stolen ?? 0
      unseen += given.unseen ?? 0
      for (let call = 0; call < (given.calls ?? 10); call++) pressure.arrived('a', API)
      pressure.tick(now)
    }
  }
  return { pressure, late }
}

describe('The loop', () => {
  test('that is late for a second has calls turned away, and all are let in again within five seconds of its end', (t) => {
    const { pressure, late } = loop()
    t.after(() => pressure.close())
    late(250, 3)
    assert.equal(pressure.shedding, false, 'for less than a second nothing is done')
    late(250, 3)
    assert.equal(pressure.shedding, true)
    assert.ok(pressure.refuses('a', FREE), 'nothing of a lower class gets in')
    late(250, 30)
    assert.ok(pressure.share > 0.9)
    late(0, 250)
    assert.equal(pressure.shedding, false)
    assert.equal(pressure.refuses('a', FREE), false)
  })

  test('that is late in a moment when nobody comes still knows whom to turn away in the next', (t) => {
    const { pressure, late } = loop()
    t.after(() => pressure.close())
    late(250, 40)
    late(250, 1, { calls: 0 })
    assert.equal(pressure.cut, API)
    assert.ok(pressure.refuses('a', PLAYGROUND))
  })

  test('that one long task held up turns nobody away', (t) => {
    const { pressure, late } = loop()
    t.after(() => pressure.close())
    late(5000, 1)
    late(0, 20)
    late(5000, 2)
    late(0, 5)
    assert.equal(pressure.shedding, false)
  })

  test('that is late while nobody comes, as in a start or a reload, turns the next caller away as little', (t) => {
    const { pressure, late } = loop()
    t.after(() => pressure.close())
    late(600, 1)
    late(600, 5, { calls: 0 })
    late(600, 1)
    assert.equal(pressure.shedding, false)
  })

  test('that a thousand callers at once make late turns none of them away, nor those who come after', (t) => {
    let now = 0
    const pressure = createPressure({ ambient: { monotonic: () => now, random: () => 0 }, classes: 3, rules: () => ({ delayMs: 200 }), stolenMs: () => 0, workedMs: () => now })
    t.after(() => pressure.close())
    pressure.arrived('a', API)
    for (let i = 0; i < 10; i++) pressure.tick(now += 20)
    for (let i = 0; i < 1000; i++, now += 0.4) {
      pressure.arrived('a', API)
      assert.equal(pressure.shedding, false, `number ${i}`)
    }
    pressure.tick(now += 20)
    assert.equal(pressure.shedding, false)
  })

  test('that is late because another machine has the processor, of which no program here is told, turns nobody away', (t) => {
    const { pressure, late } = loop()
    t.after(() => pressure.close())
    late(400, 30, { unseen: 390 })
    assert.equal(pressure.shedding, false)
  })

  test('that is late because other programs have the processor turns nobody away', (t) => {
    const { pressure, late } = loop()
    t.after(() => pressure.close())
    late(400, 30, { stolen: 390 })
    assert.equal(pressure.shedding, false)
    assert.ok(pressure.delayMs < 20)
  })
})

/** Calls at a loop that turns when the test says so. */
function turning() {
  let now = 0
  let worked = 0
  let laters: (() => void)[] = []
  const told: string[] = []
  const pressure = createPressure({
    ambient: { monotonic: () => now, random: () => 0.5 }, classes: 3, rules: () => ({ delayMs: 200 }), stolenMs: () => now - worked, workedMs: () => worked,
    later: (then) => laters.push(then),
  })
  pressure.arrived('greedy', API)
  const work = (ms: number): void => {
    now += ms
    worked += ms
  }
  return {
    pressure, work,
    others(ms: number): void { now += ms },
    come(key: string, name = key, rank = API): void {
      const begins = pressure.turn(key, rank)
      if (begins === null) told.push(`${name} at once`)
      else void begins.then((it) => told.push(it ? name : `not ${name}`))
    },
    async turn(): Promise<readonly string[]> {
      const these = laters
      laters = []
      for (const then of these) {
        then()
        await Promise.resolve()
      }
      return told.splice(0)
    },
    /** An overload that has just been got over: some are turned away still, and a half of them would be too many. */
    overcome(): void {
      const step = (times: number, ms: number): void => {
        for (let i = 0; i < times; i++) {
          work(ms)
          for (let call = 0; call < 10 * ms; call++) pressure.arrived('greedy', API)
          pressure.arrived('modest', API)
          pressure.tick(now)
        }
      }
      step(20, 400)
      while (pressure.share > 0.3) step(1, 20)
      assert.equal(pressure.refuses('greedy', API), false)
    },
  }
}

describe('Calls that come all at once', () => {
  test('begin eight at once and four in each turn of the loop from then on, so that whoever is to be turned away, or connects, has not to wait for all', async (t) => {
    const { pressure, come, turn } = turning()
    t.after(() => pressure.close())
    for (let i = 0; i < 17; i++) come('a', String(i))
    assert.deepEqual(await turn(), [...Array.from({ length: 8 }, (_, i) => `${i} at once`), '8', '9', '10', '11'])
    assert.deepEqual(await turn(), ['12', '13', '14', '15'])
    come('a', 'who came later')
    assert.deepEqual(await turn(), ['16', 'who came later'])
    assert.deepEqual(await turn(), [])
  })

  test('wait for none of another key that has as many more as it likes', async (t) => {
    const { pressure, come, turn } = turning()
    t.after(() => pressure.close())
    for (let i = 0; i < 100; i++) come('greedy')
    come('modest')
    assert.deepEqual((await turn()).slice(8), ['greedy', 'modest', 'greedy', 'greedy'])
  })

  test('are all let in, however long that takes, where there was no trouble before', (t) => {
    const { pressure, come, work } = turning()
    t.after(() => pressure.close())
    for (let i = 0; i < 1000; i++) {
      come('greedy')
      work(1)
      assert.equal(pressure.refuses('greedy', API), false)
    }
  })

  test('after trouble are turned away as soon as those before them take 25 ms, but for the key that asks for little', async (t) => {
    const { pressure, come, turn, work, overcome } = turning()
    t.after(() => pressure.close())
    overcome()
    // As much as each of them takes, and so few that no turn has to wait.
    for (let i = 0; i < 200; i++) {
      come('greedy')
      work(1)
      await turn()
    }
    let standing = 0
    for (; standing < 200 && !pressure.refuses('greedy', API); standing++) come('greedy')
    assert.ok(standing >= 20 && standing <= 40, `${standing} stand there`)
    assert.equal(pressure.refuses('modest', API), false)
    assert.equal(pressure.refuses('modest', PLAYGROUND), true, 'a lower class joins a line that a better one has filled')
    while ((await turn()).length > 0) { /* until the line is empty */ }
    assert.equal(pressure.refuses('greedy', API), false)
  })

  test('after trouble still find room for what two turns of the loop begin, however long each of them takes', async (t) => {
    const { pressure, come, turn, work, overcome } = turning()
    t.after(() => pressure.close())
    overcome()
    for (let i = 0; i < 200; i++) {
      come('greedy')
      work(30)
      await turn()
    }
    let standing = 0
    for (; standing < 200 && !pressure.refuses('greedy', API); standing++) come('greedy')
    assert.equal(standing, 8)
    for (let i = 0; i < 4; i++) {
      assert.equal(pressure.refuses('modest', API), false, `its call number ${i + 1}`)
      come('modest')
    }
    assert.equal(pressure.refuses('modest', API), true)
    assert.deepEqual((await turn()).filter((name) => name === 'modest').length + (await turn()).filter((name) => name === 'modest').length, 4)
  })

  test('and have waited since before anybody was turned away are told so, and nothing is begun for them', async (t) => {
    const { pressure, come, turn, work, overcome } = turning()
    t.after(() => pressure.close())
    overcome()
    for (let i = 0; i < 16; i++) come('greedy')
    for (let i = 0; i < 10; i++) {
      work(30)
      come('modest')
    }
    const told = [...await turn(), ...await turn(), ...await turn()]
    assert.deepEqual(told.filter((name) => name.startsWith('not')), Array.from({ length: 8 }, () => 'not greedy').concat(Array.from({ length: 3 }, () => 'not modest')))
  })

  test('and are of a class whose turn does not come are told so, and do not wait for ever', async (t) => {
    const { pressure, come, turn, work, overcome } = turning()
    t.after(() => pressure.close())
    overcome()
    for (let i = 0; i < 12; i++) come('api')
    come('free', 'free', FREE)
    const told: string[] = []
    for (let i = 0; i < 40; i++) {
      for (let one = 0; one < 8; one++) come('api')
      work(20)
      told.push(...await turn())
    }
    assert.deepEqual(told.filter((name) => name.includes('free')), ['not free'])
  })

  test('wait by the clock of this program: neither what others have of the processor nor one long task makes the wait too long', (t) => {
    const { pressure, come, work, others, overcome } = turning()
    t.after(() => pressure.close())
    overcome()
    for (let i = 0; i < 20; i++) come('greedy')
    others(5000)
    come('greedy')
    work(5000)
    come('greedy')
    assert.equal(pressure.refuses('greedy', API), false)
  })
})

/** What came of a load: of what can be served at most, the part that was; and the 99th percentiles of milliseconds. */
interface Came {
  readonly goodput: number
  readonly served: number
  readonly refused: number
  /** Of the key that asks for little, and how many of its calls were turned away. */
  readonly modest: number
  readonly modestRefused: number
}

/** What a stream costs: as much before it goes to its provider, and so much for each of its pieces, 20 ms apart; and who is turned away. */
const BEGUN_MS = 0.2
const PIECE_MS = 0.06
const SERVED_MS = 0.5
const REFUSED_MS = 0.04
const PIECES = 5
/** What a turn of the loop costs by itself. */
const TURN_MS = 0.015
const GAP_MS = 20
const WARM_MS = 5000
const LONG_MS = 15_000
/** A key beside that asks for a fiftieth of what can be served. */
const MODEST_EVERY_MS = 25

/**
 * A server with one loop, as the clock of a test: each turn does what has come by then, in order, and calls the timer
 * when it comes round. `times` is how much one key asks for of what can be served, beside another that asks for little; the first five seconds are not counted.
 */
async function serving(times: number): Promise<Came> {
  const { random } = createFakeAmbient()
  let now = 0
  let laters: (() => void)[] = []
  const pressure = createPressure({
    ambient: { monotonic: () => now, random }, classes: 3, rules: () => ({ delayMs: 200 }), stolenMs: () => 0, workedMs: () => now,
    later: (then) => laters.push(then),
  })
  // The pieces of each number are due in the order of their streams: providers wait for nobody.
  const lines = Array.from({ length: PIECES }, (): { readonly due: number; readonly from: number; readonly key: string }[] => [])
  const read = lines.map(() => 0)
  const [served, refused, modest]: [number[], number[], number[]] = [[], [], []]
  let modestRefused = 0
  const comes = new Map([['greedy', { at: 0, every: SERVED_MS / times }], ['modest', { at: MODEST_EVERY_MS, every: MODEST_EVERY_MS }]])
  let tick = GAP_MS
  let pause = 0
  let finished = 0
  const begin = (key: string, from: number): void => {
    now += BEGUN_MS
    for (const [i, line] of lines.entries()) line.push({ due: now + (i + 1) * GAP_MS, from, key })
  }
  const refuse = (key: string, from: number): void => {
    now += REFUSED_MS
    if (from > WARM_MS) refused.push(now - from)
    if (key === 'modest') modestRefused++
  }
  while (now < LONG_MS) {
    if (laters.length === 0) now = Math.max(now, Math.min(...[...comes.values()].map(({ at }) => at), tick, ...lines.map((line, i) => line[read[i]!]?.due ?? Infinity)))
    if (now >= tick) {
      pressure.tick(now)
      tick = now + GAP_MS
    }
    // The collector of garbage.
    if (now >= pause) {
      now += 5
      pause = now + 400
    }
    const until = now
    now += TURN_MS
    for (const [key, one] of comes) {
      for (; one.at <= until; one.at -= Math.log(1 - random()) * one.every) {
        const turnedAway = pressure.shedding && pressure.refuses(key, API)
        pressure.arrived(key, API)
        const from = one.at
        if (turnedAway) refuse(key, from)
        else {
          const turn = pressure.turn(key, API)
          if (turn === null) begin(key, from)
          else void turn.then((begins) => begins ? begin(key, from) : refuse(key, from))
        }
      }
    }
    for (const [i, line] of lines.entries()) {
      for (let one = line[read[i]!]; one !== undefined && one.due <= until; one = line[++read[i]!]) {
        now += PIECE_MS
        if (i + 1 === PIECES && now > WARM_MS) {
          finished++
          if (one.from > WARM_MS) (one.key === 'modest' ? modest : served).push(now - one.from)
        }
      }
    }
    const these = laters
    laters = []
    for (const then of these) {
      then()
      await Promise.resolve()
    }
  }
  pressure.close()
  const p99 = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[Math.floor(list.length * 0.99)] ?? 0
  return { goodput: finished * SERVED_MS / (LONG_MS - WARM_MS), served: p99(served), refused: p99(refused), modest: p99(modest), modestRefused }
}

describe('A server of which more is asked than it can do', async () => {
  const unloaded = await serving(0.3)
  const alone = await serving(0)
  /** What is left for those who are let in when all others have been told. */
  const possible = (times: number): number => (SERVED_MS - times * REFUSED_MS) / (SERVED_MS - REFUSED_MS)

  for (const times of [1.2, 2, 3, 5, 8]) {
    test(`(${times} times) serves nearly all that it can, in hardly more time, says no to the others at once, and a key that asks for little does not notice`, async () => {
      const { goodput, served, refused, modest, modestRefused } = await serving(times)
      assert.ok(goodput >= 0.95 * possible(times), `${goodput} of the peak; ${possible(times)} is possible`)
      assert.ok(served <= 1.75 * unloaded.served, `${served} ms, ${unloaded.served} without load`)
      assert.ok(refused <= 15, `${refused} ms until one was turned away`)
      assert.ok(modest <= 1.2 * alone.modest, `${modest} ms for who asks for little, ${alone.modest} alone`)
      assert.equal(modestRefused, 0)
    })
  }

  test('turns nobody away while it can serve all', async () => {
    assert.equal((await serving(0.9)).refused, 0)
  })
})
