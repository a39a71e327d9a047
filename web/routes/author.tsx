import { Link, useLoaderData, type LoaderFunctionArgs, type MetaFunction } from 'react-router'
import { headed } from '../data/head.ts'
import { plural } from '../data/format.ts'
import { nowhere } from '../data/nowhere.ts'
import { siteOf } from '../site.ts'
import { ModelRows } from '../ui/model-rows.tsx'
import { Section } from '../ui/section.tsx'

export async function loader({ params, context }: LoaderFunctionArgs) {
  const author = await siteOf(context).author(params['author'] ?? '')
  if (author === null) throw nowhere(siteOf(context).near(params['author'] ?? ''))
  return author
}

export const meta: MetaFunction<typeof loader> = headed(({ loaderData }) => loaderData ? [
  { title: `${loaderData.name} · Signalbox` },
  { name: 'description', content: `The models of ${loaderData.name}: prices, context, modalities and who serves them.` },
] : [{ title: 'Not here · Signalbox' }])

export default function Author() {
  const { name, slug, models, retired } = useLoaderData<typeof loader>()
  return (
    <>
      <header className="pt-8">
        <nav aria-label="Breadcrumb" className="text-[0.8125rem] text-soft"><Link to="/models" className="plain py-1">Models</Link></nav>
        <h1 tabIndex={-1} className="text-[1.625rem] font-semibold mt-1 outline-none">{name}</h1>
        <p className="mt-1 text-soft">{plural(models.length, 'model')} in the catalogue{retired.length > 0 && `, ${plural(retired.length, 'retired one')}`}. <span className="font-mono text-[0.8125rem]">{slug}</span></p>
      </header>
      {models.length > 0 && <Section id="models" title="Models"><ModelRows models={models} label={`Models of ${name}`} author={false} /></Section>}
      {retired.length > 0 && <Section id="retired" title="Retired"><ModelRows models={retired} label={`Retired models of ${name}`} author={false} /></Section>}
    </>
  )
}
