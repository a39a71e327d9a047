import type { EndpointId, ModelId } from '../core/index.ts'

/**
 * Which endpoint has the beginning of a conversation in its prompt cache. A later turn goes there first, because
 * cached tokens cost a tenth to a half of others, until what another endpoint would save is more than the cache is
 * worth. (OpenRouter's prompt caching guide: sticky routing.)
 */
export interface Affinity {
  /** Where the last turn of this conversation was answered; null when nobody knows, or it is too long ago. */
  find(conversation: Conversation, model: ModelId, now: number): Sticky | null
  /** To be called when a turn was answered to its end. */
  learn(conversation: Conversation, answered: Answered, now: number): void
  /** Whether anything is remembered at all. */
  any(): boolean
  adopt(rules: Partial<AffinityRules>): void
}

/** What tells one conversation of a tenant from another. */
export interface Conversation {
  readonly tenant: string
  /** The caller's own name for it: a session id, or a prompt cache key. */
  readonly session: string | null
  /** A hash of how it begins; asked for only where it is needed, since prompts are long. */
  beginning(): string
}

/** What a turn's answer says of the cache. */
export interface Answered {
  readonly model: ModelId
  readonly endpoint: EndpointId
  /** Prompt tokens that were read from the cache or written to it. */
  readonly cachedTokens: number
  /** A token read from the cache costs less here than another. */
  readonly cacheIsCheaper: boolean
}

export interface Sticky {
  readonly endpoint: EndpointId
  readonly cachedTokens: number
}

export interface AffinityRules {
  /** How long a conversation may pause: providers keep their caches for some five to ten minutes. 0 remembers none. */
  readonly stickyMs: number
  /** Conversations remembered; the least recently used are forgotten. */
  readonly stickyRemembered: number
}

export const AFFINITY_RULES: AffinityRules = Object.freeze({ stickyMs: 600_000, stickyRemembered: 100_000 })

interface Kept extends Sticky {
  readonly until: number
}

const BEGINNING = 'beginning'

/**
 * A bounded memory of one node. Without a name of the caller's, a conversation is remembered only once an answer has
 * used the cache where that is cheaper; with one, after any answer. So traffic that never caches is never hashed.
 */
export function createAffinity(given: Partial<AffinityRules> = {}): Affinity {
  let rules: AffinityRules = { ...AFFINITY_RULES, ...given }
  const kept = new Map<string, Kept>()
  let byBeginning = 0

  const named = ({ tenant, session }: Conversation, model: ModelId): string | null => session === null ? null : `session\n${tenant}\n${model}\n${session}`
  const begun = (conversation: Conversation, model: ModelId): string => `${BEGINNING}\n${conversation.tenant}\n${model}\n${conversation.beginning()}`
  const forget = (name: string): void => {
    if (kept.delete(name) && name.startsWith(BEGINNING)) byBeginning--
  }

  return {
    find(conversation, model, now) {
      if (kept.size === 0 || rules.stickyMs === 0) return null
      const name = named(conversation, model) ?? (byBeginning > 0 ? begun(conversation, model) : null)
      const known = name === null ? undefined : kept.get(name)
      if (known === undefined) return null
      if (known.until > now) return known
      forget(name!)
      return null
    },
    learn(conversation, { model, endpoint, cachedTokens, cacheIsCheaper }, now) {
      const name = named(conversation, model) ?? (cachedTokens > 0 && cacheIsCheaper ? begun(conversation, model) : null)
      if (name === null || rules.stickyMs === 0) return
      forget(name)
      kept.set(name, { endpoint, cachedTokens, until: now + rules.stickyMs })
      if (name.startsWith(BEGINNING)) byBeginning++
      while (kept.size > rules.stickyRemembered) forget(kept.keys().next().value!)
    },
    any: () => kept.size > 0,
    adopt(next) {
      rules = { ...AFFINITY_RULES, ...next }
    },
  }
}
