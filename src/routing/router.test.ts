import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { needOf, type ChatRequest, type Choosable, type Endpoint, type Part, type Preferences } from '../core/index.ts'
import type { Given, HealthView } from './given.ts'
import { readIntent } from './intent.ts'
import { chooseModels, type Choice } from './router.ts'
import { COST_TIERS, ROUTER_RULES, routerRules, type RouterRules } from './router-rules.ts'
import { matchesPattern, NO_SETTINGS, readRouterSettings, type RouterSettings } from './router-settings.ts'
import { draws, endpoint, given, offer, sheet, WELL } from './sample.ts'

const saying = (text: string, rest: Partial<ChatRequest> = {}): ChatRequest =>
  ({ messages: [{ role: 'user', parts: [{ type: 'text', text }] }], sampling: {}, extras: {}, ...rest })

interface Made {
  readonly usd?: number
  readonly released?: string
  readonly aliases?: readonly string[]
  readonly reasons?: boolean
  readonly freeVariant?: boolean
  readonly endpoint?: Partial<Endpoint>
}

/** A model that one provider of the same name sells. */
function model(slug: string, { usd = 1, released, aliases = [], reasons = false, freeVariant = false, endpoint: change = {} }: Made = {}): Choosable {
  const id = `acme/${slug}`
  const made = offer([endpoint(slug, { model: id, price: sheet(usd), ...change })], [], id)
  return {
    offer: { ...made, model: { ...made.model, reasoning: { supported: reasons } } },
    released: released === undefined ? 0 : Date.parse(released) / 1000, aliases, freeVariant,
  }
}

function choose(pool: readonly Choosable[], request = saying('Hi'), more: {
  readonly router?: 'auto' | 'free' | 'fusion'
  readonly preset?: string
  readonly settings?: Partial<RouterSettings>
  readonly rules?: RouterRules
  readonly preferences?: Partial<Preferences>
  readonly given?: Partial<Given>
} = {}) {
  const router = more.router ?? 'auto'
  return chooseModels({
    reference: { requested: `openrouter/${router}`, router, id: `openrouter/${router}`, variants: [], ...(more.preset !== undefined && { preset: more.preset }) },
    request, need: needOf(request, false), pool, settings: { ...NO_SETTINGS, ...more.settings }, rules: more.rules ?? ROUTER_RULES,
    given: given(more.preferences, more.given),
  })
}

const chosen = (...args: Parameters<typeof choose>): Choice => {
  const made = choose(...args)
  assert.ok('offers' in made, 'fault' in made ? made.fault.message : '')
  return made
}
const ids = (made: Choice): readonly string[] => made.offers.map((it) => it.model.id.slice('acme/'.length))

/** One model in each cost tier. */
const TIERS = COST_TIERS.map((tier, i) => model(tier, { usd: i + 1 }))

describe('reading a prompt', () => {
  const intent = (text: string, rest: Partial<ChatRequest> = {}) => readIntent(saying(text, rest), ROUTER_RULES)

  it('goes by the task with the most of its words in it, and says which', () => {
    assert.deepEqual(intent('Why does this function throw an exception?\n```ts\nf()\n```'), { task: 'code', seen: ['```', 'function', 'exception'], effort: null })
    assert.equal(intent('Prove the theorem').task, 'mathematics')
    assert.equal(intent('Translate this into German: plan').task, 'translation')
  })

  it('takes whole words only, in any case of letters', () => {
    assert.equal(intent('an explanation of the classic barcodes').task, 'general')
    assert.equal(intent('A PLAN').task, 'analysis')
    assert.equal(intent('Is C++ fast?').task, 'code')
  })

  it('takes the default task where it recognises nothing, in whatever language', () => {
    for (const text of ['Hi', '', '你好', '🙂']) assert.deepEqual([intent(text).task, intent(text).seen], ['general', []])
    assert.equal(readIntent({ messages: [], sampling: {}, extras: {} }, ROUTER_RULES).task, 'general')
  })

  it('counts what the request carries beside its words', () => {
    const tools = [{ type: 'function' as const, name: 'f' }]
    assert.equal(intent('Go on', { tools }).task, 'agent')
    const image: Part = { type: 'media', kind: 'image', source: { from: 'url', url: 'https://example.com/a.png' } }
    assert.equal(intent('', { messages: [{ role: 'user', parts: [image] }] }).task, 'vision')
  })

  it('hears how hard the caller wants it thought over, unless the request says it itself', () => {
    assert.deepEqual(intent('Think hard: who was it?').effort, { effort: 'high', words: 'think hard' })
    assert.deepEqual(intent('ultrathink').effort, { effort: 'xhigh', words: 'ultrathink' })
    assert.equal(intent('I think hardly anybody did').effort, null)
    for (const reasoning of [{ effort: 'low' as const }, { maxTokens: 2000 }, { enabled: false }]) assert.equal(intent('Think hard', { reasoning }).effort, null)
    assert.equal(intent('Think hard', { reasoning: { exclude: true } }).effort?.effort, 'high')
  })

  it('looks at the last thing that the user said, and at its two ends when it is long', () => {
    const request = saying('')
    const messages = ['Translate this', 'Prove the theorem'].map((text) => ({ role: 'user' as const, parts: [{ type: 'text' as const, text }] }))
    assert.equal(readIntent({ ...request, messages }, ROUTER_RULES).task, 'mathematics')
    const long = 'x '.repeat(2_000_000)
    const began = process.threadCpuUsage()
    assert.equal(intent(`${long} theorem ${long}`).task, 'general')
    assert.equal(intent(`theorem ${long}`).task, 'mathematics')
    assert.equal(intent(`${long} theorem`).task, 'mathematics')
    assert.ok(process.threadCpuUsage(began).user < 1_000_000)
  })
})

