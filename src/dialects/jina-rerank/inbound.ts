import { fault, usdFromNano, type Asked, type ChatReply, type Fault, type JsonObject, type Rerank, type RerankDocument, type RerankRequest } from '../../core/index.ts'
import { checker } from '../../schema/index.ts'
import type { Inbound, Rendered, ReplyMeta } from '../dialect.ts'
import { inbound as chat } from '../openai-chat/inbound.ts'
import { readPreferences } from '../openai-chat/preferences.ts'
import { faultOfIssue } from '../openai-chat/request.ts'
import { given, type Loose } from '../openai-chat/wire.ts'
import { DIALECT, KNOWN_KEYS, requestSchema } from './wire.ts'

/** Callers that have documents put in order, in OpenRouter's words. Nothing is streamed. */
export const inbound: Inbound<Rerank> = { ...chat, dialect: DIALECT, decode, reply }

const check = checker(requestSchema)

function decode(body: unknown): { readonly asked: Asked<Rerank> } | { readonly fault: Fault } {
  const issue = check(body)
  if (issue) return { fault: faultOfIssue(issue) }
  const it = body as Loose
  const read = readDocuments(it['documents'])
  if ('fault' in read) return read
  const wishes = readPreferences(it)
  if ('fault' in wishes) return wishes
  const { top_n: topN, user, session_id: session } = it
  const request: RerankRequest = {
    query: it['query'],
    documents: read.documents,
    ...(given(topN) && { topN }), ...(given(user) && { user }), ...(given(session) && { session }),
    extras: Object.fromEntries(Object.entries(it).filter(([key, value]) => !KNOWN_KEYS.has(key) && given(value))),
    origin: { dialect: DIALECT, body: it },
  }
  return {
    asked: { operation: { type: 'rerank', request }, preferences: wishes.preferences, plugins: [], stream: false, ignored: given(it['trace']) ? ['trace'] : [] },
  }
}

function readDocuments(list: readonly (string | Loose)[]): { readonly documents: readonly RerankDocument[] } | { readonly fault: Fault } {
  const documents: RerankDocument[] = []
  for (const [at, one] of list.entries()) {
    const { text, image } = typeof one === 'string' ? { text: one, image: undefined } : one
    if (!given(text) && !given(image)) {
      const field = `documents[${at}]`
      return { fault: fault('invalid-request', `${field}: needs a text, an image or both`, { field }) }
    }
    if (given(image) && !/^(https?:\/\/|data:image\/)/i.test(image)) {
      const field = `documents[${at}].image`
      return { fault: fault('invalid-request', `${field}: must be an http(s) address or a data URL of an image`, { field }) }
    }
    documents.push({ ...(given(text) && { text }), ...(given(image) && { image }) })
  }
  return { documents }
}

function reply(collected: ChatReply, meta: ReplyMeta, metadata?: JsonObject): Rendered {
  if (collected.fault) return chat.fault(collected.fault, metadata && { openrouter_metadata: metadata }, meta.id)
  const part = collected.choices[0]?.parts.find((it) => it.type === 'ranking')
  const operation = meta.asked?.operation
  const documents = operation?.type === 'rerank' ? operation.request.documents : []
  const { usage, charge } = collected
  const units = usage?.services['search_unit'] ?? 0
  const tokens = usage ? usage.input.total + usage.output.total : 0
  return {
    status: 200,
    body: JSON.stringify({
      id: meta.id,
      model: meta.model,
      provider: meta.provider,
      results: (part?.ranked ?? []).map(({ index, score }) => ({ index, relevance_score: score, document: documents[index] ?? {} })),
      usage: {
        cost: charge ? usdFromNano(charge.total) : 0,
        total_tokens: tokens > 0 ? tokens : undefined,
        search_units: units > 0 ? units : undefined,
      },
      openrouter_metadata: metadata,
    }),
  }
}
