import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * Cuts connections whose client has vanished without a word while something is on its way to it: a pulled plug, a phone
 * in a tunnel. TCP's probes run only where nothing is, and what is written little by little is taken by the kernel, so no
 * write ever waits; the kernel itself repeats what is not confirmed for a quarter of an hour, which Node has no option to
 * shorten. But Linux says of each connection whether it is repeating.
 */
export interface DeadLinks {
  close(): void
}

export interface DeadLinksGiven {
  /** The sockets of those who wait for something. */
  readonly sockets: () => Iterable<Socket>
  /** A client that confirms nothing for so long is gone. */
  readonly stallMs: number
  readonly now: () => number
  /** Where the kernel tells of connections, IPv4 and IPv6. */
  readonly tables?: readonly string[]
}

/** So often in that time it is looked; a link is found within it, because it is given two looks less. */
const LOOKS = 6
const TABLES: readonly string[] = ['/proc/self/net/tcp', '/proc/self/net/tcp6']
/** A line of those tables with a timer that repeats what was sent (01), and a count of repetitions that is not zero. */
const REPEATS = /^ *\d+: [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]+:[0-9A-F]{4}) [0-9A-F]{2} [0-9A-F]{8}:[0-9A-F]{8} 01:[0-9A-F]{8} (?!0{8})[0-9A-F]{8} /gm

/** Where the tables cannot be read (another system) nothing is found, and what Node can tell has to do. */
export function createDeadLinks({ sockets, stallMs, now, tables = TABLES }: DeadLinksGiven): DeadLinks {
  const everyMs = stallMs / LOOKS
  let since = new Map<Socket, number>()
  let looking = false

  const look = async (): Promise<void> => {
    const suspects = await repeating(tables)
    const seen = new Map<Socket, number>()
    if (suspects.size > 0) {
      const at = now()
      for (const socket of sockets()) {
        if (!suspects.has(placeOf(socket))) continue
        const first = since.get(socket) ?? at
        seen.set(socket, first)
        if (at - first >= stallMs - 2 * everyMs) socket.destroy()
      }
    }
    since = seen
  }
  const timer = setInterval(() => {
    if (looking || nobody(sockets())) return
    looking = true
    void look().finally(() => { looking = false })
  }, everyMs)
  timer.unref()
  return { close: () => clearInterval(timer) }
}

function nobody(sockets: Iterable<Socket>): boolean {
  for (const _ of sockets) return false
  return true
}

/** Who is sent something again, by our port and their address, in the kernel's spelling. */
async function repeating(tables: readonly string[]): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  for (const table of tables) {
    const text = await readFile(table, 'latin1').catch(() => '')
    for (const [, port, peer] of text.matchAll(REPEATS)) found.add(`${port} ${peer}`)
  }
  return found
}

function placeOf({ localPort, remoteAddress, remotePort }: Socket): string {
  if (localPort === undefined || remoteAddress === undefined || remotePort === undefined) return ''
  return `${hex(localPort)} ${kernelAddress(remoteAddress)}:${hex(remotePort)}`
}

const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0')

/** An address as these tables write it: words of four bytes, each as the number that it is on a little-endian machine. */
export function kernelAddress(address: string): string {
  const bytes = ipaddr.parse(address.replace(/%.*$/, '')).toByteArray()
  let text = ''
  for (let at = 0; at < bytes.length; at += 4) {
    for (const byte of bytes.slice(at, at + 4).toReversed()) text += byte.toString(16).toUpperCase().padStart(2, '0')
  }
  return text
}
