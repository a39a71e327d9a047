import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import type { ConfigFile } from '../../src/config/index.ts'
import { askerOf, near } from './asking.ts'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'
import { readStream } from './stream.ts'

/** Models that the one that answers has asked: for advice, or to do a task. What they are told, what the caller sees of them, and who pays. */

// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>

const upstream = await startUpstream()
const at = (name: string, model: string, given: Parameters<typeof providerAt>[2] = {}) => providerAt(name, `${upstream.url}/${name}/v1`, { model, prompt: 10, completion: 20, ...given })
const config: ConfigFile = {
  ...together(
    at('boss', 'acme/boss'), at('sage', 'acme/sage', { prompt: 100, completion: 200, row: { reasoning: { supported: true, efforts: ['low', 'high'] } } }), at('clerk', 'acme/clerk', { prompt: 1, completion: 1 }),
    at('frail', 'acme/pair', { prompt: 1, completion: 1 }), at('sound', 'acme/pair', { prompt: 1, completion: 1 }),
  ),
  server_tools: { max_steps: 6 },
}
const box = await startSignalbox({ config })
const TOLD = { 'x-openrouter-metadata': 'enabled' }
const ADVISOR = { type: 'openrouter:advisor', parameters: { model: 'acme/sage' } }
const SUBAGENT = { type: 'openrouter:subagent', parameters: { model: 'acme/clerk' } }
const TIME = { type: 'openrouter:datetime' }
const USED = { input: 100, output: 10 }
const STEP = (100 * 10 + 10 * 20) / 1e6
const SAGE = (100 * 100 + 10 * 200) / 1e6
const CLERK = 110 / 1e6

const calls = (name: string, args: unknown, more: Loose = {}): Loose => ({ calls: [{ name, arguments: JSON.stringify(args) }], ...more })
const asksSage = (prompt = 'Which way?'): Loose => calls('openrouter_advisor', { prompt })
/** What each provider says, one after the other. */
const answers = (of: Readonly<Record<string, readonly Loose[]>>): void => {
  upstream.forget()
  for (const [provider, orders] of Object.entries(of)) for (const order of orders) upstream.next({ usage: USED, ...order }, { path: `/${provider}/` })
}
const ADVISED = { boss: [asksSage(), { text: 'So left.' }], sage: [{ text: 'Go left.' }] }
const asked = (): string[] => upstream.requests.map(({ path }) => path.split('/')[1]!)
const sent = (n: number): Loose => upstream.requests[n]!.body as Loose
/** The conversation that somebody was asked with, in short. */
const heard = (n: number): string[] => (sent(n)['messages'] as Loose[]).map(({ role, content }) => `${String(role)}: ${typeof content === 'string' ? content : JSON.stringify(content)}`)
const results = (n: number): Loose[] => (sent(n)['messages'] as Loose[]).filter(({ role }) => role === 'tool').map(({ content }) => JSON.parse(String(content)) as Loose)
const { events, post } = askerOf(box)

