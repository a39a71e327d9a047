import { FAULTS, type FaultKind } from '../core/index.ts'
import { checker, jsonSchemaOf, z, type Checker } from '../schema/index.ts'
import { ErrorShape } from './api/shapes.ts'
import type { ReplyDoc, Route } from './route.ts'

type Json = Record<string, unknown>

export interface OpenApi {
  readonly openapi: '3.1.0'
  readonly jsonSchemaDialect: string
  readonly info: Json
  readonly servers: readonly Json[]
  readonly security: readonly Json[]
  readonly tags: readonly Json[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Json>>>>
  readonly components: { readonly schemas: Json; readonly securitySchemes: Json }
}

/** The document of the API. Routes for operators are in it too; whoever may not call them gets a 404. */
export function openApiOf(routes: readonly Route[], version: string): OpenApi {
  const schemas: Json = {}
  const paths: Record<string, Record<string, Json>> = {}
  // What only our own pages send is no part of the API.
  for (const route of routes.filter(({ ownOrigin }) => ownOrigin === undefined)) {
    // Once for all its addresses: to publish the shapes of all routes takes a quarter of a second.
    const operation = operationOf(route, schemas)
    for (const [at, path] of route.paths.entries()) {
      for (const method of route.methods) {
        const acts = route.methods.length === 1 ? '' : method[0] + method.slice(1).toLowerCase()
        const name = route.name + acts + (at === 0 ? '' : String(at + 1))
        ;(paths[path] ??= {})[method.toLowerCase()] = { operationId: name, ...operation }
      }
    }
  }
  return {
    openapi: '3.1.0',
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    info: {
      title: 'Signalbox', version,
      description: 'One OpenAI-compatible address in front of every model and every provider. What stands under /api/v1 also stands under /v1.',
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, { apiKey: [] }],
    tags: [...new Set(routes.flatMap(({ tag, ownOrigin }) => ownOrigin === undefined ? [tag] : []))].map((name) => ({ name })),
    paths,
    components: {
      schemas,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An API key of this server' },
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
    },
  }
}

function operationOf(route: Route, schemas: Json): Json {
  const parameters = [...parametersOf(route.params, 'path', schemas), ...parametersOf(route.query, 'query', schemas)]
  return {
    tags: [route.tag],
    summary: route.summary,
    ...(route.policy !== 'key' && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(route.body && {
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: published(route.body, schemas),
            ...(route.bodyExample !== undefined && { example: route.bodyExample }),
          },
        },
      },
    }),
    responses: responsesOf(route, schemas),
  }
}

function responsesOf(route: Route, schemas: Json): Json {
  const responses: Json = {}
  for (const [status, doc] of Object.entries(route.replies)) {
    responses[status] = { description: doc.description, ...(Number(status) >= 200 && { content: contentOf(doc, schemas) }) }
  }
  if (route.methods.includes('GET') && route.policy === 'none') responses['304'] = { description: 'What the caller has is still right' }
  const kinds = new Map<number, FaultKind[]>()
  for (const kind of failuresOf(route)) {
    const { status } = FAULTS[kind]
    kinds.set(status, [...kinds.get(status) ?? [], kind])
  }
  for (const [status, of] of kinds) {
    responses[String(status)] ??= {
      description: of.map((kind) => FAULTS[kind].meaning).join('; or: '),
      content: { 'application/json': { schema: published(route.speaks?.errors ?? ErrorShape, schemas) } },
    }
  }
  if (route.body) responses['408'] ??= { description: 'the request came too slowly', content: { 'application/json': { schema: published(ErrorShape, schemas) } } }
  return responses
}

/** Every failure that a route can answer with: its own, and those of its policy and its body. */
export function failuresOf(route: Route): ReadonlySet<FaultKind> {
  return new Set<FaultKind>([
    ...route.errors,
    ...(route.policy === 'key' ? ['invalid-request', 'unauthenticated', 'rate-limited', 'overloaded'] as const : []),
    ...(route.query ? ['invalid-request'] as const : []),
    ...(route.body ? ['invalid-request', 'payload-too-large', 'unsupported-media-type'] as const : []),
    'internal',
  ])
}

