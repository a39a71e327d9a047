import { createHash } from 'node:crypto'
import type { ChatRequest, Message } from '../core/index.ts'
import type { Conversation } from '../routing/index.ts'

/** Of each message so much is looked at: prompts may hold a book, and a conversation is known by how it begins. */
const LOOKED_AT = 8192

/**
 * What tells a conversation from others: the caller's session id or prompt cache key, else the first system or
 * developer message and the first of another role. (OpenRouter's prompt caching guide.)
 */
export class ConversationOf implements Conversation {
  readonly tenant: string
  readonly session: string | null
  readonly #request: ChatRequest
  #beginning: string | null = null

  constructor(tenant: string, request: ChatRequest) {
    this.tenant = tenant
    this.session = request.session ?? request.cacheKey ?? null
    this.#request = request
  }

  beginning(): string {
    if (this.#beginning !== null) return this.#beginning
    const { messages } = this.#request
    const hash = createHash('sha256')
    for (const message of [messages.find(isInstruction), messages.find((it) => !isInstruction(it))]) {
      hash.update(`${message?.role}\n`)
      for (const part of message?.parts ?? []) {
        const text = part.type === 'text' ? part.text : `(${part.type})`
        hash.update(`${text.length}\n${text.slice(0, LOOKED_AT)}\n`)
      }
    }
    return this.#beginning = hash.digest('base64url')
  }
}

function isInstruction({ role }: Message): boolean {
  return role === 'system' || role === 'developer'
}
