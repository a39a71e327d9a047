import assert from 'node:assert/strict'
import { generateKeyPairSync, verify } from 'node:crypto'
import { writeFileSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, beforeEach, describe, test } from 'node:test'
import { Sha256 } from '@aws-crypto/sha256-js'
import { SignatureV4 } from '@smithy/signature-v4'
import { createTokenEndpoint, type Received } from '../../src/testing/index.ts'
import { saying, startSignalbox, startUpstream } from './signalbox.ts'
import { readStream } from './stream.ts'

/** The clouds, which want a signature or a token that expires in the place of a key. */

const upstream = await startUpstream({ keepSecrets: true })
const signIn = await createTokenEndpoint()
after(() => signIn.close())
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const account = {
  type: 'service_account', client_email: 'box@project.iam.gserviceaccount.com', private_key_id: 'kid',
  private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), token_uri: `${signIn.url}/google`,
}
const file = path.join(mkdtempSync(path.join(tmpdir(), 'signalbox-account-')), 'account.json')
writeFileSync(file, JSON.stringify(account))

const AWS = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'secret-of-aws-which-nobody-may-see', sessionToken: 'session-token-of-aws' }
const only = (slug: string) => ({ provider: { only: [slug] } })
const CLAUDE_ON_BEDROCK = 'anthropic/claude-sonnet-4.5'

/** A refused key is left alone for minutes: what refuses gets a box of its own. */
const start = () => startSignalbox({
  config: {
    providers: {
      'amazon-bedrock': {
        base_url: `${upstream.url}/bedrock`, settings: { region: 'eu-west-1' },
        credentials: { access_key_id: AWS.accessKeyId, secret_access_key: AWS.secretAccessKey, session_token: AWS.sessionToken },
      },
      'google-vertex': { base_url: `${upstream.url}/vertex/v1/projects/p/locations/l`, credentials_file: file },
      azure: {
        base_url: `${upstream.url}/azure/openai/v1`, settings: { authority: `${signIn.url}/entra` },
        credentials: { tenant_id: 'tenant', client_id: 'client', client_secret: 'secret-of-entra-which-nobody-may-see' },
      },
      watsonx: { base_url: `${upstream.url}/ml/v1`, api_key: 'secret-of-ibm-which-nobody-may-see', settings: { project_id: 'project-1', token_url: `${signIn.url}/ibm` } },
    },
  },
})
const box = await start()
const last = (): Received => upstream.requests.at(-1)!
beforeEach(() => upstream.forget())

