/** The manual of routing gives every number that decides an order, as the code has it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { DEFAULTS, readConfig } from '../../src/config/index.ts'
import { DIALECTS } from '../../src/dialects/index.ts'
import { AFFINITY_RULES, DEFAULT_POLICY, HEALTH_RULES } from '../../src/routing/index.ts'
import { providerPreferences } from '../../src/schema/index.ts'

const manual = readFileSync(new URL('../../docs/routing.md', import.meta.url), 'utf8')
const rows = [...manual.matchAll(/^\| (.+?) \| `([^`]+)` \| `(\w+)` \|$/gm)].map(([, name, value, code]) => ({ name: name!, value: value!, code: code! }))
const ours: Readonly<Record<string, unknown>> = { ...HEALTH_RULES, ...DEFAULT_POLICY, ...AFFINITY_RULES }

test('the manual names every number of the plan and of health with the value that the code has, and none that is gone', () => {
  assert.deepEqual(Object.fromEntries(rows.map(({ code, value }) => [code, value])),
    Object.fromEntries(Object.entries(ours).map(([code, value]) => [code, String(value)])))
})

test('each of its settings exists, and a start without a file takes the value that the table gives', () => {
  const settings = new Map(rows.flatMap(({ name, code }) => /^`\w+`$/.test(name) ? [[name.slice(1, -1), code] as const] : []))
  assert.deepEqual([...settings.keys()].toSorted(), Object.keys(DEFAULTS.routing).toSorted())
  const read = readConfig({}, '/nowhere').routing as unknown as Readonly<Record<string, unknown>>
  for (const [setting, code] of settings) {
    assert.equal(read[code], ours[code], setting)
    assert.equal(DEFAULTS.routing[setting as keyof typeof DEFAULTS.routing], ours[code], setting)
  }
})

test('the manual has every field of provider, each hard or soft, and those are the ones that requests, keys and workspaces may carry', () => {
  const fields = [...manual.matchAll(/^\| `(\w+)` \| (hard|soft|–) \| /gm)].map(([, field]) => field!)
  assert.deepEqual(fields.toSorted(), [...Object.keys(providerPreferences.shape), 'options'].toSorted())
  for (const field of fields) {
    const decoded = DIALECTS.get('openai-chat')!.inbound!.decode({ model: 'a/b', messages: [{ role: 'user', content: 'Hi' }], provider: { [field]: null } })
    assert.ok('asked' in decoded, field)
  }
})
