/** What may not be written where, found in the syntax tree, so that a comment or a string never counts. */
import { parseSync } from '@swc/core'

export interface Finding { path: string, line: number, what: string, why: string }

interface Ban {
  name: string
  why: string
  /** Paths where it may be written. Tests may always. */
  allowed: RegExp
  /** True when `node` itself is the offence. */
  is(node: Node): boolean
}

/** A node of the tree as swc gives it: looked at, never built. */
interface Node { type: string, span?: { start: number, end: number }, [field: string]: unknown }

const TESTS = /\.test\.ts$|^src\/testing\//

/** Files that may turn foreign text into values. Each was looked at: it bounds what it reads and checks what comes out. */
export const MAY_PARSE_JSON = [
  'src/dialects/json.ts', // every wire: duplicate keys, depth, __proto__
  'src/store/', // columns that we wrote ourselves
  'src/catalog/', // seed files and overlay, checked row by row after
  'src/config/', // the operator's file, checked key by key after
  'src/http/api/response-socket.ts', // answers that we wrote ourselves a moment before; messages are read by parseBody
  'src/cli.ts', // what the operator typed, checked by the room that it is for
]

const DATABASES = new Set(['sqlite', 'postgres', 'postgresql'])
const COMPARES = new Set(['===', '!==', '==', '!='])

export const BANS: readonly Ban[] = [
  {
    name: 'process.env',
    why: 'Only main.ts and cli.ts touch the environment, to hand it to src/config, which makes one frozen value of it: a setting that is read elsewhere is in no manual and cannot be set in a test.',
    allowed: /^src\/(main|cli)\.ts$/,
    is: node => isMember(node, 'process', 'env') || importsName(node, /^(node:)?process$/, ['env']) || takesApart(node, 'process', ['env']),
  },
  {
    name: 'the clock',
    why: 'Only src/ambient.ts reads the clock; everybody else gets an Ambient, so that a test can say what time it is and a story of an hour takes a millisecond.',
    allowed: /^src\/ambient\.ts$/,
    is: node => isMember(node, 'Date', 'now') || isMember(node, 'performance', 'now') || isMember(node, 'process', 'hrtime')
      || takesApart(node, 'Date', ['now']) || takesApart(node, 'performance', ['now']) || importsName(node, /^(node:)?perf_hooks$/, ['performance'])
      || (node.type === 'NewExpression' && isIdentifier(node.callee, 'Date') && listOf(node.arguments).length === 0)
      || (node.type === 'CallExpression' && isIdentifier(node.callee, 'Date')),
  },
  {
    name: 'randomness',
    why: 'Only src/ambient.ts rolls dice; everybody else gets an Ambient, so that a plan, an id and a jitter can be repeated from a seed.',
    allowed: /^src\/ambient\.ts$/,
    is: node => isMember(node, 'Math', 'random') || takesApart(node, 'Math', ['random'])
      || (node.type === 'MemberExpression' && RANDOM.includes(propertyOf(node) ?? ''))
      || importsName(node, /^(node:)?crypto$/, RANDOM),
  },
  {
    name: 'JSON.parse',
    why: 'Foreign text becomes a value in few, reviewed places (MAY_PARSE_JSON in test/bans.ts): elsewhere duplicate keys, depth and __proto__ would go unchecked. Use the reader of src/dialects, or get the file onto the list.',
    allowed: new RegExp(MAY_PARSE_JSON.map(path => `^${path.replaceAll('.', String.raw`\.`)}`).join('|')),
    is: node => isMember(node, 'JSON', 'parse') || takesApart(node, 'JSON', ['parse']),
  },
  {
    name: 'a branch on a provider',
    why: 'What one provider does differently is a row of data or a typed flag in src/providers: a slug compared elsewhere is a special case that the next hundred providers must be read for.',
    allowed: /^src\/providers\//,
    is: node => comparesWithText(node, name => /^provider(Id|Slug|Name)?$/.test(name)),
  },
  {
    name: 'a branch on the database',
    why: 'Which database there is, only src/store knows, in five named functions: a branch elsewhere is a query that is tested on one of the two.',
    allowed: /^src\/store\//,
    is: node => comparesWithText(node, () => true, text => DATABASES.has(text))
      || ((node.type === 'IfStatement' || node.type === 'ConditionalExpression') && namesDatabase(node.test)),
  },
  {
    name: 'state of a module',
    why: 'A room with state is a factory: a variable of the module is shared by every server of a test run and by nobody across nodes.',
    allowed: /^$/,
    is: node => node.type === 'Module' && listOf(node.body).some(isMutableDeclaration),
  },
]

const RANDOM = ['randomBytes', 'randomUUID', 'randomInt', 'randomFillSync', 'randomFill', 'getRandomValues']

