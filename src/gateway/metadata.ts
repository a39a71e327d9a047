import { FAULTS, type Attempt, type Candidate, type JsonObject, type Plan, type StageNote } from '../core/index.ts'
import type { Call } from './call.ts'

/** OpenRouter's `openrouter_metadata`: how the answer came about. Only stages that changed something are listed. */
export function metadataOf(
  call: Call, plan: Plan, failed: readonly Attempt[], chosen: Candidate | null, notes: readonly StageNote[],
  strategy: string,
): JsonObject {
  const requested = call.asked.preferences.models[0] ?? ''
  const available = plan.candidates.map(({ endpoint }) => ({
    provider: endpoint.providerName,
    model: endpoint.model,
    selected: endpoint === chosen?.endpoint,
  }))
  const attempts = failed.map((attempt) => ({
    provider: attempt.providerName,
    model: attempt.model,
    status: attempt.status ?? (attempt.fault ? FAULTS[attempt.fault].status : null),
  }))
  if (chosen) attempts.push({ provider: chosen.endpoint.providerName, model: chosen.endpoint.model, status: 200 })
  return {
    requested,
    strategy,
    region: null,
    summary: `available=${available.length}, selected=${chosen ? chosen.endpoint.providerName : 'none'}, order=${plan.strategy}`,
    attempt: attempts.length,
    is_byok: false,
    endpoints: { total: available.length + plan.rejected.length, available },
    ...(attempts.length > 0 && { attempts }),
    ...(notes.length > 0 && { pipeline: notes.map((note) => ({ ...note })) }),
  }
}
