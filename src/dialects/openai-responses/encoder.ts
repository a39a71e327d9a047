import {
  useIn, type Annotation, type ChatEvent, type ChatReply, type FinishReason, type Fault, type JsonObject, type Note, type ReplyPart, type Seal, type TokenLogprob,
} from '../../core/index.ts'
import type { Encoder, Rendered, ReplyMeta } from '../dialect.ts'
import { APPLY_PATCH, operationIn, PatchReader } from './patch-call.ts'
import { responseWriter, type Progress, type ResponseMeta } from './response.ts'
import { namespacesOf, type Apart } from './namespaces.ts'
import { closed } from './seals.ts'
import { itemOfUse } from './server-tools.ts'
import { writeUsage } from './usage.ts'
import { DIALECT, isObject } from './wire.ts'

type EventOf<T extends ChatEvent['type']> = Extract<ChatEvent, { type: T }>

/** An item under way. Some grow by further blocks: a message by texts, reasoning by the parts of one thought. */
interface Item {
  readonly at: number
  readonly id: string
  readonly kind: 'message' | 'reasoning' | 'call' | 'image' | 'audio'
  readonly block: EventOf<'block-open'>['block']
  /** Where the caller declared the tool that is called, if in one; the block then has the name that it has there. */
  readonly namespace: string | undefined
  readonly parts: Part[]
  /** Blocks of it that are open. */
  open: number
  /** Another item has begun behind it. */
  left: boolean
  seal: string | null
  /** The seal itself, as OpenRouter's clients read it. */
  sealed: Seal | null
  /** Of a patch, which is told once it is known to which file. */
  readonly patch: PatchReader | null
}

interface Part {
  readonly type: 'output_text' | 'refusal' | 'summary' | 'reasoning_text' | 'input' | 'data'
  /** Its place among the parts of its kind: `content_index` or `summary_index`. */
  readonly index: number
  /** Where its text begins in the whole reply, in UTF-16 units. */
  readonly offset: number
  text: string
  transcript: string
  readonly annotations: JsonObject[]
  readonly logprobs: JsonObject[]
}

interface Open {
  readonly item: Item
  /** null until a thought has its first text: one that only has a seal has no part. */
  part: Part | null
  /** What stands before and behind the text of a delta. */
  head: string
  tail: string
}

/**
 * Writes the events of a response. Each is counted, each open thing is closed by an event that repeats it whole, and
 * the last one has the whole response: clients may read the deltas, or wait for any of the wholes.
 */
export class ResponseEncoder implements Encoder {
  private readonly write: (progress: Progress) => string
  private readonly meta: ResponseMeta
  private readonly suffix: string
  private sequence = 0
  private begun = false
  private over = false
  private readonly blocks: (Open | undefined)[] = []
  private readonly items: Item[] = []
  private readonly finished: string[] = []
  /** The item that the next block may still belong to. */
  private current: Item | null = null
  private readonly ids = new Set<string>()
  private namespaces: ReadonlyMap<string, Apart> | null | undefined
  private text = ''
  private readonly held: EventOf<'note'>[] = []
  private finish: FinishReason | null = null
  private usage: JsonObject | null = null
  /** The whole response, once it has ended. */
  last = ''
  /** It was told already that it waits for its turn: what is made in the background. */
  private readonly waited: boolean

  constructor(meta: ResponseMeta, { waited = false }: { readonly waited?: boolean } = {}) {
    this.write = responseWriter(meta)
    this.waited = waited
    if (waited) this.sequence = QUEUED_EVENTS
    this.meta = meta
    this.suffix = meta.id.slice(meta.id.lastIndexOf('-') + 1)
  }

  push(batch: readonly ChatEvent[], metadata?: JsonObject): string {
    let out = ''
    for (const event of batch) {
      if (this.over) break
      if (event.type === 'fault') {
        out += this.fail(event.fault, metadata)
        break
      }
      if (event.type === 'block-delta') out += this.delta(event.index, event.text)
      else out += this.other(event)
    }
    return out
  }

  debug(upstreamBodies: readonly JsonObject[]): string {
    return this.begin() + upstreamBodies.map((body) => this.event('response.debug', `"debug":${JSON.stringify({ echo_upstream_body: body })}`)).join('')
  }

