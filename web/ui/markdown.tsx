import { Fragment, type ReactNode } from 'react'
import { Link } from 'react-router'
import type { Block, Inline } from '../data/markdown.server.ts'
import { Code } from './code.tsx'
import { Scroll } from './section.tsx'

/** The manual's Markdown as elements. What it holds is text wherever it stands: there is no HTML in it that counts. */
export function Markdown({ blocks }: { readonly blocks: readonly Block[] }) {
  return <div className="manual">{blocks.map((block, i) => <Fragment key={i}>{elementOf(block)}</Fragment>)}</div>
}

function elementOf(block: Block): ReactNode {
  switch (block.kind) {
    case 'heading': {
      const Tag = `h${block.depth}` as 'h2' | 'h3' | 'h4'
      return <Tag id={block.id}><a href={`#${block.id}`} className="anchor">{inlines(block.text)}</a></Tag>
    }
    case 'paragraph': return <p>{inlines(block.text)}</p>
    case 'code': return <Code label={block.label} text={block.text} />
    case 'quote': return <blockquote><Markdown blocks={block.blocks} /></blockquote>
    case 'list': {
      const items = block.items.map((item, i) => <li key={i}>{item.map((each, at) => <Fragment key={at}>{each.kind === 'paragraph' ? inlines(each.text) : elementOf(each)}</Fragment>)}</li>)
      return block.ordered ? <ol start={block.start}>{items}</ol> : <ul>{items}</ul>
    }
    case 'table': return (
      <Scroll label={block.label}>
        <table className="grid-lines">
          <thead><tr>{block.head.map((cell, i) => <th key={i} scope="col">{inlines(cell)}</th>)}</tr></thead>
          <tbody>{block.rows.map((row, i) => <tr key={i}>{row.map((cell, at) => <td key={at}>{inlines(cell)}</td>)}</tr>)}</tbody>
        </table>
      </Scroll>
    )
    case 'rule': return <hr />
  }
}

function inlines(parts: readonly Inline[]): ReactNode {
  return parts.map((part, i) => {
    if (typeof part === 'string') return part
    switch (part.kind) {
      case 'code': return <code key={i}>{part.text}</code>
      case 'strong': return <strong key={i}>{inlines(part.parts)}</strong>
      case 'em': return <em key={i}>{inlines(part.parts)}</em>
      case 'break': return <br key={i} />
      case 'link':
        if (part.to === null) return <Fragment key={i}>{inlines(part.parts)}</Fragment>
        return part.to.startsWith('/')
          ? <Link key={i} to={part.to} className="prose-link">{inlines(part.parts)}</Link>
          : <a key={i} href={part.to} rel={part.to.startsWith('#') ? undefined : 'noopener nofollow'} className="prose-link">{inlines(part.parts)}</a>
    }
  })
}
