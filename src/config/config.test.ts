import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { jsonSchemaOf } from '../schema/index.ts'
import {
  ConfigError, createLiveConfig, DEFAULTS, fileSchema, readConfig, Secret, VARIABLES, VARIABLES_NOT_YET, watchConfig, type Environment,
} from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'signalbox-config-'))
after(() => rmSync(folder, { recursive: true }))
let files = 0

const fileWith = (text: string, extension = 'yaml'): string => {
  const path = join(folder, `${files++}.${extension}`)
  writeFileSync(path, text)
  return path
}
const read = (text: string, env: Environment = {}, extension?: string) => readConfig({ ...env, SIGNALBOX_CONFIG: fileWith(text, extension) }, folder)
const messageOf = (make: () => unknown): string => {
  try {
    make()
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    return error.message
  }
  throw new Error('it was accepted')
}
const refused = (text: string, env: Environment = {}) => messageOf(() => read(text, env))

test('a start without any setting listens on loopback and keeps its data in the project', () => {
  const config = readConfig({}, folder)
  assert.deepEqual(
    [config.host, config.port, config.adminPort, config.loopback, config.home, config.databaseUrl, config.configPath, config.discoverLocal, config.demoPace],
    ['127.0.0.1', 3000, null, true, join(folder, '.signalbox'), null, null, true, 1])
  assert.equal(config.watchPath, join(folder, 'signalbox.config.yaml'))
  assert.equal(config.limits.bodyBytes, 20 * 1024 * 1024)
  assert.equal(config.routing.attemptsInAll, 6)
})

test('a file that is named must exist, the default one need not', () => {
  assert.match(messageOf(() => readConfig({ SIGNALBOX_CONFIG: 'nowhere.yaml' }, folder)), /SIGNALBOX_CONFIG names .*nowhere\.yaml, and there is no such file/)
})

test('YAML and JSON say the same', () => {
  const yaml = read('providers:\n  openai:\n    api_key: sk-1\ndiscover_local: false\n')
  const json = read('{"providers": {"openai": {"api_key": "sk-1"}}, "discover_local": false}', {}, 'json')
  for (const config of [yaml, json]) {
    assert.equal(config.providers['openai']?.apiKey?.reveal(), 'sk-1')
    assert.equal(config.discoverLocal, false)
    assert.equal(config.providers['openai']?.enabled, null)
  }
  assert.equal(read('').discoverLocal, true, 'an empty file says nothing')
})

test('the environment is read, and an empty variable is no variable', () => {
  const config = readConfig({
    HOST: '0.0.0.0', PORT: '8080', ADMIN_PORT: '9090', SIGNALBOX_HOME: '/data', DATABASE_URL: 'postgres://u:p@db/x', SIGNALBOX_DEMO_PACE: '0', GROQ_API_KEY: '',
  }, folder)
  assert.deepEqual([config.host, config.port, config.adminPort, config.loopback, config.home, config.demoPace], ['0.0.0.0', 8080, 9090, false, '/data', 0])
  assert.equal(config.secret('GROQ_API_KEY'), null)
  assert.equal(readConfig({ GROQ_API_KEY: 'gsk' }, folder).secret('GROQ_API_KEY')?.reveal(), 'gsk')
  for (const host of ['localhost', '127.0.0.9', '::1', '[::1]']) assert.equal(readConfig({ HOST: host }, folder).loopback, true, host)
})