describe('openrouter/auto', () => {
  it('takes the fifth of the models by cost that the task says, then the nearest ones', () => {
    assert.deepEqual(ids(chosen(TIERS)), ['low', 'medium', 'high'])
    assert.deepEqual(ids(chosen(TIERS, saying('Prove the theorem'))), ['high', 'medium', 'xhigh'])
    assert.deepEqual(ids(chosen(TIERS.toReversed(), saying('debug this code'))), ['medium', 'low', 'high'])
  })

  it('lets the request name the fifth: a band, and no ceiling', () => {
    assert.deepEqual(ids(chosen(TIERS, saying('Hi'), { settings: { costTier: 'max' } })), ['max', 'xhigh', 'high'])
    assert.deepEqual(ids(chosen(TIERS.slice(0, 1), saying('Hi'), { settings: { costTier: 'max' } })), ['low'])
  })

  it('puts heads of families before others of the tier, and the newest before older ones', () => {
    const pool = ['a', 'b', 'c', 'd', 'e'].map((slug, i) => model(slug, { released: `2026-0${i + 1}-01`, aliases: slug === 'b' ? ['~acme/b-latest'] : [] }))
    const rules = { ...ROUTER_RULES, models: 5, tasks: { general: { ...ROUTER_RULES.tasks['general']!, costTier: 'low' as const } } }
    const many = Array.from({ length: 20 }, (_, i) => model(`dear${i}`, { usd: 9 }))
    assert.deepEqual(ids(chosen([...pool, ...many], saying('Hi'), { rules })), ['b', 'e', 'd', 'c', 'a'])
  })

  it('takes the head of a family one tier off before a model of the tier that heads none', () => {
    const pool = TIERS.map((it) => it.offer.model.id === 'acme/low' ? it : { ...it, aliases: [`~${it.offer.model.id}-latest`] })
    assert.deepEqual(ids(chosen(pool)), ['medium', 'low', 'high'])
  })

  it('prefers models that reason where the task says that it helps', () => {
    const pool = [model('quick', { released: '2026-09-01' }), model('deep', { reasons: true, released: '2025-01-01' }), ...TIERS.slice(1).map((it) => it)]
    const of = (text: string) => ids(chosen([...pool, ...Array.from({ length: 10 }, (_, i) => model(`dear${i}`, { usd: 9 }))], saying(text), { settings: { costTier: 'low' } }))[0]
    assert.equal(of('debug this code'), 'deep')
    assert.equal(of('Hi'), 'quick')
  })

  it('chooses only what can be called here, takes the request, and is permitted', () => {
    const pool = [
      model('nokey'), model('unpriced', { endpoint: { price: null } }), model('small', { endpoint: { contextLength: 5 } }), model('dear', { usd: 50 }),
      model('banned'), model('fit'),
    ]
    const made = chosen(pool, saying('Hello there, how are you today?'), {
      preferences: { ignore: ['banned'], maxPrice: { prompt: 10_000_000_000_000n } },
      given: { credentials: (provider) => provider === 'nokey' ? [] : given().credentials(provider) },
    })
    assert.deepEqual(ids(made), ['fit'])
  })

  it('takes those that honour the tools while there are such', () => {
    const mute = model('mute', { usd: 0.1, endpoint: { parameters: new Set(['temperature']), parametersSource: 'listed' } })
    const request = saying('Hi', { tools: [{ type: 'function', name: 'f' }] })
    assert.deepEqual(ids(chosen([mute, model('handy')], request)), ['handy'])
    assert.deepEqual(ids(chosen([mute], request)), ['mute'])
  })

  it('follows allowed_models and excluded_models, the latter last, by id or by moving alias', () => {
    const settings = (allowed: readonly string[] | null, excluded: readonly string[] = []) => ({ settings: { allowed, excluded } })
    assert.deepEqual(ids(chosen(TIERS, saying('Hi'), settings(['acme/m*']))), ['medium', 'max'])
    assert.deepEqual(ids(chosen(TIERS, saying('Hi'), settings(['acme/m*'], ['*/max']))), ['medium'])
    assert.deepEqual(ids(chosen([...TIERS, model('b-3', { aliases: ['~acme/b-latest'] })], saying('Hi'), settings(['~acme/*']))), ['b-3'])
    const none = choose(TIERS, saying('Hi'), settings(['Acme/*']))
    assert.ok('fault' in none && none.fault.kind === 'no-endpoint')
    assert.match(none.fault.message, /^No models match your request and model restrictions\. Of 5 that can be called here, 5 models: the allowed_models/)
  })

  it('leaves free variants, which have limits of their own, to those who ask for them', () => {
    assert.deepEqual(ids(chosen([model('gift', { usd: 0, freeVariant: true }), model('paid')])), ['paid'])
    assert.deepEqual(ids(chosen([model('gift', { usd: 0, freeVariant: true })])), ['gift'])
  })

  it('puts a model behind whose every endpoint fails, and one that was measured to be slow', () => {
    const failing: HealthView = { ...WELL, unstable: (id) => id.endsWith('@low') }
    assert.equal(ids(chosen(TIERS, saying('Hi'), { given: { health: failing } }))[0], 'medium')
    const crawling: HealthView = { ...WELL, figures: (id) => id.endsWith('@low') ? { latency: null, throughput: { p50: 2, p75: 2, p90: 2, p99: 2 }, samples: 9 } : null }
    assert.equal(ids(chosen(TIERS, saying('Hi'), { given: { health: crawling } }))[0], 'medium')
  })

  it('raises the effort, and the cost tier by one, for a prompt that asks for thought, and says so', () => {
    const pool = TIERS.map((it) => ({ ...it, offer: { ...it.offer, model: { ...it.offer.model, reasoning: { supported: it.offer.model.id !== 'acme/medium' } } } }))
    const made = chosen(pool, saying('Think hard. Who was it?'))
    assert.equal(made.effort, 'high')
    assert.deepEqual([made.note.data?.['effort'], made.note.data?.['effort_because'], made.note.data?.['cost_tier']], ['high', 'think hard', 'medium'])
    assert.deepEqual(ids(made), ['low', 'high', 'xhigh'], 'and takes models that can')
    const mute = chosen(TIERS, saying('Think hard. Who was it?'))
    assert.deepEqual([mute.effort, mute.note.data?.['cost_tier']], [null, 'low'], 'but no model reasons')
  })

  it('says what it took the prompt for, and why each model stands where it stands', () => {
    const { note } = chosen(TIERS, saying('debug this code'))
    assert.deepEqual([note.type, note.name], ['plugin', 'auto-router'])
    assert.equal(note.summary, 'code, medium: acme/medium, then acme/low, then acme/high (of 5 that fit)')
    assert.deepEqual([note.data?.['task'], note.data?.['because']], ['code', ['code', 'debug']])
    const [first, second] = note.data!['models'] as { reasons: string[] }[]
    assert.deepEqual(first!.reasons, ['of the cost tier medium'])
    assert.deepEqual(second!.reasons, ['of the cost tier low, the nearest that is left'])
  })

  it('does not fail because a prompt cannot be read', () => {
    const broken = { ...ROUTER_RULES, get efforts(): never { throw new Error('no') } }
    const made = chosen(TIERS, saying('Prove it'), { rules: broken })
    assert.deepEqual([ids(made)[0], made.note.data?.['task'], made.note.data?.['because']], ['low', 'general', ['the prompt could not be read']])
  })

  it('tries one model where the request allows no fallbacks', () => {
    assert.deepEqual(ids(chosen(TIERS, saying('Hi'), { preferences: { allowFallbacks: false } })), ['low'])
  })

  it('chooses the same for the same', () => {
    assert.deepEqual(chosen(TIERS, saying('Prove it')), chosen(TIERS, saying('Prove it')))
  })
})

