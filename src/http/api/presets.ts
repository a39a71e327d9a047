import { FaultError, fault, type JsonObject } from '../../core/index.ts'
import { presetOf, type Inbound } from '../../dialects/index.ts'
import { absent, STATUSES, type Preset, type Presets, type PresetVersion } from '../../presets/index.ts'
import { checker, z } from '../../schema/index.ts'
import { withSlugs } from '../preferences.ts'
import { queryReader } from '../query.ts'
import { api, type Keyed, type Reply, type Route } from '../route.ts'
import type { Services } from '../services.ts'
import { bodyOf } from '../surface.ts'
import { ChatRequestShape } from './chat-shapes.ts'
import { MessagesRequestShape } from './messages.ts'
import { ResponseRequestShape } from './responses.ts'

const PresetShape = z.object({
  id: z.string(),
  slug: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  status: z.enum(STATUSES),
  status_updated_at: z.string().nullable(),
  designated_version_id: z.string().nullable(),
  creator_user_id: z.string().nullable(),
  workspace_id: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
}).meta({ id: 'Preset' })

const VersionShape = z.object({
  id: z.string(),
  preset_id: z.string(),
  version: z.int(),
  config: z.looseObject({}).describe("The fields of a request's body, in the words of `surface`"),
  system_prompt: z.string().nullable(),
  surface: z.string(),
  creator_id: z.string().describe('The hash of the key that made it'),
  created_at: z.string(),
  updated_at: z.string(),
}).meta({ id: 'PresetVersion' })

const WholeShape = PresetShape.extend({ designated_version: VersionShape.nullable() }).meta({ id: 'PresetWithDesignatedVersion' })
const ChangeShape = z.strictObject({
  name: z.string().min(1).max(200).optional(),
  description: z.string().max(2000).nullable().optional(),
  status: z.enum(STATUSES).optional().describe('A preset that is not active is refused in requests'),
  designated_version: z.int().min(1).optional().describe('The number of the version that requests are filled in with'),
}).meta({ id: 'PresetChange' })

const Slug = z.object({ slug: z.string() })
const SlugAndVersion = z.object({ slug: z.string(), version: z.string() })
const PageQuery = z.object({
  limit: z.int().min(1).max(100).optional().describe('50 unless told otherwise'),
  offset: z.int().min(0).optional().describe('How many stand before the page'),
})
const PAGE = 50
/** What one caller has made is told to nobody else's cache. */
const PRIVATE = ['Cache-Control', 'no-store']

/** The formats that a preset may be written in, by the end of their address. */
const WRITTEN_IN = [
  { end: 'chat/completions', dialect: 'openai-chat', name: 'createPresetsChatCompletions', what: 'a chat completion', shape: ChatRequestShape },
  { end: 'responses', dialect: 'openai-responses', name: 'createPresetsResponses', what: 'a response', shape: ResponseRequestShape },
  { end: 'messages', dialect: 'anthropic-messages', name: 'createPresetsMessages', what: 'a message', shape: MessagesRequestShape },
] as const

