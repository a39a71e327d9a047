import type { CacheControl } from './wire.ts'

const MAX_MARKS = 4

/**
 * Leaves at most four cache marks, the last ones: they cover the longest prefixes. A mark at the top of the request
 * counts as one. A longer life must stand before a shorter one, so after a mark of five minutes none says an hour.
 * `marked` are all blocks in the order of the prompt: tools, system, messages.
 */
export function settleMarks(
  marked: Iterable<{ cache_control?: CacheControl }>, top: CacheControl | undefined,
): CacheControl | undefined {
  const found = [...marked].filter((block) => block.cache_control !== undefined)
  const kept = MAX_MARKS - (top ? 1 : 0)
  for (const block of found.slice(0, Math.max(0, found.length - kept))) delete block.cache_control
  let short = false
  for (const block of found.slice(-kept)) {
    if (short && block.cache_control!.ttl === '1h') block.cache_control = { type: 'ephemeral', ttl: '5m' }
    short ||= block.cache_control!.ttl !== '1h'
  }
  return top && short && top.ttl === '1h' ? { type: 'ephemeral', ttl: '5m' } : top
}
