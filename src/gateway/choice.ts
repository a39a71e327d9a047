import { setImmediate } from 'node:timers/promises'
import { needOf, type Asked, type Choosable, type Fault, type RouterReference } from '../core/index.ts'
import type { Providers } from '../providers/index.ts'
import { chooseModels, NO_SETTINGS, readRouterSettings, type Choice, type RouterCase, type RouterRules } from '../routing/index.ts'

/** The models of the catalogue at one moment, as far as a router may choose them. */
export interface Models {
  choosable(usable: (provider: string) => boolean): Iterable<Choosable>
}

export interface ChooserParts {
  readonly models: () => Models
  readonly providers: () => Pick<Providers, 'credentials'>
  readonly rules: () => RouterRules
  /** What the plan of a request depends on beside its offers: a router chooses under the same conditions. */
  readonly given: (asked: Asked) => RouterCase['given']
}

export type Choose = (reference: RouterReference, asked: Asked) => Promise<Choice | { readonly fault: Fault }>

/** How many models are made ready before others get their turn: all five hundred at once would hold them up for 40 ms. */
const AT_ONCE = 32

/** Router references as models: who may be meant is worked out once for each state of the catalogue and the keys. */
export function createChooser(parts: ChooserParts): Choose {
  let known: { readonly models: Models; readonly providers: Pick<Providers, 'credentials'>; readonly pool: Promise<readonly Choosable[]> } | null = null
  const poolOf = (): Promise<readonly Choosable[]> => {
    const [models, providers] = [parts.models(), parts.providers()]
    if (known?.models !== models || known.providers !== providers) {
      known = { models, providers, pool: gathered(models.choosable((provider) => providers.credentials(provider).length > 0)) }
    }
    return known.pool
  }
  return async (reference, asked) => {
    const read = reference.router === 'fusion' ? { settings: NO_SETTINGS } : readRouterSettings(asked.plugins)
    if ('fault' in read) return read
    const pool = await poolOf()
    const { request } = asked.operation
    return chooseModels({
      reference, request, need: needOf(request, asked.stream), pool, settings: read.settings, rules: parts.rules(), given: parts.given(asked),
    })
  }
}

async function gathered(models: Iterable<Choosable>): Promise<readonly Choosable[]> {
  const pool: Choosable[] = []
  for (const model of models) if (pool.push(model) % AT_ONCE === 0) await setImmediate()
  return pool
}
