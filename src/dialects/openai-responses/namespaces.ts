import { fault, type Fault, type JsonObject } from '../../core/index.ts'
import type { Loose } from './wire.ts'

/**
 * Tools that stand together under a name of their own: `{type: "namespace", name, tools}`. Only this format has them. To
 * all others, and to everything between the faces, each tool of one is a tool like any other, called `namespace__name`,
 * as agents write it for servers that know no namespaces.
 */
export const NAMESPACE = 'namespace'

const BETWEEN = '__'

/** What a tool or a call of a namespace is called where there are none; the name itself without one. */
export const joined = (namespace: unknown, name: string): string =>
  typeof namespace === 'string' && namespace !== '' ? namespace + BETWEEN + name : name

const isNamespace = (tool: Loose): boolean => tool['type'] === NAMESPACE

/** The tools of a namespace as they stand by themselves. What the namespace is for is said with the first of them. */
export function toolsOf({ name, description, tools }: Loose): readonly Loose[] {
  const about = description ? `All tools of ${name as string}: ${description as string}` : ''
  return (tools as readonly Loose[]).map((tool, at) => ({
    ...tool,
    name: joined(name, tool['name']),
    ...(at === 0 && about !== '' && { description: tool['description'] ? `${tool['description'] as string}\n\n${about}` : about }),
  }))
}

/** A body with two tools of one name: nobody could tell what a call of it means. */
export function ambiguous(tools: readonly Loose[]): Fault | null {
  const known = new Set(tools.flatMap((tool) => (isNamespace(tool) ? [] : [tool['name']])))
  for (const [at, group] of tools.entries()) {
    if (!isNamespace(group)) continue
    for (const [inside, tool] of (group['tools'] as readonly Loose[]).entries()) {
      const name = joined(group['name'], tool['name'])
      const field = `tools[${at}].tools[${inside}].name`
      if (known.has(name)) return fault('invalid-request', `${field}: together with its namespace it is ${JSON.stringify(name)}, which another tool is called; rename one of them`, { field })
      known.add(name)
    }
  }
  return null
}

/** A name taken apart again. */
export interface Apart {
  readonly namespace: string
  readonly name: string
}

/** The tools of a body's namespaces by their joined names; null where it has none. */
export function namespacesOf(body: JsonObject | undefined): ReadonlyMap<string, Apart> | null {
  const groups = ((body?.['tools'] ?? []) as readonly Loose[]).filter(isNamespace)
  if (groups.length === 0) return null
  return new Map(groups.flatMap(({ name: namespace, tools }) =>
    (tools as readonly Loose[]).map(({ name }): [string, Apart] => [joined(namespace, name), { namespace, name }])))
}
