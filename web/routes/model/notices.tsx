import { Link } from 'react-router'
import type { ModelView } from '../../../src/site.ts'
import { stated } from '../../data/format.ts'
import { Notice } from '../../ui/section.tsx'

/** What a caller has to know before the first request. */
export function Notices({ model }: { readonly model: ModelView }) {
  const usable = model.endpoints.filter((endpoint) => endpoint.usable && !endpoint.simulated)
  const notes: { key: string; kind: 'caution' | 'note' | 'end'; text: React.ReactNode }[] = []
  const use = model.successor && <> Use <Link className="prose-link" to={`/${model.successor.id}`}>{model.successor.name}</Link> instead.</>
  if (model.status === 'retired') notes.push({ key: 'retired', kind: 'end', text: <><strong className="font-semibold">Retired{model.expires && ` on ${stated(model.expires)}`}.</strong> Its maker no longer serves it, and calls to it are refused.{use}</> })
  else if (model.status === 'deprecated' || model.expires) notes.push({ key: 'deprecated', kind: 'caution', text: <><strong className="font-semibold">Being withdrawn.</strong> {model.expires ? `Its end is stated as ${stated(model.expires)}.` : 'No date is stated.'}{use}</> })
  else if (model.status === 'delisted') notes.push({ key: 'delisted', kind: 'caution', text: <><strong className="font-semibold">No longer offered everywhere.</strong> Some of its providers have taken it from their lists.{use}</> })
  if (model.movingTarget) notes.push({ key: 'moving', kind: 'note', text: <><strong className="font-semibold">A moving alias.</strong> Today it stands for <Link className="prose-link" to={`/${model.movingTarget.id}`}>{model.movingTarget.name}</Link>, and it follows when a newer one comes. Prices and endpoints below are those of that model.</> })
  if (model.requiresOwnKey) notes.push({ key: 'own', kind: 'caution', text: <><strong className="font-semibold">Your own key is required.</strong> Its maker serves it only to accounts of its own: set that provider&rsquo;s key in this instance&rsquo;s configuration.</> })
  if (model.free) notes.push({ key: 'free', kind: 'note', text: <><strong className="font-semibold">Free.</strong> Providers limit how often free models may be called, and some keep what is sent: see the data policy of each below.</> })
  if (model.experimental) notes.push({ key: 'experimental', kind: 'note', text: <><strong className="font-semibold">A preview.</strong> Its maker may change it or take it back at short notice.</> })
  if (model.status !== 'retired' && usable.length === 0 && model.kind !== 'router') {
    notes.push({ key: 'nokey', kind: 'note', text: <><strong className="font-semibold">Not callable from here yet.</strong> {model.endpoints.some(({ simulated }) => simulated) ? 'This instance has no key to any provider, so answers are simulated and say so.' : 'This instance has no key to a provider that serves it.'}</> })
  }
  for (const note of model.notes) {
    const text = NOTES[note]
    if (text) notes.push({ key: note, kind: 'note', text })
  }
  if (notes.length === 0) return null
  return <div className="mt-4 grid gap-1.5">{notes.map(({ key, kind, text }) => <Notice key={key} kind={kind}>{text}</Notice>)}</div>
}

const NOTES: Readonly<Record<string, string>> = {
  may_be_redirected: 'Its maker may answer requests for it with a newer model.',
  heavily_rate_limited: 'Its maker allows very few requests to it.',
}

