import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import type { ConfigFile } from '../../src/config/index.ts'
import { DIALECTS } from '../../src/dialects/index.ts'
import { createTokenEndpoint, type Order } from '../../src/testing/index.ts'
import { GAPS, type Gap } from '../matrix/gaps.ts'
import { SCENARIOS } from '../matrix/scenarios.ts'
import { ask, OUTBOUNDS, SURFACES } from '../matrix/speak.ts'
import { tableOf, type Cell } from '../matrix/table.ts'
import { providerAt, startSignalbox, startUpstream, together } from './signalbox.ts'

/**
 * Every surface in front of every provider's format, whole and streamed: nothing is lost between but what the format of
 * the one side or the other has no word for, and that is on a list that was looked at.
 */

interface Host {
  readonly slug: string
  /** What stands behind the address of the fake; `/v1` where nothing is said. */
  readonly base?: string
  /** How its own sign-in is made. */
  readonly settings?: NonNullable<ConfigFile['providers']>[string]
  /** Its own name of the model, where that says whose it is. */
  readonly id?: string
  /** Only where the format leaves to the endpoint what it takes. */
  readonly parameters?: readonly string[]
  readonly shapes?: NonNullable<Order['shapes']>
  /** Writing to a cache is charged for, as it is of models that are told where it may end. */
  readonly sellsCache?: boolean
  readonly unsealed?: boolean
}

const signIn = await createTokenEndpoint()
after(() => signIn.close())
const privateKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' })
const account = path.join(mkdtempSync(path.join(tmpdir(), 'signalbox-account-')), 'account.json')
writeFileSync(account, JSON.stringify({ type: 'service_account', client_email: 'box@p.iam.gserviceaccount.com', token_uri: `${signIn.url}/google`, private_key: privateKey }))

/** Providers of the catalogue whose quirks say the most of their format. */
const HOSTS: Readonly<Record<string, Host>> = {
  'anthropic-messages': { slug: 'anthropic' },
  'anthropic-messages/vertex-raw-predict': { slug: 'google-vertex', base: '/v1/projects/p/locations/l', settings: { credentials_file: account }, id: 'claude-sonnet-4-5@20250929' },
  'openai-chat': { slug: 'openrouter', shapes: ['reasoning-details'] },
  'openai-responses': { slug: 'openai', sellsCache: true },
  'mistral-chat': { slug: 'mistral', shapes: ['content-chunks'], unsealed: true },
  'azure-openai': { slug: 'azure', sellsCache: true },
  'google-generate-content': { slug: 'google-ai-studio' },
  'openai-completions': { slug: 'vllm', parameters: ['max_tokens', 'response_format'] },
  'cohere-v2': { slug: 'cohere', base: '/v2', unsealed: true },
  'ollama-native': { slug: 'ollama', base: '/api', unsealed: true },
  'bedrock-converse': {
    slug: 'amazon-bedrock', base: '', id: 'us.anthropic.claude-sonnet-4-5-20250929-v1:0',
    settings: { settings: { region: 'eu-west-1' }, credentials: { access_key_id: 'AKIDEXAMPLE', secret_access_key: 'secret' } },
  },
  'watsonx-text-chat': { slug: 'watsonx', base: '/ml/v1', unsealed: true, settings: { settings: { project_id: 'project-1', token_url: `${signIn.url}/ibm` } } },
}
const row = {
  input_modalities: ['text', 'image', 'file'], max_output_tokens: 8000, reasoning: { supported: true, efforts: ['low', 'medium', 'high'], budget_tokens: { min: 1024 } },
}
/** A model that continues texts is of a family whose template is known; without one it could be sent no conversation. */
const modelOf = (outbound: string): string => (outbound === 'openai-completions' ? 'acme/qwen2.5-7b' : `acme/model-${OUTBOUNDS.indexOf(outbound)}`)
const upstream = await startUpstream()
const box = await startSignalbox({ config: together(...OUTBOUNDS.map(hosted)) })

function hosted(dialect: string): ConfigFile {
  const host = HOSTS[dialect]
  assert.ok(host, `no provider is named here for ${dialect}: choose one of the catalogue that speaks it`)
  const { slug, base = '/v1', settings, id, parameters, sellsCache } = host
  const file = providerAt(slug, `${upstream.url}/${dialect.replaceAll('/', '-')}${base}`, {
    model: modelOf(dialect), dialect, row,
    endpoint: {
      max_completion_tokens: 8000, ...(sellsCache && { pricing: { prompt: '0.000001', completion: '0.000002', input_cache_write: '0.00000125' } }),
      ...(id !== undefined && { provider_model_id: id }), ...(parameters && { supported_parameters: parameters }),
    },
  })
  const { api_key: key, ...rest } = file.providers![slug]!
  const signs = settings?.credentials !== undefined || settings?.credentials_file !== undefined
  return { ...file, providers: { [slug]: { ...rest, enabled: true, ...(!signs && { api_key: key! }), ...settings } } }
}

const cells: Cell[] = []
const listed = (cell: Omit<Cell, 'passed'>): Gap | undefined => GAPS.find((gap) =>
  (gap.surface === '*' || gap.surface === cell.surface) && (gap.outbound === '*' || gap.outbound === cell.outbound)
  && gap.scenario === cell.scenario && (gap.mode === undefined || gap.mode === cell.mode))

for (const surface of SURFACES) for (const outbound of OUTBOUNDS) {
  const { shapes = [], unsealed = false } = HOSTS[outbound]!
  describe(`${surface} in front of ${outbound}`, () => {
    for (const [scenario, run] of Object.entries(SCENARIOS)) for (const mode of ['whole', 'streamed'] as const) {
      const cell = { surface, outbound, scenario, mode }
      const gap = listed(cell)
      test(`${scenario}, ${mode}${gap ? ' (on the list of gaps)' : ''}`, async () => {
        const lost = await failureOf(() => run({
          stream: mode === 'streamed',
          ask: (request) => ask(box, surface, modelOf(outbound), request, mode === 'streamed'),
          shapes, unsealed,
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
