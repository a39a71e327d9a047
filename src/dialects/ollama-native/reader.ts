import { count, usage, type Endpoint, type TokenLogprob } from '../../core/index.ts'
import { isObject, listIn, objectIn, textIn, type Loose } from '../loose.ts'
import type { ObjectReader } from '../object-stream.ts'
import { ReplyWriter } from '../reply-writer.ts'
import { saidBy, upstreamFault } from '../upstream-fault.ts'

/** Lines of one reply; a whole answer is the only one. The finish is in the line that says `done`. */
export class Reader implements ObjectReader {
  readonly writer: ReplyWriter
  private readonly endpoint: Endpoint

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint
    this.writer = new ReplyWriter(endpoint)
  }

  object(value: Loose): void {
    const { writer } = this
    if (value['error'] !== undefined && value['error'] !== null) {
      writer.fail(upstreamFault(typeof value['status'] === 'number' ? value['status'] : 500, {}, saidBy(value), this.endpoint, JSON.stringify(value)))
      return
    }
    if (!isObject(value['message']) && value['done'] === undefined) {
      writer.failed('invalid-response', 'sent a line that is no part of an answer.')
      return
    }
    if (!writer.started) this.start(value)
    const message = objectIn(value, 'message')
    writer.say('reasoning', textIn(message, 'thinking') ?? '')
    writer.say('text', textIn(message, 'content') ?? '')
    for (const call of listIn(message, 'tool_calls')) {
      const made = objectIn(call, 'function')
      const id = textIn(call, 'id')
      // Calls come whole; the index is 0 for all of them, or missing.
      writer.call({ ...(id !== undefined && { id }), name: textIn(made, 'name'), input: made['arguments'] ?? {} })
    }
    writer.logprobs(listIn(value, 'logprobs').map(logprobOf))
    if (value['done'] === true) this.done(value)
  }

  whole(value: Loose): void {
    this.object(value)
    this.closed()
  }

  closed(): void {
    if (!this.writer.over) this.writer.cut()
  }

  private start(value: Loose): void {
    const model = textIn(value, 'model')
    const created = Math.floor(Date.parse(textIn(value, 'created_at') ?? '') / 1000)
    this.writer.start(
      { ...(model !== undefined && { model }), ...(created > 0 && { created }) },
      `${model} ${textIn(value, 'created_at')} ${JSON.stringify(value['message'])}`,
    )
  }

  private done(value: Loose): void {
    const { writer } = this
    // A prompt that was cached whole is not counted; then we count ourselves.
    if (typeof value['prompt_eval_count'] === 'number') {
      writer.count(usage({ total: count(value['prompt_eval_count']) }, { total: count(value['eval_count']) }))
    }
    const reason = textIn(value, 'done_reason')
    if (reason === 'load' || reason === 'unload') writer.failed('invalid-response', `answered with nothing but "${reason}".`, reason)
    else writer.finish(reason === 'length' ? 'length' : 'stop', reason)
  }
}

function logprobOf(it: Loose): TokenLogprob {
  const one = (at: Loose): Omit<TokenLogprob, 'top_logprobs'> => ({
    token: textIn(at, 'token') ?? '',
    logprob: typeof at['logprob'] === 'number' ? at['logprob'] : -9999,
    bytes: Array.isArray(at['bytes']) ? at['bytes'].filter((byte): byte is number => typeof byte === 'number') : null,
  })
  return { ...one(it), top_logprobs: listIn(it, 'top_logprobs').map(one) }
}