  end(metadata?: JsonObject): string {
    if (this.over) return ''
    this.over = true
    let out = this.begin()
    for (const item of this.items) out += this.close(item)
    const status = this.finish === 'length' || this.finish === 'content_filter' ? 'incomplete' : this.finish === 'error' ? 'failed' : 'completed'
    this.last = this.write({
      status, output: this.finished.join(','), text: this.text, completedAt: status === 'completed' && this.meta.now ? Math.floor(this.meta.now() / 1000) : null,
      reason: this.finish === 'length' ? 'max_output_tokens' : this.finish === 'content_filter' ? 'content_filter' : null,
      fault: status === 'failed' ? FINISHED_IN_ERROR : null, usage: this.usage, metadata,
    })
    out += this.event(`response.${status}`, `"response":${this.last}`)
    return this.waited ? out : out + STREAM_END
  }

  private fail(fault: Fault, metadata: JsonObject | undefined): string {
    this.over = true
    const out = this.begin()
    for (const item of this.items) if (this.finished[item.at] === undefined) this.finished[item.at] = JSON.stringify(itemOf(item, 'incomplete'))
    // Who has cancelled what is made in the background still asks what became of it; nobody else is there to hear it.
    const cancelled = this.waited && fault.kind === 'cancelled'
    this.last = this.write({
      status: cancelled ? 'cancelled' : 'failed', output: this.finished.join(','), text: this.text, fault: cancelled ? null : fault, usage: this.usage,
      metadata: fault.kind === 'internal' ? undefined : metadata,
    })
    return out + this.event(cancelled ? 'response.incomplete' : 'response.failed', `"response":${this.last}`)
  }

  private begin(): string {
    if (this.begun) return ''
    this.begun = true
    const response = this.write({ status: 'in_progress', output: '', text: '' })
    if (this.waited) return this.event('response.in_progress', `"response":${response}`)
    return this.event('response.created', `"response":${response}`) + this.event('response.in_progress', `"response":${response}`)
  }

  private event(type: string, rest: string): string {
    return frame(type, this.sequence++, rest)
  }

  private other(event: Exclude<ChatEvent, { type: 'block-delta' | 'fault' }>): string {
    switch (event.type) {
      case 'start': return this.begin()
      case 'block-open': return event.choice === 0 ? this.begin() + this.open(event) : ''
      case 'block-close': return this.closeBlock(event.index, event.seal)
      case 'note': return event.choice === 0 ? this.note(event) : ''
      case 'usage':
        this.usage = writeUsage(event.usage, event.charge)
        return ''
      case 'finish':
        if (event.choice === 0) this.finish = event.reason
        return ''
    }
  }

  private open({ index, block }: EventOf<'block-open'>): string {
    switch (block.type) {
      case 'text': case 'refusal': {
        const grows = this.current?.kind === 'message' && phaseOf(this.current.block) === phaseOf(block)
        const before = grows ? '' : this.item('message', block)
        const item = this.current!
        const part = this.part(item, block.type === 'text' ? 'output_text' : 'refusal', item.parts.length)
        this.hold(index, item, part)
        const added = this.event('response.content_part.added', `${this.place(item, part)},"part":${JSON.stringify(contentOf(part))}`)
        return before + added + (block.type === 'text' ? this.release() : '')
      }
      case 'reasoning': {
        const item = this.current
        const grows = item?.kind === 'reasoning' && item.seal === null && item.block.type === 'reasoning' && item.block.id !== undefined && item.block.id === block.id
        const before = grows ? '' : this.item('reasoning', block)
        this.hold(index, this.current!, null)
        this.blocks[index]!.head = block.summary ? 'summary' : 'text'
        return before
      }
      case 'tool-call': {
        const apart = this.apart(block.name)
        const before = this.item('call', apart ? { ...block, name: apart.name } : block, apart?.namespace)
        this.hold(index, this.current!, this.part(this.current!, 'input', 0))
        return before
      }
      case 'media': {
        const before = this.item(block.kind === 'audio' ? 'audio' : 'image', block)
        const item = this.current!
        this.hold(index, item, this.part(item, 'data', 0))
        if (item.kind === 'audio') return before
        return before + this.event('response.image_generation_call.in_progress', `"output_index":${item.at},"item_id":"${item.id}"`)
      }
      case 'native': return this.native(block)
      // No conversation has one.
      case 'embeddings':
      case 'ranking': return ''
    }
  }