/** Every breach of a ban in one file. `path` is relative to the project; `bans` is for the tests of the bans. */
export function findBans(path: string, text: string, bans: readonly Ban[] = BANS): Finding[] {
  if (TESTS.test(path)) return []
  const applying = bans.filter(ban => !ban.allowed.test(path))
  const bytes = Buffer.from(text)
  const found: Finding[] = []
  walk(parseSync(text, { syntax: 'typescript', target: 'esnext' }) as unknown as Node, node => {
    for (const { name, why, is } of applying) {
      if (is(node)) found.push({ path, line: lineOf(bytes, node.span?.start ?? 1), what: name, why })
    }
  })
  return found
}

/** swc counts bytes of UTF-8 from 1. */
function lineOf(bytes: Buffer, start: number): number {
  return bytes.subarray(0, start - 1).toString('utf8').split('\n').length
}

function walk(value: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(value)) {
    for (const each of value) walk(each, visit)
    return
  }
  if (!isNode(value)) {
    // Arguments of a call are wrapped in objects without a type.
    if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) walk(each, visit)
    return
  }
  visit(value)
  for (const each of Object.values(value)) walk(each, visit)
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function isIdentifier(value: unknown, name: string): boolean {
  return isNode(value) && value.type === 'Identifier' && value.value === name
}

/** `object.property`, `object['property']`, or the same through globalThis. */
function isMember(node: Node, object: string, property: string): boolean {
  if (node.type !== 'MemberExpression' || propertyOf(node) !== property) return false
  return isIdentifier(node.object, object) || (isNode(node.object) && isMember(node.object, 'globalThis', object))
}

function propertyOf(node: Node): string | undefined {
  if (!isNode(node.property)) return undefined
  if (node.property.type === 'Identifier') return String(node.property.value)
  const { expression } = node.property
  return isNode(expression) && expression.type === 'StringLiteral' ? String(expression.value) : undefined
}

/** `const { now } = Date` */
function takesApart(node: Node, object: string, properties: readonly string[]): boolean {
  if (node.type !== 'VariableDeclarator' || !isIdentifier(node.init, object)) return false
  if (!isNode(node.id) || node.id.type !== 'ObjectPattern') return false
  return listOf(node.id.properties).some(each => isNode(each) && properties.some(name => isIdentifier(each.key, name)))
}

/** `import { name } from 'source'`, types aside. */
function importsName(node: Node, source: RegExp, names: readonly string[]): boolean {
  if (node.type !== 'ImportDeclaration' || node.typeOnly || !isNode(node.source) || !source.test(String(node.source.value))) return false
  return listOf(node.specifiers).some(each => isNode(each) && each.type === 'ImportSpecifier'
    && names.some(name => isIdentifier(each.imported ?? each.local, name)))
}

/** A comparison, or a `switch`, of something whose last name is `named` with a string for which `said` holds. */
function comparesWithText(node: Node, named: (name: string) => boolean, said: (text: string) => boolean = () => true): boolean {
  const isText = (value: unknown) => isNode(value) && value.type === 'StringLiteral' && said(String(value.value))
  const isNamed = (value: unknown) => named(lastName(value))
  if (node.type === 'BinaryExpression' && COMPARES.has(String(node.operator))) {
    return (isText(node.left) && isNamed(node.right)) || (isText(node.right) && isNamed(node.left))
  }
  return node.type === 'SwitchStatement' && isNamed(node.discriminant)
    && listOf(node.cases).some(each => typeof each === 'object' && each !== null && 'test' in each && isText(each.test))
}

/** `provider` of `provider`, `endpoint.provider` and `endpoint?.provider`. */
function lastName(value: unknown): string {
  if (!isNode(value)) return ''
  if (value.type === 'Identifier') return String(value.value)
  if (value.type === 'MemberExpression') return propertyOf(value) ?? ''
  return value.type === 'OptionalChainingExpression' ? lastName(value.base) : ''
}

/** `sqlite`, `isPostgres`, `db.sqlite`, `!usesSqlite` as the whole of a condition. */
function namesDatabase(value: unknown): boolean {
  if (isNode(value) && value.type === 'UnaryExpression') return namesDatabase(value.argument)
  return /^(is|on|use|uses)?(sqlite|postgres)$/i.test(lastName(value))
}

function isMutableDeclaration(value: unknown): boolean {
  if (!isNode(value)) return false
  if (value.type === 'ExportDeclaration') return isMutableDeclaration(value.declaration)
  return value.type === 'VariableDeclaration' && value.kind !== 'const' && value.declare !== true
}

const BANNED_NAMES = new Set(['util', 'utils', 'helper', 'helpers', 'common', 'manager', 'managers', 'shared'])

/** The part of a path that says nothing about what is inside, if there is one. */
export function bannedName(path: string): string | undefined {
  return path.replace(/([a-z])([A-Z])/g, '$1-$2').toLowerCase().split(/[/._-]/).find(part => BANNED_NAMES.has(part))
}
