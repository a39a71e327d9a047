// A stream of each format that providers speak, as the fake upstream says it, in pieces that end where its events end.
import type { JsonObject } from '../../src/core/index.ts'
import { DIALECTS, type Outbound, type Target } from '../../src/dialects/index.ts'
import { anEndpoint } from '../../src/dialects/laws/endpoint.ts'
import { createFakeUpstream } from '../../src/testing/index.ts'

export interface Recorded {
  readonly outbound: Outbound
  readonly target: Target
  readonly type: string
  /** What arrives with one read each, when every event comes alone. */
  readonly reads: readonly Uint8Array[]
}

/** What stands behind a provider's address, where it is not `/v1`. */
const BASES: Readonly<Record<string, string>> = {
  'anthropic-messages/vertex-raw-predict': '/v1/projects/p/locations/l', 'cohere-v2': '/v2', 'ollama-native': '/api', 'bedrock-converse': '', 'watsonx-text-chat': '/ml/v1',
}
/** What a format demands beside the request. */
const OPTIONS: Readonly<Record<string, JsonObject>> = { 'watsonx-text-chat': { project_id: 'project-1' } }
const WORDS = ['The', ' quick', ' brown', ' fox', ' jumps', ' over', ' the', ' lazy', ' dog', ', and', ' "then"', ' some', '.\n', ' Zürich', ' 🙂', ' again']

/** By the name of its format, one answer of so many pieces of text. */
export async function recordStreams(pieces: number): Promise<ReadonlyMap<string, Recorded>> {
  const upstream = await createFakeUpstream()
  const text = Array.from({ length: pieces }, (_, at) => WORDS[at % WORDS.length]!)
  const recorded = new Map<string, Recorded>()
  try {
    for (const [name, { outbound }] of DIALECTS) {
      if (!outbound) continue
      const target: Target = { endpoint: anEndpoint({ dialect: name }), stream: true, options: OPTIONS[name] ?? {} }
      const { path, headers, body } = requestIn(outbound, target)
      upstream.next({ text, usage: { input: 10, output: pieces } })
      const response = await fetch(`${upstream.url}/${name.replaceAll('/', '-')}${BASES[name] ?? '/v1'}${path}`, { method: 'POST', headers, body })
      const bytes = Buffer.from(await response.arrayBuffer())
      if (response.status !== 200) throw new Error(`${name}: the fake answered ${response.status}: ${bytes.toString().slice(0, 200)}`)
      const type = response.headers.get('content-type') ?? ''
      recorded.set(name, { outbound, target, type, reads: eventsIn(bytes, type) })
    }
  } finally {
    await upstream.close()
  }
  return recorded
}

/** A short question in a format. */
export function requestIn(outbound: Outbound, target: Target): { readonly path: string; readonly headers: Readonly<Record<string, string>>; readonly body: string } {
  const out = outbound.encode({ messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hi' }] }], maxOutputTokens: 4000, sampling: {}, extras: {} }, target)
  if ('fault' in out) throw new Error(`${outbound.dialect}: ${out.fault.message}`)
  return { path: out.path, headers: out.headers, body: String(out.body) }
}

/** Where each event of a stream ends: at a blank line, at a line, or where the length in front of one of Amazon's frames says. */
function eventsIn(bytes: Buffer, type: string): Uint8Array[] {
  const framed = type.includes('amazon.eventstream')
  const mark = type.includes('text/event-stream') ? (bytes.includes('\r\n\r\n') ? '\r\n\r\n' : '\n\n') : '\n'
  const events: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const found = framed ? at + bytes.readUInt32BE(at) : bytes.indexOf(mark, at) + mark.length
    const end = found > at ? found : bytes.length
    events.push(new Uint8Array(bytes.subarray(at, end)))
    at = end
  }
  return events
}
