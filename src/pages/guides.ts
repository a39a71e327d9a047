import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Guide, GuideCard } from '../site.ts'

const run = promisify(execFile)

type Entry = readonly [slug: string, file: string, name: string, part: GuideCard['part']]

/**
 * The pages of the manual that are written for those who use or run an instance, in the order in which they are read.
 * Addresses are OpenRouter's where it has such a page.
 */
const GUIDES: readonly Entry[] = [
  ['surfaces', 'surfaces.md', 'Formats and clients', 'Requests'],
  ['responses', 'responses.md', 'Responses', 'Requests'],
  ['tool-calling', 'tools.md', 'Tools', 'Requests'],
  ['structured-outputs', 'structured-output.md', 'Structured output', 'Requests'],
  ['presets', 'presets.md', 'Presets', 'Requests'],
  ['file-parser', 'file-parser.md', 'PDFs', 'Requests'],
  ['moderation', 'moderation.md', 'Moderation', 'Requests'],
  ['web-search', 'web-search.md', 'Web search', 'Requests'],
  ['server-tools', 'server-tools.md', 'Server tools', 'Requests'],
  ['response-caching', 'response-cache.md', 'Response cache', 'Requests'],
  ['prompt-caching', 'prompt-caching.md', 'Prompt caching', 'Requests'],
  ['errors', 'errors.md', 'Errors', 'Requests'],
  ['faults', 'faults.md', 'Faults of providers', 'Requests'],
  ['provider-routing', 'routing.md', 'Provider routing', 'Routing'],
  ['auto-router', 'auto-router.md', 'Auto router', 'Routing'],
  ['fitting', 'fitting.md', 'Limits and parameters', 'Routing'],
  ['hedging', 'hedging.md', 'Hedging', 'Routing'],
  ['coalescing', 'coalescing.md', 'Coalescing', 'Routing'],
  ['explain', 'explain.md', 'Explain', 'Routing'],
  ['configuration', 'configuration.md', 'Configuration', 'Running it'],
  ['providers', 'providers.md', 'Providers and keys', 'Running it'],
  ['figures', 'figures.md', 'Figures', 'Running it'],
  ['probes', 'probes.md', 'Probes', 'Running it'],
  ['overload', 'overload.md', 'Overload', 'Running it'],
  ['fake-upstream', 'fake-upstream.md', 'The fake upstream', 'Running it'],
]

/** For those who work on the program, or on the site itself. */
const NOT_HERE: ReadonlySet<string> = new Set(['rehearsal.md', 'site.md'])

/** Reads the manual in `folder`; each page once, since it changes with the program. One that has no place yet comes last. */
export function createGuides(folder: string) {
  const read = new Map<string, Promise<Guide>>()
  let listed: Promise<readonly Entry[]> | null = null

  const entries = (): Promise<readonly Entry[]> => listed ??= readdir(folder).then((names) => {
    const placed = new Set(GUIDES.map(([, file]) => file))
    const others = names.filter((file) => file.endsWith('.md') && !placed.has(file) && !NOT_HERE.has(file)).toSorted()
    return [...GUIDES, ...others.map((file): Entry => [file.slice(0, -3), file, (file[0]!.toUpperCase() + file.slice(1, -3)).replaceAll('-', ' '), 'Running it'])]
  }).catch((error: unknown) => {
    listed = null
    throw error
  })

  const load = async ([slug, file, name, part]: Entry): Promise<Guide> => {
    const [text, updated] = await Promise.all([readFile(path.join(folder, file), 'utf8'), lastChange(folder, file)])
    return { slug, name, part, title: /^# (.+)$/m.exec(text)?.[1] ?? name, summary: summaryOf(text), file, text, updated }
  }
  const guide = async (slug: string): Promise<Guide | null> => {
    const known = (await entries()).find(([own]) => own === slug)
    if (known === undefined) return null
    let loading = read.get(slug)
    if (loading === undefined) read.set(slug, loading = load(known))
    try {
      return await loading
    } catch (error) {
      read.delete(slug)
      throw error
    }
  }
  return {
    guide,
    changes: () => readFile(path.join(folder, '..', 'CHANGELOG.md'), 'utf8'),
    async guides(): Promise<readonly GuideCard[]> {
      const all = await Promise.all((await entries()).map(([slug]) => guide(slug)))
      return all.map((it) => {
        const { text, updated: _updated, ...card } = it!
        return { ...card, headings: [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading!) }
      })
    },
  }
}

/** The day of the last commit to a file; null where the program did not come as a repository. A clone sets all files to today, so their own times say nothing. */
async function lastChange(folder: string, file: string): Promise<string | null> {
  const said = await run('git', ['log', '-1', '--format=%cs', '--', file], { cwd: folder, timeout: 5000 }).catch(() => null)
  return said?.stdout.trim() || null
}

/** The first sentence, without marks. */
function summaryOf(text: string): string {
  const paragraph = text.split(/\n{2,}/).find((block) => block.trim() !== '' && !/^[#|`!<-]/.test(block)) ?? ''
  const plain = paragraph.replace(/\s+/g, ' ').replace(/\[([^\]]+)\]\([^)]*\)/g, '$1').replace(/[`*]/g, '').trim()
  return /^.{20,}?[.:](?= |$)/.exec(plain)?.[0].replace(/:$/, '.') ?? plain
}
