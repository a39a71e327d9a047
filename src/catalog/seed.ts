import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { DEMO_ENDPOINTS, DEMO_MODELS, DEMO_PROVIDER, withOwnNames, withReseller } from './builtin.ts'
import type { ProtocolPaths } from './address.ts'
import type { EndpointRow, ModelRow, ModelText, ProviderRow } from './rows.ts'

/** The catalogue's files as they were shipped, with the rows that stand for no file: the demo and OpenRouter's. */
export interface Seed {
  readonly providers: readonly ProviderRow[]
  readonly models: readonly ModelRow[]
  readonly endpoints: readonly EndpointRow[]
  readonly texts: Readonly<Record<string, ModelText>>
  readonly paths: ProtocolPaths
  /** Of the files' bytes. */
  readonly hash: string
}

const FILES = ['models', 'endpoints', 'providers', 'texts'] as const

/** Reads the seed files; some 25 ms, most of it JSON.parse. They are ours and checked by the tests, so not here. */
export function readSeed(): Seed {
  const hash = createHash('sha256')
  const [models, endpoints, providers, texts] = FILES.map((name) => {
    const bytes = readFileSync(new URL(`data/${name}.json`, import.meta.url))
    hash.update(bytes)
    return JSON.parse(bytes.toString('utf8')) as unknown
  }) as [{ models: ModelRow[] }, { endpoints: EndpointRow[] }, { providers: ProviderRow[]; protocols: ProtocolPaths }, Seed['texts']]
  return {
    providers: [...providers.providers, DEMO_PROVIDER],
    models: [...withOwnNames(models.models), ...DEMO_MODELS],
    endpoints: [...withReseller(models.models, endpoints.endpoints), ...DEMO_ENDPOINTS],
    texts,
    paths: providers.protocols,
    hash: hash.digest('base64url').slice(0, 16),
  }
}
