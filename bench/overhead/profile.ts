// Where a gateway's time goes: V8's sampling profiler, started over the inspector when the gateway is warm, so that
// neither start-up nor compilation is in the picture.
import { createServer } from 'node:net'

interface CallFrame { readonly functionName: string; readonly url: string; readonly lineNumber: number }
interface ProfileNode { readonly id: number; readonly callFrame: CallFrame; readonly children?: readonly number[] }
export interface CpuProfile { readonly nodes: readonly ProfileNode[]; readonly samples: readonly number[]; readonly timeDeltas: readonly number[] }

/** A free port for the inspector, asked of the system. */
export function inspectorPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

/** Profiles the process that listens for an inspector on `port` while `work` runs. One sample every 200 µs. */
export async function profileWhile(port: number, work: () => Promise<void>): Promise<CpuProfile> {
  const targets = await (await fetch(`http://127.0.0.1:${port}/json/list`)).json() as { webSocketDebuggerUrl: string }[]
  const address = targets[0]?.webSocketDebuggerUrl
  if (!address) throw new Error('the inspector lists no target')
  const socket = new WebSocket(address)
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve())
    socket.addEventListener('error', () => reject(new Error('the inspector did not answer')))
  })
  const waiting = new Map<number, (result: unknown) => void>()
  socket.addEventListener('message', (event) => {
    const answer = JSON.parse(String(event.data)) as { id?: number; result?: unknown }
    if (answer.id !== undefined) waiting.get(answer.id)?.(answer.result)
  })
  let id = 0
  const call = (method: string, params: object = {}): Promise<unknown> => new Promise((resolve) => {
    waiting.set(++id, resolve)
    socket.send(JSON.stringify({ id, method, params }))
  })
  await call('Profiler.enable')
  await call('Profiler.setSamplingInterval', { interval: 200 })
  await call('Profiler.start')
  await work()
  const { profile } = await call('Profiler.stop') as { profile: CpuProfile }
  socket.close()
  return profile
}

const SOURCE = /\/src\/([^/]+)\//
const PACKAGE = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//

/** The room of the product, the package, or the part of node that a frame belongs to. */
function ownerOf(frame: CallFrame): string {
  if (frame.url === '') return frame.functionName.startsWith('(') ? frame.functionName : '(builtins)'
  if (frame.url.startsWith('node:')) return frame.url.replace(/^node:(internal\/)?([^/]+).*/, 'node:$2')
  const found = PACKAGE.exec(frame.url)?.[1]
  if (found) return found
  const room = SOURCE.exec(frame.url)?.[1]
  return room ? `src/${room}` : frame.url.split('/').slice(-1)[0]!
}

/**
 * What a call is made of, by where it is done; the first that fits. What is written and added up is done later, in batches,
 * and by the same thread: there is no other that could hide it.
 */
