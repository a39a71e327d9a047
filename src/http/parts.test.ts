import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createCatalog, NO_OVERLAY } from '../catalog/index.ts'
import { fault, type Ambient, type FaultError, type Preferences } from '../core/index.ts'
import { createRefusalGuard, isLocal, presentedKey } from './auth.ts'
import { attributionOf } from './attribution.ts'
import { createIds } from './ids.ts'
import { createKeyReader, tighten, withSlugs } from './preferences.ts'
import { createRouter } from './router.ts'
import { createStore, preferredEncoding } from './stored.ts'
import { FACE } from './stand-ins.test.ts'

const asked: Preferences = { models: ['a/m'] }
const catalog = createCatalog({ overlay: NO_OVERLAY, faces: new Set(['openai-chat']), settings: () => ({}) }).snapshot()

describe('the settings of a key', () => {
  it('leave a request as it is when there are none', () => {
    assert.equal(tighten(asked, undefined), asked)
    assert.equal(tighten(asked, {}), asked)
  })

  it('permit providers, of which a request can choose some but never others', () => {
    assert.deepEqual(tighten(asked, { only: ['openai'] }).only, ['openai'])
    assert.deepEqual(tighten({ ...asked, only: ['azure', 'OpenAI'] }, { only: ['openai', 'groq'] }).only, ['OpenAI'])
    assert.deepEqual(tighten({ ...asked, only: ['google-vertex/us-east5'] }, { only: ['google-vertex'] }).only, ['google-vertex/us-east5'])
    assert.deepEqual(tighten({ ...asked, only: ['google-vertex'] }, { only: ['google-vertex/eu'] }).only, ['google-vertex/eu'])
    assert.deepEqual(tighten({ ...asked, only: ['openai/priority'] }, { only: ['openai'] }).only, [], 'a tier is not covered by its provider')
    assert.deepEqual(tighten({ ...asked, only: ['azure'] }, { only: ['openai'] }).only, [])
  })

  it('forbid what the request cannot allow again', () => {
    const key = {
      ignore: ['groq'], zdr: true, dataCollection: 'deny', requireParameters: true, allowFallbacks: false, enforceDistillableText: true,
      quantizations: ['fp8', 'bf16'], maxPrice: { prompt: 5n, completion: 9n },
    } as const
    const loose: Preferences = {
      ...asked, ignore: ['azure'], zdr: false, dataCollection: 'allow', requireParameters: false, allowFallbacks: true, enforceDistillableText: false,
      quantizations: ['int4', 'fp8'], maxPrice: { prompt: 7n, request: 1n },
    }
    assert.deepEqual(tighten(loose, key), {
      models: ['a/m'], ignore: ['azure', 'groq'], zdr: true, dataCollection: 'deny', requireParameters: true, allowFallbacks: false,
      enforceDistillableText: true, quantizations: ['fp8'], maxPrice: { prompt: 5n, completion: 9n, request: 1n },
      setBy: Object.fromEntries(Object.keys(key).map((limit) => [limit, 'key'])),
    })
  })

  it('leave the request the stricter of its own wishes', () => {
    const strict: Preferences = { ...asked, zdr: true, dataCollection: 'deny', allowFallbacks: false, maxPrice: { prompt: 1n } }
    assert.deepEqual(tighten(strict, { dataCollection: 'allow', zdr: false, allowFallbacks: true, maxPrice: { prompt: 5n } }), strict)
    assert.equal(tighten({ ...asked, only: ['openai'] }, { only: ['openai', 'groq'] }).setBy, undefined, 'and they are its own')
  })

  it('are wishes where nothing is forbidden: order, sort and options are the request\'s when it has them', () => {
    const key = { order: ['openai'], sort: { by: 'price', partition: 'model' }, options: { openai: { a: 1 }, groq: { b: 1 } } } as const
    assert.deepEqual(tighten(asked, key), { ...key, models: ['a/m'] })
    const own: Preferences = { ...asked, order: ['azure'], sort: { by: 'latency', partition: 'none' }, options: { openai: { c: 1 } } }
    assert.deepEqual(tighten(own, key), { ...own, options: { openai: { c: 1 }, groq: { b: 1 } } })
  })

  it('are read once, by the face that reads requests', () => {
    let reads = 0
    const read = createKeyReader({ ...FACE, decode: (body) => { reads++; return FACE.decode(body) } }, () => catalog)
    const own = { settings: { provider: { only: ['openai'] } }, workspace: 'default' }
    assert.deepEqual(read(own), { only: ['openai'] })
    assert.equal(read(own), read(own))
    assert.equal(read({ ...own, settings: {} }), undefined)
    assert.equal(reads, 1)
  })

  it('meet the limits of their workspace, and say which of the two set what', () => {
    const read = createKeyReader(FACE, () => catalog, (id) => id === 'strict' ? STRICT : undefined)
    const key = { settings: { provider: { only: ['openai', 'groq'] } } }
    const held = read({ ...key, workspace: 'strict' })!
    assert.deepEqual([held.only, held.zdr, held.setBy], [['groq'], true, { only: 'workspace', zdr: 'workspace' }])
    assert.equal(read({ ...key, workspace: 'strict' }), held, 'made once')
    assert.deepEqual(read({ ...key, workspace: 'open' }), { only: ['openai', 'groq'] })
    const alone = read({ settings: {}, workspace: 'strict' })
    assert.deepEqual([alone?.only, alone?.setBy?.only], [['groq', 'azure'], 'workspace'])
  })

  it('name providers as requests do, by slug or by display name', () => {
    const held = createKeyReader(FACE, () => catalog)({ settings: { provider: { only: ['Google Vertex', 'to come'] } }, workspace: 'default' })
    assert.deepEqual(held?.only, ['google-vertex', 'to come'])
  })

  it('close their order against a request that would name others', () => {
    const key = { order: ['azure', 'openai'], allowFallbacks: false }
    assert.deepEqual(tighten({ ...asked, order: ['groq'] }, key).only, ['azure', 'openai'])
    assert.deepEqual(tighten({ ...asked, only: ['openai', 'groq'] }, key).only, ['openai'])
    assert.equal(tighten({ ...asked, order: ['groq'] }, { order: ['azure'] }).only, undefined)
  })

  it('permit a family of quantizations, of which a request can choose a member', () => {
    assert.deepEqual(tighten({ ...asked, quantizations: ['mxfp8', 'int4'] }, { quantizations: ['fp8'] }).quantizations, ['mxfp8'])
    assert.deepEqual(tighten({ ...asked, quantizations: ['fp8'] }, { quantizations: ['mxfp8'] }).quantizations, ['mxfp8'])
    assert.deepEqual(tighten({ ...asked, quantizations: ['int4'] }, { quantizations: ['fp8'] }).quantizations, [])
  })

  it('keep their sort where a request only says how models are mixed', () => {
    assert.deepEqual(tighten({ ...asked, sort: { partition: 'none' } }, { sort: { by: 'price', partition: 'model' } }).sort, { by: 'price', partition: 'none' })
  })
})

