import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { fileURLToPath } from 'node:url'
import { createInterface } from 'node:readline/promises'
import manifest from '../package.json' with { type: 'json' }
import { ambient } from './ambient.ts'
import { ConfigError, readConfig, type Config } from './config/index.ts'
import { FaultError, usdFromNano } from './core/index.ts'
import { compareWithLive, explainRequest, openAccounts, readFeedback, readProbes, rebuildFigures, removeDemo, seedDemo, type DemoProgress, type AccountsHandle } from './offline.ts'

/** The command line: what an operator does beside a running server. Each command takes --json and then prints one object. */

const PROJECT = fileURLToPath(new URL('..', import.meta.url))
/** npm runs scripts in the project's folder and says here where the caller stood: relative paths start there. */
const CALLER = process.env['INIT_CWD'] ?? process.cwd()

interface Command {
  readonly usage: string
  readonly summary: string
  readonly options: NonNullable<ParseArgsConfig['options']>
  /** Names of the positional arguments; all are needed. */
  readonly arguments: readonly string[]
  run(given: Given): Promise<Printed>
}

interface Given {
  readonly config: Config
  readonly args: readonly string[]
  readonly flags: Readonly<Record<string, string | boolean | undefined>>
}

/** What a command has to say: to a program, and to a person. */
interface Printed {
  readonly json: unknown
  readonly text: string
}

