/** What is asked of a search engine. */
export interface Question {
  readonly query: string
  readonly maxResults: number
  readonly include: readonly string[]
  readonly exclude: readonly string[]
}

/** One result. What a page says is as its engine tells it, cut to a bound. */
export interface Found {
  readonly url: string
  readonly title: string
  readonly content: string
}

/** A request as it goes to an engine. */
export interface SearchRequest {
  readonly method: 'GET' | 'POST'
  readonly url: string
  /** Names and values in turn. */
  readonly headers: readonly string[]
  readonly body: string | null
}

interface Driver {
  /** Where the engine is unless the operator says otherwise; null where everybody runs an own one. */
  readonly baseUrl: string | null
  write(question: Question, baseUrl: string, key: string | null): SearchRequest
  /** The list of results in an answer, and what its fields are called. */
  read(body: Loose): { readonly list: unknown; readonly content: readonly string[] }
}

type Loose = Readonly<Record<string, unknown>>
const isObject = (value: unknown): value is Loose => typeof value === 'object' && value !== null && !Array.isArray(value)

/** So much of a page goes into a prompt. */
const CONTENT_CHARACTERS = 2000
/** Brave takes no longer query than this; longer ones find nothing better elsewhere. */
const QUERY_CHARACTERS = 400

const JSON_HEADERS = ['content-type', 'application/json', 'accept', 'application/json']

/** Engines that have no field for domains read them in the query. */
function withSites({ query, include, exclude }: Question): string {
  const sites = include.map((domain) => `site:${domain}`).join(' OR ')
  return [cut(query, QUERY_CHARACTERS), ...(sites === '' ? [] : [include.length > 1 ? `(${sites})` : sites]), ...exclude.map((domain) => `-site:${domain}`)].join(' ')
}

/** The drivers by the names of their engines: Exa's and Tavily's search, Brave's web search, and any SearXNG that answers in JSON. */
const DRIVERS = {
  exa: {
    baseUrl: 'https://api.exa.ai',
    write: (question, baseUrl, key) => ({
      method: 'POST', url: `${baseUrl}/search`, headers: [...JSON_HEADERS, 'x-api-key', key ?? ''],
      body: JSON.stringify({
        query: cut(question.query, QUERY_CHARACTERS), numResults: question.maxResults, contents: { text: { maxCharacters: CONTENT_CHARACTERS } },
        ...(question.include.length > 0 && { includeDomains: question.include }), ...(question.exclude.length > 0 && { excludeDomains: question.exclude }),
      }),
    }),
    read: (body) => ({ list: body['results'], content: ['text'] }),
  },
  tavily: {
    baseUrl: 'https://api.tavily.com',
    write: (question, baseUrl, key) => ({
      method: 'POST', url: `${baseUrl}/search`, headers: [...JSON_HEADERS, 'authorization', `Bearer ${key ?? ''}`],
      body: JSON.stringify({
        query: cut(question.query, QUERY_CHARACTERS), max_results: question.maxResults,
        ...(question.include.length > 0 && { include_domains: question.include }), ...(question.exclude.length > 0 && { exclude_domains: question.exclude }),
      }),
    }),
    read: (body) => ({ list: body['results'], content: ['content'] }),
  },
  brave: {
    baseUrl: 'https://api.search.brave.com',
    write: (question, baseUrl, key) => ({
      method: 'GET', url: `${baseUrl}/res/v1/web/search?${new URLSearchParams({ q: withSites(question), count: String(Math.min(question.maxResults, 20)) })}`,
      headers: ['accept', 'application/json', 'x-subscription-token', key ?? ''], body: null,
    }),
    read: (body) => ({ list: isObject(body['web']) ? body['web']['results'] : [], content: ['description', 'extra_snippets'] }),
  },
  searxng: {
    baseUrl: null,
    write: (question, baseUrl, key) => ({
      method: 'GET', url: `${baseUrl}/search?${new URLSearchParams({ q: withSites(question), format: 'json' })}`,
      headers: ['accept', 'application/json', ...(key === null ? [] : ['authorization', `Bearer ${key}`])], body: null,
    }),
    read: (body) => ({ list: body['results'], content: ['content'] }),
  },
} as const satisfies Record<string, Driver>

export type Engine = keyof typeof DRIVERS
export const ENGINES = Object.keys(DRIVERS) as readonly Engine[]

export const driverOf = (engine: Engine): Driver => DRIVERS[engine]

/**
 * The results in an engine's answer; null where it is none. What has no public-looking address is left out: it goes to
 * callers as a link.
 */
export function resultsIn(engine: Engine, body: unknown, maxResults: number): readonly Found[] | null {
  if (!isObject(body)) return null
  const { list, content } = driverOf(engine).read(body)
  if (!Array.isArray(list)) return null
  return list.filter(isObject).flatMap((it): Found[] => {
    const { url, title } = it
    if (typeof url !== 'string' || url.length > 2000 || !/^https?:\/\//i.test(url) || !URL.canParse(url)) return []
    const texts = content.flatMap((field) => it[field]).filter((text) => typeof text === 'string')
    return [{ url, title: typeof title === 'string' && title !== '' ? cut(title, 300) : new URL(url).hostname, content: cut(texts.join('\n'), CONTENT_CHARACTERS) }]
  }).slice(0, maxResults)
}

/** Never between the halves of a character. */
function cut(text: string, length: number): string {
  return text.length <= length ? text : text.slice(0, length).toWellFormed()
}
