import { fault, FaultError, TRAFFIC_CLASSES } from '../core/index.ts'
import { checker, providerPreferences, z } from '../schema/index.ts'

/** What a key is set to. Everything is optional; what is absent is as the server has it. Unknown names are refused. */
export const keySettings = z.strictObject({
  /** The routing preferences that a request of the key can tighten and not loosen. */
  provider: providerPreferences,
  /** Whether comments keep a stream alive while its provider is silent; some clients cannot read them. */
  heartbeats: z.boolean(),
  /** Whether `debug.echo_upstream_body` may show what went to a provider: what the operator's rows add is in it. */
  echo_upstream_body: z.boolean(),
  /** Whether `provider.hedge` may have a second attempt opened: the call then costs what both cost. */
  allow_hedge: z.boolean(),
  /** Whether each request is judged before it is answered, whatever it says. */
  moderation: z.boolean(),
  /** The best class that its calls may have when a server has too much to do: `api` unless this says otherwise. */
  traffic_class: z.enum(TRAFFIC_CLASSES),
  /** Whether a response is kept when its request does not say. */
  responses: z.strictObject({ store_default: z.boolean() }).partial(),
}).partial()

export type KeySettings = Readonly<z.infer<typeof keySettings>>

/** A change to settings: objects merge, null removes, everything else replaces (RFC 7396). */
export type KeySettingsChange = { readonly [K in keyof KeySettings]?: Change<KeySettings[K]> | null }
type Change<T> = NonNullable<T> extends readonly unknown[] ? T
  : NonNullable<T> extends object ? { readonly [K in keyof T]?: Change<T[K]> | null }
  : T

/** Settings after a change. Throws an invalid-request fault that names the path at fault when they are not valid. */
export function changeSettings(check: ReturnType<typeof checker>, settings: KeySettings, change: unknown): KeySettings {
  if (!isObject(change)) throw refused('settings', `must be an object, is ${Array.isArray(change) ? 'a list' : typeof change}`)
  const merged = merge(settings, change)
  const issue = check(merged)
  if (issue) throw refused(issue.path ? `settings.${issue.path}` : 'settings', issue.message)
  return merged as KeySettings
}

/** A checker of settings; compiled on first use. */
export function createSettingsCheck(): ReturnType<typeof checker> {
  return checker(keySettings)
}

function refused(field: string, message: string): FaultError {
  return new FaultError(fault('invalid-request', `${field} ${message}`, { field }))
}

function merge(base: unknown, change: unknown): unknown {
  if (!isObject(change)) return change
  const merged = new Map(Object.entries(isObject(base) ? base : {}))
  for (const [name, value] of Object.entries(change)) {
    if (value === null) merged.delete(name)
    else if (value !== undefined) merged.set(name, merge(merged.get(name), value))
  }
  return Object.fromEntries(merged)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
