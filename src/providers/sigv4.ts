import { createHash, createHmac } from 'node:crypto'

/** Keys of AWS: lasting ones, or temporary ones with their session token. */
export interface AwsKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export interface Signable {
  readonly method: string
  /** As it goes on the wire, with what is percent-encoded in its path. */
  readonly url: string
  readonly body: string | Uint8Array
}

const ALGORITHM = 'AWS4-HMAC-SHA256'
const CONTENT_TYPE = 'application/json'

/**
 * Signs requests with Signature Version 4, for services other than S3: the path, already encoded, is encoded once
 * more in what is signed. The body has to be sent as the bytes that were signed, with the content type of JSON.
 * The key derived from the secret is kept for the day that it holds.
 */
export function createSigner(keys: AwsKeys, service: string): (request: Signable, region: string, now: number) => readonly string[] {
  let derived: { readonly scope: string; readonly key: Buffer } | null = null
  const keyFor = (day: string, region: string): Buffer => {
    const scope = `${day}/${region}`
    if (derived?.scope !== scope) {
      const key = [day, region, service, 'aws4_request'].reduce<string | Buffer>((at, step) => hmac(at, step), `AWS4${keys.secretAccessKey}`) as Buffer
      derived = { scope, key }
    }
    return derived.key
  }

  return (request, region, now) => {
    const url = new URL(request.url)
    const time = new Date(now).toISOString().replace(/[-:]|\.\d{3}/g, '')
    const day = time.slice(0, 8)
    const signed: [string, string][] = [['content-type', CONTENT_TYPE], ['host', url.host], ['x-amz-date', time]]
    if (keys.sessionToken !== undefined) signed.push(['x-amz-security-token', keys.sessionToken])
    const names = signed.map(([name]) => name).join(';')
    const canonical = [
      request.method, canonicalPath(url.pathname), canonicalQuery(url),
      ...signed.map(([name, value]) => `${name}:${value.trim()}`), '', names, sha256(request.body),
    ].join('\n')
    const scope = `${day}/${region}/${service}/aws4_request`
    const signature = hmac(keyFor(day, region), [ALGORITHM, time, scope, sha256(canonical)].join('\n')).toString('hex')
    return [
      'x-amz-date', time,
      ...(keys.sessionToken === undefined ? [] : ['x-amz-security-token', keys.sessionToken]),
      'authorization', `${ALGORITHM} Credential=${keys.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
    ]
  }
}

const canonicalPath = (path: string): string => path.split('/').map(encoded).join('/')

function canonicalQuery(url: URL): string {
  return [...url.searchParams].map(([name, value]) => `${encoded(name)}=${encoded(value)}`).toSorted().join('&')
}

/** RFC 3986, which leaves nothing but letters, digits and `-._~`. */
const encoded = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)

const sha256 = (of: string | Uint8Array): string => createHash('sha256').update(of).digest('hex')
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()

/** The region that an address of AWS names; a setting is for addresses that name none. */
export function regionOf(url: string): string | undefined {
  return /^https?:\/\/[^/]*?\.([a-z]{2}(?:-[a-z]+)+-\d)\./.exec(url)?.[1]
}
