import { fault, FaultError } from '../core/index.ts'
import { checker, jsonSchemaOf, type Checker, type z } from '../schema/index.ts'

/** Reads the query of a request into the types of a schema. Throws a FaultError (400) that names the parameter. */
export type QueryReader = (search: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>

interface Property { readonly type?: string }

/**
 * Makes the reader of a query schema. A query is text, so numbers and switches are read from it where the schema says
 * so; a parameter that comes twice is a list with commas. Parameters that the schema does not name are left alone.
 */
export function queryReader(schema: z.ZodObject): QueryReader {
  const properties = (jsonSchemaOf(schema)['properties'] ?? {}) as Record<string, Property>
  const check: Checker = checker(schema)
  return (search) => {
    const read: Record<string, unknown> = {}
    for (const [name, property] of Object.entries(properties)) {
      const value = search[name]
      if (value === undefined || value === '') continue
      read[name] = typed(Array.isArray(value) ? value.join(',') : String(value), property)
    }
    const issue = check(read)
    if (issue) throw new FaultError(fault('invalid-request', `${issue.path} ${issue.message}`, { field: issue.path }))
    return read
  }
}

function typed(text: string, { type }: Property): unknown {
  if ((type === 'number' || type === 'integer') && /^-?\d+(\.\d+)?$/.test(text)) return Number(text)
  if (type === 'boolean' && (text === 'true' || text === '1')) return true
  if (type === 'boolean' && (text === 'false' || text === '0')) return false
  return text
}
