import { readFileSync } from 'node:fs'

/**
 * Bytes that the kernel may take in on one connection while nobody reads: what it may hold at both ends of it. A test
 * that fills a connection sends more than this; how much a kernel takes was 10 MiB for years and 64 since Linux 6.16.
 */
export function kernelTakes(): number {
  return largestBuffer('tcp_rmem') + largestBuffer('tcp_wmem')
}

/** How far the kernel lets a buffer grow by itself; where it does not say, more than any is known to. */
function largestBuffer(name: string): number {
  try {
    return Number(readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').trim().split(/\s+/)[2])
  } catch {
    return 16 << 20
  }
}