describe('A model that asks an advisor', () => {
  test('is told its advice, and writes the answer itself', async () => {
    answers(ADVISED)
    const reply = await box.whole(saying('acme/boss', 'Where to?', { tools: [ADVISOR] }))
    assert.deepEqual(asked(), ['boss', 'sage', 'boss'])
    assert.deepEqual(sent(0)['tools'].map((tool: Loose) => [tool['function'].name, Object.keys(tool['function'].parameters.properties as object)]), [['openrouter_advisor', ['prompt']]])
    assert.deepEqual(heard(1), ['user: Which way?'])
    assert.deepEqual(results(2), [{ status: 'ok', model: 'acme/sage', advice: 'Go left.' }])
    const { message, finish_reason: finish } = reply.choices[0]!
    assert.deepEqual([message.content, finish, reply.model], ['So left.', 'stop', 'acme/boss'])
  })

  test('pays for it as well: in usage, in the metadata and on one record, where each attempt has what it took', async () => {
    answers(ADVISED)
    const { usage, id, openrouter_metadata: told } = await box.whole(saying('acme/boss', 'Where to?', { tools: [ADVISOR] }), TOLD)
    near(usage.cost, 2 * STEP + SAGE)
    near(usage['cost_details'].server_tool_cost, SAGE)
    assert.deepEqual([usage.prompt_tokens, usage['server_tool_use_details']], [200, { tool_calls_requested: 1, tool_calls_executed: 1 }])
    assert.deepEqual(told.attempts.map((it: Loose) => [it['model'], it['step'], it['within']]), [['acme/boss', 1, undefined], ['acme/sage', 1, 'openrouter:advisor'], ['acme/boss', 2, undefined]])
    const note = told.pipeline.find((it: Loose) => it['type'] === 'server_tools')
    assert.equal(note.summary, 'openrouter:advisor 1')
    near(note.cost_usd, SAGE)
    const record = await box.generation(id)
    near(record['total_cost'] as number, 2 * STEP + SAGE)
    const tried = record['provider_responses'] as Loose[]
    assert.deepEqual(tried.map((it) => [it['provider_name'], it['step'], it['within'], it['tokens_prompt']]), [['boss', 1, undefined, 100], ['sage', 1, 'openrouter:advisor', 100], ['boss', 2, undefined, 100]])
    near(tried[1]!['cost'] as number, SAGE)
    await box.app.gateway.idle()
    assert.equal(box.app.admission.figures().running, 0, 'its place is free')
  })

  test('has it counted where its caller says how much an answer may cost', async () => {
    answers({ boss: [asksSage(), { text: 'So left.' }], sage: [{ text: 'Go left.' }] })
    await box.whole(saying('acme/boss', 'Where to?', { tools: [ADVISOR], stop_server_tools_when: [{ type: 'max_cost', max_cost_in_dollars: STEP + SAGE / 2 }] }))
    assert.deepEqual([asked(), sent(2)['tool_choice']], [['boss', 'sage', 'boss'], 'none'])
  })

  test('streams as one answer', async () => {
    answers({ ...ADVISED, boss: [{ parts: [{ type: 'text', text: 'Hm. ' }, { type: 'call', name: 'openrouter_advisor', arguments: '{"prompt":"Which way?"}' }] }, { text: 'So left.' }] })
    const streamed = await readStream(await box.chat(saying('acme/boss', 'Where to?', { tools: [ADVISOR], stream: true })))
    assert.deepEqual([streamed.text, streamed.finish, streamed.error], ['Hm. So left.', 'stop', undefined])
    near(streamed.usage!.cost, 2 * STEP + SAGE)
  })

  test('asks the model of the settings, else the one that it names, else its own', async () => {
    for (const [parameters, named, who] of [
      [{ model: 'acme/sage' }, 'acme/clerk', 'sage'], [{}, 'acme/clerk', 'clerk'], [{}, undefined, 'boss'],
    ] as const) {
      answers({ boss: [calls('openrouter_advisor', { prompt: 'Which way?', model: named }), { text: 'Left.' }, { text: 'Left.' }], sage: [{ text: 'Left.' }], clerk: [{ text: 'Left.' }] })
      await box.whole(saying('acme/boss', 'Where to?', { tools: [{ type: 'openrouter:advisor', parameters }] }))
      assert.deepEqual(asked(), ['boss', who, 'boss'])
      assert.deepEqual(sent(1)['tools'], undefined, 'an advisor has no advisor')
    }
  })

  test('has it asked as its caller says: with instructions, an effort, so many tokens, so warm', async () => {
    answers(ADVISED)
    const parameters = { model: 'acme/sage', instructions: 'Be brief.', max_completion_tokens: 77, temperature: 0.3, reasoning: { effort: 'low' } }
    await box.whole(saying('acme/boss', 'Where to?', { tools: [{ type: 'openrouter:advisor', parameters }]}))
    assert.deepEqual(heard(1), ['system: Be brief.', 'user: Which way?'])
    assert.deepEqual([sent(1)['max_tokens'] ?? sent(1)['max_completion_tokens'], sent(1)['temperature'], sent(1)['reasoning_effort'] ?? sent(1)['reasoning']?.effort], [77, 0.3, 'low'])
  })

  test('may have it read the conversation, calls and results in words', async () => {
    answers({ boss: [calls('openrouter_datetime', {}), { ...calls('openrouter_advisor', {}), text: 'Let me ask.' }, { text: 'Left.' }], sage: [{ text: 'Go left.' }] })
    await box.whole({ model: 'acme/boss', messages: [{ role: 'system', content: 'You drive.' }, { role: 'user', content: 'Where to?' }], tools: [TIME, { type: 'openrouter:advisor', parameters: { model: 'acme/sage', forward_transcript: true } }] })
    assert.deepEqual(asked(), ['boss', 'boss', 'sage', 'boss'])
    const words = heard(2)
    assert.deepEqual(words.slice(0, 2), ['system: You drive.', 'user: Where to?'])
    assert.match(words.join('\n'), /calls openrouter_datetime.*\n.*result of openrouter_datetime: .*UTC.*\nassistant: Let me ask\.\nuser: What do you advise/s)
    assert.equal(sent(2)['messages'].some((message: Loose) => message['tool_calls'] !== undefined || message['role'] === 'tool'), false)
  })

  test('may give it tools of its own, whose calls are paid and are no calls of the answer', async () => {
    answers({ boss: [asksSage(), { text: 'Late.' }], sage: [calls('openrouter_datetime', { timezone: 'Asia/Tokyo' }), { text: 'It is late.' }] })
    const { usage } = await box.whole(saying('acme/boss', 'Where to?', { tools: [{ type: 'openrouter:advisor', parameters: { model: 'acme/sage', tools: [TIME], max_tool_calls: 3 } }] }))
    assert.deepEqual(asked(), ['boss', 'sage', 'sage', 'boss'])
    assert.deepEqual(sent(1)['tools'].map((tool: Loose) => tool['function'].name), ['openrouter_datetime'])
    assert.match(JSON.stringify(results(2)), /Asia\/Tokyo/)
    near(usage.cost, 2 * STEP + 2 * SAGE)
    assert.deepEqual(usage['server_tool_use_details'], { tool_calls_requested: 1, tool_calls_executed: 1 })
  })

  test('with tools that never ends to call them is asked once more without', async () => {
    answers({ boss: [asksSage(), { text: 'Late.' }], sage: [calls('openrouter_datetime', {}), calls('openrouter_datetime', {}), { text: 'Enough.' }] })
    await box.whole(saying('acme/boss', 'Where to?', { tools: [{ type: 'openrouter:advisor', parameters: { model: 'acme/sage', tools: [TIME], max_tool_calls: 2 } }] }))
    assert.deepEqual([asked().filter((who) => who === 'sage').length, sent(3)['tool_choice']], [3, 'none'])
  })

  test('chooses among several by their names, and each is told apart in what comes back', async () => {
    const tools = [ADVISOR, { type: 'openrouter:advisor', parameters: { name: 'counter', model: 'acme/clerk', instructions: 'You count.' } }]
    answers({ boss: [calls('openrouter_advisor__1', { prompt: 'How many?' }), { text: 'Six.' }], clerk: [{ text: 'Six levers.' }] })
    const reply = await post('/responses', { model: 'acme/boss', input: 'How many?', tools })
    assert.match(sent(0)['tools'][1].function.description as string, /counter/)
    assert.deepEqual([asked(), heard(1)[0], results(2)], [['boss', 'clerk', 'boss'], 'system: You count.', [{ status: 'ok', name: 'counter', model: 'acme/clerk', advice: 'Six levers.' }]])
    assert.equal(reply['output'][0].name, 'counter')
  })

  test('is stood in for by the next endpoint where the first of the advisor fails, and both attempts are on record', async () => {
    answers({ boss: [asksSage(), { text: 'Left.' }], frail: [{ status: 503 }], sound: [{ text: 'Go left.' }] })
    upstream.when({ path: '/frail/' }, { status: 503 })
    const reply = await box.whole(saying('acme/boss', 'Where to?', { tools: [{ type: 'openrouter:advisor', parameters: { model: 'acme/pair' } }], provider: { order: ['frail', 'sound', 'boss'] } }))
    assert.equal(results(upstream.requests.length - 1)[0]!['advice'], 'Go left.')
    const tried = (await box.generation(reply.id))['provider_responses'] as Loose[]
    assert.deepEqual(tried.filter((it) => it['within'] === 'openrouter:advisor').map((it) => [it['provider_name'], it['status']]), [['frail', 503], ['sound', 200]])
  })
})

