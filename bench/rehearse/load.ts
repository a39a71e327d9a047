// The callers: requests on a fixed timetable, whether or not earlier ones were answered, half of them streamed.
import { Agent, request } from 'node:http'
import type { Box } from './box.ts'
import { answerOf, MODEL, UPSTREAMS } from './score.ts'

/** What a caller got. */
export type Verdict =
  /** The whole, correct answer of the provider that is named. */
  | 'whole'
  /** A part of it, and then an error that says so. */
  | 'cut'
  /** An error and nothing else. */
  | 'failed'
  /** Anything that a caller could take for an answer and is none: wrong or missing words, an end without a reason. */
  | 'wrong'

export interface Asked {
  readonly verdict: Verdict
  /** Milliseconds since the rehearsal began. */
  readonly at: number
  readonly tookMs: number
  readonly streamed: boolean
  /** The slug of the upstream that answered, or null. */
  readonly by: string | null
  /** Slugs of the upstreams that were tried, in order. */
  readonly tried: readonly string[]
  /** What was received where it is not whole. */
  readonly said: string
}

const PATIENCE_MS = 20_000

export class Callers {
  readonly #box: Box
  readonly #startedAt: number
  readonly #agent = new Agent({ keepAlive: true, maxSockets: Infinity })
  readonly asked: Asked[] = []
  #count = 0
  #open = 0

  constructor(box: Box, startedAt: number) {
    this.#box = box
    this.#startedAt = startedAt
  }

  /** Sends `perSecond` requests each second until the moment (ms since the start). Resolves when the last was sent. */
  async until(endMs: number, perSecond: number): Promise<void> {
    let nextAt = performance.now() - this.#startedAt
    for (;;) {
      const now = performance.now() - this.#startedAt
      if (now >= endMs) return
      for (; nextAt <= now; nextAt += 1000 / perSecond) void this.#ask()
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** Resolves when every request has ended; each is given up after 20 s. */
  async done(): Promise<void> {
    while (this.#open > 0) await new Promise((resolve) => setTimeout(resolve, 20))
    this.#agent.destroy()
  }

  async #ask(): Promise<void> {
    const number = this.#count++
    const nonce = `rehearsal-${String(number).padStart(6, '0')}`
    const streamed = number % 2 === 0
    const at = performance.now() - this.#startedAt
    this.#open++
    const { status, body } = await this.#send(nonce, streamed)
    this.#open--
    const read = status === 200 ? (streamed ? readStream(body) : readWhole(body)) : readRefusal(body)
    const verdict = status === 200 ? judge(read, nonce) : status === 0 ? 'wrong' : 'failed'
    this.asked.push({
      verdict, at, tookMs: performance.now() - this.#startedAt - at, streamed,
      by: verdict === 'whole' ? slugOf(read.provider) : null,
      tried: read.tried.map(slugOf).filter((slug) => slug !== null),
      said: verdict === 'whole' ? '' : `${status} ${body.slice(0, 600)}`,
    })
  }

  #send(nonce: string, stream: boolean): Promise<{ readonly status: number; readonly body: string }> {
    return new Promise((resolve) => {
      const url = new URL('/api/v1/chat/completions', this.#box.url)
      const req = request(url, {
        method: 'POST', agent: this.#agent, timeout: PATIENCE_MS,
        headers: { authorization: `Bearer ${this.#box.key}`, 'content-type': 'application/json', 'x-openrouter-metadata': 'enabled' },
      }, (res) => {
        let body = ''
        res.setEncoding('utf8').on('data', (part: string) => { body += part })
        res.on('end', () => resolve({ status: res.statusCode ?? 0, body }))
        res.on('error', () => resolve({ status: 0, body }))
      })
      req.on('error', (error) => resolve({ status: 0, body: error.message }))
      req.on('timeout', () => req.destroy(new Error('no answer in time')))
      req.end(JSON.stringify({ model: MODEL, stream, messages: [{ role: 'user', content: nonce }] }))
    })
  }
}

interface Read {
  readonly text: string
  readonly finish: string | null
  readonly error: boolean
  /** `[DONE]`, or the end of a JSON body. */
  readonly complete: boolean
  readonly provider: string
  readonly tried: readonly string[]
}

interface Body {
  readonly provider?: string
  readonly error?: unknown
  readonly choices?: readonly {
    readonly message?: { readonly content?: string | null }
    readonly delta?: { readonly content?: string | null }
    readonly finish_reason?: string | null
    readonly error?: unknown
  }[]
  readonly openrouter_metadata?: { readonly attempts?: readonly { readonly provider: string }[] }
}

const triedIn = (body: Body): readonly string[] => (body.openrouter_metadata?.attempts ?? []).map((attempt) => attempt.provider)

function readWhole(text: string): Read {
  const body = JSON.parse(text) as Body
  const choice = body.choices?.[0]
  return {
    text: choice?.message?.content ?? '', finish: choice?.finish_reason ?? null, error: Boolean(body.error ?? choice?.error),
    complete: true, provider: body.provider ?? '', tried: triedIn(body),
  }
}

function readRefusal(text: string): Read {
  let body: Body = {}
  try {
    body = JSON.parse(text) as Body
  } catch { /* what is no JSON has nothing to say */ }
  return { text: '', finish: null, error: true, complete: true, provider: '', tried: triedIn(body) }
}

function readStream(text: string): Read {
  let said = ''
  let finish: string | null = null
  let error = false
  let complete = false
  let provider = ''
  let tried: readonly string[] = []
  for (const line of text.split('\n')) {
    if (!line.startsWith('data: ')) continue
    if (line === 'data: [DONE]') {
      complete = true
      continue
    }
    const chunk = JSON.parse(line.slice(6)) as Body
    const choice = chunk.choices?.[0]
    said += choice?.delta?.content ?? ''
    finish = choice?.finish_reason ?? finish
    error ||= chunk.error !== undefined
    provider = chunk.provider ?? provider
    if (chunk.openrouter_metadata) tried = triedIn(chunk)
  }
  return { text: said, finish, error, complete, provider, tried }
}

function judge(read: Read, nonce: string): Verdict {
  const slug = slugOf(read.provider)
  const due = answerOf(slug ?? '', nonce)
  if (read.error) return read.text === '' ? 'failed' : due.startsWith(read.text) && read.finish !== 'stop' ? 'cut' : 'wrong'
  return slug !== null && read.complete && read.finish === 'stop' && read.text === due ? 'whole' : 'wrong'
}

/** Answers name a provider as people read it. */
function slugOf(name: string): string | null {
  return UPSTREAMS.find(({ slug }) => slug === name.toLowerCase())?.slug ?? null
}
