/** What the memory of this process says of the load. */
export interface Memory {
  /** Whether a call of this class is turned away because of it; `running` are the calls that are under way. */
  refuses(rank: number, running: number): boolean
  /** Bytes that this process may have; 0 where nobody limits it. */
  readonly limit: number
}

export interface MemoryRules {
  /** 0: what the system lets this process have, where it says so. */
  readonly maxRssBytes: number
}

/** Of the limit, from where each class is turned away, the lowest first: who is needed least has to be the first to make room. */
const GIVES_WAY = [0.85, 0.9, 0.95]
/** Memory is read so often, and only while calls come: it costs as much as a refusal, and changes by what calls bring. */
const LOOK_MS = 100

/**
 * Watches the resident memory, so that a load that would have the process ended by the system, and everybody's answer with
 * it, costs only those who come last. A process on which nothing is under way lets one in whatever it holds: nobody's end
 * would free anything, and without calls the collector has no reason to look.
 */
export function createMemory(given: {
  readonly rules: () => MemoryRules
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Bytes of resident memory. */
  readonly resident: () => number
  /** Bytes that the system lets this process have: a container's limit. More than any machine has where there is none. */
  readonly constrained: () => number
}): Memory {
  const { rules, now, resident, constrained } = given
  const system = constrained()
  const itsLimit = system > 0 && system < UNLIMITED ? system : 0
  let lookedAt = -Infinity
  let share = 0
  const limitOf = (): number => {
    const { maxRssBytes } = rules()
    return maxRssBytes > 0 && itsLimit > 0 ? Math.min(maxRssBytes, itsLimit) : maxRssBytes || itsLimit
  }
  return {
    get limit() { return limitOf() },
    refuses(rank, running) {
      const limit = limitOf()
      if (limit === 0) return false
      const at = now()
      if (at - lookedAt >= LOOK_MS) {
        lookedAt = at
        share = resident() / limit
      }
      return share >= GIVES_WAY[rank]! && running > 0
    },
  }
}

/** No machine has as much: cgroups say the like of it where nothing is set. */
const UNLIMITED = 2 ** 50
