import type { LoaderFunctionArgs } from 'react-router'
import { originOf } from '../data/origin.ts'
import { siteOf } from '../site.ts'

/** What a program that reads text should know of this instance, and every model with its address. */
export async function loader({ request, context }: LoaderFunctionArgs) {
  const origin = originOf(request)
  const { models } = await siteOf(context).index()
  const text = [
    '# Signalbox', '',
    '> One OpenAI-compatible API in front of many models and providers, with routing, fall-over and exact costs.', '',
    `Requests go to ${origin}/api/v1/chat/completions with an API key as bearer token. Every model is named author/slug.`, '',
    '## For programs', '',
    `- [OpenAPI document](${origin}/openapi.json): every operation with its schemas`,
    `- [Models as JSON](${origin}/api/v1/models): prices, limits, parameters; filters and sorts in its query`, '',
    '## Models', '',
    ...models.map(({ id, name }) => `- [${oneLine(name).replace(/[[\]]/g, '')}](${origin}/${encodeURI(id)}): ${id}`), '',
  ].join('\n')
  return new Response(text, { headers: { 'Content-Type': 'text/plain; charset=utf-8' } })
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ')
