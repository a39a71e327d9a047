import { useLoaderData, type LoaderFunctionArgs, type MetaFunction } from 'react-router'
import { headed } from '../../data/head.ts'
import { blocksOf, partsOf } from '../../data/markdown.server.ts'
import { stated } from '../../data/format.ts'
import { nowhere } from '../../data/nowhere.ts'
import { siteOf } from '../../site.ts'
import { Markdown } from '../../ui/markdown.tsx'
import { DocHead } from './head.tsx'

export async function loader({ params, context }: LoaderFunctionArgs) {
  const site = siteOf(context)
  const guide = await site.guide(params['guide'] ?? '')
  if (guide === null) throw nowhere()
  const pages = await site.guides()
  const blocks = blocksOf(guide.text, (file) => {
    const page = pages.find((each) => each.file === file)
    return page === undefined ? null : { to: `/docs/${page.slug}`, name: page.name }
  })
  const at = pages.findIndex(({ slug }) => slug === guide.slug)
  const around = (page: (typeof pages)[number] | undefined) => page && { slug: page.slug, name: page.name }
  const { slug, title, summary, part, updated } = guide
  return { slug, title, summary, part, updated, blocks, parts: partsOf(blocks), before: around(pages[at - 1]), next: around(pages[at + 1]), version: site.version }
}

export const meta: MetaFunction<typeof loader> = headed(({ loaderData }) => loaderData
  ? [{ title: `${loaderData.title} · Signalbox` }, { name: 'description', content: loaderData.summary }]
  : [{ title: 'Not here · Signalbox' }])

export default function GuidePage() {
  const { slug, title, part, updated, version, blocks, parts, before, next } = useLoaderData<typeof loader>()
  return (
    <div className="xl:grid xl:grid-cols-[minmax(0,48rem)_12rem] xl:gap-12">
      <article className="min-w-0">
        <DocHead part={part} title={title} />
        <Markdown key={slug} blocks={blocks} />
        <footer className="mt-12 pt-4 border-t border-line text-[0.8125rem] text-soft flex flex-wrap gap-x-6 gap-y-2">
          <p className="mr-auto">Of version {version}{updated && <>, last updated <time dateTime={updated}>{stated(updated)}</time></>}. <a href={`/docs/${slug}.md`} className="prose-link">As Markdown</a></p>
          {before && <a href={`/docs/${before.slug}`} rel="prev" className="plain">← {before.name}</a>}
          {next && <a href={`/docs/${next.slug}`} rel="next" className="plain">{next.name} →</a>}
        </footer>
      </article>
      {parts.length > 1 && (
        <nav aria-label="On this page" className="hidden xl:block text-[0.8125rem]">
          <div className="sticky top-6">
            <p className="label">On this page</p>
            <ul className="mt-1">{parts.map(({ id, text }) => <li key={id}><a href={`#${id}`} className="block py-1 text-soft hover:text-ink">{text}</a></li>)}</ul>
          </div>
        </nav>
      )}
    </div>
  )
}
