import assert from 'node:assert/strict'
import { createVerify, generateKeyPairSync } from 'node:crypto'
import { describe, test } from 'node:test'
import { FaultError } from '../core/index.ts'
import type { PostForm } from './identities.ts'
import { createProviders, type ProviderFacts, type ProviderGrant } from './providers.ts'
import { createTokens } from './tokens.ts'

const NOW = Date.UTC(2026, 10, 20, 12)
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const PEM = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const ACCOUNT = { type: 'service_account', project_id: 'p', private_key_id: 'kid-1', private_key: PEM, client_email: 'box@p.iam.gserviceaccount.com', token_uri: 'https://oauth2.example.com/token' }

const row = (slug: string, auth: ProviderFacts['auth'], env: readonly string[] = []): ProviderFacts => ({ slug, name: slug, kind: 'cloud', auth, env })
const GOOGLE = row('vertex', { scheme: 'google-oauth2' }, ['GOOGLE_VERTEX_PROJECT', 'GOOGLE_APPLICATION_CREDENTIALS'])
const AWS = row('bedrock', { scheme: 'aws-sigv4', service: 'bedrock', alternative: 'bearer' }, ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION', 'AWS_BEARER_TOKEN_BEDROCK'])
const AZURE = row('azure', { scheme: 'header', header: 'api-key', prefix: '', alternative: 'entra-bearer' }, ['AZURE_RESOURCE_NAME', 'AZURE_API_KEY'])
const IBM = row('watsonx', { scheme: 'ibm-iam-token', token_url: 'https://iam.example.com/token' }, ['WATSONX_AI_APIKEY'])
const SAP = row('sap', { scheme: 'oauth2-client-credentials' }, ['AICORE_SERVICE_KEY'])
const REQUEST = { method: 'POST', url: 'https://bedrock-runtime.eu-west-1.amazonaws.com/model/m/converse', body: '{}' }

interface Posted { url: string; form: Readonly<Record<string, string>>; headers: readonly string[] }

function world(rows: readonly ProviderFacts[], given: {
  grants?: Readonly<Record<string, Partial<ProviderGrant>>>; env?: Readonly<Record<string, string>>; files?: Readonly<Record<string, string>>
  answer?: (posted: Posted) => { status: number; body: unknown }
}) {
  const posts: Posted[] = []
  const post: PostForm = (url, form, headers = []) => {
    const posted = { url, form, headers }
    posts.push(posted)
    const { status, body } = given.answer?.(posted) ?? { status: 200, body: { access_token: `token-${posts.length}`, expires_in: 3600 } }
    return Promise.resolve({ status, body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)) })
  }
  const ambient = { now: () => NOW, monotonic: () => 0 }
  const providers = createProviders({
    rows, means: { post, tokens: createTokens(ambient), ambient },
    grant: (slug) => {
      const grant = given.grants?.[slug]
      return grant ? { apiKey: null, credentials: {}, credentialsFile: null, enabled: null, headers: {}, settings: {}, hasAddress: false, ...grant } : null
    },
    secret: (name) => given.env?.[name] ?? null, file: (name) => given.files?.[name] ?? null,
  })
  const authorise = async (slug: string) => {
    const [credential] = providers.credentials(slug)
    assert.ok(credential, providers.remedy(slug))
    return [...providers.headers(credential), ...await providers.authoriser(credential)?.headers(REQUEST) ?? []]
  }
  return { providers, posts, authorise }
}

