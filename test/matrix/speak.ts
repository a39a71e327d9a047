/**
 * A client of any surface, out of the registry: it asks with the face that we speak to providers of the same format, and
 * reads with the decoder that we read them with. What both halves of a format get wrong alike is found by its golden
 * fixtures and its official client; what is found here is what gets lost between two formats.
 */
import { collectNow, type ChatReply, type ChatRequest } from '../../src/core/index.ts'
import { DIALECTS, type Target } from '../../src/dialects/index.ts'
import { anEndpoint } from '../../src/dialects/laws/endpoint.ts'
import type { Signalbox } from '../stories/signalbox.ts'

/** A prompt is no conversation: what goes through it has stories and fixtures of its own. */
const NO_CONVERSATION: ReadonlySet<string> = new Set(['openai-completions'])

/** The formats that callers may speak and that this client can speak: both faces are there. */
export const SURFACES: readonly string[] = [...DIALECTS].filter(([name, { inbound, outbound }]) => inbound && outbound && !NO_CONVERSATION.has(name)).map(([name]) => name)
export const OUTBOUNDS: readonly string[] = [...DIALECTS].filter(([name, { outbound }]) => outbound && !NO_CONVERSATION.has(name)).map(([name]) => name)

/** Where a surface's addresses stand, and what a client of it knows of its models. Others stand under `/api/v1`. */
const CLIENTS: Readonly<Record<string, { readonly base?: string; readonly quirks?: readonly string[] }>> = {
  // OpenRouter's own clients ask for reasoning and marks in its words.
  'openai-chat': { quirks: ['reasoning-details'] },
  // A name with an author in it is a whole path to our own face, as tuned models have it.
  'google-generate-content': { base: '/api/v1beta/models' },
}

/** A model of which the client knows that it can do everything. */
function targetOf(surface: string, model: string, stream: boolean): Target {
  return {
    stream,
    endpoint: anEndpoint({
      dialect: surface, upstreamModel: model, quirks: CLIENTS[surface]?.quirks ?? [],
      reasoning: { supported: true, budgetTokens: { min: 1024 } }, inputModalities: new Set(['text', 'image', 'file']),
    }),
  }
}

/** Asks once, and reads the answer to its end; a refusal is a reply of nothing with its fault. */
export async function ask(box: Signalbox, surface: string, model: string, request: ChatRequest, stream: boolean): Promise<ChatReply> {
  const { outbound } = DIALECTS.get(surface)!
  const target = targetOf(surface, model, stream)
  const outgoing = outbound!.encode(request, target)
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
