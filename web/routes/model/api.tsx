import { Link, useSearchParams } from 'react-router'
import type { ModelView } from '../../../src/site.ts'
import { KEY_NAME, LANGUAGES, sampleIn, WISHES, type Wish } from '../../data/samples.ts'
import { Code } from '../../ui/code.tsx'
import { Facts } from '../../ui/section.tsx'

const NAMES: Readonly<Record<Wish, string>> = { stream: 'Streaming', tools: 'Tools', image: 'Image input', reasoning: 'Reasoning' }

/** Samples that run as they stand, made anew by links: with scripts at once, without them by a new page. */
export function Api({ model, origin }: { readonly model: ModelView; readonly origin: string }) {
  const [query] = useSearchParams()
  const can: Readonly<Record<Wish, boolean>> = {
    stream: true, tools: model.features.tools, image: model.inputModalities.includes('image'), reasoning: model.reasoning.supported,
  }
  const language = LANGUAGES.find(([name]) => name === query.get('lang'))?.[0] ?? 'openai-python'
  const wishes = new Set(WISHES.filter((wish) => can[wish] && query.get(wish) === '1'))
  const to = (change: Readonly<Record<string, string>>): string => {
    const next = new URLSearchParams()
    if (language !== 'openai-python') next.set('lang', language)
    for (const wish of wishes) next.set(wish, '1')
    for (const [name, value] of Object.entries(change)) if (value === '') next.delete(name); else next.set(name, value)
    return `?${next}`
  }
  return (
    <div className="grid gap-8 lg:grid-cols-[minmax(0,1fr)_22rem]">
      <ol className="grid gap-7 min-w-0">
        <Step number={1} title="Get a key">
          <p className="text-soft">Where this instance runs, make a key and keep it in the environment. It is shown once.</p>
          <div className="mt-3"><Code label="Commands that make a key" text={`npm run -s signalbox -- key create --name my-app\nexport ${KEY_NAME}=sk-…`} /></div>
        </Step>
        <Step number={2} title="Make a request">
          <div className="flex flex-wrap gap-x-6 gap-y-1 text-[0.8125rem] text-soft">
            <nav aria-label="Language" className="flex flex-wrap">
              {LANGUAGES.map(([name, title]) => (
                <Link key={name} to={to({ lang: name })} replace preventScrollReset aria-current={name === language ? 'true' : undefined} className="px-1.5 first:pl-0 py-1 plain aria-[current]:text-ink aria-[current]:font-semibold">{title}</Link>
              ))}
            </nav>
            <nav aria-label="What the sample shows" className="flex flex-wrap gap-x-3">
              {WISHES.filter((wish) => can[wish]).map((wish) => (
                <Link key={wish} to={to({ [wish]: wishes.has(wish) ? '' : '1' })} replace preventScrollReset aria-current={wishes.has(wish) ? 'true' : undefined} className="group inline-flex items-center gap-1.5 py-1 aria-[current]:text-ink">
                  <span aria-hidden className="grid place-items-center w-3.5 h-3.5 border border-rail rounded-[2px] text-[0.625rem] leading-none group-aria-[current]:bg-arm group-aria-[current]:border-arm group-aria-[current]:text-on-arm">{wishes.has(wish) ? '✓' : ''}</span>
                  {NAMES[wish]}<span className="sr-only">{wishes.has(wish) ? ', on' : ', off'}</span>
                </Link>
              ))}
            </nav>
          </div>
          <div className="mt-2"><Code label={`Sample in ${LANGUAGES.find(([name]) => name === language)![1]}`} text={sampleIn(language, { model: model.id, origin, wishes })} /></div>
        </Step>
        <Step number={3} title="Stream the answer">
          <p className="text-soft">
            Send <code className="font-mono text-xs">&quot;stream&quot;: true</code> and the answer comes as server-sent events while it is written, the usage and cost last.
            {!wishes.has('stream') && <> <Link to={to({ stream: '1' })} replace preventScrollReset className="prose-link">Show it in the sample</Link>.</>}
          </p>
        </Step>
      </ol>
      <div>
        <h3 className="font-semibold mb-1">The endpoint</h3>
        <Facts of={[
          ['POST', <span key="u" className="font-mono text-xs break-all">{origin}/api/v1/chat/completions</span>],
          ['Authorization', <span key="a" className="font-mono text-xs break-all">Bearer ${KEY_NAME}</span>],
          ['Content-Type', <span key="t" className="font-mono text-xs">application/json</span>],
          ['HTTP-Referer', "optional: your app's address, which counts its tokens for it"],
          ['X-Title', "optional: your app's name"],
          ['model', <span key="m" className="font-mono text-xs break-all">{model.id}</span>],
        ]} />
        <p className="mt-3 text-[0.8125rem] text-soft">Clients made for OpenAI or OpenRouter work unchanged with this address. <Link to="/docs/frameworks" className="prose-link">One program for each</Link>; every field is in the <Link to="/docs/api-reference/createChatCompletion" className="prose-link">API reference</Link>.</p>
      </div>
    </div>
  )
}

function Step({ number, title, children }: { readonly number: number; readonly title: string; readonly children: React.ReactNode }) {
  return (
    <li className="grid grid-cols-[1.75rem_minmax(0,1fr)]">
      <span aria-hidden className="text-arm font-semibold">{number}</span>
      <div className="min-w-0"><h3 className="font-semibold">{title}</h3><div className="mt-1.5">{children}</div></div>
    </li>
  )
}
