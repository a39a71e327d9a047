import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type * as Engine from '@huggingface/jinja'
import type { Template } from '@huggingface/jinja'
import type { Endpoint } from '../../core/index.ts'
import { parseUpstream } from '../json.ts'

/** How a family of models was taught to tell who speaks. `open` marks a last message that is to be continued. */
export interface ChatTemplate {
  readonly name: string
  /** Words that steer the model: in what somebody says they are broken, or a user could speak as the system. */
  readonly control: readonly string[]
  /** What ends the answer. */
  readonly stop: readonly string[]
  /** Whether there is a system's turn; else its text stands before the user's. */
  readonly system: boolean
  render(messages: readonly TemplateMessage[], addGenerationPrompt: boolean): string
}

export interface TemplateMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
  readonly open?: boolean
}

interface Row extends Omit<ChatTemplate, 'render'> {
  /** A pattern of the names of its models. */
  readonly models: string
  readonly template: string
}

/** The first row whose pattern fits the provider's name of the model, or ours; null where no template is known. */
export function templateOf({ upstreamModel, model }: Pick<Endpoint, 'upstreamModel' | 'model'>): ChatTemplate | null {
  return TEMPLATES.find(({ models }) => models.test(upstreamModel))?.template ?? TEMPLATES.find(({ models }) => models.test(model))?.template ?? null
}

function rowsIn(text: string): readonly Row[] {
  const parsed = parseUpstream(text)
  return 'value' in parsed ? parsed.value as readonly Row[] : []
}

const require = createRequire(import.meta.url)

function parsed(template: string): Template {
  const engine = require('@huggingface/jinja') as typeof Engine
  return new engine.Template(template)
}

const TEMPLATES = rowsIn(readFileSync(new URL('templates.json', import.meta.url), 'utf8')).map(({ models, template, ...row }) => {
  // Parsed with the first request that needs it; the engine takes five megabytes, which most servers need not spend.
  let jinja: Template | null = null
  const render: ChatTemplate['render'] = (messages, add) => (jinja ??= parsed(template)).render({ messages: [...messages], add_generation_prompt: add })
  return { models: new RegExp(models, 'i'), template: { ...row, render } }
})