function contentOf(doc: ReplyDoc, schemas: Json): Json {
  return {
    [doc.type ?? 'application/json']: {
      ...(doc.schema && { schema: published(doc.schema, schemas) }),
      ...(doc.example !== undefined && { example: doc.example }),
    },
    ...(doc.also && { [doc.also.type]: { schema: { type: 'string', description: doc.also.description } } }),
  }
}

function parametersOf(schema: z.ZodObject | undefined, place: 'path' | 'query', schemas: Json): Json[] {
  if (!schema) return []
  const json = published(schema, schemas)
  const required = new Set((json['required'] ?? []) as string[])
  return Object.entries((json['properties'] ?? {}) as Record<string, Json>).map(([name, property]) => {
    const { description, ...rest } = property
    return { name, in: place, required: place === 'path' || required.has(name), ...(description !== undefined && { description }), schema: rest }
  })
}

/** A shape as it stands in the document: named parts move to its components. */
function published(schema: z.ZodType | Readonly<Json>, schemas: Json): Json {
  const json = schema instanceof z.ZodType ? jsonSchemaOf(schema) : { ...schema }
  const { $defs, ...rest } = json as Json & { $defs?: Json }
  for (const [name, part] of Object.entries($defs ?? {})) schemas[name] ??= relinked(part)
  return relinked(rest) as Json
}

function relinked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(relinked)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) =>
    [key, key === '$ref' && typeof inner === 'string' ? inner.replace('#/$defs/', '#/components/schemas/') : relinked(inner)]))
}

/** What went over the wire in one exchange, for comparison with the document. Bodies are parsed JSON. */
export interface Recorded {
  readonly method: string
  readonly path: string
  readonly sent?: unknown
  readonly status: number
  readonly got?: unknown
}

/**
 * Makes the comparison of an exchange with a document: what differs as a sentence, or null. A request body is held
 * against the document only when it was accepted, since bad bodies are sent on purpose; an answer always.
 */
export function createConformance(document: OpenApi): (exchange: Recorded) => string | null {
  const checkers = new Map<string, Checker>()
  const check = (name: string, schema: unknown, value: unknown): string | null => {
    let one = checkers.get(name)
    if (!one) checkers.set(name, one = checker({ ...schema as Json, components: document.components }))
    const issue = one(value)
    return issue && `${name}: ${issue.path || 'the body'} ${issue.message}`
  }
  const addresses = Object.keys(document.paths).map((path) => ({
    path, pattern: new RegExp(`^${path.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{\w+\}/g, '[^/]+')}/?$`),
  })).toSorted((a, b) => a.path.split('{').length - b.path.split('{').length)

  return ({ method, path, sent, status, got }) => {
    const bare = path.replace(/[?#].*$/s, '')
    const address = addresses.find(({ pattern }) => pattern.test(bare))?.path
    const operation = address === undefined ? undefined : document.paths[address]?.[(method === 'HEAD' ? 'GET' : method).toLowerCase()]
    if (!operation) return `${method} ${bare} is not in the document`
    const name = `${method} ${address}`
    const response = (operation['responses'] as Record<string, Json>)[String(status)]
    if (!response) return `${name} answered ${status}, which the document does not name`
    if (sent !== undefined && status < 400) {
      const body = operation['requestBody'] as { content: Record<string, { schema: unknown }> } | undefined
      if (!body) return `${name} was sent a body, which the document does not name`
      const issue = check(`request of ${name}`, body.content['application/json']!.schema, sent)
      if (issue) return issue
    }
    const schema = (response['content'] as Record<string, { schema?: unknown }> | undefined)?.['application/json']?.schema
    return got === undefined || schema === undefined ? null : check(`${status} of ${name}`, schema, got)
  }
}
