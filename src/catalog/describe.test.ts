import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { describeModel } from './describe.ts'
import type { DescribableModel } from './describe.ts'

const file = readFileSync(join(import.meta.dirname, 'data', 'models.json'), 'utf8')
const models = (JSON.parse(file) as { models: DescribableModel[] }).models

/** A full stop counts as an end only before a space and a capital, so that `GPT-5.3` and `1.5` do not. */
const sentencesOf = (text: string): number => text.split(/(?<=\.) (?=[A-Z])/).length

const numbersIn = (text: string): string[] =>
  (text.match(/\d[\d,]*/g) ?? []).map((digits) => String(Number(digits.replaceAll(',', ''))))

test('every model of the catalogue gets one to three clean sentences', () => {
  for (const row of models) {
    const text = describeModel(row)
    assert.ok(sentencesOf(text) >= 1 && sentencesOf(text) <= 3, `${row.id}: ${text}`)
    assert.match(text, /\.$/, row.id)
    assert.doesNotMatch(text, /\b(null|undefined|NaN)\b|\s\s|\.\.|,\.| \.|[{}]/, `${row.id}: ${text}`)
    assert.doesNotMatch(text, /\ba (?=[aeiou])|\ban (?=[^aeiou])/, `${row.id}: ${text}`)
  }
})

test('a reader finds no number in a description that the row does not hold', () => {
  for (const row of models) {
    const known = new Set(numbersIn(JSON.stringify(row).replaceAll(',', ' ')))
    for (const number of numbersIn(describeModel(row))) assert.ok(known.has(number), `${row.id}: ${number}`)
  }
})

test('a retired model says that it is retired, and no living model does', () => {
  for (const row of models) {
    assert.equal(/ It is retired: /.test(describeModel(row)), row.status === 'retired', row.id)
  }
})

test('a model that is being withdrawn warns its reader, with the end date where one is announced', () => {
  const row: DescribableModel = { id: 'a/b', status: 'deprecated', expiration_date: '2026-05-14' }
  assert.equal(describeModel(row),
    'a/b is a language model. It is still served but being withdrawn; its announced end date is 14 May 2026.')
  for (const model of models) {
    if (model.status === 'deprecated') assert.match(describeModel(model), /being withdrawn/, model.id)
    if (model.expiration_date && model.status !== 'retired') {
      assert.match(describeModel(model), /announced end date/, model.id)
    }
  }
})

test('an alias names what it stands for', () => {
  for (const row of models) {
    if (row.alias_target) assert.ok(describeModel(row).includes(row.alias_target), row.id)
  }
})

test('a full row is told in the order kind, limits, abilities', () => {
  const row: DescribableModel = {
    id: 'acme/reader-1', name: 'Acme: Reader 1 ', author_name: 'Acme', kind: 'chat', status: 'active',
    released: '2026-03-07', context_length: 1048576, max_output_tokens: 8192,
    input_modalities: ['text', 'image', 'file'], output_modalities: ['text'],
    reasoning: { supported: true, efforts: ['none', 'low', 'high'], can_disable: true },
    features: { tools: true, structured_outputs: true, open_weights: true },
  }
  assert.equal(describeModel(row), [
    'Reader 1 is an open-weight multimodal reasoning model from Acme, released on 7 March 2026.',
    'It reads text, images and files and writes text,',
    'with a context of 1,048,576 tokens and up to 8,192 tokens of output.',
    'It can call tools and answer in a given JSON schema,',
    'and its reasoning effort can be set from low to high or switched off.',
  ].join(' '))
})

test('a model that does not chat is told by what it makes', () => {
  const embedding: DescribableModel = {
    id: 'a/e', kind: 'embedding', input_modalities: ['text'], embedding_dimensions: 1024, context_length: 8192,
  }
  assert.equal(describeModel(embedding), [
    'a/e is an embedding model. It turns text into vectors for search and comparison,',
    'with 1,024 dimensions, up to 8,192 tokens at a time.',
  ].join(' '))
  assert.equal(describeModel({ id: 'a/v', kind: 'video', input_modalities: ['text', 'image'] }),
    'a/v is a video model. It makes video from text and images.')
})

test('an operator row with nothing but an id still has a description', () => {
  assert.equal(describeModel({ id: 'me/mine' }), 'me/mine is a language model.')
})
