import { Link } from 'react-router'
import type { ModelView } from '../../../src/site.ts'
import { ModelRows } from '../../ui/model-rows.tsx'
import { Section } from '../../ui/section.tsx'

export function More({ model }: { readonly model: ModelView }) {
  if (model.more.length === 0) return null
  return (
    <Section id="more" title={`More from ${model.authorName}`}>
      <ModelRows models={model.more.slice(0, 6)} label={`More models from ${model.authorName}`} author={false} />
      <p className="mt-3 text-[0.8125rem]"><Link to={`/${model.author}`} className="prose-link">All models from {model.authorName}</Link></p>
    </Section>
  )
}
