import { SAMPLING, type SamplingName } from '../../core/index.ts'
import { z } from '../../schema/index.ts'
import { providerSchema } from '../openai-chat/wire.ts'
import { deferLoading } from '../server-tools.ts'

/**
 * The request of `:generateContent` as Google's clients send it. What is checked here is what is published; unknown keys
 * are allowed, since Google adds them without notice and an endpoint of the same format takes them. Google's proto JSON
 * also takes every key in snake_case, which is read as the camelCase that is published.
 */

const text = z.string()
/** Google's documents have them in capitals, its clients also in small letters. */
const LEVELS = ['THINKING_LEVEL_UNSPECIFIED', 'MINIMAL', 'LOW', 'MEDIUM', 'HIGH']

function sampling(name: SamplingName) {
  const { min, max, integer } = SAMPLING[name]
  const base = (integer ? z.int() : z.number()).min(min)
  return (max === null ? base : base.max(max)).nullish()
}

/** A part says what it is by the key that it has; each key that is there must have its shape. */
const part = z.looseObject({
  text: text.nullish(),
  thought: z.boolean().nullish(),
  thoughtSignature: text.nullish(),
  inlineData: z.looseObject({ mimeType: text.min(1), data: text.min(1), displayName: text.nullish() }).nullish(),
  fileData: z.looseObject({ mimeType: text.nullish(), fileUri: text.min(1), displayName: text.nullish() }).nullish(),
  functionCall: z.looseObject({ id: text.nullish(), name: text.min(1).max(256), args: z.looseObject({}).nullish() }).nullish(),
  functionResponse: z.looseObject({
    id: text.nullish(), name: text.min(1), response: z.looseObject({}).nullish(), parts: z.array(z.looseObject({})).nullish(),
  }).nullish(),
})
const parts = z.array(part)
const content = z.looseObject({ role: z.enum(['user', 'model', 'function', 'system']).nullish(), parts })

const declaration = z.looseObject({
  name: text.min(1).max(256),
  description: text.nullish(),
  parameters: z.looseObject({}).nullish().describe("Google's subset of OpenAPI."),
  parametersJsonSchema: z.looseObject({}).nullish(),
  deferLoading,
})
const tool = z.looseObject({ functionDeclarations: z.array(declaration).nullish() })

const generationConfig = z.looseObject({
  maxOutputTokens: z.int().min(1).nullish(),
  temperature: sampling('temperature'),
  topP: sampling('top_p'),
  topK: sampling('top_k'),
  frequencyPenalty: sampling('frequency_penalty'),
  presencePenalty: sampling('presence_penalty'),
  seed: z.int().nullish(),
  stopSequences: z.array(text).max(5).nullish(),
  candidateCount: z.int().min(1).max(8).nullish(),
  responseMimeType: text.nullish(),
  responseSchema: z.looseObject({}).nullish(),
  responseJsonSchema: z.looseObject({}).nullish(),
  responseModalities: z.array(text).nullish(),
  responseLogprobs: z.boolean().nullish(),
  logprobs: z.int().min(0).max(20).nullish(),
  speechConfig: z.looseObject({}).nullish(),
  imageConfig: z.looseObject({}).nullish(),
  thinkingConfig: z.looseObject({
    includeThoughts: z.boolean().nullish(),
    thinkingBudget: z.int().min(-1).nullish(),
    thinkingLevel: z.enum([...LEVELS, ...LEVELS.map((level) => level.toLowerCase())]).nullish(),
  }).nullish(),
})

export const requestSchema = z.looseObject({
  contents: z.array(content).min(1),
  systemInstruction: z.looseObject({ parts }).nullish(),
  tools: z.array(tool).nullish(),
  toolConfig: z.looseObject({
    functionCallingConfig: z.looseObject({
      mode: z.enum(['MODE_UNSPECIFIED', 'AUTO', 'ANY', 'NONE', 'VALIDATED']).nullish(), allowedFunctionNames: z.array(text).nullish(),
    }).nullish(),
  }).nullish(),
  generationConfig: generationConfig.nullish(),
  safetySettings: z.array(z.looseObject({ category: text })).nullish(),
  cachedContent: text.nullish(),
  labels: z.record(text, text).nullish(),
  serviceTier: text.nullish(),
  models: z.array(text.min(1)).max(64).nullish().describe('Further models, tried in their order.'),
  provider: providerSchema.nullish(),
  plugins: z.array(z.looseObject({ id: text, enabled: z.boolean().nullish() })).nullish(),
  preset: text.nullish(),
  sessionId: text.max(256).nullish(),
  user: text.max(256).nullish(),
})


/** Keys that are read; others go to an endpoint of the same format. */
export const READ_KEYS: ReadonlySet<string> = new Set([
  'model', 'stream', 'contents', 'systemInstruction', 'tools', 'generationConfig', 'serviceTier', 'models', 'provider', 'plugins', 'preset', 'sessionId', 'user', 'labels',
])
export const READ_CONFIG: ReadonlySet<string> = new Set(Object.keys(generationConfig.shape))
