import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import type { Order } from '../../src/testing/index.ts'
import { ROADS, SEAL, startWorld, THINKERS } from './world.ts'

/**
 * OpenAI's coding agent, run without a terminal by its own SDK, unmodified: it is told what to do, runs commands in a
 * folder, and talks Responses with whichever model it was given. npm may leave out its binary, which is optional to it.
 */

/** What is used of the SDK. */
interface Sdk {
  readonly Codex: new (options: { readonly env: Readonly<Record<string, string>>; readonly config: object }) => {
    startThread(options: object): Thread
  }
}
interface Thread {
  run(input: string): Promise<Turn>
}
interface Turn {
  readonly items: readonly ({ readonly type: string; readonly text?: string; readonly aggregated_output?: string; readonly exit_code?: number })[]
  readonly finalResponse: string
  readonly usage: Readonly<Record<'input_tokens' | 'cached_input_tokens' | 'output_tokens' | 'reasoning_output_tokens', number>>
}

/** null where there is no binary for this machine: the SDK's constructor says so. */
async function installed(): Promise<Sdk['Codex'] | null> {
  const { Codex } = await import('@openai/codex-sdk') as unknown as Sdk
  try {
    void new Codex({ env: {}, config: {} })
    return Codex
  } catch {
    return null
  }
}

const Codex = await installed()

