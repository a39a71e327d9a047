import { Fragment } from 'react'
import { CopyButton } from './copy.tsx'

/** Strings, comments and the words that a reader looks for; the rest of a sample is plain. */
const PARTS = /("(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)|((?:^|(?<=\s))#.*$)|\b(import|from|const|let|await|for|if|of|in|async|throw|new|print|curl)\b/gm

/** A block of code with a button that copies it. Coloured as it is rendered: the text is never read as HTML. */
export function Code({ text, label }: { readonly text: string; readonly label: string }) {
  return (
    <div className="relative border border-line bg-sheet rounded-[3px]">
      <div className="absolute right-1.5 top-1.5 bg-sheet"><CopyButton text={text} what={label} /></div>
      <pre className="code overflow-x-auto p-4 pr-12" tabIndex={0} role="region" aria-label={label}><code>{coloured(text)}</code></pre>
    </div>
  )
}

function coloured(text: string) {
  const parts = []
  let last = 0
  for (const match of text.matchAll(PARTS)) {
    parts.push(text.slice(last, match.index))
    const kind = match[1] !== undefined ? 's' : match[2] !== undefined ? 'c' : 'k'
    parts.push(<span className={kind}>{match[0]}</span>)
    last = match.index + match[0].length
  }
  parts.push(text.slice(last))
  return parts.map((part, i) => <Fragment key={i}>{part}</Fragment>)
}
