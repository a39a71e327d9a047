import { Link, useLoaderData, type LoaderFunctionArgs, type MetaFunction } from 'react-router'
import { headed } from '../../data/head.ts'
import { originOf } from '../../data/origin.ts'
import { KEY_NAME, sampleIn } from '../../data/samples.ts'
import { siteOf } from '../../site.ts'
import { Code } from '../../ui/code.tsx'
import { DocHead } from './head.tsx'

export async function loader({ request, context }: LoaderFunctionArgs) {
  const site = siteOf(context)
  const [guides, { sample }] = await Promise.all([site.guides(), site.home()])
  return { guides: guides.map(({ slug, name, part, summary }) => ({ slug, name, part, summary })), sample, origin: originOf(request) }
}

export const meta: MetaFunction = headed(() => [
  { title: 'Manual · Signalbox' },
  { name: 'description', content: 'The first request, the formats, routing, errors, configuration and every operation of the API.' },
])

export default function DocsHome() {
  const { guides, sample, origin } = useLoaderData<typeof loader>()
  return (
    <article className="max-w-[52rem]">
      <DocHead part="Manual" title="The first request">Signalbox speaks OpenAI&rsquo;s API. A program that can be given an address and a key needs nothing else.</DocHead>
      <div className="manual">
        <h2 id="key">A key</h2>
        <p>Where this instance runs, make a key. It is shown once; keep it in the environment of your program.</p>
        <Code label="Commands that make a key" text={`npm run -s signalbox -- key create --name my-app\nexport ${KEY_NAME}=sk-…`} />
        <h2 id="request">A request</h2>
        <p>Every model is named <code>author/slug</code>, as on <Link to="/models" className="prose-link">the list of models</Link>.</p>
        <Code label="A first request with curl" text={sampleIn('curl', { model: sample, origin, wishes: new Set() })} />
        <h2 id="client">A client</h2>
        <p>The clients of OpenAI, OpenRouter, Anthropic, Google and Vercel work with this address; <Link to="/docs/frameworks" className="prose-link">one program for each</Link>.</p>
        <h2 id="manual">The manual</h2>
        <dl className="grid sm:grid-cols-[12rem_minmax(0,1fr)] gap-x-6">
          {guides.map(({ slug, name, summary }) => (
            <div key={slug} className="contents">
              <dt className="pt-2 sm:border-t sm:border-line sm:pb-2"><Link to={`/docs/${slug}`} className="prose-link font-medium">{name}</Link></dt>
              <dd className="pb-2 sm:pt-2 sm:border-t sm:border-line text-soft">{summary}</dd>
            </div>
          ))}
        </dl>
        <p>Every operation with its fields is in the <Link to="/docs/api-reference/overview" className="prose-link">API reference</Link>, which is made from <a href="/openapi.json" className="prose-link">openapi.json</a>.</p>
      </div>
    </article>
  )
}
