/** Reading a chat stream as a client does, and holding it to the grammar that every stream has to keep. */
import assert from 'node:assert/strict'
import { chatChunkSchema } from '../../src/dialects/index.ts'
import { checker } from '../../src/schema/index.ts'

/** The shape of a chunk as it is published. */
const published = checker(chatChunkSchema)

export interface Chunk {
  readonly id: string
  readonly object: string
  readonly created: number
  readonly model: string
  readonly provider?: string
  readonly choices: readonly {
    readonly index: number
    readonly delta: Delta
    readonly finish_reason: string | null
    readonly native_finish_reason?: string
    readonly logprobs?: { readonly content: readonly { readonly token: string; readonly logprob: number }[] | null }
  }[]
  readonly usage?: Record<string, unknown> & { readonly cost: number; readonly prompt_tokens: number; readonly completion_tokens: number }
  readonly error?: { readonly code: number; readonly message: string; readonly metadata?: Record<string, unknown> }
  readonly openrouter_metadata?: Record<string, unknown>
}

export type Delta = Record<string, unknown> & {
  readonly role?: string
  readonly content?: string
  readonly refusal?: string
  readonly reasoning?: string
  readonly reasoning_details?: readonly Record<string, unknown>[]
  readonly tool_calls?: readonly CallDelta[]
  readonly annotations?: readonly Record<string, unknown>[]
}

interface CallDelta {
  readonly index: number
  readonly id?: string
  readonly type?: string
  readonly function?: { readonly name?: string; readonly arguments?: string }
}

export interface Streamed {
  readonly id: string
  readonly chunks: readonly Chunk[]
  readonly comments: number
  readonly done: boolean
  /** The text of all deltas. */
  readonly text: string
  readonly reasoning: string
  readonly deltas: readonly Delta[]
  /** Of the first choice. */
  readonly finish: string | null
  readonly usage: NonNullable<Chunk['usage']> | undefined
  readonly error: NonNullable<Chunk['error']> | undefined
  readonly raw: string
}

/** Reads to the end and checks the grammar: one terminal frame, finish once for each choice, usage before [DONE]. */
export async function readStream(response: Response): Promise<Streamed> {
  if (response.status !== 200) assert.fail(`a stream was expected, but it answered ${response.status}: ${await response.text()}`)
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/)
  return parseStream(await response.text())
}

/** The same for a stream that was read by hand to its end. */
export function parseStream(raw: string): Streamed {
  assert.ok(raw.endsWith('\n\n'), `the stream ends in the middle of a frame: ${JSON.stringify(raw.slice(-100))}`)
  const frames = raw.split('\n\n').filter((frame) => frame !== '')
  const comments = frames.filter((frame) => frame.startsWith(':')).length
  const data = frames.filter((frame) => !frame.startsWith(':')).map((frame) => {
    assert.match(frame, /^data: /, `a frame that is neither data nor a comment: ${frame}`)
    return frame.slice('data: '.length)
  })
  const done = data.at(-1) === '[DONE]'
  const chunks = (done ? data.slice(0, -1) : data).map((text) => JSON.parse(text) as Chunk)
  for (const chunk of chunks) checkChunk(chunk)
  assert.equal(new Set(chunks.map((chunk) => `${chunk.id} ${chunk.created} ${chunk.object}`)).size, 1, 'chunks disagree about their id')
  const finishes = chunks.flatMap((chunk) => chunk.choices).filter((choice) => choice.finish_reason !== null)
  const choices = new Set(chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.index)))
  const last = chunks.at(-1)!
  if (done) {
    assert.equal(finishes.length, choices.size, 'each choice finishes once')
    assert.deepEqual(last.choices, [], 'the usage chunk has no choices')
    assert.ok(last.usage, 'usage comes last')
    assert.equal(chunks.filter((chunk) => chunk.usage).length, 1, 'usage comes once')
    assert.equal(chunks.filter((chunk) => chunk.error).length, 0)
  } else {
    assert.ok(last.error, 'a stream without [DONE] ends with an error')
    assert.equal(last.choices[0]?.finish_reason, 'error')
    assert.equal(finishes.filter((choice) => choice.finish_reason === 'stop').length, 0, 'what failed did not stop by itself')
    assert.equal(chunks.filter((chunk) => chunk.error).length, 1)
  }
  const deltas = chunks.flatMap((chunk) => chunk.choices).map((choice) => choice.delta)
  return {
    id: last.id, chunks, comments, done, raw, deltas, usage: last.usage, error: last.error,
    text: deltas.map((delta) => delta.content ?? '').join(''),
    reasoning: deltas.map((delta) => delta.reasoning ?? '').join(''),
    finish: finishes.find((choice) => choice.index === 0)?.finish_reason ?? null,
  }
}

/** What makes OpenRouter's official SDK throw, or lose what it was sent, on a chunk. */
function checkChunk(chunk: Chunk): void {
  const shown = JSON.stringify(chunk)
  assert.deepEqual(published(chunk), null, `the published shape of a chunk says otherwise: ${shown.slice(0, 500)}`)
  assert.equal(chunk.object, 'chat.completion.chunk')
  assert.ok(Number.isInteger(chunk.created) && typeof chunk.model === 'string' && chunk.id.startsWith('gen-'), shown)
  for (const name of ['system_fingerprint', 'usage', 'error', 'provider', 'openrouter_metadata'] as const) {
    assert.notEqual((chunk as unknown as Record<string, unknown>)[name], null, `${name} is null: ${shown}`)
  }
  if (chunk.error) assert.equal(typeof chunk.error.code, 'number', shown)
  for (const choice of chunk.choices) {
    assert.ok('finish_reason' in choice, `a choice without finish_reason: ${shown}`)
    for (const name of ['role', 'tool_calls', 'reasoning_details', 'annotations', 'images']) {
      assert.notEqual(choice.delta[name], null, `delta.${name} is null: ${shown}`)
    }
    for (const call of choice.delta.tool_calls ?? []) {
      assert.ok(Number.isInteger(call.index), `a tool call without its index: ${shown}`)
      for (const name of ['id', 'type', 'function'] as const) assert.notEqual(call[name], null, `a tool call's ${name} is null: ${shown}`)
    }
  }
}

/** A stream read frame by frame: what has come so far, the time of each piece, and the way to leave. */
export interface Following {
  /** Everything read so far. */
  readonly raw: string
  /** Milliseconds of `performance.now()` when the last piece came. */
  readonly lastAt: number
  /** Resolves when what was read contains the text; rejects when the stream ends before. */
  until(text: string): Promise<void>
  /** Reads to the end. */
  end(): Promise<Streamed>
  /** Closes the connection. */
  leave(): Promise<void>
}

export function follow(response: Response): Following {
  assert.equal(response.status, 200)
  const reader = response.body!.getReader()
  const decoder = new TextDecoder()
  let raw = ''
  let lastAt = performance.now()
  const more = async (): Promise<boolean> => {
    const { done, value } = await reader.read()
    if (done) return false
    raw += decoder.decode(value, { stream: true })
    lastAt = performance.now()
    return true
  }
  return {
    get raw() { return raw },
    get lastAt() { return lastAt },
    async until(text) {
      while (!raw.includes(text)) if (!await more()) assert.fail(`the stream ended before ${JSON.stringify(text)}: ${raw}`)
    },
    async end() {
      while (await more()) { /* reads on */ }
      return parseStream(raw)
    },
    leave: () => reader.cancel(),
  }
}
