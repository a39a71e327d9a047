import { isObject, type Loose } from './wire.ts'

/** Arguments that arrive as values at JSON paths, put together into one text when the call is complete. */
export interface PartialArgs {
  add(piece: Loose): void
  /** The arguments as JSON, keys in the order in which they first came. */
  text(): string
}

interface Leaf { value: unknown }
type Node = { readonly keys: Map<string, Node> } | { readonly items: Map<number, Node> } | Leaf

/** A path as deep as this, or an index as high, is no argument that anybody means. */
const MAX_DEPTH = 64
const MAX_INDEX = 100_000
const MAX_PIECES = 1_000_000

/**
 * Vertex streams a call's arguments as `{jsonPath, stringValue | numberValue | boolValue | nullValue, willContinue}`:
 * a string in pieces at one path, closed by an empty piece; lists by index. Keys may hold dots, then in brackets and
 * quotes.
 */
export function createPartialArgs(): PartialArgs {
  const root: Node = { keys: new Map() }
  let pieces = 0

  return {
    add(piece) {
      const steps = typeof piece['jsonPath'] === 'string' ? stepsOf(piece['jsonPath']) : null
      if (!steps || steps.length === 0 || ++pieces > MAX_PIECES) return
      const value = valueOf(piece)
      if (value === undefined) return
      const leaf = leafAt(root, steps)
      if (!leaf) return
      leaf.value = typeof value === 'string' && typeof leaf.value === 'string' ? leaf.value + value : value
    },
    text: () => write(root),
  }
}

function valueOf(piece: Loose): unknown {
  if (typeof piece['stringValue'] === 'string') return piece['stringValue']
  if (typeof piece['numberValue'] === 'number') return piece['numberValue']
  if (typeof piece['boolValue'] === 'boolean') return piece['boolValue']
  return 'nullValue' in piece ? null : undefined
}

function leafAt(root: Node, steps: readonly (string | number)[]): Leaf | null {
  let at: Node = root
  for (const [depth, step] of steps.entries()) {
    const next = steps[depth + 1]
    const empty = (): Node => (next === undefined ? { value: undefined } : typeof next === 'number' ? { items: new Map() } : { keys: new Map() })
    if (typeof step === 'number' && 'items' in at) at = child(at.items, step, empty)
    else if (typeof step === 'string' && 'keys' in at) at = child(at.keys, step, empty)
    else return null
  }
  return 'value' in at ? at : null
}

function child<K>(of: Map<K, Node>, key: K, empty: () => Node): Node {
  const known = of.get(key)
  if (known) return known
  const made = empty()
  of.set(key, made)
  return made
}

function write(node: Node): string {
  if ('keys' in node) return `{${[...node.keys].map(([key, value]) => `${JSON.stringify(key)}:${write(value)}`).join(',')}}`
  if (!('items' in node)) return JSON.stringify(node.value ?? null)
  // A hole is filled, so that what follows keeps its place; a list that is mostly holes is only its values.
  const last = node.items.keys().reduce((most, index) => Math.max(most, index), 0)
  if (last > 2 * node.items.size + 16) return `[${[...node.items].toSorted(([a], [b]) => a - b).map(([, value]) => write(value)).join(',')}]`
  const out: string[] = []
  for (let index = 0; index <= last; index++) {
    const value = node.items.get(index)
    out.push(value ? write(value) : 'null')
  }
  return `[${out.join(',')}]`
}

/** `$.a.b[0]['c d']` as its steps; null for what is no such path. */
export function stepsOf(path: string): readonly (string | number)[] | null {
  if (!path.startsWith('$')) return null
  const steps: (string | number)[] = []
  let at = 1
  while (at < path.length) {
    if (steps.length >= MAX_DEPTH) return null
    STEP.lastIndex = at
    const match = STEP.exec(path)
    if (!match) return null
    const [whole, plain, index, single, double] = match
    if (index !== undefined) {
      const number = Number(index)
      if (number > MAX_INDEX) return null
      steps.push(number)
    } else steps.push(plain ?? (single ?? double ?? '').replace(/\\(.)/g, '$1'))
    at += whole.length
  }
  return steps
}

const STEP = /\.([^.[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]/y

/** Whether a part's call is one piece of several, or the end of them. */
export function isPartial(call: Loose): boolean {
  if (isObject(call['args'])) return false
  return call['willContinue'] === true || Array.isArray(call['partialArgs']) || Object.keys(call).length === 0
}

/** The pieces of one part. */
export const piecesOf = (call: Loose): readonly Loose[] => (Array.isArray(call['partialArgs']) ? call['partialArgs'].filter(isObject) : [])
