import { parseUpstream } from '../dialects/index.ts'
import { itemsOf, JsonScan, memberOf } from './json-scan.ts'
import { CALL_MARKS, RESULT_MARKS, type Callable } from './tool-template.ts'

/** Almost-JSON as JSON, and whether its end was missing; null of what cannot be mended. */
export type Mend = (text: string) => { readonly text: string; readonly truncated: boolean } | null

/** Hears what one text says, in order: words, and calls whose arguments come in pieces. */
export interface ToldSink {
  text(text: string): void
  open(name: string, form: 'function' | 'custom'): void
  input(text: string): void
  close(): void
}

/** A call whose arguments are on their way. */
interface Going {
  readonly form: 'function' | 'custom'
  /** Where they begin in what was said between the marks. */
  readonly from: number
  readonly scan: JsonScan
  /** What went out of them, and what of them waits. */
  sent: string
  waiting: string
}

/** A call that is longer stays what it was said as: no answer may fill the memory of everybody's server. */
const MOST_HELD = 1_000_000
/** Where the arguments of a call begin that has its name first, as it was asked for. */
const HEAD = /^\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)/
const MOST_HEAD = 1000
/** So many blanks or brackets are taken for what stands around a call; more are words. */
const MOST_AROUND = 4096
const BLANK = /^\s*$/

/**
 * Tells calls from words in a text that comes in pieces, cut anywhere. What stands between the marks and is a call of a
 * tool that was offered becomes one: streamed, its arguments go out as they come, as far as they are JSON; whole, when they
 * are. One that is broken is mended, and what cannot be stays text. Nobody should act on half a call, so that nothing is
 * completed that a limit has cut off.
 */
export class ToldCalls {
  /** How many calls were opened. */
  count = 0
  readonly #sink: ToldSink
  readonly #tools: ReadonlyMap<string, Callable>
  readonly #eager: boolean
  readonly #mend: Mend
  /** Words that may turn out to be the beginning of a mark, or blanks before one. */
  #held = ''
  #call: string | null = null
  #scan = new JsonScan()
  #going: Going | null = null
  /** What is held does not begin as a call with its name first. */
  #headless = false
  /** The end of what was looked through for the closing mark. */
  #tail = ''
  /** Behind a call: what closes it is passed over. */
  #closing = false
  #over = false

  constructor(sink: ToldSink, { tools, eager, mend }: { readonly tools: readonly Callable[]; readonly eager: boolean; readonly mend: Mend }) {
    this.#sink = sink
    this.#tools = new Map(tools.map((tool) => [tool.name, tool]))
    this.#eager = eager
    this.#mend = mend
  }

