import { Link, type MetaFunction } from 'react-router'
import { headed } from '../../data/head.ts'
import { PARAMETERS } from '../../data/parameters.ts'
import { Scroll } from '../../ui/section.tsx'
import { DocHead } from './head.tsx'

export const meta: MetaFunction = headed(() => [
  { title: 'Parameters · Signalbox' },
  { name: 'description', content: 'What each request parameter does, what it may be, and what happens when it is not sent.' },
])

export default function ParameterList() {
  return (
    <article className="max-w-[62rem]">
      <DocHead part="API reference" title="Parameters">
        What a request to a model may set. An endpoint that does not honour one is chosen or passed over by <Link to="/docs/fitting" className="prose-link">a policy that you can set</Link>.
      </DocHead>
      <div className="mt-5">
        <Scroll label="Parameters">
          <table className="grid-lines stacks">
            <thead><tr><th scope="col">Name</th><th scope="col">Type</th><th scope="col">Range</th><th scope="col">When not sent</th><th scope="col">What it does</th></tr></thead>
            <tbody>
              {Object.entries(PARAMETERS).map(([name, { type, range, fallback, says }]) => (
                <tr key={name}>
                  <th scope="row" className="font-mono"><Link to={`/docs/parameters/${name}`} className="prose-link">{name}</Link></th>
                  <td data-label="Type">{type}</td>
                  <td data-label="Range">{range ?? <span className="text-faint">any</span>}</td>
                  <td data-label="When not sent">{fallback}</td>
                  <td data-label="What it does" className="text-soft max-w-md">{says}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </div>
    </article>
  )
}
