import { FaultError, type Ambient } from '../core/index.ts'

/** An access token and how long it lives, in milliseconds from when it was asked for. */
export interface Minted {
  readonly token: string
  readonly livesMs: number
}

/** Access tokens, kept while they live. */
export interface Tokens {
  /**
   * The token of an identity: the one that is kept, or a new one. Callers that come at the same time wait for one
   * request. From four fifths of its life on a new one is fetched in the background, and the old one serves meanwhile.
   * Rejects with the FaultError of `mint`.
   */
  of(identity: string, mint: () => Promise<Minted>): string | Promise<string>
  /** The provider refused this token: it is not shown again. Says whether there was anything to forget. */
  forget(identity: string, token: string): boolean
}

interface Kept {
  readonly token: string
  readonly renewAt: number
  readonly expiresAt: number
}

const SHARE_OF_LIFE = 0.8
/** A token about to expire would be refused on arrival. */
const MARGIN_MS = 10_000

export function createTokens(ambient: Pick<Ambient, 'monotonic'>): Tokens {
  const kept = new Map<string, Kept>()
  const flights = new Map<string, Promise<string>>()

  const fetchFor = (identity: string, mint: () => Promise<Minted>): Promise<string> => {
    const flying = flights.get(identity)
    if (flying) return flying
    const asked = ambient.monotonic()
    const flight = mint().then(({ token, livesMs }) => {
      kept.set(identity, { token, renewAt: asked + livesMs * SHARE_OF_LIFE, expiresAt: asked + Math.max(livesMs - MARGIN_MS, livesMs / 2) })
      return token
    }).finally(() => flights.delete(identity))
    flights.set(identity, flight)
    return flight
  }

  return {
    of(identity, mint) {
      const now = ambient.monotonic()
      const known = kept.get(identity)
      if (!known || now >= known.expiresAt) return fetchFor(identity, mint)
      // What goes wrong with it is said when the old one can serve no longer.
      if (now >= known.renewAt) fetchFor(identity, mint).catch(ignore)
      return known.token
    },
    forget(identity, token) {
      return kept.get(identity)?.token === token && kept.delete(identity)
    },
  }
}

function ignore(error: unknown): void {
  if (!(error instanceof FaultError)) throw error
}