  /** An item of the format's own is passed on whole. What another dialect made up has no word here. */
  private native(block: Extract<EventOf<'block-open'>['block'], { type: 'native' }>): string {
    const use = useIn(block)
    const item = use === null ? block.dialect === DIALECT && isObject(block.value) ? block.value : null : itemOfUse(use)
    if (item === null) return ''
    const before = this.leave()
    const at = this.finished.length
    const text = JSON.stringify(item)
    this.finished[at] = text
    const place = `"output_index":${at}`
    let out = before + this.event('response.output_item.added', `${place},"item":${text}`)
    if (item['type'] === 'web_search_call') {
      const named = `${place},"item_id":${JSON.stringify(item['id'] ?? '')}`
      for (const step of ['in_progress', 'searching', 'completed']) out += this.event(`response.web_search_call.${step}`, named)
    }
    return out + this.event('response.output_item.done', `${place},"item":${text}`)
  }

  /** Begins an item behind all others. */
  private item(kind: Item['kind'], block: Item['block'], namespace?: string): string {
    const before = this.leave()
    const at = this.finished.length
    this.finished.length = at + 1
    const item: Item = { at, id: this.idOf(kind, block, at), kind, block, namespace, parts: [], open: 0, left: false, seal: null, sealed: null, patch: isPatch(block) ? new PatchReader() : null }
    this.items.push(item)
    this.current = item
    return before + (kind === 'audio' || item.patch ? '' : this.added(item))
  }

  private added(item: Item): string {
    return this.event('response.output_item.added', `"output_index":${item.at},"item":${JSON.stringify(itemOf(item, 'in_progress'))}`)
  }

  /** A tool's name as the caller declared it, where that was in a namespace. Looked for when the first call comes. */
  private apart(name: string): Apart | undefined {
    if (this.namespaces === undefined) this.namespaces = namespacesOf(this.meta.asked?.operation.request.origin?.body)
    return this.namespaces?.get(name)
  }

  /** Another item follows: the current one ends, as soon as its blocks have. */
  private leave(): string {
    const item = this.current
    this.current = null
    if (!item) return ''
    item.left = true
    return item.open === 0 ? this.close(item) : ''
  }

  /** The id of a thought is its maker's, who may want it back with the seal; all others are ours, as ids have to be distinct. */
  private idOf(kind: Item['kind'], block: Item['block'], at: number): string {
    const own = block.type === 'reasoning' && block.id?.startsWith('rs_') && !this.ids.has(block.id) ? block.id
      : `${isPatch(block) ? 'apc' : kind === 'call' && block.type === 'tool-call' && block.form === 'custom' ? 'ctc' : PREFIXES[kind]}_${this.suffix}${at}`
    this.ids.add(own)
    return own
  }

  private part(item: Item, type: Part['type'], index: number): Part {
    const part: Part = { type, index, offset: this.text.length, text: '', transcript: '', annotations: [], logprobs: [] }
    item.parts.push(part)
    return part
  }

  private place(item: Item, part: Part): string {
    const key = part.type === 'summary' ? 'summary_index' : 'content_index'
    const inside = part.type === 'input' ? '' : `,"${key}":${part.index}`
    return `"item_id":${JSON.stringify(item.id)},"output_index":${item.at}${inside}`
  }

  private hold(index: number, item: Item, part: Part | null): void {
    item.open++
    this.blocks[index] = { item, part, head: '', tail: '' }
    if (part) this.wrap(this.blocks[index], part)
  }

  private wrap(open: Open, part: Part): void {
    const type = part.type === 'input' && open.item.block.type === 'tool-call' && open.item.block.form === 'custom'
      ? 'response.custom_tool_call_input.delta' : DELTAS[part.type]
    open.head = `event: ${type}\ndata: {"type":"${type}","sequence_number":`
    open.tail = part.type === 'output_text' ? ',"logprobs":[]}\n\n' : '}\n\n'
  }

