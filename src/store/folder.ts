import { closeSync, constants, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import path from 'node:path'

/** Makes the data folder (0700) unless it is there. One that is there keeps its mode: the operator chose it. */
export function openFolder(home: string): void {
  mkdirSync(home, { recursive: true, mode: 0o700 })
}

/** Makes an empty file that only its owner may read (0600), unless it is there. SQLite gives its WAL the same mode. */
export function touchPrivateFile(file: string): void {
  closeSync(openSync(file, constants.O_CREAT | constants.O_RDWR, 0o600))
}

/** What a JSON file of the data folder holds, to be checked by the caller. Throws a SyntaxError when it is not JSON. */
export function readPrivateJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'))
}

/** Writes a file (0600) at once: a reader sees the old text or the new one, whenever the power fails. */
export function replacePrivateFile(file: string, text: string): void {
  const draft = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}.draft`)
  const handle = openSync(draft, constants.O_CREAT | constants.O_WRONLY | constants.O_TRUNC, 0o600)
  try {
    writeSync(handle, text)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  renameSync(draft, file)
}
