import type { Effort } from './chat.ts'

export type ModelId = string

export type Modality = 'text' | 'image' | 'file' | 'audio' | 'video'

/** How a model can be told to reason, as the catalogue knows it; an absent field is not known. */
export interface ReasoningSupport {
  readonly supported: boolean
  readonly efforts?: readonly Effort[]
  /** Sent when the caller says nothing of reasoning; absent leaves it to the provider. */
  readonly defaultEffort?: Effort
  readonly toggle?: boolean
  readonly budgetTokens?: { readonly min?: number; readonly max?: number }
  readonly canDisable?: boolean
  readonly controllable?: boolean
}

/** The facts about a model that routing and dialects read. What only pages show stays in the catalogue's row. */
export interface Model {
  /** `author/slug[:static-variant]`. */
  readonly id: ModelId
  readonly name: string
  readonly author: string
  readonly kind: string
  readonly status: 'active' | 'deprecated' | 'delisted' | 'retired'
  /** Tokens; null where it has no meaning or is not known, which is no limit. */
  readonly contextLength: number | null
  readonly inputModalities: ReadonlySet<string>
  readonly outputModalities: ReadonlySet<string>
  readonly reasoning: ReasoningSupport
  readonly openWeights: boolean
  /** Whether its author permits distillation; absent is not known. */
  readonly distillable?: boolean
}
