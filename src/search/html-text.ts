import { setImmediate } from 'node:timers/promises'
import { Parser } from 'htmlparser2'

/** Nothing in them is for a reader. */
const SKIPPED: ReadonlySet<string> = new Set(['script', 'style', 'noscript', 'template', 'svg', 'math', 'iframe', 'object', 'canvas', 'select', 'textarea', 'button'])
const BLOCKS: ReadonlySet<string> = new Set([
  'address', 'article', 'aside', 'blockquote', 'body', 'br', 'dd', 'details', 'div', 'dl', 'dt', 'fieldset', 'figcaption', 'figure', 'footer', 'form', 'h1', 'h2', 'h3', 'h4', 'h5',
  'h6', 'header', 'hr', 'li', 'main', 'nav', 'ol', 'p', 'pre', 'section', 'summary', 'table', 'tr', 'ul',
])
/** Characters that are read at a time: what is read in one go holds everybody up. */
const PIECE = 16 * 1024
/** A page that nests deeper is read no further: each end tag is looked for in all that is open. */
const MOST_OPEN = 1000
const MOST_CHARACTERS = 2_000_000

/**
 * What a page says, as plain text with headings, lists and links in Markdown's words. It is the page's own text, whatever it
 * is: who reads it has to know that a stranger wrote it. Reads in pieces, in time linear in the page's length.
 */
export async function textOfHtml(html: string, base: string): Promise<{ readonly title: string; readonly text: string }> {
  const writer = new Writer(base)
  const parser = new Parser({
    onopentag: (name, attributes) => writer.open(name, attributes),
    ontext: (text) => writer.say(text),
    onclosetag: (name) => writer.close(name),
  }, { decodeEntities: true })
  for (let at = 0; at < html.length && !writer.full; at += PIECE) {
    parser.write(html.slice(at, at + PIECE))
    await setImmediate()
  }
  if (!writer.full) parser.end()
  return writer.page()
}

/** Lines are put together from pieces when they end: a line that is looked at with each word costs the square of its length. */
class Writer {
  readonly #base: string
  readonly #out: string[] = []
  /** Of the links that are open, where they lead and which piece begins them. */
  readonly #links: ({ readonly href: string; readonly at: number } | null)[] = []
  #line: string[] = []
  /** Whether the line is empty, or ends with a blank. */
  #blank = true
  readonly #title: string[] = []
  #inTitle = false
  #open = 0
  #skipping = 0
  #pre = 0
  #length = 0

  constructor(base: string) {
    this.#base = base
  }

  get full(): boolean {
    return this.#open > MOST_OPEN || this.#length > MOST_CHARACTERS
  }

  open(name: string, attributes: Readonly<Record<string, string>>): void {
    this.#open++
    if (this.#skipping > 0 || SKIPPED.has(name)) {
      this.#skipping++
      return
    }
    if (name === 'title') this.#inTitle = true
    if (BLOCKS.has(name)) this.#break()
    if (/^h[1-6]$/.test(name)) this.#add(`${'#'.repeat(Number(name[1]))} `)
    else if (name === 'li') this.#add('- ')
    else if ((name === 'td' || name === 'th') && this.#line.length > 0) this.#add(this.#blank ? '| ' : ' | ')
    else if (name === 'pre') this.#pre++
    else if (name === 'img' && attributes['alt']) this.say(` ${attributes['alt']} `)
    else if (name === 'a') {
      const href = addressOf(attributes['href'], this.#base)
      this.#links.push(href === null ? null : { href, at: this.#line.length })
      if (href !== null) this.#add('[')
    }
  }

  close(name: string): void {
    this.#open--
    if (this.#skipping > 0) {
      this.#skipping--
      return
    }
    if (name === 'title') this.#inTitle = false
    if (name === 'a') {
      const link = this.#links.pop()
      // A link with nothing in it, or with a line of its own in it, is told without its address.
      if (link && this.#line[link.at] === '[') {
        if (this.#line.length > link.at + 1) this.#add(`](${link.href})`)
        else this.#line.pop()
      }
    }
    if (name === 'pre') this.#pre--
    if (BLOCKS.has(name)) this.#break()
  }

  say(text: string): void {
    if (this.#skipping > 0) return
    if (this.#inTitle) {
      this.#title.push(text)
      return
    }
    if (this.#pre > 0) {
      this.#add(text)
      return
    }
    const plain = text.replace(/\s+/g, ' ')
    this.#add(this.#blank && plain.startsWith(' ') ? plain.slice(1) : plain)
  }

  page(): { readonly title: string; readonly text: string } {
    this.#break()
    return { title: this.#title.join('').replace(/\s+/g, ' ').trim().slice(0, 300), text: this.#out.join('\n') }
  }

  #add(piece: string): void {
    if (piece === '') return
    this.#line.push(piece)
    this.#length += piece.length
    this.#blank = piece.endsWith(' ')
  }

  #break(): void {
    const line = this.#line.join('').trimEnd()
    this.#line = []
    this.#blank = true
    if (line !== '' && !/^(?:#+|-)$/.test(line)) this.#out.push(line)
  }
}

/** Where a link leads; null for what is no page. */
function addressOf(href: string | undefined, base: string): string | null {
  const url = href === undefined || href.startsWith('#') || href.length > 2000 ? null : URL.parse(href, base)
  return url === null || !/^https?:$/.test(url.protocol) ? null : url.href
}
