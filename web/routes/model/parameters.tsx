import { Link } from 'react-router'
import type { ModelView } from '../../../src/site.ts'
import { inOrder, PARAMETERS } from '../../data/parameters.ts'
import { Scroll } from '../../ui/section.tsx'
import { soldOf } from './sections.ts'

/** What a request may set, in plain words, and how many endpoints honour it. */
export function Parameters({ model }: { readonly model: ModelView }) {
  const stating = soldOf(model).filter(({ parameters }) => parameters !== null)
  return (
    <Scroll label="Parameters">
      <table className="grid-lines stacks">
        <thead><tr><th scope="col">Name</th><th scope="col">Type</th><th scope="col">Range</th><th scope="col">When not sent</th><th scope="col">What it does</th><th scope="col" className="num">Honoured by</th></tr></thead>
        <tbody>
          {inOrder(model.parameters).map((name) => {
            const known = PARAMETERS[name]
            const own = model.defaultParameters[name]
            const honouring = stating.filter(({ parameters }) => parameters!.includes(name)).length
            return (
              <tr key={name} id={name}>
                <th scope="row" className="font-mono">{known ? <Link to={`/docs/parameters/${name}`} className="prose-link">{name}</Link> : name}</th>
                <td data-label="Type">{known?.type ?? <span className="text-faint">not stated</span>}</td>
                <td data-label="Range">{known ? known.range ?? <span className="text-faint">any</span> : <span className="text-faint">not stated</span>}</td>
                <td data-label="When not sent">{own !== undefined && own !== null ? `${own} for this model` : known?.fallback ?? <span className="text-faint">not stated</span>}</td>
                <td className="max-w-xl text-soft" data-label="What it does">{known?.says ?? 'Passed on to endpoints that name it.'}</td>
                <td className="num" data-label="Honoured by">{stating.length === 0 ? <span className="text-faint">not stated</span> : `${honouring} of ${stating.length}`}</td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </Scroll>
  )
}
