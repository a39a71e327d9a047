import type { Credential } from '../core/index.ts'

/** What the catalogue knows of a provider's door; a structural part of its row. */
export interface ProviderFacts {
  readonly slug: string
  readonly name: string
  readonly kind: string
  readonly auth: {
    readonly scheme: string
    readonly header?: string
    readonly prefix?: string
    readonly extra_headers?: Readonly<Record<string, string>>
  }
  /** Environment variables for the key and for settings, as the catalogue names them. */
  readonly env: readonly string[]
}

/** What the operator said about a provider. */
export interface ProviderGrant {
  readonly apiKey: string | null
  readonly enabled: boolean | null
  readonly headers: Readonly<Record<string, string>>
  readonly settings: Readonly<Record<string, string>>
  /** The operator gave an address: then a provider without a key is taken to need none. */
  readonly hasAddress: boolean
}

export interface Providers {
  /** The keys that a provider may be called with, in order of preference; none means that it cannot be called. */
  credentials(provider: string): readonly Credential[]
  /** Header names and values in turn that authorise a call; contains the secret, goes straight to the wire. */
  headers(credential: Credential): readonly string[]
  /** What an operator would do to make the provider usable, in a phrase: `set GROQ_API_KEY`. */
  remedy(provider: string): string
  /** Whether any provider but the simulation can be called. */
  usable(): boolean
  /** Providers that can be called, for the start's log and `doctor`. */
  enabled(): readonly string[]
}

/** Variables that other tools set too: one of them in the environment does not mean that the operator wants us to spend it. */
const SHARED_WITH_OTHER_TOOLS = /^(GITHUB_TOKEN|HF_TOKEN|AWS_|GOOGLE_APPLICATION_CREDENTIALS$)/
const NAMES_A_KEY = /(KEY|TOKEN|_PAT|APIKEY)$/

const KEYED_SCHEMES = new Set(['bearer', 'header'])

interface Entry {
  readonly credential: Credential
  readonly headers: readonly string[]
}

/**
 * Decides who can be called, from the catalogue's rows, the operator's file and the environment.
 * A variable that several rows share enables the first of them only; local servers and variables that other tools
 * set need `enabled: true`; `enabled: false` always wins.
 */
export function createProviders(given: {
  readonly rows: Iterable<ProviderFacts>
  readonly grant: (slug: string) => ProviderGrant | null
  readonly secret: (variable: string) => string | null
  /** Providers that were found running on this machine. */
  readonly discovered?: ReadonlySet<string>
  /** Providers that answer in this process: always there, and no sign that anything real is. */
  readonly builtin?: ReadonlySet<string>
}): Providers {
  const entries = new Map<string, Entry>()
  const remedies = new Map<string, string>()
  const claimed = new Set<string>()

  for (const row of given.rows) {
    const grant = given.grant(row.slug)
    const variables = row.env.filter((name) => NAMES_A_KEY.test(name))
    remedies.set(row.slug, remedyFor(row, variables))
    if (grant?.enabled === false) {
      remedies.set(row.slug, `remove "enabled: false" from providers.${row.slug}`)
      continue
    }
    if (given.builtin?.has(row.slug)) {
      entries.set(row.slug, entry(row, null, null))
      continue
    }
    if (row.auth.scheme === 'none' || (row.kind === 'local' && !grant?.apiKey)) {
      if (grant?.enabled || grant?.hasAddress || given.discovered?.has(row.slug)) entries.set(row.slug, entry(row, grant, null))
      continue
    }
    if (!KEYED_SCHEMES.has(row.auth.scheme)) continue
    const variable = variables.find((name) => given.secret(name) !== null)
    const found = keyOf(grant, variable, claimed, given.secret)
    if (found !== null) entries.set(row.slug, entry(row, grant, found))
    else if (grant?.hasAddress && grant.apiKey === null && variables.length === 0) entries.set(row.slug, entry(row, grant, null))
    if (variable !== undefined) claimed.add(variable)
  }

  const real = [...entries.keys()].filter((slug) => !given.builtin?.has(slug))
  return {
    credentials(provider) {
      const found = entries.get(provider)
      return found ? [found.credential] : NONE
    },
    headers: (credential) => entries.get(credential.provider)?.headers ?? NO_HEADERS,
    remedy: (provider) => remedies.get(provider) ?? `add providers.${provider}.api_key to the configuration`,
    usable: () => real.length > 0,
    enabled: () => real,
  }
}

const NONE: readonly Credential[] = []
const NO_HEADERS: readonly string[] = []

function keyOf(
  grant: ProviderGrant | null,
  variable: string | undefined,
  claimed: ReadonlySet<string>,
  secret: (variable: string) => string | null,
): string | null {
  if (grant?.apiKey) return grant.apiKey
  if (variable === undefined) return null
  if (SHARED_WITH_OTHER_TOOLS.test(variable) && grant?.enabled !== true) return null
  if (claimed.has(variable) && grant?.enabled !== true) return null
  return secret(variable)
}

function entry(row: ProviderFacts, grant: ProviderGrant | null, key: string | null): Entry {
  const headers: string[] = []
  const add = (name: string, value: string): void => {
    headers.push(name.toLowerCase(), value)
  }
  if (key !== null) {
    const name = row.auth.header ?? 'Authorization'
    add(name, (row.auth.prefix ?? (row.auth.scheme === 'bearer' ? 'Bearer ' : '')) + key)
  }
  for (const [name, value] of Object.entries(row.auth.extra_headers ?? {})) {
    const filled = value.replace(/\{(\w+)\}/g, (_, setting: string) => grant?.settings[setting] ?? '')
    if (filled) add(name, filled)
  }
  for (const [name, value] of Object.entries(grant?.headers ?? {})) add(name, value)
  return {
    credential: { id: `operator:${row.slug}`, provider: row.slug, owner: 'operator', label: key === null ? 'no key needed' : mask(key) },
    headers,
  }
}

/** Enough of a key to tell it from others, and no more. */
function mask(key: string): string {
  return key.length < 16 ? '…' : `${key.slice(0, 4)}…${key.slice(-4)}`
}

function remedyFor(row: ProviderFacts, variables: readonly string[]): string {
  if (row.kind === 'local') return `start it on this machine, or set providers.${row.slug}.base_url`
  if (!KEYED_SCHEMES.has(row.auth.scheme)) return `its sign-in (${row.auth.scheme}) is not supported yet`
  const file = `providers.${row.slug}.api_key`
  return variables.length > 0 ? `set ${variables[0]} or ${file}` : `set ${file}`
}
