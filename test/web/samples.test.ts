/** Every sample of a model's page is run as it stands, and a caller who pastes it gets an answer. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { KEY_NAME, LANGUAGES, sampleIn, WISHES, type Language, type Wish } from '../../web/data/samples.ts'
import { providerAt, startSignalbox, startUpstream } from '../stories/signalbox.ts'

const run = promisify(execFile)
const ROOT = path.dirname(path.dirname(import.meta.dirname))
const folder = mkdtempSync(path.join(tmpdir(), 'samples-'))
// So that a sample finds the clients that it imports.
symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'), 'junction')
after(() => rmSync(folder, { recursive: true, force: true }))

const upstream = await startUpstream()
upstream.always({ text: 'Because of the air.' })
const box = await startSignalbox({
  config: providerAt('acme', `${upstream.url}/v1`, {
    row: {
      input_modalities: ['text', 'image'], reasoning: { supported: true, efforts: ['low', 'high'] },
      features: { tools: true, structured_outputs: true, temperature: true, vision: true, open_weights: false },
    },
  }),
})

const runs = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0
const RUNNERS: Readonly<Record<Language, { readonly file: string; readonly command: string; readonly missing: string | false }>> = {
  'openai-python': { file: 'sample.py', command: 'python3', missing: !runs('python3', '-c', 'import openai') && 'no Python with openai on this machine' },
  python: { file: 'sample.py', command: 'python3', missing: !runs('python3', '-c', 'import requests') && 'no Python with requests on this machine' },
  typescript: { file: 'sample.mts', command: process.execPath, missing: false },
  curl: { file: 'sample.sh', command: 'sh', missing: !runs('curl', '--version') && 'no curl on this machine' },
  'openrouter-sdk': { file: 'sample.mts', command: process.execPath, missing: false },
}

const CHOICES: readonly (readonly Wish[])[] = [[], ['stream'], ['image'], ['reasoning'], ['tools'], [...WISHES]]

for (const [language, name] of LANGUAGES) {
  const { file, command, missing } = RUNNERS[language]
  test(`the samples for ${name} run as they stand`, { skip: missing }, async () => {
    for (const wishes of CHOICES) {
      const text = sampleIn(language, { model: 'acme/one', origin: box.url, wishes: new Set(wishes) })
      const at = path.join(folder, `${language}-${wishes.join('-')}-${file}`)
      writeFileSync(at, text)
      const before = upstream.requests.length
      const { stdout } = await run(command, [at], { env: { PATH: process.env['PATH'], [KEY_NAME]: box.key }, timeout: 30_000 })
        .catch((error: Error & { stderr?: string }) => { throw new Error(`${text}\n${error.stderr ?? error.message}`, { cause: error }) })
      // A sample with tools prints the calls, of which this answer has none.
      if (!wishes.includes('tools') || wishes.includes('stream') || language === 'curl') assert.match(stdout, /Because.* of/s, `${wishes.join(', ')}\n${text}`)
      const asked = upstream.requests.slice(before).at(-1)!.body as Record<string, unknown>
      assert.equal(asked['stream'] === true, wishes.includes('stream'), text)
      assert.equal(Array.isArray(asked['tools']), wishes.includes('tools'), text)
      assert.equal(JSON.stringify(asked['messages']).includes('image_url'), wishes.includes('image'), text)
      assert.equal(JSON.stringify(asked).includes('"high"'), wishes.includes('reasoning'), text)
    }
  })
}

for (const language of ['typescript', 'python', 'curl'] as const) {
  const { file, command, missing } = RUNNERS[language]
  test(`the sample with the medians for ${language} sends them`, { skip: missing }, async () => {
    const at = path.join(folder, `medians-${language}-${file}`)
    writeFileSync(at, sampleIn(language, { model: 'acme/one', origin: box.url, wishes: new Set(), settings: { temperature: 0.7, top_p: 0.95 } }))
    const { stdout } = await run(command, [at], { env: { PATH: process.env['PATH'], [KEY_NAME]: box.key }, timeout: 120_000 })
    assert.match(stdout, /Because of the air/)
    const sent = upstream.requests.at(-1)!.body as Record<string, unknown>
    assert.deepEqual([sent['temperature'], sent['top_p']], [0.7, 0.95])
  })
}
