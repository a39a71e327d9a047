import type { Endpoint } from '../../core/index.ts'
import type { Target } from '../dialect.ts'

/** An endpoint for tests: nothing is known of it, so everything is allowed. */
export function anEndpoint(change: Partial<Omit<Endpoint, 'quirks' | 'parameters'>> & { quirks?: readonly string[]; parameters?: readonly string[] | null } = {}): Endpoint {
  const { quirks = [], parameters = null, ...rest } = change
  return {
    id: 'author/model@host', model: 'author/model', provider: 'host', providerName: 'Host', tag: 'host', tier: 'default',
    upstreamModel: 'model-1', dialect: 'openai-chat', protocols: ['openai-chat'], baseUrl: 'http://127.0.0.1:1/v1',
    price: null, unpriced: null, contextLength: null, maxOutputTokens: null, maxPromptTokens: null, quantization: null,
    parametersSource: 'none', reasoning: { supported: false },
    inputModalities: new Set(['text']), outputModalities: new Set(['text']), implicitCaching: false,
    dataPolicy: { training: null, retainsPrompts: null, retentionDays: null },
    forcedParams: null, forcedHeaders: null, disabled: false, deprecated: false, simulated: false,
    ...rest, quirks: new Set(quirks), parameters: parameters && new Set(parameters),
  }
}

export function aTarget(change: Parameters<typeof anEndpoint>[0] = {}, rest: Partial<Omit<Target, 'endpoint'>> = {}): Target {
  return { endpoint: anEndpoint(change), stream: false, ...rest }
}
