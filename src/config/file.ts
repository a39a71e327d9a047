import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { LineCounter, parseDocument } from 'yaml'
import { checker, jsonSchemaOf } from '../schema/index.ts'
import { ConfigError, unknownKeys, unknownKeySentence } from '../catalog/index.ts'
import { FILE_NOT_YET, fileSchema, type ConfigFile } from './schema.ts'

export const DEFAULT_FILE = 'signalbox.config.yaml'

export interface FoundFile {
  /** Where it is, or would be. */
  readonly path: string
  /** Null when there is none, which only the default may be. */
  readonly content: ConfigFile | null
}

/** Reads the configuration file. Throws a ConfigError that names the file, the key and what is wrong, never a secret. */
export function readFile(named: string | null, cwd: string): FoundFile {
  const path = resolve(cwd, named ?? DEFAULT_FILE)
  if (!existsSync(path)) {
    if (named === null) return { path, content: null }
    throw new ConfigError(`SIGNALBOX_CONFIG names ${path}, and there is no such file`)
  }
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`)
  }
  return { path, content: checkFile(parse(text, path), path) }
}

/** JSON is YAML too. The parser's own excerpts are left out of messages: a line may hold a key. */
function parse(text: string, path: string): unknown {
  const lines = new LineCounter()
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines })
  const [wrong] = document.errors
  if (wrong) {
    const { line, col } = lines.linePos(wrong.pos[0])
    throw new ConfigError(`${path}, line ${line}, column ${col}: not YAML or JSON (${wrong.code.toLowerCase().replaceAll('_', ' ')})`)
  }
  try {
    return document.toJS({ maxAliasCount: 100 }) ?? {}
  } catch {
    throw new ConfigError(`${path}: its YAML aliases cannot be resolved`)
  }
}

/** Holds a parsed file against the schema. Throws a ConfigError at the deepest path that is wrong. */
export function checkFile(content: unknown, path: string): ConfigFile {
  if (content === null || typeof content !== 'object' || Array.isArray(content)) {
    throw new ConfigError(`${path} must hold settings by name ("providers: …"), and holds ${Array.isArray(content) ? 'a list' : 'a single value'}`)
  }
  for (const name of FILE_NOT_YET) {
    if (Object.hasOwn(content, name)) throw new ConfigError(`${path}: ${name} is not available yet`)
  }
  const schema = jsonSchemaOf(fileSchema)
  const [unknown] = unknownKeys(schema, content)
  if (unknown) throw new ConfigError(`${path}: ${unknownKeySentence(unknown)}`)
  const issue = checker(schema)(content)
  if (issue) throw new ConfigError(`${path}: ${issue.path || 'the file'} ${isSecret(issue.path) ? withoutValue(issue.message) : issue.message}`)
  return content as ConfigFile
}

function isSecret(path: string): boolean {
  return /(^|\.)(api_key|credentials|headers|base_url)(\.|$)/.test(path)
}

function withoutValue(message: string): string {
  return message.replace(/, is .*$/s, '')
}
