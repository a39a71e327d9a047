// What is measured: how each gateway is found, configured, started and spoken to.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { sleep, which } from './machine.ts'
import type { Child, Machine } from './machine.ts'

export type CandidateName = 'nginx' | 'floor' | 'portkey' | 'signalbox' | 'other'

export interface Running {
  readonly name: CandidateName | 'direct'
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly child: Child
}

export interface Candidate {
  readonly name: CandidateName
  /** Name, version and configuration in a line, for the record. */
  readonly about: string
  /** Why it cannot be measured here, if it cannot. */
  readonly missing?: string
  /** Starts it in front of the mock; `nodeFlags` go to node where it is a node program. */
  start(mockPort: number, nodeFlags?: readonly string[]): Promise<Running>
}

const ROOT = join(import.meta.dirname, '..', '..')
const NODE = process.execPath

export function allCandidates(machine: Machine): Candidate[] {
  return [nginx(machine), floor(machine), portkey(machine), signalbox(machine)]
}

/** This checkout and another one of the product: what a change costs, or saves. */
export function ourCandidates(machine: Machine, against: string): Candidate[] {
  return [signalbox(machine), signalbox(machine, 'other', resolve(against))]
}

function nginx(machine: Machine): Candidate {
  const program = which('nginx')
  let version = 'nginx'
  if (program) version = execFileSync('/bin/sh', ['-c', `"${program}" -v 2>&1`]).toString().trim().replace('nginx version: ', '')
  return {
    name: 'nginx',
    about: `${version}: 1 worker, keep-alive on both sides (512 idle upstream), no buffering of request or response, no log`,
    ...(program ? {} : { missing: 'nginx is not installed (Debian: apt-get install nginx-light)' }),
    async start(mockPort) {
      const port = await machine.freePort()
      const folder = join(machine.folder, `nginx-${port}`)
      mkdirSync(folder)
      const file = join(folder, 'nginx.conf')
      writeFileSync(file, nginxConfig(folder, port, mockPort))
      const child = machine.start('nginx', [program ?? 'nginx', '-c', file, '-p', folder, '-e', join(folder, 'error.log')], { core: 'gateway' })
      return { name: 'nginx', port, path: '/v1/chat/completions', headers: { authorization: 'Bearer bench' }, child }
    },
  }
}

function nginxConfig(folder: string, port: number, mockPort: number): string {
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `  ${name}_temp_path ${folder}/${name};`).join('\n')
  return `${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes 1;
worker_rlimit_nofile 20000;
daemon off;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log crit;
events { worker_connections 20000; use epoll; }
http {
${temp}
  access_log off;
  tcp_nodelay on;
  keepalive_timeout 75s;
  keepalive_requests 100000000;
  client_max_body_size 64m;
  upstream mock { server 127.0.0.1:${mockPort}; keepalive 512; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 120s;
    }
  }
}
`
}

function floor(machine: Machine): Candidate {
  return {
    name: 'floor',
    about: `floor.ts on Node ${process.versions.node}: node:http + undici dispatch, key check, 1 of 3 providers, cost, batched SQLite; nothing else`,
    ...(existsSync(join(ROOT, 'node_modules', 'undici')) ? {} : { missing: 'undici is not installed (npm install in the project)' }),
    async start(mockPort, nodeFlags = []) {
      const port = await machine.freePort()
      const data = join(machine.folder, `floor-${port}`)
      mkdirSync(data)
      const key = randomBytes(24).toString('base64url')
      const child = machine.start('floor', [NODE, ...nodeFlags, join(import.meta.dirname, 'floor.ts')], {
        core: 'gateway',
        env: { PORT: String(port), UPSTREAM: `http://127.0.0.1:${mockPort}`, DATA: data, KEY: key, NODE_ENV: 'production' },
      })
      return { name: 'floor', port, path: '/v1/chat/completions', headers: { authorization: `Bearer ${key}` }, child }
    },
  }
}

function portkey(machine: Machine): Candidate {
  const folder = join(ROOT, 'bench', 'node_modules', '@portkey-ai', 'gateway')
  const installed = existsSync(join(folder, 'build', 'start-server.js'))
  const versionOf = (name: string) => {
    const file = join(ROOT, 'bench', 'node_modules', name, 'package.json')
    return existsSync(file) ? String(JSON.parse(readFileSync(file, 'utf8')).version) : '?'
  }
  return {
    name: 'portkey',
    about: `@portkey-ai/gateway ${versionOf('@portkey-ai/gateway')} on Node ${process.versions.node} (hono ${versionOf('hono')}, ` +
      `@hono/node-server ${versionOf('@hono/node-server')}, @hono/node-ws ${versionOf('@hono/node-ws')}): headless, production; no keys, no cost, no record`,
    ...(installed ? {} : { missing: '@portkey-ai/gateway is not installed (npm ci in bench/)' }),
    async start(mockPort, nodeFlags = []) {
      const port = await machine.freePort()
      const child = machine.start('portkey',
        [NODE, '--require', join(import.meta.dirname, 'loopback.cjs'), ...nodeFlags, join(folder, 'build', 'start-server.js'), '--headless', `--port=${port}`],
        { core: 'gateway', env: { NODE_ENV: 'production' } })
      return {
        name: 'portkey', port, path: '/v1/chat/completions', child,
        headers: { authorization: 'Bearer bench', 'x-portkey-provider': 'openai', 'x-portkey-custom-host': `http://127.0.0.1:${mockPort}/v1` },
      }
    },
  }
}

