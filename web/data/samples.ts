/** Sample calls of a model, in each language that people ask in, with this instance's address. Pure text from a few wishes. */

export const LANGUAGES = [
  ['openai-python', 'openai (Python)'],
  ['python', 'Python'],
  ['typescript', 'TypeScript'],
  ['curl', 'curl'],
  ['openrouter-sdk', '@openrouter/sdk'],
] as const
export type Language = (typeof LANGUAGES)[number][0]

export const WISHES = ['stream', 'tools', 'image', 'reasoning'] as const
export type Wish = (typeof WISHES)[number]

export interface Asked {
  readonly model: string
  /** `https://host`, without `/api/v1`. */
  readonly origin: string
  readonly wishes: ReadonlySet<Wish>
  /** Numbers to send along, by the names of their parameters; the clients of vendors would need them in several places. */
  readonly settings?: Readonly<Record<string, number>>
}

export const KEY_NAME = 'SIGNALBOX_API_KEY'
/** A picture of one red pixel: a sample that asks another host for one would stop working when that host does. */
const PIXEL = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=='

const TOOL = {
  type: 'function',
  function: {
    name: 'get_weather', description: 'The weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}

/** The body of the request that a sample sends. */
export function bodyOf({ model, wishes, settings }: Asked): Record<string, unknown> {
  const text = wishes.has('tools') ? 'What is the weather in Oslo?' : 'Why is the sky blue?'
  return {
    model,
    messages: [{
      role: 'user',
      content: wishes.has('image')
        ? [{ type: 'text', text: 'What is in this image?' }, { type: 'image_url', image_url: { url: PIXEL } }]
        : text,
    }],
    ...settings,
    ...(wishes.has('reasoning') && { reasoning: { effort: 'high' } }),
    ...(wishes.has('tools') && { tools: [TOOL] }),
    ...(wishes.has('stream') && { stream: true }),
  }
}

export function sampleIn(language: Language, asked: Asked): string {
  return MAKERS[language](asked)
}

const MAKERS: Readonly<Record<Language, (asked: Asked) => string>> = {
  'openai-python'(asked) {
    const { model, messages, tools, reasoning } = bodyOf(asked)
    const stream = asked.wishes.has('stream')
    const args = [
      `    model=${python(model)},`, `    messages=${python(messages, 4)},`,
      ...(tools ? [`    tools=${python(tools, 4)},`] : []),
      ...(reasoning ? [`    extra_body={"reasoning": ${python(reasoning)}},`] : []),
      ...(stream ? ['    stream=True,'] : []),
    ]
    return lines(
      'import os', 'from openai import OpenAI', '',
      `client = OpenAI(base_url="${asked.origin}/api/v1", api_key=os.environ["${KEY_NAME}"])`, '',
      `${stream ? 'stream' : 'completion'} = client.chat.completions.create(`, ...args, ')',
      ...(stream
        ? ['for chunk in stream:', '    for choice in chunk.choices:', '        print(choice.delta.content or "", end="", flush=True)']
        : [asked.wishes.has('tools') ? 'print(completion.choices[0].message.tool_calls)' : 'print(completion.choices[0].message.content)']),
    )
  },
  python(asked) {
    const stream = asked.wishes.has('stream')
    return lines(
      ...(stream ? ['import json'] : []), 'import os', 'import requests', '',
      'response = requests.post(', `    "${asked.origin}/api/v1/chat/completions",`,
      `    headers={"Authorization": f"Bearer {os.environ['${KEY_NAME}']}"},`,
      `    json=${python(bodyOf(asked), 4)},`, ...(stream ? ['    stream=True,'] : []), ')', 'response.raise_for_status()',
      ...(stream
        ? [
            'for line in response.iter_lines(decode_unicode=True):',
            '    if line.startswith("data: ") and line != "data: [DONE]":',
            '        for choice in json.loads(line[6:])["choices"]:',
            '            print(choice["delta"].get("content") or "", end="", flush=True)',
          ]
        : [asked.wishes.has('tools') ? 'print(response.json()["choices"][0]["message"].get("tool_calls"))' : 'print(response.json()["choices"][0]["message"]["content"])']),
    )
  },
  typescript(asked) {
    const stream = asked.wishes.has('stream')
    return lines(
      `const response = await fetch("${asked.origin}/api/v1/chat/completions", {`, '  method: "POST",', '  headers: {',
      `    Authorization: \`Bearer \${process.env.${KEY_NAME}}\`,`, '    "Content-Type": "application/json",', '  },',
      `  body: JSON.stringify(${script(bodyOf(asked), 2)}),`, '});', 'if (!response.ok) throw new Error(await response.text());',
      ...(stream
        ? [
            '', 'let rest = "";', 'for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {',
            '  const lines = (rest + text).split("\\n");', '  rest = lines.pop() ?? "";', '  for (const line of lines) {',
            '    if (!line.startsWith("data: ") || line === "data: [DONE]") continue;',
            '    for (const choice of JSON.parse(line.slice(6)).choices) process.stdout.write(choice.delta.content ?? "");', '  }', '}',
          ]
        : ['const { choices } = await response.json();', asked.wishes.has('tools') ? 'console.log(choices[0].message.tool_calls);' : 'console.log(choices[0].message.content);']),
    )
  },
  curl(asked) {
    // Single quotes keep the shell's hands off everything but a single quote.
    const body = JSON.stringify(bodyOf(asked), null, 2).replaceAll("'", String.raw`'\''`)
    return lines(
      `curl ${asked.wishes.has('stream') ? '-N ' : ''}${asked.origin}/api/v1/chat/completions \\`,
      `  -H "Authorization: Bearer $${KEY_NAME}" \\`, '  -H "Content-Type: application/json" \\', `  -d '${body}'`,
    )
  },
  'openrouter-sdk'(asked) {
    const stream = asked.wishes.has('stream')
    const body = camel({ ...bodyOf(asked), stream })
    return lines(
      'import { OpenRouter } from "@openrouter/sdk";', '',
      `const client = new OpenRouter({ apiKey: process.env.${KEY_NAME}, serverURL: "${asked.origin}/api/v1" });`, '',
      `const ${stream ? 'stream' : 'result'} = await client.chat.send({`, `  chatRequest: ${script(body, 2)},`, '});',
      ...(stream
        ? ['for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? "");']
        : [asked.wishes.has('tools') ? 'console.log(result.choices[0].message.toolCalls);' : 'console.log(result.choices[0].message.content);']),
    )
  },
}

const lines = (...all: readonly string[]): string => all.join('\n')

/** A value as Python writes it. */
function python(value: unknown, indent = 0): string {
  return literal(value, indent, { words: { true: 'True', false: 'False', null: 'None' }, step: 4, key: (name) => JSON.stringify(name) })
}

/** A value as TypeScript writes it. */
function script(value: unknown, indent = 0): string {
  return literal(value, indent, { words: {}, step: 2, key: (name) => (/^[a-z_$][\w$]*$/i.test(name) ? name : JSON.stringify(name)) })
}

interface Style {
  readonly words: Readonly<Record<string, string>>
  readonly step: number
  key(name: string): string
}

const LINE = 72

function literal(value: unknown, indent: number, style: Style): string {
  if (value === null || typeof value !== 'object') {
    const text = JSON.stringify(value)
    return style.words[text] ?? text
  }
  const inner = indent + style.step
  const of = (depth: number): readonly string[] => Array.isArray(value)
    ? value.map((each) => literal(each, depth, style))
    : Object.entries(value).map(([name, each]) => `${style.key(name)}: ${literal(each, depth, style)}`)
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}']
  const flat = `${open}${of(indent).join(', ')}${close}`
  if (!flat.includes('\n') && flat.length + indent <= LINE) return flat
  const pad = ' '.repeat(inner)
  return `${open}\n${of(inner).map((each) => `${pad}${each},`).join('\n')}\n${' '.repeat(indent)}${close}`
}

/** The SDK's spelling of the keys that a sample has; what lies inside a JSON Schema is not the SDK's. */
function camel(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camel)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) =>
    [name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()), name === 'parameters' ? each : camel(each)]))
}
