/**
 * Shapes of Google's generateContent, as the Gemini API and Vertex speak it. What goes out is typed; what comes in
 * is hostile until looked at, so it is read through `isObject`, `textIn` and `listIn`.
 */

export const DIALECT = 'google-generate-content'

/** The format of a thought signature, as `reasoning_details` name it. */
export const SEAL_FORMAT = 'google-gemini-v1'

/** What Google takes in place of a signature on a call that it never made; without one Gemini 3 answers 400. */
export const NO_SIGNATURE = 'skip_thought_signature_validator'

export interface Blob {
  readonly mimeType: string
  readonly data: string
}

export type WirePart = {
  readonly text?: string
  readonly thought?: boolean
  readonly thoughtSignature?: string
  readonly inlineData?: Blob
  readonly fileData?: { readonly mimeType?: string; readonly fileUri: string }
  readonly functionCall?: { readonly name: string; readonly args: object }
  readonly functionResponse?: { readonly name: string; readonly response: object; readonly parts?: readonly WirePart[] }
  /** Parts of built-in tools (executableCode, codeExecutionResult …) go back as they came. */
  readonly [native: string]: unknown
}

export interface WireContent {
  readonly role: 'user' | 'model'
  readonly parts: WirePart[]
}

export interface WireBody {
  contents: readonly WireContent[]
  systemInstruction?: { readonly parts: readonly WirePart[] }
  tools?: readonly object[]
  toolConfig?: { readonly functionCallingConfig: { readonly mode: 'AUTO' | 'ANY' | 'NONE'; readonly allowedFunctionNames?: readonly string[] } }
  generationConfig?: Record<string, unknown>
  labels?: Readonly<Record<string, string>>
  serviceTier?: string
  [extra: string]: unknown
}

export { isObject, listIn, textIn, type Loose } from '../loose.ts'