describe('A service account of Google', () => {
  test('signs an assertion that Google can verify, and shows the token that it gets for it', async () => {
    const it = world([GOOGLE], { grants: { vertex: { credentialsFile: JSON.stringify(ACCOUNT) } } })
    assert.deepEqual(await it.authorise('vertex'), ['authorization', 'Bearer token-1'])
    assert.deepEqual(await it.authorise('vertex'), ['authorization', 'Bearer token-1'])
    assert.equal(it.posts.length, 1)
    const [posted] = it.posts
    assert.equal(posted!.url, 'https://oauth2.example.com/token')
    assert.equal(posted!.form['grant_type'], 'urn:ietf:params:oauth:grant-type:jwt-bearer')
    const [head, claims, signature] = posted!.form['assertion']!.split('.')
    assert.deepEqual(JSON.parse(Buffer.from(head!, 'base64url').toString()), { alg: 'RS256', typ: 'JWT', kid: 'kid-1' })
    assert.deepEqual(JSON.parse(Buffer.from(claims!, 'base64url').toString()), {
      iss: ACCOUNT.client_email, scope: 'https://www.googleapis.com/auth/cloud-platform', aud: 'https://oauth2.example.com/token', iat: NOW / 1000, exp: NOW / 1000 + 3600,
    })
    assert.ok(createVerify('RSA-SHA256').update(`${head}.${claims}`).verify(publicKey, Buffer.from(signature!, 'base64url')))
  })

  test('is read from the file that the environment names only where the operator says so', async () => {
    const files = { GOOGLE_APPLICATION_CREDENTIALS: JSON.stringify(ACCOUNT) }
    assert.deepEqual(world([GOOGLE], { files }).providers.enabled(), [])
    assert.deepEqual(await world([GOOGLE], { files, grants: { vertex: { enabled: true } } }).authorise('vertex'), ['authorization', 'Bearer token-1'])
  })

  test('and a sign-in that gcloud stored is refreshed', async () => {
    const it = world([GOOGLE], { grants: { vertex: { credentialsFile: JSON.stringify({ type: 'authorized_user', client_id: 'c', client_secret: 's', refresh_token: 'r' }) } } })
    await it.authorise('vertex')
    assert.deepEqual(it.posts[0]!.form, { grant_type: 'refresh_token', client_id: 'c', client_secret: 's', refresh_token: 'r' })
  })

  test('that is broken is named as what to mend, and nothing of it is shown', () => {
    for (const [file, says] of [
      ['{', /not JSON/], [JSON.stringify({ ...ACCOUNT, type: 'external_account' }), /"external_account"/], [JSON.stringify({ ...ACCOUNT, private_key: 'nonsense-secret' }), /private_key/],
      [JSON.stringify({ ...ACCOUNT, client_email: '' }), /client_email/],
    ] as const) {
      const { providers } = world([GOOGLE], { grants: { vertex: { credentialsFile: file } } })
      assert.deepEqual(providers.enabled(), [])
      assert.match(providers.remedy('vertex'), says)
      assert.ok(!providers.remedy('vertex').includes('nonsense-secret'))
    }
  })

  test('that Google refuses is the fault of the operator; what Google quotes is not repeated', async () => {
    const it = world([GOOGLE], {
      grants: { vertex: { credentialsFile: JSON.stringify(ACCOUNT) } },
      answer: ({ form }) => ({ status: 400, body: { error: 'invalid_grant', error_description: `bad ${form['assertion']}` } }),
    })
    await assert.rejects(it.authorise('vertex'), (error: unknown) => {
      assert.ok(error instanceof FaultError)
      assert.equal(error.fault.kind, 'upstream-auth')
      assert.match(error.fault.message, /invalid_grant/)
      assert.ok(!JSON.stringify(error.fault).includes('eyJ'))
      return true
    })
  })

  test('whose sign-in is down is no reason to blame its key', async () => {
    const it = world([GOOGLE], { grants: { vertex: { credentialsFile: JSON.stringify(ACCOUNT) } }, answer: () => ({ status: 503, body: 'down' }) })
    await assert.rejects(it.authorise('vertex'), (error: unknown) => error instanceof FaultError && error.fault.kind === 'upstream-error')
  })

  test('gets a new token when the provider refused the old one', async () => {
    const it = world([GOOGLE], { grants: { vertex: { credentialsFile: JSON.stringify(ACCOUNT) } } })
    await it.authorise('vertex')
    const authoriser = it.providers.authoriser(it.providers.credentials('vertex')[0]!)!
    assert.equal(authoriser.refused(), true)
    assert.equal(authoriser.refused(), false)
    assert.deepEqual(await it.authorise('vertex'), ['authorization', 'Bearer token-2'])
  })

  test('may be replaced by a key of the express mode', async () => {
    assert.deepEqual(await world([GOOGLE], { grants: { vertex: { apiKey: 'express-key' } } }).authorise('vertex'), ['x-goog-api-key', 'express-key'])
  })
})

describe('Keys of AWS', () => {
  const keys = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret-of-aws', AWS_SESSION_TOKEN: 'session' }

  test('sign each request for the region of its address, with the session that belongs to them', async () => {
    const headers = await world([AWS], { env: keys, grants: { bedrock: { enabled: true } } }).authorise('bedrock')
    assert.deepEqual(headers.filter((_, at) => at % 2 === 0), ['x-amz-date', 'x-amz-security-token', 'authorization'])
    assert.match(headers.at(-1)!, /Credential=AKIDEXAMPLE\/20261120\/eu-west-1\/bedrock\/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, /)
  })

  test('in the environment are no permission to spend them', () => {
    assert.deepEqual(world([AWS], { env: keys }).providers.enabled(), [])
  })

  test('in the file do not borrow the session of the environment', async () => {
    const headers = await world([AWS], { env: keys, grants: { bedrock: { enabled: true, credentials: { access_key_id: 'AKIDOTHER', secret_access_key: 's' } } } }).authorise('bedrock')
    assert.ok(!headers.includes('session'))
    assert.match(headers.at(-1)!, /AKIDOTHER/)
  })

  test('may be replaced by a bearer key, which goes before them', async () => {
    assert.deepEqual(await world([AWS], { env: { ...keys, AWS_BEARER_TOKEN_BEDROCK: 'b' }, grants: { bedrock: { enabled: true } } }).authorise('bedrock'), ['authorization', 'Bearer b'])
  })

  test('that are incomplete are named', () => {
    assert.match(world([AWS], { env: { AWS_ACCESS_KEY_ID: 'x' }, grants: { bedrock: { enabled: true } } }).providers.remedy('bedrock'), /AWS_SECRET_ACCESS_KEY/)
  })
})

