import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'

/** A certificate and its key, as PEM. */
export interface Certified {
  readonly cert: string
  readonly key: string
}

export interface CertificateOf {
  /** Host names and addresses. */
  readonly names: readonly string[]
  readonly from?: Date
  readonly until?: Date
}

/** An authority that nobody knows until its `cert` is trusted. */
export interface Authority {
  readonly cert: string
  issue(of: CertificateOf): Certified
}

const DAY_MS = 86_400_000

/**
 * Makes an authority and, from it, certificates of any name and time, good and bad: a file of them would expire, and
 * the program that makes them is not on every machine. X.509 version 3 (RFC 5280) in DER, signed with ECDSA on P-256.
 */
export function createAuthority(): Authority {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = `Test authority ${randomBytes(4).toString('hex')}`
  const own = certificate({
    subject: name, issuer: name, publicKey: keys.publicKey, signer: keys.privateKey,
    from: new Date(Date.now() - DAY_MS), until: new Date(Date.now() + DAY_MS),
    extensions: [extension('551d13', sequence(Buffer.from([0x01, 0x01, 0xff])), true)],
  })
  return {
    cert: own,
    issue({ names, from = new Date(Date.now() - DAY_MS), until = new Date(Date.now() + DAY_MS) }) {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      return {
        cert: certificate({
          subject: names[0] ?? '', issuer: name, publicKey, signer: keys.privateKey, from, until,
          extensions: [extension('551d11', sequence(...names.map(alternativeName)))],
        }),
        key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      }
    },
  }
}

/** A certificate that vouches for itself. */
export function selfSigned(names: readonly string[]): Certified {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const subject = names[0] ?? ''
  return {
    cert: certificate({
      subject, issuer: subject, publicKey, signer: privateKey,
      from: new Date(Date.now() - DAY_MS), until: new Date(Date.now() + DAY_MS),
      extensions: [extension('551d11', sequence(...names.map(alternativeName)))],
    }),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}

function certificate(of: {
  subject: string; issuer: string; publicKey: KeyObject; signer: KeyObject; from: Date; until: Date; extensions: readonly Buffer[]
}): string {
  const algorithm = sequence(oid('2a8648ce3d040302'))
  const told = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([0x01]), randomBytes(8)])),
    algorithm,
    nameOf(of.issuer),
    sequence(time(of.from), time(of.until)),
    nameOf(of.subject),
    of.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...of.extensions)),
  )
  const bytes = sequence(told, algorithm, der(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', told, of.signer)])))
  return `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()}\n-----END CERTIFICATE-----\n`
}

/** One value: its tag, its length, its bytes. */
function der(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

const sequence = (...parts: readonly Buffer[]): Buffer => der(0x30, Buffer.concat(parts))
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'))
/** GeneralizedTime: `20260102030405Z`. */
const time = (at: Date): Buffer => der(0x18, Buffer.from(`${at.toISOString().replace(/\..*|[-:T]/g, '')}Z`))
const nameOf = (common: string): Buffer => sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(common)))))
const extension = (id: string, value: Buffer, critical = false): Buffer =>
  sequence(oid(id), ...critical ? [Buffer.from([0x01, 0x01, 0xff])] : [], der(0x04, value))
const alternativeName = (name: string): Buffer =>
  isIP(name) === 4 ? der(0x87, Buffer.from(name.split('.').map(Number))) : der(0x82, Buffer.from(name))
