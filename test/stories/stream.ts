/** Reading a chat stream as a client does, and holding it to the grammar that every stream has to keep. */
import assert from 'node:assert/strict'

export interface Chunk {
  readonly id: string
  readonly model: string
  readonly provider?: string
  readonly choices: readonly {
    readonly index: number
    readonly delta: Record<string, unknown> & { readonly content?: string }
    readonly finish_reason: string | null
    readonly native_finish_reason?: string
  }[]
  readonly usage?: Record<string, unknown> & { readonly cost: number; readonly prompt_tokens: number; readonly completion_tokens: number }
  readonly error?: { readonly code: number; readonly message: string; readonly metadata?: Record<string, unknown> }
}

export interface Streamed {
  readonly chunks: readonly Chunk[]
  readonly comments: number
  readonly done: boolean
  /** The text of all deltas. */
  readonly text: string
  readonly raw: string
}

/** Reads to the end and checks the grammar: one terminal frame, finish once for each choice, usage before [DONE]. */
export async function readStream(response: Response): Promise<Streamed> {
  assert.equal(response.status, 200)
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/)
  const raw = await response.text()
  const frames = raw.split('\n\n').filter((frame) => frame !== '')
  const comments = frames.filter((frame) => frame.startsWith(':')).length
  const data = frames.filter((frame) => !frame.startsWith(':')).map((frame) => {
    assert.match(frame, /^data: /, `a frame that is neither data nor a comment: ${frame}`)
    return frame.slice('data: '.length)
  })
  const done = data.at(-1) === '[DONE]'
  const chunks = (done ? data.slice(0, -1) : data).map((text) => JSON.parse(text) as Chunk)
  const finishes = chunks.flatMap((chunk) => chunk.choices).filter((choice) => choice.finish_reason !== null)
  const choices = new Set(chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.index)))
  const last = chunks.at(-1)!
  if (done) {
    assert.equal(finishes.length, choices.size, 'each choice finishes once')
    assert.deepEqual(last.choices, [], 'the usage chunk has no choices')
    assert.ok(last.usage, 'usage comes last')
    assert.equal(chunks.filter((chunk) => chunk.error).length, 0)
  } else {
    assert.ok(last.error, 'a stream without [DONE] ends with an error')
    assert.equal(typeof last.error.code, 'number')
    assert.equal(last.choices[0]?.finish_reason, 'error')
  }
  return { chunks, comments, done, raw, text: chunks.flatMap((c) => c.choices).map((choice) => choice.delta.content ?? '').join('') }
}
