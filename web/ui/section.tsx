import { ArrowRight } from 'lucide-react'
import type { ReactNode } from 'react'
import { Link } from 'react-router'

/** A part of a page with its heading, and a way to the page that it has of its own. */
export function Section({ id, title, intro, to, children }: {
  readonly id: string
  readonly title: string
  readonly intro?: ReactNode
  readonly to?: string
  readonly children: ReactNode
}) {
  return (
    <section aria-labelledby={id} className="pt-10">
      <div className="flex items-baseline gap-3 flex-wrap">
        <h2 id={id} className="text-base font-semibold">{title}</h2>
        {to && <Link to={to} className="plain inline-flex items-center gap-1 text-[0.8125rem] text-soft py-1" >Open<span className="sr-only"> the page of {title}</span> <ArrowRight size={13} aria-hidden /></Link>}
      </div>
      {intro && <p className="mt-1 text-soft max-w-[78ch]">{intro}</p>}
      <div className="mt-4">{children}</div>
    </section>
  )
}

/** What stands where there is nothing to show: what is missing, and what brings it. */
export function Empty({ title, children }: { readonly title: string; readonly children?: ReactNode }) {
  return (
    <div className="border-l-2 border-rail pl-4 py-1 max-w-prose">
      <p className="font-medium">{title}</p>
      {children && <div className="text-soft mt-0.5">{children}</div>}
    </div>
  )
}

/** A region that scrolls sideways by itself, also by keys, so that the page never does. */
export function Scroll({ label, children }: { readonly label: string; readonly children: ReactNode }) {
  return <div role="region" aria-label={`${label}, table`} tabIndex={0} className="relative overflow-x-auto">{children}</div>
}

/** Names and what is known of them; null reads "not stated". */
export function Facts({ of, columns = false }: { readonly of: readonly (readonly [name: string, value: ReactNode])[]; readonly columns?: boolean }) {
  if (columns) {
    return (
      <dl className="grid gap-x-10 sm:grid-cols-2 lg:grid-cols-3 text-[0.8125rem]">
        {of.map(([name, value]) => (
          <div key={name} className="flex justify-between gap-4 py-1.5 border-b border-line min-w-0">
            <dt className="text-faint whitespace-nowrap">{name}</dt>
            <dd className="text-right min-w-0">{value ?? <span className="text-faint">not stated</span>}</dd>
          </div>
        ))}
      </dl>
    )
  }
  return (
    <dl className="grid grid-cols-[minmax(7rem,max-content)_1fr] text-[0.8125rem]">
      {of.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="py-1.5 pr-6 border-b border-line text-faint">{name}</dt>
          <dd className="py-1.5 border-b border-line">{value ?? <span className="text-faint">not stated</span>}</dd>
        </div>
      ))}
    </dl>
  )
}

export function Notice({ kind, children }: { readonly kind: 'caution' | 'note' | 'end'; readonly children: ReactNode }) {
  const colour = kind === 'caution' ? 'border-caution' : kind === 'end' ? 'border-danger' : 'border-rail'
  return <p className={`border-l-2 ${colour} bg-well px-3 py-2 max-w-[52rem]`}>{children}</p>
}

/** `strong` is a warning's red, `good` is not: what can be called or costs nothing is no alarm. */
export function Chip({ children, strong, good }: { readonly children: ReactNode; readonly strong?: boolean; readonly good?: boolean }) {
  return (
    <span className={`inline-block px-1.5 rounded-[2px] text-[0.6875rem] leading-4.5 whitespace-nowrap ${strong ? 'bg-arm-wash text-arm' : good ? 'bg-well text-clear' : 'bg-well text-soft'}`}>{children}</span>
  )
}

/** What a section can be asked for besides; it stays where figures are lost, because others may not be. */
export function Choices({ label, of, now }: { readonly label: string; readonly of: readonly (readonly [name: string, text: string, to: string])[]; readonly now: string }) {
  return (
    <p className="text-[0.8125rem] text-soft">{label}{' '}
      {of.map(([name, text, to]) => (
        <Link key={name} to={to} preventScrollReset aria-current={name === now ? 'true' : undefined} className="inline-block px-1.5 py-1 plain aria-[current]:text-ink aria-[current]:font-semibold">{text}</Link>
      ))}
    </p>
  )
}
