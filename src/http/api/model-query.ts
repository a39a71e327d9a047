import { z } from '../../schema/index.ts'

/** The queries of the catalogue's lists as they are published; the catalogue itself reads and judges them. */

const usd = (what: string) => z.number().min(0).optional().describe(`${what}, US dollars per million tokens`)
const words = (what: string) => z.string().optional().describe(what)

export const PageQuery = z.object({
  offset: z.int().min(0).optional(),
  limit: z.int().min(1).max(1000).optional().describe('Everything when neither limit nor offset is sent, else 500'),
})

/** Anthropic's paging, which its clients send with their version. */
export const CursorQuery = z.object({
  limit: z.int().min(1).max(1000).optional().describe('Of Anthropic\'s list: 20 by default'),
  after_id: z.string().optional(),
  before_id: z.string().optional(),
})

export const CountQuery = z.object({
  output_modalities: words('With commas; any of them. `text` by default, `all` for every model'),
})

export const UserQuery = PageQuery.extend(CountQuery.shape)

export const ModelQuery = UserQuery.extend({
  q: words('Words that the id or the name must hold'),
  supported_parameters: words('With commas; all of them'),
  input_modalities: words('With commas; all of them'),
  context: z.int().min(0).optional().describe('The least context length, in tokens'),
  min_price: usd('The least price of the prompt'),
  max_price: usd('The highest price of the prompt'),
  min_output_price: usd('The least price of the completion'),
  max_output_price: usd('The highest price of the completion'),
  arch: words('Tokenizer families such as GPT, with commas; any of them'),
  model_authors: words('Author slugs with commas; any of them'),
  providers: words('Provider slugs with commas; any of them'),
  distillable: z.boolean().optional().describe('Whether the model is known to permit distillation'),
  zdr: z.boolean().optional().describe('Whether an endpoint is known to keep no data'),
  variant: words('`free`, `thinking`, `extended` … or `standard`, with commas; any of them'),
  min_tool_success_rate: z.number().min(0).max(1).optional().describe('The least share of requests with tools, in seven days here, whose calls were all right; leaves out models without any'),
  max_tool_success_rate: z.number().min(0).max(1).optional(),
  min_age_days: z.int().min(0).optional(),
  max_age_days: z.int().min(0).optional(),
  sort: z.enum([
    'newest', 'pricing-low-to-high', 'pricing-high-to-low', 'context-high-to-low', 'top-weekly', 'most-popular', 'throughput-high-to-low', 'latency-low-to-high',
  ]).optional().describe('`newest` by default. The last four go by what was measured here: tokens of 7 and of 30 days, medians of yesterday and today. Models without it come last'),
})
