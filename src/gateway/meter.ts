import {
  charge, NO_CHARGE, NO_USAGE, usage,
  type Charge, type ChatEvent, type ChatRequest, type Fault, type FinishReason, type Nano, type Part, type PriceSheet, type Usage,
} from '../core/index.ts'
import type { TokenCounter } from './tokens.ts'

/** What a call came to, in figures. */
export interface Metered {
  readonly usage: Usage
  /** What the caller pays. */
  readonly charge: Charge
  /** What the provider bills us and the caller does not pay. */
  readonly absorbed: Nano
}

/** How a reply ended: by itself, by a fault, or because the caller left. */
export type Ending = 'complete' | 'cancelled' | 'failed'

/** Watches the events of one reply pass: withholds the provider's usage, and knows at the end what it all cost. */
export interface Meter {
  /** The batch without its usage events. */
  take(batch: readonly ChatEvent[]): readonly ChatEvent[]
  /** Whether every choice that was opened has finished. */
  finished(): boolean
  readonly reason: FinishReason | null
  readonly native: string | null
  readonly upstreamId: string | null
  readonly tier: string | null
  readonly fault: Fault | null
  settle(ending: Ending): Promise<Metered>
}

/** Delivered text is kept for counting up to here; beyond it the count is scaled. */
const MAX_COUNTED = 1_000_000

/**
 * Usage is the provider's last word, made safe at the dialect's edge; where a provider reports none, or the stream
 * ended before it did, prompt and delivered text are counted by us and marked so.
 *
 * Nothing is charged for a reply that failed (its tokens are an estimate: nobody pays by them), nor for one with
 * neither a completion token nor a finish reason (the zero-completion rule, openrouter-api §3.5); what the provider
 * bills all the same is absorbed. A caller who leaves pays for the prompt and for what was delivered.
 */
export function createMeter(request: ChatRequest, sheet: PriceSheet, tokens: TokenCounter): Meter {
  let reported: Usage | null = null
  let text = ''
  let length = 0
  let opened = 0
  let choices = 0
  let finishes = 0
  const state = {
    reason: null as FinishReason | null,
    native: null as string | null,
    upstreamId: null as string | null,
    tier: null as string | null,
    fault: null as Fault | null,
  }

  const observe = (event: ChatEvent): void => {
    switch (event.type) {
      case 'block-delta':
        length += event.text.length
        if (length <= MAX_COUNTED) text += event.text
        return
      case 'block-open':
        opened++
        if (event.choice >= choices) choices = event.choice + 1
        if (event.block.type === 'tool-call') text += event.block.name
        return
      case 'start':
        state.upstreamId = event.upstreamId ?? state.upstreamId
        state.tier = event.tier ?? state.tier
        return
      case 'finish':
        finishes++
        state.reason ??= event.reason
        state.native ??= event.native ?? null
        return
      case 'usage': reported = event.usage; return
      case 'fault': state.fault = event.fault; return
      default:
    }
  }

  const counted = async (): Promise<Usage> => {
    const [prompt = 0, completion = 0] = await tokens.count([promptText(request), text])
    const scale = length > MAX_COUNTED ? length / MAX_COUNTED : 1
    return usage({ total: prompt }, { total: completion * scale }, { counted: 'by-us' })
  }

  /** The caller of a reply that broke is told within 100 ms, and starting the tokenizer takes longer than that. */
  const estimated = (): Usage => {
    const tokensIn = (bytes: number): number => Math.ceil(bytes / 4)
    return usage({ total: tokensIn(Buffer.byteLength(promptText(request))) }, { total: tokensIn(length) }, { counted: 'by-us' })
  }

  return {
    take(batch) {
      let withheld = false
      for (const event of batch) {
        observe(event)
        if (event.type === 'usage') withheld = true
      }
      return withheld ? batch.filter((event) => event.type !== 'usage') : batch
    },
    finished: () => finishes > 0 && finishes >= choices,
    get reason() { return state.reason },
    get native() { return state.native },
    get upstreamId() { return state.upstreamId },
    get tier() { return state.tier },
    get fault() { return state.fault },
    async settle(ending) {
      if (opened === 0 && reported === null && ending !== 'complete') {
        return { usage: NO_USAGE, charge: NO_CHARGE, absorbed: 0n }
      }
      const used = reported ?? (ending === 'failed' ? estimated() : await counted())
      const cost = charge(sheet, used)
      const empty = used.output.total === 0 && state.reason === null
      if (ending === 'failed' || state.reason === 'error' || empty) {
        return { usage: used, charge: NO_CHARGE, absorbed: cost.total }
      }
      return { usage: used, charge: cost, absorbed: 0n }
    },
  }
}

function promptText(request: ChatRequest): string {
  const pieces: string[] = []
  const collect = (parts: readonly Part[]): void => {
    for (const part of parts) {
      if (part.type === 'tool-result') collect(part.content)
      else if (part.type === 'tool-call') pieces.push(part.name, part.input)
      else if (part.type !== 'media' && part.type !== 'native') pieces.push(part.text)
    }
  }
  for (const message of request.messages) collect(message.parts)
  if (request.tools) pieces.push(JSON.stringify(request.tools))
  return pieces.join('\n').slice(0, MAX_COUNTED)
}
