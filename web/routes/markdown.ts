import type { LoaderFunctionArgs } from 'react-router'
import type { ModelView, ReportView } from '../../src/site.ts'
import { compact, date, duration, percent, rate, stated, whole } from '../data/format.ts'
import { originOf } from '../data/origin.ts'
import { priceOf, pricesOf } from '../data/prices.ts'
import { sampleIn } from '../data/samples.ts'
import { siteOf } from '../site.ts'
import { soldOf } from './model/sections.ts'
import { factsOf, NOTHING } from './pages/report.server.ts'

/** A page as Markdown, for programs that read text: the manual's as it is written, a model's from its facts. */
export async function loader({ params, request, context }: LoaderFunctionArgs) {
  const site = siteOf(context)
  const path = params['*'] ?? ''
  const [first = '', second = '', more] = path.split('/')
  const text = more !== undefined ? null
    : first === 'state-of-ai' ? await site.report(second || null).then((report) => report && reportAsMarkdown(report, originOf(request)))
    : first === 'docs' ? (await site.guide(second))?.text
      : await site.model(path).then((model) => model && modelAsMarkdown(model, originOf(request)))
  return new Response(text ?? `There is no ${path}.md here.\n`, {
    status: text ? 200 : 404, headers: { 'Content-Type': `text/${text ? 'markdown' : 'plain'}; charset=utf-8` },
  })
}

function modelAsMarkdown(model: ModelView, origin: string): string {
  const facts: readonly (readonly [string, string | null])[] = [
    ['Id', `\`${model.id}\``], ['Author', plain(model.authorName)], ['Context', model.contextLength === null ? null : `${whole(model.contextLength)} tokens`],
    ['Longest answer', model.maxOutput === null ? null : `${whole(model.maxOutput)} tokens`], ['Takes', model.inputModalities.join(', ')], ['Gives', model.outputModalities.join(', ')],
    ['Knows until', model.knowledgeCutoff && stated(model.knowledgeCutoff)],
    ['Released', model.released ? stated(model.released) : model.created ? date(model.created * 1000) : null], ['Status', model.status],
    ...(model.pricing === null ? [] : pricesOf(model.pricing).map(({ name, amount, unit }) => [`${name} price`, `${amount} per ${unit}`] as const)),
    ['Parameters', model.parameters.map((name) => `\`${plain(name)}\``).join(', ') || null],
  ]
  const endpoints = soldOf(model)
  return [
    `# ${plain(model.name)}`, '', plain(model.description), '',
    ...facts.filter(([, value]) => value !== null).map(([name, value]) => `- ${name}: ${value}`), '',
    ...(endpoints.length === 0 ? [] : [
      '## Providers', '',
      '| Provider | Context | Input /1M | Output /1M | Latency p50 | Throughput p50 | Uptime 1 day |', '|---|---|---|---|---|---|---|',
      ...endpoints.map((it) => `| ${[
        plain(it.providerName), it.contextLength === null ? '' : compact(it.contextLength), priceOf(it.pricing, 'prompt') ?? '', priceOf(it.pricing, 'completion') ?? '',
        it.measured?.latency30m ? duration(it.measured.latency30m.p50) : '', it.measured?.throughput30m ? rate(it.measured.throughput30m.p50) : '',
        it.measured?.uptime1d === null || !it.measured ? '' : percent(it.measured.uptime1d),
      ].join(' | ')} |`), '',
    ]),
    '## Request', '', '```sh', sampleIn('curl', { model: model.id, origin, wishes: new Set() }), '```', '',
  ].join('\n')
}

function reportAsMarkdown({ month, over, all, models, authors, ...rest }: ReportView, origin: string): string {
  return [
    `# State of AI, ${stated(month)}${over ? '' : ', so far'}`, '', `From the traffic of ${origin} alone.`, '',
    ...(all.requests === 0 ? [NOTHING] : [
      ...factsOf({ month, over, all, models, authors, ...rest }).map(({ name, value, of }) => `- ${name}: ${value} (${of})`), '',
      '## Models', '', '| Model | Tokens | Requests | Share |', '|---|---|---|---|',
      ...models.map((row) => `| ${plain(row.name)} | ${whole(row.tokens)} | ${whole(row.requests)} | ${percent(row.share)} |`), '',
      '## Authors', '', '| Author | Models | Tokens | Requests | Share |', '|---|---|---|---|---|',
      ...authors.map((row) => `| ${plain(row.name)} | ${row.models} | ${whole(row.tokens)} | ${whole(row.requests)} | ${percent(row.share)} |`),
    ]), '',
  ].join('\n')
}

/** Names and descriptions come from outside: one line, and no mark of Markdown or HTML in it counts. */
const plain = (text: string): string => text.replace(/\s+/g, ' ').replace(/[\\`*_[\]<>|#]/g, String.raw`\$&`)
