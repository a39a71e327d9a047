import type { Transaction } from 'kysely'
import type { Schema } from '../schema.ts'
import type { Engine } from '../engine.ts'
import { foundation } from './0001-foundation.ts'
import { rollups } from './0002-rollups.ts'
import { history } from './0003-history.ts'
import { responses } from './0004-responses.ts'
import { apps } from './0005-apps.ts'
import { coalesced } from './0006-coalesced.ts'
import { responseRuns } from './0007-response-runs.ts'
import { presets } from './0008-presets.ts'
import { parameters } from './0009-parameters.ts'
import { conversations } from './0010-conversations.ts'
import { responseCache } from './0011-response-cache.ts'
import { demo } from './0012-demo.ts'
import { listPrices } from './0013-list-prices.ts'
import { probes } from './0014-probes.ts'
import { pageVotes } from './0015-page-votes.ts'

/** One step of the schema. Once released it never changes: the next step corrects it. */
export interface Migration {
  readonly name: string
  up(trx: Transaction<Schema>, engine: Engine): Promise<void>
}

/** All steps, in order; the place in the list is the number of the file. */
export const MIGRATIONS: readonly Migration[] = [
  foundation, rollups, history, responses, apps, coalesced, responseRuns, presets, parameters, conversations, responseCache, demo,
  listPrices, probes, pageVotes,
]