/** The signature that AWS's own signer gives the request as it arrived. */
async function assertSigned(received: Received): Promise<void> {
  const { authorization = '', 'x-amz-date': date = '', host = '' } = received.headers
  const [hostname = '', port] = host.split(':')
  const signer = new SignatureV4({ credentials: AWS, region: 'eu-west-1', service: 'bedrock', sha256: Sha256, applyChecksum: false })
  const signed = await signer.sign(
    { method: 'POST', protocol: 'http:', hostname, port: Number(port), path: received.path, headers: { 'content-type': received.headers['content-type']!, host }, body: received.raw },
    { signingDate: new Date(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')) },
  )
  assert.equal(authorization, signed.headers['authorization'])
  assert.equal(received.headers['x-amz-security-token'], AWS.sessionToken)
}

describe('Bedrock', () => {
  test('takes a request whose signature is what AWS would have made of its bytes, whole and streamed', async () => {
    const whole = await box.whole(saying(CLAUDE_ON_BEDROCK, 'Grüezi 🌍', only('amazon-bedrock')))
    assert.equal(whole.choices[0]!['message'].content, 'Grüezi 🌍')
    assert.match(last().path, /^\/bedrock\/model\/[^/]*claude-sonnet-4-5[^/]*%3A0\/converse$/)
    await assertSigned(last())
    const streamed = await readStream(await box.chat(saying(CLAUDE_ON_BEDROCK, 'And now?', { stream: true, ...only('amazon-bedrock') })))
    assert.equal(streamed.text, 'And now?')
    assert.match(last().path, /converse-stream$/)
    await assertSigned(last())
  })

  test('that refuses the signature is the fault of the operator, and nothing of the key is told', async () => {
    const other = await start()
    const takeBack = upstream.when({ path: '/bedrock/' }, {
      status: 403, body: { message: `The security token ${AWS.accessKeyId} is invalid.` }, headers: { 'x-amzn-errortype': 'UnrecognizedClientException' },
    })
    const refusal = await other.refused(saying(CLAUDE_ON_BEDROCK, 'Hi', only('amazon-bedrock')))
    takeBack()
    assert.equal(refusal.status, 502)
    assert.match(refusal.error.message, /refused the key that this server holds/)
    assert.ok(!JSON.stringify(refusal.body).includes(AWS.secretAccessKey) && !JSON.stringify(refusal.body).includes(AWS.accessKeyId))
  })

  test('that breaks off within a frame is a cut, and a damaged frame is never taken for an answer', async () => {
    for (const [what, code] of [[{ cutAtByte: 400 }, 502], [{ garble: 'json', garbleAt: 3 }, 502]] as const) {
      const say = `#fake ${JSON.stringify({ text: ['one', 'two', 'three', 'four', 'five'], ...what })}\nGo`
      const streamed = await readStream(await box.chat(saying(CLAUDE_ON_BEDROCK, say, { stream: true, ...only('amazon-bedrock') })))
      assert.equal(streamed.error!.code, code)
    }
  })
})

describe('Vertex', () => {
  test('is asked with one token by everybody, and the assertion for it is one that Google can verify', async () => {
    const asked = ['google/gemini-2.5-pro', CLAUDE_ON_BEDROCK].flatMap((model) => [0, 1, 2, 3].map((n) => saying(model, `Hello ${n}`, { stream: n % 2 === 0, ...only('google-vertex') })))
    const answers = await Promise.all(asked.map(async (body) => (body['stream'] ? (await readStream(await box.chat(body))).text : (await box.whole(body)).choices[0]!['message'].content as string)))
    assert.deepEqual(answers, [0, 1, 2, 3, 0, 1, 2, 3].map((n) => `Hello ${n}`))
    const grants = signIn.grants.filter((grant) => grant.path === '/google')
    assert.equal(grants.length, 1)
    const [head, claims, signature] = grants[0]!.form['assertion']!.split('.')
    assert.ok(verify('RSA-SHA256', Buffer.from(`${head}.${claims}`), publicKey, Buffer.from(signature!, 'base64url')))
    assert.ok(upstream.requests.every((request) => request.headers['authorization'] === `Bearer ${signIn.tokens.at(-1)}`))
    const paths = new Set(upstream.requests.map((request) => request.path.replace(/\?.*/, '')))
    assert.deepEqual([...paths].toSorted(), [
      '/vertex/v1/projects/p/locations/l/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict',
      '/vertex/v1/projects/p/locations/l/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict',
      '/vertex/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:generateContent',
      '/vertex/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:streamGenerateContent',
    ])
  })

  test('that refuses a token before its time is asked once more with a new one, and the caller sees an answer', async () => {
    const before = signIn.grants.length
    upstream.next({ status: 401 })
    const reply = await box.whole(saying('google/gemini-2.5-pro', 'Still there?', only('google-vertex')))
    assert.equal(reply.choices[0]!['message'].content, 'Still there?')
    assert.equal(signIn.grants.length, before + 1)
    const shown = upstream.requests.map((request) => request.headers['authorization'])
    assert.equal(new Set(shown).size, 2)
    assert.equal(shown[1], `Bearer ${signIn.tokens.at(-1)}`)
  })

  test('that refuses the new one too is the fault of the operator', async () => {
    const other = await start()
    const takeBack = upstream.when({ path: '/vertex/' }, { status: 401 })
    const refusal = await other.refused(saying('google/gemini-2.5-pro', 'Hi', only('google-vertex')))
    takeBack()
    assert.equal(refusal.status, 502)
    assert.equal(new Set(upstream.requests.slice(0, 2).map((request) => request.headers['authorization'])).size, 2)
    const { provider_responses: tried } = await other.generation(refusal.id) as { provider_responses: unknown[] }
    assert.equal(upstream.requests.length, tried.length * 2)
  })
})

describe('Azure', () => {
  test('is asked with the token of an application in Entra ID', async () => {
    const reply = await box.whole(saying('openai/gpt-5', 'Hello', only('azure')))
    assert.equal(reply.choices[0]!['message'].content, 'Hello')
    assert.equal(last().path, '/azure/openai/v1/chat/completions')
    assert.equal(last().headers['authorization'], `Bearer ${signIn.tokens.at(-1)}`)
    assert.equal(last().headers['api-key'], undefined)
    const grant = signIn.grants.at(-1)!
    assert.equal(grant.path, '/entra/tenant/oauth2/v2.0/token')
    assert.equal(grant.form['scope'], 'https://cognitiveservices.azure.com/.default')
  })

  test("that begins its stream with a chunk of nothing but filters, and no model's name, is read all the same", async () => {
    const streamed = await readStream(await box.chat(saying('openai/gpt-5', '#fake {"text":"Filtered and fine.","shapes":["azure-first-chunk"]}\nGo', { stream: true, ...only('azure') })))
    assert.equal(streamed.text, 'Filtered and fine.')
  })
})

describe('watsonx', () => {
  test('is asked with a token for its key, a version in the address and the project in the body', async () => {
    const model = (await (await box.get('/api/v1/models')).json() as { data: { id: string }[] }).data.map(({ id }) => id)
    const served = ['openai/gpt-oss-120b', 'meta-llama/llama-3.3-70b-instruct'].find((id) => model.includes(id))!
    const reply = await box.whole(saying(served, 'Hello', only('watsonx')))
    assert.equal(reply.choices[0]!['message'].content, 'Hello')
    const streamed = await readStream(await box.chat(saying(served, 'Hello again', { stream: true, ...only('watsonx') })))
    assert.equal(streamed.text, 'Hello again')
    assert.match(last().path, /^\/ml\/v1\/text\/chat_stream\?version=\d{4}-\d\d-\d\d$/)
    assert.equal((last().body as { project_id: string }).project_id, 'project-1')
    assert.deepEqual(signIn.grants.filter(({ path: at }) => at === '/ibm').map(({ form }) => form['grant_type']), ['urn:ibm:params:oauth:grant-type:apikey'])
  })
})

test('a sign-in that refuses is told without what it was shown', async () => {
  signIn.refuses(400, 'invalid_grant')
  const other = await start()
  const refusal = await other.refused(saying('google/gemini-2.5-pro', 'Hi', only('google-vertex')))
  assert.equal(refusal.status, 502)
  assert.match(refusal.error.message, /invalid_grant/)
  assert.equal(upstream.requests.length, 0)
  const shown = [JSON.stringify(refusal.body), JSON.stringify(await other.generation(refusal.id)), other.complaints.join(), box.complaints.join()]
  for (const secret of [account.private_key.slice(40, 80), 'eyJ', 'token-of-fake', AWS.secretAccessKey, 'secret-of-entra', 'secret-of-ibm']) {
    for (const text of shown) assert.ok(!text.includes(secret), secret)
  }
})
