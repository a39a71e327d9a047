import { Link } from 'react-router'
import type { ModelView } from '../../../src/site.ts'
import { date, plural, stated, whole } from '../../data/format.ts'
import { Facts, Scroll } from '../../ui/section.tsx'

/** What the model is: text on the left, facts on the right; facts below, in columns, where the text is only made of them. */
export function About({ model }: { readonly model: ModelView }) {
  const written = model.descriptionSource !== 'generated' || model.keyFeatures.length + model.useCases.length + model.limitations.length > 0
  return (
    <div className={`grid pt-8 ${written ? 'gap-10 lg:grid-cols-[minmax(0,1fr)_24rem]' : 'gap-6'}`}>
      <div className="max-w-prose">
        {model.description.split(/\n{2,}/).map((paragraph, i) => <p key={i} className={i > 0 ? 'mt-3' : undefined}>{paragraph}</p>)}
        {model.descriptionSource === 'generated' && <p className="mt-2 text-faint text-[0.8125rem]">Made from the catalogue&rsquo;s facts; nobody has written about this model yet.</p>}
        <List title="Key features" of={model.keyFeatures} />
        <List title="Good for" of={model.useCases} />
        <List title="Limits" of={model.limitations} />
      </div>
      <Spec model={model} columns={!written} />
    </div>
  )
}

function List({ title, of }: { readonly title: string; readonly of: readonly string[] }) {
  if (of.length === 0) return null
  return (
    <>
      <h2 className="mt-6 font-semibold">{title}</h2>
      <ul className="mt-1.5 grid gap-1">{of.map((text) => <li key={text} className="pl-4 relative before:content-[''] before:absolute before:left-0 before:top-[0.7em] before:w-2 before:border-t before:border-rail">{text}</li>)}</ul>
    </>
  )
}

const yes = (value: boolean | null): string | null => (value === null ? null : value ? 'yes' : 'no')

function Spec({ model, columns }: { readonly model: ModelView; readonly columns: boolean }) {
  const { features, reasoning } = model
  return (
    <div>
      <h2 className="sr-only">Facts</h2>
      <Facts columns={columns} of={[
        ['Author', <Link key="a" to={`/${model.author}`} className="prose-link">{model.authorName}</Link>],
        ['Kind', model.kind],
        ['Context', model.contextLength === null ? null : `${whole(model.contextLength)} tokens`],
        ['Longest answer', model.maxOutput === null ? null : `${whole(model.maxOutput)} tokens`],
        ['Takes', model.inputModalities.join(', ')],
        ['Gives', model.outputModalities.join(', ')],
        ['Knows until', model.knowledgeCutoff && stated(model.knowledgeCutoff)],
        ['Released', model.released ? stated(model.released) : model.created ? date(model.created * 1000) : null],
        ['Tools', yes(features.tools)],
        ['Structured output', yes(features.structuredOutputs)],
        ['Reasoning', reasoningOf(reasoning)],
        ['Fine-tuning', yes(model.fineTuning)],
        ['Distillation allowed', yes(model.distillation)],
        ['Moderated', yes(features.moderated)],
        ['Weights', features.openWeights ? model.huggingFaceId ? <>open: <span className="font-mono break-all">{model.huggingFaceId}</span></> : 'open' : 'closed'],
        ['Tokenizer', model.tokenizer],
        ...(model.instructType ? [['Instruction format', model.instructType] as const] : []),
        ...(model.servedOn ? [["Maker's APIs", model.servedOn.map((name) => name.replaceAll('_', ' ')).join(', ')] as const] : []),
        ['Providers', plural(model.providers, 'provider')],
        ...(model.aliases.length > 0 ? [['Also called', <span key="c" className="font-mono text-xs break-all">{model.aliases.join(', ')}</span>] as const] : []),
      ]} />
    </div>
  )
}

/** How far a model can be told to think, in a few words. */
export function reasoningOf({ supported, efforts, defaultEffort, canDisable }: ModelView['reasoning']): string {
  if (!supported) return 'no'
  const parts = [efforts.length > 0 ? efforts.join(', ') : 'yes']
  if (defaultEffort) parts.push(`${defaultEffort} unless asked otherwise`)
  if (canDisable === false) parts.push('cannot be switched off')
  return parts.join('; ')
}

export function Benchmarks({ model }: { readonly model: ModelView }) {
  return (
    <Scroll label="Benchmarks">
      <table className="grid-lines max-w-4xl">
        <thead><tr><th scope="col">Measure</th><th scope="col" className="num">Result</th><th scope="col">Reported by</th><th scope="col">As of</th></tr></thead>
        <tbody>
          {model.benchmarks.map(({ metric, value, unit, source, as_of }) => (
            <tr key={metric}>
              <th scope="row">{metric}</th>
              <td className="num font-medium">{value}{unit && (unit === '%' ? ' %' : ` ${unit}`)}</td>
              <td className="text-soft">{source}</td>
              <td>{as_of ? stated(as_of) : <span className="text-faint">not stated</span>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  )
}