  private delta(index: number, text: string): string {
    const open = this.blocks[index]
    if (!open || text === '') return ''
    const before = open.part ? '' : this.thought(open)
    const part = open.part!
    part.text += text
    if (part.type === 'output_text') this.text += text
    if (open.item.patch) return this.patched(open.item, open.item.patch, text)
    if (part.type === 'data') {
      return open.item.kind === 'audio' ? this.event('response.audio.delta', `"delta":${JSON.stringify(text)}`) : ''
    }
    return `${before}${open.head}${this.sequence++},${this.place(open.item, part)},"delta":${JSON.stringify(text)}${open.tail}`
  }

  private patched(item: Item, patch: PatchReader, text: string): string {
    const begun = patch.head !== null
    const diff = patch.push(text)
    const added = !begun && patch.head !== null ? this.added(item) : ''
    return added + (diff === '' ? '' : this.event('response.apply_patch_call_operation_diff.delta', `${this.placeOfItem(item)},"delta":${JSON.stringify(diff)}`))
  }

  /** What of a patch could not be told while it came, and its end. */
  private patchDone(item: Item, patch: PatchReader): string {
    const before = patch.head === null ? this.added(item) : ''
    const operation = operationOf(item)
    if (operation === null || typeof operation['diff'] !== 'string') return before
    const { diff } = operation
    const place = this.placeOfItem(item)
    const rest = diff.startsWith(patch.diff) ? diff.slice(patch.diff.length) : ''
    return before + (rest === '' ? '' : this.event('response.apply_patch_call_operation_diff.delta', `${place},"delta":${JSON.stringify(rest)}`))
      + this.event('response.apply_patch_call_operation_diff.done', `${place},"diff":${JSON.stringify(diff)}`)
  }

  private placeOfItem(item: Item): string {
    return `"item_id":${JSON.stringify(item.id)},"output_index":${item.at}`
  }

  /** The part of a thought begins with its first text. */
  private thought(open: Open): string {
    const { item } = open
    const type = open.head === 'summary' ? 'summary' as const : 'reasoning_text' as const
    const part = open.part = this.part(item, type, item.parts.filter((other) => other.type === type).length)
    this.wrap(open, part)
    const name = type === 'summary' ? 'response.reasoning_summary_part.added' : 'response.content_part.added'
    return this.event(name, `${this.place(item, part)},"part":${JSON.stringify(contentOf(part))}`)
  }

  private closeBlock(index: number, seal: Seal | undefined): string {
    const open = this.blocks[index]
    if (!open) return ''
    this.blocks[index] = undefined
    const { item, part } = open
    item.open--
    let out = part ? this.partDone(item, part) : ''
    if (seal && item.kind === 'reasoning') {
      item.seal = closed({ seal, ...(part && { text: part.text, summary: part.type === 'summary' }) })
      item.sealed = seal
    }
    if ((item.left && item.open === 0) || (item.kind !== 'message' && item.kind !== 'reasoning')) out += this.close(item)
    if (!seal || item.kind === 'reasoning') return out
    const on = item.kind === 'call' && item.block.type === 'tool-call' ? { call: item.block.id } : { text: true as const }
    return out + (item.kind === 'message' || item.kind === 'call' ? this.sealItem(seal, on) : '')
  }

  /** The seal of a text or a call goes as a reasoning item of its own: that is what clients send back untouched. */
  private sealItem(seal: Seal, on: { readonly call: string } | { readonly text: true }): string {
    const { current } = this
    const at = this.finished.length
    const item: JsonObject = {
      type: 'reasoning', id: this.idOf('reasoning', { type: 'text' }, at), summary: [], encrypted_content: closed({ seal, on }), format: seal.format, status: 'completed',
    }
    this.finished[at] = JSON.stringify(item)
    this.current = current
    return this.event('response.output_item.added', `"output_index":${at},"item":${this.finished[at]}`)
      + this.event('response.output_item.done', `"output_index":${at},"item":${this.finished[at]}`)
  }

