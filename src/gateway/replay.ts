import { demandOf, NO_CHARGE, NO_USAGE, type Ambient, type ChatEvent, type EventStream, type FinishReason, type Generation, type KeptAnswer } from '../core/index.ts'
import type { Call, Outcome } from './call.ts'
import { samplingOf } from './record.ts'

/** So many events leave in one write. */
const BATCH = 64

/** An answer that was kept, as that of a call: it costs nothing, used nothing, and is on record as what it is. */
export function replayed(call: Call, kept: KeptAnswer, given: { readonly ambient: Ambient; readonly record: (generation: Generation) => void }): Outcome {
  return {
    events: eventsOf(call, kept, given),
    echo: call.asked.echo ? [] : null,
    meta: {
      id: call.id, created: Math.floor(call.createdAt / 1000), model: kept.model, provider: kept.provider,
      ...(kept.tier !== undefined && { tier: kept.tier }),
      asked: call.asked, now: given.ambient.now,
    },
    metadata: () => null,
  }
}

async function* eventsOf(call: Call, kept: KeptAnswer, { ambient, record }: Parameters<typeof replayed>[2]): EventStream {
  const firstAt = ambient.monotonic()
  let complete = false
  try {
    for (let at = 0; at < kept.events.length; at += BATCH) yield kept.events.slice(at, at + BATCH)
    complete = true
    record(recordOf(call, kept, { complete, firstAt, now: ambient.monotonic() }))
    yield [{ type: 'usage', usage: NO_USAGE, charge: NO_CHARGE }]
  } finally {
    if (!complete) record(recordOf(call, kept, { complete, firstAt, now: ambient.monotonic() }))
  }
}

function recordOf(call: Call, kept: KeptAnswer, { complete, firstAt, now }: { readonly complete: boolean; readonly firstAt: number; readonly now: number }): Generation {
  const { operation, stream } = call.asked
  const { request } = operation
  const { media, audios } = demandOf(operation, stream)
  const finish = kept.events.find((event): event is Extract<ChatEvent, { type: 'finish' }> => event.type === 'finish')
  return {
    id: call.id, createdAt: call.createdAt, keyId: call.key.id, workspace: call.key.workspace, surface: call.surface,
    requested: call.asked.preferences.models[0] ?? '', model: kept.model, endpoint: null, provider: null, providerName: kept.provider,
    upstreamId: null, streamed: call.asked.stream, cancelled: !complete, simulated: false,
    finish: complete ? finish?.reason ?? null : null satisfies FinishReason | null, nativeFinish: finish?.native ?? null, fault: complete ? null : 'cancelled',
    latencyMs: Math.round(firstAt - call.startedAt), durationMs: Math.round(now - call.startedAt),
    usage: NO_USAGE, cost: 0n, absorbed: 0n, price: null, tier: null, attempts: [], untried: 0,
    referer: call.app.referer, title: call.app.title, categories: call.app.categories, userAgent: call.app.userAgent,
    user: request.user ?? null, session: request.session ?? null, inputMedia: media, inputAudio: audios, quality: null,
    sampling: samplingOf(request), cachedFrom: kept.id,
    ...(call.asked.presetId !== undefined && { presetId: call.asked.presetId }),
  }
}
