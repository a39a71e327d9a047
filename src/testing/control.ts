import { FAKE_DIALECTS } from './dialects/index.ts'
import type { FakeUpstream, Match } from './fake-upstream.ts'
import { FRAMING_SHAPES } from './frames.ts'
import { ORDER_KEYS, checkOrder } from './order.ts'
import type { Order } from './order.ts'
import { SCENES } from './scenes.ts'

/**
 * The door for other processes: `GET /_fake` explains, `POST /_fake/script` gives orders, `POST /_fake/release` lets go
 * what is held, `GET /_fake/requests` reads the records, `DELETE /_fake` forgets them and the orders.
 */
export function controlRoute(
  method: string, path: string, raw: Buffer, upstream: FakeUpstream,
): { status: number; body: unknown } {
  if (method === 'GET' && path === '/_fake') return { status: 200, body: manual() }
  if (method === 'DELETE' && path === '/_fake') {
    upstream.forget()
    return { status: 200, body: { forgotten: true } }
  }
  if (method === 'GET' && path === '/_fake/requests') {
    const requests = upstream.requests.map(({ raw: _, ...rest }) => rest)
    return { status: 200, body: { requests, open_sockets: upstream.openSockets() } }
  }
  if (method === 'POST' && path === '/_fake/script') return script(raw, upstream)
  if (method === 'POST' && path === '/_fake/release') {
    upstream.release()
    return { status: 200, body: { released: true } }
  }
  return {
    status: 404, body: { error: 'there are GET /_fake, DELETE /_fake, GET /_fake/requests, POST /_fake/script and POST /_fake/release' }
  }
}

interface Scripted { match?: Match; order: Order }

/** `{next: [{match?, order}], when: [{match?, order}]}`. All is checked before any of it is taken. */
function script(raw: Buffer, upstream: FakeUpstream): { status: number; body: unknown } {
  try {
    const body = JSON.parse(raw.toString()) as Record<string, unknown>
    const unknown = Object.keys(body).find((key) => key !== 'next' && key !== 'when')
    if (unknown !== undefined) throw new TypeError(`"${unknown}" is not a key of a script; keys are next and when`)
    const next = scripted(body.next, 'next')
    const when = scripted(body.when, 'when')
    for (const { match, order } of next) upstream.next(order, match)
    for (const { match = {}, order } of when) upstream.when(match, order)
    return { status: 200, body: { next: next.length, when: when.length } }
  } catch (error) {
    return { status: 400, body: { error: (error as Error).message } }
  }
}

function scripted(value: unknown = [], name: string): Scripted[] {
  if (!Array.isArray(value)) throw new TypeError(`${name} must be a list of {match?, order}`)
  return value.map((entry: Scripted, i) => {
    const unknown = Object.keys(entry.match ?? {}).find((key) => !['path', 'model', 'dialect', 'stream'].includes(key))
    if (unknown !== undefined) {
      throw new TypeError(`${name}[${i}].match.${unknown} is not a key; keys are path, model, dialect, stream`)
    }
    return { match: entry.match, order: checkOrder(entry.order) }
  })
}

const manual = () => ({
  order: Object.fromEntries(Object.entries(ORDER_KEYS).map(([key, [, says]]) => [key, says])),
  scenes: Object.fromEntries(Object.entries(SCENES).map(([name, { says }]) => [name, says])),
  shapes: { framing: FRAMING_SHAPES, ...Object.fromEntries(FAKE_DIALECTS.map(({ name, shapes }) => [name, shapes])) },
})
