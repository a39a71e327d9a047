import { createHash, createPrivateKey, createSign, type KeyObject } from 'node:crypto'
import { fault, FaultError, type Ambient } from '../core/index.ts'
import { parseUpstream } from '../dialects/index.ts'
import type { Minted } from './tokens.ts'

/**
 * Who we are to the clouds that want a token in the place of a key: how each of them makes one. An identity is made
 * once from what the operator gave; a secret in it is never in a message.
 */
export interface Identity {
  /** Tells identities apart without showing them. */
  readonly id: string
  mint(): Promise<Minted>
}

/** Sends a form to a token endpoint; resolves with what it answered. Rejects with a FaultError when it cannot be reached. */
export type PostForm = (url: string, form: Readonly<Record<string, string>>, headers?: readonly string[]) => Promise<{ readonly status: number; readonly body: Uint8Array }>

interface Means {
  readonly post: PostForm
  readonly ambient: Pick<Ambient, 'now'>
  readonly provider: string
}

const GOOGLE_SCOPE = 'https://www.googleapis.com/auth/cloud-platform'
const GOOGLE_TOKENS = 'https://oauth2.googleapis.com/token'
/** The longest that Google lets an assertion live. */
const ASSERTION_SECONDS = 3600
/** Where an answer says nothing of a token's life. */
const USUAL_LIFE_SECONDS = 3600

/**
 * A service account, or a user's sign-in that `gcloud` stored, out of the JSON of its file. A string says what is wrong
 * with it. Other kinds (workload identity) name addresses and programs to run, and are not supported.
 */
export function googleIdentity(json: string, means: Means): Identity | string {
  const file = objectOf(json)
  if (!file) return 'is not JSON'
  const text = (name: string): string => typeof file[name] === 'string' ? file[name] : ''
  const address = text('token_uri') || GOOGLE_TOKENS
  if (file['type'] === 'authorized_user') {
    const form = { grant_type: 'refresh_token', client_id: text('client_id'), client_secret: text('client_secret'), refresh_token: text('refresh_token') }
    if (!form.client_id || !form.refresh_token) return 'has no client_id or refresh_token'
    return { id: idOf('google', form.client_id, form.refresh_token), mint: () => mintAt(address, form, means) }
  }
  if (file['type'] !== 'service_account') return `has the type ${JSON.stringify(text('type').slice(0, 40))}, and must be of the type "service_account" or "authorized_user"`
  const email = text('client_email')
  let key: KeyObject
  try {
    key = createPrivateKey(text('private_key'))
  } catch {
    return 'has no private_key that can be read'
  }
  if (!email) return 'has no client_email'
  return {
    id: idOf('google', email, text('private_key')),
    mint() {
      const now = Math.floor(means.ambient.now() / 1000)
      const claims = { iss: email, scope: GOOGLE_SCOPE, aud: address, iat: now, exp: now + ASSERTION_SECONDS }
      const head = { alg: 'RS256', typ: 'JWT', ...(text('private_key_id') && { kid: text('private_key_id') }) }
      const words = [head, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
      const assertion = `${words}.${createSign('RSA-SHA256').update(words).sign(key).toString('base64url')}`
      return mintAt(address, { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }, means)
    },
  }
}

/** An application in Entra ID, for Azure. `authority` is the address of the directory's cloud. */
export function entraIdentity(
  given: { readonly tenantId: string; readonly clientId: string; readonly clientSecret: string; readonly authority?: string }, means: Means,
): Identity {
  const { tenantId, clientId, clientSecret, authority = 'https://login.microsoftonline.com' } = given
  const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret, scope: 'https://cognitiveservices.azure.com/.default' }
  const address = `${authority.replace(/\/$/, '')}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`
  return { id: idOf('entra', tenantId, clientId, clientSecret), mint: () => mintAt(address, form, means) }
}

/** An API key of IBM Cloud, which is shown only to its token endpoint. */
export function ibmIdentity(apiKey: string, address: string, means: Means): Identity {
  const form = { grant_type: 'urn:ibm:params:oauth:grant-type:apikey', apikey: apiKey }
  return { id: idOf('ibm', address, apiKey), mint: () => mintAt(address, form, means) }
}

/** A service key of SAP: client credentials with the address that gives tokens for them. A string says what is wrong. */
export function clientIdentity(json: string, means: Means): Identity | string {
  const file = objectOf(json)
  if (!file) return 'is not JSON'
  const { clientid, clientsecret, url } = file
  if (typeof clientid !== 'string' || typeof clientsecret !== 'string' || typeof url !== 'string' || !/^https?:\/\//.test(url)) {
    return 'must have clientid, clientsecret and url'
  }
  const basic = Buffer.from(`${clientid}:${clientsecret}`).toString('base64')
  return {
    id: idOf('client', url, clientid, clientsecret),
    mint: () => mintAt(`${url.replace(/\/$/, '')}/oauth/token`, { grant_type: 'client_credentials' }, means, ['authorization', `Basic ${basic}`]),
  }
}

/**
 * Asks a token endpoint. What it refuses is the operator's affair; of its answer only the error's code is shown,
 * because descriptions quote what they were sent.
 */
async function mintAt(address: string, form: Readonly<Record<string, string>>, { post, provider }: Means, headers: readonly string[] = []): Promise<Minted> {
  const { status, body } = await post(address, form, headers)
  const parsed = parseUpstream(body)
  const said = 'value' in parsed && isObject(parsed.value) ? parsed.value : {}
  const { access_token: token, expires_in: seconds, error } = said
  if (status === 200 && typeof token === 'string' && token !== '') {
    const life = Number(seconds)
    return { token, livesMs: (life > 0 ? life : USUAL_LIFE_SECONDS) * 1000 }
  }
  const code = typeof error === 'string' && /^[\w.-]{1,64}$/.test(error) ? ` (${error})` : ''
  const refused = status >= 400 && status < 500 && status !== 408 && status !== 429
  throw new FaultError(refused
    ? fault('upstream-auth', `The sign-in of ${provider} refused the credentials that this server holds${code}.`, { upstream: { status, provider } })
    : fault('upstream-error', `The sign-in of ${provider} failed with status ${status}${code}.`, { upstream: { status, provider } }))
}

const idOf = (...parts: readonly string[]): string => createHash('sha256').update(parts.join('\n')).digest('hex')

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

function objectOf(json: string): Record<string, unknown> | null {
  const parsed = parseUpstream(json)
  return 'value' in parsed && isObject(parsed.value) ? parsed.value : null
}