const STRICT = { only: ['groq', 'azure'], zdr: true }

describe('the providers that a request names', () => {
  it('may go by their display names and other names, and are compared by their slugs', () => {
    assert.deepEqual(withSlugs({ ...asked, only: ['Google Vertex', 'wandb', 'DeepInfra/Turbo'] }, catalog).only, ['google-vertex', 'coreweave', 'deepinfra/turbo'])
    const plain: Preferences = { ...asked, order: ['openai'] }
    assert.equal(withSlugs(plain, catalog), plain)
    assert.equal(withSlugs(asked, catalog), asked)
  })

  it('are refused by their path when nobody has the name, for a denial with a slip in it denies nothing', () => {
    for (const [preferences, field] of [
      [{ ignore: ['openai', 'opnai'] }, 'provider.ignore[1]'], [{ order: ['opnai'] }, 'provider.order[0]'],
      [{ only: ['openai', 'opnai/fast'] }, 'provider.only[1]'],
    ] as const) {
      assert.throws(() => withSlugs({ ...asked, ...preferences }, catalog), (error: FaultError) => {
        assert.deepEqual([error.fault.kind, error.fault.field], ['invalid-request', field])
        assert.match(error.fault.message, /no provider has the slug "opnai(\/fast)?"; did you mean openai\?/)
        return true
      })
    }
  })

  it('leave nobody where none of an allowlist is known, which the plan says in the words that clients look for', () => {
    assert.deepEqual(withSlugs({ ...asked, only: ['nobody'] }, catalog).only, ['nobody'])
    assert.deepEqual(withSlugs({ ...asked, order: ['nobody'], allowFallbacks: false }, catalog).order, ['nobody'])
  })
})