describe("the operator's rules", () => {
  it('change a task field by field, and may name its models', () => {
    const rules = routerRules({ tasks: { code: { models: ['acme/max', 'acme/h*'] } } })
    assert.deepEqual(ids(chosen(TIERS, saying('debug this'), { rules })), ['max', 'high', 'medium'])
    assert.equal(rules.tasks['code']!.costTier, 'medium')
  })

  it('add tasks with words of their own, and choose the default', () => {
    const rules = routerRules({ tasks: { support: { words: ['Refund'], costTier: 'max' } }, defaultTask: 'support', models: 1 })
    assert.deepEqual(ids(chosen(TIERS, saying('About my refund'), { rules })), ['max'])
    assert.deepEqual(ids(chosen(TIERS, saying('Hi'), { rules })), ['max'])
  })
})

describe('openrouter/free', () => {
  const gifts = [model('a', { usd: 0 }), model('b', { usd: 0, freeVariant: true }), model('c', { usd: 0 })]

  it('draws among the models that cost nothing, each as often, and asks no other', () => {
    const random = draws(11)
    const firsts = new Map<string, number>()
    for (let i = 0; i < 3_000; i++) {
      const [first] = ids(chosen([...gifts, model('paid')], saying('Hi'), { router: 'free', given: { random } }))
      firsts.set(first!, (firsts.get(first!) ?? 0) + 1)
    }
    assert.deepEqual([...firsts.keys()].toSorted(), ['a', 'b', 'c'])
    // 1,000 expected of each, standard deviation 26.
    for (const [slug, count] of firsts) assert.ok(Math.abs(count - 1_000) < 130, `${slug}: ${count}`)
  })

  it('keeps the paid endpoints of what it draws out of the plan', () => {
    assert.deepEqual(chosen(gifts, saying('Hi'), { router: 'free' }).offers.map((it) => [...it.variants, it.via]), gifts.map(() => ['free', 'free']))
  })

  it('takes only what fits: a picture goes to a free model that can see', () => {
    const image: Part = { type: 'media', kind: 'image', source: { from: 'url', url: 'https://example.com/a.png' } }
    const seeing = model('seeing', { usd: 0, endpoint: { inputModalities: new Set(['text', 'image']) } })
    assert.deepEqual(ids(chosen([...gifts, seeing], saying('', { messages: [{ role: 'user', parts: [image] }] }), { router: 'free' })), ['seeing'])
  })

  it('says that nothing here is free where nothing is', () => {
    const none = choose(TIERS, saying('Hi'), { router: 'free' })
    assert.ok('fault' in none)
    assert.match(none.fault.message, /5 models: they are not free/)
    assert.equal(none.fault.availability?.['code'], 'constraint_filtered')
    const empty = choose([], saying('Hi'), { router: 'free' })
    assert.ok('fault' in empty && empty.fault.availability?.['code'] === 'no_endpoints')
  })
})