/** Presets of the workspace of the key, in OpenRouter's shapes; changing and deleting are ours. */
export function presetRoutes(services: Services): readonly Route[] {
  const { presets } = services
  if (!presets) return []
  const readPage = queryReader(PageQuery)
  const pageIn = (x: Keyed) => {
    const { limit = PAGE, offset = 0 } = readPage(x.search) as z.infer<typeof PageQuery>
    return { limit, offset }
  }
  const slugIn = (x: Keyed): string => x.params['slug'] ?? ''
  const there = <T>(x: Keyed, found: T | null): T => {
    if (found === null) throw new FaultError(absent(slugIn(x)))
    return found
  }
  const checkChange = checker(ChangeShape)
  const described = { tag: 'Presets', policy: 'key' } as const
  const one = { 200: { description: 'The preset with its designated version', schema: z.object({ data: WholeShape }) } }
  return [
    ...WRITTEN_IN.flatMap(({ end, dialect, name, what, shape }): Route[] => {
      const face = services.dialects.get(dialect)?.inbound
      return face ? [{
        ...described, name, methods: ['POST'], paths: api(`/presets/{slug}/${end}`), params: Slug, body: shape.partial(),
        summary: `Keeps the settings of ${what} as a preset, or as its next version; no model is called`,
        replies: one, errors: ['invalid-request', 'payload-too-large', 'unprocessable'],
        handle: (x: Keyed) => saved(services, presets, face, x),
      }] : []
    }),
    {
      ...described, name: 'listPresets', methods: ['GET'], paths: api('/presets'), query: PageQuery,
      summary: 'The presets of the workspace of the key, the one that was changed last first',
      replies: { 200: { description: 'A page of presets', schema: z.object({ data: z.array(PresetShape), total_count: z.int() }) } }, errors: [],
      async handle(x: Keyed) {
        const { data, total } = await presets.list(x.key.workspace, pageIn(x))
        return { json: { data: data.map(presetBody), total_count: total }, headers: PRIVATE }
      },
    },
    {
      ...described, name: 'getPreset', methods: ['GET'], paths: api('/presets/{slug}'), params: Slug,
      summary: 'A preset with the version that requests are filled in with', replies: one, errors: ['not-found'],
      handle: async (x: Keyed) => wholeReply(there(x, await presets.get(x.key.workspace, slugIn(x)))),
    },
    {
      ...described, name: 'updatePreset', methods: ['PATCH'], paths: api('/presets/{slug}'), params: Slug, body: ChangeShape,
      summary: 'Names a preset anew, switches it off or on, or designates another of its versions', replies: one, errors: ['invalid-request', 'not-found'],
      async handle(x: Keyed) {
        const body = bodyOf(x)
        const issue = checkChange(body)
        if (issue) throw new FaultError(fault('invalid-request', issue.path === '' ? `The body ${issue.message}.` : `${issue.path}: ${issue.message}`, { field: issue.path }))
        const { designated_version: designatedVersion, ...rest } = body as z.infer<typeof ChangeShape>
        return wholeReply(there(x, await presets.change(x.key.workspace, slugIn(x), { ...rest, ...(designatedVersion !== undefined && { designatedVersion }) })))
      },
    },
    {
      ...described, name: 'deletePreset', methods: ['DELETE'], paths: api('/presets/{slug}'), params: Slug,
      summary: 'Removes a preset with all of its versions',
      replies: { 200: { description: 'It is gone', schema: z.object({ deleted: z.literal(true) }) } }, errors: ['not-found'],
      async handle(x: Keyed) {
        there(x, await presets.remove(x.key.workspace, slugIn(x)) || null)
        return { json: { deleted: true } }
      },
    },
    {
      ...described, name: 'listPresetVersions', methods: ['GET'], paths: api('/presets/{slug}/versions'), params: Slug, query: PageQuery,
      summary: 'The versions of a preset, oldest first',
      replies: { 200: { description: 'A page of versions', schema: z.object({ data: z.array(VersionShape), total_count: z.int() }) } }, errors: ['not-found'],
      async handle(x: Keyed) {
        const { preset, data, total } = there(x, await presets.versions(x.key.workspace, slugIn(x), pageIn(x)))
        return { json: { data: data.map((version) => versionBody(preset, version)), total_count: total }, headers: PRIVATE }
      },
    },
    {
      ...described, name: 'getPresetVersion', methods: ['GET'], paths: api('/presets/{slug}/versions/{version}'), params: SlugAndVersion,
      summary: 'One version of a preset, by its number',
      replies: { 200: { description: 'The version', schema: z.object({ data: VersionShape }) } }, errors: ['not-found'],
      async handle(x: Keyed) {
        const number = x.params['version'] ?? ''
        const found = /^[1-9]\d{0,8}$/.test(number) ? await presets.version(x.key.workspace, slugIn(x), Number(number)) : null
        if (!found) throw new FaultError(fault('not-found', `There is no version ${JSON.stringify(number.slice(0, 20))} of a preset ${JSON.stringify(slugIn(x).slice(0, 80))} in this workspace`))
        return { json: { data: versionBody(found.preset, found.version) }, headers: PRIVATE }
      },
    },
  ]
}

async function saved(services: Services, presets: Presets, face: Inbound, x: Keyed): Promise<Reply> {
  const body = bodyOf(x)
  if (!isObject(body)) throw new FaultError(fault('invalid-request', 'The body must be an object.'))
  const made = presetOf(face, body)
  if ('fault' in made) throw new FaultError(made.fault)
  // A slip in a provider's name would turn up at the first call only.
  withSlugs(made.asked.preferences, services.catalog.snapshot())
  const { config, systemPrompt } = made
  return wholeReply(await presets.save({
    workspace: x.key.workspace, slug: x.params['slug'] ?? '', creator: x.key.id, dialect: face.dialect, config, systemPrompt,
  }))
}

const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value)

const wholeReply = (preset: Preset): Reply => ({
  json: { data: { ...presetBody(preset), designated_version: versionBody(preset, preset.designated) } }, headers: PRIVATE,
})

function presetBody(preset: Preset): JsonObject {
  return {
    id: preset.id,
    slug: preset.slug,
    name: preset.name,
    description: preset.description,
    status: preset.status,
    status_updated_at: preset.statusUpdatedAt === null ? null : iso(preset.statusUpdatedAt),
    designated_version_id: preset.designated.id,
    creator_user_id: null,
    workspace_id: preset.workspace,
    created_at: iso(preset.createdAt),
    updated_at: iso(preset.updatedAt),
  }
}

function versionBody(preset: Preset, version: PresetVersion): JsonObject {
  return {
    id: version.id,
    preset_id: preset.id,
    version: version.version,
    config: version.config,
    system_prompt: version.systemPrompt,
    surface: version.dialect,
    creator_id: version.creator,
    created_at: iso(version.createdAt),
    updated_at: iso(version.createdAt),
  }
}

const iso = (ms: number): string => new Date(ms).toISOString()
