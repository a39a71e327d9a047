import type { OpenApiView } from '../../../src/site.ts'

/*
 * The document of the API as pages show it. Whatever a schema says of a value (type, bounds, choices, default) is on
 * the page; what it refers to is followed, and a shape inside itself is named instead of being drawn without end.
 */

type Json = Readonly<Record<string, unknown>>

/** One value of a request or an answer. */
export interface Field {
  /** The key; `{}` of a value under any key; of one of several forms what tells it from the others, or null. */
  readonly name: string | null
  /** `string`, `array of objects`, `one of 6 forms` … */
  readonly type: string
  readonly required: boolean
  readonly nullable: boolean
  readonly description: string | null
  /** Bounds and the like in words: "0 to 2", "1 to 4 elements". */
  readonly limits: readonly string[]
  readonly choices: readonly string[]
  /** As JSON. */
  readonly fallback: string | null
  readonly fields: readonly Field[]
  readonly forms: readonly Field[]
}

export interface Parameter {
  readonly field: Field
  readonly place: 'path' | 'query'
}

export interface Content {
  readonly type: string
  readonly field: Field | null
  readonly note: string | null
  /** As JSON, indented. */
  readonly example: string | null
}

export interface Operation {
  readonly id: string
  readonly method: string
  readonly path: string
  /** The same under other addresses. */
  readonly also: readonly string[]
  readonly tag: string
  readonly summary: string
  /** Whether a key has to be shown. */
  readonly keyed: boolean
  readonly parameters: readonly Parameter[]
  readonly body: Content | null
  readonly replies: readonly { readonly status: string, readonly description: string, readonly contents: readonly Content[] }[]
}

export interface OperationCard {
  readonly id: string
  readonly method: string
  readonly path: string
  readonly summary: string
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete']
/** What only says that something is no longer there is told once, and not under each of its addresses. */
const UNTOLD = 'Gone'

/** Every operation once, by tag; the same one under another address is not told again. */
export function operationsOf(document: OpenApiView): readonly { readonly tag: string, readonly operations: readonly OperationCard[] }[] {
  const tags = new Map<string, OperationCard[]>()
  for (const { id, method, path, operation } of firstsOf(document)) {
    const tag = String((operation['tags'] as readonly string[] | undefined)?.[0] ?? 'Other')
    if (tag === UNTOLD) continue
    const own = tags.get(tag) ?? []
    own.push({ id, method, path, summary: String(operation['summary'] ?? '') })
    tags.set(tag, own)
  }
  return [...tags].map(([tag, operations]) => ({ tag, operations }))
}

/** One operation at length; null when there is none of that id. */
export function operationOf(document: OpenApiView, id: string): Operation | null {
  const found = firstsOf(document).find((each) => each.id === id)
  if (found === undefined) return null
  const { method, path, also, operation } = found
  const follow = followed(document)
  const body = (operation['requestBody'] as { content?: Readonly<Record<string, Json>> } | undefined)?.content
  const replies = operation['responses'] as Readonly<Record<string, Json>>
  const security = operation['security'] as readonly unknown[] | undefined
  return {
    id, method, path, also,
    tag: String((operation['tags'] as readonly string[])[0]), summary: String(operation['summary'] ?? ''),
    keyed: security === undefined,
    parameters: ((operation['parameters'] ?? []) as readonly Json[]).map((parameter) => ({
      place: parameter['in'] as 'path' | 'query',
      field: { ...follow(String(parameter['name']), parameter['schema'] as Json, parameter['required'] === true), description: told(parameter['description']) },
    })),
    body: body === undefined ? null : contentsOf(body, follow)[0] ?? null,
    // Failures have one shape, which the first of them shows.
    replies: Object.entries(replies).map(([status, reply], i, all) => ({
      status, description: String(reply['description'] ?? ''),
      contents: status >= '400' && all.slice(0, i).some(([before]) => before >= '400') ? [] : contentsOf(reply['content'] as Readonly<Record<string, Json>> | undefined, follow),
    })),
  }
}

function firstsOf(document: OpenApiView) {
  const firsts = new Map<string, { id: string, method: string, path: string, also: string[], operation: Json }>()
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      const operation = methods[method]
      if (!operation) continue
      const id = String(operation['operationId'])
      // A number at the end counts the addresses of one operation: the first has none.
      const first = firsts.get(id.replace(/\d+$/, ''))
      if (first) first.also.push(path)
      else firsts.set(id, { id, method: method.toUpperCase(), path, also: [], operation })
    }
  }
  return [...firsts.values()]
}