  push(piece: string): void {
    let rest: string | null = piece
    while (rest !== null && !this.#over) rest = this.#call === null ? this.#words(rest) : this.#inCall(rest)
  }

  /** The text is over: what was held back is said. */
  end(): void {
    if (this.#call !== null) this.#cutShort(this.#call)
    else if (!this.#over && !this.#closing && !(this.count > 0 && BLANK.test(this.#held))) this.#say(this.#held)
    this.#held = ''
  }

  /** Words up to the next mark; what stands behind it, null when there is none yet. */
  #words(piece: string): string | null {
    let text = this.#held + piece
    this.#held = ''
    if (this.#closing) {
      const left = behindClosing(text)
      if (left === null) {
        this.#held = text
        return null
      }
      this.#closing = false
      text = left
    }
    const at = text.indexOf(CALL_MARKS.open)
    // Once it has called, a model that goes on to say what came of it makes that up.
    const madeUp = this.count > 0 ? text.indexOf(RESULT_MARKS.open) : -1
    if (madeUp >= 0 && (at < 0 || madeUp < at)) {
      this.#say(text.slice(0, madeUp).trimEnd())
      this.#over = true
      return null
    }
    if (at >= 0) {
      // Blanks before a call are no words. Where it comes to none, they are said with it.
      const words = text.slice(0, at)
      const plain = words.trimEnd()
      this.#say(plain)
      this.#held = words.slice(plain.length)
      this.#call = ''
      this.#scan = new JsonScan()
      this.#headless = false
      return text.slice(at + CALL_MARKS.open.length)
    }
    const from = undecided(text, this.count > 0)
    this.#held = text.slice(from)
    this.#say(text.slice(0, from))
    return null
  }

  #say(text: string): void {
    if (text !== '') this.#sink.text(text)
  }

  #inCall(piece: string): string | null {
    const call = this.#call += piece
    if (call.length > MOST_HELD && this.#going === null) return this.#asText(call, call.length)
    const wasBroken = this.#scan.broken
    this.#scan.push(piece)
    if (this.#eager) this.#stream(call, piece)
    if (this.#scan.end >= 0) return this.#complete(call, this.#scan.end)
    if (!this.#scan.broken) return null
    // Only what is new is looked through: a call may come in very many pieces.
    const from = wasBroken ? call.length - piece.length - this.#tail.length : this.#scan.brokenAt
    const fresh = wasBroken ? this.#tail + piece : call.slice(from)
    const close = fresh.indexOf(CALL_MARKS.close)
    this.#tail = fresh.slice(-CALL_MARKS.close.length)
    return close < 0 ? null : this.#broken(call, from + close)
  }

  /** Lets the arguments out as far as they are certain. */
  #stream(call: string, piece: string): void {
    let going = this.#going
    if (going === null) {
      if (this.#headless) return
      const head = HEAD.exec(call.slice(0, MOST_HEAD))
      const tool = head && this.#tools.get(saidBy(head[1]!))
      this.#headless = head === null ? call.length >= MOST_HEAD : !tool
      if (!head || !tool) return
      going = this.#going = { form: tool.type, from: head[0].length, scan: new JsonScan(), sent: '', waiting: '' }
      this.#open(tool)
      this.#more(going, call.slice(going.from))
    } else this.#more(going, piece)
  }

  #more(going: Going, piece: string): void {
    going.scan.push(piece)
    going.waiting += piece
    const certain = going.scan.safe - going.sent.length
    if (going.form === 'custom' || certain <= 0) return
    const out = going.waiting.slice(0, certain)
    this.#sink.input(out)
    going.sent += out
    going.waiting = going.waiting.slice(certain)
  }

  /** The JSON between the marks is whole: it ends in front of `end`. */
  #complete(call: string, end: number): string {
    const going = this.#going
    if (going !== null) this.#shut(going, call.slice(going.from, going.from + going.scan.end), '')
    else {
      const found = callsIn(call.slice(0, end), this.#tools)
      if (found === null) return this.#asText(call, end)
      this.#give(found)
    }
    return this.#behind(call.slice(end))
  }

  /** The JSON is none, and its mark has come. */
  #broken(call: string, close: number): string {
    const said = call.slice(0, close)
    const mended = this.#mend(said.trim())
    const found = mended && callsIn(mended.text, this.#tools)
    const going = this.#going
    if (going !== null) {
      const only = found?.length === 1 ? found[0]!.input : null
      const rest = only === null ? null : restBehind(going.sent, only)
      // What was sent cannot be taken back: then the arguments stay as broken as they are, and the caller can see that.
      const raw = said.slice(going.from).trimEnd()
      this.#shut(going, rest === null ? raw : only!, rest ?? raw.slice(going.sent.length))
    } else if (found) this.#give(found)
    else return this.#asText(call, close + CALL_MARKS.close.length)
    return this.#behind(call.slice(close))
  }

  /** The text ended within a call. */
  #cutShort(call: string): void {
    const going = this.#going
    if (going !== null) {
      const { end } = going.scan
      this.#shut(going, call.slice(going.from, end < 0 ? undefined : going.from + end), end < 0 ? going.waiting : '')
    } else {
      const mended = this.#mend(call.trim())
      // With one bracket more the arguments were whole: then only the end of the call is missing.
      const found = callsIn(`${call.trim()}}`, this.#tools) ?? (mended === null || mended.truncated ? null : callsIn(mended.text, this.#tools))
      if (found === null) this.#asText(call, call.length)
      else this.#give(found)
    }
    this.#call = null
  }

  /** It was no call, up to there: words like others. */
  #asText(call: string, end: number): string {
    this.#say(this.#held + CALL_MARKS.open + call.slice(0, end))
    this.#held = ''
    this.#call = null
    return call.slice(end)
  }

  #behind(rest: string): string {
    this.#held = ''
    this.#call = null
    this.#closing = true
    return rest
  }

  #open({ name, type }: Callable): void {
    this.count++
    this.#sink.open(name, type)
  }

