import { Link } from 'react-router'
import type { ModelView, ParametersView } from '../../../src/site.ts'
import { plural } from '../../data/format.ts'
import { inOrder, PARAMETERS } from '../../data/parameters.ts'
import { Scroll } from '../../ui/section.tsx'
import { soldOf } from './sections.ts'

/** What a request may set, in plain words, how many endpoints honour it, and what callers really set it to. */
export function Parameters({ model, used }: { readonly model: ModelView; readonly used: ParametersView }) {
  const stating = soldOf(model).filter(({ parameters }) => parameters !== null)
  return (
    <>
      <Scroll label="Parameters">
        <table className="grid-lines stacks">
          <thead><tr><th scope="col">Name</th><th scope="col">Type</th><th scope="col">Range</th><th scope="col">When not sent</th><th scope="col">What it does</th><th scope="col" className="num">Really set to<br /><span className="font-normal">p10 · p50 · p90</span></th><th scope="col" className="num">Honoured by</th></tr></thead>
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
                  <td className="num" data-label="Really set to"><Used it={used.parameters.find((each) => each.name === name)} /></td>
                  <td className="num" data-label="Honoured by">{stating.length === 0 ? <span className="text-faint">not stated</span> : `${honouring} of ${stating.length}`}</td>
                </tr>
              )
            })}
          </tbody>
        </table>
      </Scroll>
      <p className="mt-3 text-[0.8125rem] text-soft max-w-[78ch]">What it is really set to is told from requests of the last {plural(used.days, 'day')} through this instance that set it themselves.</p>
    </>
  )
}

function Used({ it }: { readonly it: ParametersView['parameters'][number] | undefined }) {
  if (!it) return <span className="text-faint">–</span>
  if (it.waiting !== null) return <span className="text-faint whitespace-normal">{it.waiting}</span>
  return <data value={it.p50!}>{it.p10} · <strong className="font-semibold">{it.p50}</strong> · {it.p90}</data>
}
