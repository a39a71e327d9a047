import assert from 'node:assert/strict'
import { test } from 'node:test'
import { welcome } from '../../src/welcome.ts'
import { pasted, run, runs } from './running.ts'
import { startWorld } from './world.ts'

/** The first minute: what the manual and the first start tell people to paste. */

const { box } = await startWorld()
const env = { SIGNALBOX_API_KEY: box.key }
const curl = await runs('sh', '-c', 'curl --version')
const noCurl = curl ? {} : { skip: 'there is no curl, or no shell, here' }

test('The curl line of the manual answers as it is pasted', noCurl, async () => {
  const line = pasted('bash', box).find((code) => code.startsWith('curl '))
  assert.ok(line, 'the manual has no curl line')
  await assertAnswers(line, env)
})

test('The curl line that the very first start prints, with the new key in it, answers as it is pasted', noCurl, async () => {
  const printed = welcome({ app: box.app, version: 'test', firstKey: box.key })
  const line = printed.slice(printed.indexOf('  curl '))
  assert.ok(line.includes(box.key))
  await assertAnswers(line, {})
})

test('The curl line that a later start prints takes the key from the environment', noCurl, async () => {
  const printed = welcome({ app: box.app, version: 'test', firstKey: null })
  assert.ok(!printed.includes(box.key))
  await assertAnswers(printed.slice(printed.indexOf('  curl ')), env)
})

test('The first TypeScript of the manual runs as it is pasted, and streams', async () => {
  const [code] = pasted('ts', box)
  const { code: exit, stdout, stderr } = await run(process.execPath, ['--input-type=module-typescript', '-e', code!], env)
  assert.equal(exit, 0, stderr)
  assert.match(stdout, /Say hello\./)
})

test("The manual's OpenRouter clients are made as they are pasted", async () => {
  const clients = pasted('ts', box).filter((code) => /new OpenRouter|createOpenRouter\(/.test(code))
  assert.equal(clients.length, 2)
  for (const code of clients) {
    const use = code.includes('createOpenRouter')
      ? "import { generateText } from 'ai'\nconst { text } = await generateText({ model: openrouter('openai/gpt-4o-mini'), prompt: 'Say hello.' })\nprocess.stdout.write(text)"
      : "const reply = await client.chat.send({ chatRequest: { model: 'openai/gpt-4o-mini', messages: [{ role: 'user', content: 'Say hello.' }] } })\n"
        + 'process.stdout.write(reply.choices[0].message.content)'
    const { code: exit, stdout, stderr } = await run(process.execPath, ['--input-type=module-typescript', '-e', `${code}\n${use}`], env)
    assert.equal(exit, 0, stderr)
    assert.match(stdout, /Say hello\./)
  }
})

async function assertAnswers(line: string, given: Readonly<Record<string, string>>): Promise<void> {
  const { code, stdout, stderr } = await run('sh', ['-c', line], given)
  assert.equal(code, 0, stderr)
  const reply = JSON.parse(stdout) as { choices?: { message: { content: string } }[] }
  assert.equal(reply.choices?.[0]?.message.content, 'Say hello.', stdout)
}
