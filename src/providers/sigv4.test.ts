import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sha256 } from '@aws-crypto/sha256-js'
import { SignatureV4 } from '@smithy/signature-v4'
import { createSigner, regionOf, type AwsKeys } from './sigv4.ts'
import { fc } from '../../test/properties.ts'

const KEYS: AwsKeys = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }
const NOW = Date.UTC(2026, 10, 20, 12, 34, 56, 789)

/** What AWS's own signer makes of the same request. */
async function oracle(keys: AwsKeys, url: string, body: string, service = 'bedrock', region = 'us-east-1', now = NOW): Promise<Record<string, string>> {
  const signer = new SignatureV4({ credentials: keys, region, service, sha256: Sha256, applyChecksum: false })
  const { hostname, port, pathname, searchParams } = new URL(url)
  const host = port ? `${hostname}:${port}` : hostname
  const signed = await signer.sign({
    method: 'POST', protocol: 'https:', hostname, path: pathname, query: Object.fromEntries(searchParams), headers: { 'content-type': 'application/json', host }, body,
  }, { signingDate: new Date(now) })
  return signed.headers
}

function ours(keys: AwsKeys, url: string, body: string, service = 'bedrock', region = 'us-east-1', now = NOW): Record<string, string> {
  const list = createSigner(keys, service)({ method: 'POST', url, body }, region, now)
  return Object.fromEntries(list.flatMap((name, at) => (at % 2 === 0 ? [[name, list[at + 1]!]] : [])))
}

async function assertSame(...given: Parameters<typeof oracle>): Promise<void> {
  const theirs = await oracle(...given)
  const mine = ours(...given)
  assert.equal(mine['authorization'], theirs['authorization'])
  assert.equal(mine['x-amz-date'], theirs['x-amz-date'])
  assert.equal(mine['x-amz-security-token'], theirs['x-amz-security-token'])
}

const HOST = 'https://bedrock-runtime.us-east-1.amazonaws.com'

for (const [name, path] of [
  ['a plain id', '/model/model-1/converse'], ['an id with a colon', '/model/us.amazon.nova-micro-v1%3A0/converse-stream'],
  ['an ARN with slashes', `/model/${encodeURIComponent('arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc')}/converse`],
  ['signs and letters of all sorts', `/model/${encodeURIComponent("a!'()*b ü~")}/converse`], ['a query', '/v1/messages?b=2&a=1&c=x%20y'],
] as const) test(`AWS's own signer signs the path of ${name} alike`, () => assertSame(KEYS, HOST + path, '{"messages":[]}'))

test("AWS's own signer signs temporary keys, other services, regions and ports alike", async () => {
  await assertSame({ ...KEYS, sessionToken: 'AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI' }, `${HOST}/model/m/converse`, '{}')
  await assertSame(KEYS, 'https://aws-external-anthropic.eu-west-1.api.aws/v1/messages', '{}', 'aws-external-anthropic', 'eu-west-1')
  await assertSame(KEYS, 'http://127.0.0.1:8080/model/m/converse', '')
})

test('whatever the body, the path and the day, the signature is that of AWS', async () => {
  await fc.assert(fc.asyncProperty(
    fc.string({ unit: 'grapheme', maxLength: 40 }), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((text) => !/^\.+$/.test(text) && text.isWellFormed()),
    fc.integer({ min: Date.UTC(2020, 0), max: Date.UTC(2040, 0) }),
    (body, model, now) => assertSame(KEYS, `${HOST}/model/${encodeURIComponent(model)}/converse`, body, 'bedrock', 'us-east-1', now),
  ), { numRuns: 200 })
})

test('a signer that lives over midnight, or serves two regions, signs each with its own key', async () => {
  const sign = createSigner(KEYS, 'bedrock')
  for (const [region, now] of [['us-east-1', NOW], ['eu-west-1', NOW], ['us-east-1', NOW + 86_400_000]] as const) {
    const signed = sign({ method: 'POST', url: `${HOST}/model/m/converse`, body: '{}' }, region, now)
    assert.equal(signed[signed.indexOf('authorization') + 1], (await oracle(KEYS, `${HOST}/model/m/converse`, '{}', 'bedrock', region, now))['authorization'])
  }
})

test('the secret is nowhere in what is shown', () => {
  assert.ok(!JSON.stringify(ours(KEYS, `${HOST}/model/m/converse`, '{}')).includes(KEYS.secretAccessKey))
})

test('a region is read from the address that names one', () => {
  assert.equal(regionOf('https://bedrock-runtime.us-gov-west-1.amazonaws.com/model'), 'us-gov-west-1')
  assert.equal(regionOf('https://bedrock-mantle.eu-central-1.api.aws/openai/v1'), 'eu-central-1')
  assert.equal(regionOf('http://127.0.0.1:8080/bedrock.us-east-1.example/model'), undefined)
})