const COMMANDS: Readonly<Record<string, Command>> = {
  'key create': {
    usage: 'key create [--name NAME] [--settings JSON]',
    summary: 'make an API key; it is shown this once',
    options: { name: { type: 'string' }, settings: { type: 'string' } },
    arguments: [],
    run: ({ config, flags }) => withAccounts(config, async ({ accounts }) => {
      const { key, record } = await accounts.createKey({
        ...(typeof flags['name'] === 'string' && { name: flags['name'] }),
        ...(typeof flags['settings'] === 'string' && { settings: json(flags['settings'], '--settings') as never }),
      })
      return { json: { key, hash: record.id, ...shown(record) }, text: `${key}\n\nThis key is shown only now. Its hash is ${record.id}.` }
    }),
  },
  'key list': {
    usage: 'key list',
    summary: 'all keys, newest first',
    options: {},
    arguments: [],
    run: ({ config }) => withAccounts(config, async ({ accounts }) => {
      const keys = await accounts.listKeys()
      return {
        json: { data: keys.map((record) => ({ hash: record.id, ...shown(record) })) },
        text: keys.length === 0 ? 'There are no keys.'
          : keys.map((record) => `${record.label}  ${record.disabled ? 'disabled  ' : ''}${record.name || '(no name)'}\n  ${record.id}`).join('\n'),
      }
    }),
  },
  'key update': {
    usage: 'key update HASH [--name NAME] [--disable | --enable] [--settings JSON]',
    summary: 'rename, disable or enable a key, or change its settings (merged; null removes)',
    options: { name: { type: 'string' }, disable: { type: 'boolean' }, enable: { type: 'boolean' }, settings: { type: 'string' } },
    arguments: ['HASH'],
    run: ({ config, args, flags }) => withAccounts(config, async ({ accounts }) => {
      if (flags['disable'] && flags['enable']) throw new ConfigError('--disable and --enable exclude each other')
      const record = await accounts.updateKey(args[0]!, {
        ...(typeof flags['name'] === 'string' && { name: flags['name'] }),
        ...((flags['disable'] || flags['enable']) && { disabled: flags['disable'] === true }),
        ...(typeof flags['settings'] === 'string' && { settings: json(flags['settings'], '--settings') as never }),
      })
      if (!record) throw new ConfigError(`no key has the hash ${args[0]}`)
      return { json: { hash: record.id, ...shown(record) }, text: `${record.label} ${record.disabled ? 'is disabled' : 'is enabled'}.` }
    }),
  },
  'key delete': {
    usage: 'key delete HASH',
    summary: 'take a key away for good',
    options: {},
    arguments: ['HASH'],
    run: ({ config, args }) => withAccounts(config, async ({ accounts }) => {
      if (!await accounts.deleteKey(args[0]!)) throw new ConfigError(`no key has the hash ${args[0]}`)
      return { json: { deleted: true, hash: args[0] }, text: 'The key is gone.' }
    }),
  },
  'explain': {
    usage: 'explain REQUEST.json [--at TIME] [--policy JSON]',
    summary: 'what would be done with a chat request, or would have been at a time, or by another policy, and why; nothing is called or spent',
    options: { at: { type: 'string' }, policy: { type: 'string' } },
    arguments: ['REQUEST.json'],
    async run({ config, args, flags }) {
      const text = await readFile(path.resolve(CALLER, args[0]!), 'utf8')
      const explanation = await explainRequest({
        config, ambient, text, at: flags['at'],
        ...(typeof flags['policy'] === 'string' && { policy: json(flags['policy'], '--policy') }),
      })
      return { json: explanation, text: explanationText(explanation) }
    },
  },
  'catalog sync': {
    usage: 'catalog sync SOURCE [--yes] [--output FILE]',
    summary: 'compare with a live list (openrouter, models.dev or a provider) and write what you approve',
    options: { yes: { type: 'boolean' }, output: { type: 'string' } },
    arguments: ['SOURCE'],
    async run({ config, args, flags }) {
      const file = path.resolve(CALLER, typeof flags['output'] === 'string' ? flags['output'] : `signalbox.${args[0]}.yaml`)
      const result = await compareWithLive(config, args[0]!)
      const changes = result.diff.length
      if (changes === 0) return { json: { changes: 0, written: null }, text: 'The catalogue agrees with the list.' }
      const approved = flags['yes'] === true || (flags['json'] !== true && await approves(`${result.table}\n\nWrite these rows to ${file}?`))
      if (approved) await writeFile(file, result.yaml, { flag: 'wx', mode: 0o600 })
      return {
        json: { changes, written: approved ? file : null, diff: result.diff },
        text: approved ? `Written to ${file}. Move its rows into your configuration to use them.` : 'Nothing was written.',
      }
    },
  },
  'stats rebuild': {
    usage: 'stats rebuild',
    summary: 'make all figures again from the records of calls; they come out the same',
    options: {},
    arguments: [],
    async run({ config }) {
      const shows = process.stderr.isTTY
      const added = await rebuildFigures({ config, ambient, progress: (count) => shows && process.stderr.write(`\r${count} records added up`) })
      if (shows) process.stderr.write('\n')
      return { json: { records: added }, text: `Figures were made again from ${added} records.` }
    },
  },
  'docs feedback': {
    usage: 'docs feedback',
    summary: 'which pages of the manual their readers found helpful, and what they said',
    options: {},
    arguments: [],
    async run({ config }) {
      const told = await readFeedback({ config, ambient })
      return {
        json: { data: told.map(({ page, helpful, notHelpful, texts }) => ({
          page, helpful, not_helpful: notHelpful, texts: texts.map(({ at, helpful: was, text }) => ({ at: new Date(at).toISOString(), helpful: was, text })),
        })) },
        text: told.length === 0 ? 'Nobody has said anything of a page of the manual yet.' : told.flatMap(({ page, helpful, notHelpful, texts }) => [
          `${page}: helpful to ${helpful}, not to ${notHelpful}`,
          ...texts.map(({ at, helpful: was, text }) => `  ${new Date(at).toISOString().slice(0, 10)} ${was ? '+' : '-'} ${text}`),
        ]).join('\n'),
      }
    },
  },
  'probes': {
    usage: 'probes',
    summary: 'what probes of endpoints that nobody calls showed last, when the next are due, and what they cost this month',
    options: {},
    arguments: [],
    async run({ config }) {
      const told = await readProbes({ config, ambient })
      if (told === null) return { json: { every_ms: null, data: [] }, text: 'No probes are sent: probes.budget is not set (docs/probes.md).' }
      const { budget, everyMs } = config.probes!
      const iso = (at: number | null) => at === null ? null : new Date(at).toISOString()
      return {
        json: {
          every_ms: everyMs, budget_usd: usdFromNano(budget), month: told.month.month, sent: told.month.sent, spent_usd: usdFromNano(told.month.spent),
          data: told.endpoints.map(({ endpoint, last, nextAt }) => ({
            endpoint, next_at: iso(nextAt), has_traffic: nextAt === null,
            last: last && {
              sent_at: iso(last.sentAt), outcome: last.outcome, latency_ms: last.latencyMs, cost_usd: usdFromNano(last.cost), down_since: iso(last.downSince), generation_id: last.generation,
            },
          })),
        },
        text: probesText(told, config.probes!),
      }
    },
  },
  'seed': {
    usage: 'seed (--demo [--calls N] | --remove)',
    summary: 'write 60 days of demo traffic, marked as such in every figure, or take it out again',
    options: { demo: { type: 'boolean' }, remove: { type: 'boolean' }, calls: { type: 'string' } },
    arguments: [],
    async run({ config, flags }) {
      if ((flags['demo'] === true) === (flags['remove'] === true)) throw new ConfigError('usage: seed (--demo [--calls N] | --remove)')
      const shows = process.stderr.isTTY
      const progress = ({ done, calls }: DemoProgress): void => {
        if (shows) process.stderr.write(`\r${calls} calls ${done}\u001b[K`)
      }
      const end = (): void => {
        if (shows) process.stderr.write('\n')
      }
      if (flags['remove'] === true) {
        const removed = await removeDemo({ config, ambient, progress })
        end()
        return { json: { removed }, text: removed === 0 ? 'There is no demo traffic.' : `${removed} demo calls are gone, and the figures are of real traffic alone.` }
      }
      const calls = flags['calls'] === undefined ? undefined : Number(flags['calls'])
      if (calls !== undefined && !(Number.isInteger(calls) && calls >= 1 && calls <= 100_000_000)) throw new ConfigError('--calls must be a whole number from 1 to 100000000')
      const made = await seedDemo({ config, ambient, progress, ...(calls !== undefined && { calls }) })
      end()
      return { json: made, text: `${made.calls} demo calls of ${made.models} models over ${made.days} days are in the figures, which say so. signalbox seed --remove takes them out.` }
    },
  },
  'fake': {
    usage: 'fake [--port N]',
    summary: 'a fake provider on this machine that misbehaves on order (docs/fake-upstream.md)',
    options: { port: { type: 'string' } },
    arguments: [],
    async run({ flags }) {
      const { createFakeUpstream } = await import('./testing/index.ts')
      const upstream = await createFakeUpstream({ host: '127.0.0.1', port: Number(flags['port'] ?? 4010) })
      process.once('SIGINT', () => void upstream.close().then(() => process.exit(0)))
      process.once('SIGTERM', () => void upstream.close().then(() => process.exit(0)))
      return { json: { url: upstream.url }, text: `A fake provider listens at ${upstream.url}; GET ${upstream.url}/_fake tells what it can do. Ctrl-C ends it.` }
    },
  },
}

