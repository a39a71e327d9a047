import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { Departure } from '../core/index.ts'
import { createGuardedFetch } from './index.ts'
import { isPublic } from './guarded.ts'

const BOUNDS = { maxBytes: 100, timeoutMs: 2000, types: /^image\//, field: 'messages[0].content[0].image_url.url' }

test('only public unicast addresses count as public, in whatever way they are written', () => {
  for (const inside of [
    '127.0.0.1', '10.1.2.3', '172.16.0.1', '192.168.1.1', '169.254.169.254', '0.0.0.0', '100.64.0.1', '224.0.0.1',
    '255.255.255.255', '::1', '::', 'fe80::1', 'fc00::1', '::ffff:127.0.0.1', '::ffff:10.0.0.1', '64:ff9b::7f00:1',
    '2002:7f00:1::', '2001::1', 'not an address',
  ]) assert.equal(isPublic(inside), false, inside)
  for (const outside of ['1.1.1.1', '93.184.216.34', '2606:4700::1111']) assert.equal(isPublic(outside), true, outside)
})

test('a tenant cannot make us call an address inside, however it is written', async () => {
  const fetch = createGuardedFetch({ allow: [] })
  for (const url of [
    'http://127.0.0.1/', 'http://localhost/', 'http://[::1]/', 'http://2130706433/', 'http://0x7f.1/', 'http://0177.0.0.1/',
    'http://[::ffff:127.0.0.1]/', 'http://169.254.169.254/latest/meta-data', 'http://127.0.0.1./', 'file:///etc/passwd',
    'http://user:pass@1.1.1.1/', 'ftp://1.1.1.1/', 'http://', 'nonsense',
  ]) {
    await assert.rejects(fetch(url, BOUNDS), (error: Error & { fault?: { field?: string } }) => error.fault?.field === BOUNDS.field, url)
  }
})

test('an allowed host is read within its bounds of size and type, and a redirect inside is refused', async () => {
  const silent = Promise.withResolvers<void>()
  const server = createServer((req, res) => {
    if (req.url === '/big') res.writeHead(200, { 'content-type': 'image/png' }).end(Buffer.alloc(1000))
    else if (req.url === '/html') res.writeHead(200, { 'content-type': 'text/html' }).end('<p>')
    else if (req.url === '/on') res.writeHead(302, { location: '/ok' }).end()
    else if (req.url === '/silent') silent.resolve()
    else if (req.url === '/away') res.writeHead(302, { location: 'http://127.0.0.2:1/' }).end()
    else res.writeHead(200, { 'content-type': 'image/png' }).end('png')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const fetch = createGuardedFetch({ allow: ['127.0.0.1'] })
  try {
    const got = await fetch(`${base}/ok`, BOUNDS)
    assert.equal(got.mime, 'image/png')
    assert.equal(Buffer.from(got.bytes).toString(), 'png')
    await assert.rejects(fetch(`${base}/big`, BOUNDS), /larger than 100 bytes/)
    await assert.rejects(fetch(`${base}/html`, BOUNDS), /of type text\/html/)
    await assert.rejects(fetch(`${base}/away`, BOUNDS), /public address/)
    const asked: string[] = []
    const permits = (host: string): boolean => asked.push(host) < 2
    await assert.rejects(fetch(`${base}/on`, { ...BOUNDS, permits }), /leads to 127\.0\.0\.1, which is not permitted/, 'a host is asked about again behind a redirect')
    assert.equal((await fetch(`${base}/on`, BOUNDS)).url, `${base}/ok`)
    const departure = new Departure()
    const leaving = fetch(`${base}/silent`, { ...BOUNDS, timeoutMs: 60_000, departure })
    await silent.promise
    departure.leave()
    await assert.rejects(leaving, /could not be downloaded/)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
