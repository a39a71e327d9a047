import { isObject, listIn, type Loose } from './wire.ts'

/**
 * The rules that Gemini holds a request against, strictly, as the first that a body breaks, or null. What the API
 * answers 400 to must be found here first; every request that tests write goes through it.
 */
export function ruleBroken(body: unknown, generation: number): string | null {
  if (!isObject(body)) return 'the body is no object'
  for (const key in body) if (!TOP.has(key)) return `${key} is no field of a request`
  return contentsBroken(body, generation) ?? systemBroken(body['systemInstruction'])
    ?? toolsBroken(body, generation) ?? configBroken(body['generationConfig'], generation, listIn(body, 'tools').some((tool) => 'functionDeclarations' in tool))
}

const TOP = new Set(['contents', 'systemInstruction', 'tools', 'toolConfig', 'generationConfig', 'safetySettings', 'cachedContent', 'labels', 'serviceTier'])
const CONFIG = new Set([
  'maxOutputTokens', 'temperature', 'topP', 'topK', 'frequencyPenalty', 'presencePenalty', 'stopSequences', 'seed', 'candidateCount', 'responseLogprobs',
  'logprobs', 'responseModalities', 'imageConfig', 'speechConfig', 'responseMimeType', 'responseSchema', 'responseJsonSchema', 'thinkingConfig',
  'mediaResolution', 'audioTimestamp',
])
const DATA = ['text', 'inlineData', 'fileData', 'functionCall', 'functionResponse', 'executableCode', 'codeExecutionResult']
const PART = new Set([...DATA, 'thought', 'thoughtSignature'])
const NAME = /^[A-Za-z_][A-Za-z0-9_.:-]{0,63}$/

function contentsBroken(body: Loose, generation: number): string | null {
  const contents = listIn(body, 'contents')
  if (contents.length === 0) return 'contents is empty'
  for (const [at, entry] of contents.entries()) {
    const where = `contents[${at}]`
    const before = contents[at - 1]
    if (entry['role'] !== 'user' && entry['role'] !== 'model') return `${where} has the role ${String(entry['role'])}`
    const parts = listIn(entry, 'parts')
    if (parts.length === 0) return `${where} has no parts`
    let run = false
    for (const [index, part] of parts.entries()) {
      const broken = partBroken(part, entry['role'], generation)
      if (broken) return `${where}.parts[${index}] ${broken}`
      if (generation >= 3 && 'functionCall' in part && !run && !part['thoughtSignature']) return `${where}.parts[${index}] is a call without a signature`
      run = 'functionCall' in part
    }
    const calls = callsOf(entry)
    const results = resultsOf(entry)
    if (calls.length > 0) {
      if (!before) return `${where} is a call that follows nothing`
      if (before['role'] !== 'user') return `${where} is a call that does not follow a user's entry`
      const next = contents[at + 1]
      if (!next || JSON.stringify(resultsOf(next)) !== JSON.stringify(calls)) return `${where} is not followed by the results of its calls, in their order`
    }
    if (results.length > 0) {
      if (results.length !== parts.length) return `${where} mixes results with other parts`
      if (!before || callsOf(before).length === 0) return `${where} has results of no call`
    }
    if (before && before['role'] === entry['role'] && results.length === 0 && resultsOf(before).length === 0) return `${where} is a second entry of its role`
  }
  return null
}

const callsOf = (entry: Loose): string[] => namesOf(entry, 'functionCall')
const resultsOf = (entry: Loose): string[] => namesOf(entry, 'functionResponse')

function namesOf(entry: Loose, key: string): string[] {
  return listIn(entry, 'parts').flatMap((part) => (isObject(part[key]) ? [String(part[key]['name'])] : []))
}

function partBroken(part: Loose, role: string, generation: number): string | null {
  for (const key in part) if (!PART.has(key)) return `has ${key}, which is no field of a part`
  const data = DATA.filter((key) => key in part)
  if (data.length !== 1) return `holds ${data.length} things`
  if (part['text'] === '' && part['thoughtSignature'] === undefined) return 'is an empty text'
  if ('text' in part && typeof part['text'] !== 'string') return 'has a text that is none'
  if (part['thoughtSignature'] !== undefined && (role === 'user' || typeof part['thoughtSignature'] !== 'string' || part['thoughtSignature'] === '')) return 'has a signature out of place'
  if (part['thought'] !== undefined && (part['thought'] !== true || part['thoughtSignature'] === undefined)) return 'is a thought without a signature'
  const { inlineData, fileData, functionCall, functionResponse } = part
  if (inlineData !== undefined && !(isObject(inlineData) && isText(inlineData['mimeType']) && typeof inlineData['data'] === 'string')) return 'has inline data without type or bytes'
  if (fileData !== undefined && !(isObject(fileData) && isText(fileData['fileUri']) && isText(fileData['mimeType']))) return 'has a file without address or type'
  if (functionCall !== undefined) {
    if (role !== 'model') return 'is a call by the user'
    if (!isObject(functionCall) || !NAME.test(String(functionCall['name'])) || !isObject(functionCall['args'])) return 'is a call without a proper name or arguments'
  }
  if (functionResponse !== undefined) {
    if (role !== 'user') return 'is a result by the model'
    if (!isObject(functionResponse) || !NAME.test(String(functionResponse['name'])) || !isObject(functionResponse['response'])) return 'is a result without a proper name or response'
    if ('parts' in functionResponse && generation < 3) return 'has media inside a result'
    for (const inner of listIn(functionResponse, 'parts')) if (Object.keys(inner).join() !== 'inlineData') return 'has other things than bytes inside a result'
  }
  return null
}

