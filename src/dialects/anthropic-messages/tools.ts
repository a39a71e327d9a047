import { fault, type ChatRequest, type Fault, type JsonObject } from '../../core/index.ts'
import { isOurs, markOf } from './content.ts'
import { forcesTool, type FormatPlan } from './format.ts'
import { MAX_NAME, wireName } from './names.ts'
import { inputSchema } from './schemas.ts'
import { isLoose, type CacheControl, type Tool, type ToolChoice } from './wire.ts'

/** A tool of ours, or one that Anthropic itself runs, as the caller wrote it. */
export type AnyTool = Tool | (JsonObject & { cache_control?: CacheControl })

export interface Toolbox {
  readonly tools: readonly AnyTool[]
  readonly choice?: ToolChoice
  /** What the model is told in words, because it cannot be demanded. */
  readonly words?: string
  readonly dropped: readonly string[]
}

const FREE_TEXT: JsonObject = {
  type: 'object', properties: { input: { type: 'string' } }, required: ['input'], additionalProperties: false,
}

/**
 * Tools and the choice among them. A subset is sent as a shorter list; a history that calls tools needs some declared
 * even when none are wanted now; and where a model can neither be forced nor stop thinking, it is told in words.
 */
export function writeTools(
  request: ChatRequest, plan: FormatPlan, given: { readonly called: readonly string[]; readonly forceable: boolean },
): Toolbox | { readonly fault: Fault } {
  const tools: AnyTool[] = []
  const dropped: string[] = []
  const { toolChoice } = request
  const allowed = typeof toolChoice === 'object' && 'allowed' in toolChoice ? new Set(toolChoice.allowed) : null
  for (const [at, tool] of (request.tools ?? []).entries()) {
    if (tool.type === 'native') {
      if (isOurs(tool.dialect)) tools.push({ ...tool.value })
      else dropped.push('tools')
      continue
    }
    if (allowed && !allowed.has(tool.name)) continue
    const name = wireName(tool.name, tool.type)
    if (name.length > MAX_NAME) {
      const field = `tools[${at}].${tool.type}.name`
      const words = `${field}: must be at most 64 characters of A-Z, a-z, 0-9, _ and - for this provider`
      return { fault: fault('invalid-request', words, { field }) }
    }
    tools.push({
      name,
      ...(tool.description !== undefined && { description: tool.description }),
      input_schema: tool.type === 'custom' ? FREE_TEXT : inputSchema(tool.parameters),
      ...(tool.type === 'function' && markOf(tool)),
    })
  }

  const single = request.parallelToolCalls === false ? { disable_parallel_tool_use: true as const } : null
  if (plan.by === 'tool') {
    const onlyAnswer = tools.length === 0 || toolChoice === 'none'
    const which = onlyAnswer ? { type: 'tool' as const, name: plan.tool.name } : { type: 'any' as const }
    tools.push(plan.tool)
    // One call at a time: an answer beside calls would be neither.
    return { tools, dropped, choice: { ...which, disable_parallel_tool_use: true } }
  }
  if (tools.length === 0) {
    if (given.called.length === 0) return { tools, dropped }
    const known = [...new Set(given.called)].map((name): Tool => ({ name, input_schema: { type: 'object', properties: {} } }))
    return { tools: known, choice: { type: 'none' }, dropped }
  }
  if (forcesTool(request) && !given.forceable) {
    const which = typeof toolChoice === 'object' && 'tool' in toolChoice ? `the tool ${JSON.stringify(toolChoice.tool)}` : 'one of the tools'
    return {
      tools, choice: { type: 'auto', ...single },
      words: `Call ${which} now; do not answer in text.`,
      dropped: [...dropped, 'tool_choice'],
    }
  }
  const choice = choiceOf(request, tools) ?? (single ? { type: 'auto' } : undefined)
  if (!choice) return { tools, dropped }
  return { tools, dropped, choice: choice.type === 'none' ? choice : { ...choice, ...single } }
}

function choiceOf(request: ChatRequest, tools: readonly AnyTool[]): ToolChoice | undefined {
  const { toolChoice } = request
  switch (toolChoice) {
    case undefined: return undefined
    case 'auto': return { type: 'auto' }
    case 'none': return { type: 'none' }
    case 'required': return { type: 'any' }
  }
  if ('allowed' in toolChoice) return { type: toolChoice.required ? 'any' : 'auto' }
  const declared = request.tools?.find((tool) => tool.type !== 'native' && tool.name === toolChoice.tool)
  // Not declared: it may be one that Anthropic runs, under its own name.
  const name = declared && declared.type !== 'native' ? wireName(toolChoice.tool, declared.type) : toolChoice.tool
  return tools.some((tool) => isLoose(tool) && tool['name'] === name) ? { type: 'tool', name } : { type: 'any' }
}
