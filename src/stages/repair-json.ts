/**
 * Almost-JSON as models write it, made JSON. One pass over the text: a library that we tried took 24 seconds over
 * 400 KB of objects without commas, on the thread that everybody's streams run on.
 */

/** Nested deeper, it is left as it is. */
const DEEPEST = 128
/** How many places of a text may be the beginning of the answer. */
const MOST_CANDIDATES = 8

/** What was wrong, in the order in which it was found. */
export type Flaw =
  | 'text around' | 'code fence' | 'comment' | 'trailing comma' | 'missing comma' | 'missing colon' | 'single quotes' | 'curly quotes' | 'unquoted key'
  | 'unquoted text' | 'unescaped character' | 'invalid number' | 'python literal' | 'ellipsis' | 'truncated'

export interface Repaired {
  /** JSON; numbers and strings that were right stand as they were written. */
  readonly text: string
  readonly value: unknown
  readonly flaws: readonly Flaw[]
}

/** Reads JSON that came from outside; a fault, and no value, where it is none. */
export type ReadJson = (text: string) => { readonly value: unknown } | { readonly fault: unknown }

/**
 * The JSON values that a text may have been meant to be, the likeliest first: what stands in code fences, then what begins
 * at its first brackets. Empty where there is none. A text that is JSON as it stands is not for this.
 */
export function* repairs(text: string, read: ReadJson): Generator<Repaired> {
  for (const { from, to, around } of candidates(text)) {
    const made = new Repair(text, from, to).run()
    if (made === null) continue
    const flaws = around === null || made.flaws.includes(around) ? made.flaws : [around, ...made.flaws]
    const parsed = read(made.text)
    if ('value' in parsed) yield { text: made.text, value: parsed.value, flaws }
  }
}

function* candidates(text: string): Generator<{ readonly from: number; readonly to: number; readonly around: Flaw | null }> {
  let found = 0
  for (let at = text.indexOf('```'); at >= 0 && found < MOST_CANDIDATES; found++) {
    const line = text.indexOf('\n', at)
    const from = firstBracket(text, line < 0 ? at + 3 : Math.min(line, at + 16))
    const close = text.indexOf('```', at + 3)
    if (from >= 0 && (close < 0 || from < close)) yield { from, to: text.length, around: 'code fence' }
    at = close < 0 ? -1 : text.indexOf('```', close + 3)
  }
  for (let at = firstBracket(text, 0), tries = 0; at >= 0 && tries < MOST_CANDIDATES; tries++) {
    yield { from: at, to: text.length, around: text.slice(0, at).trim() === '' ? null : 'text around' }
    at = firstBracket(text, at + 1)
  }
}

function firstBracket(text: string, from: number): number {
  const brace = text.indexOf('{', from)
  const bracket = text.indexOf('[', from)
  return brace < 0 ? bracket : bracket < 0 ? brace : Math.min(brace, bracket)
}

const LITERALS: Readonly<Record<string, string>> = {
  true: 'true', false: 'false', null: 'null', True: 'true', False: 'false', None: 'null', undefined: 'null', NaN: 'null',
}
const NUMBER = /[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d*)?/y
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
const WORD = /[\p{L}_$][\p{L}\p{N}_$-]*/uy
const CLOSING: Readonly<Record<string, string>> = { '"': '"', "'": "'", '“': '”', '”': '”', '„': '“', '‘': '’', '`': '`' }
const ESCAPES = new Set(['"', '\\', '/', 'b', 'f', 'n', 'r', 't'])

/** A reader of one value that writes it down as JSON. Each character is looked at a bounded number of times. */
class Repair {
  readonly #text: string
  readonly #end: number
  readonly #flaws = new Set<Flaw>()
  #at: number

  constructor(text: string, from: number, to: number) {
    this.#text = text
    this.#at = from
    this.#end = to
  }

