import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { createDeadLinks, kernelAddress } from './dead-links.ts'

/** As Linux writes them: to 127.0.0.1:38800 one byte was sent four times; to 127.0.0.1:38801 all is confirmed; 38802 reads nothing and says so. */
const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'
const row = (peer: string, timer: string, repeats: string): string =>
  `   2: 0100007F:B5AB ${peer} 01 0000000E:00000000 ${timer}:000000FC ${repeats}     0        0 12 4 0000000000000000 20 4 30 10 -1\n`
const REPEATED = row('0100007F:9790', '01', '00000004')
const CONFIRMED = row('0100007F:9791', '01', '00000000')
const UNREAD = row('0100007F:9792', '04', '00000004')

const folder = mkdtempSync(path.join(tmpdir(), 'signalbox-links-'))
after(() => rmSync(folder, { recursive: true }))

interface Watched {
  readonly cut: readonly number[]
  /** Moves the clock to then, and has the tables looked at a few times. */
  at(ms: number, table: string): Promise<void>
}

async function watching(remotePorts: readonly number[], work: (watched: Watched) => Promise<void>): Promise<void> {
  const table = path.join(folder, 'tcp')
  const cut: number[] = []
  let clock = 0
  let left = 0
  let seen = (): void => {}
  const looked = (times: number) => new Promise<void>((resolve) => {
    left = times
    seen = resolve
  })
  const look = (): void => { if (--left === 0) seen() }
  const sockets = remotePorts.map((remotePort) => ({
    localPort: 0xb5ab, remoteAddress: '127.0.0.1', remotePort, destroy: () => cut.push(remotePort),
  }) as unknown as Socket)
  // Once to see whether anybody waits, and once more where something repeats.
  const links = createDeadLinks({ sockets: () => { look(); return sockets }, stallMs: 60, now: () => clock, tables: [table, path.join(folder, 'none')] })
  try {
    await work({
      cut,
      async at(ms, text) {
        // In one step: it is being read.
        writeFileSync(`${table}.new`, HEAD + text)
        renameSync(`${table}.new`, table)
        clock = ms
        await looked(8)
      },
    })
  } finally {
    links.close()
  }
}

describe('links that die', () => {
  it('are cut when what was sent on them has not been confirmed for the time given, and not before', async () => {
    await watching([38800, 38801, 38802], async ({ at, cut }) => {
      const all = REPEATED + CONFIRMED + UNREAD
      await at(1000, all)
      await at(1039, all)
      assert.deepEqual(cut, [])
      await at(1040, all)
      assert.deepEqual([...new Set(cut)], [38800], 'another one, or none')
    })
  })

  it('are not taken for dead when they get through again meanwhile', async () => {
    await watching([38800], async ({ at, cut }) => {
      await at(1000, REPEATED)
      await at(1039, CONFIRMED)
      await at(1060, REPEATED)
      assert.deepEqual(cut, [])
    })
  })

  it('are known by their addresses as the kernel spells them', () => {
    assert.equal(kernelAddress('127.0.0.1'), '0100007F')
    assert.equal(kernelAddress('::1'), '00000000000000000000000001000000')
    assert.equal(kernelAddress('::ffff:127.0.0.1'), '0000000000000000FFFF00000100007F')
    assert.equal(kernelAddress('fe80::1%eth0'), '000080FE000000000000000001000000')
  })
})
