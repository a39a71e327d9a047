import { lexer, type Token, type Tokens } from 'marked'

/*
 * The manual's Markdown as plain values. It is read on the server, so that no page carries a reader of Markdown, and
 * made into elements, so that what looks like HTML is shown and never obeyed.
 */

export type Inline =
  | string
  | { readonly kind: 'code', readonly text: string }
  | { readonly kind: 'strong' | 'em', readonly parts: readonly Inline[] }
  /** `to` is a path of this site, `#part`, an `https://` address, or null where it would lead nowhere. */
  | { readonly kind: 'link', readonly to: string | null, readonly parts: readonly Inline[] }
  | { readonly kind: 'break' }

export type Block =
  | { readonly kind: 'heading', readonly depth: 2 | 3 | 4, readonly id: string, readonly text: readonly Inline[] }
  | { readonly kind: 'paragraph', readonly text: readonly Inline[] }
  | { readonly kind: 'code', readonly label: string, readonly text: string }
  | { readonly kind: 'quote', readonly blocks: readonly Block[] }
  | { readonly kind: 'list', readonly ordered: boolean, readonly start?: number, readonly items: readonly (readonly Block[])[] }
  | { readonly kind: 'table', readonly label: string, readonly head: readonly (readonly Inline[])[], readonly rows: readonly (readonly (readonly Inline[])[])[] }
  | { readonly kind: 'rule' }

/** Where a link of a document leads on the site, and what is there; null for a document that is no page. */
export type Placing = (file: string) => { readonly to: string, readonly name: string } | null

/** A document without its first heading, which the page has as its own. */
export function blocksOf(text: string, placing: Placing): readonly Block[] {
  const ids = new Map<string, number>()
  let section = 'Document'
  const blocks = (tokens: readonly Token[]): readonly Block[] => tokens.flatMap((token): readonly Block[] => {
    const inline = (inner: Token[] | undefined): readonly Inline[] => inlineOf(inner ?? [], placing)
    switch (token.type) {
      case 'heading': {
        const { depth, tokens: inner, text: said } = token as Tokens.Heading
        if (depth === 1) return []
        const parts = inline(inner)
        section = plainOf(parts)
        return [{ kind: 'heading', depth: Math.min(depth, 4) as 2 | 3 | 4, id: unique(anchorOf(said), ids), text: parts }]
      }
      case 'paragraph': return [{ kind: 'paragraph', text: inline((token as Tokens.Paragraph).tokens) }]
      case 'text': return [{ kind: 'paragraph', text: (token as Tokens.Text).tokens ? inline((token as Tokens.Text).tokens) : [(token as Tokens.Text).text] }]
      case 'code': return [{ kind: 'code', label: `Example under ${section}`, text: (token as Tokens.Code).text }]
      case 'blockquote': return [{ kind: 'quote', blocks: blocks((token as Tokens.Blockquote).tokens) }]
      case 'list': {
        const { ordered, start, items } = token as Tokens.List
        return [{ kind: 'list', ordered, ...(typeof start === 'number' && start !== 1 && { start }), items: items.map((item) => blocks(item.tokens)) }]
      }
      case 'table': {
        const { header, rows } = token as Tokens.Table
        return [{ kind: 'table', label: section, head: header.map((cell) => inline(cell.tokens)), rows: rows.map((row) => row.map((cell) => inline(cell.tokens))) }]
      }
      case 'hr': return [{ kind: 'rule' }]
      case 'space': case 'def': return []
      default: return [{ kind: 'paragraph', text: [token.raw.trim()] }] // HTML, as what it is: characters.
    }
  })
  return blocks(lexer(text))
}

/** The headings of a page for the list of its parts. */
export function partsOf(blocks: readonly Block[]): readonly { readonly id: string, readonly text: string }[] {
  return blocks.flatMap((block) => (block.kind === 'heading' && block.depth === 2 ? [{ id: block.id, text: plainOf(block.text) }] : []))
}

function inlineOf(tokens: readonly Token[], placing: Placing): readonly Inline[] {
  return tokens.flatMap((token): readonly Inline[] => {
    const inner = (): readonly Inline[] => inlineOf((token as { tokens?: Token[] }).tokens ?? [], placing)
    switch (token.type) {
      case 'codespan': return [{ kind: 'code', text: (token as Tokens.Codespan).text }]
      case 'strong': return [{ kind: 'strong', parts: inner() }]
      case 'em': return [{ kind: 'em', parts: inner() }]
      case 'link': {
        const { href, text } = token as Tokens.Link
        const place = placeOf(href, placing)
        // Files call each other by their names, which nobody on the site knows them by.
        return [{ kind: 'link', to: place?.to ?? null, parts: place?.name !== undefined && text.endsWith('.md') ? [place.name] : inner() }]
      }
      case 'br': return [{ kind: 'break' }]
      case 'escape': return [(token as Tokens.Escape).text]
      case 'text': return (token as Tokens.Text).tokens ? inner() : [(token as Tokens.Text).text]
      default: return [token.raw]
    }
  })
}

/** Only what is certainly harmless is a link: a part of the page, a page of the manual, a page of the web. */
function placeOf(href: string, placing: Placing): { readonly to: string, readonly name?: string } | null {
  if (/^#[\w-]+$/.test(href) || /^https?:\/\//i.test(href)) return { to: href }
  const [, file, part = ''] = /^([\w./-]+\.md)(#[\w-]+)?$/.exec(href) ?? []
  const page = file === undefined ? null : placing(file)
  return page === null ? null : { to: page.to + part, name: page.name }
}

function plainOf(parts: readonly Inline[]): string {
  return parts.map((part) => {
    if (typeof part === 'string') return part
    return part.kind === 'break' ? ' ' : part.kind === 'code' ? part.text : plainOf(part.parts)
  }).join('')
}

/** As GitHub makes them, so that links between documents hold in both places. */
const anchorOf = (heading: string): string => heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').trim().replace(/\s/g, '-')

function unique(id: string, seen: Map<string, number>): string {
  const times = seen.get(id) ?? 0
  seen.set(id, times + 1)
  return times === 0 ? id : `${id}-${times}`
}
