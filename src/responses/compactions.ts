import type { Vault } from './vault.ts'

/** What a conversation was summed up to, sealed: its caller carries it, and nobody but this server can read it, for the same workspace alone. */
export interface Compactions {
  seal(workspace: string, summary: string): string
  /** Whether it was sealed by a server like this one. */
  isOurs(sealed: unknown): sealed is string
  /** null for what was changed, was sealed for another workspace, or under a key that is not here. */
  open(workspace: string, sealed: string): string | null
}

const PREFIX = 'sbxc1.'

export function createCompactions(vault: Vault): Compactions {
  const placeOf = (workspace: string): string => `compaction|${workspace}`
  return {
    seal: (workspace, summary) => PREFIX + vault.seal(summary, placeOf(workspace)),
    isOurs: (sealed): sealed is string => typeof sealed === 'string' && sealed.startsWith(PREFIX),
    open(workspace, sealed) {
      try {
        return vault.open(sealed.slice(PREFIX.length), placeOf(workspace))
      } catch {
        return null
      }
    },
  }
}
