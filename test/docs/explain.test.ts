/** The example of the manual of explanations, as it stands there, against a server. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { ConfigFile } from '../../src/config/index.ts'
import { startSignalbox } from '../stories/signalbox.ts'

const manual = readFileSync(new URL('../../docs/explain.md', import.meta.url), 'utf8')

function block(name: string): unknown {
  const found = new RegExp(`^\`\`\`json ${name}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(manual)
  assert.ok(found, `the manual has no block "${name}"`)
  return JSON.parse(found[1]!)
}

test('the request of the manual, with the providers of the manual, is explained as the manual says', async () => {
  const box = await startSignalbox({ config: block('config') as ConfigFile })
  const response = await box.send('POST', '/api/v1/route/explain', { body: block('request') })
  assert.equal(response.status, 200)
  assert.deepEqual(await response.json(), block('answer'))
})
