import type { Endpoint } from '../../core/index.ts'
import type { Loose } from './wire.ts'

/**
 * OpenAI's own mark of a prompt cache: `prompt_cache_breakpoint` on a part of the content, in chats and responses alike.
 * Only models that charge for writing to their cache know it (GPT-5.6 and later); to those before them it is an unknown field.
 */
export const takesBreakpoints = ({ quirks, price }: Endpoint): boolean =>
  quirks.has('cache-breakpoints') && price?.rates.input_cache_write !== undefined

/**
 * The mark as it is written. Its `ttl` (`30m`, `12h`) is left to the provider's default: no life of a mark elsewhere (`5m`, `1h`) is one
 * of these, and a longer one than was asked for would cost more.
 */
export const BREAKPOINT = { prompt_cache_breakpoint: { mode: 'explicit' } } as const

/** What can be marked: a refusal and a video cannot. */
const MARKED: ReadonlySet<unknown> = new Set(['text', 'image_url', 'file', 'input_audio'])

/** A message whose `cache_control` marks are OpenAI's; one on the message itself stands on its last part. The same object without any. */
export function inBreakpoints(message: Loose): Loose {
  const { cache_control: own, ...rest } = message
  const out = own === undefined ? message : rest
  const content = out['content'] as string | Loose[] | null | undefined
  if (typeof content === 'string') return own && content !== '' ? { ...out, content: [{ type: 'text', text: content, ...BREAKPOINT }] } : out
  if (!Array.isArray(content) || !(own || content.some((part) => 'cache_control' in part))) return out
  const parts = content.map(({ cache_control: mark, ...part }, at): Loose =>
    ((mark || (own && at === content.length - 1)) && MARKED.has(part['type']) ? { ...BREAKPOINT, ...part } : part))
  return { ...out, content: parts }
}

/** A message whose breakpoints are `cache_control` marks, for hosts that know only these. The same object without any. */
export function inControls(message: Loose): Loose {
  const content = message['content'] as Loose[] | unknown
  if (!Array.isArray(content) || !content.some((part: Loose) => 'prompt_cache_breakpoint' in part)) return message
  return {
    ...message,
    content: content.map(({ prompt_cache_breakpoint: mark, ...part }: Loose): Loose => (mark ? { cache_control: { type: 'ephemeral' }, ...part } : part)),
  }
}

/** Without marks that the endpoint would refuse. OpenAI's own stay: only its clients write them, for models that they know. */
export function withoutControls(message: Loose): Loose {
  let out = message
  if ('cache_control' in out) {
    const { cache_control: _, ...rest } = out
    out = rest
  }
  const content = out['content']
  if (Array.isArray(content) && content.some((part: Loose) => 'cache_control' in part)) {
    out = { ...out, content: content.map(({ cache_control: _, ...part }: Loose) => part) }
  }
  return out
}
