/**
 * Holds values against the types of an official package, read from its own .d.ts files: what a client's compiler was
 * promised. Required fields have to be there, with the type that is declared; `null` only where it is; a union is told
 * apart by its literals. Further keys are allowed: they are ours, or OpenRouter's.
 */
import { parseSync } from '@swc/core'
import { readFileSync } from 'node:fs'
import path from 'node:path'

// The syntax tree is read, never built; typing all of it would be a second TypeScript.
// oxlint-disable-next-line typescript/no-explicit-any
type Node = any

interface Scope { readonly file: File; readonly path: readonly string[] }
interface File { readonly path: string; readonly declared: Map<string, Node>; readonly imported: Map<string, { readonly from: string; readonly name: string | null }> }

export interface OfficialTypes {
  /** What is wrong with a value that should be of the type, with the path to it; null when nothing is. */
  differs(type: string, value: unknown): string | null
  /** The literals of a field over all members of a union: the event types that there are. */
  literals(union: string, field: string): readonly string[]
}

export function officialTypes(entry: string): OfficialTypes {
  const files = new Map<string, File>()
  const fileAt = (at: string): File => {
    let file = files.get(at)
    if (!file) files.set(at, file = readTypes(at))
    return file
  }
  const root: Scope = { file: fileAt(entry), path: [] }

  const find = (scope: Scope, names: readonly string[]): { readonly node: Node; readonly scope: Scope } | null => {
    const [first, ...rest] = names
    for (let depth = scope.path.length; depth >= 0; depth--) {
      const node = scope.file.declared.get([...scope.path.slice(0, depth), ...names].join('.'))
      if (node) return { node, scope: { file: scope.file, path: [...scope.path.slice(0, depth), ...names.slice(0, -1)] } }
    }
    const imported = scope.file.imported.get(first!)
    if (!imported) return null
    const file = fileAt(path.join(path.dirname(scope.file.path), imported.from.replace(/\.js$/, '.d.ts')))
    return find({ file, path: [] }, imported.name === null ? rest : [imported.name, ...rest])
  }

  const membersOf = (node: Node, scope: Scope): { readonly node: Node; readonly scope: Scope }[] => {
    if (node.type === 'TsUnionType') return node.types.flatMap((type: Node) => membersOf(type, scope))
    if (node.type === 'TsParenthesizedType') return membersOf(node.typeAnnotation, scope)
    if (node.type !== 'TsTypeReference' || nameOf(node.typeName).join('.') === 'Array') return [{ node, scope }]
    const found = find(scope, nameOf(node.typeName))
    if (!found) throw new Error(`${nameOf(node.typeName).join('.')} is declared nowhere`)
    if (found.node.type === 'TsTypeAliasDeclaration') return membersOf(found.node.typeAnnotation, inside(found))
    return [found]
  }

  const fieldsOf = (node: Node, scope: Scope): Map<string, { readonly optional: boolean; readonly type: Node; readonly scope: Scope }> => {
    const fields = new Map<string, { optional: boolean; type: Node; scope: Scope }>()
    for (const parent of node.extends ?? []) {
      const found = find(scope, nameOf(parent.expression))
      if (found) for (const [name, field] of fieldsOf(found.node, found.scope)) fields.set(name, field)
    }
    const own = { file: scope.file, path: node.id ? [...scope.path, node.id.value as string] : scope.path }
    for (const member of node.type === 'TsTypeLiteral' ? node.members : node.body.body) {
      if (member.type !== 'TsPropertySignature') continue
      fields.set(String(member.key.value), { optional: member.optional, type: member.typeAnnotation.typeAnnotation, scope: own })
    }
    return fields
  }

  const literalOf = (type: Node): unknown => (type.type === 'TsLiteralType' ? type.literal.value : undefined)

  const check = (type: Node, scope: Scope, value: unknown, at: string): string | null => {
    const members = membersOf(type, scope)
    if (members.length === 1) return checkOne(members[0]!.node, members[0]!.scope, value, at)
    // The member whose literals agree is the one that is meant; its complaint is the one to show.
    let nearest: string | null = null
    for (const member of members) {
      const complaint = checkOne(member.node, member.scope, value, at)
      if (complaint === null) return null
      if (isStructure(member.node) && isObject(value) && agrees(member, value)) nearest ??= complaint
    }
    return nearest ?? `${at} is ${shown(value)}, which is none of the ${members.length} that may stand there`
  }

  const agrees = (member: { readonly node: Node; readonly scope: Scope }, value: Record<string, unknown>): boolean =>
    [...fieldsOf(member.node, member.scope)].every(([name, { type }]) => literalOf(type) === undefined || literalOf(type) === value[name])

  const checkOne = (node: Node, scope: Scope, value: unknown, at: string): string | null => {
    switch (node.type) {
      case 'TsKeywordType': return isKeyword(node.kind, value) ? null : `${at} should be ${node.kind}, is ${shown(value)}`
      case 'TsLiteralType': return node.literal.value === value ? null : `${at} should be ${JSON.stringify(node.literal.value)}, is ${shown(value)}`
      case 'TsArrayType': return checkList(node.elemType, scope, value, at)
      case 'TsTypeReference': return checkList(node.typeParams.params[0], scope, value, at)
      // `string & {}`: any string, with known ones suggested.
      case 'TsIntersectionType': return typeof value === 'string' ? null : `${at} should be a string`
      case 'TsInterfaceDeclaration': case 'TsTypeLiteral': {
        if (!isObject(value)) return `${at} should be an object, is ${shown(value)}`
        for (const [name, field] of fieldsOf(node, scope)) {
          const inner = value[name]
          if (inner === undefined) {
            if (!field.optional) return `${at}.${name} is missing`
            continue
          }
          const complaint = check(field.type, field.scope, inner, `${at}.${name}`)
          if (complaint !== null) return complaint
        }
        return null
      }
      default: throw new Error(`${at}: a ${String(node.type)} cannot be checked`)
    }
  }

  const checkList = (type: Node, scope: Scope, value: unknown, at: string): string | null => {
    if (!Array.isArray(value)) return `${at} should be a list, is ${shown(value)}`
    for (const [index, item] of value.entries()) {
      const complaint = check(type, scope, item, `${at}[${index}]`)
      if (complaint !== null) return complaint
    }
    return null
  }

  const named = (type: string) => ({ type: 'TsTypeReference', typeName: { type: 'Identifier', value: type } })
  return {
    differs: (type, value) => check(named(type), root, value, type),
    literals: (union, field) => membersOf(named(union), root).flatMap(({ node, scope }) => {
      const found = fieldsOf(node, scope).get(field)
      return found ? [String(literalOf(found.type))] : []
    }),
  }
}

