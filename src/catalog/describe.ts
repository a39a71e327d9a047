/** What `describeModel` reads of a row of models.json. All but `id` may be missing, as in an operator's own row. */
export interface DescribableModel {
  id: string
  name?: string
  author?: string
  author_name?: string
  kind?: string
  status?: string
  released?: string | null
  context_length?: number | null
  max_output_tokens?: number | null
  input_modalities?: readonly string[]
  output_modalities?: readonly string[]
  knowledge_cutoff?: string | null
  reasoning?: {
    supported?: boolean
    efforts?: readonly string[]
    toggle?: boolean
    can_disable?: boolean
    budget_tokens?: { min?: number; max?: number }
  }
  features?: { tools?: boolean; structured_outputs?: boolean; open_weights?: boolean }
  variant?: string
  variant_of?: string
  alias_target?: string
  alias_target_inferred?: boolean
  embedding_dimensions?: number
  expiration_date?: string | null
}

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October',
  'November', 'December']

const READS: Record<string, string> = { text: 'text', image: 'images', file: 'files', audio: 'audio', video: 'video' }

/** What each kind other than chat is, and what it does; `{input}` is what it reads. */
const KINDS: Record<string, { noun: string; does: string }> = {
  completion: { noun: 'text completion model', does: 'continues the text that it is given' },
  embedding: { noun: 'embedding model', does: 'turns {input} into vectors for search and comparison' },
  rerank: { noun: 'reranking model', does: 'orders documents by how well they match a query' },
  image: { noun: 'image model', does: 'makes images from {input}' },
  video: { noun: 'video model', does: 'makes video from {input}' },
  audio: { noun: 'audio model', does: 'makes audio from {input}' },
  speech: { noun: 'text-to-speech model', does: 'reads text aloud' },
  transcription: { noun: 'speech-to-text model', does: 'turns recorded speech into text' },
  realtime: { noun: 'realtime model', does: 'holds a live conversation in {input}' },
  ocr: { noun: 'document-reading model', does: 'turns {input} into text' },
  moderation: { noun: 'moderation model', does: 'judges whether {input} breaks a content policy' },
  '3d': { noun: 'shape model', does: 'makes three-dimensional objects from {input}' },
}

/**
 * One to three plain sentences about a model, made from its row alone: no number, name or date stands in them that
 * is not in the row, and what the row does not know is left out. Retired models say so.
 */
export function describeModel(row: DescribableModel): string {
  const sentences = row.kind === 'alias' || row.alias_target !== undefined
    ? aliasSentences(row)
    : row.kind === 'router'
      ? [`${title(row)} is a router${by(row)}: it passes the work to other models.`, ...optional(acceptance(row))]
      : [opening(row), ...optional(ability(row)), ...optional(closing(row))]
  return sentences.join(' ').replace(/\s+/g, ' ')
}

function aliasSentences(row: DescribableModel): string[] {
  if (row.alias_target === undefined) return [`${title(row)} is a moving name${by(row)} for another model.`]
  const hedge = row.alias_target_inferred
    ? ' The target is deduced from equal prices and limits, so check it before relying on it.'
    : ''
  const now = row.status === 'delisted' || row.status === 'retired' ? 'last stood' : 'stands at present'
  return [`${title(row)} is a moving name${by(row)} that ${now} for ${row.alias_target}.${hedge}`]
}

function opening(row: DescribableModel): string {
  const noun = nounOf(row)
  const base = row.variant_of
  const what = row.variant !== undefined && base !== undefined
    ? `the ${row.variant} variant of ${base}, ${article(noun)}`
    : row.variant !== undefined ? `the ${row.variant} variant of ${article(noun)}` : article(noun)
  const when = row.released ? `, released on ${day(row.released)}` : ''
  return `${title(row)} ${row.status === 'retired' ? 'was' : 'is'} ${what}${by(row)}${when}.`
}

function nounOf(row: DescribableModel): string {
  const open = row.features?.open_weights ? 'open-weight ' : ''
  const kind = KINDS[row.kind ?? 'chat']
  if (kind) return open + kind.noun
  const reads = row.input_modalities ?? []
  const multimodal = reads.some((modality) => modality !== 'text' && modality !== 'file') ? 'multimodal ' : ''
  return `${open}${multimodal}${row.reasoning?.supported ? 'reasoning' : 'language'} model`
}

function ability(row: DescribableModel): string | undefined {
  const past = row.status === 'retired'
  const input = list((row.input_modalities ?? []).map((modality) => READS[modality] ?? modality))
  const kind = KINDS[row.kind ?? 'chat']
  if (kind) {
    if (past) return undefined
    const does = kind.does.replace('{input}', input || 'its input')
    return `It ${does}${dimensions(row)}${kindLimit(row)}.`
  }
  const limits = chatLimits(row)
  if (!input) return limits && `It ${past ? 'had' : 'has'} ${limits}.`
  const writes = list((row.output_modalities ?? ['text']).map((modality) => READS[modality] ?? modality))
  const verb = past ? ['read', 'wrote', 'produced'] : ['reads', 'writes', 'produces']
  const plain = input === 'text' && writes === 'text'
  const action = plain ? `${verb[0]} and ${verb[1]} text`
    : `${verb[0]} ${input} and ${writes === 'text' ? verb[1] : verb[2]} ${writes}`
  return `It ${action}${limits ? `, with ${limits}` : ''}.`
}

