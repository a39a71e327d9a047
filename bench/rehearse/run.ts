// `npm run rehearse`: three upstreams that misbehave in stated shares, callers at a steady rate, one upstream that dies
// and comes back; then what callers lived through, as a table and a drawing. Everything is on 127.0.0.1 and ends by itself.
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import manifest from '../../package.json' with { type: 'json' }
import { createFakeAmbient, createFakeUpstream, type FakeUpstream } from '../../src/testing/index.ts'
import { startBox } from './box.ts'
import { Callers } from './load.ts'
import { pictureOf } from './picture.ts'
import { answerOf, BARS, DYING, FIRST_TOKEN_MS, phases as phasesOf, troubleFor, TROUBLES, UPSTREAMS, type Slug } from './score.ts'
import { momentsOf, resultOf, secondsOf, type Result } from './tally.ts'

const USAGE = `Usage: npm run rehearse -- [--quick] [--rate N] [--seed N] [--picture FILE] [--json]

  --quick         50 seconds in the place of two minutes
  --rate N        requests each second (40; 1 to 500)
  --seed N        which calls are troubled (1)
  --picture FILE  where the drawing goes (rehearsal.svg in the current folder)
  --json          the result as one object, for programs`

interface Options {
  readonly quick: boolean
  readonly rate: number
  readonly seed: number
  readonly picture: string
  readonly json: boolean
}

const options = readOptions()
if (options === null) {
  process.stderr.write(`${USAGE}\n`)
  process.exitCode = 2
} else {
  process.exitCode = await rehearse(options) ? 0 : 1
}

function readOptions(): Options | null {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: 'boolean' }, rate: { type: 'string' }, seed: { type: 'string' }, picture: { type: 'string' }, json: { type: 'boolean' },
      },
    })
    const rate = Number(values.rate ?? 40)
    const seed = Number(values.seed ?? 1)
    if (!(rate >= 1 && rate <= 500) || !Number.isInteger(seed)) throw new Error(`--rate takes 1 to 500, --seed a whole number`)
    // npm runs scripts in the project's folder and says here where the caller stood.
    const picture = path.resolve(process.env['INIT_CWD'] ?? process.cwd(), values.picture ?? 'rehearsal.svg')
    return { quick: values.quick === true, rate, seed, picture, json: values.json === true }
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n`)
    return null
  }
}

async function rehearse({ quick, rate, seed, picture, json }: Options): Promise<boolean> {
  const say = (text: string): void => void (json ? process.stderr : process.stdout).write(`${text}\n`)
  const { random } = createFakeAmbient({ seed })
  const phases = phasesOf(quick)
  const moments = momentsOf(phases)
  const upstreams = new Map<Slug, FakeUpstream>()
  // Calls are counted as they arrive: the fake keeps the records of the last ones only.
  let calls = 0
  let box: Awaited<ReturnType<typeof startBox>> | null = null
  try {
    for (const { slug } of UPSTREAMS) {
      const upstream = await createFakeUpstream({ keep: 1 })
      upstreams.set(slug, upstream)
      upstream.always((asked) => {
        calls++
        const nonce = asked.turns.at(-1)?.text ?? ''
        return { text: answerOf(slug, nonce), paceMs: 2, ...troubleFor(random())?.order }
      })
    }
    box = await startBox(Object.fromEntries([...upstreams].map(([slug, { url }]) => [slug, url])) as Record<Slug, string>)

    say(`Three upstreams, ${rate} requests/s for ${moments.ended / 1000} s, half of them streamed; seed ${seed}.`)
    say(`Of the calls to each upstream: ${TROUBLES.map(({ name, share }) => `${(share * 100).toFixed(1)} % ${name}`).join(', ')}.`)
    say(`${DYING}, which has most of the traffic, refuses connections from ${moments.died / 1000} s to ${moments.returned / 1000} s. A first block has ${FIRST_TOKEN_MS} ms.\n`)

    const startedAt = performance.now()
    const callers = new Callers(box, startedAt)
    const progress = setInterval(() => {
      const now = performance.now() - startedAt
      const lately = callers.asked.filter((it) => it.at >= now - 6000 && it.at < now - 1000)
      const shares = UPSTREAMS.map(({ slug }) => `${slug} ${Math.round(lately.filter((it) => it.by === slug).length * 100 / Math.max(1, lately.length))} %`)
      say(`${String(Math.round(now / 1000)).padStart(4)} s  ${String(callers.asked.length).padStart(6)} answered   ${shares.join('   ')}`)
    }, 5000)
    const dying = upstreams.get(DYING)!
    await callers.until(moments.died, rate)
    await dying.down()
    await callers.until(moments.returned, rate)
    await dying.up()
    await callers.until(moments.ended, rate)
    await callers.done()
    clearInterval(progress)

    const result = resultOf(callers.asked, calls, moments)
    const about = `Signalbox ${manifest.version}, ${new Date().toISOString().slice(0, 10)}`
    await writeFile(picture, pictureOf(secondsOf(callers.asked, moments), moments, result, about))
    say(`\n${tableOf(result)}\n`)
    for (const it of callers.asked.filter(({ verdict }) => verdict === 'failed' || verdict === 'wrong').slice(0, 5)) {
      say(`${it.verdict} at ${(it.at / 1000).toFixed(1)} s after ${Math.round(it.tookMs)} ms, ${it.streamed ? 'streamed' : 'whole'}: ${it.said}`)
    }
    say(`The drawing is in ${picture}`)
    if (json) process.stdout.write(`${JSON.stringify({ seed, rate, ...result })}\n`)
    return result.passed
  } finally {
    await box?.close()
    for (const upstream of upstreams.values()) await upstream.close()
  }
}

function tableOf(result: Result): string {
  const row = (name: string, value: string, bar: string, met: boolean | null): string =>
    `| ${name.padEnd(58)} | ${value.padStart(10)} | ${bar.padEnd(10)} | ${met === null ? '' : met ? 'met' : 'not met'} |`
  const seconds = (ms: number | null): string => ms === null ? 'never' : `${(ms / 1000).toFixed(2)} s`
  const percent = (share: number, digits: number): string => `${(share * 100).toFixed(digits)} %`
  return [
    row('requests', String(result.asked), '', null),
    row('answered whole and correctly, of those not yet begun', percent(result.success, 3), `≥ ${percent(BARS.success, 1)}`, result.success >= BARS.success),
    row('cut after their first block, with an error that says so', String(result.cut), '', null),
    row('failed, nothing having been said', String(result.failed), '', null),
    row('wrong: words or an end that no upstream meant', String(result.wrong), '0', result.wrong === 0),
    row('calls to upstreams beyond one for each request', percent(result.extraCalls, 1), `≤ ${percent(BARS.extraCalls, 0)}`, result.extraCalls <= BARS.extraCalls),
    row(`until traffic had left ${DYING} when it died`, seconds(result.leavesMs), `≤ ${seconds(BARS.leavesMs)}`, result.leavesMs <= BARS.leavesMs),
    row(`until ${DYING} had 80 % of its usual share when it was back`, seconds(result.returnsMs), `≤ ${seconds(BARS.returnsMs)}`, result.returnsMs !== null && result.returnsMs <= BARS.returnsMs),
    row('time to the whole answer, p50 and p99', `${Math.round(result.p50Ms)}/${Math.round(result.p99Ms)} ms`, '', null),
  ].join('\n')
}