  /** Ends a call that was on its way: `rest` is what did not go out of `input`. */
  #shut({ form }: Going, input: string, rest: string): void {
    const last = form === 'custom' ? freeText(input) : rest
    if (last !== '') this.#sink.input(last)
    this.#sink.close()
    this.#going = null
  }

  #give(calls: readonly Found[]): void {
    for (const { tool, input } of calls) {
      this.#open(tool)
      this.#sink.input(tool.type === 'custom' ? freeText(input) : input)
      this.#sink.close()
    }
  }
}

interface Found {
  readonly tool: Callable
  readonly input: string
}

/** The calls in a JSON text, one or a list of them, with their arguments as they stand there; null where one is of no tool. */
function callsIn(text: string, tools: ReadonlyMap<string, Callable>): readonly Found[] | null {
  if (!('value' in parseUpstream(text))) return null
  const found: Found[] = []
  for (const item of itemsOf(text)) {
    if (!item.startsWith('{')) return null
    const tool = tools.get(saidBy(memberOf(item, 'name') ?? ''))
    const input = inputIn(memberOf(item, 'arguments') ?? memberOf(item, 'parameters') ?? '{}')
    if (tool === undefined || input === null) return null
    found.push({ tool, input })
  }
  return found.length > 0 ? found : null
}

/** Arguments are an object, or the text of one: some models write JSON within JSON. */
function inputIn(args: string): string | null {
  if (args.startsWith('{')) return args
  const within = args.startsWith('"') ? saidBy(args).trim() : ''
  return within.startsWith('{') && 'value' in parseUpstream(within) ? within : null
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The text of a free-form tool, out of the object that the template asks for it in. */
function freeText(args: string): string {
  const read = parseUpstream(args)
  return 'value' in read && isObject(read.value) && typeof read.value['input'] === 'string' ? read.value['input'] : args
}

/** What a literal of JSON says, where it is a text. */
function saidBy(literal: string): string {
  const read = parseUpstream(literal)
  return 'value' in read && typeof read.value === 'string' ? read.value : ''
}

/**
 * What stands behind a call that is closed: brackets too many, more members, the closing mark. Null while it is not known
 * where that ends.
 */
function behindClosing(text: string): string | null {
  const plain = /^[\s}\]]*/.exec(text)![0].length
  const rest = text.slice(plain)
  if (rest.startsWith(CALL_MARKS.close)) return rest.slice(CALL_MARKS.close.length)
  return CALL_MARKS.close.startsWith(rest) && text.length <= MOST_AROUND ? null : text.slice(text.slice(0, plain).trimEnd().length)
}

/** From where a text is not decided yet: blanks before what may be a mark. */
function undecided(text: string, called: boolean): number {
  const bracket = text.lastIndexOf('<')
  const tail = bracket < 0 ? '' : text.slice(bracket)
  const open = tail !== '' && (CALL_MARKS.open.startsWith(tail) || (called && RESULT_MARKS.open.startsWith(tail)))
  const decided = open ? text.slice(0, bracket) : text
  const from = decided.trimEnd().length
  return decided.length - from > MOST_AROUND ? decided.length : from
}

/** What is missing of `whole` behind `begun`, whatever blanks either has between its tokens; null where it began otherwise. */
function restBehind(begun: string, whole: string): string | null {
  let at = 0
  let inText = false
  const isBlank = (of: string, i: number): boolean => !inText && i < of.length && ' \n\r\t'.includes(of[i]!)
  for (let i = 0; i < begun.length; i++) {
    if (isBlank(begun, i)) continue
    while (isBlank(whole, at)) at++
    if (begun[i] !== whole[at]) return null
    if (begun[i] === '"') inText = !inText
    else if (inText && begun[i] === '\\') {
      if (begun[i + 1] !== whole[at + 1]) return null
      i++
      at++
    }
    at++
  }
  return whole.slice(at)
}
