import { isJson } from './json.ts'

/** One fragment of a tool call as a chunk brings it. Anything may be missing, and often is. */
export interface ToolFragment {
  readonly index?: number | undefined
  readonly id?: string | undefined
  readonly name?: string | undefined
  /** Argument text, or a whole object where the upstream sends objects; `null` and missing are nothing. */
  readonly input?: unknown
  readonly form?: 'function' | 'custom'
}

/** What the assembler makes of fragments; `slot` counts from 0 in order of opening. */
export interface ToolSink {
  open(slot: number, call: { readonly id: string; readonly name: string; readonly form: 'function' | 'custom' }): void
  input(slot: number, text: string): void
}

export interface ToolAssembler {
  push(fragment: ToolFragment): void
  /** Completes empty arguments to `{}`. Answers the slots that were opened, and which hold invalid JSON. */
  end(): readonly { readonly slot: number; readonly id: string; readonly valid: boolean }[]
  readonly count: number
}

interface Slot {
  readonly at: number
  /** As the upstream gave it; empty when it gave none. */
  id: string
  readonly index: number | undefined
  name: string
  readonly form: 'function' | 'custom'
  /** All the text so far, of which `sent` characters went out. */
  text: string
  sent: number
  /** The last character of the text, kept so that asking whether it is complete costs nothing mostly. */
  last: string
  number: number
  shown: string
  cumulative: boolean
}

/**
 * Puts tool calls together out of what providers send for them: indices that are missing, reused, all 0, or counted
 * from 1; ids that are missing, empty, or new for a new call at an old index; names repeated or `""`; arguments in
 * pieces, whole, as an object, repeated in full, or cumulative. Argument text goes out as it comes, byte for byte.
 * `makeId` invents the id of the n-th call where the upstream gave none.
 */
export function createToolAssembler(sink: ToolSink, makeId: (ordinal: number) => string): ToolAssembler {
  const slots: Slot[] = []
  let opened = 0
  let latest: Slot | undefined

  const slotFor = (fragment: ToolFragment): Slot => {
    const id = fragment.id ?? ''
    const name = fragment.name ?? ''
    const { index } = fragment
    if (id !== '') {
      const known = slots.findLast((slot) => slot.id === id)
      if (known) return known
      const here = index !== undefined ? slots.findLast((slot) => slot.index === index) : name === '' ? latest : undefined
      // An id that changes without a name, in the middle of an argument, is the same call (ids rotate at some hosts).
      if (here && name === '' && !complete(here)) return here
      // A late id for a call that began without one.
      if (here && here.id === '' && (name === '' || name === here.name) && !complete(here)) {
        here.id = id
        return here
      }
      return open(fragment)
    }
    const here = index === undefined ? latest : slots.findLast((slot) => slot.index === index)
    if (!here) return open(fragment)
    if (name === '') return here
    if (here.name === '') return here
    if (name !== here.name) return open(fragment)
    if (index === undefined) return here.text !== '' && !complete(here) ? here : open(fragment)
    return complete(here) && !repeats(here, fragment.input) ? open(fragment) : here
  }

  const open = (fragment: ToolFragment): Slot => {
    const slot: Slot = {
      at: slots.length, id: fragment.id ?? '', index: fragment.index, name: fragment.name ?? '', form: fragment.form ?? 'function',
      text: '', sent: 0, last: '', number: -1, shown: '', cumulative: false,
    }
    slots.push(slot)
    return slot
  }

  /** A call opens when its name is known; until then its arguments wait. */
  const show = (slot: Slot): void => {
    if (slot.number >= 0 || slot.name === '') return
    slot.number = opened++
    slot.shown = slot.id || makeId(slot.number)
    sink.open(slot.number, { id: slot.shown, name: slot.name, form: slot.form })
  }

  /** Sends what is new: `piece` when everything before it is out already, so that the text is not copied each time. */
  const flush = (slot: Slot, piece: string): void => {
    if (slot.number < 0 || slot.sent === slot.text.length) return
    // `null` for "no arguments" must not reach a client: it is held until something else follows.
    if (slot.sent === 0 && slot.form === 'function' && slot.text.length <= 4 && 'null'.startsWith(slot.text)) return
    sink.input(slot.number, slot.sent === slot.text.length - piece.length ? piece : slot.text.slice(slot.sent))
    slot.sent = slot.text.length
  }

  const add = (slot: Slot, input: unknown): string => {
    if (input === undefined || input === null) return ''
    const piece = typeof input === 'string' ? input : JSON.stringify(input)
    if (piece === '') return ''
    const had = slot.text.length
    if (slot.form === 'function' && had > 1 && piece.length >= had) {
      if (piece === slot.text && (slot.cumulative || complete(slot))) return ''
      if (piece.length > had && slot.text.startsWith('{') && piece.startsWith(slot.text) && balanced(piece)) {
        slot.cumulative = true
        slot.text = piece
        slot.last = piece.at(-1)!
        return piece.slice(had)
      }
    }
    slot.text += piece
    slot.last = piece.at(-1)!
    return piece
  }

  return {
    push(fragment) {
      const slot = slotFor(fragment)
      latest = slot
      if (slot.name === '' && fragment.name) slot.name = fragment.name
      show(slot)
      flush(slot, add(slot, fragment.input))
    },
    end() {
      const done = []
      for (const slot of slots) {
        if (slot.number < 0) continue
        if (slot.form === 'function' && slot.sent === 0 && (slot.text === '' || slot.text === 'null')) {
          slot.text = '{}'
        }
        if (slot.sent < slot.text.length) {
          sink.input(slot.number, slot.text.slice(slot.sent))
          slot.sent = slot.text.length
        }
        done.push({ slot: slot.number, id: slot.shown, valid: slot.form === 'custom' || complete(slot) })
      }
      return done
    },
    get count() { return opened },
  }
}

const repeats = (slot: Slot, input: unknown): boolean =>
  slot.text.length > 2 && (typeof input === 'string' ? input : JSON.stringify(input)) === slot.text

/** Whether the arguments so far are whole JSON. */
function complete(slot: Slot): boolean {
  if (slot.last !== '}' && slot.last.trim() !== '') return false
  return isJson(slot.text)
}

/** Whether a text closes no more brackets than it opens: the rest of an object does, the object so far does not. */
function balanced(text: string): boolean {
  let depth = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (inString) {
      if (c === 0x5c) i++
      else if (c === 0x22) inString = false
    } else if (c === 0x22) inString = true
    else if (c === 0x7b || c === 0x5b) depth++
    else if ((c === 0x7d || c === 0x5d) && --depth < 0) return false
  }
  return true
}
