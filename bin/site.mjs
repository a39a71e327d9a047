// Builds the pages of `web/` where they are missing or older than their sources. Plain JavaScript like the rest of
// bin/: it runs before the server does, in a process that is then given to it.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { progressLine, withInstallLock } from './install.mjs'

/** Of this build and the one before it the files stay: a server that is still running serves them. */
const KEPT_BUILDS = 2

const buildFolder = root => path.join(root, 'web', 'build')

/** What the build is made from, as a name: the sources of the site, and the packages by their lock file. A few milliseconds. */
export function siteFingerprint(root) {
  const hash = createHash('sha256')
  const web = path.join(root, 'web')
  const walk = folder => {
    const entries = fs.readdirSync(folder, { withFileTypes: true })
    entries.sort((a, b) => (a.name < b.name ? -1 : 1)) // oxlint-disable-line unicorn/no-array-sort -- Node 18 has no toSorted
    for (const entry of entries) {
      const at = path.join(folder, entry.name)
      if (entry.isDirectory()) {
        if (folder !== web || (entry.name !== 'build' && entry.name !== '.react-router')) walk(at)
      } else {
        hash.update(`${path.relative(root, at)}\0`).update(fs.readFileSync(at)).update('\0')
      }
    }
  }
  walk(web)
  hash.update(fs.readFileSync(path.join(root, 'package-lock.json')))
  return hash.digest('hex').slice(0, 16)
}

/** Whether the build that stands as the current one was made from what is there now. */
export function siteIsFresh(root, fingerprint = siteFingerprint(root)) {
  try {
    return fs.readFileSync(path.join(buildFolder(root), 'current'), 'utf8').trim() === fingerprint
      && fs.existsSync(path.join(buildFolder(root), fingerprint, 'server', 'index.js'))
  } catch {
    return false
  }
}

/**
 * Sees to it that the site is built. A build that fails is told and nothing more: the API does not need the site, and
 * an old build, where there is one, still stands.
 * @param {{ root: string, node: string, out?: { isTTY?: boolean, write(text: string): unknown }, build?: typeof runBuild }} order
 */
export async function bringSite({ root, node, out = process.stderr, build = runBuild }) {
  const fingerprint = siteFingerprint(root)
  if (siteIsFresh(root, fingerprint)) return true
  try {
    return await withInstallLock(root, out, async () => {
      if (siteIsFresh(root, fingerprint)) return true // Somebody else built it while we waited.
      const first = !fs.existsSync(path.join(buildFolder(root), 'current'))
      const line = progressLine(out, first ? 'Building the site (first start only)' : 'Building the site (it has changed)')
      const said = await build({ root, node, to: path.join(buildFolder(root), fingerprint) })
      if (said !== null) {
        line.end('failed')
        out.write(`The site could not be built; the API is served without it. The build said:\n\n${said}\n`)
        return false
      }
      const sign = path.join(buildFolder(root), `current.${process.pid}`)
      fs.writeFileSync(sign, fingerprint)
      fs.renameSync(sign, path.join(buildFolder(root), 'current'))
      forget(root, fingerprint)
      line.end('done')
      return true
    })
  } catch (error) {
    out.write(`The site could not be built; the API is served without it. ${error.message}\n`)
    return false
  }
}

/** Runs the build out of sight, in a process of its own whose memory goes with it. Returns its words if it failed, else null. */
export async function runBuild({ root, node, to }) {
  const bin = path.join(root, 'node_modules', '@react-router', 'dev', 'bin.cjs')
  const child = spawn(node, [bin, 'build', path.join(root, 'web')], {
    cwd: root, stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_ENV: 'production', SIGNALBOX_SITE_BUILD: to, NODE_OPTIONS: '' },
  })
  const said = []
  child.stdout.on('data', chunk => said.push(chunk))
  child.stderr.on('data', chunk => said.push(chunk))
  const status = await new Promise(resolve => {
    child.on('error', error => resolve(error.message))
    child.on('close', code => resolve(code))
  })
  if (status === 0) return null
  fs.rmSync(to, { recursive: true, force: true })
  return `${Buffer.concat(said).toString('utf8').trimEnd()}\n(status ${status})`
}

function forget(root, current) {
  const builds = fs.readdirSync(buildFolder(root), { withFileTypes: true })
    .filter(entry => entry.isDirectory() && entry.name !== current)
    .map(({ name }) => ({ name, made: fs.statSync(path.join(buildFolder(root), name)).mtimeMs }))
  builds.sort((a, b) => b.made - a.made) // oxlint-disable-line unicorn/no-array-sort -- Node 18 has no toSorted
  for (const { name } of builds.slice(KEPT_BUILDS - 1)) fs.rmSync(path.join(buildFolder(root), name), { recursive: true, force: true })
}