type Follow = (name: string | null, schema: Json, required: boolean) => Field

function contentsOf(content: Readonly<Record<string, Json>> | undefined, follow: Follow): readonly Content[] {
  return Object.entries(content ?? {}).map(([type, { schema, example }]) => ({
    type,
    field: schema && (schema as Json)['type'] !== 'string' ? follow(null, schema as Json, true) : null,
    note: schema && (schema as Json)['type'] === 'string' ? told((schema as Json)['description']) : null,
    example: example === undefined ? null : typeof example === 'string' ? example : JSON.stringify(example, null, 2),
  }))
}

function followed(document: OpenApiView): Follow {
  const resolved = (schema: Json): Json =>
    typeof schema['$ref'] === 'string' ? document.components.schemas[schema['$ref'].replace('#/components/schemas/', '')] as Json : schema
  const field = (name: string | null, given: Json, required: boolean, inside: readonly string[]): Field => {
    const ref = typeof given['$ref'] === 'string' ? given['$ref'].replace('#/components/schemas/', '') : null
    const schema = ref === null ? given : { ...document.components.schemas[ref] as Json, ...(given['description'] !== undefined && { description: given['description'] }) }
    const within = ref === null ? inside : [...inside, ref]
    const empty = { name, required, nullable: false, description: told(schema['description']), limits: [], choices: [], fallback: null, fields: [], forms: [] }
    if (ref !== null && inside.includes(ref)) return { ...empty, type: `${ref}, as above` }

    const parts = schema['allOf'] as readonly Json[] | undefined
    if (parts !== undefined) {
      // What holds only where a field has a certain value is a form of its own, named after that value.
      const { allOf: _parts, ...rest } = schema
      const plain = parts.filter((part) => part['if'] === undefined)
      const whole = field(name, plain.reduce<Json>((sum, part) => merged(sum, resolved(part)), rest), required, within)
      const forms = parts.flatMap((part): readonly Field[] => {
        if (part['if'] === undefined || part['then'] === undefined) return []
        const signs = Object.entries(((part['if'] as Json)['properties'] ?? {}) as Readonly<Record<string, Json>>)
        return [field(signs.map(([key, sign]) => `${key}: ${choicesOf(sign).join(' or ')}`).join(', '), part['then'] as Json, false, within)]
      })
      return { ...whole, forms: [...whole.forms, ...forms] }
    }
    const all = (schema['anyOf'] ?? schema['oneOf']) as readonly Json[] | undefined
    if (all !== undefined && schema['properties'] !== undefined) {
      const { anyOf: _any, oneOf: _one, ...rest } = schema
      return { ...field(name, rest, required, within), forms: all.map((form) => field(null, form, false, within)).filter(({ fields, forms }) => fields.length + forms.length > 0) }
    }
    if (all !== undefined) {
      const forms = all.filter((form) => form['type'] !== 'null')
      const nullable = forms.length < all.length
      if (forms.length === 1) {
        const only = field(name, forms[0]!, required, within)
        return { ...only, nullable, description: empty.description ?? only.description, fallback: fallbackOf(schema) ?? only.fallback }
      }
      const told = forms.map((form) => {
        const one = field(null, form, false, within)
        const sign = one.fields.find((inner) => inner.required && inner.choices.length === 1)
        return sign ? { ...one, name: `${sign.name}: ${sign.choices[0]}` } : one
      })
      const constants = told.every(({ type, choices, fields }) => type === 'constant' && choices.length === 1 && fields.length === 0)
      return {
        ...empty, nullable, fallback: fallbackOf(schema),
        ...(constants
          ? { type: 'one of', choices: told.flatMap(({ choices }) => choices) }
          : { type: [...new Set(told.map(({ type }) => type))].slice(0, 4).join(' or '), forms: told.some(({ fields, choices, forms: inner, limits }) => fields.length + choices.length + inner.length + limits.length > 0) ? told : [] }),
      }
    }
    const types = [schema['type']].flat().filter((type): type is string => typeof type === 'string')
    const nullable = types.includes('null')
    const base = { ...empty, nullable, limits: limitsOf(schema), choices: choicesOf(schema), fallback: fallbackOf(schema) }
    const type = types.filter((each) => each !== 'null').join(' or ') || (schema['const'] !== undefined || schema['enum'] !== undefined ? 'constant' : 'any')
    if (type === 'array' && schema['items'] !== undefined && schema['items'] !== true) {
      const element = field(null, schema['items'] as Json, false, within)
      return { ...base, type: `array of ${element.type}`, choices: element.choices, fields: element.fields, forms: element.forms, limits: [...base.limits, ...element.limits.map((limit) => `each ${limit}`)] }
    }
    if (type === 'object') {
      const needed = new Set((schema['required'] ?? []) as readonly string[])
      const fields = Object.entries((schema['properties'] ?? {}) as Readonly<Record<string, Json>>).map(([key, inner]) => field(key, inner, needed.has(key), within))
      const rest = schema['additionalProperties']
      const other = typeof rest === 'object' && rest !== null && Object.keys(rest).length > 0 ? [field('{}', rest as Json, false, within)] : []
      return { ...base, type: ref ?? 'object', fields: [...fields, ...other].toSorted((a, b) => Number(b.required) - Number(a.required)) }
    }
    return { ...base, type: schema['const'] !== undefined ? 'constant' : type }
  }
  return (name, schema, required) => field(name, schema, required, [])
}

