import { rewrite, type ChatRequest, type Fault, type Message, type Part } from '../core/index.ts'

/**
 * The request without what its models thought, where a provider refused the seal of it; null where nothing of it is
 * there. Claude's signatures hold for one conversation at one provider, Gemini's for one model: after a change of either, or
 * of the system prompt, the same history is a 400, and the words without their proof are an answer.
 */
export function unsealed(request: ChatRequest, refusal: Fault): ChatRequest | null {
  if (refusal.metadata?.['reason'] !== 'reasoning_signature') return null
  let found = false
  const bare = (part: Part): readonly Part[] => {
    if (part.type === 'reasoning') {
      found = true
      return []
    }
    if (part.seal === undefined) return [part]
    found = true
    const { seal: _, ...rest } = part
    // An empty text only carried its seal.
    return rest.type === 'text' && rest.text === '' ? [] : [rest as Part]
  }
  const messages = request.messages.flatMap((message): readonly Message[] => {
    if (message.role !== 'assistant') return [message]
    const parts = message.parts.flatMap(bare)
    return parts.length > 0 ? [{ ...message, parts }] : []
  })
  return found ? rewrite(request, { messages }) : null
}
