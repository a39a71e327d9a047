import { useEffect, useRef, useState } from 'react'
import { useNavigate } from 'react-router'
import type { Hit } from '../../src/site.ts'
import { Combobox, useFound } from './listbox.tsx'

/** Where readers go most; what is shown before anything is typed. */
const PLACES: readonly Hit[] = ([
  ['/models', 'Models', 'every model'], ['/rankings', 'Rankings', 'by tokens'], ['/compare', 'Compare', 'side by side'], ['/providers', 'Providers', 'who sells'],
  ['/docs', 'First request', 'manual'], ['/docs/api-reference/overview', 'API reference', 'manual'], ['/status', 'Status', 'now and lately'],
] as const).map(([to, name, detail]) => ({ kind: 'page', to, id: to, name, detail }))

/** Models, providers, authors and pages of the manual by a few letters. Loaded when it is first asked for. */
export default function Palette({ onClose }: { readonly onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [text, setText] = useState('')
  const found = useFound(text)
  const go = useNavigate()
  useEffect(() => dialog.current?.showModal(), [])
  const hits = text.trim() === '' ? PLACES : found.state === 'found' ? found.hits : []
  return (
    <dialog ref={dialog} aria-label="Search" className="palette" onClose={onClose} onClick={(event) => { if (event.target === event.currentTarget) dialog.current?.close() }}>
      <form action="/models" className="p-3" onSubmit={(event) => {
        event.preventDefault()
        dialog.current?.close()
        void go(`/models?${new URLSearchParams({ q: text })}`)
      }}>
        <Combobox name="q" label="Search models, providers, authors and the manual" placeholder="Search models, providers, the manual" text={text} onText={setText} found={found} hits={hits} startOpen autoFocus
          empty="Nothing is called that. Enter searches the descriptions of models." onPick={(hit) => {
            dialog.current?.close()
            void go(hit.to)
          }} />
      </form>
    </dialog>
  )
}
