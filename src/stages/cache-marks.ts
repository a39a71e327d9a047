import {
  needOf, rewrite, type Asked, type CacheMark, type ChatRequest, type Message, type Offer, type Stage, type ToolResultPart,
} from '../core/index.ts'

const ID = 'prompt-caching'
/** What the makers cache at least; a mark behind less is ignored, and counts against the four that there may be. */
const LEAST_TOKENS = 1024
const MARK: CacheMark = {}

/**
 * `prompt-caching`: places the marks of Anthropic-style prompt caches for callers who set none. Writing to such a cache
 * costs a quarter more than the prompt, and reading from it a tenth, so a mark is placed only where the same beginning is
 * likely to come again: behind the caller's instructions and tools, when they are long, for every conversation that begins
 * with them; and at the end of a conversation that has gone on already, for its next turn. On when it is asked for.
 */
export function cacheMarks({ automatic }: { readonly automatic: () => boolean }): Stage {
  return {
    name: ID,
    wants: (call) => isOn(call.asked, automatic()) && call.offers.some(sellsCache) && !hasMarks(call.asked.operation.request),
    async request({ asked }) {
      const { request } = asked.operation
      const last = leading(request.messages)
      const before = rewrite(request, { messages: request.messages.slice(0, last + 1) })
      const marksInstructions = last >= 0 && needOf(before, false).inputTokens >= LEAST_TOKENS
      const goesOn = request.messages.some(({ role }) => role === 'assistant') && needOf(request, false).inputTokens >= LEAST_TOKENS
      if (!marksInstructions && !goesOn) return { pass: asked }
      const places = [...(marksInstructions ? ['instructions'] : []), ...(goesOn ? ['conversation'] : [])]
      const marked = rewrite(request, {
        ...(marksInstructions && { messages: request.messages.map((message, at) => at === last ? withMark(message) : message) }),
        ...(goesOn && { cache: MARK }),
      })
      return {
        pass: { ...asked, operation: { type: 'chat', request: marked } },
        note: { type: 'plugin', name: ID, summary: `marked for the prompt cache: the end of the ${places.join(' and of the ')}`, data: { places } },
      }
    },
  }
}

function isOn({ plugins }: Asked, automatic: boolean): boolean {
  const plugin = plugins.find(({ id }) => id === ID)
  return plugin === undefined ? automatic : plugin.enabled
}

/** Endpoints that charge for writing to their cache have to be told where; others find what they know by themselves. */
function sellsCache({ endpoints }: Offer): boolean {
  return endpoints.some(({ price }) => {
    const { prompt, input_cache_read: read, input_cache_write: write } = price?.rates ?? {}
    return prompt !== undefined && read !== undefined && write !== undefined && read < prompt
  })
}

function hasMarks({ messages, tools, cache }: ChatRequest): boolean {
  if (cache !== undefined || tools?.some((tool) => tool.type === 'function' && tool.cache !== undefined)) return true
  return messages.some(({ parts }) => parts.some((part) => part.cache !== undefined
    || (part.type === 'tool-result' && part.content.some((inner: ToolResultPart['content'][number]) => inner.cache !== undefined))))
}

const isInstruction = ({ role }: Message): boolean => role === 'system' || role === 'developer'

/** The last of the messages that instruct before anybody speaks; -1 without any. */
function leading(messages: readonly Message[]): number {
  const spoken = messages.findIndex((message) => !isInstruction(message))
  return (spoken < 0 ? messages.length : spoken) - 1
}

function withMark(message: Message): Message {
  const { parts } = message
  return { ...message, parts: parts.map((part, at) => at === parts.length - 1 ? { ...part, cache: MARK } : part) }
}
