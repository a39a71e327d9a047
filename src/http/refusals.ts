import { FAULTS, type Fault } from '../core/index.ts'
import type { Voice } from '../dialects/index.ts'
import { JSON_TYPE, type Exchange } from './exchange.ts'
import { faultHeaders, sendFault } from './failure.ts'

/**
 * Answers those who are turned away unread. A server that has too much to do answers the same few things thousands of times
 * a second, and what each costs is taken from those who are served: so what was said within this second to one is said to the
 * next with another id, byte for byte what `sendFault` would write. Only faults that are the same objects each time are to be
 * given here; they are remembered.
 */
export function createRefusals(): (x: Exchange, face: Voice, what: Fault) => void {
  let date = ''
  const said = new Map<Voice, Map<Fault, readonly string[] | null>>()

  const wordsOf = (x: Exchange, face: Voice, what: Fault): readonly string[] | null => {
    // The head says the time.
    const now = x.serving.date()
    if (now !== date) {
      date = now
      said.clear()
    }
    let words = said.get(face)
    if (words === undefined) said.set(face, words = new Map())
    let pieces = words.get(what)
    if (pieces === undefined) words.set(what, pieces = piecesOf(x, face, what))
    return pieces
  }

  return (x, face, what) => {
    const pieces = isPlain(x) ? wordsOf(x, face, what) : null
    if (pieces === null) return sendFault(x, face, what)
    x.sendReady(FAULTS[what.kind].status, pieces.join(x.id!))
  }
}

/** The answer of this one, cut at its id; null where it is not one byte for each character. */
function piecesOf(x: Exchange, face: Voice, what: Fault): readonly string[] | null {
  const { status, body } = face.fault(what, undefined, x.id)
  const text = x.rendered(status, JSON_TYPE, body, faultHeaders(what))
  return status === FAULTS[what.kind].status && Buffer.byteLength(text) === text.length ? text.split(x.id!) : null
}

/** Whether the answer of one is that of all others: nothing of the request is left to be read, it came over HTTP, and its head asked for nothing of its own. */
function isPlain(x: Exchange): boolean {
  return x.talk === null && x.complete && !x.closing && !x.serving.draining() && x.status === 0 && !x.unreachable && x.open && x.id !== null && x.lines === ''
    && x.headers['origin'] === undefined && x.method === 'POST'
}