  private partDone(item: Item, part: Part): string {
    const place = this.place(item, part)
    const text = JSON.stringify(part.text)
    switch (part.type) {
      case 'output_text':
        return this.event('response.output_text.done', `${place},"text":${text},"logprobs":${JSON.stringify(part.logprobs)}`)
          + this.event('response.content_part.done', `${place},"part":${JSON.stringify(contentOf(part))}`)
      case 'refusal':
        return this.event('response.refusal.done', `${place},"refusal":${text}`)
          + this.event('response.content_part.done', `${place},"part":${JSON.stringify(contentOf(part))}`)
      case 'summary':
        return this.event('response.reasoning_summary_text.done', `${place},"text":${text}`)
          + this.event('response.reasoning_summary_part.done', `${place},"part":${JSON.stringify(contentOf(part))}`)
      case 'reasoning_text':
        return this.event('response.reasoning_text.done', `${place},"text":${text}`)
          + this.event('response.content_part.done', `${place},"part":${JSON.stringify(contentOf(part))}`)
      case 'input': {
        const { block } = item
        if (item.patch) return this.patchDone(item, item.patch)
        if (block.type === 'tool-call' && block.form === 'custom') return this.event('response.custom_tool_call_input.done', `${place},"input":${text}`)
        return this.event('response.function_call_arguments.done', `${place},"name":${JSON.stringify(block.type === 'tool-call' ? block.name : '')},"arguments":${text}`)
      }
      case 'data':
        if (item.kind === 'image') return this.event('response.image_generation_call.completed', `"output_index":${item.at},"item_id":"${item.id}"`)
        return this.event('response.audio.done', '') + (part.transcript === '' ? '' : this.event('response.audio.transcript.done', ''))
    }
  }

  private close(item: Item): string {
    if (this.finished[item.at] !== undefined) return ''
    const cut = this.finish === 'length' && item === this.items.at(-1)
    const text = this.finished[item.at] = JSON.stringify(itemOf(item, cut ? 'incomplete' : 'completed'))
    if (item.kind === 'audio') this.text += item.parts[0]?.transcript ?? ''
    const added = item.kind === 'audio' ? this.event('response.output_item.added', `"output_index":${item.at},"item":${text}`) : ''
    return added + this.event('response.output_item.done', `"output_index":${item.at},"item":${text}`)
  }

  /** Notes name a block where its maker does; otherwise they are about the text that was last begun. */
  private note(event: EventOf<'note'>): string {
    const { index, note } = event
    if (note.type === 'transcript') {
      const open = index === undefined ? undefined : this.blocks[index]
      if (!open?.part) return ''
      open.part.transcript += note.text
      return this.event('response.audio.transcript.delta', `"delta":${JSON.stringify(note.text)}`)
    }
    const named = index === undefined ? undefined : this.blocks[index]
    const item = named?.item ?? this.items.findLast((other) => other.kind === 'message')
    const part = named?.part ?? item?.parts.findLast((other) => other.type === 'output_text')
    // What is told before there is a text waits for it.
    if (!item || !part) {
      this.held.push(event)
      return ''
    }
    return note.type === 'annotation' ? this.annotate(item, part, note.annotation) : this.tell(item, part, note)
  }

  private release(): string {
    return this.held.splice(0).map((event) => this.note(event)).join('')
  }

  private annotate(item: Item, part: Part, note: Annotation): string {
    if (note.type !== 'citation' || this.finished[item.at] !== undefined) return ''
    const annotation: JsonObject = {
      type: 'url_citation', url: note.url, title: note.title ?? '',
      start_index: Math.max((note.start ?? 0) - part.offset, 0), end_index: Math.max((note.end ?? 0) - part.offset, 0),
      ...(note.content !== undefined && { content: note.content }),
    }
    part.annotations.push(annotation)
    return this.event('response.output_text.annotation.added',
      `${this.place(item, part)},"annotation_index":${part.annotations.length - 1},"annotation":${JSON.stringify(annotation)}`)
  }

  private tell(item: Item, part: Part, note: Extract<Note, { type: 'logprobs' }>): string {
    if (!note.content || note.content.length === 0 || part.type !== 'output_text') return ''
    const tokens = note.content.map(logprobOf)
    part.logprobs.push(...tokens)
    return this.event('response.output_text.delta', `${this.place(item, part)},"delta":"","logprobs":${JSON.stringify(tokens)}`)
  }
}