const wantsJson = process.argv.includes('--json')
try {
  await run(process.argv.slice(2))
} catch (error) {
  const message = error instanceof FaultError ? error.fault.message : (error as Error).message
  const expected = error instanceof ConfigError || error instanceof FaultError || (error as Error).name === 'StoreError'
    || (error as { code?: string }).code !== undefined
  if (wantsJson) process.stdout.write(`${JSON.stringify({ error: { message } })}\n`)
  else process.stderr.write(`signalbox: ${expected ? message : (error as Error).stack}\n`)
  process.exitCode = 1
}

async function run(argv: readonly string[]): Promise<void> {
  const words = argv.filter((word) => !word.startsWith('-'))
  if (words.length === 0 || words[0] === 'help') return print({ json: { version: manifest.version, commands: manual() }, text: help() })
  const name = [`${words[0]} ${words[1]}`, words[0]!].find((candidate) => candidate in COMMANDS)
  if (name === undefined) throw new ConfigError(`${words.slice(0, 2).join(' ')} is not a command\n\n${help()}`)
  const command = COMMANDS[name]!
  const rest = argv.slice()
  for (const word of name.split(' ')) rest.splice(rest.indexOf(word), 1)
  const { values, positionals } = parseArgs({
    args: rest, options: { ...command.options, json: { type: 'boolean' } }, allowPositionals: true, strict: true,
  })
  if (positionals.length !== command.arguments.length) throw new ConfigError(`usage: ${command.usage}`)
  print(await command.run({ config: readConfig(process.env, PROJECT), args: positionals, flags: values as Given['flags'] }))
}