describe('What an advisor knows of earlier turns', () => {
  const first = (): void => answers({ boss: [asksSage('My name is Ada.'), { text: 'Noted.' }], sage: [{ text: 'Hello Ada.' }] })
  const second = (): void => answers({ boss: [asksSage('Who am I?'), { text: 'Ada.' }], sage: [{ text: 'Ada.' }] })
  const REMEMBERS = ['user: My name is Ada.', 'assistant: Hello Ada.', 'user: Who am I?']

  test('is what it was asked itself, where a chat is sent back', async () => {
    first()
    const { message } = (await box.whole(saying('acme/boss', 'Hi', { tools: [ADVISOR] }))).choices[0]!
    second()
    await box.whole({ model: 'acme/boss', tools: [ADVISOR], messages: [{ role: 'user', content: 'Hi' }, message, { role: 'user', content: 'And?' }] })
    assert.deepEqual(heard(1), REMEMBERS)
  })

  test('is the same where items of Responses are sent back, or kept', async () => {
    for (const store of [false, true]) {
      first()
      const { id, output } = await post('/responses', { model: 'acme/boss', input: 'Hi', tools: [ADVISOR], store })
      second()
      await post('/responses', { model: 'acme/boss', tools: [ADVISOR], ...(store ? { previous_response_id: id, input: 'And?' } : { input: [{ role: 'user', content: 'Hi' }, ...output, { role: 'user', content: 'And?' }] }) })
      assert.deepEqual(heard(1), REMEMBERS)
    }
  })

  test("is the same where blocks of Anthropic's format are sent back", async () => {
    first()
    const ask = { role: 'user', content: 'Hi' }
    const { content } = await post('/messages', { model: 'acme/boss', max_tokens: 99, messages: [ask], tools: [ADVISOR] })
    second()
    await post('/messages', { model: 'acme/boss', max_tokens: 99, tools: [ADVISOR], messages: [ask, { role: 'assistant', content }, { role: 'user', content: 'And?' }] })
    assert.deepEqual(heard(1), REMEMBERS)
  })

  test('is not what another of several was asked', async () => {
    const tools = [{ type: 'openrouter:advisor', parameters: { name: 'one', model: 'acme/sage' } }, { type: 'openrouter:advisor', parameters: { name: 'two', model: 'acme/clerk' } }]
    first()
    const { message } = (await box.whole(saying('acme/boss', 'Hi', { tools }))).choices[0]!
    answers({ boss: [{ calls: [{ name: 'openrouter_advisor', arguments: '{"prompt":"Who am I?"}' }, { name: 'openrouter_advisor__1', arguments: '{"prompt":"Who am I?"}' }] }, { text: 'Ada.' }], sage: [{ text: 'Ada.' }], clerk: [{ text: 'No idea.' }] })
    await box.whole({ model: 'acme/boss', tools, messages: [{ role: 'user', content: 'Hi' }, message, { role: 'user', content: 'And?' }] })
    const [bySage, byClerk] = ['sage', 'clerk'].map((who) => heard(asked().indexOf(who)))
    assert.deepEqual([bySage, byClerk], [REMEMBERS, ['user: Who am I?']])
  })
})

