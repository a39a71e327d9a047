import type { ChatEvent, Usage } from '../../core/index.ts'

/** Events in the short form that fixtures are written in; figures that are 0 are left out. */
export function short(event: ChatEvent): unknown {
  switch (event.type) {
    case 'start': {
      const { type: _, usage, ...rest } = event
      return { start: usage ? { ...rest, usage: figures(usage) } : rest }
    }
    case 'block-open': return { open: [event.index, event.choice, event.block] }
    case 'block-delta': return { delta: [event.index, event.text] }
    case 'block-close': return { close: event.seal ? [event.index, event.seal] : [event.index] }
    case 'note': return { note: event.index === undefined ? [event.choice, event.note] : [event.choice, event.note, event.index] }
    case 'usage': return { usage: figures(event.usage) }
    case 'finish': {
      const native = event.native === undefined ? [] : [event.native]
      return { finish: [event.choice, event.reason, ...native], ...(event.stop !== undefined && { stop: event.stop }) }
    }
    case 'fault': return { fault: [event.fault.kind, event.fault.message] }
  }
}

function figures({ input, output, services, stated, billed }: Usage): Record<string, unknown> {
  const { total: inputTotal, ...inside } = input
  const { total: outputTotal, ...outside } = output
  const some = Object.entries({ ...inside, ...outside, ...services }).filter(([, count]) => count !== 0)
  return { input: inputTotal, output: outputTotal, ...Object.fromEntries(some), ...(stated !== undefined && { stated: String(stated) }), ...(billed && { billed: [billed.input, billed.output] }) }
}

/**
 * The events of a stream with neighbouring deltas of a block joined and `*` for ids that were made up: what must stay
 * the same however the bytes are cut.
 */
export function joined(events: readonly ChatEvent[]): ChatEvent[] {
  const out: ChatEvent[] = []
  for (const event of events) {
    const last = out.at(-1)
    if (event.type === 'block-delta' && last?.type === 'block-delta' && last.index === event.index) {
      out[out.length - 1] = { ...last, text: last.text + event.text }
    } else out.push(event)
  }
  return out
}
