import { useEffect, useRef, useState } from 'react'
import type { Operation } from './schema.server.ts'

interface Answer {
  readonly status: number | null
  readonly ms: number
  readonly text: string
  readonly done: boolean
}

/** Answers that are longer are cut: a page is not the place to read megabytes. */
const MOST_SHOWN = 200_000

/**
 * Sends the operation to this instance with the reader's own key. The key stays in its field: it is put into no
 * storage, no address and no page, and is gone when the page is left. Shown once scripts run.
 */
export function TryIt({ operation }: { readonly operation: Operation }) {
  const [ready, setReady] = useState(false)
  const [answer, setAnswer] = useState<Answer | null>(null)
  const stop = useRef<AbortController | null>(null)
  useEffect(() => {
    setReady(true)
    return () => stop.current?.abort()
  }, [])
  if (!ready) return null
  const { method, path, parameters, body, keyed } = operation

  const send = async (form: FormData): Promise<void> => {
    stop.current?.abort()
    const mine = stop.current = new AbortController()
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(form.get(`path ${name}`) ?? '')))
    const query = new URLSearchParams()
    for (const { field, place } of parameters) {
      const value = form.get(`${place} ${field.name}`)
      if (place === 'query' && typeof value === 'string' && value !== '') query.set(field.name!, value)
    }
    const began = performance.now()
    const show = (status: number | null, text: string, done: boolean) => setAnswer({ status, ms: Math.round(performance.now() - began), text: text.slice(0, MOST_SHOWN), done })
    show(null, '', false)
    try {
      const response = await fetch(filled + (query.size > 0 ? `?${query}` : ''), {
        method, signal: mine.signal, credentials: 'omit',
        headers: {
          ...(keyed && { Authorization: `Bearer ${String(form.get('key') ?? '').trim()}` }),
          ...(body && { 'Content-Type': 'application/json' }),
        },
        ...(body && { body: String(form.get('body') ?? '') }),
      })
      let text = ''
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
      for (;;) {
        const read = await reader?.read()
        if (!read || read.done) break
        text += read.value
        show(response.status, text, false)
      }
      show(response.status, /json/.test(response.headers.get('content-type') ?? '') ? indented(text) : text, true)
    } catch (error) {
      if (!mine.signal.aborted) show(null, `No answer came: ${error instanceof Error ? error.message : String(error)}`, true)
    }
  }

  return (
    <section aria-labelledby="try" className="pt-7">
      <h2 id="try" className="text-base font-semibold">Try it here</h2>
      <form className="mt-2 grid gap-3" autoComplete="off" onSubmit={(event) => {
        event.preventDefault()
        void send(new FormData(event.currentTarget))
      }}>
        {keyed && (
          <label className="grid gap-1"><span className="label">Your API key</span>
            <input name="key" type="password" required className="field w-full font-mono" placeholder="sk-…" autoComplete="off" spellCheck={false} />
            <span className="text-xs text-faint">Sent with this request and kept nowhere. What the request costs is charged to it.</span>
          </label>
        )}
        {parameters.map(({ field, place }) => (
          <label key={`${place} ${field.name}`} className="grid gap-1"><span className="label">{field.name}{field.required && ', required'}</span>
            <input name={`${place} ${field.name}`} required={field.required} className="field w-full" placeholder={field.fallback ?? field.type} autoComplete="off" />
          </label>
        ))}
        {body && (
          <label className="grid gap-1"><span className="label">Body</span>
            <textarea name="body" rows={10} spellCheck={false} className="field code w-full" defaultValue={body.example ?? '{}'} />
          </label>
        )}
        <div className="flex gap-2"><button type="submit" className="key">Send</button>
          {answer && !answer.done && <button type="button" className="key" onClick={() => { stop.current?.abort(); setAnswer({ ...answer, done: true }) }}>Stop</button>}
        </div>
      </form>
      <div aria-live="polite" className="mt-3 text-[0.8125rem]">{answer && (answer.done ? `${answer.status ?? 'No status'}, after ${answer.ms} ms` : 'Waiting for the answer')}</div>
      {answer && answer.text !== '' && (
        <pre className="code overflow-auto max-h-96 mt-1 p-3 border border-line bg-sheet rounded-[3px]" tabIndex={0} role="region" aria-label="Answer"><code>{answer.text}</code></pre>
      )}
    </section>
  )
}

function indented(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}
