import { Link, useLoaderData, type LoaderFunctionArgs, type MetaFunction } from 'react-router'
import { headed } from '../data/head.ts'
import { plural } from '../data/format.ts'
import { siteOf } from '../site.ts'
import { Chip, Scroll } from '../ui/section.tsx'
import { policyOf } from './model/providers.tsx'

export async function loader({ context }: LoaderFunctionArgs) {
  return { providers: await siteOf(context).providers() }
}

export const meta: MetaFunction = headed(() => [
  { title: 'Providers · Signalbox' },
  { name: 'description', content: 'Who sells the models of the catalogue, what becomes of your data there, and which of them this instance can call.' },
])

export default function Providers() {
  const { providers } = useLoaderData<typeof loader>()
  const usable = providers.filter((provider) => provider.usable).length
  return (
    <>
      <header className="pt-8">
        <h1 tabIndex={-1} className="text-[1.625rem] font-semibold outline-none">Providers</h1>
        <p className="mt-1 text-soft">{plural(providers.length, 'provider')} sell models of the catalogue; {usable === 0 ? 'this instance has a key to none of them yet' : `${usable} of them can be called from here`}.</p>
      </header>
      <div className="mt-5">
        <Scroll label="Providers">
          <table className="grid-lines stacks">
            <thead><tr><th scope="col">Provider</th><th scope="col" className="num">Models</th><th scope="col">Headquarters</th><th scope="col">Data centres</th><th scope="col">Your data</th></tr></thead>
            <tbody>
              {providers.map((it) => (
                <tr key={it.slug}>
                  <th scope="row"><Link to={`/providers/${it.slug}`} className="plain font-semibold">{it.name}</Link> {it.usable && <Chip good>callable</Chip>}</th>
                  <td className="num" data-label="Models">{it.models}</td>
                  <td data-label="Headquarters">{it.headquarters ?? <span className="text-faint">not stated</span>}</td>
                  <td data-label="Data centres">{it.datacenters.length > 0 ? it.datacenters.join(', ') : <span className="text-faint">not stated</span>}</td>
                  <td data-label="Your data">{policyOf(it)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </div>
    </>
  )
}
