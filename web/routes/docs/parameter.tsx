import { Link, useLoaderData, type LoaderFunctionArgs, type MetaFunction } from 'react-router'
import { headed } from '../../data/head.ts'
import { plural } from '../../data/format.ts'
import { nowhere } from '../../data/nowhere.ts'
import { EXAMPLES, PARAMETERS } from '../../data/parameters.ts'
import { siteOf } from '../../site.ts'
import { Code } from '../../ui/code.tsx'
import { ModelRows } from '../../ui/model-rows.tsx'
import { Empty, Facts, Section } from '../../ui/section.tsx'

const SHOWN = 8

export async function loader({ params, context }: LoaderFunctionArgs) {
  const name = params['name'] ?? ''
  if (!Object.hasOwn(PARAMETERS, name)) throw nowhere()
  const { models, total, all } = await siteOf(context).models(new URLSearchParams({ supported_parameters: name, limit: String(SHOWN) }))
  return { name, parameter: PARAMETERS[name]!, example: EXAMPLES[name] ?? null, models, total, all }
}

export const meta: MetaFunction<typeof loader> = headed(({ loaderData }) => loaderData
  ? [{ title: `${loaderData.name} · Signalbox` }, { name: 'description', content: loaderData.parameter.says }]
  : [{ title: 'Not here · Signalbox' }])

export default function ParameterPage() {
  const { name, parameter, example, models, total, all } = useLoaderData<typeof loader>()
  return (
    <article>
      <nav aria-label="Breadcrumb" className="text-[0.8125rem] text-soft"><Link to="/docs/api-reference/parameters" className="plain">Parameters</Link></nav>
      <h1 tabIndex={-1} className="font-mono text-[1.375rem] font-semibold mt-1 outline-none break-all">{name}</h1>
      <p className="mt-2 text-base max-w-[70ch]">{parameter.says}</p>
      <div className="mt-5 grid gap-8 md:grid-cols-2 max-w-[58rem]">
        <Facts of={[['Type', parameter.type], ['Range', parameter.range ?? 'any'], ['When not sent', parameter.fallback]]} />
        {example !== null && <Code label={`${name} in a request`} text={example} />}
      </div>
      <Section id="models" title="Who honours it" intro={`${plural(total, 'model')} of ${all} in the catalogue state it for at least one endpoint.`}>
        {models.length === 0 ? <Empty title="No endpoint states it">A request with it is passed on to endpoints that state nothing.</Empty> : (
          <>
            <ModelRows models={models} label={`Models that honour ${name}`} />
            {total > models.length && <p className="mt-3 text-[0.8125rem]"><Link to={`/models?supported_parameters=${name}`} className="prose-link">All {total} of them</Link></p>}
          </>
        )}
      </Section>
    </article>
  )
}
