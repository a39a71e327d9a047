/** Who can be on one roster at a time: `place` is the roster's to write, and -1 while it is on none. */
export interface Enrolled {
  place: number
}

/**
 * What comes and goes with every request. A `Set` rehashes itself as members change, and each table that it leaves behind
 * points to the one after: as soon as one such table is old, V8 keeps all that follow, with whatever was in them, until
 * the next full collection. A fifth of all garbage was promoted by that. Here members know their places in one list.
 */
export class Roster<T extends Enrolled> {
  readonly #members: T[] = []

  get size(): number {
    return this.#members.length
  }

  add(member: T): void {
    if (member.place >= 0) return
    member.place = this.#members.push(member) - 1
  }

  delete(member: T): void {
    const { place } = member
    if (place < 0) return
    const last = this.#members.pop()!
    if (last !== member) {
      this.#members[place] = last
      last.place = place
    }
    member.place = -1
  }

  /** Calls back for each member, the last one first: any of them may be taken off meanwhile, and may be seen twice then. */
  each(visit: (member: T) => void): void {
    for (let at = this.#members.length - 1; at >= 0; at--) {
      const member = this.#members[at]
      if (member !== undefined) visit(member)
    }
  }
}
