import type { Credential } from '../core/index.ts'
import { entra, SCHEMES, type Authorisation, type Authoriser, type Means } from './schemes.ts'

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
    /** Another way in that the provider has: `bearer` beside signatures, `entra-bearer` beside Azure's keys. */
    readonly alternative?: string
    /** AWS's name of the service, which is signed. */
    readonly service?: string
    readonly token_url?: string
  }
  /** Environment variables for the key and for settings, as the catalogue names them. */
  readonly env: readonly string[]
}

/** What the operator said about a provider. */
export interface ProviderGrant {
  readonly apiKey: string | null
  /** What sign-ins other than a key are made from, by name: `access_key_id`, `client_secret` … */
  readonly credentials: Readonly<Record<string, string>>
  /** The text of the file that holds a service account. */
  readonly credentialsFile: string | null
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
  /** What authorises each call anew (a signature, a token that expires), beside the headers; null where they do. */
  authoriser(credential: Credential): Authoriser | null
  /** What an operator would do to make the provider usable, in a phrase: `set GROQ_API_KEY`. */
  remedy(provider: string): string
  /** Whether any provider but the simulation can be called. */
  usable(): boolean
  /** Providers that can be called, for the start's log and `doctor`. */
  enabled(): readonly string[]
}

/** Variables that other tools set too: one of them in the environment does not mean that the operator wants us to spend it. */
const SHARED_WITH_OTHER_TOOLS = /^(GITHUB_TOKEN|HF_TOKEN|AWS_|GOOGLE_APPLICATION_CREDENTIALS$|AZURE_(TENANT_ID|CLIENT_ID|CLIENT_SECRET)$)/
const NAMES_A_KEY = /(KEY|TOKEN|_PAT|APIKEY)$/

const KEYED_SCHEMES = new Set(['bearer', 'header'])

interface Entry {
  readonly credential: Credential
  readonly headers: readonly string[]
  readonly authoriser: Authoriser | null
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
  /** The text of the file that a variable names; null when there is none that can be read. */
  readonly file?: (variable: string) => string | null
  /** What sign-ins beside keys need: the way to their token endpoints, the tokens that are kept, the time. */
  readonly means?: Means
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
      entries.set(row.slug, entry(row, null, null, null))
      continue
    }
    if (row.auth.scheme === 'none' || (row.kind === 'local' && !grant?.apiKey)) {
      if (grant?.enabled || grant?.hasAddress || given.discovered?.has(row.slug)) entries.set(row.slug, entry(row, grant, null, null))
      continue
    }
    const signIn = signInOf(row, grant, given)
    if (signIn) {
      if ('missing' in signIn) remedies.set(row.slug, signIn.missing)
      else entries.set(row.slug, entry(row, grant, 'header' in signIn ? signIn.header : null, signIn.label, 'authoriser' in signIn ? signIn.authoriser : null))
      continue
    }
    if (!KEYED_SCHEMES.has(row.auth.scheme)) continue
    const variable = variables.find((name) => given.secret(name) !== null)
    const found = keyOf(grant, variable, claimed, given.secret)
    if (found !== null) entries.set(row.slug, entry(row, grant, shownKey(row, found), found))
    else if (grant?.hasAddress && grant.apiKey === null && variables.length === 0) entries.set(row.slug, entry(row, grant, null, null))
    if (variable !== undefined) claimed.add(variable)
  }

  const real = [...entries.keys()].filter((slug) => !given.builtin?.has(slug))
  return {
    credentials(provider) {
      const found = entries.get(provider)
      return found ? [found.credential] : NONE
    },
    headers: (credential) => entries.get(credential.provider)?.headers ?? NO_HEADERS,
    authoriser: (credential) => entries.get(credential.provider)?.authoriser ?? null,
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

/** How a key is shown: in the header of its row, with its prefix. */
function shownKey(row: ProviderFacts, key: string): readonly [name: string, value: string] {
  return [row.auth.header ?? 'Authorization', (row.auth.prefix ?? (row.auth.scheme === 'bearer' ? 'Bearer ' : '')) + key]
}

/**
 * The sign-in of a provider that takes no key in a header, or that was given something else than one. Null is the
 * ordinary way. Other tools' variables are read only for a provider that the operator switched on.
 */
function signInOf(row: ProviderFacts, grant: ProviderGrant | null, given: Parameters<typeof createProviders>[0]): Authorisation | null {
  const scheme = SCHEMES[row.auth.scheme]
  const keyed = (grant?.apiKey ?? null) !== null || (grant?.credentials['client_secret'] === undefined && row.env.some((name) => NAMES_A_KEY.test(name) && given.secret(name) !== null))
  const alternative = row.auth.alternative === 'entra-bearer' && !keyed
  if (!given.means || (!scheme && !alternative)) return null
  const allowed = (name: string): boolean => grant?.enabled === true || !SHARED_WITH_OTHER_TOOLS.test(name)
  const of = {
    row, means: given.means, grant: grant ?? NO_GRANT,
    secret: (name: string) => (allowed(name) ? given.secret(name) : null),
    file: (name: string) => (allowed(name) ? given.file?.(name) ?? null : null),
  }
  return scheme ? scheme(of) : entra(of)
}

const NO_GRANT: ProviderGrant = {
  apiKey: null, credentials: {}, credentialsFile: null, enabled: null, headers: {}, settings: {}, hasAddress: false,
}

function entry(
  row: ProviderFacts, grant: ProviderGrant | null, shown: readonly [name: string, value: string] | null, label: string | null,
  authoriser: Authoriser | null = null,
): Entry {
  const headers: string[] = []
  const add = (name: string, value: string): void => {
    headers.push(name.toLowerCase(), value)
  }
  if (shown) add(shown[0], shown[1])
  for (const [name, value] of Object.entries(row.auth.extra_headers ?? {})) {
    const filled = value.replace(/\{(\w+)\}/g, (_, setting: string) => settingOf(setting, grant?.settings ?? {}))
    if (filled) add(name, filled)
  }
  for (const [name, value] of Object.entries(grant?.headers ?? {})) add(name, value)
  return {
    credential: { id: `operator:${row.slug}`, provider: row.slug, owner: 'operator', label: label === null ? 'no key needed' : mask(label) },
    headers,
    authoriser,
  }
}

/** A setting by its name, or by a variable that ends in it: `{workspace}` by ANTHROPIC_AWS_WORKSPACE_ID. */
function settingOf(name: string, settings: Readonly<Record<string, string>>): string {
  const variable = Object.keys(settings).find((key) => new RegExp(`_${name}(_id)?$`, 'i').test(key))
  return settings[name] ?? (variable === undefined ? '' : settings[variable]!)
}

/** Enough of a key to tell it from others, and no more. */
function mask(key: string): string {
  return key.length < 16 ? '…' : `${key.slice(0, 4)}…${key.slice(-4)}`
}

function remedyFor(row: ProviderFacts, variables: readonly string[]): string {
  if (row.kind === 'local') return `start it on this machine, or set providers.${row.slug}.base_url`
  if (!KEYED_SCHEMES.has(row.auth.scheme) && !SCHEMES[row.auth.scheme]) return `its sign-in (${row.auth.scheme}) is not supported yet`
  const file = `providers.${row.slug}.api_key`
  return variables.length > 0 ? `set ${variables[0]} or ${file}` : `set ${file}`
}
