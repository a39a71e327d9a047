import type { App } from './app.ts'

/** Models that a first request is likely to reach, for the curl line of the start. */
const FAMILIAR = [
  'openai/gpt-5-mini', 'openai/gpt-4o-mini', 'anthropic/claude-haiku-4.5', 'google/gemini-2.5-flash',
  'deepseek/deepseek-chat', 'meta-llama/llama-3.3-70b-instruct', 'mistralai/mistral-nemo',
]

/** What a start prints: where it is, what answers, and a line to paste. The first key is shown here and never again. */
export function welcome(given: { readonly app: App; readonly version: string; readonly firstKey: string | null }): string {
  const { app, firstKey } = given
  const address = app.http.address() ?? ''
  const model = modelToTry(app)
  const admin = app.http.adminAddress()
  const lines = [
    '',
    `Signalbox ${given.version} is at ${address}`,
    ...(admin ? [`Operator routes (/metrics, /readyz) are at ${admin}`] : []),
    '',
    ...answering(app),
    '',
    ...(firstKey ? ['Your first API key, shown only this once:', '', `  ${firstKey}`, ''] : []),
    firstKey ? 'Try it:' : 'Try it, with your key in $SIGNALBOX_API_KEY (npm run -s signalbox -- key create makes another):',
    '',
    `  curl ${address}/api/v1/chat/completions \\`,
    `    -H "Authorization: Bearer ${firstKey ?? '$SIGNALBOX_API_KEY'}" \\`,
    '    -H "Content-Type: application/json" \\',
    `    -d '{"model": "${model}", "messages": [{"role": "user", "content": "Say hello."}]}'`,
    '',
    '',
  ]
  return lines.join('\n')
}

function answering(app: App): readonly string[] {
  const enabled = app.providers().enabled()
  const found = app.locals().map(({ provider, baseUrl, models }) =>
    `Found on this machine: ${provider} at ${baseUrl}, ${models.length} model${models.length === 1 ? '' : 's'}.`)
  if (enabled.length > 0) return [...found, `Providers that can answer: ${enabled.join(', ')}.`]
  return [
    'No provider has a key yet, so answers are simulated and say so.',
    'Set OPENROUTER_API_KEY, OPENAI_API_KEY, ANTHROPIC_API_KEY or another before the start to get real ones.',
  ]
}

/** A model that can be asked for now: a familiar one if any of its endpoints has a key, else whatever has one. */
function modelToTry(app: App): string {
  const snapshot = app.catalog.snapshot()
  const providers = app.providers()
  const reachable = (id: string): boolean => snapshot.endpointsOf(id).some((endpoint) =>
    endpoint.dialect !== null && endpoint.price !== null && !endpoint.disabled && providers.credentials(endpoint.provider).length > 0)
  const local = app.locals()[0]
  if (local) return `${local.provider}/${local.models[0]}`
  return FAMILIAR.find(reachable) ?? snapshot.models.find(({ row }) => reachable(row.id))?.row.id ?? 'demo/echo'
}
