import { fault, type Fault, type JsonObject } from '../core/index.ts'
import type { Compactions } from './compactions.ts'

/** An item of a conversation: a message, a thought, a call or its result. What is in it is its wire format's affair. */
export type Item = JsonObject

/**
 * The `input` of a request as the items that are kept of it, each with an id by which the caller may name it later:
 * OpenAI's own forms, a message with its type and its text as a part.
 */
export function inputItems(input: unknown, responseId: string): Item[] {
  const items = typeof input === 'string' ? [{ role: 'user', content: input }] : Array.isArray(input) ? input as Item[] : []
  const suffix = responseId.slice(responseId.lastIndexOf('-') + 1)
  return items.map((item, at) => {
    const type = typeof item['type'] === 'string' ? item['type'] : 'message'
    const id = typeof item['id'] === 'string' && item['id'] !== '' ? item['id'] : `${PREFIXES.get(type) ?? 'item'}_${suffix}i${at}`
    if (type !== 'message') return { ...item, id }
    const { content, role } = item
    return {
      ...item, type, id, status: 'completed',
      content: typeof content === 'string' ? [role === 'assistant' ? { type: 'output_text', text: content, annotations: [] } : { type: 'input_text', text: content }] : content,
    }
  })
}

const PREFIXES: ReadonlyMap<string, string> = new Map(Object.entries({
  message: 'msg', reasoning: 'rs', function_call: 'fc', function_call_output: 'fco', custom_tool_call: 'ctc', custom_tool_call_output: 'ctco',
  apply_patch_call: 'apc', apply_patch_call_output: 'apco',
}))

/** Everything that was said up to and with a response: what its next turn begins with. Instructions are not of it. */
export function contextOf({ items, response }: { readonly items: readonly Item[]; readonly response: JsonObject }): readonly Item[] {
  return [...items, ...response['output'] as Item[]]
}

/**
 * The items of a request with those that were named by their id in the place of their names. What cannot be found is a
 * fault at its own place in the caller's list.
 */
export function resolved(input: unknown, known: readonly Item[]): { readonly input: unknown; readonly fault?: never } | { readonly fault: Fault } {
  if (!Array.isArray(input)) return { input }
  const items: unknown[] = []
  for (const [at, item] of (input as Partial<Item>[]).entries()) {
    if (typeof item !== 'object' || item === null || item['type'] !== 'item_reference') {
      items.push(item)
      continue
    }
    const found = known.find(({ id }) => id === item['id'])
    if (!found) {
      const field = `input[${at}].id`
      return { fault: fault('invalid-request', `${field}: there is no item ${JSON.stringify(item['id'])} in what was kept before it. Send the item itself`, { field }) }
    }
    items.push(found)
  }
  return { input: items }
}

/**
 * The items of a request with those that sum a conversation up as messages that any model can read: of the user, whose
 * words they come from. What others have sealed is passed on to them; what of ours cannot be opened is a fault at its place.
 */
export function expanded(
  input: unknown, workspace: string, compactions: Pick<Compactions, 'isOurs' | 'open'>,
): { readonly input: unknown; readonly fault?: never } | { readonly fault: Fault } {
  if (!Array.isArray(input) || !input.some((item) => isCompaction(item))) return { input }
  const items: unknown[] = []
  for (const [at, item] of input.entries()) {
    const sealed = isCompaction(item) ? item['encrypted_content'] : null
    if (!compactions.isOurs(sealed)) {
      items.push(item)
      continue
    }
    const summary = compactions.open(workspace, sealed)
    if (summary === null) {
      const field = `input[${at}].encrypted_content`
      return { fault: fault('invalid-request', `${field}: cannot be opened: it was changed, or was made for another workspace or by another server. Send the items that it stands for`, { field }) }
    }
    items.push({ type: 'message', role: 'user', content: [{ type: 'input_text', text: `${SUMMED_UP}\n\n${summary}` }] })
  }
  return { input: items }
}

const isCompaction = (item: unknown): item is Item => typeof item === 'object' && item !== null && (item as Item)['type'] === 'compaction'
const SUMMED_UP = 'What was said before was summed up as follows.'
