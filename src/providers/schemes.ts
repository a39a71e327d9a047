import type { ProviderFacts, ProviderGrant } from './providers.ts'
import { clientIdentity, entraIdentity, googleIdentity, ibmIdentity, type Identity } from './identities.ts'
import type { PostForm } from './identities.ts'
import { createSigner, regionOf, type Signable } from './sigv4.ts'
import type { Tokens } from './tokens.ts'
import type { Ambient } from '../core/index.ts'

/** What authorises a call where a header that is always the same does not do. */
export interface Authoriser {
  /** Header names and values in turn for this request. Rejects with a FaultError when no token can be had. */
  headers(request: Signable): readonly string[] | Promise<readonly string[]>
  /** The provider answered 401: whether there is something newer to show it than what it refused. */
  refused(): boolean
}

/** What a scheme makes of what the operator gave: headers, an authoriser, or why not, in words for the operator. */
export type Authorisation =
  | { readonly header: readonly [name: string, value: string]; readonly label: string }
  | { readonly authoriser: Authoriser; readonly label: string }
  | { readonly missing: string }

/** What the schemes need of the world; absent where only keys are looked at. */
export interface Means {
  readonly post: PostForm
  readonly tokens: Tokens
  readonly ambient: Pick<Ambient, 'now'>
}

export interface Given {
  readonly row: ProviderFacts
  readonly grant: ProviderGrant
  /** A variable of the environment, as far as the operator lets us use it. */
  readonly secret: (variable: string) => string | null
  /** The text of the file that a variable names. */
  readonly file: (variable: string) => string | null
  readonly means: Means
}

/** The schemes beside a key in a header, by the catalogue's names for them. */
export const SCHEMES: Readonly<Record<string, (given: Given) => Authorisation>> = {
  'aws-sigv4': aws,
  'google-oauth2': google,
  'ibm-iam-token': ibm,
  'oauth2-client-credentials': clientCredentials,
}

const bearer = (token: string): readonly [string, string] => ['authorization', `Bearer ${token}`]

/** A bearer key of Bedrock, or an access key that signs each request. */
function aws({ row, grant, secret, means }: Given): Authorisation {
  const key = grant.apiKey ?? secret('AWS_BEARER_TOKEN_BEDROCK')
  if (key !== null) return { header: bearer(key), label: key }
  const own = grant.credentials['access_key_id']
  const accessKeyId = own ?? secret('AWS_ACCESS_KEY_ID')
  const secretAccessKey = grant.credentials['secret_access_key'] ?? secret('AWS_SECRET_ACCESS_KEY')
  // A session token belongs to its key: the environment's is not shown beside another key.
  const sessionToken = grant.credentials['session_token'] ?? (own === undefined ? secret('AWS_SESSION_TOKEN') : null)
  if (!accessKeyId || !secretAccessKey) return { missing: `set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or providers.${row.slug}.credentials {access_key_id, secret_access_key}` }
  const sign = createSigner({ accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) }, row.auth.service ?? 'bedrock')
  const region = grant.settings['region'] ?? grant.settings['AWS_REGION'] ?? 'us-east-1'
  return {
    label: accessKeyId,
    authoriser: { headers: (request) => sign(request, regionOf(request.url) ?? region, means.ambient.now()), refused: () => false },
  }
}

/** A service account's file; or a key of the express mode. */
function google(given: Given): Authorisation {
  const { row, grant } = given
  const json = grant.credentialsFile ?? (grant.apiKey?.trimStart().startsWith('{') ? grant.apiKey : null)
  if (json === null && grant.apiKey !== null) return { header: ['x-goog-api-key', grant.apiKey], label: grant.apiKey }
  const found = json ?? given.file('GOOGLE_APPLICATION_CREDENTIALS')
  if (found === null) return { missing: `set providers.${row.slug}.credentials_file, or GOOGLE_APPLICATION_CREDENTIALS and providers.${row.slug}.enabled: true` }
  const identity = googleIdentity(found, { ...given.means, provider: row.name })
  if (typeof identity === 'string') return { missing: `the credentials of ${row.slug}: the file ${identity}` }
  return withToken(identity, given)
}

function ibm(given: Given): Authorisation {
  const { row, grant } = given
  const key = grant.apiKey ?? given.secret(row.env.find((name) => name.endsWith('KEY')) ?? '')
  if (key === null) return { missing: `set ${row.env[0]} or providers.${row.slug}.api_key` }
  return withToken(ibmIdentity(key, grant.settings['token_url'] ?? row.auth.token_url ?? '', { ...given.means, provider: row.name }), given)
}

function clientCredentials(given: Given): Authorisation {
  const { row, grant } = given
  const key = grant.credentialsFile ?? grant.apiKey ?? given.secret(row.env.find((name) => name.endsWith('KEY')) ?? '')
  if (key === null) return { missing: `set ${row.env[0]} or providers.${row.slug}.credentials_file` }
  const identity = clientIdentity(key, { ...given.means, provider: row.name })
  return typeof identity === 'string' ? { missing: `the service key of ${row.slug} ${identity}` } : withToken(identity, given)
}

/**
 * An application in Entra ID, where the operator gave one in the place of a key; null where not.
 * Azure shows keys in a header like others, so that this stands beside its scheme and not for it.
 */
export function entra(given: Given): Authorisation | null {
  const { grant, secret, row } = given
  const own = (name: string, variable: string): string | null => grant.credentials[name] ?? secret(variable)
  const tenantId = own('tenant_id', 'AZURE_TENANT_ID')
  const clientId = own('client_id', 'AZURE_CLIENT_ID')
  const clientSecret = own('client_secret', 'AZURE_CLIENT_SECRET')
  if (!tenantId || !clientId || !clientSecret) return null
  const authority = grant.settings['authority']
  return withToken(entraIdentity({ tenantId, clientId, clientSecret, ...(authority && { authority }) }, { ...given.means, provider: row.name }), given)
}

function withToken(identity: Identity, { means }: Given): Authorisation {
  let shown = ''
  const show = (token: string): readonly string[] => {
    shown = token
    return bearer(token)
  }
  return {
    label: identity.id.slice(0, 8),
    authoriser: {
      headers() {
        const token = means.tokens.of(identity.id, identity.mint)
        return typeof token === 'string' ? show(token) : token.then(show)
      },
      refused: () => means.tokens.forget(identity.id, shown),
    },
  }
}
