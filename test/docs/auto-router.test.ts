/** The manual of router models gives every rule that decides a choice, as the code has it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { readConfig } from '../../src/config/index.ts'
import { COST_TIERS, ROUTER_RULES, routerRules } from '../../src/routing/index.ts'

const manual = readFileSync(new URL('../../docs/auto-router.md', import.meta.url), 'utf8')
const listed = (cell: string): readonly string[] => cell === '–' ? [] : cell.split(', ')

test('the manual has every task with its words, and none that is gone', () => {
  const rows = [...manual.matchAll(/^\| `([a-z]+)` \| (\w+) \| (yes|no) \| (.+?) \| (.+) \|$/gm)]
  assert.deepEqual(
    Object.fromEntries(rows.map(([, name, costTier, reasoning, signals, words]) =>
      [name, { words: listed(words!), signals: listed(signals!), costTier, reasoning: reasoning === 'yes', models: [] }])),
    ROUTER_RULES.tasks)
  assert.deepEqual(rows.map(([, name]) => name), Object.keys(ROUTER_RULES.tasks), 'their order counts')
})

test('the manual has the words that ask for thought, in the order in which they are looked for', () => {
  const rows = [...manual.matchAll(/^\| ([a-z ,]+) \| (\w+) \|$/gm)].filter(([, words]) => words !== 'words')
  assert.deepEqual(rows.map(([, words, effort]) => ({ words: listed(words!), effort })), ROUTER_RULES.efforts)
})

test('a start without a file takes the rules of the manual, whose tasks and tiers can be set', () => {
  assert.deepEqual(routerRules(readConfig({}, '/nowhere').autoRouter), ROUTER_RULES)
  for (const { costTier } of Object.values(ROUTER_RULES.tasks)) assert.ok(COST_TIERS.includes(costTier))
})
