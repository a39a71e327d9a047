import type { ModelView } from '../../../src/site.ts'
import type { Told } from '../../data/told.server.ts'
import { Block } from '../../ui/block.tsx'
import { Section } from '../../ui/section.tsx'
import type { PerformanceShown } from './figures.server.ts'
import { Paid } from './performance.tsx'
import { Calculator } from './pricing.tsx'

/** What was really paid, and what a day of requests would come to. */
export function Costs({ model, performance }: { readonly model: ModelView; readonly performance: Told<PerformanceShown> }) {
  return (
    <>
      <Section id="paid" title="Really paid, 30 days" intro="What the answers of the last 30 days cost through this instance."><Block told={performance}>{(shown) => <Paid shown={shown} />}</Block></Section>
      <Section id="calculator" title="What it would cost"><Calculator model={model} /></Section>
    </>
  )
}
