/** One timer for one attempt, moved along as the attempt gets on. */
export interface Deadline {
  /** Counts from now. */
  set(ms: number): void
  /** Counts anew with the time that was set last; cheap enough for every read. */
  touch(): void
  clear(): void
  readonly expired: boolean
}

export function createDeadline(onExpiry: () => void): Deadline {
  let timer: NodeJS.Timeout | null = null
  let expired = false
  return {
    set(ms) {
      if (timer) clearTimeout(timer)
      timer = setTimeout(() => {
        expired = true
        onExpiry()
      }, ms)
    },
    touch: () => void timer?.refresh(),
    clear() {
      if (timer) clearTimeout(timer)
      timer = null
    },
    get expired() { return expired },
  }
}
