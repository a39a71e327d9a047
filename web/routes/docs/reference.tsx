import { Link, useLoaderData, type LoaderFunctionArgs, type MetaFunction } from 'react-router'
import { headed } from '../../data/head.ts'
import { originOf } from '../../data/origin.ts'
import { KEY_NAME } from '../../data/samples.ts'
import { siteOf } from '../../site.ts'
import { Facts, Scroll } from '../../ui/section.tsx'
import { DocHead } from './head.tsx'
import { operationsOf } from './schema.server.ts'

export function loader({ request, context }: LoaderFunctionArgs) {
  return { tags: operationsOf(siteOf(context).openApi()), origin: originOf(request) }
}

export const meta: MetaFunction = headed(() => [
  { title: 'API reference · Signalbox' },
  { name: 'description', content: 'Every operation of the API: what it takes, what it answers, and how it fails.' },
])

export default function Reference() {
  const { tags, origin } = useLoaderData<typeof loader>()
  return (
    <article className="max-w-[58rem]">
      <DocHead part="API reference" title="Overview">
        Made from <a href="/openapi.json" className="prose-link">openapi.json</a>, which is made from the table that the server serves by: what stands here is what is there.
      </DocHead>
      <div className="mt-5 max-w-2xl">
        <Facts of={[
          ['Address', <span key="a" className="font-mono text-xs break-all">{origin}/api/v1</span>],
          ['Also', <span key="v" className="font-mono text-xs break-all">{origin}/v1</span>],
          ['Authorization', <span key="k" className="font-mono text-xs break-all">Bearer ${KEY_NAME}</span>],
          ['Or', <span key="x" className="font-mono text-xs break-all">x-api-key: ${KEY_NAME}</span>],
          ['Bodies', 'JSON, in UTF-8'],
          ['Streams', <>server-sent events, where a body says <code key="s" className="font-mono text-xs">&quot;stream&quot;: true</code></>],
          ['Failures', <Link key="e" to="/docs/errors" className="prose-link">one shape and one table</Link>],
          ['Parameters', <Link key="p" to="/docs/api-reference/parameters" className="prose-link">what each does, and what it may be</Link>],
        ]} />
      </div>
      {tags.map(({ tag, operations }) => (
        <section key={tag} aria-labelledby={tag.replaceAll(' ', '-')} className="pt-8">
          <h2 id={tag.replaceAll(' ', '-')} className="text-base font-semibold">{tag}</h2>
          <Scroll label={tag}>
            <table className="grid-lines mt-2">
              <thead><tr><th scope="col">Operation</th><th scope="col">What it does</th></tr></thead>
              <tbody>
                {operations.map(({ id, method, path, summary }) => (
                  <tr key={id}>
                    <th scope="row" className="font-mono text-xs w-72 break-all"><Link to={`/docs/api-reference/${id}`} className="prose-link"><span className="text-faint">{method}</span> {path}</Link></th>
                    <td className="text-soft">{summary}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        </section>
      ))}
    </article>
  )
}
