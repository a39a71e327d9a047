import { X } from 'lucide-react'
import { useState } from 'react'
import { Form, Link, redirect, useLoaderData, useNavigate, type LoaderFunctionArgs, type MetaFunction } from 'react-router'
import type { Hit, Site } from '../../../src/site.ts'
import { headed } from '../../data/head.ts'
import { nowhere } from '../../data/nowhere.ts'
import { originOf } from '../../data/origin.ts'
import { told } from '../../data/told.server.ts'
import { siteOf } from '../../site.ts'
import { Lost } from '../../ui/block.tsx'
import { Combobox, useFound } from '../../ui/listbox.tsx'
import { Empty, Notice, Scroll } from '../../ui/section.tsx'
import { comparisonOf, type Cell, type Group, type Row } from './rows.server.ts'

/** More columns than these are not read side by side. */
const MOST = 5
const DAYS = 30

const addressOf = (ids: readonly string[]): string => ['/compare', ...ids].join('/')

/**
 * `/compare/{author}/{slug}/{author}/{slug}…`. What a list's ticks (`?models=`) or the field (`?add=`) send leads to
 * such an address, so that a comparison is a link.
 */
export async function loader({ params, request, context }: LoaderFunctionArgs) {
  const site = siteOf(context)
  const query = new URL(request.url).searchParams
  const segments = [params['author'], params['slug'], ...(params['*'] ?? '').split('/')].filter((part) => part !== undefined && part !== '')
  if (segments.length % 2 !== 0) throw nowhere()
  const asked = segments.flatMap((author, i) => (i % 2 === 0 ? [`${author}/${segments[i + 1]!}`] : []))
  const ids = [...asked, ...query.getAll('models').filter(Boolean)]

  const add = query.get('add')?.trim() ?? ''
  let choice: { readonly text: string; readonly hits: readonly Hit[] } | null = null
  if (add !== '') {
    const hits = (await site.search(add, 40)).filter(({ kind }) => kind === 'model').slice(0, 12)
    const meant = await site.model(add) ?? (hits.length === 1 ? hits[0] : undefined)
    if (meant) ids.push(meant.id)
    else choice = { text: add, hits }
  }

  const found = await Promise.all(ids.map((id) => site.model(id)))
  const unknown = found.findIndex((model) => model === null)
  if (unknown !== -1) throw nowhere(site.near(ids[unknown]!))
  const models = [...new Map(found.map((model) => [model!.id, model!])).values()]
  const shown = models.slice(0, MOST)
  const only = query.get('only') === 'differences'
  if (shown.map(({ id }) => id).join() !== asked.join()) {
    const rest = new URLSearchParams({ ...(only && { only: 'differences' }), ...(models.length > MOST && { full: '1' }) })
    throw redirect(`${addressOf(shown.map(({ id }) => id))}${rest.size > 0 ? `?${rest}` : ''}`, 302)
  }
  const sides = await Promise.all(shown.map(async (model) => {
    const measured = await told(context, Promise.all([site.speed(model.id, '7d'), site.uptime(model.id, DAYS), site.activity(model.id, DAYS)]))
    return { model, measured }
  }))
  return {
    models: shown.map(({ id, name }) => ({ id, name })),
    lost: sides.some(({ measured }) => measured.of === null),
    groups: sides.length === 0 ? [] : comparisonOf(sides, only && sides.length > 1),
    begin: sides.length > 0 ? [] : await beginnings(site),
    only, choice, full: query.get('full') === '1', origin: originOf(request),
  }
}

/** What a comparison could begin with: what is asked here, and then the newest. */
async function beginnings(site: Site): Promise<readonly { readonly id: string; readonly name: string }[]> {
  const { week, newest } = await site.home()
  const models = [...(week?.busiest ?? []).map(({ model }) => model), ...newest].map(({ id, name }) => [id, { id, name }] as const)
  return [...new Map(models).values()].slice(0, 10)
}

export const meta: MetaFunction<typeof loader> = headed(({ loaderData }) => loaderData ? [
  { title: `${loaderData.models.length === 0 ? 'Compare models' : loaderData.models.map(({ name }) => name).join(' and ')} · Signalbox` },
  { name: 'description', content: 'Models side by side: prices, context, modalities, parameters, speed and uptime.' },
  { tagName: 'link', rel: 'canonical', href: `${loaderData.origin}${addressOf(loaderData.models.map(({ id }) => id))}` },
] : [{ title: 'Not here · Signalbox' }])

