/** The rooms of src/ and their doors: who may import whom, as rules for dependency-cruiser, each with its reason. */
import type { IForbiddenRuleType } from 'dependency-cruiser'

/**
 * From a room (a folder of src/) or a top file to what it may import. What is not here is not allowed: the arrows go
 * from the process towards the vocabulary and never back, and rooms beside each other do not know each other.
 */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  schema: ['core'],
  http1: [],
  net: ['core', 'http1'],
  routing: ['core'],
  stages: ['core'],
  store: ['core'],
  dialects: ['core', 'schema'],
  providers: ['core', 'dialects'],
  catalog: ['core', 'schema'],
  config: ['core', 'schema', 'catalog'],
  accounts: ['core', 'schema', 'store'],
  stats: ['core', 'store'],
  history: ['core', 'store'],
  responses: ['core', 'schema', 'store'],
  presets: ['core', 'store'],
  search: ['core'],
  jobs: ['core', 'store'],
  feedback: ['core', 'store'],
  pages: ['core', 'catalog', 'stats', 'site'],
  gateway: ['core', 'dialects', 'net', 'providers', 'routing'],
  http: ['core', 'http1', 'schema', 'dialects', 'catalog', 'accounts', 'stats', 'responses', 'presets', 'feedback', 'gateway'],
  testing: ['core', 'schema', 'dialects', 'net', 'store', 'app', 'config', 'ambient'],

  site: ['core'],
  ambient: ['core'],
  app: [
    'core', 'schema', 'dialects', 'providers', 'catalog', 'routing', 'stages', 'gateway', 'net', 'accounts', 'stats', 'responses',
    'store', 'history', 'presets', 'search', 'jobs', 'feedback', 'http', 'pages', 'site', 'ambient', 'config',
  ],
  main: ['core', 'app', 'config', 'ambient', 'welcome', 'offline'],
  welcome: ['app'],
  offline: ['core', 'accounts', 'catalog', 'dialects', 'gateway', 'net', 'stats', 'store', 'history', 'jobs', 'feedback', 'app', 'config'],
  cli: ['core', 'offline', 'config', 'ambient', 'testing'],
}

/** Files of src/ that are not rooms. */
export const TOP_FILES = ['main', 'cli', 'app', 'ambient', 'welcome', 'offline', 'site']
export const ROOMS = Object.keys(MAY_IMPORT).filter(name => !TOP_FILES.includes(name))

const TESTS = String.raw`\.test\.ts$`
/** It opens listeners, and connects to nobody. */
const LISTENER = String.raw`^src/http/server\.ts$`
const place = (name: string) => (TOP_FILES.includes(name) ? String.raw`^src/${name}\.ts$` : `^src/${name}/`)
const places = (names: readonly string[]) => names.map(place).join('|')

/** Why a room is kept from the rest, where there is more to say than that arrows never go back. */
const REASONS: Readonly<Record<string, string>> = {
  stages: 'A stage that sees HTTP, dialects or SQL works on one surface only; what it needs is handed in by app.ts.',
  routing: 'A plan is a pure function of values, so that it can be tested by the thousand and explained afterwards.',
  dialects: 'A wire format that knows who serves it becomes a vendor\'s quirk; quirks are flags handed in by providers.',
  http: 'HTTP talks to the rooms that answer, never to SQL or to the network behind them.',
  store: 'The store keeps rows; what they mean is known one floor up.',
  net: 'The door outward must not know what goes through it.',
}

const directions: IForbiddenRuleType[] = Object.entries(MAY_IMPORT).map(([name, allowed]) => ({
  name: `directions-of-${name}`,
  severity: 'error',
  comment: `src/${name} may import ${allowed.map(each => `src/${each}`).join(', ') || 'nothing of src'} and no other room`
    + ` (test/rooms.ts has the table). ${REASONS[name] ?? 'Arrows go towards core and never back: a room that knows its callers cannot be understood, tested or replaced alone.'}`,
  from: { path: place(name), pathNot: TESTS },
  to: { path: '^src/', pathNot: places([name, ...allowed]) },
}))

/** All rules. The comment of a rule is what its breaker reads: what is wrong, and why the rule is there. */
export const forbidden: IForbiddenRuleType[] = [
  ...directions,
  {
    name: 'door-only',
    severity: 'error',
    comment: 'A room is entered by its index.ts only: what is behind the door can then be changed without asking anybody.',
    from: { path: '^src/([^/]+)/' },
    to: { path: '^src/([^/]+)/', pathNot: ['^src/$1/', String.raw`^src/[^/]+/index\.ts$`] },
  },
  {
    name: 'door-only-from-the-top',
    severity: 'error',
    comment: 'main, cli, app and the files beside them enter a room by its index.ts too: the composition root must not depend on how a room is furnished.',
    from: { path: String.raw`^src/[^/]+\.ts$` },
    to: { path: '^src/([^/]+)/', pathNot: String.raw`^src/[^/]+/index\.ts$` },
  },
  {
    name: 'core-imports-nothing',
    severity: 'error',
    comment: 'core is the vocabulary of everybody: an import here, even of node:, is an import in every room, browser and worker included.',
    from: { path: '^src/core/', pathNot: TESTS },
    to: { pathNot: '^src/core/' },
  },
  {
    name: 'testing-is-for-tests',
    severity: 'error',
    comment: 'Only tests, bench and the CLI\'s `fake` may import src/testing: a server that carries its own fakes will one day answer with one.',
    from: { path: '^src/', pathNot: ['^src/testing/', String.raw`^src/cli\.ts$`, TESTS] },
    to: { path: '^src/testing/' },
  },
  {
    name: 'no-circles',
    severity: 'error',
    comment: 'Modules that import each other in a circle load in an order that depends on who came first, and a constant is undefined in one of them.',
    from: { path: '^src/' },
    // Through a type alone nothing is loaded.
    to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
  },
  {
    name: 'one-way-out',
    severity: 'error',
    comment: 'Only src/net opens connections: deadlines, pools and the guard against private addresses hold because there is no second way.',
    from: { path: '^src/', pathNot: ['^src/(net|testing)/', LISTENER, TESTS] },
    to: { path: String.raw`(^|node_modules/)(undici|node:https|https|node:net|net|node:tls|tls|node:http2|http2)(/|$)`, dependencyTypesNot: ['type-only'] },
  },
  {
    name: 'databases-in-store',
    severity: 'error',
    comment: 'Only src/store knows which database there is: everything else says what it wants in Kysely, so that each query runs on both.',
    from: { path: '^src/', pathNot: ['^src/store/', TESTS] },
    to: { path: String.raw`(^|node_modules/)(pg|pg-pool|node:sqlite|sqlite)(/|$)` },
  },
  {
    name: 'no-dev-packages-in-the-server',
    severity: 'error',
    comment: '`npm start` installs without the development packages: a module of src that imports one dies on every machine but the developer\'s.',
    from: { path: '^src/', pathNot: TESTS },
    to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
  },
  {
    name: 'imports-exist',
    severity: 'error',
    comment: 'An import that leads nowhere fails when the file is first loaded, which may be at night.',
    from: { path: '^src/' },
    to: { couldNotResolve: true },
  },
]