  run(): { readonly text: string; readonly flaws: readonly Flaw[] } | null {
    const text = this.#value(0)
    if (text === null) return null
    this.#blank()
    const rest = this.#text.slice(this.#at, this.#end).trim()
    if (rest !== '' && rest !== '```') this.#flaws.add('text around')
    return { text, flaws: [...this.#flaws] }
  }

  /** The value at the place, written as JSON; null where there is none. */
  #value(depth: number): string | null {
    if (depth > DEEPEST) return null
    const char = this.#text[this.#at]
    if (char === '{') return this.#object(depth)
    if (char === '[') return this.#array(depth)
    if (char !== undefined && char in CLOSING) return this.#string(char)
    return this.#number() ?? this.#word()
  }

  #object(depth: number): string | null {
    this.#at++
    const members: string[] = []
    for (let first = true; ; first = false) {
      const commas = this.#separators()
      if (this.#over()) break
      if (this.#text[this.#at] === '}') {
        this.#at++
        if (commas > 0) this.#flaws.add('trailing comma')
        break
      }
      if (!first && commas === 0) this.#flaws.add('missing comma')
      const key = this.#key()
      if (key === null) return null
      this.#blank()
      // Cut off behind a key: what it was to hold is not known, so it goes.
      if (this.#at >= this.#end) {
        this.#flaws.add('truncated')
        break
      }
      if (this.#text[this.#at] === ':') this.#at++
      else this.#flaws.add('missing colon')
      this.#blank()
      if (this.#over()) break
      const value = this.#value(depth + 1)
      if (value === null) return null
      members.push(`${key}:${value}`)
    }
    return `{${members.join(',')}}`
  }

  #array(depth: number): string | null {
    this.#at++
    const items: string[] = []
    for (let first = true; ; first = false) {
      const commas = this.#separators()
      if (this.#over()) break
      if (this.#text[this.#at] === ']') {
        this.#at++
        if (commas > 0) this.#flaws.add('trailing comma')
        break
      }
      if (!first && commas === 0) this.#flaws.add('missing comma')
      const value = this.#value(depth + 1)
      if (value === null) return null
      items.push(value)
    }
    return `[${items.join(',')}]`
  }

  /** Whether the text ends inside something. */
  #over(): boolean {
    if (this.#at < this.#end) return false
    this.#flaws.add('truncated')
    return true
  }

  #key(): string | null {
    const char = this.#text[this.#at]!
    if (char in CLOSING) return this.#string(char)
    WORD.lastIndex = this.#at
    const word = WORD.exec(this.#text)?.[0] ?? this.#digits()
    if (!word) return null
    this.#at += word.length
    this.#flaws.add('unquoted key')
    return JSON.stringify(word)
  }

  #digits(): string | undefined {
    NUMBER.lastIndex = this.#at
    return NUMBER.exec(this.#text)?.[0]
  }

  /** Blanks, comments, commas and ellipses; how many commas. */
  #separators(): number {
    let commas = 0
    for (;;) {
      this.#blank()
      if (this.#text[this.#at] === ',') {
        commas++
        this.#at++
      } else if (this.#text.startsWith('...', this.#at) || this.#text[this.#at] === '…') {
        this.#flaws.add('ellipsis')
        this.#at += this.#text[this.#at] === '…' ? 1 : 3
      } else return commas
    }
  }

  #blank(): void {
    for (;;) {
      while (this.#at < this.#end && isBlank(this.#text.charCodeAt(this.#at))) this.#at++
      if (this.#text.startsWith('//', this.#at)) {
        const line = this.#text.indexOf('\n', this.#at)
        this.#at = line < 0 ? this.#end : line + 1
      } else if (this.#text.startsWith('/*', this.#at)) {
        const close = this.#text.indexOf('*/', this.#at + 2)
        this.#at = close < 0 ? this.#end : close + 2
      } else return
      this.#flaws.add('comment')
    }
  }

  #string(open: string): string {
    const close = CLOSING[open]!
    if (open === "'" || open === '`') this.#flaws.add('single quotes')
    else if (open !== '"') this.#flaws.add('curly quotes')
    let out = '"'
    let plain = ++this.#at
    for (; this.#at < this.#end; this.#at++) {
      const char = this.#text[this.#at]!
      if (char === close && this.#closes()) {
        out += this.#text.slice(plain, this.#at++)
        return `${out}"`
      }
      if (char !== '\\' && char !== '"' && char >= ' ') continue
      out += this.#text.slice(plain, this.#at)
      if (char !== '\\') {
        this.#flaws.add('unescaped character')
        out += JSON.stringify(char).slice(1, -1)
      } else out += this.#escape()
      plain = this.#at + 1
    }
    this.#flaws.add('truncated')
    return `${out}${this.#text.slice(plain, this.#end)}"`
  }

  /** The escape at the place, which then is at its last character. */
  #escape(): string {
    const next = this.#text[this.#at + 1]
    if (next === undefined || this.#at + 1 >= this.#end) return ''
    if (next === 'u') {
      const code = this.#text.slice(this.#at + 2, this.#at + 6)
      if (/^[0-9a-fA-F]{4}$/.test(code)) {
        this.#at += 5
        return `\\u${code}`
      }
      if (this.#at + 2 + code.length >= this.#end) {
        this.#at = this.#end - 1
        return ''
      }
    }
    this.#at++
    if (ESCAPES.has(next)) return `\\${next}`
    this.#flaws.add('unescaped character')
    return next < ' ' ? JSON.stringify(next).slice(1, -1) : next
  }

  /** Whether the quote at the place ends its string: behind it comes what may come behind a string. */
  #closes(): boolean {
    let at = this.#at + 1
    while (at < this.#end && isBlank(this.#text.charCodeAt(at))) {
      if (this.#text[at] === '\n') return true
      at++
    }
    return at >= this.#end || ',:}]'.includes(this.#text[at]!) || this.#text.startsWith('//', at) || this.#text.startsWith('/*', at)
      || (at > this.#at + 1 && ((this.#text[at] as string) in CLOSING || this.#text[at] === '{' || this.#text[at] === '['))
  }

  #number(): string | null {
    const digits = this.#digits()
    if (!digits) return null
    const from = this.#at
    this.#at += digits.length
    if (JSON_NUMBER.test(digits)) return digits
    this.#flaws.add(from + digits.length >= this.#end ? 'truncated' : 'invalid number')
    const value = Number(digits.replace(/[eE][+-]?$/, ''))
    return Number.isFinite(value) ? JSON.stringify(value) : 'null'
  }

  #word(): string | null {
    WORD.lastIndex = this.#at
    const word = WORD.exec(this.#text)?.[0]
    if (!word) return null
    const from = this.#at
    this.#at += word.length
    const literal = Object.hasOwn(LITERALS, word) ? LITERALS[word]! : null
    if (literal !== null) {
      if (literal !== word) this.#flaws.add('python literal')
      return literal
    }
    if (this.#at >= this.#end) {
      const begun = ['true', 'false', 'null'].find((each) => each.startsWith(word))
      if (begun) {
        this.#flaws.add('truncated')
        return begun
      }
    }
    while (this.#at < this.#end && !',}]\n'.includes(this.#text[this.#at]!)) this.#at++
    this.#flaws.add('unquoted text')
    return JSON.stringify(this.#text.slice(from, this.#at).trim())
  }
}

const isBlank = (code: number): boolean => code === 32 || code === 10 || code === 13 || code === 9 || code === 0xa0 || code === 0xfeff
