import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, test } from 'node:test'
import { pasted, run, runs } from './running.ts'
import { PNG_URL, ROADS, startWorld } from './world.ts'

/** OpenAI's client for Python, on machines that have it. It is never installed: a test brings nothing into your Python. */

const present = await runs('python3', '-c', 'import openai, pydantic')

if (!present) {
  test("OpenAI's client for Python", { skip: 'python3 has no package openai here: `pip install openai` and this runs too' }, () => {})
} else {
  const { upstream, box } = await startWorld()
  const env = { SIGNALBOX_URL: box.url, SIGNALBOX_API_KEY: box.key, PICTURE: PNG_URL, MODELS: JSON.stringify(ROADS.map((road) => road.bare)) }
  const { code, stdout, stderr } = await run('python3', [path.join(import.meta.dirname, 'python_client.py')], env)
  const [head, ...results] = stdout.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, string | null>)

  describe(`OpenAI's client for Python ${head?.['version']}`, () => {
    test('The script ran to its end', () => {
      assert.equal(code, 0, stderr)
      assert.equal(results.length, ROADS.length * 5 + 3)
    })
    for (const { name, error } of results) test(name!, () => assert.equal(error, null, error!))

    test('Who left in the middle of a stream stopped the provider', async () => {
      await upstream.waitFor((request) => request.stream === true && request.raw.includes('paceMs') && request.state === 'aborted')
    })

    test('The Python of the manual answers as it is pasted', async () => {
      const [code] = pasted('python', box)
      const ran = await run('python3', ['-c', code!], env)
      assert.equal(ran.code, 0, ran.stderr)
      assert.match(ran.stdout, /Say hello\./)
    })

    test('Nothing in all of this was an error of ours', () => assert.deepEqual(box.complaints, []))
  })
}
