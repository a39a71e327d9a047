import { z } from 'zod'
import { MAX_OUTPUT, UNSUPPORTED_PARAMETERS } from '../core/index.ts'

const names = z.array(z.string().min(1)).max(200)
const price = z.union([z.number().min(0), z.string().regex(/^\d+(\.\d{1,18})?$/)])
const metric = z.enum(['price', 'throughput', 'latency', 'exacto'])
const figure = z.number().min(0)
const percentiles = z.union([figure, z.strictObject({ p50: figure, p75: figure, p90: figure, p99: figure }).partial()])

/**
 * The routing preferences that the settings of a key or a workspace may carry: the `provider` object of a request, in
 * its shape and its units, but for `options`.
 */
export const providerPreferences = z.strictObject({
  order: names,
  only: names,
  ignore: names,
  allow_fallbacks: z.boolean(),
  require_parameters: z.boolean(),
  max_output: z.enum(MAX_OUTPUT),
  unsupported_parameters: z.enum(UNSUPPORTED_PARAMETERS),
  hedge: z.boolean(),
  coalesce: z.boolean(),
  data_collection: z.enum(['allow', 'deny']),
  zdr: z.boolean(),
  enforce_distillable_text: z.boolean(),
  quantizations: z.array(z.enum([
    'int4', 'int8', 'fp4', 'mxfp4', 'nvfp4', 'fp6', 'fp8', 'mxfp8', 'fp16', 'bf16', 'fp32', 'unknown',
  ])),
  sort: z.union([metric, z.strictObject({ by: metric.optional(), partition: z.enum(['model', 'none']).optional() })]),
  /** Tokens per second; a number means p50. */
  preferred_min_throughput: percentiles,
  /** Seconds to the first token; a number means p50. */
  preferred_max_latency: percentiles,
  /** In the units of a request's own `max_price`: dollars per million tokens, or per request and image. */
  max_price: z.strictObject({ prompt: price, completion: price, request: price, image: price, audio: price }).partial(),
}).partial()

export type ProviderPreferences = Readonly<z.infer<typeof providerPreferences>>
