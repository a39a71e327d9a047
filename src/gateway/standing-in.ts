import type { ChatRequest, Endpoint, Fault, Made, Nano, StageNote, StandIn } from '../core/index.ts'

/** What a stage would do for endpoints that do not do it themselves, as one call has it: asked for at most once. */
export class StandingIn {
  readonly #of: StandIn
  readonly #request: ChatRequest
  #making: Promise<Made | { readonly fault: Fault }> | null = null
  #cost: Nano = 0n

  constructor(of: StandIn, request: ChatRequest) {
    this.#of = of
    this.#request = request
  }

  get spared(): StageNote {
    return this.#of.spared
  }

  /** What it has cost so far, whoever answers in the end. */
  get cost(): Nano {
    return this.#cost
  }

  /** What is sent to an endpoint in the place of a request; null where it is sent that. */
  for({ search }: ChatRequest, endpoint: Endpoint): Promise<Made | { readonly fault: Fault }> | null {
    return search === undefined || this.#of.spares(endpoint) ? null : this.#making ??= this.#make()
  }

  async #make(): Promise<Made | { readonly fault: Fault }> {
    const made = await this.#of.make(this.#request)
    if (!('fault' in made)) this.#cost = made.fees.cost
    return made
  }
}
