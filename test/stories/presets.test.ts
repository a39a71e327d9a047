import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ambient } from '../../src/ambient.ts'
import type { ConfigFile } from '../../src/config/index.ts'
import type { Asked } from '../../src/core/index.ts'
import { askedOfPreset, DIALECTS } from '../../src/dialects/index.ts'
import { createPresets } from '../../src/presets/index.ts'
import { onBothStores, providerAt, saying, startUpstream, together, type Signalbox } from './signalbox.ts'

/** Presets: settings that are kept under a name, in versions, and that any request on any surface is filled in with. */

const upstream = await startUpstream()
const config: ConfigFile = together(
  providerAt('first', `${upstream.url}/first/v1`, { model: 'acme/one' }),
  providerAt('second', `${upstream.url}/second/v1`, { model: 'acme/one', prompt: 3, completion: 3 }),
  providerAt('claudes', `${upstream.url}/claudes`, { model: 'acme/two', dialect: 'anthropic-messages' }),
)
// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>
const sent = (): Loose => upstream.requests.at(-1)!.body as Loose
const weather = { type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: {} } } }
const METADATA = { 'x-openrouter-metadata': 'enabled' }

interface Answer { readonly status: number; readonly body: Loose }
const asking = (box: Signalbox, headers?: Readonly<Record<string, string>>) =>
  async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const response = await box.send(method, `/api/v1${path}`, { ...(body !== undefined && { body }), ...(headers && { headers }) })
    return { status: response.status, body: await response.json() as Loose }
  }
const text = (content: unknown): string => (typeof content === 'string' ? content : (content as Loose[]).map((part) => part['text']).join(''))