describe('Azure', () => {
  const application = { tenant_id: 'tenant', client_id: 'client', client_secret: 'secret-of-entra' }

  test('takes a key in its own header, or a token of Entra for an application', async () => {
    assert.deepEqual(await world([AZURE], { env: { AZURE_API_KEY: 'k' } }).authorise('azure'), ['api-key', 'k'])
    const it = world([AZURE], { grants: { azure: { credentials: application } } })
    assert.deepEqual(await it.authorise('azure'), ['authorization', 'Bearer token-1'])
    assert.equal(it.posts[0]!.url, 'https://login.microsoftonline.com/tenant/oauth2/v2.0/token')
    assert.deepEqual(it.posts[0]!.form, { grant_type: 'client_credentials', client_id: 'client', client_secret: 'secret-of-entra', scope: 'https://cognitiveservices.azure.com/.default' })
  })

  test('leaves the variables of other tools alone unless the operator says so', () => {
    const env = { AZURE_TENANT_ID: 't', AZURE_CLIENT_ID: 'c', AZURE_CLIENT_SECRET: 's' }
    assert.deepEqual(world([AZURE], { env }).providers.enabled(), [])
    assert.deepEqual(world([AZURE], { env, grants: { azure: { enabled: true } } }).providers.enabled(), ['azure'])
  })

  test('goes by its own key before the variables of other tools', async () => {
    const env = { AZURE_API_KEY: 'k', AZURE_TENANT_ID: 't', AZURE_CLIENT_ID: 'c', AZURE_CLIENT_SECRET: 's' }
    assert.deepEqual(await world([AZURE], { env, grants: { azure: { enabled: true } } }).authorise('azure'), ['api-key', 'k'])
  })
})

describe('Others that want a token', () => {
  test("IBM's key is shown to its token endpoint only", async () => {
    const it = world([IBM], { env: { WATSONX_AI_APIKEY: 'ibm-key' } })
    assert.deepEqual(await it.authorise('watsonx'), ['authorization', 'Bearer token-1'])
    assert.deepEqual(it.posts[0], { url: 'https://iam.example.com/token', form: { grant_type: 'urn:ibm:params:oauth:grant-type:apikey', apikey: 'ibm-key' }, headers: [] })
  })

  test("SAP's service key says where its tokens are", async () => {
    const it = world([SAP], { env: { AICORE_SERVICE_KEY: JSON.stringify({ clientid: 'c', clientsecret: 's', url: 'https://auth.example.com' }) } })
    assert.deepEqual(await it.authorise('sap'), ['authorization', 'Bearer token-1'])
    assert.deepEqual(it.posts[0], { url: 'https://auth.example.com/oauth/token', form: { grant_type: 'client_credentials' }, headers: ['authorization', `Basic ${Buffer.from('c:s').toString('base64')}`] })
    assert.match(world([SAP], { env: { AICORE_SERVICE_KEY: '{}' } }).providers.remedy('sap'), /clientid/)
  })

  test('no secret is in what may be shown of a credential', () => {
    const { providers } = world([GOOGLE, AWS, AZURE], {
      grants: { vertex: { credentialsFile: JSON.stringify(ACCOUNT) }, bedrock: { credentials: { access_key_id: 'AKIDEXAMPLE', secret_access_key: 'secret-of-aws' } }, azure: { credentials: { tenant_id: 't', client_id: 'c', client_secret: 'secret-of-entra' } } },
    })
    assert.equal(providers.enabled().length, 3)
    const shown = JSON.stringify(['vertex', 'bedrock', 'azure'].map((slug) => [providers.credentials(slug), providers.remedy(slug)]))
    for (const secret of ['PRIVATE KEY', 'secret-of-aws', 'secret-of-entra']) assert.ok(!shown.includes(secret))
  })
})