describe('What a caller sees of advice', () => {
  test('is an item of Responses with the question, the model and the advice, whole and streamed', async () => {
    const body = { model: 'acme/boss', input: 'Where to?', tools: [ADVISOR] }
    answers(ADVISED)
    const { output } = await post('/responses', body)
    const [item] = output as Loose[]
    assert.deepEqual([output.map((it: Loose) => it['type'] as string), item!['status'], item!['prompt'], item!['model'], item!['advice']], [['openrouter:advisor', 'message'], 'completed', 'Which way?', 'acme/sage', 'Go left.'])
    answers(ADVISED)
    const streamed = await events('/responses', body)
    assert.deepEqual(streamed.filter(({ item: it }) => it?.type === 'openrouter:advisor').map((it) => [it['type'], it['item'].advice]), [['response.output_item.added', 'Go left.'], ['response.output_item.done', 'Go left.']])
    assert.equal(streamed.at(-1)!['type'], 'response.completed')
  })

  test("is a pair of blocks for Anthropic's clients, who may ask for it in their own words, whole and streamed", async () => {
    const body = { model: 'acme/boss', max_tokens: 99, messages: [{ role: 'user', content: 'Where to?' }], tools: [{ type: 'advisor_20260301', name: 'advisor', model: 'acme/sage', max_uses: 2 }], tool_choice: { type: 'tool', name: 'advisor' } }
    answers(ADVISED)
    const { content } = await post('/messages', body)
    const [use, result, text] = content as Loose[]
    assert.deepEqual([use!['type'], use!['name'], use!['input'], result!['type'], result!['tool_use_id'] === use!['id'], result!['content']], ['server_tool_use', 'advisor', { prompt: 'Which way?' }, 'advisor_tool_result', true, { type: 'advisor_result', text: 'Go left.' }])
    assert.equal(text!['text'], 'So left.')
    assert.equal(sent(0)['tool_choice'].function.name, 'openrouter_advisor')
    answers(ADVISED)
    const streamed = await events('/messages', body)
    assert.deepEqual(streamed.filter(({ type }) => type === 'content_block_start').map((it) => it['content_block'].type as string), ['server_tool_use', 'advisor_tool_result', 'text'])
  })

  test("is the answer alone on Google's, and an entry beside it on chat", async () => {
    answers(ADVISED)
    const reply = await post('/models/acme/boss:generateContent', { contents: [{ role: 'user', parts: [{ text: 'Where to?' }] }], tools: [{ 'openrouter:advisor': { model: 'acme/sage' } }] })
    assert.equal(reply['candidates'][0].content.parts[0].text, 'So left.')
    answers(ADVISED)
    const { choices: [choice] } = await box.whole(saying('acme/boss', 'Where to?', { tools: [ADVISOR] }))
    assert.deepEqual(choice!['message'].reasoning_details.map((it: Loose) => [it['tool_name'], JSON.parse(it['result'] as string).advice]), [['openrouter:advisor', 'Go left.']])
  })
})