function systemBroken(system: unknown): string | null {
  if (system === undefined) return null
  if (!isObject(system) || 'role' in system) return 'systemInstruction is not as it should be'
  const parts = listIn(system, 'parts')
  return parts.length > 0 && parts.every((part) => isText(part['text']) && Object.keys(part).length === 1) ? null : 'systemInstruction holds other things than text'
}

function toolsBroken(body: Loose, generation: number): string | null {
  if ('tools' in body && listIn(body, 'tools').length === 0) return 'tools is empty'
  const tools = listIn(body, 'tools')
  const declared = tools.flatMap((tool) => listIn(tool, 'functionDeclarations'))
  const names = declared.map((tool) => String(tool['name']))
  if (tools.some((tool) => Object.keys(tool).length !== 1)) return 'an entry of tools holds several'
  if (tools.filter((tool) => 'functionDeclarations' in tool).length > 1) return 'functions stand in several entries'
  if (new Set(names).size < names.length) return 'a function is declared twice'
  if (generation < 3 && declared.length > 0 && tools.length > 1) return 'built-in tools stand beside functions'
  for (const tool of declared) {
    if (!NAME.test(String(tool['name']))) return `${String(tool['name'])} is no name of a function`
    if ('parametersJsonSchema' in tool && generation < 2.5) return 'full JSON Schema before Gemini 2.5'
    const broken = 'parameters' in tool ? subsetBroken(tool['parameters']) : null
    if (broken) return `${String(tool['name'])}: ${broken}`
  }
  if (body['toolConfig'] === undefined) return null
  const config = isObject(body['toolConfig']) ? body['toolConfig']['functionCallingConfig'] : undefined
  if (!isObject(config) || declared.length === 0) return 'toolConfig without functions'
  const allowed = config['allowedFunctionNames']
  if (allowed !== undefined && config['mode'] !== 'ANY') return 'names are allowed where no call is forced'
  if (Array.isArray(allowed) && !allowed.every((name) => names.includes(String(name)))) return 'a name is allowed that is not declared'
  return null
}

function configBroken(config: unknown, generation: number, hasFunctions: boolean): string | null {
  if (config === undefined) return null
  if (!isObject(config)) return 'generationConfig is no object'
  for (const key in config) if (!CONFIG.has(key) || config[key] === undefined || config[key] === null) return `generationConfig.${key} is no field, or empty`
  const { thinkingConfig: thinking, stopSequences: stops } = config
  if (isObject(thinking) && 'thinkingLevel' in thinking && 'thinkingBudget' in thinking) return 'level and budget together'
  if (Array.isArray(stops) && (stops.length > 5 || stops.length === 0 || stops.includes(''))) return 'stop sequences: 1 to 5, none empty'
  const { seed } = config
  if (seed !== undefined && (!Number.isInteger(seed) || Math.abs(Number(seed)) > 2 ** 31)) return 'a seed beyond 32 bits'
  if (config['logprobs'] !== undefined && config['responseLogprobs'] !== true) return 'a count of logprobs without logprobs'
  if (config['responseMimeType'] !== undefined && hasFunctions && generation < 3) return 'JSON beside functions'
  if (('responseSchema' in config || 'responseJsonSchema' in config) && config['responseMimeType'] !== 'application/json') return 'a schema of no JSON'
  if ('responseJsonSchema' in config && generation < 2.5) return 'full JSON Schema before Gemini 2.5'
  return 'responseSchema' in config ? subsetBroken(config['responseSchema']) : null
}

const SUBSET = new Set([
  'type', 'format', 'title', 'description', 'nullable', 'enum', 'items', 'minItems', 'maxItems', 'properties', 'required', 'minProperties', 'maxProperties',
  'minimum', 'maximum', 'minLength', 'maxLength', 'pattern', 'anyOf', 'default', 'example', 'propertyOrdering',
])
const TYPES = new Set(['string', 'number', 'integer', 'boolean', 'array', 'object'])
const FORMATS = new Set(['enum', 'date-time', 'int32', 'int64', 'float', 'double'])

/** The subset of OpenAPI schemas that `parameters` and `responseSchema` take. */
export function subsetBroken(schema: unknown): string | null {
  if (!isObject(schema)) return 'a schema is no object'
  for (const key in schema) if (!SUBSET.has(key)) return `a schema has ${key}`
  const { type, format, enum: values, properties, required, items, anyOf } = schema
  if (type !== undefined && !TYPES.has(String(type))) return `a schema has the type ${JSON.stringify(type)}`
  if (format !== undefined && !FORMATS.has(String(format))) return `a schema has the format ${JSON.stringify(format)}`
  if (values !== undefined && !(Array.isArray(values) && values.length > 0 && values.every((value) => isText(value)))) return 'an enum of other things than strings'
  if (type === 'array' && !isObject(items)) return 'a list of nothing'
  if (required !== undefined && !(Array.isArray(required) && isObject(properties) && required.every((key) => Object.hasOwn(properties, String(key))))) return 'required names what is no property'
  if (anyOf !== undefined && !(Array.isArray(anyOf) && anyOf.length > 0)) return 'anyOf without alternatives'
  const inner = [...(isObject(properties) ? Object.values(properties) : []), ...(items === undefined ? [] : [items]), ...(Array.isArray(anyOf) ? anyOf : [])]
  for (const one of inner) {
    const broken = subsetBroken(one)
    if (broken) return broken
  }
  return null
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