onBothStores((start) => {
  describe('A preset', () => {
    test('is kept from the body of a request without a call of any model, and shown with its version', async () => {
      const box = await start({ config })
      const ask = asking(box)
      const before = upstream.requests.length
      const made = await ask('POST', '/presets/brief/chat/completions', {
        model: 'acme/one', temperature: 0.2, stream: true, user: 'ada',
        messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'This is not kept.' }],
      })
      assert.equal(made.status, 200)
      assert.equal(upstream.requests.length, before, 'a model was called')
      const preset = made.body['data']
      assert.deepEqual([preset.slug, preset.name, preset.status, preset.workspace_id], ['brief', 'brief', 'active', 'default'])
      assert.deepEqual(preset.designated_version.config, { model: 'acme/one', temperature: 0.2 })
      assert.deepEqual([preset.designated_version.version, preset.designated_version.system_prompt], [1, 'Be brief.'])
      assert.equal(preset.designated_version_id, preset.designated_version.id)
      assert.ok(!JSON.stringify(made.body).includes('This is not kept.'))
      assert.deepEqual((await ask('GET', '/presets/brief')).body['data'], preset)
      const { designated_version: _, ...bare } = preset
      assert.deepEqual((await ask('GET', '/presets')).body, { data: [bare], total_count: 1 })
    })

    test('fills in what a request leaves open, and the request has the last word field by field', async () => {
      const box = await start({ config })
      const ask = asking(box)
      await ask('POST', '/presets/mine/chat/completions', {
        model: 'acme/one', temperature: 0.2, top_p: 0.9, max_tokens: 50, stop: ['END'], tools: [weather], provider: { only: ['second'] },
        messages: [{ role: 'system', content: 'You are terse.' }],
      })
      const plain = await box.whole(saying('@preset/mine', 'Hello.'), METADATA)
      assert.equal(plain.model, 'acme/one')
      assert.equal(upstream.requests.at(-1)!.path.startsWith('/second/'), true, 'its provider')
      assert.deepEqual([sent()['temperature'], sent()['max_tokens'] ?? sent()['max_completion_tokens'], sent()['stop']], [0.2, 50, ['END']])
      assert.deepEqual(sent()['messages'].map((it: Loose) => [it['role'], text(it['content'])]), [['system', 'You are terse.'], ['user', 'Hello.']])
      assert.deepEqual(sent()['tools'].map((it: Loose) => it['function'].name), ['weather'])
      assert.equal('preset' in sent(), false)
      const note = plain['openrouter_metadata'].pipeline.find((it: Loose) => it['name'] === 'preset')
      assert.deepEqual([note.data.slug, note.data.version], ['mine', 1])

      const own = { ...weather, function: { ...weather.function, description: 'Mine' } }
      const clock = { ...weather, function: { ...weather.function, name: 'clock' } }
      await box.whole({
        model: 'acme/one', preset: 'mine', temperature: 1, tools: [clock, own], provider: { only: ['first'] },
        messages: [{ role: 'system', content: 'Say more.' }, { role: 'user', content: 'Hello.' }],
      })
      assert.equal(upstream.requests.at(-1)!.path.startsWith('/first/'), true, "the request's provider object stands whole")
      assert.deepEqual([sent()['temperature'], sent()['top_p']], [1, 0.9])
      assert.deepEqual(sent()['stop'], ['END'])
      assert.deepEqual(sent()['messages'].map((it: Loose) => text(it['content'])), ['You are terse.', 'Say more.', 'Hello.'])
      assert.deepEqual(sent()['tools'].map((it: Loose) => [it['function'].name, it['function'].description]), [['weather', 'Mine'], ['clock', undefined]])
    })

    test('is named in three ways, which mean the same', async () => {
      const box = await start({ config })
      await asking(box)('POST', '/presets/cold/chat/completions', { model: 'acme/one', temperature: 0.1, messages: [{ role: 'user', content: '.' }] })
      for (const body of [saying('@preset/cold', 'Hi'), saying('acme/one@preset/cold', 'Hi'), saying('acme/one', 'Hi', { preset: 'cold' }), { preset: 'cold', messages: [{ role: 'user', content: 'Hi' }] }]) {
        const { id } = await box.whole(body)
        assert.equal(sent()['temperature'], 0.1, JSON.stringify(body))
        const { data } = (await asking(box)('GET', '/presets/cold')).body
        assert.equal((await box.generation(id))['preset_id'], data.id)
      }
      const other = await box.whole(saying('acme/two@preset/cold', 'Hi'))
      assert.equal(other.model, 'acme/two', 'the model before it is asked, and not its own')
      const { candidates } = await box.explain(saying('@preset/cold', 'Hi'))
      assert.equal(candidates[0]!['model'], 'acme/one')
    })

    test('works on every surface, whichever it was written on', async () => {
      const box = await start({ config })
      const ask = asking(box)
      await ask('POST', '/presets/chat/chat/completions', { model: 'acme/two', temperature: 0.3, messages: [{ role: 'system', content: 'From chat.' }] })
      await ask('POST', '/presets/resp/responses', { model: 'acme/one', temperature: 0.4, instructions: 'From responses.', input: 'not kept' })
      await ask('POST', '/presets/mess/messages', { model: 'acme/one', temperature: 0.5, system: 'From messages.', max_tokens: 77, messages: [{ role: 'user', content: 'not kept' }] })
      const surfaces: readonly (readonly [string, (name: string) => unknown, (name: string) => string])[] = [
        ['chat', (name) => saying(name, 'Hi'), () => '/chat/completions'],
        ['responses', (model) => ({ model, input: 'Hi' }), () => '/responses'],
        ['messages', (model) => ({ model, max_tokens: 99, messages: [{ role: 'user', content: 'Hi' }] }), () => '/messages'],
        ['completions', (model) => ({ model, prompt: 'Hi' }), () => '/completions'],
        ['google', () => ({ contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] }), (name) => `/models/${name}:generateContent`],
      ]
      for (const [preset, temperature, prompt] of [['chat', 0.3, 'From chat.'], ['resp', 0.4, 'From responses.'], ['mess', 0.5, 'From messages.']] as const) {
        for (const [surface, body, path] of surfaces) {
          const name = `@preset/${preset}`
          const answer = await ask('POST', path(name), body(name))
          assert.equal(answer.status, 200, `${preset} on ${surface}: ${JSON.stringify(answer.body)}`)
          assert.equal(sent()['temperature'], temperature, `${preset} on ${surface}`)
          assert.ok(JSON.stringify(sent()).includes(prompt), `${preset} on ${surface}`)
          assert.ok(!JSON.stringify(sent()).includes('not kept'), `${preset} on ${surface}`)
        }
      }
      const told = await ask('POST', '/responses', { model: '@preset/resp', input: 'Hi', temperature: 0.9 })
      assert.equal(told.body['temperature'], 0.9, 'a response repeats what its caller said')
    })

    test('has versions: the newest counts until another is designated', async () => {
      const box = await start({ config })
      const ask = asking(box)
      const save = (temperature: number) => ask('POST', '/presets/v/chat/completions', { model: 'acme/one', temperature, messages: [{ role: 'user', content: '.' }] })
      await save(0.1)
      assert.equal((await save(0.2)).body['data'].designated_version.version, 2)
      const versions = (await ask('GET', '/presets/v/versions')).body
      assert.deepEqual([versions['total_count'], versions['data'].map((it: Loose) => [it['version'], it['config'].temperature])], [2, [[1, 0.1], [2, 0.2]]])
      assert.deepEqual((await ask('GET', '/presets/v/versions?limit=1&offset=1')).body['data'].map((it: Loose) => it['version']), [2])
      assert.deepEqual((await ask('GET', '/presets/v/versions/1')).body['data'], versions['data'][0])
      await box.whole(saying('@preset/v', 'Hi'))
      assert.equal(sent()['temperature'], 0.2)
      const back = await ask('PATCH', '/presets/v', { designated_version: 1, name: 'Version one', description: 'The old one' })
      assert.deepEqual([back.body['data'].designated_version.version, back.body['data'].name], [1, 'Version one'])
      await box.whole(saying('@preset/v', 'Hi'))
      assert.equal(sent()['temperature'], 0.1)
      assert.equal((await save(0.3)).body['data'].designated_version.version, 3)
      assert.deepEqual((await ask('PATCH', '/presets/v', { designated_version: 9 })).status, 400)
      assert.equal((await ask('GET', '/presets/v/versions/9')).status, 404)
    })

    test('that is unknown, switched off or gone is a 404 that names it, and nobody is asked', async () => {
      const box = await start({ config })
      const ask = asking(box)
      const before = upstream.requests.length
      for (const body of [saying('@preset/nobody', 'Hi'), saying('acme/one@preset/nobody', 'Hi'), saying('acme/one', 'Hi', { preset: 'nobody' })]) {
        const { status, error } = await box.refused(body)
        assert.deepEqual([status, /"nobody"/.test(error.message)], [404, true])
      }
      await ask('POST', '/presets/off/chat/completions', { model: 'acme/one', messages: [{ role: 'user', content: '.' }] })
      const off = await ask('PATCH', '/presets/off', { status: 'disabled' })
      assert.ok(off.body['data'].status_updated_at)
      assert.match((await box.refused(saying('@preset/off', 'Hi'))).error.message, /off is disabled/)
      await ask('PATCH', '/presets/off', { status: 'active' })
      assert.equal(upstream.requests.length, before, 'a provider was asked')
      await box.whole(saying('@preset/off', 'Hi'))
      assert.deepEqual((await ask('DELETE', '/presets/off')).body, { deleted: true })
      for (const path of ['/presets/off', '/presets/off/versions', '/presets/off/versions/1']) assert.equal((await ask('GET', path)).status, 404)
      assert.equal((await ask('DELETE', '/presets/off')).status, 404)
      assert.equal((await box.refused(saying('@preset/off', 'Hi'))).status, 404)
      const again = await ask('POST', '/presets/off/chat/completions', { model: 'acme/one', messages: [{ role: 'user', content: '.' }] })
      assert.equal(again.body['data'].designated_version.version, 1, 'the name is free again')
    })

    test("is nobody else's: a key of another workspace sees none of it and can call by none of it", async () => {
      const box = await start({ config })
      await box.app.store.db.insertInto('workspaces').values({ id: 'other', name: 'Other', created_at: 0 }).execute()
      const { key } = await box.app.accounts.createKey({ workspace: 'other' })
      const theirs = { authorization: `Bearer ${key}` }
      await asking(box)('POST', '/presets/ours/chat/completions', { model: 'acme/one', messages: [{ role: 'system', content: 'Ours alone.' }] })
      const ask = asking(box, theirs)
      assert.deepEqual((await ask('GET', '/presets')).body, { data: [], total_count: 0 })
      for (const [method, path, body] of [['GET', '/presets/ours'], ['PATCH', '/presets/ours', { name: 'x' }], ['DELETE', '/presets/ours'], ['GET', '/presets/ours/versions']] as const) {
        assert.equal((await ask(method, path, body)).status, 404, `${method} ${path}`)
      }
      assert.equal((await box.refused(saying('@preset/ours', 'Hi'), theirs)).status, 404)
    })

    test('can be tightened by the settings of a key, and never loosens them', async () => {
      const box = await start({ config })
      await asking(box)('POST', '/presets/wide/chat/completions', { model: 'acme/one', provider: { only: ['second'] }, messages: [{ role: 'user', content: '.' }] })
      const { key } = await box.app.accounts.createKey({ settings: { provider: { only: ['first'] } } })
      const { status } = await box.refused(saying('@preset/wide', 'Hi'), { authorization: `Bearer ${key}` })
      assert.equal(status, 404)
    })
  })

  describe('What a preset cannot be made of', () => {
    test('is a 400 with the path of the field, in the words of the body that was sent', async () => {
      const box = await start({ config })
      const refuse = async (path: string, body: unknown): Promise<string> => {
        const { status, body: said } = await asking(box)('POST', path, body)
        assert.equal(status, 400, JSON.stringify(said))
        return said['error'].message as string
      }
      const message = [{ role: 'user', content: '.' }]
      assert.match(await refuse('/presets/a/chat/completions', { temperature: 9, messages: message }), /^temperature: /)
      assert.match(await refuse('/presets/a/messages', { model: 'acme/one', messages: message, tools: [{ name: '' }] }), /^tools\[0\]/)
      assert.match(await refuse('/presets/a/responses', { text: { format: { type: 'nothing' } } }), /^text\.format/)
      assert.match(await refuse('/presets/a/chat/completions', { model: '@preset/b', messages: message }), /^model: a preset cannot be made of another/)
      assert.match(await refuse('/presets/a/chat/completions', { provider: { ignore: ['frist'] }, messages: message }), /^provider\.ignore\[0\]: /)
      assert.match(await refuse('/presets/Bad%20Name/chat/completions', { model: 'acme/one', messages: message }), /^slug: /)
      assert.deepEqual((await asking(box)('GET', '/presets')).body['total_count'], 0)
      assert.equal((await asking(box)('POST', '/presets/big/chat/completions', { messages: [{ role: 'system', content: 'x'.repeat(70_000) }] })).status, 413)
    })

    test('two presets in one request, or one that names no model, are refused by name', async () => {
      const box = await start({ config })
      await asking(box)('POST', '/presets/bare/chat/completions', { temperature: 0.1, messages: [{ role: 'user', content: '.' }] })
      assert.match((await box.refused(saying('@preset/bare', 'Hi'))).error.message, /names no model/)
      assert.equal((await box.whole(saying('acme/one@preset/bare', 'Hi'))).model, 'acme/one')
      assert.match((await box.refused(saying('acme/one@preset/bare', 'Hi', { preset: 'other' }))).error.message, /one preset/)
    })
  })

  test('Another server on the same database knows of a change within two seconds', async () => {
    const box = await start({ config })
    const other = createPresets({
      store: box.app.store, ambient, read: (dialect, of) => askedOfPreset(DIALECTS.get(dialect)!.inbound!, of),
    })
    await asking(box)('POST', '/presets/far/chat/completions', { model: 'acme/one', messages: [{ role: 'user', content: '.' }] })
    const asked: Asked = { operation: { type: 'chat', request: { messages: [], sampling: {}, extras: {} } }, preferences: { models: ['@preset/far'] }, plugins: [], stream: false, ignored: [] }
    assert.throws(() => other.fill('default', asked), /There is no preset "far"/)
    await other.refresh()
    assert.deepEqual(other.fill('default', asked).preferences.models, ['acme/one'])
    await other.save({ workspace: 'default', slug: 'far', creator: 'k', dialect: 'openai-chat', config: { model: 'acme/two' }, systemPrompt: null })
    const deadline = performance.now() + 20_000
    while ((await box.whole(saying('@preset/far', 'Hi'))).model !== 'acme/two') assert.ok(performance.now() < deadline, 'the server never heard of it')
    await other.remove('default', 'far')
    while ((await box.chat(saying('@preset/far', 'Hi'))).status !== 404) assert.ok(performance.now() < deadline, 'the server never heard that it was removed')
  })
})
