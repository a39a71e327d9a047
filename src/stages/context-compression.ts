import { needOf, rewrite, type ChatRequest, type Message, type Offer, type Part, type Stage } from '../core/index.ts'

/** Endpoints with a context of up to this many tokens compress by default, as at OpenRouter. */
const SMALL_CONTEXT = 8192
/** Kept free for the answer when the caller sets no limit. */
const DEFAULT_OUTPUT = 1024
const MARK = '\n…\n'

/**
 * `context-compression` (once `transforms: ["middle-out"]`): removes or shortens messages from the middle until the
 * prompt fits the largest context that is on offer. The system prompt, the first message and the latest ones carry
 * most, so they go last. On when asked for, and by default where every offer has a small context.
 */
export function contextCompression(): Stage {
  return {
    name: 'context-compression',
    wants({ asked, offers }) {
      const plugin = asked.plugins.find((p) => p.id === 'context-compression')
      if (plugin) return plugin.enabled
      const largest = largestContext(offers)
      return largest !== null && largest <= SMALL_CONTEXT
    },
    async request({ asked, offers }) {
      const context = largestContext(offers)
      if (context === null) return { pass: asked }
      const { request } = asked.operation
      const before = needOf(request, asked.stream).inputTokens
      const room = Math.max(1, context - Math.min(request.maxOutputTokens ?? DEFAULT_OUTPUT, Math.floor(context / 2)))
      if (before <= room) return { pass: asked }
      const compressed = compress(request, room)
      const after = needOf(compressed, asked.stream).inputTokens
      return {
        pass: { ...asked, operation: { type: 'chat', request: compressed } },
        note: {
          type: 'context_compression',
          name: 'middle-out',
          summary: `about ${before} tokens became about ${after} to fit ${context}`,
          data: { messages_before: request.messages.length, messages_after: compressed.messages.length },
        },
      }
    },
  }
}

/** The largest context on offer; null when an endpoint states none, which is no limit. */
function largestContext(offers: readonly Offer[]): number | null {
  let largest = 0
  for (const { endpoints, model } of offers) {
    for (const endpoint of endpoints) {
      const length = endpoint.contextLength ?? model.contextLength
      if (length === null) return null
      if (length > largest) largest = length
    }
  }
  return largest || null
}

/**
 * Drops whole exchanges from the middle outward, then shortens the longest text that is left. Tool calls and their
 * results leave together: a result without its call is a 400 everywhere.
 */
export function compress(request: ChatRequest, room: number): ChatRequest {
  const groups = exchanges(request.messages)
  const kept = groups.map(() => true)
  const current = () => rewrite(request, { messages: groups.filter((_, i) => kept[i]).flat() })
  const tokens = (of: ChatRequest) => needOf(of, false).inputTokens

  const droppable = groups
    .map((group, index) => ({ group, index }))
    .filter(({ group, index }) => index > 0 && index < groups.length - 1 && !isInstruction(group[0]!))
    .toSorted((a, b) => distance(a.index, groups.length) - distance(b.index, groups.length))
  let excess = tokens(request) - room
  for (const { group, index } of droppable) {
    if (excess <= 0) break
    kept[index] = false
    excess -= tokens(rewrite(request, { messages: group, tools: undefined }))
  }
  let result = current()
  for (let tries = 0; tokens(result) > room && tries < 64; tries++) {
    const shorter = shortenLongest(result, tokens(result) - room)
    if (!shorter) break
    result = shorter
  }
  return result
}

function exchanges(messages: readonly Message[]): Message[][] {
  const groups: Message[][] = []
  for (const message of messages) {
    if (message.role === 'tool' && groups.length > 0) groups.at(-1)!.push(message)
    else groups.push([message])
  }
  return groups
}

function isInstruction(message: Message): boolean {
  return message.role === 'system' || message.role === 'developer'
}

function distance(index: number, length: number): number {
  return Math.abs(index - (length - 1) / 2)
}

/** Cuts the middle out of the longest text part; null when there is none worth cutting. */
function shortenLongest(request: ChatRequest, excessTokens: number): ChatRequest | null {
  let longest: { message: number; part: number; text: string } | null = null
  for (const [message, { parts }] of request.messages.entries()) {
    for (const [part, value] of parts.entries()) {
      if (value.type === 'text' && value.text.length > (longest?.text.length ?? 200)) longest = { message, part, text: value.text }
    }
  }
  if (!longest) return null
  const { text } = longest
  const target = Math.max(100, Math.min(text.length - excessTokens * 4 - MARK.length, Math.floor(text.length * 0.9)))
  const head = Math.ceil(target / 2)
  const cut = text.slice(0, head) + MARK + text.slice(text.length - (target - head))
  const at = longest
  const messages = request.messages.map((message, m) => m !== at.message ? message : {
    ...message,
    parts: message.parts.map((part, p): Part => p !== at.part || part.type !== 'text' ? part : { ...part, text: cut }),
  })
  return rewrite(request, { messages })
}
