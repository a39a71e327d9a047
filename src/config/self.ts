import { networkInterfaces } from 'node:os'
import { ConfigError } from '../catalog/index.ts'

/** Whether a host name or address reaches only this machine. */
export function isLoopback(host: string): boolean {
  const bare = bareHost(host)
  return bare === 'localhost' || bare.endsWith('.localhost') || bare === '::1' || /^127(\.\d+){3}$/.test(bare)
    || /^::ffff:127(\.\d+){3}$/.test(bare)
}

/** Throws a ConfigError when an upstream address is our own: each call would call itself until something breaks. */
export function refuseOwnAddress(where: string, address: string, own: { host: string; ports: readonly number[] }): void {
  const url = URL.parse(address)
  if (!url) throw new ConfigError(`${where} must be an address such as https://api.example.com/v1`)
  if (url.username || url.password) throw new ConfigError(`${where} must not hold a user name or a password: use api_key or headers`)
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  if (own.ports.includes(port) && isOurs(bareHost(url.hostname), bareHost(own.host))) {
    throw new ConfigError(`${where} is the address that this server listens on (port ${port}): it would call itself`)
  }
}

function isOurs(host: string, own: string): boolean {
  if (host === own || isWildcard(host)) return true
  const everywhere = isWildcard(own)
  if (isLoopback(host)) return everywhere || isLoopback(own)
  return everywhere && Object.values(networkInterfaces()).flat().some((face) => face?.address === host)
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

function bareHost(host: string): string {
  return host.toLowerCase().replace(/^\[|\]$/g, '')
}
