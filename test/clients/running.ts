/** Programs beside this one, run against a Signalbox in this process, so that nothing here may wait for them blockingly. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Signalbox } from '../stories/signalbox.ts'

export const ROOT = path.resolve(import.meta.dirname, '../..')

export interface Ran { readonly code: number; readonly stdout: string; readonly stderr: string }

/** Runs a program to its end, for a hundred seconds at most. One that is not there is code 127, as a shell has it. */
export function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd: ROOT, env: { ...process.env, ...env }, timeout: 100_000, maxBuffer: 16 << 20 }, (error, stdout, stderr) => {
      const { code } = (error ?? { code: 0 }) as { code?: number | string | null }
      resolve({ code: typeof code === 'number' ? code : code === 'ENOENT' ? 127 : 1, stdout, stderr })
    })
  })
}

/** Whether a program answers at all. */
export const runs = async (program: string, ...args: readonly string[]): Promise<boolean> => (await run(program, args)).code === 0

/** The code of the manual as it stands there, in its order: of one language, with this box in place of the address. */
export function pasted(language: string, box: Signalbox): readonly string[] {
  const manual = readFileSync(path.join(ROOT, 'README.md'), 'utf8')
  return [...manual.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter(([, name]) => name === language)
    .map(([, , code]) => code!.replaceAll('http://127.0.0.1:3000', box.url))
}
