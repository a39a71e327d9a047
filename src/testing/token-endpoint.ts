import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A grant as it was asked for: where, with which form, and who asked (the header as it came). */
export interface Grant { path: string; form: Record<string, string>; authorization: string | undefined }

export interface TokenEndpoint {
  readonly url: string
  readonly grants: readonly Grant[]
  /** The tokens that were given out, the newest last. */
  readonly tokens: readonly string[]
  /** How long tokens live from now on, in seconds. */
  lives(seconds: number): void
  /** Refuses the next ones with this status and code. */
  refuses(status: number, error: string): void
  close(): Promise<void>
}

/** The sign-in of a cloud: gives a token for any form at any path, a new one each time, and remembers what it was sent. */
export async function createTokenEndpoint(): Promise<TokenEndpoint> {
  const grants: Grant[] = []
  const tokens: string[] = []
  let seconds = 3600
  let refusal: { status: number; error: string } | null = null
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => { chunks.push(chunk) })
    request.on('end', () => {
      const form = Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString()))
      grants.push({ path: request.url!, form, authorization: request.headers.authorization })
      const { status, body } = refusal
        ? { status: refusal.status, body: { error: refusal.error, error_description: `refused: ${JSON.stringify(form)}` } }
        : { status: 200, body: { access_token: `token-of-fake-${tokens.length + 1}`, expires_in: seconds, token_type: 'Bearer' } }
      if (!refusal) tokens.push(`token-of-fake-${tokens.length + 1}`)
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    })
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    grants,
    tokens,
    lives: (of) => { seconds = of },
    refuses: (status, error) => { refusal = { status, error } },
    close: () => new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    }),
  }
}
