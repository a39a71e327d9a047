import type { Order } from './order.ts'

/**
 * Ready-made orders with a name. A request for the model `fake/stall` (or any id that ends in it), the header
 * `x-fake: stall` or a message that begins `#fake stall` gets that one. `error-NNN` with any status works as well.
 */
export const SCENES = {
  echo: { says: 'answers with the last user text', order: {} },
  slow: { says: '200 ms to the first byte, then an event every 20 ms', order: { delayMs: 200, paceMs: 20 } },
  silent: { says: 'takes the request and never answers', order: { stallAfter: 'request' } },
  headers: { says: 'sends the headers and nothing after', order: { stallAfter: 'headers' } },
  stall: { says: 'three events, then silence', order: { stallAfter: 3 } },
  cut: { says: 'closes the connection after three events', order: { cutAfter: 3 } },
  reset: { says: 'resets the connection instead of answering', order: { reset: true } },
  garbled: { says: 'the second event is broken JSON', order: { garble: 'json' } },
  drip: { says: 'one byte every 50 ms', order: { trickle: { bytes: 1, everyMs: 50 } } },
  endless: { says: 'text without end, an event every 10 ms', order: { endless: true, paceMs: 10 } },
  comments: { says: 'only keep-alive comments, one every 50 ms', order: { commentsForever: 50 } },
  empty: { says: 'status 200 and an empty body', order: { status: 200, body: '' } },
  html: {
    says: 'an HTML page with status 200',
    order: { status: 200, body: '<html><body>Bad gateway</body></html>', headers: { 'content-type': 'text/html' } }
  },
  redirect: {
    says: 'a 302 to another host', order: { status: 302, body: '', headers: { location: 'http://127.0.0.1:9/' } }
  },
  'rate-limited': { says: 'a 429 with retry-after: 1', order: { status: 429, headers: { 'retry-after': '1' } } },
  tool: {
    says: 'calls the tool get_weather for Paris',
    order: { calls: [{ name: 'get_weather', arguments: '{"city":"Paris"}' }] }
  },
  reasoning: {
    says: 'reasons, then answers',
    order: { reasoning: 'Weighing the request.', signature: 'c2lnbmVkLWJ5LWZha2U=', text: 'Done.' }
  },
  refusal: { says: 'refuses', order: { refusal: 'I cannot help with that.' } },
  filtered: { says: 'is stopped by a content filter', order: { text: 'I', finish: 'content_filter' } },
} as const satisfies Record<string, { says: string; order: Order }>

/** The order of a scene by its name, undefined when there is none of that name. */
export function sceneOf(name: string): Order | undefined {
  if (Object.hasOwn(SCENES, name)) return SCENES[name as keyof typeof SCENES].order
  const status = /^error-([45]\d\d)$/.exec(name)?.[1]
  return status ? { status: Number(status) } : undefined
}

/** The scene that a model id names: `fake/stall`, `anything/fake/stall` or `fake-stall`. */
export const sceneOfModel = (model: string): Order | undefined => {
  const name = /(?:^|\/)fake[/-]([\w-]+)$/.exec(model)?.[1]
  return name === undefined ? undefined : sceneOf(name)
}
