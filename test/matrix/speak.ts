/**
 * A client of any surface, out of the registry: it asks with the face that we speak to providers of the same format, and
 * reads with the decoder that we read them with; what it read of reasoning it sends back as it came. What both halves of
 * a format get wrong alike is found by its golden fixtures and its official client; what is found here is what gets lost
 * between two formats.
 */
import { collectNow, type ChatReply, type ChatRequest, type Part, type PriceSheet, type ReasoningPart } from '../../src/core/index.ts'
import { DIALECTS, type Target } from '../../src/dialects/index.ts'
import { anEndpoint } from '../../src/dialects/laws/endpoint.ts'
import type { Signalbox } from '../stories/signalbox.ts'

/** The formats that callers may speak and that this client can speak: both faces are there. */
export const SURFACES: readonly string[] = [...DIALECTS].filter(([, { inbound, outbound }]) => inbound && outbound).map(([name]) => name)
export const OUTBOUNDS: readonly string[] = [...DIALECTS].filter(([, { outbound }]) => outbound).map(([name]) => name)

interface Client {
  /** Others stand under `/api/v1`. */
  readonly base?: string
  /** What a client of it knows of its models. */
  readonly quirks?: readonly string[]
  readonly parameters?: readonly string[]
  readonly price?: PriceSheet
  /**
   * Reasoning in the history, as the vendor's own client keeps it: as it came. Our face writes it for the vendor, and
   * leaves out or moves what he would refuse, such as what nobody sealed and what stands at the end.
   */
  keeps?(part: ReasoningPart): unknown
}

const CLIENTS: Readonly<Record<string, Client>> = {
  // OpenRouter's own clients ask for reasoning and marks in its words.
  'openai-chat': { quirks: ['reasoning-details'] },
  'openai-completions': { parameters: ['response_format'] },
  'anthropic-messages': {
    keeps: ({ text, seal }) => (text === '' && seal ? { type: 'redacted_thinking', data: seal.value } : { type: 'thinking', thinking: text, signature: seal?.value ?? '' }),
  },
  // A model of the generation that is told where its cache may end.
  'openai-responses': {
    quirks: ['cache-breakpoints'],
    price: { rates: { prompt: 1n, completion: 2n, input_cache_write: 1n }, overrides: [], source: 'operator' },
    keeps: ({ id, text, summary, seal }) => ({
      type: 'reasoning', id, summary: summary ? [{ type: 'summary_text', text }] : [],
      ...(!summary && text !== '' && { content: [{ type: 'reasoning_text', text }] }), ...(seal && { encrypted_content: seal.value }),
    }),
  },
  'google-generate-content': {
    // A name with an author in it is a whole path to our own face, as tuned models have it.
    base: '/api/v1beta/models',
    keeps: ({ text, seal }) => ({ text, thought: true, ...(seal && { thoughtSignature: seal.value }) }),
  },
}

/** The request with what was said before as a client of the surface has it. */
function remembered(request: ChatRequest, surface: string): ChatRequest {
  const { keeps } = CLIENTS[surface] ?? {}
  if (!keeps) return request
  const kept = (part: Part): Part => (part.type === 'reasoning' ? { type: 'native', dialect: surface, value: keeps(part) } : part)
  return { ...request, messages: request.messages.map((message) => (message.role === 'assistant' ? { ...message, parts: message.parts.map(kept) } : message)) }
}

/** A model of which the client knows that it can do everything. */
function targetOf(surface: string, model: string, stream: boolean): Target {
  return {
    stream,
    endpoint: anEndpoint({
      dialect: surface, upstreamModel: model, quirks: CLIENTS[surface]?.quirks ?? [], parameters: CLIENTS[surface]?.parameters ?? null,
      price: CLIENTS[surface]?.price ?? null,
      reasoning: { supported: true, budgetTokens: { min: 1024 } }, inputModalities: new Set(['text', 'image', 'file']),
    }),
  }
}

/** Asks once, and reads the answer to its end; a refusal is a reply of nothing with its fault. */
export async function ask(box: Signalbox, surface: string, model: string, request: ChatRequest, stream: boolean): Promise<ChatReply> {
  const { outbound } = DIALECTS.get(surface)!
  const target = targetOf(surface, model, stream)
  const outgoing = outbound!.encode(remembered(request, surface), target)
  if ('fault' in outgoing) throw new Error(`the client could not ask: ${outgoing.fault.message}`)
  const response = await fetch(box.url + (CLIENTS[surface]?.base ?? '/api/v1') + outgoing.path, {
    method: 'POST', headers: { 'content-type': 'application/json', ...outgoing.headers, authorization: `Bearer ${box.key}` },
    body: outgoing.body as string,
  })
  const bytes = new Uint8Array(await response.arrayBuffer())
  if (response.status !== 200) {
    return { start: { type: 'start' }, choices: [], fault: outbound!.decodeFault(response.status, Object.fromEntries(response.headers), bytes, target) }
  }
  if (!stream) return collectNow(outbound!.decodeReply(bytes, target))
  const decoder = outbound!.decoder(target)
  return collectNow([...decoder.push(bytes), ...decoder.end()])
}
