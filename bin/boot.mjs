#!/usr/bin/env node
// The first file that runs, on whatever Node the machine has (18 or newer), before any package is there. It sees to it
// that the packages and a current Node are in node_modules and then gives its place to the program:
//   serve → src/main.ts   test → test/run.ts   rehearse → bench/rehearse/run.ts   anything else → src/cli.ts
// The npm scripts say `exec node bin/boot.mjs`: without it Debian's sh stays between npm and the server, dies of the
// SIGTERM that was meant for the server, and leaves it running on its port with nobody to stop it.
import { spawn } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { BootError, bringPackages, compileCacheFolder, entryFor, exitStatusOf, shouldForward } from './install.mjs'
import { bringSite } from './site.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

try {
  const { file, level, flags, site, args } = entryFor(process.argv.slice(2))
  const node = await bringPackages({ root, level })
  if (site) await bringSite({ root, node })
  run(node, [...flags, path.join(root, file), ...args])
} catch (error) {
  if (!(error instanceof BootError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = error.status
}

/** Gives this process over to `node`, or, where a process cannot be replaced, runs it as a child and mirrors its end. */
function run(node, args) {
  const env = { ...process.env }
  env.NODE_COMPILE_CACHE ??= compileCacheFolder(root)

  // Replacing the process saves the 45 MB that a waiting parent would hold for as long as the server lives, and leaves
  // nobody between it and its signals. Node 20 cannot; but under npm only the very first start is run by the machine's
  // Node, because npm puts node_modules/.bin, and with it the carried one, first in PATH.
  if (process.execve && process.platform !== 'win32') process.execve(node, [node, ...args], env)

  const child = spawn(node, args, { stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (shouldForward(signal, [process.stdin, process.stdout, process.stderr])) child.kill(signal)
    })
  }
  child.on('error', error => {
    process.stderr.write(`${node} could not be started: ${error.message}\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    if (signal) process.removeAllListeners(signal)
    if (signal) process.kill(process.pid, signal)
    process.exitCode = exitStatusOf(code, signal)
  })
}