function merged(a: Json, b: Json): Json {
  return {
    ...a, ...b,
    ...((a['properties'] ?? b['properties']) !== undefined && { properties: { ...a['properties'] as Json, ...b['properties'] as Json } }),
    ...((a['required'] ?? b['required']) !== undefined && { required: [...(a['required'] ?? []) as readonly string[], ...(b['required'] ?? []) as readonly string[]] }),
  }
}

const told = (text: unknown): string | null => (typeof text === 'string' && text !== '' ? text : null)
const fallbackOf = (schema: Json): string | null => (schema['default'] === undefined ? null : JSON.stringify(schema['default']))

function choicesOf(schema: Json): readonly string[] {
  if (schema['const'] !== undefined) return [JSON.stringify(schema['const'])]
  return Array.isArray(schema['enum']) ? schema['enum'].filter((value) => value !== null).map((value) => JSON.stringify(value)) : []
}

/** Bounds that zod writes where nothing is bounded: the largest whole number that is exact. */
const UNBOUNDED = Number.MAX_SAFE_INTEGER

function limitsOf(schema: Json): readonly string[] {
  const number = (key: string): number | null => {
    const value = schema[key]
    return typeof value === 'number' && Math.abs(value) !== UNBOUNDED ? value : null
  }
  const range = (low: number | null, high: number | null, unit: string): string | null => {
    if (low === null && high === null) return null
    const last = high ?? low!
    return `${low === null ? `at most ${high}` : high === null ? `at least ${low}` : low === high ? `exactly ${low}` : `${low} to ${high}`}${unit && ` ${last === 1 ? unit.slice(0, -1) : unit}`}`
  }
  const above = number('exclusiveMinimum')
  const below = number('exclusiveMaximum')
  return [
    range(number('minimum'), number('maximum'), ''),
    above === null ? null : `above ${above}`, below === null ? null : `below ${below}`,
    range(number('minLength'), number('maxLength'), 'characters'),
    range(number('minItems'), number('maxItems'), 'elements'),
    range(number('minProperties'), number('maxProperties'), 'keys'),
    number('multipleOf') === null ? null : `a multiple of ${number('multipleOf')}`,
    told(schema['format']), typeof schema['pattern'] === 'string' ? `matches ${schema['pattern']}` : null,
  ].filter((limit) => limit !== null)
}
