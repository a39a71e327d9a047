import { statSync, watch } from 'node:fs'
import { dirname } from 'node:path'
import { ConfigError } from '../catalog/index.ts'
import type { Config } from './read.ts'

/**
 * Calls `onChange` when the file at `path` has changed, appeared or gone, and on each hang-up; a burst of changes
 * counts once. The folder is watched and not the file, because editors and mounted volumes replace it by another.
 * `onHangup` is handed the listener and returns how to take it off. Returns how to stop.
 */
export function watchConfig(
  path: string,
  onChange: () => void,
  given: { readonly onHangup?: (listener: () => void) => () => void; readonly debounceMs?: number } = {},
): () => void {
  let timer: NodeJS.Timeout | null = null
  let last = stampOf(path)
  const look = (): void => {
    timer = null
    const now = stampOf(path)
    if (now === last) return
    last = now
    onChange()
  }
  const soon = (): void => {
    if (timer) clearTimeout(timer)
    timer = setTimeout(look, given.debounceMs ?? 200)
    timer.unref()
  }
  const watcher = watchFolder(dirname(path), soon)
  const offHangup = given.onHangup?.(() => {
    last = stampOf(path)
    onChange()
  })
  return () => {
    if (timer) clearTimeout(timer)
    watcher?.close()
    offHangup?.()
  }
}

function watchFolder(folder: string, listener: () => void): { close(): void } | null {
  try {
    const watcher = watch(folder, { persistent: false }, listener)
    // A folder that goes away, or too many watches on the machine: hang-up still works.
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return null
  }
}

function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : 'none'
}

/** The configuration in force, and how to take a new one. */
export interface LiveConfig {
  current(): Config
  /** Reads and applies the file; when either fails the old one stays in force, the reason is reported, and it returns false. */
  reload(): boolean
}

/** `apply` hands a new configuration to whoever uses it; what it throws as a ConfigError refuses the new one. */
export function createLiveConfig(given: {
  readonly first: Config
  readonly read: () => Config
  readonly apply: (next: Config, before: Config) => void
  readonly report: (message: string) => void
}): LiveConfig {
  let current = given.first
  return {
    current: () => current,
    reload() {
      try {
        const next = given.read()
        given.apply(next, current)
        current = next
        return true
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error
        given.report(`${error.message}. The configuration of before stays in force`)
        return false
      }
    },
  }
}
