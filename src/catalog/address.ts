import type { EndpointRow, ProtocolRow, ProviderRow } from './rows.ts'

/** How an endpoint is reached: the dialect spoken to it, and the address up to that dialect's path. */
export interface Reach {
  readonly dialect: string | null
  readonly baseUrl: string | null
  readonly protocols: readonly string[]
}

/** Request paths of the protocols, as the head of providers.json gives them. */
export type ProtocolPaths = Readonly<Record<string, { readonly path: string }>>

/** The dialects that speak to models of one kind, and those that are better for it where a provider has them. */
export interface KindFaces {
  readonly first?: ReadonlySet<string>
  readonly faces: ReadonlySet<string>
}

/**
 * Chooses the dialect of an endpoint: what the operator set; else the first protocol of its row, then of its
 * provider's list, that has an outbound face. A row's own protocol is the only one where another would reach
 * something else: at clouds, which sell different models by different protocols (`api: responses` is theirs for models
 * that exist on no other route), and at OpenAI's Responses-only models. A row that goes `via` a vendor's own envelope (Claude on Vertex) needs a face of that name.
 */
export function reachOf(
  row: EndpointRow,
  provider: ProviderRow,
  { first, faces }: KindFaces,
  paths: ProtocolPaths,
  settings: Readonly<Record<string, string>>,
): Reach {
  const protocols = protocolsOf(row, provider)
  const dialect = row.simulated ? 'demo' : provider.own_dialect
    ? (faces.has(provider.own_dialect) ? provider.own_dialect : null)
    : protocols.find((protocol) => first?.has(protocol))
      ?? (provider.own_base_url && meantBy(provider.own_base_url, protocols, provider, faces))
      ?? protocols.find((protocol) => faces.has(protocol)) ?? null
  const template = row.own_address ? row.base_url : ownTemplate(provider, dialect, paths) ?? templateOf(row, provider, dialect, paths)
  return { dialect, baseUrl: template ? inCloud(fill(cloudTemplate(template, provider, row, dialect, settings), settings), provider) : null, protocols }
}

/**
 * An operator's address that ends like that of another of the provider's protocols means that protocol: Ollama at
 * `…/v1` is its OpenAI-shaped face, and at `…/api` its own.
 */
function meantBy(address: string, protocols: readonly string[], provider: ProviderRow, faces: ReadonlySet<string>): string | undefined {
  let meant: string | undefined
  let longest = 1
  for (const protocol of protocols) {
    const path = URL.parse(provider.protocols.find((entry) => entry.protocol === protocol)?.base_url ?? '')?.pathname ?? ''
    if (!faces.has(protocol) || path.length <= longest || !address.replace(/\/$/, '').endsWith(path)) continue
    meant = protocol
    longest = path.length
  }
  return meant
}

function ownTemplate(provider: ProviderRow, dialect: string | null, paths: ProtocolPaths): string | null {
  if (!provider.own_base_url) return null
  return provider.own_base_url + prefixOf(provider.protocols.find((entry) => entry.protocol === dialect), paths)
}

/**
 * Addresses of clouds that depend on more than their placeholders. Azure's older ones have the deployment in the path and
 * a version behind it; Google's host of a location is not the same for all of them.
 */
function cloudTemplate(
  template: string, provider: ProviderRow, row: EndpointRow, dialect: string | null, settings: Readonly<Record<string, string>>,
): string {
  if (provider.quirks.includes('global-host-differs')) return template.replace('{host}', '{location}-aiplatform.googleapis.com')
  const version = settings['api_version']
  if (!version || !provider.quirks.includes('azure-deployment-names')) return template
  if (dialect === 'azure-openai' && template.endsWith('/openai/v1')) {
    return `${template.slice(0, -'/v1'.length)}/deployments/${encodeURIComponent(row.provider_model_id ?? '')}?api-version=${encodeURIComponent(version)}`
  }
  return template.replace(/\?api-version=.*$/, `?api-version=${encodeURIComponent(version)}`)
}

function inCloud(address: string | null, provider: ProviderRow): string | null {
  if (address === null || !provider.quirks.includes('global-host-differs')) return address
  return address.replace('//global-aiplatform.googleapis.com', '//aiplatform.googleapis.com')
    .replace(/\/\/(us|eu)-aiplatform\.googleapis\.com/, '//aiplatform.$1.rep.googleapis.com')
}

function protocolsOf(row: EndpointRow, provider: ProviderRow): readonly string[] {
  if (row.via) return [`${row.protocol ?? provider.protocols[0]?.protocol}/${row.via}`]
  if (row.api === 'responses') return ['openai-responses']
  const known = provider.protocols.map((entry) => entry.protocol)
  if (!row.protocol) return known
  const alone = provider.kind === 'cloud'
    || (row.protocol === 'openai-responses' && provider.quirks.includes('responses-only-models'))
  return alone ? [row.protocol] : [row.protocol, ...known.filter((protocol) => protocol !== row.protocol)]
}

function templateOf(row: EndpointRow, provider: ProviderRow, dialect: string | null, paths: ProtocolPaths): string | null {
  const entry = provider.protocols.find((candidate) => candidate.protocol === (dialect ?? row.protocol))
  if (row.base_url && (!row.protocol || row.protocol === dialect || dialect === null)) return row.base_url
  const base = entry?.base_url ?? provider.base_url
  return base === null ? null : base + prefixOf(entry, paths)
}

/** What stands before the dialect's usual path at a provider whose own path is longer (Gemini on Vertex). */
function prefixOf(entry: ProtocolRow | undefined, paths: ProtocolPaths): string {
  const usual = entry && paths[entry.protocol]?.path
  if (!usual || !entry?.path || entry.path === usual || !entry.path.endsWith(usual)) return ''
  return entry.path.slice(0, -usual.length)
}

const PLACEHOLDER = /\$?\{(\w+)\}/g

/**
 * Fills the `{placeholder}`s of an address; null when one stays empty. A setting of that name counts first, then an
 * environment variable that ends in it: `{region}` by AWS_REGION, `{resource}` by AZURE_RESOURCE_NAME,
 * `{workspace_host}` by DATABRICKS_HOST.
 */
export function fill(template: string, settings: Readonly<Record<string, string>>): string | null {
  let missing = false
  const filled = template.replace(PLACEHOLDER, (_, name: string) => {
    const value = settings[name] || byVariable(name.toLowerCase(), settings)
    if (!value) missing = true
    return value ?? ''
  })
  return missing ? null : filled
}

function byVariable(name: string, settings: Readonly<Record<string, string>>): string | undefined {
  for (const key in settings) {
    const known = key.toLowerCase()
    const matches = known === name || known.endsWith(`_${name}`) || known.endsWith(`_${name}_name`)
      || name.endsWith(`_${known}`) || (known.endsWith('_host') && name.endsWith('_host'))
    if (matches && settings[key]) return settings[key]
  }
  return undefined
}