describe('the panels of openrouter/fusion', () => {
  const by = (author: string, slug: string, made: Made = {}): Choosable => {
    const one = model(slug, { aliases: [`~${author}/${slug}-latest`], ...made })
    return { ...one, offer: { ...one.offer, model: { ...one.offer.model, author } } }
  }
  /** Two models of each of four authors, from the cheapest to the dearest, of which the later reason. */
  const pool = ['a', 'b', 'c', 'd'].flatMap((author, n) => ['x', 'y'].map((slug, m) => by(author, `${author}${slug}`, { usd: 1 + 2 * n + m, reasons: n > 1 })))
  const panel = (preset?: string, of = pool, more: Parameters<typeof choose>[2] = {}) => ids(chosen(of, saying('Hi'), { router: 'fusion', ...(preset !== undefined && { preset }), ...more }))

  it('are three of different authors, of the cost tier of the preset or the nearest', () => {
    assert.deepEqual(panel('general-high'), panel(), 'general-high is the usual one')
    for (const preset of ['general-high', 'general-budget', 'general-fast']) {
      const authors = panel(preset).map(([author]) => author)
      assert.equal(new Set(authors).size, 3, authors.join())
    }
    assert.equal(panel('general-high').includes('ax'), false)
    assert.equal(panel('general-fast')[0]?.[0], 'a')
  })

  it('are of the same author where there is no other, and fewer where there are fewer', () => {
    assert.deepEqual(panel('general-high', pool.slice(0, 2)).toSorted(), ['ax', 'ay'])
  })

  it('are the same each time, and of none whom the request leaves out', () => {
    assert.deepEqual(panel('general-budget', pool.toReversed()), panel('general-budget'))
    assert.deepEqual(panel('general-high', pool, { preferences: { only: ['bx', 'dy'] } }).toSorted(), ['bx', 'dy'])
  })

  it('come by their names alone', () => {
    const none = choose(pool, saying('Hi'), { router: 'fusion', preset: 'best' })
    assert.ok('fault' in none)
    assert.deepEqual([none.fault.field, none.fault.message], ['preset', 'must be one of general-high, general-budget, general-fast, is "best"'])
    assert.ok('fault' in choose([], saying('Hi'), { router: 'fusion', preset: 'toString' }))
  })
})