describe('A model that hands a task to another', () => {
  const task = { task_name: 'count', task_description: 'Count the levers: 36.' }

  test('is told what came of it; the other one sees the task alone', async () => {
    answers({ boss: [calls('openrouter_subagent', task), { text: 'There are 36.' }], clerk: [{ text: '36' }] })
    const reply = await post('/responses', { model: 'acme/boss', instructions: 'A secret.', input: 'How many?', tools: [SUBAGENT] })
    assert.deepEqual([asked(), heard(1)], [['boss', 'clerk', 'boss'], ['user: Count the levers: 36.']])
    assert.deepEqual(results(2), [{ status: 'ok', task_name: 'count', model: 'acme/clerk', outcome: '36' }])
    const [item] = reply['output'] as Loose[]
    assert.deepEqual([item!['type'], item!['status'], item!['task_name'], item!['task_description'], item!['model'], item!['outcome']], ['openrouter:subagent', 'completed', 'count', task.task_description, 'acme/clerk', '36'])
    near(reply['usage'].cost, 2 * STEP + CLERK)
  })

  test('hands out several side by side, none of which knows of the others', async () => {
    const call = (n: number): Loose => ({ name: 'openrouter_subagent', arguments: JSON.stringify({ task_name: `t${n}`, task_description: `Task ${n}` }) })
    answers({ boss: [{ calls: [call(1), call(2), call(3)] }, { text: 'Done.' }] })
    upstream.when({ path: '/clerk/' }, { text: 'ok', usage: USED })
    const { usage } = await box.whole(saying('acme/boss', 'All three.', { tools: [SUBAGENT] }))
    assert.deepEqual([1, 2, 3].map((n) => heard(n)).flat().toSorted(), ['user: Task 1', 'user: Task 2', 'user: Task 3'])
    assert.deepEqual(results(4).map((it) => [it['task_name'], it['outcome']]), [['t1', 'ok'], ['t2', 'ok'], ['t3', 'ok']])
    near(usage.cost, 2 * STEP + 3 * CLERK)
  })

  test('may give it tools to do it with', async () => {
    answers({ boss: [calls('openrouter_subagent', task), { text: 'Late.' }], clerk: [calls('openrouter_datetime', {}), { text: 'Late.' }] })
    await box.whole(saying('acme/boss', 'How late?', { tools: [{ type: 'openrouter:subagent', parameters: { model: 'acme/clerk', tools: [TIME] } }] }))
    assert.deepEqual(asked(), ['boss', 'clerk', 'clerk', 'boss'])
  })
})