function chatLimits(row: DescribableModel): string | undefined {
  const context = row.context_length ? `a context of ${count(row.context_length)} tokens` : undefined
  const whole = row.max_output_tokens !== null && row.max_output_tokens === row.context_length
  const output = row.max_output_tokens && !whole ? `up to ${count(row.max_output_tokens)} tokens of output` : undefined
  return list([...optional(context), ...optional(output)]) || undefined
}

function dimensions(row: DescribableModel): string {
  return row.embedding_dimensions ? `, with ${count(row.embedding_dimensions)} dimensions` : ''
}

function kindLimit(row: DescribableModel): string {
  if (!row.context_length) return ''
  const tokens = `${count(row.context_length)} tokens`
  const keepsContext = row.kind === 'completion' || row.kind === 'realtime'
  return keepsContext ? `, with a context of ${tokens}` : `, up to ${tokens} at a time`
}

/** The last sentence: what to beware of, else what the model can do, else how far its knowledge reaches. */
function closing(row: DescribableModel): string | undefined {
  if (row.status === 'retired') return 'It is retired: no known provider serves it any more.'
  const end = row.expiration_date ? `; its announced end date is ${day(row.expiration_date)}` : ''
  if (row.status === 'deprecated') return `It is still served but being withdrawn${end}.`
  if (row.status === 'delisted') return `It is missing from the latest price lists, so it may no longer answer${end}.`
  if (end) return `It is on sale${end}.`
  const can = [
    ...(row.features?.tools ? ['call tools'] : []),
    ...(row.features?.structured_outputs ? ['answer in a given JSON schema'] : []),
  ]
  const thinking = row.reasoning?.supported ? thinkingControl(row.reasoning) : undefined
  if (can.length && thinking) return `It can ${list(can)}, and ${thinking}.`
  if (can.length) return `It can ${list(can)}${cutoff(row, ', and its knowledge ends in ')}.`
  if (thinking) return `${thinking[0]?.toUpperCase()}${thinking.slice(1)}.`
  return row.knowledge_cutoff ? `${cutoff(row, 'Its knowledge ends in ')}.` : undefined
}

function thinkingControl(reasoning: NonNullable<DescribableModel['reasoning']>): string | undefined {
  const efforts = (reasoning.efforts ?? []).filter((effort) => effort !== 'none')
  const off = reasoning.toggle || reasoning.can_disable
  const first = efforts[0]
  if (first !== undefined && efforts.length > 1) {
    return `its reasoning effort can be set from ${first} to ${efforts.at(-1)}${off ? ' or switched off' : ''}`
  }
  if (first !== undefined) return `its reasoning effort is ${first}${off ? ' unless switched off' : ''}`
  if (reasoning.budget_tokens) return `its thinking takes a budget in tokens${off ? ' or can be switched off' : ''}`
  return off ? 'its thinking can be switched off' : undefined
}

function acceptance(row: DescribableModel): string | undefined {
  const input = list((row.input_modalities ?? []).map((modality) => READS[modality] ?? modality))
  const limit = row.context_length ? `, up to ${count(row.context_length)} tokens in all` : ''
  return input ? `It accepts ${input}${limit}.` : undefined
}

/** The display name without its author: rows are named `Author: Model`, some with stray spaces at the end. */
function title(row: DescribableModel): string {
  const name = (row.name ?? row.id).trim()
  const colon = name.indexOf(': ')
  return colon < 0 ? name : name.slice(colon + 2).trim() || name
}

function by(row: DescribableModel): string {
  const author = row.author_name ?? row.author
  return author ? ` from ${author}` : ''
}

function cutoff(row: DescribableModel, lead: string): string {
  if (!row.knowledge_cutoff) return ''
  const [year, month] = row.knowledge_cutoff.split('-')
  return `${lead}${month ? `${MONTHS[Number(month) - 1]} ` : ''}${year}`
}

/** `2025-08-07` as `7 August 2025`. */
function day(date: string): string {
  const [year, month, dayOfMonth] = date.split('-')
  return `${Number(dayOfMonth)} ${MONTHS[Number(month) - 1]} ${year}`
}

function count(value: number): string {
  return value.toLocaleString('en-GB')
}

function article(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`
}

function list(items: readonly string[]): string {
  if (items.length < 2) return items[0] ?? ''
  return `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`
}

function optional(sentence: string | undefined): string[] {
  return sentence ? [sentence] : []
}
