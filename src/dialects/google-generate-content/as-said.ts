import type { JsonObject } from '../../core/index.ts'
import type { Traits } from './traits.ts'
import { isObject, listIn, textIn, type Loose, type WireContent, type WirePart } from './wire.ts'

/**
 * The entries of a caller of this very format, where they say what we would write and more (`videoMetadata`, ids of
 * calls, `mediaResolution`); ours where the two differ.
 */
export function asSaid(contents: readonly WireContent[], body: JsonObject): readonly unknown[] {
  const said = listIn(body, 'contents')
  if (said.length !== contents.length) return contents
  return contents.map((content, at) => (same(content, said[at]!) ? said[at]! : content))
}

function same({ role, parts }: WireContent, said: Loose): boolean {
  const others = listIn(said, 'parts')
  return (said['role'] === 'model') === (role === 'model') && others.length === parts.length && parts.every((part, at) => samePart(part, others[at]!))
}

function samePart(part: WirePart, said: Loose): boolean {
  if (part.thoughtSignature !== textIn(said, 'thoughtSignature') || Boolean(part.thought) !== Boolean(said['thought'])) return false
  if (part.functionCall) return isObject(said['functionCall']) && said['functionCall']['name'] === part.functionCall.name
  if (part.functionResponse) return isObject(said['functionResponse']) && said['functionResponse']['name'] === part.functionResponse.name && !part.functionResponse.parts
  if (part.inlineData) return isObject(said['inlineData']) && said['inlineData']['mimeType'] === part.inlineData.mimeType
  if (part.fileData) return isObject(said['fileData']) && said['fileData']['fileUri'] === part.fileData.fileUri
  return part.text === undefined ? Object.keys(part).every((key) => key in said) : part.text === said['text']
}

/** How the caller wants the model to think, in its own words, where the model knows them; else null. */
export function asWished(body: JsonObject, traits: Traits): JsonObject | null {
  const config = body['generationConfig']
  const wish = isObject(config) ? config['thinkingConfig'] : undefined
  if (!isObject(wish) || traits.thinking === 'never') return null
  const other = traits.thinking === 'level' ? 'thinkingBudget' : 'thinkingLevel'
  return wish[other] === undefined || wish[other] === null ? wish : null
}
