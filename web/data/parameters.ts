/** Request parameters in plain words: what each does, what it may be, and what happens when it is not sent. */
export interface Parameter {
  readonly type: string
  readonly range: string | null
  readonly fallback: string
  readonly says: string
}

const OWN = "the model's own"

export const PARAMETERS: Readonly<Record<string, Parameter>> = {
  max_completion_tokens: { type: 'integer', range: '1 or more', fallback: 'what the endpoint allows', says: 'The most tokens that the answer may have, reasoning included. An answer that reaches it ends with finish_reason "length".' },
  max_tokens: { type: 'integer', range: '1 or more', fallback: 'what the endpoint allows', says: 'The older name of max_completion_tokens.' },
  temperature: { type: 'float', range: '0 to 2', fallback: '1', says: 'How freely the next token is drawn. Near 0 the likeliest token nearly always wins; higher values let unlikely ones through.' },
  top_p: { type: 'float', range: 'above 0, to 1', fallback: '1', says: 'Draws only from the smallest set of tokens whose probabilities add up to this share. Change this or temperature, seldom both.' },
  top_k: { type: 'integer', range: '0 or more', fallback: '0, which is no limit', says: 'Draws only from this many of the likeliest tokens. 1 always takes the likeliest.' },
  min_p: { type: 'float', range: '0 to 1', fallback: '0', says: "Leaves out tokens that are less likely than this fraction of the likeliest one, so the cut follows the model's certainty." },
  top_a: { type: 'float', range: '0 to 1', fallback: '0', says: "Leaves out tokens below this value times the square of the likeliest one's probability: hard when the model is sure, soft when it is not." },
  frequency_penalty: { type: 'float', range: '-2 to 2', fallback: '0', says: 'Lowers a token the more often it has already come. Negative values invite repetition.' },
  presence_penalty: { type: 'float', range: '-2 to 2', fallback: '0', says: 'Lowers every token that has come at least once, however often, which moves the answer on to new things.' },
  repetition_penalty: { type: 'float', range: 'above 0, to 2', fallback: '1', says: 'Divides the score of tokens that the prompt or the answer already has. Above 1 repeats less; far above it breaks sentences.' },
  seed: { type: 'integer', range: null, fallback: 'random', says: 'Asks for the same draw each time. The same request then mostly gives the same answer; providers do not promise it.' },
  stop: { type: 'string or array', range: 'up to 4 strings', fallback: 'none', says: 'The answer ends before the first of these strings appears.' },
  logit_bias: { type: 'object', range: '-100 to 100 for each token', fallback: 'none', says: 'Adds to the score of tokens by their id before the draw: -100 rules a token out, 100 all but forces it.' },
  logprobs: { type: 'boolean', range: null, fallback: 'false', says: 'Returns the log probability of each token of the answer.' },
  top_logprobs: { type: 'integer', range: '0 to 20', fallback: '0', says: 'With logprobs: how many of the likeliest alternatives are returned at each place.' },
  tools: { type: 'array', range: null, fallback: 'none', says: 'Functions that the model may ask to be called, each with a JSON Schema of its arguments.' },
  tool_choice: { type: 'string or object', range: 'none, auto, required, or a function', fallback: 'auto when there are tools', says: 'Whether the model may, must or must not call a tool, or which one it must call.' },
  parallel_tool_calls: { type: 'boolean', range: null, fallback: 'true', says: 'Whether one answer may ask for several tool calls at once.' },
  response_format: { type: 'object', range: 'text, json_object, json_schema', fallback: 'text', says: 'The form of the answer. json_object asks for valid JSON, json_schema for JSON that follows your schema.' },
  structured_outputs: { type: 'capability', range: null, fallback: 'not a field to send', says: 'The endpoint enforces the schema of response_format while it writes, rather than trying to follow it.' },
  reasoning: { type: 'object', range: 'effort, max_tokens, exclude, enabled', fallback: OWN, says: 'How much the model reasons before it answers, and whether that reasoning is returned. Reasoning tokens are paid as output.' },
  reasoning_effort: { type: 'string', range: 'none, minimal, low, medium, high, xhigh', fallback: OWN, says: 'The short form of reasoning.effort.' },
  include_reasoning: { type: 'boolean', range: null, fallback: 'true', says: 'The older way to say whether reasoning is returned.' },
  verbosity: { type: 'string', range: 'low, medium, high, xhigh, max', fallback: OWN, says: 'How long and how detailed the answer should be, apart from how hard the model thinks.' },
  web_search_options: { type: 'object', range: null, fallback: 'none', says: "Settings of the model's own web search, such as how much of the found pages it reads." },
}

const WEATHER = { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }

/** Each as a request has it, by itself. A test holds every one against the API's own schema. */
export const EXAMPLES: Readonly<Record<string, string>> = Object.fromEntries(Object.entries({
  max_completion_tokens: 1024, max_tokens: 1024, temperature: 0.2, top_p: 0.9, top_k: 40, min_p: 0.05, top_a: 0.1,
  frequency_penalty: 0.5, presence_penalty: 0.5, repetition_penalty: 1.1, seed: 7, stop: ['\n\n', 'END'],
  logit_bias: { 50256: -100 }, logprobs: true, top_logprobs: 5, tools: [WEATHER], tool_choice: 'auto', parallel_tool_calls: false,
  response_format: { type: 'json_object' }, reasoning: { effort: 'high' }, reasoning_effort: 'high', include_reasoning: false,
  verbosity: 'low', web_search_options: { search_context_size: 'low' },
}).map(([name, value]) => [name, JSON.stringify({ [name]: value }, null, 2)]))

/** The order in which they are read: what shapes the answer, what draws it, what surrounds it. */
export function inOrder(names: readonly string[]): readonly string[] {
  const known = Object.keys(PARAMETERS)
  return names.toSorted((a, b) => place(known, a) - place(known, b) || (a < b ? -1 : 1))
}

function place(known: readonly string[], name: string): number {
  const at = known.indexOf(name)
  return at === -1 ? known.length : at
}