describe('A model that is asked and does not answer', () => {
  const failing = async (sage: Loose, more: Loose = {}, rest: Loose = {}): Promise<Loose> => {
    answers({ boss: [asksSage(), { text: 'Then right.' }] })
    upstream.when({ path: '/sage/' }, { usage: USED, ...sage })
    const reply = await box.whole(saying('acme/boss', 'Where to?', { tools: [{ ...ADVISOR, parameters: { ...ADVISOR.parameters, ...more } }], ...rest }))
    assert.equal(reply.choices[0]!['message'].content, 'Then right.')
    return results(upstream.requests.length - 1)[0]!
  }

  test("is the tool's error, and the answer is written without it", async () => {
    for (const [sage, why] of [
      [{ status: 500 }, /^Advisor call failed: /], [{ refusal: 'I would rather not.' }, /it refused: I would rather not\./], [{ text: '' }, /empty/], [{ text: '', finish: 'length' }, /max_completion_tokens/],
    ] as const) {
      const told = await failing(sage)
      assert.equal(told['status'], 'error')
      assert.match(told['error'] as string, why)
    }
  })

  test('is given up after the time that it may take, and its provider hears so', { timeout: 60_000 }, async () => {
    box.reload({ ...config, server_tools: { model_timeout_ms: 500 } })
    try {
      const told = await failing({ stallAfter: 'headers' })
      assert.match(told['error'] as string, /no answer within/)
      await upstream.waitFor(({ path, state }) => path.startsWith('/sage/') && state === 'aborted')
    } finally {
      box.reload(config)
    }
  })

  test('may not be asked by what its caller says of data and of providers, and nobody is', async () => {
    for (const provider of [{ zdr: true, only: ['boss', 'sage'] }, { only: ['boss'] }, { ignore: ['sage'] }, { max_price: { prompt: 50 } }]) {
      answers({ boss: [asksSage(), { text: 'Then right.' }] })
      const { status } = await box.chat(saying('acme/boss', 'Where to?', { tools: [ADVISOR], provider }))
      assert.ok(status === 200 ? results(1)[0]!['status'] === 'error' : 'zdr' in provider, JSON.stringify(provider))
      assert.equal(asked().includes('sage'), false, JSON.stringify(provider))
    }
  })

  test('is asked so often as its caller says, and no more', async () => {
    answers({ boss: [asksSage(), asksSage(), { text: 'Left.' }], sage: [{ text: 'Go left.' }] })
    await box.whole(saying('acme/boss', 'Where to?', { tools: [{ ...ADVISOR, parameters: { ...ADVISOR.parameters, max_uses: 1 } }] }))
    assert.deepEqual(asked(), ['boss', 'sage', 'boss', 'boss'])
    assert.match(String((sent(3)['messages'] as Loose[]).at(-1)!['content']), /^Error: .*1 times/)
  })

  test('is left when the caller leaves, and what was answered before is paid and on record', { timeout: 60_000 }, async () => {
    answers({ boss: [{ ...asksSage(), text: 'One moment.' }, { text: 'Never.' }], sage: [{ stallAfter: 'headers' }] })
    const leaving = new AbortController()
    const response = await box.chat(saying('acme/boss', 'Where to?', { tools: [ADVISOR], stream: true }), {}, leaving.signal)
    const sage = await upstream.waitFor(({ path, state }) => path.startsWith('/sage/') && state === 'answering')
    leaving.abort()
    await upstream.waitFor(() => sage.state === 'aborted')
    await box.app.gateway.idle()
    assert.deepEqual(asked(), ['boss', 'sage'], 'nobody is asked again')
    const record = await box.generation(response.headers.get('x-generation-id')!)
    assert.equal(record['cancelled'], true)
    assert.deepEqual((record['provider_responses'] as Loose[]).map((it) => [it['provider_name'], it['within']]), [['boss', undefined], ['sage', 'openrouter:advisor']])
    near(record['total_cost'] as number, STEP)
  })

  test('though it answered, is paid by nobody but us when the answer fails behind it', async () => {
    answers({ boss: [asksSage(), { text: 'So left, I think, and on.', cutAfter: 3 }], sage: [{ text: 'Go left.' }] })
    const response = await box.chat(saying('acme/boss', 'Where to?', { tools: [ADVISOR] }))
    assert.match(await response.text(), /stream.?cut|ended|broke/i)
    const kept = await box.app.stats.find(response.headers.get('x-generation-id')!, 'default')
    assert.equal(kept!.cost, 0n)
    assert.ok(kept!.absorbed >= BigInt(Math.round((STEP + SAGE) * 1e9)), String(kept!.absorbed))
  })
})