function print({ json, text }: Printed): void {
  process.stdout.write(`${wantsJson ? JSON.stringify(json) : text}\n`)
}

function manual(): readonly { usage: string; summary: string }[] {
  return [{ usage: 'serve', summary: 'start the server (npm start)' }, ...Object.values(COMMANDS)]
    .map(({ usage, summary }) => ({ usage, summary }))
}

function help(): string {
  return [
    `Signalbox ${manifest.version}`, '',
    ...manual().map(({ usage, summary }) => `  ${usage}\n      ${summary}`), '',
    'Each takes --json. Settings: docs/configuration.md.',
  ].join('\n')
}

async function withAccounts(config: Config, work: (opened: AccountsHandle) => Promise<Printed>): Promise<Printed> {
  const opened = await openAccounts({ config, ambient })
  try {
    return await work(opened)
  } finally {
    await opened.close()
  }
}

function shown(record: { name: string; label: string; workspace: string; disabled: boolean; settings: unknown; createdAt: number }): Record<string, unknown> {
  return {
    name: record.name, label: record.label, workspace_id: record.workspace, disabled: record.disabled,
    settings: record.settings, created_at: new Date(record.createdAt).toISOString(),
  }
}

function json(text: string, where: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new ConfigError(`${where} must be JSON`)
  }
}

function explanationText({ strategy, pipeline, candidates, rejected, past }: Awaited<ReturnType<typeof explainRequest>>): string {
  const share = (weight: number | null) => weight === null ? '' : `, ${(weight * 100).toFixed(0)} % of first tries`
  return [
    ...(past ? [`As of: ${past.as_of}`] : []),
    ...pipeline.map(({ name, summary }) => `${name}: ${summary}`),
    `Order: ${strategy}`, '',
    ...candidates.map((c) => `${String(c.position).padStart(3)}. ${c.endpoint}: about $${c.estimated_cost}, at most $${c.worst_cost}${share(c.weight)} (${c.reasons.join(', ')})`),
    ...(candidates.length === 0 ? ['No endpoint can take this request.'] : []),
    '',
    ...rejected.map((r) => `  ✗ ${r.endpoint}: ${r.detail}`),
  ].join('\n')
}

function probesText({ month, endpoints }: NonNullable<Awaited<ReturnType<typeof readProbes>>>, { budget, everyMs }: NonNullable<Config['probes']>): string {
  const now = ambient.now()
  const after = (ms: number) => ms < 90_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`
  const dollars = (nano: bigint) => `$${usdFromNano(nano)}`
  return [
    `${endpoints.length} endpoints, each after ${after(everyMs)} without a call; ${month.sent} probes in ${month.month} for ${dollars(month.spent)} of ${dollars(budget)}`, '',
    ...endpoints.map(({ endpoint, last, nextAt }) => {
      const showed = last === null ? 'not probed yet'
        : `${last.outcome ?? 'under way'}${last.latencyMs === null ? '' : ` in ${last.latencyMs} ms`}, ${after(now - last.sentAt)} ago, ${dollars(last.cost)}${last.downSince === null ? '' : `, down since ${new Date(last.downSince).toISOString()}`}`
      const next = nextAt === null ? 'it has traffic' : nextAt <= now ? 'due' : `next in ${after(nextAt - now)}`
      return `  ${endpoint}: ${showed}; ${next}`
    }),
  ].join('\n')
}

async function approves(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return /^y(es)?$/i.test(await terminal.question(`${question} [y/N] `))
  } finally {
    terminal.close()
  }
}
