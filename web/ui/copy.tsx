import { Check, Copy } from 'lucide-react'
import { useEffect, useState, useSyncExternalStore } from 'react'

/** Copies a text. Shown once scripts run, because it can do nothing without. */
export function CopyButton({ text, what }: { readonly text: string; readonly what: string }) {
  const ready = useSyncExternalStore(never, () => true, () => false)
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    if (!copied) return
    const timer = setTimeout(() => setCopied(false), 1500)
    return () => clearTimeout(timer)
  }, [copied])
  if (!ready) return <span className="inline-block w-7" />
  return (
    <button type="button" className="inline-grid place-items-center w-7 h-7 text-faint hover:text-ink align-middle" aria-label={copied ? 'Copied' : `Copy ${what}`}
      onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true), () => {})}>
      {copied ? <Check size={14} aria-hidden /> : <Copy size={14} aria-hidden />}
    </button>
  )
}

/** That scripts run is no news to a list that they make: asked in an effect, each list was drawn twice. */
const never = () => () => {}
