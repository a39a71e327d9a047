import type { ReactNode } from 'react'

/** The heading of a page of the manual. */
export function DocHead({ part, title, children }: { readonly part: string; readonly title: string; readonly children?: ReactNode }) {
  return (
    <header>
      <p className="label">{part}</p>
      <h1 tabIndex={-1} className="text-[1.625rem] leading-tight font-semibold mt-1 outline-none break-words">{title}</h1>
      {children && <div className="mt-2 text-soft max-w-[75ch]">{children}</div>}
    </header>
  )
}