describe('the settings of the auto-router', () => {
  const read = (settings: Readonly<Record<string, unknown>>, enabled = true) =>
    readRouterSettings([{ id: 'context-compression', enabled: true, settings: { x: 1 } }, { id: 'auto-router', enabled, settings }])

  it('are those of its plugin, and none while that is off', () => {
    assert.deepEqual(read({ cost_tier: 'high', allowed_models: ['a/*'], excluded_models: null }),
      { settings: { costTier: 'high', allowed: ['a/*'], excluded: [] } })
    assert.deepEqual(read({ cost_tier: 'nonsense' }, false), { settings: NO_SETTINGS })
  })

  it('are refused by their path when they are wrong, unknown, or nothing stands behind them', () => {
    for (const [settings, field, why] of [
      [{ cost_tier: 'cheap' }, 'plugins[1].cost_tier', /must be one of low, medium, high, xhigh, max, is "cheap"/],
      [{ allowed_models: 'a/*' }, 'plugins[1].allowed_models', /must be a list of patterns/],
      [{ excluded_models: ['a/*', 7] }, 'plugins[1].excluded_models[1]', /must be a pattern .*, is 7/],
      [{ allowed_models: Array(1025).fill('a') }, 'plugins[1].allowed_models', /at most 1024 patterns, has 1025/],
      [{ allowed_models: ['a'.repeat(1025)] }, 'plugins[1].allowed_models[0]', /at most 1024 characters/],
      [{ allowed_models: Array(65).fill('a'.repeat(1024)) }, 'plugins[1].allowed_models', /65536 characters in all/],
      [{ allowed: [] }, 'plugins[1].allowed', /not a setting/],
      [{ pin_model: true }, 'plugins[1].pin_model', /not available here/],
      [{ cost_quality_tradeoff: 5 }, 'plugins[1].cost_quality_tradeoff', /set cost_tier/],
    ] as const) {
      const got = read(settings)
      assert.ok('fault' in got, field)
      assert.equal(got.fault.field, field)
      assert.match(got.fault.message, why)
    }
  })

  it('match by star, in the case of letters, and in no time whatever is written', () => {
    for (const [pattern, text, matches] of [
      ['*', 'a/b', true], ['a/*', 'a/b', true], ['a/*', 'A/b', false], ['*b', 'a/b', true], ['a*b*c', 'axxbyyc', true], ['a*b*c', 'axxbyy', false],
      ['a', 'ab', false], ['ab', 'a', false], ['a.c', 'abc', false],
    ] as const) assert.equal(matchesPattern(pattern, text), matches, `${pattern} on ${text}`)
    const began = process.threadCpuUsage()
    assert.equal(matchesPattern('*a'.repeat(500), `${'a'.repeat(400)}b`), false)
    assert.ok(process.threadCpuUsage(began).user < 100_000)
  })
})
