import assert from 'node:assert/strict'
import { test } from 'node:test'
import { charge, usage, type Usage } from '../core/index.ts'
import { createCatalog, NO_OVERLAY } from './index.ts'

const catalog = createCatalog({
  overlay: {
    ...NO_OVERLAY,
    models: [{ id: 'acme/searcher' }],
    endpoints: [{
      model: 'acme/searcher', provider: 'together', pricing: { prompt: '0.000001', completion: '0.000002', request: '0.001' },
    }],
  },
  faces: new Set(['openai-chat']),
  settings: () => ({}),
})

interface Row {
  readonly what: string
  readonly endpoint: string
  readonly used: Usage
  /** Nano-dollars, worked out by hand in the comment. */
  readonly costs: bigint
}

const TABLE: readonly Row[] = [
  {
    what: 'a discount is in the prices already and is not taken off again',
    endpoint: 'deepseek/deepseek-v3.2@alibaba',
    used: usage({ total: 1000, cacheRead: 400 }, { total: 200 }),
    // 400 × 0.0000000741 + 600 × 0.0000003705 + 200 × 0.0000011115 = 0.00002964 + 0.0002223 + 0.0002223 = 0.00047424
    costs: 474_240n,
  },
  {
    what: 'a prompt of exactly the threshold still costs the plain price',
    endpoint: 'anthropic/claude-opus-4.6@azure/us-east-2',
    used: usage({ total: 200_000 }, { total: 1000 }),
    // 200,000 × 0.000005 + 1,000 × 0.000025 = 1 + 0.025
    costs: 1_025_000_000n,
  },
  {
    what: 'one token more makes the whole request cost the long-context price',
    endpoint: 'anthropic/claude-opus-4.6@azure/us-east-2',
    used: usage({ total: 200_001 }, { total: 1000 }),
    // 200,001 × 0.00001 + 1,000 × 0.0000375 = 2.00001 + 0.0375
    costs: 2_037_510_000n,
  },
  {
    what: 'of two thresholds the first holds between them',
    endpoint: 'bytedance-seed/seed-1.6@volcengine',
    used: usage({ total: 32_001 }, { total: 10 }),
    // 32,001 × 0.00000017812 + 10 × 0.00000237494 = 0.00570001812 + 0.0000237494 = 0.00572376752, rounded up
    costs: 5_723_768n,
  },
  {
    what: 'of two thresholds the second holds beyond it',
    endpoint: 'bytedance-seed/seed-1.6@volcengine',
    used: usage({ total: 128_001 }, { total: 10 }),
    // 128,001 × 0.00000035624 + 10 × 0.00000356241 = 0.04559907624 + 0.0000356241 = 0.04563470034, rounded up
    costs: 45_634_701n,
  },
  {
    what: 'cache reads and both kinds of cache writes have prices of their own',
    endpoint: 'anthropic/claude-sonnet-4.5@anthropic',
    used: usage({ total: 10_000, cacheRead: 4000, cacheWrite5m: 3000, cacheWrite1h: 1000 }, { total: 500 }),
    // 4,000 × 0.0000003 + 3,000 × 0.00000375 + 1,000 × 0.000006 + 2,000 × 0.000003 + 500 × 0.000015
    // = 0.0012 + 0.01125 + 0.006 + 0.006 + 0.0075
    costs: 31_950_000n,
  },
  {
    what: 'reasoning with a price of its own leaves the plain output',
    endpoint: 'qwen/qwen-plus@alibaba',
    used: usage({ total: 300 }, { total: 1000, reasoning: 800 }),
    // 300 × 0.0000004 + 800 × 0.000004 + 200 × 0.0000012 = 0.00012 + 0.0032 + 0.00024
    costs: 3_560_000n,
  },
  {
    what: 'reasoning without one costs as output, and each web search is charged',
    endpoint: 'openai/gpt-5@openai/default',
    used: usage({ total: 1200, cacheRead: 1024 }, { total: 300, reasoning: 256 }, { services: { web_search: 2 } }),
    // 1,024 × 0.000000125 + 176 × 0.00000125 + 300 × 0.00001 + 2 × 0.01 = 0.000128 + 0.00022 + 0.003 + 0.02
    costs: 23_348_000n,
  },
  {
    what: 'audio in and audio out are dearer than text',
    endpoint: 'openai/gpt-audio@openai',
    used: usage({ total: 1000, audio: 900 }, { total: 600, audio: 500 }),
    // 900 × 0.000032 + 100 × 0.0000025 + 500 × 0.000064 + 100 × 0.00001 = 0.0288 + 0.00025 + 0.032 + 0.001
    costs: 62_050_000n,
  },
  {
    what: 'an image that was made is charged by its tokens',
    endpoint: 'google/gemini-2.5-flash-image@google-ai-studio',
    used: usage({ total: 100 }, { total: 1290, image: 1290 }),
    // 100 × 0.0000003 + 1,290 × 0.00003 = 0.00003 + 0.0387
    costs: 38_730_000n,
  },
  {
    what: 'a price of eighteen decimals is rounded once for all tokens, not for each',
    endpoint: 'google/gemini-2.0-flash-001@google-ai-studio',
    used: usage({ total: 3, cacheWrite5m: 3 }, {}),
    // 3 × 0.000000083333333333 = 0.000000249999999999, rounded up; token by token it would be 252
    costs: 250n,
  },
  {
    what: 'the priority tier charges its own prices',
    endpoint: 'openai/gpt-5.4@openai/priority',
    used: usage({ total: 100 }, { total: 10 }),
    // 100 × 0.000005 + 10 × 0.00003 = 0.0005 + 0.0003
    costs: 800_000n,
  },
  {
    what: 'a fee for each request is added once',
    endpoint: 'acme/searcher@together',
    used: usage({ total: 10 }, { total: 5 }),
    // 10 × 0.000001 + 5 × 0.000002 + 0.001 = 0.00001 + 0.00001 + 0.001
    costs: 1_020_000n,
  },
]

for (const { what, endpoint, used, costs } of TABLE) {
  test(`${endpoint}: ${what}`, () => {
    const found = catalog.snapshot().endpointsOf(endpoint.slice(0, endpoint.indexOf('@'))).find((candidate) => candidate.id === endpoint)
    assert.ok(found?.price, `${endpoint} has a price`)
    assert.equal(charge(found.price, used).total, costs)
  })
}
