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

const place = (frame: CallFrame): string => {
  if (!frame.url) return ''
  const short = frame.url.replace(/^file:\/\//, '').replace(/^.*\/(src|node_modules|bench)\//, '$1/')
  return `${short}:${frame.lineNumber + 1}`
}

/**
 * Three lists. Functions by their own time; the same by owner; and by room: each sample is booked to the nearest frame of
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
  const functions = new Map<string, number>(), owners = new Map<string, number>(), rooms = new Map<string, number>()
  for (const [id, us] of self) {
    const frame = nodes.get(id)!.callFrame
    add(functions, `${frame.functionName || '(anonymous)'}  ${place(frame)}`.trimEnd(), us)
    add(owners, ownerOf(frame), us)
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
    list('By function, own time', functions, top),
    list('By owner, own time', owners, 20),
    list('By room, with what it called outside src', rooms, 20),
  ].join('\n')
}