test('a value that cannot be is refused with the variable, what it is and what it should be', () => {
  assert.match(messageOf(() => readConfig({ PORT: 'http' }, folder)), /PORT must be a port from 0 to 65535, is "http"/)
  assert.match(messageOf(() => readConfig({ PORT: '70000' }, folder)), /PORT must be/)
  assert.match(messageOf(() => readConfig({ ADMIN_PORT: '3000' }, folder)), /ADMIN_PORT must be another port than PORT/)
  assert.match(messageOf(() => readConfig({ SIGNALBOX_DEMO_PACE: 'fast' }, folder)), /SIGNALBOX_DEMO_PACE must be a number/)
  const message = messageOf(() => readConfig({ DATABASE_URL: 'mysql://root:hunter2@db' }, folder))
  assert.match(message, /DATABASE_URL must begin with postgres:\/\//)
  assert.doesNotMatch(message, /hunter2/)
})

test('an unknown setting is an error that names its path and the nearest that exists', () => {
  assert.match(refused('providrs: {}'), /: providrs is not a known key; did you mean providers\?$/)
  assert.match(refused('providers:\n  openai:\n    api_kee: x'), /: providers\.openai\.api_kee is not a known key; did you mean api_key\?$/)
  assert.match(refused('limits:\n  max_boddy_bytes: 1'), /limits\.max_boddy_bytes is not a known key; did you mean max_body_bytes\?$/)
  assert.match(refused('zzz: 1\nproviders:\n  openai:\n    timeouts:\n      idle: 1'), /providers\.openai\.timeouts\.idle is not a known key/, 'the deepest first')
  assert.match(messageOf(() => readConfig({ SIGNALBOX_HOM: 'x' }, folder)), /SIGNALBOX_HOM is not a known setting; did you mean SIGNALBOX_HOME\?/)
})

test('what is planned but does not exist is refused by name, not accepted and ignored', () => {
  assert.match(refused('mode: team'), /mode is not available yet/)
  assert.match(refused('credits: required'), /credits is not available yet/)
  for (const name of VARIABLES_NOT_YET) assert.equal(messageOf(() => readConfig({ [name]: 'x' }, folder)), `${name} is not available yet`)
})

test('a wrong value is refused at its path', () => {
  assert.match(refused('discover_local: maybe'), /discover_local must be true or false, is "maybe"/)
  assert.match(refused('limits:\n  max_body_bytes: 5'), /limits\.max_body_bytes must be a whole number from 1024 to 1073741824, is 5/)
  assert.match(refused('timeouts:\n  idle_ms: 0'), /timeouts\.idle_ms must be a whole number from 1 to/)
  assert.match(refused('log:\n  level: loud'), /log\.level must be one of .*"info"/)
  assert.match(refused('routing:\n  attempts_per_model: 9'), /routing\.attempts_in_all must be at least routing\.attempts_per_model \(9\), is 6/)
  assert.match(refused('- a'), /must hold settings by name .* and holds a list/)
})

test('a file that is no YAML is refused by line, and nothing of the line is shown', () => {
  const message = refused('providers:\n  openai:\n    api_key: "sk-verysecret\n')
  assert.match(message, /line \d+, column \d+: not YAML or JSON/)
  assert.doesNotMatch(message, /verysecret/)
  assert.doesNotMatch(refused('{"providers": {"openai": {"api_key": sk-verysecret"}'), /verysecret/)
})

test('no message and no print shows a key', () => {
  assert.doesNotMatch(refused('providers:\n  openai:\n    api_key: 8675309'), /8675309/)
  assert.doesNotMatch(refused('providers:\n  openai:\n    headers:\n      x-key: [hunter2]'), /hunter2/)
  assert.doesNotMatch(refused('providers:\n  x:\n    base_url: https://u:hunter2@host/v1'), /hunter2/)
  assert.doesNotMatch(refused('providers:\n  x:\n    base_url: ftp://u:hunter2@host/v1'), /hunter2/)
  const config = read('providers:\n  openai:\n    api_key: sk-verysecret\n    headers:\n      x-key: sk-verysecret\n', { DATABASE_URL: 'postgres://u:sk-verysecret@h/d' })
  for (const shown of [JSON.stringify(config), inspect(config, { depth: 9, showHidden: true }), `${config.providers['openai']?.apiKey}`]) {
    assert.doesNotMatch(shown, /verysecret/)
  }
  assert.equal(config.databaseUrl, 'postgres://u:sk-verysecret@h/d')
  assert.equal(new Secret('a').reveal(), 'a')
})

test('keys and headers may stand for a variable, and one that is not set is an error', () => {
  const config = read('providers:\n  openai:\n    api_key: ${MY_KEY}\n    headers:\n      x-team: team-${TEAM}\n', { MY_KEY: 'sk-9', TEAM: 'red' })
  assert.equal(config.providers['openai']?.apiKey?.reveal(), 'sk-9')
  assert.equal(config.providers['openai']?.headers['x-team']?.reveal(), 'team-red')
  assert.match(refused('providers:\n  openai:\n    api_key: ${MY_KEY}'), /providers\.openai\.api_key names the environment variable MY_KEY, which is not set/)
})

test('an upstream address that is our own is refused, by whatever name', () => {
  for (const address of ['http://127.0.0.1:3000/api/v1', 'http://localhost:3000/v1', 'http://[::1]:3000', 'http://0.0.0.0:3000']) {
    assert.match(refused(`providers:\n  me:\n    base_url: ${address}`), /providers\.me\.base_url is the address that this server listens on/, address)
  }
  assert.match(refused('providers:\n  me:\n    base_url: http://127.0.0.1:9090', { ADMIN_PORT: '9090' }), /listens on \(port 9090\)/)
  assert.match(refused('endpoints:\n  - id: a/b@c\n    base_url: http://127.0.0.1:3000/v1'), /endpoints\[0\]\.base_url is the address/)
  assert.match(refused('providers:\n  me:\n    base_url: http://box.lan:8080', { HOST: 'box.lan', PORT: '8080' }), /listens on/)
  read('providers:\n  other:\n    base_url: http://127.0.0.1:8000/v1')
})

test('what the file says of the catalogue becomes the overlay', () => {
  const config = read(`
providers:
  acme: { base_url: "http://10.0.0.1/v1", name: Acme, data_policy: { training: false } }
models: [{ id: acme/one }]
endpoints: [{ model: acme/one, provider: acme, pricing: free }]
model_aliases: { gpt-4: acme/one }
`)
  assert.deepEqual(config.overlay, {
    providers: { acme: { name: 'Acme', base_url: 'http://10.0.0.1/v1', data_policy: { training: false } } },
    models: [{ id: 'acme/one' }],
    endpoints: [{ model: 'acme/one', provider: 'acme', pricing: 'free' }],
    modelAliases: { 'gpt-4': 'acme/one' },
  })
})

test("a provider's settings fill its address from the file and from variables that are no keys", () => {
  const config = read('providers:\n  cloudflare:\n    settings:\n      zone: eu\n', { CLOUDFLARE_ACCOUNT_ID: 'abc', CLOUDFLARE_API_KEY: 'secret' })
  assert.deepEqual(config.settings('cloudflare', ['CLOUDFLARE_ACCOUNT_ID', 'CLOUDFLARE_API_KEY']), { zone: 'eu', CLOUDFLARE_ACCOUNT_ID: 'abc' })
  assert.deepEqual(config.settings('nobody', []), {})
})

test("a provider's own times stand beside the general ones", () => {
  const config = read('timeouts:\n  idle_ms: 5\nproviders:\n  groq:\n    timeouts:\n      first_token_ms: 7\n')
  assert.equal(config.timeouts.idleMs, 5)
  assert.equal(config.timeouts.firstTokenReasoningMs, 120_000)
  assert.deepEqual(config.providers['groq']?.timeouts, { firstTokenMs: 7, firstTokenReasoningMs: 7 })
})

test('nobody can change a configuration that was read', () => {
  const config = read('providers:\n  openai:\n    settings:\n      a: b\n')
  assert.throws(() => { (config as { port: number }).port = 1 }, TypeError)
  assert.throws(() => { (config.providers['openai']!.settings as Record<string, string>)['a'] = 'c' }, TypeError)
  assert.throws(() => { (config.limits as { bodyBytes: number }).bodyBytes = 1 }, TypeError)
})

test('a bad file on reload leaves the old configuration in force and says why', () => {
  const path = fileWith('discover_local: false')
  const reports: string[] = []
  const applied: boolean[] = []
  const load = () => readConfig({ SIGNALBOX_CONFIG: path }, folder)
  const live = createLiveConfig({
    first: load(), read: load, report: (message) => reports.push(message),
    apply(next) {
      if (next.log.level === 'trace') throw new ConfigError('the catalogue refuses')
      applied.push(next.discoverLocal)
    },
  })
  writeFileSync(path, 'discover_local: perhaps')
  assert.equal(live.reload(), false)
  assert.match(reports[0] ?? '', /discover_local must be true or false.*The configuration of before stays in force/)
  writeFileSync(path, 'log: { level: trace }')
  assert.equal(live.reload(), false)
  assert.equal(live.current().discoverLocal, false)
  writeFileSync(path, 'discover_local: true')
  assert.equal(live.reload(), true)
  assert.equal(live.current().discoverLocal, true)
  assert.deepEqual(applied, [true])
})

test('a change of the file is noticed once, also when an editor replaces the file, and so is a hang-up', async () => {
  const path = fileWith('discover_local: false')
  let hangUp = () => {}
  let changes = 0
  const stop = watchConfig(path, () => changes++, { debounceMs: 20, onHangup: (listener) => { hangUp = listener; return () => {} } })
  const until = async (count: number) => {
    for (let waited = 0; waited < 20_000; waited += 10) {
      if (changes >= count) break
      await sleep(10)
    }
    assert.equal(changes, count)
  }
  await sleep(30)
  writeFileSync(path, 'discover_local: true ')
  writeFileSync(path, 'discover_local: false  ')
  await until(1)
  writeFileSync(`${path}.new`, 'discover_local: true   ')
  renameSync(`${path}.new`, path)
  await until(2)
  writeFileSync(join(folder, 'neighbour.yaml'), 'x')
  await sleep(60)
  assert.equal(changes, 2)
  hangUp()
  assert.equal(changes, 3)
  stop()
  writeFileSync(path, 'discover_local: false    ')
  await sleep(60)
  assert.equal(changes, 3)
})

interface Loose { readonly properties?: Record<string, Loose>; readonly additionalProperties?: Loose | boolean; readonly propertyNames?: Loose }

/** Every setting of the schema as the manual writes it: `<slug>` and `<name>` for what the operator names. */
function settingsOf(schema: Loose, path: string): string[] {
  if (schema.properties) return Object.entries(schema.properties).flatMap(([key, inner]) => settingsOf(inner, path ? `${path}.${key}` : key))
  if (schema.propertyNames) return settingsOf(schema.additionalProperties as Loose, `${path}.${path === 'providers' ? '<slug>' : '<name>'}`)
  return [path]
}

test("what a cloud's sign-in is made from is there to be used, and in nothing that may be printed", () => {
  writeFileSync(join(folder, 'account.json'), '{"private_key":"private-key-of-google"}')
  const config = read('providers: { amazon-bedrock: { credentials: { secret_access_key: "${A_SECRET}" } }, google-vertex: { credentials_file: account.json } }', {
    A_SECRET: 'secret-of-aws', GOOGLE_APPLICATION_CREDENTIALS: 'account.json', MISSING: 'nowhere.json',
  })
  assert.equal(config.providers['amazon-bedrock']?.credentials['secret_access_key']?.reveal(), 'secret-of-aws')
  assert.equal(config.providers['google-vertex']?.credentialsFile?.reveal(), '{"private_key":"private-key-of-google"}')
  assert.equal(config.secretFile('GOOGLE_APPLICATION_CREDENTIALS')?.reveal(), '{"private_key":"private-key-of-google"}')
  assert.equal(config.secretFile('MISSING'), null)
  for (const shown of [JSON.stringify(config), inspect(config, { depth: 9, showHidden: true })]) {
    assert.ok(!shown.includes('secret-of-aws') && !shown.includes('private-key-of-google'))
  }
})

test('a file of credentials that is not there, or is no such file, is named by its setting; a wrong value is not quoted', () => {
  assert.match(refused('providers: { google-vertex: { credentials_file: nowhere.json } }'), /providers\.google-vertex\.credentials_file names .*nowhere\.json, which cannot be read: ENOENT/)
  writeFileSync(join(folder, 'large.json'), 'x'.repeat(100_000))
  assert.match(refused('providers: { google-vertex: { credentials_file: large.json } }'), /too large/)
  assert.match(refused('providers: { azure: { credentials: { client_secret: "${UNSET_SECRET}" } } }'), /providers\.azure\.credentials\.client_secret names the environment variable UNSET_SECRET, which is not set/)
  assert.ok(!refused('providers: { azure: { credentials: { client_secret: 771234 } } }').includes('771234'))
})

test('the manual names every setting with its default, and none that does not exist', () => {
  const manual = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')
  const rows = new Map([...manual.matchAll(/^\| `([^`]+)` \| (?:`([^`]*)`|[^|]*) \|/gm)].map((row) => [row[1]!, row[2]]))
  const settings = settingsOf(jsonSchemaOf(fileSchema) as Loose, '')
  assert.ok(settings.length > 40)
  assert.deepEqual([...rows.keys()].toSorted(), [...settings, ...VARIABLES].toSorted())
  const defaults = Object.entries(DEFAULTS).flatMap(([key, value]) => typeof value === 'object'
    ? Object.entries(value).map(([inner, plain]): [string, string] => [`${key}.${inner}`, String(plain)]) : [[key, String(value)] as [string, string]])
  for (const [name, value] of defaults) assert.equal(rows.get(name), value, name)
})

