import { isObject, type Loose } from './wire.ts'

/** Keys whose values are the caller's own and are not looked into: arguments, results, schemas. */
const OPAQUE: ReadonlySet<string> = new Set([
  'args', 'response', 'parameters', 'parametersJsonSchema', 'responseSchema', 'responseJsonSchema', 'labels', 'provider', 'plugins',
])

/** The keys that are read, and those of Google's that go on as they are: a key that nobody knows keeps its spelling. */
const KNOWN: ReadonlyMap<string, string> = new Map([
  'systemInstruction', 'generationConfig', 'toolConfig', 'functionCallingConfig', 'allowedFunctionNames', 'retrievalConfig', 'functionDeclarations',
  'parametersJsonSchema', 'safetySettings', 'cachedContent', 'serviceTier', 'sessionId', 'inlineData', 'fileData', 'mimeType', 'fileUri', 'displayName',
  'functionCall', 'functionResponse', 'thoughtSignature', 'executableCode', 'codeExecutionResult', 'videoMetadata', 'mediaResolution', 'maxOutputTokens',
  'topP', 'topK', 'frequencyPenalty', 'presencePenalty', 'stopSequences', 'candidateCount', 'responseMimeType', 'responseSchema', 'responseJsonSchema',
  'responseModalities', 'responseLogprobs', 'speechConfig', 'voiceConfig', 'prebuiltVoiceConfig', 'voiceName', 'imageConfig', 'aspectRatio', 'imageSize',
  'thinkingConfig', 'includeThoughts', 'thinkingBudget', 'thinkingLevel', 'googleSearch', 'codeExecution', 'urlContext', 'fileSearch', 'googleMaps',
].map((key) => [key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), key]))

const MAX_DEPTH = 12

/** A body with its keys in camelCase, which Google's proto JSON also takes in snake_case; the same body where they are. */
export function inCamelCase(value: unknown, depth = 0): unknown {
  if (depth > MAX_DEPTH) return value
  if (Array.isArray(value)) {
    const list = value.map((item) => inCamelCase(item, depth + 1))
    return list.some((item, at) => item !== value[at]) ? list : value
  }
  if (!isObject(value)) return value
  let changed = false
  const out: Record<string, unknown> = {}
  for (const [key, inner] of Object.entries(value)) {
    const camel = KNOWN.get(key) ?? key
    const read = OPAQUE.has(camel) ? inner : inCamelCase(inner, depth + 1)
    if (camel !== key || read !== inner) changed = true
    out[camel] = read
  }
  return changed ? out : value
}

/** The other way, for settings that others have in snake_case. */
export const snakeKeys = (of: Loose): Loose =>
  Object.fromEntries(Object.entries(of).map(([key, value]) => [key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]))
