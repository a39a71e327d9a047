import { Link, useLoaderData, type LoaderFunctionArgs, type MetaFunction } from 'react-router'
import { headed } from '../../data/head.ts'
import { FRAMEWORKS } from '../../data/frameworks.ts'
import { originOf } from '../../data/origin.ts'
import { Scroll } from '../../ui/section.tsx'
import { DocHead } from './head.tsx'
import { testedVersion } from './versions.server.ts'

export function loader({ request }: LoaderFunctionArgs) {
  return {
    origin: originOf(request),
    clients: FRAMEWORKS.filter(({ install }) => install !== null).map(({ id, name, language, install, packages, note }) => ({
      id, name, language, install: install!, note, version: packages.map(testedVersion).filter((version) => version !== null).join(', '),
    })),
  }
}

export const meta: MetaFunction = headed(() => [
  { title: 'SDKs · Signalbox' },
  { name: 'description', content: 'Which client libraries work with this instance, and with which address.' },
])

export default function Sdk() {
  const { origin, clients } = useLoaderData<typeof loader>()
  return (
    <article className="pt-8 max-w-5xl">
      <DocHead part="For programs" title="SDKs">
        There is no client of Signalbox&rsquo;s own, because none is needed: those of OpenAI, OpenRouter, Anthropic, Google and Vercel work unmodified, and are tested so. Their address
        is <span className="font-mono text-[0.8125rem] text-ink break-all">{origin}/api/v1</span>, or <span className="font-mono text-[0.8125rem] text-ink break-all">{origin}/api</span> for Anthropic&rsquo;s and Google&rsquo;s.
      </DocHead>
      <div className="mt-6">
        <Scroll label="Clients">
          <table className="grid-lines stacks">
            <thead><tr><th scope="col">Client</th><th scope="col">Language</th><th scope="col">Install</th><th scope="col">Version tested</th><th scope="col">What it does</th></tr></thead>
            <tbody>
              {clients.map(({ id, name, language, install, version, note }) => (
                <tr key={id}>
                  <th scope="row"><Link to={`/docs/frameworks#${id}`} className="prose-link font-semibold">{name}</Link></th>
                  <td data-label="Language">{language}</td>
                  <td data-label="Install" className="font-mono text-xs">{install}</td>
                  <td data-label="Version tested">{version || <span className="text-faint">where it is installed</span>}</td>
                  <td data-label="What it does" className="text-soft max-w-md">{note}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </div>
      <p className="mt-4 text-[0.8125rem] text-soft">A client for another language can be made from <a href="/openapi.json" className="prose-link">openapi.json</a>, which is the API as it is served.</p>
    </article>
  )
}
