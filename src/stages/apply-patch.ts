import { fault, FaultError, type JsonObject, type ServerToolWish } from '../core/index.ts'
import type { ServerTool, ToolKitGiven } from './tool-kit.ts'
import { ToolSettings } from './tool-settings.ts'

const ENGINES: readonly string[] = ['auto', 'native', 'openrouter']
const MOST_PATH = 4096

/**
 * `openrouter:apply_patch`: the model proposes an operation on a file, as a V4A diff. Whether it could be applied is looked
 * at here, and what could not is the model's to mend; a right one is handed to the caller, who has the files.
 */
export function applyPatch(_: ToolKitGiven, wish: ServerToolWish): ServerTool {
  const settings = new ToolSettings(wish)
  const engine = settings.text('engine') ?? 'auto'
  settings.done()
  if (!ENGINES.includes(engine)) throw settings.bad('engine', `must be auto, native or openrouter, is ${JSON.stringify(engine.slice(0, 60))}`)
  return {
    called: 'apply_patch',
    description: ABOUT,
    parameters: {
      type: 'object',
      properties: {
        type: { type: 'string', enum: TYPES },
        path: { type: 'string', description: 'Of the file' },
        diff: { type: 'string', description: 'V4A; left out where a file is deleted' },
      },
      required: ['type', 'path'],
    },
    ignored: settings.ignored,
    ...(engine !== 'openrouter' && wish.native && { instead: wish.native }),
    run: async (args) => ({ output: '', facts: {}, handed: operationIn(args) }),
  }
}

const TYPES: readonly string[] = ['create_file', 'update_file', 'delete_file']

const ABOUT = [
  'Creates, updates or deletes one file; call it once for each. A new file is a diff whose lines all begin with "+".',
  'A change is one or more sections. Each begins with a line "@@", or "@@ " and a line of the file above it (a function, a class) where that helps to find the place;',
  'its lines begin with a space where they stay, "-" where they go, "+" where they come, with about three lines around each change. There are no line numbers and no file names in it:',
  '@@ def greet():\n-    print("Hi")\n+    print("Hello")\n     return 1',
].join('\n')

/** The operation as its caller is told it. Throws a FaultError of what is wrong, for the model. */
export function operationIn({ type, path, diff }: JsonObject): JsonObject {
  if (typeof type !== 'string' || !TYPES.includes(type)) throw wrong(`type has to be one of ${TYPES.join(', ')}`)
  if (typeof path !== 'string' || path.trim() === '') throw wrong('path has to name a file')
  // oxlint-disable-next-line no-control-regex -- these are what it looks for
  if (path.length > MOST_PATH || /[\u0000-\u001f]/.test(path)) throw wrong(`path has to be one line of at most ${MOST_PATH} characters`)
  if (type === 'delete_file') {
    if (diff !== undefined && diff !== null && diff !== '') throw wrong('diff has to be left out where a file is deleted')
    return { type, path }
  }
  if (typeof diff !== 'string') throw wrong('diff has to be a text')
  const slip = type === 'create_file' ? slipInNew(linesOf(diff)) : slipInChange(linesOf(diff))
  if (slip !== null) throw wrong(slip)
  return { type, path, diff }
}

const wrong = (what: string): FaultError => new FaultError(fault('unprocessable', what))

/** Without the line break behind the last one. */
function linesOf(diff: string): readonly string[] {
  const lines = diff.split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  return lines
}

/** Why a diff is no new file, or null. */
function slipInNew(lines: readonly string[]): string | null {
  const at = lines.findIndex((line) => !line.startsWith('+'))
  return at < 0 ? null : `each line of a new file has to begin with "+", ${lineAt(lines, at)}`
}

const END_OF_FILE = '*** End of File'

/** Why a diff is no change of a file, or null. Which lines the file has is the caller's to know. */
function slipInChange(lines: readonly string[]): string | null {
  let changes = 0
  /** Lines of the section that is being read; null before the first. */
  let inside: number | null = null
  let ended = false
  for (const [at, line] of lines.entries()) {
    if (line.startsWith('@@')) {
      if (/^@@+ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@/.test(line)) return `a section begins with "@@" and has no line numbers, ${lineAt(lines, at)}`
      if (line !== '@@' && line[2] !== ' ') return `behind "@@" stands a space, ${lineAt(lines, at)}`
      if (inside === 0) return `a section has no lines, above line ${at + 1}`
      inside = 0
      ended = false
      continue
    }
    if (ended) return `behind "${END_OF_FILE}" only another section may begin, ${lineAt(lines, at)}`
    if (line === END_OF_FILE) {
      if (!inside) return `a section has no lines, above line ${at + 1}`
      ended = true
      continue
    }
    if (line.startsWith('***')) return `the diff is of one file, and has no line such as "*** Begin Patch", ${lineAt(lines, at)}`
    // An empty line stands for an empty line that stays.
    if (line !== '' && !' +-'.includes(line[0]!)) return `each line of a section has to begin with a space, "-" or "+", ${lineAt(lines, at)}`
    if (line[0] === '+' || line[0] === '-') changes++
    inside = (inside ?? 0) + 1
  }
  if (inside === 0) return 'the last section has no lines'
  return changes === 0 ? 'the diff changes nothing: it has no line that begins with "+" or "-"' : null
}

const lineAt = (lines: readonly string[], at: number): string => `line ${at + 1} is ${JSON.stringify(lines[at]!.slice(0, 80))}`
