import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { DIALECTS } from '../../src/dialects/index.ts'
import type { Order } from '../../src/testing/index.ts'
import { GAPS, type Gap } from '../matrix/gaps.ts'
import { SCENARIOS } from '../matrix/scenarios.ts'
import { ask, OUTBOUNDS, SURFACES } from '../matrix/speak.ts'
import { tableOf, type Cell } from '../matrix/table.ts'
import { providerAt, startSignalbox, startUpstream, together } from './signalbox.ts'

/**
 * Every surface in front of every provider's format, whole and streamed: nothing is lost between but what the format of
 * the one side or the other has no word for, and that is on a list that was looked at.
 */

/** Providers of the catalogue whose quirks say the most of their format; a format without one here is spoken plainly. */
const HOSTS: Readonly<Record<string, { readonly slug: string; readonly shapes?: NonNullable<Order['shapes']> }>> = {
  'openai-chat': { slug: 'openrouter', shapes: ['reasoning-details'] }, 'mistral-chat': { slug: 'mistral' }, 'azure-openai': { slug: 'azure' },
  'anthropic-messages': { slug: 'anthropic' }, 'google-generate-content': { slug: 'google-ai-studio' },
}
/** What stands before a format's own path where that is not `/v1`, and a name of the model that says whose it is. */
const DOORS: Readonly<Record<string, { readonly base: string; readonly id?: string; readonly endpoint?: Readonly<Record<string, unknown>> }>> = {
  'cohere-v2': { base: '/v2' }, 'ollama-native': { base: '/api' }, 'watsonx-text-chat': { base: '/ml/v1', endpoint: { forced_params: { project_id: 'p' } } }, 'anthropic-messages/vertex-raw-predict': { base: '' },
  'bedrock-converse': { base: '', id: 'us.anthropic.claude-sonnet-4-5-20250929-v1:0' },
}
const row = {
  input_modalities: ['text', 'image', 'file'], max_output_tokens: 8000, reasoning: { supported: true, efforts: ['low', 'medium', 'high'], budget_tokens: { min: 1024 } },
}
const modelOf = (outbound: string): string => `acme/${outbound.replace('/', '-')}`
const upstream = await startUpstream()
const box = await startSignalbox({
  config: together(...OUTBOUNDS.map((dialect) => providerAt(HOSTS[dialect]?.slug ?? `host-of-${dialect.replace('/', '-')}`, `${upstream.url}/${dialect.replace('/', '-')}${DOORS[dialect]?.base ?? '/v1'}`, {
    model: modelOf(dialect), dialect, row, endpoint: { max_completion_tokens: 8000, ...(DOORS[dialect]?.id && { provider_model_id: DOORS[dialect].id }), ...DOORS[dialect]?.endpoint },
  }))),
})

const cells: Cell[] = []
const listed = (cell: Omit<Cell, 'passed'>): Gap | undefined => GAPS.find((gap) =>
  (gap.surface === '*' || gap.surface === cell.surface) && (gap.outbound === '*' || gap.outbound === cell.outbound)
  && gap.scenario === cell.scenario && (gap.mode === undefined || gap.mode === cell.mode))

for (const surface of SURFACES) for (const outbound of OUTBOUNDS) {
  describe(`${surface} in front of ${outbound}`, () => {
    for (const [scenario, run] of Object.entries(SCENARIOS)) for (const mode of ['whole', 'streamed'] as const) {
      const cell = { surface, outbound, scenario, mode }
      const gap = listed(cell)
      test(`${scenario}, ${mode}${gap ? ' (on the list of gaps)' : ''}`, async () => {
        const lost = await failureOf(() => run({
          stream: mode === 'streamed',
          ask: (request) => ask(box, surface, modelOf(outbound), request, mode === 'streamed'),
          shapes: HOSTS[outbound]?.shapes ?? [],
          arrived: () => upstream.requests.at(-1)!.raw.toString(),
        }))
        cells.push({ ...cell, passed: lost === null })
        if (gap) assert.ok(lost !== null, `it is on the list of gaps (${gap.lacks}), and passes: take it off`)
        else assert.equal(lost, null)
      })
    }
  })
}

describe('The list of gaps', () => {
  test('names for each gap a line that the format of the one side declares to lack', () => {
    for (const { of, lacks } of GAPS) {
      const { outbound } = DIALECTS.get(of) ?? {}
      assert.ok(outbound?.cannot.some((line) => line.split(':')[0] === lacks), `${of} does not say that it cannot ${lacks}`)
    }
  })

  test('has no line for a pair that does not exist', () => {
    for (const gap of GAPS) {
      assert.ok(gap.surface === '*' || SURFACES.includes(gap.surface), gap.surface)
      assert.ok(gap.outbound === '*' || OUTBOUNDS.includes(gap.outbound), gap.outbound)
      assert.ok(gap.scenario in SCENARIOS, gap.scenario)
    }
  })

  test('and the table are in the manual as they came out (with WRITE_DOCS=1 it is written anew)', () => {
    const file = new URL('../../docs/surfaces.md', import.meta.url)
    const text = readFileSync(file, 'utf8')
    const [head, , tail] = text.split(/<!-- (?:matrix|end of matrix) -->\n/)
    const fresh = `${head}<!-- matrix -->\n${tableOf(cells, GAPS)}<!-- end of matrix -->\n${tail}`
    if (process.env['WRITE_DOCS'] === '1') writeFileSync(file, fresh)
    else assert.equal(text, fresh)
  })
})

async function failureOf(act: () => Promise<void>): Promise<string | null> {
  try {
    await act()
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