/** What a stream ends with that has not failed. */
export const STREAM_END = 'data: [DONE]\n\n'
/** Of what is made in the background: created, queued. */
const QUEUED_EVENTS = 2

function frame(type: string, sequence: number, rest: string): string {
  return `event: ${type}\ndata: {"type":"${type}","sequence_number":${sequence}${rest === '' ? '' : `,${rest}`}}\n\n`
}

/** A response that waits for its turn: as JSON, and as the events that its stream begins with. */
export function queuedResponse(meta: ResponseMeta): { readonly response: string; readonly frames: string } {
  const response = responseWriter(meta)({ status: 'queued', output: '', text: '' })
  return { response, frames: frame('response.created', 0, `"response":${response}`) + frame('response.queued', 1, `"response":${response}`) }
}

/** The event that the stream of a response which is over ends with. */
export function lastFrame(response: JsonObject, sequence: number): string {
  const status = response['status'] === 'cancelled' ? 'incomplete' : String(response['status'])
  return frame(`response.${status}`, sequence, `"response":${JSON.stringify(response)}`)
}

const FINISHED_IN_ERROR: Fault = { kind: 'upstream-error', message: 'The model ended its answer with an error.' }

const PREFIXES = { message: 'msg', reasoning: 'rs', call: 'fc', image: 'ig', audio: 'msg' } as const

const DELTAS: Readonly<Record<Part['type'], string>> = {
  output_text: 'response.output_text.delta', refusal: 'response.refusal.delta', summary: 'response.reasoning_summary_text.delta',
  reasoning_text: 'response.reasoning_text.delta', input: 'response.function_call_arguments.delta', data: 'response.audio.delta',
}

const phaseOf = (block: Item['block']): string | undefined => (block.type === 'text' ? block.phase : undefined)

function contentOf(part: Part): JsonObject {
  switch (part.type) {
    case 'refusal': return { type: 'refusal', refusal: part.text }
    case 'summary': return { type: 'summary_text', text: part.text }
    case 'reasoning_text': return { type: 'reasoning_text', text: part.text }
    default: return { type: 'output_text', text: part.text, annotations: part.annotations, logprobs: part.logprobs }
  }
}

const isPatch = (block: Item['block']): boolean => block.type === 'tool-call' && block.as === APPLY_PATCH

/** What a patch does, as far as it is known; null for every other call, and for a patch that cannot be read: that stays a call of a function. */
function operationOf({ block, parts, patch }: Item): JsonObject | null {
  if (block.type !== 'tool-call' || patch === null) return null
  return operationIn({ as: block.as!, input: parts[0]?.text ?? '' }) ?? (patch.head && { ...patch.head, diff: patch.diff })
}

/** An item as it stands. */
function itemOf(item: Item, status: 'in_progress' | 'completed' | 'incomplete'): JsonObject {
  const { id, block, namespace, parts } = item
  switch (item.kind) {
    case 'message': {
      const phase = phaseOf(block)
      return { type: 'message', id, role: 'assistant', status, content: parts.map(contentOf), ...(phase !== undefined && { phase }) }
    }
    case 'reasoning': {
      const content = parts.filter((part) => part.type === 'reasoning_text').map(contentOf)
      const format = item.sealed?.format ?? (block.type === 'reasoning' ? block.format : undefined)
      return {
        type: 'reasoning', id, summary: parts.filter((part) => part.type === 'summary').map(contentOf),
        ...(content.length > 0 && { content }),
        ...(item.seal !== null && { encrypted_content: item.seal }),
        ...(format !== undefined && { format }),
        ...(item.sealed?.kind === 'signature' && { signature: item.sealed.value }),
        status,
      }
    }
    case 'call': {
      if (block.type !== 'tool-call') return {}
      const input = parts[0]?.text ?? ''
      const operation = operationOf(item)
      if (operation) {
        const begun = status === 'in_progress' && typeof operation['diff'] === 'string' ? { ...operation, diff: '' } : operation
        return { type: 'apply_patch_call', id, call_id: block.id, operation: begun, status: status === 'incomplete' ? 'in_progress' : status }
      }
      return block.form === 'custom'
        ? { type: 'custom_tool_call', id, call_id: block.id, name: block.name, namespace, input, status }
        : { type: 'function_call', id, call_id: block.id, name: block.name, namespace, arguments: input, status }
    }
    case 'image': {
      const url = block.type === 'media' ? block.url : undefined
      const data = url === undefined ? parts[0]?.text ?? '' : url.replace(/^data:[^,]*,/, '')
      return { type: 'image_generation_call', id, status, result: status === 'in_progress' ? null : data }
    }
    // A message has no part for speech: what was said is its text, and the sound stands beside it.
    case 'audio': {
      const { text: data = '', transcript = '' } = parts[0] ?? {}
      return { type: 'message', id, role: 'assistant', status, content: [{ type: 'output_text', text: transcript, annotations: [], logprobs: [] }], audio: { data, transcript } }
    }
  }
}

