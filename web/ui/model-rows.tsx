import { Link } from 'react-router'
import type { ModelCard } from '../../src/site.ts'
import { compact, date } from '../data/format.ts'
import { pricesOf } from '../data/prices.ts'
import { Chip, Scroll } from './section.tsx'

/** Models as a table, one line each. */
export function ModelRows({ models, label, author = true, ticks = false }: {
  readonly models: readonly ModelCard[]
  readonly label: string
  readonly author?: boolean
  /** Whether rows can be ticked for a comparison; the page has the form `compare` then. */
  readonly ticks?: boolean
}) {
  return (
    <Scroll label={label}>
      <table className="grid-lines stacks">
        <thead>
          <tr>
            <th scope="col">Model</th>{author && <th scope="col">Author</th>}<th scope="col">Takes → gives</th><th scope="col" className="num">Context</th>
            <th scope="col" className="num">Input</th><th scope="col" className="num">Output</th><th scope="col" className="num">Providers</th><th scope="col">Released</th>
          </tr>
        </thead>
        <tbody>
          {models.map((model) => (
            <tr key={model.id}>
              <th scope="row">
                <Link to={`/${model.id}`} className="plain font-semibold">{model.name}</Link> <Chips model={model} />
                {ticks && <CompareTick model={model} />}
                <span className="block font-mono text-xs text-faint font-normal break-all">{model.id}</span>
              </th>
              {author && <td data-label="Author"><Link to={`/${model.author}`} className="plain">{model.authorName}</Link></td>}
              <td data-label="Takes → gives" className="text-soft">{modalities(model)}</td>
              <td className="num" data-label="Context">{model.contextLength === null ? <span className="text-faint">–</span> : compact(model.contextLength)}</td>
              <Prices model={model} />
              <td className="num" data-label="Providers">{model.providers}</td>
              <td data-label="Released" className="whitespace-nowrap">{model.created ? date(model.created * 1000) : <span className="text-faint">not stated</span>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  )
}

export const modalities = ({ inputModalities, outputModalities }: ModelCard): string => `${inputModalities.join(', ')} → ${outputModalities.join(', ')}`

export function Chips({ model }: { readonly model: ModelCard }) {
  return (
    <>
      {model.free && <Chip good>free</Chip>}
      {model.status !== 'active' && <> <Chip>{model.status === 'retired' ? 'retired' : 'being withdrawn'}</Chip></>}
    </>
  )
}

/** Belongs to the form `compare` wherever it stands, so that ticks work without scripts. */
export function CompareTick({ model }: { readonly model: ModelCard }) {
  return (
    <label className="inline-flex items-center gap-1.5 min-h-6 pl-2 text-xs font-normal text-faint hover:text-ink">
      <input type="checkbox" name="models" value={model.id} form="compare" className="accent-arm w-3.5 h-3.5" />compare<span className="sr-only"> {model.name}</span>
    </label>
  )
}

/** The price of a model in two figures with their units, whatever it is sold by. */
export function pricePair({ pricing, free }: ModelCard): readonly [string, string] {
  if (free) return ['free', 'free']
  if (pricing === null) return ['–', '–']
  const prices = pricesOf(pricing)
  if (prices[0]?.key === 'prompt') return [`${prices[0].amount} /M`, prices[1]?.key === 'completion' ? `${prices[1].amount} /M` : '–']
  const into = prices.find(({ key }) => !OUT.has(key))
  const out = prices.find(({ key }) => OUT.has(key))
  const said = (price: typeof into) => (price ? `${price.amount} /${price.unit.replace('1M tokens', 'M')}` : '–')
  return [said(into), said(out)]
}
const OUT = new Set(['completion', 'audio_output', 'image_output', 'output_image', 'output_second'])

function Prices({ model }: { readonly model: ModelCard }) {
  const [input, output] = pricePair(model)
  return (
    <>
      <td className="num" data-label="Input">{input}</td>
      <td className="num" data-label="Output">{output}</td>
    </>
  )
}