function readTypes(at: string): File {
  const declared = new Map<string, Node>()
  const imported = new Map<string, { from: string; name: string | null }>()
  const gather = (body: readonly Node[], within: readonly string[]): void => {
    for (const statement of body) {
      const node = statement.type === 'ExportDeclaration' ? statement.declaration : statement
      if (node.type === 'TsInterfaceDeclaration' || node.type === 'TsTypeAliasDeclaration') declared.set([...within, node.id.value].join('.'), node)
      if (node.type === 'TsModuleDeclaration') gather(node.body.body, [...within, node.id.value])
      if (node.type === 'ImportDeclaration') {
        for (const each of node.specifiers) imported.set(each.local.value, { from: node.source.value, name: each.type === 'ImportSpecifier' ? each.imported?.value ?? each.local.value : null })
      }
    }
  }
  gather(parseSync(readFileSync(at, 'utf8'), { syntax: 'typescript', dts: true, target: 'esnext' } as never).body, [])
  return { path: at, declared, imported }
}

const inside = ({ node, scope }: { readonly node: Node; readonly scope: Scope }): Scope => ({ file: scope.file, path: [...scope.path, node.id.value] })
const nameOf = (node: Node): string[] => (node.type === 'TsQualifiedName' ? [...nameOf(node.left), node.right.value] : node.type === 'MemberExpression' ? [...nameOf(node.object), node.property.value] : [node.value])
const isStructure = (node: Node): boolean => node.type === 'TsInterfaceDeclaration' || node.type === 'TsTypeLiteral'
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const shown = (value: unknown): string => JSON.stringify(value)?.slice(0, 120) ?? 'undefined'

function isKeyword(kind: string, value: unknown): boolean {
  if (kind === 'unknown' || kind === 'any') return true
  return kind === 'null' ? value === null : kind === 'undefined' ? value === undefined : typeof value === kind
}
