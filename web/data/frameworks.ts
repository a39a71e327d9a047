import { KEY_NAME } from './samples.ts'

/*
 * One program for each client library, complete and short: a test runs every one of them against a server, with the
 * version of the library that is named. What stands on the page is what was run.
 */

export interface Framework {
  readonly id: string
  readonly name: string
  readonly language: 'TypeScript' | 'Python' | 'Shell'
  /** How to get it; null where it comes with the language. */
  readonly install: string | null
  /** The packages whose versions were run, npm's names. */
  readonly packages: readonly string[]
  readonly note: string
  program(at: { readonly origin: string; readonly model: string }): string
}

const QUESTION = 'Why is the sky blue?'

export const FRAMEWORKS: readonly Framework[] = [
  {
    id: 'openai-node', name: 'openai', language: 'TypeScript', install: 'npm install openai', packages: ['openai'],
    note: "OpenAI's own client. Only the address and the key differ; streams, tools and Responses work as they do there.",
    program: ({ origin, model }) => `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${origin}/api/v1", apiKey: process.env.${KEY_NAME} });

const completion = await client.chat.completions.create({
  model: "${model}",
  messages: [{ role: "user", content: "${QUESTION}" }],
});
console.log(completion.choices[0].message.content);`,
  },
  {
    id: 'openrouter-sdk', name: '@openrouter/sdk', language: 'TypeScript', install: 'npm install @openrouter/sdk', packages: ['@openrouter/sdk'],
    note: "OpenRouter's own client, with its provider preferences and models as types.",
    program: ({ origin, model }) => `import { OpenRouter } from "@openrouter/sdk";

const client = new OpenRouter({ apiKey: process.env.${KEY_NAME}, serverURL: "${origin}/api/v1" });

const result = await client.chat.send({
  chatRequest: {
    model: "${model}",
    messages: [{ role: "user", content: "${QUESTION}" }],
    stream: false,
  },
});
console.log(result.choices[0].message.content);`,
  },
  {
    id: 'ai-sdk', name: 'AI SDK', language: 'TypeScript', install: 'npm install ai @openrouter/ai-sdk-provider', packages: ['ai', '@openrouter/ai-sdk-provider'],
    note: "Vercel's AI SDK with OpenRouter's provider for it.",
    program: ({ origin, model }) => `import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { streamText } from "ai";

const signalbox = createOpenRouter({ baseURL: "${origin}/api/v1", apiKey: process.env.${KEY_NAME} });

const { textStream } = streamText({ model: signalbox("${model}"), prompt: "${QUESTION}" });
for await (const text of textStream) process.stdout.write(text);`,
  },
  {
    id: 'ai-sdk-openai', name: 'AI SDK, through OpenAI', language: 'TypeScript', install: 'npm install ai @ai-sdk/openai', packages: ['ai', '@ai-sdk/openai'],
    note: "Vercel's AI SDK with OpenAI's provider, which speaks Responses. Those of Anthropic and Google work as well, at /api/v1 and /api/v1beta.",
    program: ({ origin, model }) => `import { createOpenAI } from "@ai-sdk/openai";
import { generateText } from "ai";

const signalbox = createOpenAI({ baseURL: "${origin}/api/v1", apiKey: process.env.${KEY_NAME} });

const { text } = await generateText({ model: signalbox("${model}"), prompt: "${QUESTION}" });
console.log(text);`,
  },
  {
    id: 'openai-websocket', name: 'openai, over a WebSocket', language: 'TypeScript', install: 'npm install openai ws', packages: ['openai'],
    note: 'Many turns on one connection: previous_response_id goes on from what the connection remembers, and nothing is kept.',
    program: ({ origin, model }) => `import OpenAI from "openai";
import { ResponsesWS } from "openai/resources/responses/ws";

const client = new OpenAI({ baseURL: "${origin}/api/v1", apiKey: process.env.${KEY_NAME} });
const socket = new ResponsesWS(client);

socket.on("response.output_text.delta", (event) => process.stdout.write(event.delta));
socket.on("response.completed", () => socket.close());
socket.on("error", (error) => console.error(error.message));
socket.send({ type: "response.create", model: "${model}", input: "${QUESTION}" });`,
  },
  {
    id: 'anthropic', name: '@anthropic-ai/sdk', language: 'TypeScript', install: 'npm install @anthropic-ai/sdk', packages: ['@anthropic-ai/sdk'],
    note: "Anthropic's own client, for any model: requests are read in its format and answered in it. Its base URL has no /v1.",
    program: ({ origin, model }) => `import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ baseURL: "${origin}/api", apiKey: process.env.${KEY_NAME} });

const message = await client.messages.create({
  model: "${model}",
  max_tokens: 1024,
  messages: [{ role: "user", content: "${QUESTION}" }],
});
for (const block of message.content) if (block.type === "text") console.log(block.text);`,
  },
  {
    id: 'google-genai', name: '@google/genai', language: 'TypeScript', install: 'npm install @google/genai', packages: ['@google/genai'],
    note: "Google's own client, for any model: requests are read in its format and answered in it.",
    program: ({ origin, model }) => `import { GoogleGenAI } from "@google/genai";

const client = new GoogleGenAI({ apiKey: process.env.${KEY_NAME}, httpOptions: { baseUrl: "${origin}/api" } });

const response = await client.models.generateContent({ model: "${model}", contents: "${QUESTION}" });
console.log(response.text);`,
  },
  {
    id: 'openai-python', name: 'openai', language: 'Python', install: 'pip install openai', packages: [],
    note: "OpenAI's own client for Python. LangChain, LlamaIndex and most agent frameworks take the same address and key.",
    program: ({ origin, model }) => `import os
from openai import OpenAI

client = OpenAI(base_url="${origin}/api/v1", api_key=os.environ["${KEY_NAME}"])

completion = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "${QUESTION}"}],
)
print(completion.choices[0].message.content)`,
  },
  {
    id: 'python', name: 'The standard library', language: 'Python', install: null, packages: [],
    note: 'Nothing to install.',
    program: ({ origin, model }) => `import json
import os
import urllib.request

request = urllib.request.Request(
    "${origin}/api/v1/chat/completions",
    data=json.dumps({
        "model": "${model}",
        "messages": [{"role": "user", "content": "${QUESTION}"}],
    }).encode(),
    headers={
        "Authorization": f"Bearer {os.environ['${KEY_NAME}']}",
        "Content-Type": "application/json",
    },
)
with urllib.request.urlopen(request) as response:
    print(json.load(response)["choices"][0]["message"]["content"])`,
  },
  {
    id: 'fetch', name: 'fetch', language: 'TypeScript', install: null, packages: [],
    note: 'Nothing to install: Node, Deno, Bun and browsers have it.',
    program: ({ origin, model }) => `const response = await fetch("${origin}/api/v1/chat/completions", {
  method: "POST",
  headers: {
    Authorization: \`Bearer \${process.env.${KEY_NAME}}\`,
    "Content-Type": "application/json",
  },
  body: JSON.stringify({
    model: "${model}",
    messages: [{ role: "user", content: "${QUESTION}" }],
  }),
});
if (!response.ok) throw new Error(await response.text());
const { choices } = await response.json();
console.log(choices[0].message.content);`,
  },
  {
    id: 'curl', name: 'curl', language: 'Shell', install: null, packages: [],
    note: '',
    program: ({ origin, model }) => `curl ${origin}/api/v1/chat/completions \\
  -H "Authorization: Bearer $${KEY_NAME}" \\
  -H "Content-Type: application/json" \\
  -d '{
    "model": "${model}",
    "messages": [{ "role": "user", "content": "${QUESTION}" }]
  }'`,
  },
]
