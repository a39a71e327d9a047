import type { ModelView, ParametersView } from '../../../src/site.ts'
import { sampleIn } from '../../data/samples.ts'
import { Code } from '../../ui/code.tsx'

const IN = [['typescript', 'TypeScript'], ['python', 'Python'], ['curl', 'curl']] as const

/** A request with each parameter at what callers set it to, where enough of them did. */
export function Medians({ model, used, origin }: { readonly model: ModelView; readonly used: ParametersView; readonly origin: string }) {
  const settings = Object.fromEntries(Object.entries(used.medians).filter(([name]) => model.parameters.includes(name)))
  if (Object.keys(settings).length === 0) return null
  return (
    <>
      <h3 className="mt-6 font-semibold">With the medians</h3>
      <p className="mt-1 text-soft">A request with each parameter at what half of the callers set it below.</p>
      <div className="mt-3 grid gap-2 max-w-3xl">
        {IN.map(([language, name], i) => (
          <details key={language} open={i === 0}>
            <summary className="list-none inline-block py-1 text-[0.8125rem] text-soft prose-link">{name}</summary>
            <Code label={`Sample with the medians in ${name}`} text={sampleIn(language, { model: model.id, origin, wishes: new Set(), settings })} />
          </details>
        ))}
      </div>
    </>
  )
}
