import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { textOfHtml } from './html-text.ts'

const BASE = 'https://rail.example/lines/olten.html'
const read = (html: string): Promise<{ title: string; text: string }> => textOfHtml(html, BASE)

describe('The text of a page', () => {
  test('has its headings, lists, tables and links in words that a model reads, and nothing that is for browsers', async () => {
    const { title, text } = await read(`<!doctype html><html><head><title> The box
      at Olten </title><style>p{color:red}</style></head><body><script>steal("<p>no</p>")</script>
      <h1>Levers &amp; frames</h1><p>It has <b>36</b> levers,<br>all of <a href="../steel?x=1">steel</a>.
      <ul><li>one<li>two</ul><table><tr><th>No<th>What<tr><td>1<td>home</table><noscript>Turn it on</noscript><svg><text>drawn</text></svg>
      <pre>  kept
    as it is</pre><a href="#top">Up</a> <a href="javascript:steal()">Away</a></body></html>`)
    assert.equal(title, 'The box at Olten')
    assert.equal(text, [
      '# Levers & frames', 'It has 36 levers,', 'all of [steel](https://rail.example/steel?x=1).', '- one', '- two', 'No | What', '1 | home', '  kept\n    as it is', 'Up Away',
    ].join('\n'))
  })

  test('is the same wherever it is cut into pieces', async () => {
    const long = `<p>${'word '.repeat(10_000)}</p><h2>Behind</h2><p>&euro; ${'more '.repeat(5000)}`
    const { text } = await read(long)
    assert.equal(text, `${'word '.repeat(10_000).trim()}\n## Behind\n€ ${'more '.repeat(5000).trim()}`)
  })

  test('that never closes what it opens, or closes what it never opened, takes no longer than its length', async () => {
    for (const [html, least] of [['<b>x'.repeat(400_000), 1000], [`${'<b>'.repeat(300_000)}${'</i>'.repeat(300_000)}`, 0], ['</p>'.repeat(400_000), 0], ['<'.repeat(1_000_000), 0], ['<a href="'.repeat(100_000), 0]] as const) {
      const before = process.cpuUsage()
      const { text } = await read(html)
      assert.ok(text.length >= least, `${text.length} characters of ${html.slice(0, 10)}`)
      const { user } = process.cpuUsage(before)
      assert.ok(user < 20_000_000, `${html.slice(0, 10)} took ${user / 1000} ms`)
    }
  })

  test('of no page at all is what stands there', async () => {
    assert.deepEqual(await read('just words'), { title: '', text: 'just words' })
    assert.deepEqual(await read(''), { title: '', text: '' })
  })
})
