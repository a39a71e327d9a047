import { toolsFound, type ServerToolWish } from '../core/index.ts'
import { best, indexOf, type ToolIndex } from './tool-index.ts'
import type { Beside, ServerTool, ToolKitGiven } from './tool-kit.ts'
import { ToolSettings, wrong } from './tool-settings.ts'

const USUAL_FOUND = 5
const MOST_FOUND = 20
const MOST_CHARACTERS = 1000

/**
 * `openrouter:tool_search`: finds tools of the caller's own that are kept from the model (`defer_loading`). What was found
 * is offered to it from the next step on, behind all that it was offered before, so that the prompt cache of that stays.
 */
export function toolSearch(_: ToolKitGiven, wish: ServerToolWish, { deferred: library }: Beside): ServerTool {
  const settings = new ToolSettings(wish)
  const most = settings.whole('max_results', MOST_FOUND) ?? USUAL_FOUND
  settings.done()
  let index: Promise<ToolIndex> | null = null
  return {
    description: `Searches a library of ${library.length} tools that you do not see. Search for what you want to do before you say that you cannot do it; what is found you can call from your next step on.`,
    parameters: { type: 'object', properties: { query: { type: 'string', description: 'What the tool does, in a few words' } }, required: ['query'] },
    ignored: settings.ignored,
    ...(wish.native && { instead: wish.native }),
    async run({ query }) {
      if (typeof query !== 'string' || query.trim() === '') throw wrong('query', 'has to be a text')
      if (query.length > MOST_CHARACTERS) throw wrong('query', `has to be of at most ${MOST_CHARACTERS} characters`)
      const tools = await best(await (index ??= indexOf(library)), query, most)
      const names = tools.map(({ name }) => name)
      return { output: toolsFound(names), facts: { query, found: names }, tools }
    },
  }
}
