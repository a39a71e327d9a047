import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FaultKind } from '../core/index.ts'
import { durationMs, retryAfterMs, saidBy, scrub, upstreamFault } from './upstream-fault.ts'

const HOST = { providerName: 'Host' }
const of = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  upstreamFault(status, headers, saidBy(body), HOST, JSON.stringify(body))

const KINDS: readonly (readonly [string, number, unknown, FaultKind])[] = [
  ['OpenAI: prompt too long', 400, { error: { message: "This model's maximum context length is 8192 tokens. However, you requested 9000", type: 'invalid_request_error', param: 'messages', code: 'context_length_exceeded' } }, 'context-length'],
  ['llama.cpp: prompt too long', 400, { error: { code: 400, message: 'the request exceeds the available context size', type: 'exceed_context_size_error' } }, 'context-length'],
  ['Anthropic: prompt too long', 400, { type: 'error', error: { type: 'invalid_request_error', message: 'prompt is too long: 210000 tokens > 200000 maximum' } }, 'context-length'],
  ['OpenAI: a parameter that the model does not take', 400, { error: { message: "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", type: 'invalid_request_error', param: 'max_tokens', code: 'unsupported_parameter' } }, 'unsupported-parameter'],
  ['OpenAI: wrong key', 401, { error: { message: 'Incorrect API key provided: sk-abc***xyz.', type: 'invalid_request_error', code: 'invalid_api_key' } }, 'upstream-auth'],
  ['a 403 without reasons is about our key', 403, { error: { message: 'Forbidden' } }, 'upstream-auth'],
  ['Gemini: wrong key is a 400', 400, { error: { code: 400, message: 'API key not valid. Please pass a valid API key.', status: 'INVALID_ARGUMENT' } }, 'upstream-auth'],
  ['OpenAI: quota is no rate', 429, { error: { message: 'You exceeded your current quota, please check your plan and billing details.', type: 'insufficient_quota', code: 'insufficient_quota' } }, 'upstream-payment'],
  ['OpenAI: rate', 429, { error: { message: 'Rate limit reached for gpt-4o in organization org-abc123def on tokens per min. Please try again in 1m2.5s.', type: 'tokens', code: 'rate_limit_exceeded' } }, 'upstream-rate-limited'],
  ['Azure: rate with a code as text', 429, { error: { code: '429', message: 'Requests have exceeded the rate limit.' } }, 'upstream-rate-limited'],
  ['DeepSeek: empty account', 402, { error: { message: 'Insufficient Balance', type: 'unknown_error' } }, 'upstream-payment'],
  ['Anthropic: empty account is a 400', 400, { type: 'error', error: { type: 'invalid_request_error', message: 'Your credit balance is too low to access the Anthropic API.' } }, 'upstream-payment'],
  ['Azure: filtered prompt', 400, { error: { message: 'The response was filtered', type: null, code: 'content_filter', innererror: { code: 'ResponsibleAIPolicyViolation' } } }, 'moderated'],
  ['OpenRouter: moderation', 403, { error: { code: 403, message: 'Your input was flagged by moderation' } }, 'moderated'],
  ['OpenAI: unknown model', 404, { error: { message: 'The model `x` does not exist', code: 'model_not_found' } }, 'model-unavailable'],
  ['a host that says so with a 400', 400, { error: { message: 'The model `llama-2` has been decommissioned' } }, 'model-unavailable'],
  ['Ollama: model not pulled', 404, { error: 'model "x" not found, try pulling it first' }, 'model-unavailable'],
  ['Groq: a call that it could not read', 400, { error: { message: 'Failed to call a function', type: 'invalid_request_error', code: 'tool_use_failed', failed_generation: 'x' } }, 'invalid-response'],
  ['Groq: too large for a minute', 413, { error: { message: 'Request too large for model on tokens per minute (TPM): Limit 6000', type: 'tokens', code: 'rate_limit_exceeded' } }, 'upstream-rate-limited'],
  ['FastAPI: a list of details', 422, { detail: [{ loc: ['body', 'messages', 0], msg: 'Field required', type: 'missing' }] }, 'unprocessable'],
  ['Mistral: flat', 400, { object: 'error', message: 'Tool call id was x but must be a-z', type: 'invalid_request_error', param: null, code: 3280 }, 'invalid-request'],
  ['TGI: overloaded', 429, { error: 'Model is overloaded', error_type: 'overloaded' }, 'overloaded'],
  ['llama.cpp: loading', 503, { error: { code: 503, message: 'Loading model', type: 'unavailable_error' } }, 'overloaded'],
  ['Anthropic: overloaded', 529, { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }, 'overloaded'],
  ['a list of one', 429, [{ error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'Quota', details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34.4s' }] } }], 'upstream-rate-limited'],
  ['too slow', 408, {}, 'timeout'],
  ['too slow at the gateway', 504, {}, 'timeout'],
  ['too slow at the edge', 524, {}, 'timeout'],
  ['broken', 500, {}, 'upstream-error'],
  ['bad gateway', 502, null, 'upstream-error'],
  ['a redirection', 302, null, 'invalid-response'],
  ['an error inside a 200 with its own status', 200, { error: { code: 429, message: 'slow down' } }, 'upstream-rate-limited'],
  ['an error inside a 200 without any', 200, { error: { message: 'hm' } }, 'upstream-error'],
]

for (const [name, status, body, kind] of KINDS) {
  test(`${name}: ${status} is ${kind}`, () => { assert.equal(of(status, body).kind, kind) })
}

test('a key that the provider refused never reads like the caller\'s, and is not quoted', () => {
  const fault = of(401, { error: { message: 'Incorrect API key provided: sk-proj-abcdefghijklmnop1234567890.', code: 'invalid_api_key' } })
  assert.equal(fault.message, 'Host refused the key that this server holds for it.')
  assert.ok(!JSON.stringify(fault).includes('abcdefghijklmnop'))
})

test('an unsupported parameter is named, so that the body can be mended', () => {
  const fault = of(400, { error: { message: "Unsupported parameter: 'max_tokens'", param: 'max_tokens', code: 'unsupported_parameter' } })
  assert.deepEqual(fault.metadata, { parameter: 'max_tokens' })
  assert.equal(fault.upstream?.code, 'unsupported_parameter')
})

test('nothing that looks like a key leaves in an error', () => {
  const keys = ['sk-ant-REDACTED', 'AIzaSyA1234567890abcdefghijk', 'gsk_abcdefghij1234567890', 'AKIAIOSFODNN7EXAMPLE', 'hf_abcdefghijklmnop', 'org-AbCdEf123456',
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc', 'a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6a7b8c9d0']
  for (const key of keys) assert.ok(!scrub(`refused ${key}, sorry`).includes(key), key)
  for (const text of ['Authorization: Bearer abcdef123456', 'https://x.example/?key=abcdefgh12345', '"api_key":"abcdefgh12345"', 'x-api-key: abcdefgh12345']) {
    assert.doesNotMatch(scrub(text), /abcdef/)
  }
  assert.equal(scrub('The model gpt-4o-mini-2024-07-18 has 128000 tokens'), 'The model gpt-4o-mini-2024-07-18 has 128000 tokens')
})

test('a long answer is cut to 2 KiB', () => {
  const fault = upstreamFault(500, {}, { message: 'x '.repeat(5000) }, HOST, 'y '.repeat(5000))
  assert.ok(fault.message.length <= 2048 && fault.upstream!.raw!.length <= 2048)
})

test('the wait is read in every form that is in use', () => {
  const date = 'Fri, 20 Nov 2026 10:00:00 GMT'
  const cases: [Record<string, string>, number | undefined][] = [
    [{ 'retry-after': '7' }, 7000],
    [{ 'retry-after': '0.5' }, 500],
    [{ 'retry-after-ms': '250', 'retry-after': '1' }, 250],
    [{ 'retry-after': 'Fri, 20 Nov 2026 10:00:30 GMT', date }, 30_000],
    [{ 'retry-after': 'Fri, 20 Nov 2026 09:00:00 GMT', date }, 0],
    [{ 'retry-after': 'Fri, 20 Nov 2026 10:00:30 GMT' }, undefined],
    [{ 'retry-after': '99999999' }, 86_400_000],
    [{ 'retry-after': '-5' }, 0],
    [{ 'retry-after': 'soon' }, undefined],
    [{ 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '6m0s', 'x-ratelimit-remaining-requests': '9', 'x-ratelimit-reset-requests': '24h' }, 360_000],
    [{ 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '194ms' }, 194],
    [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '3' }, 3000],
    [{ 'anthropic-ratelimit-requests-remaining': '0', 'anthropic-ratelimit-requests-reset': '2026-11-20T10:00:12Z', date }, 12_000],
    [{}, undefined],
  ]
  for (const [headers, expected] of cases) assert.equal(retryAfterMs(headers), expected, JSON.stringify(headers))
  assert.equal(durationMs('2m52.8s', undefined), 172_800)
  assert.equal(durationMs('1h2m3.4s', undefined), 3_723_400)
  assert.equal(of(429, KINDS.find(([name]) => name === 'OpenAI: rate')![2]).retryAfterMs, 62_500)
  assert.equal(of(429, KINDS.find(([name]) => name === 'a list of one')![2]).retryAfterMs, 34_400)
})