function signalbox(machine: Machine, name: 'signalbox' | 'other' = 'signalbox', root = ROOT): Candidate {
  const absent = ['src/main.ts', 'src/cli.ts', 'package.json'].filter((file) => !existsSync(join(root, file)))
  const version = absent.length > 0 ? '?' : String(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version)
  return {
    name,
    about: `signalbox ${version}${root === ROOT ? '' : ` of ${root}`} on Node ${process.versions.node}: one process, SQLite, accounting and logging on, one model at three providers`,
    ...(absent.length ? { missing: `${absent.join(' and ')} not there yet` } : {}),
    start: async (mockPort, nodeFlags) => ({ ...await startSignalbox(machine, mockPort, { nodeFlags, root }), name }),
  }
}

/** Starts ours in front of the mock with a fresh data folder and two keys; `config` is laid over the bench's file. */
export async function startSignalbox(
  machine: Machine, mockPort: number, given: { readonly nodeFlags?: readonly string[] | undefined; readonly config?: Record<string, unknown>; readonly root?: string } = {},
): Promise<Running & { /** Of the second key. */ readonly otherHeaders: Readonly<Record<string, string>> }> {
  const { root = ROOT } = given
  const port = await machine.freePort()
  const home = join(machine.folder, `signalbox-${port}`)
  mkdirSync(home)
  const config = join(home, 'bench.config.yaml')
  writeFileSync(config, JSON.stringify({ ...signalboxConfig(mockPort), ...given.config }, null, 2))
  const { compileCacheFolder, SERVER_FLAGS } = await import(pathToFileURL(join(root, 'bin', 'install.mjs')).href) as typeof import('../../bin/install.mjs')
  // As `npm start` runs it, its flags included: from the second start on compiled code comes from a cache, and the compiler is never loaded.
  const env = {
    PORT: String(port), HOST: '127.0.0.1', SIGNALBOX_HOME: home, SIGNALBOX_CONFIG: config, NODE_ENV: 'production',
    NODE_COMPILE_CACHE: compileCacheFolder(root),
  }
  const newKey = (name: string): Readonly<Record<string, string>> => {
    const made = execFileSync(NODE, [join(root, 'src', 'cli.ts'), 'key', 'create', '--name', name, '--json'], {
      cwd: root, timeout: 30_000, env: { PATH: process.env['PATH'] ?? '', HOME: home, ...env }, stdio: ['ignore', 'pipe', 'pipe'],
    }).toString()
    return { authorization: `Bearer ${String(JSON.parse(made.slice(made.indexOf('{'))).key)}` }
  }
  const [headers, otherHeaders] = [newKey('bench'), newKey('other')]
  const child = machine.start('signalbox', [NODE, ...SERVER_FLAGS, ...given.nodeFlags ?? [], join(root, 'src', 'main.ts')], { core: 'gateway', cwd: root, env })
  return { name: 'signalbox', port, path: '/v1/chat/completions', headers, otherHeaders, child }
}

/** One model at three providers with three prices, all three being the mock: the plan has something to choose. */
function signalboxConfig(mockPort: number): Record<string, unknown> {
  const prices: Record<string, [string, string]> = {
    bench: ['0.000001', '0.000002'], bench2: ['0.0000015', '0.0000025'], bench3: ['0.000003', '0.000006'],
  }
  const slugs = Object.keys(prices)
  return {
    discover_local: false,
    providers: Object.fromEntries(slugs.map((slug) => [slug,
      { base_url: `http://127.0.0.1:${mockPort}/v1`, api_key: `upstream-${slug}`, dialect: 'openai-chat' }])),
    models: [{ id: 'bench/model', input_modalities: ['text', 'image'] }],
    endpoints: slugs.map((slug) => ({
      model: 'bench/model', provider: slug, pricing: { prompt: prices[slug]?.[0], completion: prices[slug]?.[1] },
    })),
  }
}

/** One whole HTTP request as the generator sends it, written to a file of the machine's folder. */
export function writeRequest(machine: Machine, to: Pick<Running, 'name' | 'port' | 'path' | 'headers'>, label: string, body: string): string {
  const file = join(machine.folder, `${to.name}-${to.port}-${label}.bin`)
  const headers = { host: `127.0.0.1:${to.port}`, 'user-agent': 'bench', accept: '*/*', 'content-type': 'application/json', ...to.headers }
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')
  writeFileSync(file, `POST ${to.path} HTTP/1.1\r\n${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  return file
}

/** Waits until it listens and, when `body` is given, until it answers that with 200. Throws with its own words otherwise. */
export async function untilReady(running: Running, body: string | undefined, withinMs = 30_000): Promise<void> {
  const until = Date.now() + withinMs
  let last = 'nothing listens'
  while (Date.now() < until) {
    if (running.child.ended()) throw new Error(`${running.name} ended: ${running.child.log().slice(-1500).trim()}`)
    const answer = await (body === undefined ? listening(running.port) : ask(running, body))
    if (answer === undefined) return
    last = answer
    await sleep(100)
  }
  throw new Error(`${running.name} was not ready within ${withinMs / 1000} s: ${last}\n${running.child.log().slice(-1500).trim()}`)
}

function listening(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => { socket.destroy(); resolve(undefined) })
    socket.once('error', (error) => resolve(error.message))
  })
}

function ask(running: Running, body: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const req = request({
      host: '127.0.0.1', port: running.port, path: running.path, method: 'POST', agent: false, timeout: 5000,
      headers: { ...running.headers, 'content-type': 'application/json' },
    }, (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (part: string) => { text += part })
      res.on('end', () => resolve(res.statusCode === 200 ? undefined : `${res.statusCode} ${text.slice(0, 500)}`))
      res.on('error', (error) => resolve(error.message))
    })
    req.once('error', (error) => resolve(error.message))
    req.once('timeout', () => req.destroy(new Error('no answer within 5 s')))
    req.end(body)
  })
}