test('probes are sent where they have a budget, and settings of probes without one are a mistake', () => {
  assert.equal(read('log: { level: warn }').probes, null)
  assert.deepEqual(read('probes: { budget: "1.5", models: ["openai/*"] }').probes,
    { budget: 1_500_000_000n, everyMs: 600_000, maxTokens: 16, concurrent: 4, providers: null, models: ['openai/*'], endpoints: null })
  assert.match(refused('probes: { every_ms: 60000 }'), /probes\.budget is not set, and without one no probe is sent/)
  assert.match(refused('probes: { budget: lots }'), /probes\.budget must .*, is "lots"/)
  assert.match(refused('probes: { budget: 1 }'), /probes\.budget must be a string, is 1/)
  assert.match(refused('probes: { budget: "1", every_ms: 1000 }'), /probes\.every_ms must be a whole number from 60000 to 86400000, is 1000/)
  assert.match(refused('probes: { budget: "1", providers: openai }'), /probes\.providers must be a list, is "openai"/)
  assert.match(refused('probes: { budget: "1", max_token: 1 }'), /probes\.max_token is not a known key; did you mean max_tokens\?/)
})

test('to have everything judged by nobody is a mistake, and would refuse every request', () => {
  assert.throws(() => read('moderation:\n  always: true\n'), /moderation\.always is set, and moderation\.models names nobody/)
  assert.deepEqual(read('moderation:\n  models: [acme/judge]\n').moderation, { models: ['acme/judge'], always: false, failure: 'closed', policy: null, output: false, stream: 'hold' })
  assert.throws(() => read('moderation:\n  output: true\n'), /moderation\.output is set, and moderation\.models names nobody/)
})
