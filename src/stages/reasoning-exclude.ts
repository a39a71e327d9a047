import type { ChatEvent, Stage } from '../core/index.ts'

/** `reasoning.exclude`: the model thinks, the caller does not see it. The blocks that remain are numbered anew. */
export function reasoningExclude(): Stage {
  return {
    name: 'reasoning-exclude',
    wants: ({ asked }) => asked.operation.request.reasoning?.exclude === true,
    events() {
      const renumbered = new Map<number, number>()
      const renumber = <E extends { readonly index: number }>(event: E): E | null => {
        const index = renumbered.get(event.index)
        return index === undefined ? null : { ...event, index }
      }
      const pass = (event: ChatEvent): ChatEvent | null => {
        switch (event.type) {
          case 'block-open':
            if (event.block.type === 'reasoning') return null
            renumbered.set(event.index, renumbered.size)
            return renumber(event)
          case 'block-delta':
          case 'block-close':
            return renumber(event)
          case 'note':
            return event.index === undefined ? event : renumber(event as typeof event & { index: number })
          default:
            return event
        }
      }
      return (batch) => batch.map(pass).filter((event) => event !== null)
    },
  }
}
