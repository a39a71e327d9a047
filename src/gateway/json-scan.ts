import { parseUpstream } from '../dialects/index.ts'

type State = 'value' | 'first item' | 'first key' | 'key' | 'colon' | 'next' | 'text' | 'scalar'

const SCALAR = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/

/**
 * Reads one object or list of JSON in pieces that are cut anywhere, each character once: where it ends, from where on it is
 * no JSON, and how much of it will stay as it is whatever comes. Places count characters from the beginning.
 */
export class JsonScan {
  length = 0
  /** Up to here it is what it will be: commas, numbers and escapes wait for what follows them. */
  safe = 0
  /** The place behind its last bracket; -1 until that has come. */
  end = -1
  /** The first place where it is no JSON; -1 while it may be. */
  brokenAt = -1
  #state: State = 'value'
  #open = ''
  /** In a text: whether it is a key, and what of an escape is still to come. */
  #isKey = false
  #escape = 0
  #scalar = ''

  get broken(): boolean {
    return this.brokenAt >= 0
  }

  push(piece: string): void {
    for (let at = 0; at < piece.length && this.end < 0 && this.brokenAt < 0; at++) this.#read(piece[at]!, this.length + at)
    this.length += piece.length
  }

  #read(char: string, at: number): void {
    if (this.#state === 'text') return this.#inText(char, at)
    if (this.#state === 'scalar') {
      if (!' \n\r\t,]}'.includes(char)) {
        this.#scalar += char
        return
      }
      if (!SCALAR.test(this.#scalar)) {
        this.brokenAt = at - this.#scalar.length
        return
      }
      this.safe = at
      this.#state = 'next'
    }
    if (char === ' ' || char === '\n' || char === '\r' || char === '\t') return
    if (!this.#token(char, at)) this.brokenAt = at
  }

  /** Whether a character may begin a token here, which it then does. */
  #token(char: string, at: number): boolean {
    const state = this.#state
    const inside = this.#open.at(-1)
    if (char === '}' || char === ']') {
      const empty = char === '}' ? state === 'first key' : state === 'first item'
      if (inside !== char || !(empty || state === 'next')) return false
      this.#open = this.#open.slice(0, -1)
      this.safe = at + 1
      this.#state = 'next'
      if (this.#open === '') this.end = at + 1
      return true
    }
    switch (state) {
      case 'colon':
        if (char !== ':') return false
        this.#state = 'value'
        this.safe = at + 1
        return true
      case 'next':
        if (char !== ',') return false
        this.#state = inside === '}' ? 'key' : 'value'
        return true
      case 'first key':
      case 'key':
        return char === '"' && this.#text(true, at)
      default:
    }
    if (char === '{' || char === '[') {
      this.#open += char === '{' ? '}' : ']'
      this.#state = char === '{' ? 'first key' : 'first item'
      this.safe = at + 1
      return true
    }
    if (this.#open === '') return false
    if (char === '"') return this.#text(false, at)
    this.#state = 'scalar'
    this.#scalar = char
    return char === '-' || (char >= '0' && char <= '9') || char === 't' || char === 'f' || char === 'n'
  }

  #text(isKey: boolean, at: number): true {
    this.#isKey = isKey
    this.#escape = 0
    this.#state = 'text'
    this.safe = at + 1
    return true
  }

  #inText(char: string, at: number): void {
    if (this.#escape > 0) {
      const fits = this.#escape === 5 ? '"\\/bfnrtu'.includes(char) : /[0-9a-fA-F]/.test(char)
      if (!fits) {
        this.brokenAt = at
        return
      }
      // Five stands for the letter behind the backslash, four to one for the digits behind a `u`.
      this.#escape = this.#escape === 5 ? (char === 'u' ? 4 : 0) : this.#escape - 1
      if (this.#escape === 0) this.safe = at + 1
      return
    }
    if (char < ' ') this.brokenAt = at
    else if (char === '\\') this.#escape = 5
    else {
      this.safe = at + 1
      if (char === '"') this.#state = this.#isKey ? 'colon' : 'next'
    }
  }
}

/** Where the value ends that begins at a place of a text that is JSON. */
function valueEnd(text: string, from: number): number {
  const first = text[from]
  if (first === '"') {
    let at = from + 1
    while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
    return at + 1
  }
  if (first === '{' || first === '[') {
    const scan = new JsonScan()
    scan.push(text.slice(from))
    return from + scan.end
  }
  let at = from
  while (at < text.length && !' \n\r\t,]}'.includes(text[at]!)) at++
  return at
}

const BLANKS = /[ \n\r\t]*/y

function behindBlanks(text: string, from: number): number {
  BLANKS.lastIndex = from
  return from + BLANKS.exec(text)![0].length
}

/** The items of a list in a text that is JSON, as they stand there; of anything else the thing itself. */
export function itemsOf(text: string): readonly string[] {
  let at = behindBlanks(text, 0)
  if (text[at] !== '[') return [text.slice(at)]
  const items: string[] = []
  for (at = behindBlanks(text, at + 1); text[at] !== ']'; at = behindBlanks(text, text[at] === ',' ? at + 1 : at)) {
    const end = valueEnd(text, at)
    items.push(text.slice(at, end))
    at = behindBlanks(text, end)
  }
  return items
}

/** The value of a key of an object in a text that is JSON, as it stands there; of several the last, which is what a parser takes. */
export function memberOf(text: string, key: string): string | null {
  let found: string | null = null
  let at = behindBlanks(text, behindBlanks(text, 0) + 1)
  while (text[at] === '"') {
    const keyEnd = valueEnd(text, at)
    const name = parseUpstream(text.slice(at, keyEnd))
    const from = behindBlanks(text, behindBlanks(text, keyEnd) + 1)
    const end = valueEnd(text, from)
    if ('value' in name && name.value === key) found = text.slice(from, end)
    at = behindBlanks(text, end)
    if (text[at] === ',') at = behindBlanks(text, at + 1)
  }
  return found
}
