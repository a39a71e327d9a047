import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { best, indexOf, wordsIn, type Callable } from './tool-index.ts'

/** Which of many tools a model finds by its words, and that nobody waits meanwhile. */

const tool = (name: string, description = '', properties: Record<string, unknown> = {}): Callable =>
  ({ type: 'function', name, description, parameters: { type: 'object', properties } })
const LIBRARY: readonly Callable[] = [
  tool('get_weather', 'Tells the weather of a place', { city: { type: 'string', description: 'Where' } }),
  tool('listOpenIssues', 'Lists what is open in a repository', { repository: { type: 'string' } }),
  tool('send_mail', 'Sends a message to somebody', { to: { type: 'string' }, body: { type: 'string', description: 'What the weather forecast is about, say' } }),
  tool('book_table', 'Reserves seats', { guests: { type: 'integer', description: 'How many people dine' } }),
  { type: 'custom', name: 'run_sql', description: 'Asks the database' },
]
const found = async (question: string, most = 5, library = LIBRARY): Promise<readonly string[]> => (await best(await indexOf(library), question, most)).map(({ name }) => name)

describe('A search among tools', () => {
  test('finds by the words of a name, however it is written, before those of a description', async () => {
    assert.deepEqual(await found('weather'), ['get_weather', 'send_mail'])
    assert.deepEqual(await found('open issue'), ['listOpenIssues'])
    assert.deepEqual(await found('ISSUES'), ['listOpenIssues'])
  })

  test('finds by what is said of an argument, and by its name', async () => {
    assert.deepEqual(await found('people dine'), ['book_table'])
    assert.deepEqual(await found('guest'), ['book_table'])
    assert.deepEqual(await found('database'), ['run_sql'])
    const deep = [tool('plan', '', { trips: { type: 'array', items: { anyOf: [{ type: 'object', properties: { kind: { enum: ['ferry'] } } }] } } })]
    assert.deepEqual(await found('ferries', 5, deep), ['plan'])
  })

  test('has a tool first whose name is said as it is', async () => {
    const library = [tool('mail', 'mail mail mail'), tool('mail_send_all', 'Everything'), ...LIBRARY]
    assert.equal((await found('please mail_send_all', 5, library))[0], 'mail_send_all')
  })

  test('gives a rare word more weight than one that half of the library says', async () => {
    const library = [...Array.from({ length: 20 }, (_, n) => tool(`file_${n}`, 'Reads a file')), tool('rotate', 'Turns a picture')]
    assert.equal((await found('file rotate', 1, library))[0], 'rotate')
  })

  test('finds no more than was asked for, of equals those that were declared first, and nothing where nothing fits', async () => {
    const library = Array.from({ length: 9 }, (_, n) => tool(`echo${n}`, 'Says it again'))
    assert.deepEqual(await found('again', 3, library), ['echo0', 'echo1', 'echo2'])
    assert.deepEqual(await found('submarine'), [])
    assert.deepEqual(await found('weather', 5, []), [])
  })

  test('reads words of any script', () => {
    assert.deepEqual(wordsIn('getHTTPStatus2Codes Zürich 天気 сводки'), ['get', 'http', 'status2', 'code', 'zürich', '天気', 'сводки'])
  })

  test('lets others work while it reads thousands of tools, and stops in one that has no end', async () => {
    const words = 'so many words that say what it does and when it should be called '.repeat(8)
    const library = Array.from({ length: 3000 }, (_, n) => tool(`tool_${n}`, words, { path: { type: 'string', description: words } }))
    let turns = 0
    const reading = { goesOn: true }
    const others = (async () => {
      while (reading.goesOn) {
        await setImmediate()
        turns++
      }
    })()
    const index = await indexOf(library)
    reading.goesOn = false
    await others
    assert.ok(turns >= 50, `others had their turn ${turns} times while 3 MB were read`)
    assert.equal((await best(index, 'tool_2999', 1))[0]!.name, 'tool_2999')
    let deep: Record<string, unknown> = { type: 'string', description: 'needle' }
    for (let n = 0; n < 5000; n++) deep = { type: 'object', properties: { inner: deep } }
    const wide = Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`argument_${n}`, { type: 'string' }]))
    let read = 0
    const leaf = { get description() { return void read++ } }
    const choices = { anyOf: Array.from({ length: 2000 }, () => ({ anyOf: Array.from({ length: 20 }, () => leaf) })) }
    const hostile = await indexOf([tool('deep', '', { deep }), tool('wide', '', wide), tool('choices', '', { choices })])
    assert.deepEqual(await best(hostile, 'needle', 5), [])
    assert.ok(hostile.entries[1]!.words.size < 5000, 'of each tool so much is read')
    assert.ok(read <= 2000, `${read} schemas of one tool were read`)
  })
})