describe('A tool that asks models', () => {
  test('is not offered within itself: a header that says so leaves it out', async () => {
    for (const [header, functions] of [['1', ['openrouter_subagent']], ['yes', ['openrouter_subagent']], ['0', ['openrouter_advisor', 'openrouter_subagent']]] as const) {
      answers({ boss: [{ text: 'Left.' }] })
      const { openrouter_metadata: told } = await box.whole(saying('acme/boss', 'Where to?', { tools: [ADVISOR, SUBAGENT] }), { ...TOLD, 'x-openrouter-advisor-depth': header })
      assert.deepEqual(sent(0)['tools'].map((tool: Loose) => tool['function'].name as string), functions)
      assert.deepEqual(told.parameters?.ignored, header === '0' ? undefined : ['tools[0]'])
    }
    answers({ boss: [{ text: 'Left.' }] })
    await box.whole(saying('acme/boss', 'Where to?', { tools: [ADVISOR], tool_choice: 'required' }), { 'x-openrouter-advisor-depth': '1' })
    assert.deepEqual([sent(0)['tools'], sent(0)['tool_choice']], [undefined, undefined])
  })

  test('is refused by its field where its settings are wrong, before anybody is asked', async () => {
    answers({})
    const advisor = (parameters: Loose): Loose => ({ type: 'openrouter:advisor', parameters })
    for (const [tools, field] of [
      [[advisor({ model: 'acme/nobody' })], 'tools[0].parameters.model'], [[advisor({ temperature: 3 })], 'tools[0].parameters.temperature'], [[advisor({ name: 'a/b' })], 'tools[0].parameters.name'],
      [[advisor({ tools: [{ type: 'function', function: { name: 'ring' } }] })], 'tools[0].parameters.tools[0].type'], [[advisor({ tools: [{ type: 'openrouter:subagent' }] })], 'tools[0].parameters.tools[0].type'],
      [[advisor({ tools: [{ type: 'openrouter:datetime', parameters: { timezone: 'Mars' } }] })], 'tools[0].parameters.tools[0].parameters.timezone'],
      [[advisor({ tools: [TIME, { type: 'openrouter:apply_patch' }] })], 'tools[0].parameters.tools[1].type'],
      [[advisor({ tools: [{ type: 'openrouter:shell' }] })], 'tools[0].parameters.tools[0]'], [[advisor({ reasoning: { effort: 'much' } })], 'tools[0].parameters.reasoning.effort'],
      [[advisor({ reasoning: { effort: 'low', max_tokens: 9 } })], 'tools[0].parameters.reasoning.max_tokens'], [[advisor({ max_tool_calls: 26 })], 'tools[0].parameters.max_tool_calls'],
      [[advisor({ forward_transcript: 'yes' })], 'tools[0].parameters.forward_transcript'], [[advisor({}), advisor({})], 'tools[1]'], [[advisor({ name: 'a' }), advisor({ name: ' a ' })], 'tools[1].parameters.name'],
      [[{ type: 'openrouter:subagent', parameters: { inherit_functions: true } }], 'tools[0].parameters.inherit_functions'],
    ] as const) {
      const { status, error } = await box.refused(saying('acme/boss', 'Hi', { tools }))
      assert.deepEqual([status, error.metadata['field'] ?? error.message.split(':')[0]], [400, field], error.message)
      assert.ok(error.message.startsWith(`${field}: `), error.message)
    }
    assert.equal(upstream.requests.length, 0)
  })

  test('is explained without a call', async () => {
    answers({})
    const { pipeline } = await box.explain(saying('acme/boss', 'Hi', { tools: [ADVISOR, SUBAGENT] })) as unknown as { pipeline: Loose[] }
    assert.match(pipeline[0]!['summary'] as string, /openrouter:advisor, openrouter:subagent/)
    assert.equal(upstream.requests.length, 0)
  })
})

after(() => assert.deepEqual(box.complaints, []))
