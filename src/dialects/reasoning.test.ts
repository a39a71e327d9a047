import assert from 'node:assert/strict'
import { test } from 'node:test'
import { budgetOf, createThinkSplitter, effortOf, nearestEffort, splitThinking, thinkingOf } from './reasoning.ts'

/** What a text is split into when it arrives in pieces; neighbours of a kind are joined. */
function split(pieces: readonly string[], implicit = false): string {
  const splitter = createThinkSplitter({ implicit })
  const all = [...pieces.flatMap((piece) => splitter.push(piece)), ...splitter.end()]
  let out = ''
  let kind = ''
  for (const piece of all) {
    if (piece.kind !== kind) out += piece.kind === 'text' ? '|T:' : '|R:'
    kind = piece.kind
    out += piece.text
  }
  return out
}

const CASES: readonly (readonly [string, string, boolean, string])[] = [
  ['a thought at the start', '<think>why</think>\n\nSo.', false, '|R:why|T:So.'],
  ['blanks before the tag', ' \n<think>why</think>So.', false, '|R:why|T:So.'],
  ['no thought', 'Just text with </think> in it', false, '|T:Just text with </think> in it'],
  ['a tag in the middle is what the model writes about', 'See <think>x</think>', false, '|T:See <think>x</think>'],
  ['a second thought is text', '<think>a</think>b<think>c</think>', false, '|R:a|T:b<think>c</think>'],
  ['a thought without an end', '<think>on and on', false, '|R:on and on'],
  ['an empty thought', '<think>\n</think>\n\nHi', false, '|R:\n|T:Hi'],
  ['something like a tag', '<thing>x', false, '|T:<thing>x'],
  ['something like the end of a thought', '<think>a </thin b</think>c', false, '|R:a </thin b|T:c'],
  ['opened by the template', 'why</think>So.', true, '|R:why|T:So.'],
  ['opened by the template and again by the model', '<think>why</think>So.', true, '|R:why|T:So.'],
]

for (const [name, text, implicit, expected] of CASES) {
  test(`splits ${name}, wherever the chunks are cut`, () => {
    assert.equal(split([text], implicit), expected)
    for (let at = 0; at <= text.length; at++) assert.equal(split([text.slice(0, at), text.slice(at)], implicit), expected, `cut at ${at}`)
    assert.equal(split([...text], implicit), expected)
  })
}

test('a whole text shows by its closing tag that its thought was opened before', () => {
  assert.deepEqual(splitThinking('why</think>So.'), [{ kind: 'reasoning', text: 'why' }, { kind: 'text', text: 'So.' }])
  assert.deepEqual(splitThinking('So.'), [{ kind: 'text', text: 'So.' }])
})

test('a wish to think is read in all its spellings', () => {
  assert.equal(thinkingOf(undefined), undefined)
  assert.equal(thinkingOf({}), undefined)
  assert.equal(thinkingOf({ exclude: true }), undefined)
  assert.deepEqual(thinkingOf({ enabled: true }), { effort: 'medium' })
  assert.deepEqual(thinkingOf({ effort: 'low', enabled: true }), { effort: 'low' })
  assert.deepEqual(thinkingOf({ maxTokens: 2000 }), { budget: 2000 })
  for (const off of [{ enabled: false }, { effort: 'none' as const }, { maxTokens: 0 }]) assert.deepEqual(thinkingOf(off), { off: true })
})

test('efforts and budgets become each other by their share of the output', () => {
  assert.equal(budgetOf({ effort: 'high' }, 10_000), 8000)
  assert.equal(budgetOf({ effort: 'minimal' }, 1000, { min: 1024 }), 1024)
  assert.equal(budgetOf({ budget: 90_000 }, 1000, { max: 32_000 }), 32_000)
  assert.equal(effortOf({ budget: 8000 }, 10_000), 'high')
  assert.equal(effortOf({ budget: 300 }, 10_000), 'minimal')
  assert.equal(effortOf({ budget: 99_999 }, 10_000), 'xhigh')
})

test('an effort that a model lacks becomes the nearest one, never none', () => {
  assert.equal(nearestEffort('xhigh', ['low', 'medium', 'high']), 'high')
  assert.equal(nearestEffort('minimal', ['none', 'low', 'high']), 'low')
  assert.equal(nearestEffort('medium', ['low', 'high']), 'low')
  assert.equal(nearestEffort('max', undefined), 'max')
  assert.equal(nearestEffort('none', ['low', 'high']), 'low')
})
