import {
  attoFromNano, charge, embedNeed, NO_CHARGE, NO_USAGE, searchUnitsOf, usage,
  type Charge, type ChatEvent, type Endpoint, type Fault, type Fees, type FinishReason, type Nano, type Operation, type Part, type PriceSheet, type Usage,
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

/**
 * Characters of delivered text that are kept for counting; beyond them the count is scaled. A reader who had taken ten
 * megabytes and stopped used to cost one of them here.
 */
const MAX_COUNTED = 128 * 1024
/** Of the prompt, which is kept anyway. */
const MAX_PROMPT = 1_000_000
/** A text of single tokens put together weighs fourteen times as much as the same in one piece. */
const MAX_LOOSE = 8 * 1024

/**
 * Watches the events of one reply pass: withholds the provider's usage, and knows at the end what it all cost.
 *
 * Usage is the provider's last word, made safe at the dialect's edge; where a provider reports none, or the stream
 * ended before it did, prompt and delivered text are counted by us and marked so; of the prompt, what the provider had
 * counted when it began stands, so that nobody who leaves pays the whole price for what was read from a cache.
 *
 * Nothing is charged for a reply that failed (its tokens are an estimate: nobody pays by them), nor for one with
 * neither a completion token nor a finish reason (OpenRouter's zero-completion insurance); what the provider
 * bills all the same is absorbed. A caller who leaves pays for the prompt and for what was delivered.
 */
export class Meter {
  reason: FinishReason | null = null
  native: string | null = null
  upstreamId: string | null = null
  tier: string | null = null
  fault: Fault | null = null
  readonly #request: Operation['request']
  readonly #endpoint: Pick<Endpoint, 'price' | 'plainPrice'>
  readonly #tokens: TokenCounter
  #reported: Usage | null = null
  /** What the provider had counted of the prompt when it began. */
  #begun: Usage['input'] | null = null
  #text = ''
  #loose = ''
  #length = 0
  #opened = 0
  #choices = 0
  #finishes = 0

  constructor(request: Operation['request'], endpoint: Pick<Endpoint, 'price' | 'plainPrice'>, tokens: TokenCounter) {
    this.#request = request
    this.#endpoint = endpoint
    this.#tokens = tokens
  }

  /**
   * What it is charged by: the price of the tier that served it. A provider that has no room left at the tier that was
   * asked for says `default` in its answer, and bills that.
   */
  get sheet(): PriceSheet {
    const { price, plainPrice } = this.#endpoint
    return plainPrice !== undefined && (this.tier === 'default' || this.tier === 'standard') ? plainPrice : price!
  }

  /** Whether every choice that was opened has finished. */
  get finished(): boolean {
    return this.#finishes > 0 && this.#finishes >= this.#choices
  }

  /** The batch without its usage events. */
  take(batch: readonly ChatEvent[]): readonly ChatEvent[] {
    let withheld = false
    for (const event of batch) {
      this.#observe(event)
      if (event.type === 'usage') withheld = true
    }
    return withheld ? batch.filter((event) => event.type !== 'usage') : batch
  }

  /** What it all came to; at once, unless tokens have to be counted. */
  settle(ending: Ending): Metered | Promise<Metered> {
    if (this.#reported) return this.#metered(this.#reported, ending)
    if (this.#opened === 0 && ending !== 'complete') return { usage: NO_USAGE, charge: NO_CHARGE, absorbed: 0n }
    if (ending === 'failed') return this.#metered(this.#estimated(), ending)
    return this.#counted().then((counted) => this.#metered(counted, ending))
  }

  #observe(event: ChatEvent): void {
    switch (event.type) {
      case 'block-delta':
        this.#length += event.text.length
        if (this.#length <= MAX_COUNTED) this.#keep(event.text)
        return
      case 'block-open':
        this.#opened++
        if (event.choice >= this.#choices) this.#choices = event.choice + 1
        if (event.block.type === 'tool-call') this.#keep(event.block.name)
        return
      case 'start':
        this.upstreamId = event.upstreamId ?? this.upstreamId
        this.tier = event.tier ?? this.tier
        this.#begun = event.usage?.input ?? this.#begun
        return
      case 'finish':
        this.#finishes++
        this.reason ??= event.reason
        this.native ??= event.native ?? null
        return
      case 'usage': this.#reported = event.usage; return
      case 'fault': this.fault = event.fault; return
      default:
    }
  }

  #keep(text: string): void {
    this.#loose += text
    if (this.#loose.length < MAX_LOOSE) return
    this.#text += Buffer.from(this.#loose).toString()
    this.#loose = ''
  }

  #metered(used: Usage, ending: Ending): Metered {
    const cost = charge(this.sheet, used)
    const empty = used.output.total === 0 && this.reason === null
    if (ending === 'failed' || this.reason === 'error' || empty) return { usage: used, charge: NO_CHARGE, absorbed: cost.total }
    return { usage: used, charge: cost, absorbed: 0n }
  }

  async #counted(): Promise<Usage> {
    const prompt = this.#begun === null ? promptText(this.#request) : ''
    const [read = 0, completion = 0] = await this.#tokens.count([prompt, this.#text + this.#loose])
    const scale = this.#length > MAX_COUNTED ? this.#length / MAX_COUNTED : 1
    return usage(this.#begun ?? { total: read }, { total: completion * scale }, { ...servicesOf(this.#request), counted: 'by-us' })
  }

  /** The caller of a reply that broke is told within 100 ms, and starting the tokenizer takes longer than that. */
  #estimated(): Usage {
    const tokensIn = (bytes: number): number => Math.ceil(bytes / 4)
    return usage(this.#begun ?? { total: tokensIn(Buffer.byteLength(promptText(this.#request))) }, { total: tokensIn(this.#length) }, { ...servicesOf(this.#request), counted: 'by-us' })
  }
}

/** What a call came to with what was paid for answers that were none; a call that nothing is charged for pays none of it. */
export function withRetries(metered: Metered, retries: Nano): Metered {
  if (retries === 0n) return metered
  if (metered.charge === NO_CHARGE) return { ...metered, absorbed: metered.absorbed + retries }
  return { ...metered, charge: { ...metered.charge, total: metered.charge.total + retries, retries } }
}

/** What a call came to with what stages bought for it; where nothing is charged, nobody but us pays for that. */
export function withFees(metered: Metered, fees: Fees | undefined): Metered {
  if (fees === undefined) return metered
  const services: Record<string, number> = { ...metered.usage.services }
  for (const [unit, count] of Object.entries(fees.services)) services[unit] = (services[unit] ?? 0) + count
  const usage = { ...metered.usage, services }
  if (metered.charge === NO_CHARGE) return { ...metered, usage, absorbed: metered.absorbed + fees.cost }
  const { charge } = metered
  return { ...metered, usage, charge: { ...charge, total: charge.total + fees.cost, services: charge.services + attoFromNano(fees.cost) } }
}

/** What is billed beside tokens, where a provider says nothing of it: search units, and pictures among inputs. */
function servicesOf(request: Operation['request']): { services?: Record<string, number> } {
  if ('documents' in request) return { services: { search_unit: searchUnitsOf(request) } }
  if (!('inputs' in request)) return NO_SERVICES
  const image = embedNeed(request).images
  return image > 0 ? { services: { image } } : NO_SERVICES
}

const NO_SERVICES = Object.freeze({})

/** Everything of a request that becomes tokens of text, up to a million characters. */
export function promptText(request: Operation['request']): string {
  const pieces: string[] = []
  const collect = (parts: readonly Part[]): void => {
    for (const part of parts) {
      if (part.type === 'tool-result') collect(part.content)
      else if (part.type === 'tool-call') pieces.push(part.name, part.input)
      else if (part.type !== 'media' && part.type !== 'native') pieces.push(part.text)
    }
  }
  if ('messages' in request) {
    for (const message of request.messages) collect(message.parts)
    if (request.tools) pieces.push(JSON.stringify(request.tools))
  } else if ('inputs' in request) {
    for (const input of request.inputs) if ('parts' in input) collect(input.parts)
  } else {
    // The query is read again with each document.
    for (const { text } of request.documents) pieces.push(request.query, text ?? '')
  }
  return pieces.join('\n').slice(0, MAX_PROMPT)
}
