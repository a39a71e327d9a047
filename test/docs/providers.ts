/** The table of docs/providers.md, worked out from the catalogue and the registry: run this file to print it. */
import { readFileSync } from 'node:fs'
import { DIALECTS } from '../../src/dialects/index.ts'

interface Row {
  readonly slug: string
  readonly name: string
  readonly kind: string
  readonly base_url: string | null
  readonly protocols: readonly { readonly protocol: string; readonly base_url: string | null }[]
  readonly auth: { readonly scheme: string; readonly header?: string; readonly prefix?: string; readonly alternative?: string }
  readonly env: readonly string[]
  readonly endpoints: number
}

export const ROWS = (JSON.parse(readFileSync(new URL('../../src/catalog/data/providers.json', import.meta.url), 'utf8')) as { providers: readonly Row[] }).providers

const SIGN_INS: Readonly<Record<string, string>> = {
  'aws-sigv4': 'AWS signature, or a bearer key', 'google-oauth2': 'Google service account', 'ibm-iam-token': "token for IBM Cloud's key",
  'oauth2-client-credentials': 'client credentials', none: 'none',
}

const speaks = (protocol: string): boolean => {
  const { outbound, embed, rerank } = DIALECTS.get(protocol) ?? {}
  return (outbound ?? embed?.outbound ?? rerank?.outbound) !== undefined
}

/** Formats that a provider's models need beside the first one: clouds sell different models by different protocols. */
export function dialectsOf({ kind, protocols }: Row): readonly string[] {
  const spoken = protocols.map(({ protocol }) => protocol).filter((protocol) => speaks(protocol))
  const names = spoken.map((name) => (name === 'anthropic-messages' && kind === 'cloud' && spoken[0] === 'google-generate-content' ? 'anthropic-messages/vertex-raw-predict' : name))
  return kind === 'cloud' ? names : names.slice(0, 1)
}

function signInOf({ auth }: Row): string {
  const shown = SIGN_INS[auth.scheme] ?? (auth.scheme === 'bearer' ? 'bearer key' : `key in \`${auth.header}\``)
  return auth.alternative === 'entra-bearer' ? `${shown}, or Entra ID` : shown
}

/** One line for each provider of the catalogue, in the order of their slugs. */
export function table(): string {
  const lines = ROWS.toSorted((a, b) => (a.slug < b.slug ? -1 : 1)).map((row) => [
    row.name.replaceAll('|', '/'), `\`${row.slug}\``, dialectsOf(row).map((name) => `\`${name}\``).join(', ') || '–', signInOf(row),
    row.env.map((name) => `\`${name}\``).join(', ') || '–', String(row.endpoints || '–'),
  ])
  return ['| provider | slug | wire format | sign-in | variables | endpoints |', '|---|---|---|---|---|---|', ...lines.map((cells) => `| ${cells.join(' | ')} |`)].join('\n')
}

if (import.meta.main) process.stdout.write(`${table()}\n`)