export default function Compare() {
  const { models, lost, groups, begin, only, choice, full } = useLoaderData<typeof loader>()
  const ids = models.map(({ id }) => id)
  return (
    <>
      <header className="pt-8 flex flex-wrap items-end gap-x-8 gap-y-3">
        <div className="mr-auto">
          <h1 tabIndex={-1} className="text-[1.625rem] font-semibold outline-none">Compare</h1>
          <p className="mt-1 text-soft">{models.length === 0 ? 'Up to five models side by side. Begin with one.' : models.length === 1 ? 'Add another model to see both side by side.' : 'The best of a row is marked where there is a better and a worse.'}</p>
        </div>
        {models.length < MOST && <Add ids={ids} />}
      </header>
      {full && <div className="mt-4"><Notice kind="note">No more than five models stand side by side; the rest of the choice was left out.</Notice></div>}
      {lost && <div className="mt-4"><Lost /></div>}
      {choice && <Choice ids={ids} choice={choice} />}
      {begin.length > 0 && (
        <div className="mt-8">
          <h2 className="label">Begin with</h2>
          <ul className="mt-2 flex flex-wrap gap-2">{begin.map(({ id, name }) => <li key={id} className="min-w-0"><Link to={addressOf([id])} className="key max-w-full"><span className="truncate">{name}</span></Link></li>)}</ul>
        </div>
      )}
      {models.length > 1 && (
        <p className="mt-5 text-[0.8125rem]">
          <Link to={only ? addressOf(ids) : `${addressOf(ids)}?only=differences`} preventScrollReset replace aria-current={only ? 'true' : undefined} className="group inline-flex items-center gap-1.5 py-1 text-soft aria-[current]:text-ink">
            <span aria-hidden className="grid place-items-center w-3.5 h-3.5 border border-rail rounded-[2px] text-[0.625rem] leading-none group-aria-[current]:bg-arm group-aria-[current]:border-arm group-aria-[current]:text-on-arm">{only ? '✓' : ''}</span>
            Differences only<span className="sr-only">{only ? ', on' : ', off'}</span>
          </Link>
        </p>
      )}
      {models.length > 0 && groups.length === 0 && <div className="mt-6"><Empty title="No difference">Everything that is known of these models is the same.</Empty></div>}
      {models.length > 0 && (
        <div className="mt-3">
          <Scroll label="Comparison">
            <table className={`grid-lines versus of-${models.length}`}>
              <thead>
                <tr>
                  <td />
                  {models.map(({ id, name }) => (
                    <th key={id} scope="col">
                      <span className="flex items-start gap-2">
                        <Link to={`/${id}`} className="plain text-sm font-semibold text-ink whitespace-normal">{name}</Link>
                        <Link to={addressOf(ids.filter((other) => other !== id))} aria-label={`Remove ${name}`} className="grid place-items-center w-6 h-6 shrink-0 text-faint hover:text-ink"><X size={14} aria-hidden /></Link>
                      </span>
                      <span className="block font-mono text-xs text-faint font-normal break-all whitespace-normal">{id}</span>
                    </th>
                  ))}
                </tr>
              </thead>
              {groups.map((group) => <Rows key={group.title} group={group} columns={models.length} />)}
            </table>
          </Scroll>
        </div>
      )}
    </>
  )
}

function Rows({ group, columns }: { readonly group: Group; readonly columns: number }) {
  return (
    <tbody>
      <tr className="group-title"><th scope="rowgroup" colSpan={columns + 1}>{group.title}{group.note && <span className="block font-normal text-soft max-w-[70ch]">{group.note}</span>}</th></tr>
      {group.rows.map((row) => (
        <tr key={row.name}>
          <th scope="row">{row.name}</th>
          {row.cells.map((cell, i) => <td key={i}><Value cell={cell} row={row} best={row.best.includes(i)} /></td>)}
        </tr>
      ))}
    </tbody>
  )
}

function Value({ cell, row, best }: { readonly cell: Cell; readonly row: Row; readonly best: boolean }) {
  if (cell.text === null) return <span className="text-faint">{row.nothing}</span>
  return (
    <>
      <span className={best ? 'best' : undefined}>{cell.text}{best && <span className="sr-only">, the best</span>}</span>
      {cell.sub && <span className="block text-xs text-faint">{cell.sub}</span>}
      {cell.spark && <svg viewBox="0 0 100 24" className="chart s1 block mt-1 w-28 h-6" aria-hidden="true"><path className="line" d={cell.spark} vectorEffect="non-scaling-stroke" /></svg>}
    </>
  )
}

function Add({ ids }: { readonly ids: readonly string[] }) {
  const [text, setText] = useState('')
  const found = useFound(text, 'model')
  const go = useNavigate()
  const hits = found.state === 'found' ? found.hits.filter(({ id }) => !ids.includes(id)) : []
  return (
    <Form action={addressOf(ids)} role="search" aria-label="Add a model" className="flex gap-2 w-full sm:w-96">
      <div className="flex-1 min-w-0">
        <Combobox name="add" label="Add a model" placeholder="Add a model" text={text} onText={setText} found={found} hits={hits} empty="No model is called that."
          onPick={(hit) => { setText(''); void go(addressOf([...ids, hit.id])) }} />
      </div>
      <button type="submit" className="key">Add</button>
    </Form>
  )
}

/** What was typed and sent fits several models, or none. */
function Choice({ ids, choice }: { readonly ids: readonly string[]; readonly choice: { readonly text: string; readonly hits: readonly Hit[] } }) {
  return (
    <div className="mt-5">
      {choice.hits.length === 0
        ? <Empty title="No models found">No model of the catalogue is called &ldquo;{choice.text}&rdquo;. <Link to="/models" className="prose-link">All models</Link>.</Empty>
        : (
          <>
            <p className="font-medium">Which one is meant?</p>
            <ul className="mt-1 flex flex-wrap gap-2">{choice.hits.map(({ id, name }) => <li key={id} className="min-w-0"><Link to={addressOf([...ids, id])} className="key max-w-full"><span className="truncate">{name}</span></Link></li>)}</ul>
          </>
        )}
    </div>
  )
}
