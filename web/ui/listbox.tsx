import { useEffect, useId, useRef, useState, type ReactNode } from 'react'
import type { Hit } from '../../src/site.ts'

/** How long a pause in typing is: a question for each letter would be asked for nothing. */
const PAUSE_MS = 90

export type Found =
  | { readonly state: 'idle' | 'loading' | 'failed' }
  | { readonly state: 'found'; readonly hits: readonly Hit[] }

/** What was typed, asked of this server a moment after the last letter. What is shown stays until the next answer. */
export function useFound(text: string, kind?: Hit['kind']): Found {
  const [found, setFound] = useState<Found>({ state: 'idle' })
  useEffect(() => {
    if (text.trim() === '') return setFound({ state: 'idle' })
    const stop = new AbortController()
    setFound((before) => (before.state === 'found' ? before : { state: 'loading' }))
    const timer = setTimeout(() => {
      const query = new URLSearchParams({ q: text, ...(kind && { kind }) })
      fetch(`/search.json?${query}`, { signal: stop.signal })
        .then((response) => (response.ok ? response.json() as Promise<{ hits: readonly Hit[] }> : Promise.reject(new Error(String(response.status)))))
        .then(({ hits }) => setFound({ state: 'found', hits }), () => { if (!stop.signal.aborted) setFound({ state: 'failed' }) })
    }, PAUSE_MS)
    return () => {
      clearTimeout(timer)
      stop.abort()
    }
  }, [text, kind])
  return found
}

/**
 * A field with a list of suggestions under it, by the combobox pattern: the field keeps the focus, arrows choose,
 * Enter takes, Escape closes. Without scripts it is the field alone, and its form asks the server.
 */
export function Combobox({ name, label, placeholder, text, onText, found, hits, onPick, startOpen = false, autoFocus = false, empty, children }: {
  readonly name: string
  readonly label: string
  readonly placeholder: string
  readonly text: string
  readonly onText: (text: string) => void
  readonly found: Found
  /** What the list shows: what was found, and perhaps what the caller knows besides. */
  readonly hits: readonly Hit[]
  readonly onPick: (hit: Hit) => void
  /** In a dialog the list stands there from the start and stays. */
  readonly startOpen?: boolean
  readonly autoFocus?: boolean
  readonly empty: string
  readonly children?: ReactNode
}) {
  const id = useId()
  const [at, setAt] = useState(0)
  const [open, setOpen] = useState(startOpen)
  const list = useRef<HTMLUListElement>(null)
  const field = useRef<HTMLInputElement>(null)
  const shown = (open || startOpen) && hits.length > 0
  const chosen = Math.min(at, hits.length - 1)
  useEffect(() => setAt(0), [text])
  useEffect(() => { if (autoFocus) field.current?.focus() }, [autoFocus])
  useEffect(() => { list.current?.children[chosen]?.scrollIntoView({ block: 'nearest' }) }, [chosen])
  const pick = (hit: Hit | undefined) => {
    if (!hit) return
    setOpen(false)
    onPick(hit)
  }
  const said = text.trim() === '' ? '' : found.state === 'failed' ? 'The list could not be asked for.' : found.state === 'found' ? hits.length === 0 ? empty : `${hits.length} found` : ''
  return (
    <div className="relative" onBlur={(event) => { if (!event.currentTarget.contains(event.relatedTarget)) setOpen(false) }}>
      <input ref={field} name={name} type="search" role="combobox" aria-label={label} placeholder={placeholder} autoComplete="off" className="field w-full" value={text}
        aria-expanded={shown} aria-controls={`${id}-list`} aria-autocomplete="list" aria-activedescendant={shown ? `${id}-${chosen}` : undefined}
        onChange={(event) => { setOpen(true); onText(event.target.value) }}
        onFocus={() => setOpen(true)}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
            event.preventDefault()
            setOpen(true)
            if (hits.length > 0) setAt((chosen + (event.key === 'ArrowDown' ? 1 : hits.length - 1)) % hits.length)
          } else if (event.key === 'Enter' && shown) {
            event.preventDefault()
            pick(hits[chosen])
          } else if (event.key === 'Escape' && shown && !startOpen) {
            event.preventDefault()
            setOpen(false)
          }
        }} />
      <p role="status" className="sr-only">{said}</p>
      {(found.state === 'failed' || (found.state === 'found' && hits.length === 0)) && text.trim() !== '' && (open || startOpen) && (
        <p className={startOpen ? 'px-3 py-3 text-soft' : 'absolute z-20 top-full inset-x-0 mt-1 bg-sheet border border-rail rounded-[3px] px-3 py-2 text-soft'}>
          {found.state === 'failed' ? 'The list could not be asked for. Enter searches all the same.' : empty}
        </p>
      )}
      <ul ref={list} id={`${id}-list`} role="listbox" aria-label={label} hidden={!shown}
        className={startOpen ? 'mt-2 max-h-[50vh] overflow-y-auto' : 'absolute z-20 top-full inset-x-0 mt-1 max-h-80 overflow-y-auto bg-sheet border border-rail rounded-[3px] py-1'}>
        {hits.map((hit, i) => (
          // The field keeps the focus; a press on an option must not take it away before the click.
          <li key={`${hit.kind} ${hit.to}`} id={`${id}-${i}`} role="option" aria-selected={i === chosen} className="option" onPointerDown={(event) => event.preventDefault()} onClick={() => pick(hit)} onPointerMove={() => setAt(i)}>
            <span className="min-w-0 truncate">{hit.name}</span>
            <span className="ml-auto pl-3 text-xs text-faint truncate shrink-0 max-w-[45%]">{hit.kind === 'model' ? hit.id : hit.kind === 'author' ? 'author' : hit.kind === 'provider' ? `provider, ${hit.detail}` : hit.detail}</span>
          </li>
        ))}
      </ul>
      {children}
    </div>
  )
}