const PARTS: readonly (readonly [name: string, is: (frame: CallFrame) => boolean])[] = [
  ['record: the row of a call, and its writing', (frame) => /\/src\/(?:stats\/(?:stats|row)|gateway\/record)\.ts$/.test(frame.url) || /\/src\/store\//.test(frame.url) && frame.functionName === 'insertNew'],
  ['adding up what was recorded', (frame) => /\/src\/stats\//.test(frame.url) || /\/src\/store\//.test(frame.url) && frame.functionName === 'addUp'],
  ['plan: catalogue, candidates, health', (frame) => /\/src\/(?:routing|catalog)\//.test(frame.url)],
  ['translation: both wire formats', (frame) => /\/src\/dialects\//.test(frame.url)],
  ['price and hold: key, limits, meter', (frame) => /\/src\/(?:accounts|gateway\/(?:meter|admission|places|pressure)\.ts|core\/(?:price|money)\.ts)/.test(frame.url)],
  ['the story of the call', (frame) => /\/src\/(?:gateway|stages|providers)\//.test(frame.url)],
  ['carrying: sockets, heads, routes', (frame) => /\/src\/(?:net|http1?|core|schema)\//.test(frame.url)],
]

const NOBODY = 'node and the system, for nobody in particular'
const OF_STORE = 'other work of the database, transactions of what is added up among it'

const place = (frame: CallFrame): string => {
  if (!frame.url) return ''
  const short = frame.url.replace(/^file:\/\//, '').replace(/^.*\/(src|node_modules|bench)\//, '$1/')
  return `${short}:${frame.lineNumber + 1}`
}

/**
 * Four lists. Parts of a call, each with what it called; functions by their own time; the same by owner; and by room: each sample is booked to the nearest frame of
 * src/ above it, so that what JSON.parse or a socket write costs is seen at the room that asked for it.
 * `requests` and `cpuUs` turn shares into microseconds of CPU per request.
 */
export function describeProfile(profile: CpuProfile, requests: number, cpuUs: number, top = 40): string {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const parent = new Map<number, number>()
  for (const node of profile.nodes) for (const child of node.children ?? []) parent.set(child, node.id)
  const self = new Map<number, number>()
  let total = 0, idle = 0
  profile.samples.forEach((id, at) => {
    const us = Math.max(0, profile.timeDeltas[at] ?? 0)
    const name = nodes.get(id)?.callFrame.functionName
    if (name === '(idle)') { idle += us; return }
    self.set(id, (self.get(id) ?? 0) + us)
    total += us
  })
  const add = (to: Map<string, number>, key: string, us: number) => to.set(key, (to.get(key) ?? 0) + us)
  const parts = new Map<string, number>()
  const partOf = new Map<number, string>()
  /** Of the innermost frame that is of a part: a price that a row is written with is recording, a body that is read translation. */
  const partAt = (id: number): string => {
    let part = partOf.get(id)
    if (part !== undefined) return part
    const { callFrame } = nodes.get(id)!
    const above = parent.get(id)
    part = callFrame.functionName === '(garbage collector)' ? 'the collector of memory'
      : PARTS.find(([, is]) => is(callFrame))?.[0] ?? (above === undefined ? NOBODY : partAt(above))
    if (part === NOBODY && /\/src\/store\//.test(callFrame.url)) part = OF_STORE
    partOf.set(id, part)
    return part
  }
  const functions = new Map<string, number>(), owners = new Map<string, number>(), rooms = new Map<string, number>()
  for (const [id, us] of self) {
    const frame = nodes.get(id)!.callFrame
    add(functions, `${frame.functionName || '(anonymous)'}  ${place(frame)}`.trimEnd(), us)
    add(owners, ownerOf(frame), us)
    add(parts, partAt(id), us)
    let at: number | undefined = id
    while (at !== undefined && !SOURCE.test(nodes.get(at)!.callFrame.url)) at = parent.get(at)
    add(rooms, at === undefined ? '(outside src: node, undici, collector)' : `src/${SOURCE.exec(nodes.get(at)!.callFrame.url)![1]}`, us)
  }
  const perRequest = requests > 0 ? cpuUs / requests : 0
  const list = (title: string, from: Map<string, number>, limit: number) => [`\n${title}`,
    ...[...from].toSorted((a, b) => b[1] - a[1]).slice(0, limit).map(([name, us]) =>
      `${((100 * us) / total).toFixed(1).padStart(6)} %  ${((perRequest * us) / total).toFixed(2).padStart(8)} µs  ${name}`)].join('\n')
  return [
    `${requests.toLocaleString('en')} requests, ${perRequest.toFixed(1)} µs of CPU each (all threads); main thread busy ${((100 * total) / (total + idle)).toFixed(0)} % of the time.`,
    'Microseconds are shares of that CPU time: right in proportion, not to the digit.',
    list('By part of a call, with what it called', parts, PARTS.length + 2),
    list('By function, own time', functions, top),
    list('By owner, own time', owners, 20),
    list('By room, with what it called outside src', rooms, 20),
  ].join('\n')
}