if (!Codex) {
  test("OpenAI's coding agent", { skip: 'npm has left out the binary of @openai/codex for this machine (`omit=optional`, or none is made for it)' }, () => {})
} else {
  const { upstream, box } = await startWorld()
  const folders: string[] = []
  after(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })))
  const folder = (): string => {
    const made = mkdtempSync(path.join(tmpdir(), 'signalbox-agent-'))
    folders.push(made)
    return made
  }

  const listening = async (server: Server): Promise<string> => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    after(() => server.close())
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  // All that is not on this machine is asked for through a proxy, and the only one there is writes down whom.
  const asked: string[] = []
  const proxy = await listening(createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (head) => {
      asked.push(String(head).split('\r\n', 1)[0]!)
      socket.destroy()
    })
  }))

  /** One that knows nobody, in a folder of its own. */
  const agent = (model: string, provider: object = {}): { readonly thread: Thread; readonly at: string } => {
    const home = folder()
    const at = folder()
    const codex = new Codex({
      env: {
        PATH: process.env['PATH']!, HOME: home, CODEX_HOME: home, SIGNALBOX_API_KEY: box.key,
        HTTP_PROXY: proxy, HTTPS_PROXY: proxy, ALL_PROXY: proxy, NO_PROXY: '127.0.0.1',
      },
      config: {
        model_provider: 'signalbox',
        model_providers: {
          signalbox: { name: 'Signalbox', base_url: `${box.url}/v1`, env_key: 'SIGNALBOX_API_KEY', wire_api: 'responses', request_max_retries: 0, stream_max_retries: 0, ...provider },
        },
        // What would ask other hosts: for versions, for lists of plugins and of connectors, and to tell how it is used.
        check_for_update_on_startup: false, analytics: { enabled: false }, features: { plugins: false, apps: false },
      },
    })
    // All that the model "wants" to be run stands in this file, so that it needs no sandbox.
    const thread = codex.startThread({ model, workingDirectory: at, skipGitRepoCheck: true, sandboxMode: 'danger-full-access', approvalPolicy: 'never', webSearchMode: 'disabled' })
    return { thread, at }
  }

  /** What of a model's next answers the agent is to act on. */
  const answers = (bare: string, ...orders: readonly Order[]): void => upstream.next(orders, { model: bare })
  const command = (cmd: string, id: string): NonNullable<Order['calls']>[number] => {
    const text = JSON.stringify({ cmd })
    return { name: 'exec_command', id, arguments: [text.slice(0, 9), text.slice(9, 20), text.slice(20)] }
  }

  /** The records of what was called since, in their order, once there are so many: the agent may be told the end of the last before it is written. */
  const recorded = async (known: ReadonlySet<string>, wanted: number): Promise<readonly Record<string, unknown>[]> => {
    for (;;) {
      await box.app.stats.flush()
      const rows = await box.app.store.db.selectFrom('generations').select('id').orderBy('created_at').orderBy('id').execute()
      const fresh = rows.filter(({ id }) => !known.has(id))
      if (fresh.length >= wanted) return Promise.all(fresh.map(({ id }) => box.generation(id)))
    }
  }
  const known = async (): Promise<ReadonlySet<string>> => new Set((await recorded(new Set(), 0)).map(({ id }) => id as string))

  const pricesOf = async (id: string): Promise<{ readonly prompt: number; readonly completion: number }> => {
    const { data } = await (await box.get(`/api/v1/model/${id}`)).json() as { readonly data: { readonly pricing: Readonly<Record<string, string>> } }
    return { prompt: Number(data.pricing['prompt']), completion: Number(data.pricing['completion']) }
  }

  describe("OpenAI's coding agent", { timeout: 120_000 }, () => {
    for (const road of ROADS) {
      const thinks = THINKERS.some(({ id }) => id === road.id)

      test(`writes a file, reads what came of it and reports, with ${road.id} through ${road.dialect}; each call is on record with its tokens and its cost`, async () => {
        const before = await known()
        const from = upstream.requests.length
        answers(
          road.bare,
          {
            ...(thinks && { reasoning: 'A note is a file.', signature: SEAL }), text: 'On it.', usage: { input: 300, output: 40 },
            calls: [command("printf 'Grüezi\\n' > note.txt && wc -c < note.txt", 'call_1'), command('echo beside it', 'call_2')],
          },
          { text: ['The note', ' has 8 bytes.'], usage: { input: 350, output: 6 } },
        )
        const { thread, at } = agent(road.id)
        const turn = await thread.run('Leave a note.')

        assert.equal(readFileSync(path.join(at, 'note.txt'), 'utf8'), 'Grüezi\n')
        assert.equal(turn.finalResponse, 'The note has 8 bytes.')
        assert.deepEqual(turn.items.filter(({ type }) => type === 'command_execution').map(({ exit_code: code }) => code), [0, 0])
        assert.deepEqual(turn.items.filter(({ type }) => type === 'agent_message').map(({ text }) => text), ['On it.', 'The note has 8 bytes.'])
        const [first, second, ...more] = upstream.requests.slice(from)
        assert.deepEqual([first!.dialect, second!.dialect, more.length], [road.dialect, road.dialect, 0])
        // The model sees what it has said and called, and what came of it.
        for (const said of ['Leave a note.', 'On it.', 'printf', 'Process exited with code 0', 'beside it']) assert.ok(second!.raw.includes(said), `${said} is missing in ${second!.raw}`)
        if (thinks) {
          assert.ok(second!.raw.includes(SEAL), 'what it thought did not go back to it')
          // Summaries are what it shows of a thought: the others say theirs in full, which it keeps and sends back.
          if (road.dialect === 'openai-responses') assert.ok(turn.items.some(({ type, text }) => type === 'reasoning' && text === 'A note is a file.'))
        }

        const records = await recorded(before, 2)
        const prices = await pricesOf(road.id)
        assert.deepEqual(records.map((it) => [it['model'], it['streamed'], it['finish_reason'], it['tokens_prompt'], it['tokens_completion']]), [
          [road.id, true, 'tool_calls', 300, 40], [road.id, true, 'stop', 350, 6],
        ])
        for (const { tokens_prompt: input, tokens_completion: output, total_cost: cost } of records as { [key: string]: number }[]) {
          const due = input! * prices.prompt + output! * prices.completion
          assert.ok(Math.abs(cost! - due) < 2e-9, `${input} and ${output} tokens cost ${cost} and not ${due}`)
        }
        assert.deepEqual([turn.usage.input_tokens, turn.usage.output_tokens], [650, 46])
      })

      test(`is understood when it calls a tool of a namespace, with ${road.id} through ${road.dialect}`, async () => {
        const from = upstream.requests.length
        const call = road.dialect === 'openai-responses' ? { namespace: 'multi_agent_v1', name: 'close_agent' } : { name: 'multi_agent_v1__close_agent' }
        answers(road.bare, { calls: [{ id: 'call_1', arguments: '{"target":"nobody"}', ...call }] }, { text: 'There was none.' })
        assert.equal((await agent(road.id).thread.run('Stop the helper.')).finalResponse, 'There was none.')
        const second = String(upstream.requests[from + 1]!.raw)
        assert.ok(!/unsupported call/i.test(second), 'the agent did not know the tool that it had offered')
        assert.match(second, /invalid agent id|not found/i)
      })
    }

    test('is gone on with: the next thing that it is told comes behind all that was said and done', async () => {
      const { thread } = agent('openai/gpt-4o-mini')
      answers('gpt-4o-mini', { calls: [command('echo seven', 'call_1')] }, { text: 'It said seven.' }, { text: 'Seven.' })
      await thread.run('Run it.')
      assert.equal((await thread.run('What was it?')).finalResponse, 'Seven.')
      const { raw } = upstream.requests.at(-1)!
      for (const said of ['Run it.', 'echo seven', 'It said seven.', 'What was it?']) assert.ok(raw.includes(said), `${said} is missing in ${raw}`)
    })

    test('talks over a WebSocket where it is told that it may, and about all of it', async () => {
      const heads: string[] = []
      const between = await listening(createServer((caller) => {
        const server = connect(Number(new URL(box.url).port), '127.0.0.1')
        caller.once('data', (head) => heads.push(String(head).split('\r\n', 1)[0]!))
        caller.pipe(server).pipe(caller)
        for (const side of [caller, server]) side.on('error', () => [caller, server].forEach((it) => it.destroy()))
      }))
      const { thread, at } = agent('anthropic/claude-haiku-4.5', { base_url: `${between}/v1`, supports_websockets: true })
      answers('claude-haiku-4-5', { calls: [command('echo hi > note.txt', 'call_1')] }, { text: 'Done.' })
      assert.equal((await thread.run('Leave a note.')).finalResponse, 'Done.')
      assert.equal(readFileSync(path.join(at, 'note.txt'), 'utf8'), 'hi\n')
      assert.deepEqual([...new Set(heads)], ['GET /v1/responses HTTP/1.1'])
      const { raw } = upstream.requests.at(-1)!
      for (const said of ['Leave a note.', 'echo hi', 'Process exited with code 0']) assert.ok(raw.includes(said), `${said} is missing in ${raw}`)
    })

    test('says why, and stops, when its key is not one', async () => {
      const { thread } = agent('openai/gpt-5.4', { experimental_bearer_token: 'sk-wrong', env_key: undefined })
      await assert.rejects(thread.run('Hi'), /401/)
    })

    test('has asked nobody else on the way, and nothing in all of this was an error of ours', () => {
      assert.deepEqual(asked, [])
      assert.deepEqual(box.complaints, [])
    })
  })
}