const logprobOf = ({ token, logprob, bytes, top_logprobs: others }: TokenLogprob): JsonObject => ({
  token, logprob, bytes: bytes ?? [...Buffer.from(token)],
  top_logprobs: others.map((other) => ({ token: other.token, logprob: other.logprob, bytes: other.bytes ?? [...Buffer.from(other.token)] })),
})

/** A whole reply as a JSON body: the response that a stream of the same reply would end with. */
export function renderReply(reply: ChatReply, meta: ReplyMeta, metadata?: JsonObject): Rendered {
  const encoder = new ResponseEncoder(meta)
  encoder.push(eventsOf(reply))
  encoder.end(metadata)
  return { status: 200, body: encoder.last }
}

/** The events that a whole reply was collected from, each text in one piece. */
function eventsOf(reply: ChatReply): ChatEvent[] {
  const events: ChatEvent[] = [reply.start]
  const choice = reply.choices[0]
  for (const annotation of choice?.annotations ?? []) events.push({ type: 'note', choice: 0, note: { type: 'annotation', annotation } })
  if (choice?.logprobs) events.push({ type: 'note', choice: 0, note: { type: 'logprobs', content: choice.logprobs.content } })
  for (const [index, part] of (choice?.parts ?? []).entries()) addPart(events, part, index)
  if (choice?.reason) events.push({ type: 'finish', choice: 0, reason: choice.reason })
  if (reply.usage) events.push({ type: 'usage', usage: reply.usage, ...(reply.charge && { charge: reply.charge }) })
  if (reply.fault) events.push({ type: 'fault', fault: reply.fault })
  return events
}

function addPart(events: ChatEvent[], part: ReplyPart, index: number): void {
  const add = (block: EventOf<'block-open'>['block'], text: string, seal?: Seal): void => {
    events.push({ type: 'block-open', index, choice: 0, block })
    if (text !== '') events.push({ type: 'block-delta', index, text })
    if (part.type === 'audio') events.push({ type: 'note', choice: 0, index, note: { type: 'transcript', text: part.transcript } })
    events.push({ type: 'block-close', index, ...(seal && { seal }) })
  }
  switch (part.type) {
    case 'text': return add({ type: 'text', ...(part.phase !== undefined && { phase: part.phase }) }, part.text, part.seal)
    case 'refusal': return add({ type: 'refusal' }, part.text, part.seal)
    case 'reasoning': {
      const { id, summary, format } = part
      return add({ type: 'reasoning', ...(id !== undefined && { id }), ...(summary && { summary }), ...(format !== undefined && { format }) }, part.text, part.seal)
    }
    case 'tool-call': return add({ type: 'tool-call', id: part.id, name: part.name, form: part.form, ...(part.as && { as: part.as }) }, part.input, part.seal)
    case 'native': return add({ type: 'native', dialect: part.dialect, value: part.value }, '')
    case 'audio': return add({ type: 'media', kind: 'audio' }, part.base64)
    case 'media': {
      const { source } = part
      if (source.from === 'data') return add({ type: 'media', kind: part.kind, mime: source.mime }, source.base64)
      return add({ type: 'media', kind: part.kind, url: source.from === 'url' ? source.url : source.id }, '')
    }
    case 'tool-result':
  }
}

/** A failure inside a stream of which comments were sent already: a response that began and failed. */
export function failedFrames(fault: Fault, meta: ResponseMeta, metadata?: JsonObject): string {
  return new ResponseEncoder(meta).push([{ type: 'fault', fault }], metadata)
}