describe('a presented key', () => {
  it('may stand in either header, and in both when they agree', () => {
    assert.equal(presentedKey({ authorization: 'Bearer  k ' }), 'k')
    assert.equal(presentedKey({ 'x-api-key': 'k' }), 'k')
    assert.equal(presentedKey({ 'authorization': 'bearer k', 'x-api-key': 'k' }), 'k')
    assert.equal(presentedKey({ 'authorization': 'Bearer', 'x-api-key': 'k' }), 'k')
    assert.equal(presentedKey({}), null)
    assert.equal((presentedKey({ authorization: 'k' }) as { kind: string }).kind, 'unauthenticated')
    assert.equal((presentedKey({ 'authorization': 'Bearer a', 'x-api-key': 'b' }) as { kind: string }).kind, 'invalid-request')
  })

  it('that is refused too often from one address is answered with a wait, for a minute', () => {
    const guard = createRefusalGuard(3)
    for (let i = 0; i < 3; i++) assert.equal(guard.refused('203.0.113.9', 1000), null)
    assert.equal(guard.refused('203.0.113.9', 11_000), 50_000)
    assert.equal(guard.refused('203.0.113.8', 11_000), null)
    assert.equal(guard.refused('203.0.113.9', 61_000), null)
    for (let i = 0; i < 9; i++) assert.equal(guard.refused('::ffff:127.0.0.1', 1000), null)
  })

  it('is not needed by a program on this machine, which a proxy on this machine is not', () => {
    assert.equal(isLocal('::1', {}), true)
    assert.equal(isLocal('::ffff:127.0.0.1', {}), true)
    assert.equal(isLocal('192.0.2.1', {}), false)
    assert.equal(isLocal(undefined, {}), false)
    for (const name of ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via']) assert.equal(isLocal('127.0.0.1', { [name]: 'x' }), false, name)
  })
})

describe('attribution', () => {
  it('keeps control and direction characters out of the record', () => {
    const { title, referer } = attributionOf({ 'x-openrouter-title': `a\tb${Buffer.from('\u202e\u0085').toString('latin1')}c`, 'x-title': 'no', 'referer': 'app' })
    assert.equal(title, 'abc')
    assert.equal(referer, 'app')
  })
})

describe('ids', () => {
  it('hold the second, the millisecond and eighteen letters, none of them likelier than another', () => {
    let next = 0
    const ambient: Ambient = { now: () => 1_795_160_000_999, monotonic: () => 0, random: () => 0, bytes: (n) => Uint8Array.from({ length: n }, () => next++ % 256) }
    const id = createIds(ambient)
    const counts = new Map<string, number>()
    for (let i = 0; i < 6200; i++) {
      const made = id()
      assert.match(made, /^gen-1795160000-[0-9A-Za-z]{20}$/)
      for (const letter of made.slice(17)) counts.set(letter, (counts.get(letter) ?? 0) + 1)
    }
    assert.equal(counts.size, 62)
    assert.ok([...counts.values()].every((count) => Math.abs(count - 1800) < 8))
  })

  it('grow with time, so that the index of the record is written at its end', () => {
    let now = 1_795_160_000_000
    const id = createIds({ now: () => now, monotonic: () => 0, random: () => 0, bytes: (n) => new Uint8Array(n).fill(247) })
    const made = Array.from({ length: 1500 }, () => (now++, id()))
    assert.deepEqual(made.toSorted(), made)
  })
})

describe('the router', () => {
  const route = (paths: readonly string[]) => ({ name: 'x', methods: ['GET' as const], paths, tag: '', summary: '', replies: {}, errors: [], policy: 'none' as const, handle() {} })
  const router = createRouter([route(['/api/v1/models', '/v1/models']), route(['/model/{author}/{slug}'])])

  it('finds the same at an address as it is written in the table and in every other spelling of it', () => {
    const plain = router.find('GET', '/v1/models')!
    for (const url of ['/v1/models/', '//v1/models', '/v1/models?x=1', '/v1/%6dodels', 'http://host/v1/models']) assert.equal(router.find('GET', url)!.route, plain.route, url)
    assert.deepEqual({ ...plain.params }, {})
    assert.equal(router.find('POST', '/v1/models'), null)
    assert.ok(router.find('HEAD', '/v1/models'))
  })

  it('undoes the escapes of a parameter, and reads an absolute address as proxies send it', () => {
    assert.deepEqual({ ...router.find('GET', '/model/openai/gpt%3Afree?x=1')!.params }, { author: 'openai', slug: 'gpt:free' })
    assert.ok(router.find('GET', 'http://host/v1/models'))
    for (const url of ['*', '', 'v1/models', '/model/a/%', '/model/a/%ff', '/MODEL/a/b', '/model/a', '/model/a/b/c', `/model/a/${'b'.repeat(400)}`]) {
      assert.equal(router.find('GET', url), null, url)
    }
  })

  it('suggests what is spelled nearly alike, and nothing for nonsense', () => {
    assert.deepEqual(router.near('GET', '/api/v1/model?x'), ['GET /api/v1/models'])
    assert.deepEqual(router.near('GET', '/api/models'), ['GET /api/v1/models', 'GET /v1/models'])
    assert.deepEqual(router.near('GET', '/wp-admin.php'), [])
  })
})

describe('kept bodies', () => {
  it('are made once for requests that come together, and made again after a failure', async () => {
    const store = createStore()
    let made = 0
    const make = async () => { made++; return 'x'.repeat(5000) }
    await Promise.all([store.reply({}, 'k', make), store.reply({ 'accept-encoding': 'gzip' }, 'k', make), store.reply({}, 'k', make)])
    assert.equal(made, 1)
    await assert.rejects(async () => store.reply({}, 'bad', async () => { throw new Error(String(fault('internal', 'x').kind)) }))
    assert.ok(await store.reply({}, 'bad', () => 'fine'))
  })

  it('go out in the encoding that is liked best', () => {
    assert.equal(preferredEncoding('gzip, br'), 'br')
    assert.equal(preferredEncoding('br;q=0.1, gzip;q=0.9'), 'gzip')
    assert.equal(preferredEncoding('br;q=0, *'), 'gzip')
    assert.equal(preferredEncoding('identity'), null)
    assert.equal(preferredEncoding(undefined), null)
  })
})
