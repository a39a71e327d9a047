import { Menu, Moon, Sun } from 'lucide-react'
import { lazy, Suspense, useEffect, useState, type ReactNode } from 'react'
import {
  isRouteErrorResponse, Link, Links, Meta, NavLink, Outlet, Scripts, ScrollRestoration, useLocation, useNavigation, useRouteError, useRouteLoaderData,
  type LinksFunction, type LoaderFunctionArgs,
} from 'react-router'
import type { OperatorView } from '../src/site.ts'
import { originOf } from './data/origin.ts'
import { given, siteOf } from './site.ts'
import styles from './styles.css?url'
import { Mark } from './ui/mark.tsx'

export const links: LinksFunction = () => [
  { rel: 'stylesheet', href: styles },
  { rel: 'icon', href: '/favicon.svg', type: 'image/svg+xml' },
  { rel: 'alternate', href: '/feed.xml', type: 'application/rss+xml', title: 'New models' },
]

export async function loader({ request, context }: LoaderFunctionArgs) {
  const theme = /(?:^|;\s*)theme=(light|dark)(?:;|$)/.exec(request.headers.get('cookie') ?? '')?.[1] ?? null
  // Without a database the pages that need none still come.
  const demo = await siteOf(context).demoTraffic().catch(() => false)
  return { theme, origin: originOf(request), nonce: context.get(given.nonceContext), version: siteOf(context).version, links: siteOf(context).operator().links, demo }
}

/** Nothing of it changes from page to page. */
export const shouldRevalidate = () => false

const PLACES = [['/models', 'Models'], ['/providers', 'Providers'], ['/rankings', 'Rankings'], ['/apps', 'Apps'], ['/compare', 'Compare'], ['/docs', 'Docs']] as const

export function Layout({ children }: { readonly children: ReactNode }) {
  const root = useRouteLoaderData<typeof loader>('root')
  // The browser forgets a nonce once it is used; what it says of it is never compared.
  const nonce = root?.nonce ?? ''
  return (
    <html lang="en" data-theme={root?.theme ?? undefined} suppressHydrationWarning>
      <head>
        <meta charSet="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <Meta />
        <Links nonce={nonce} />
      </head>
      <body className="min-h-dvh flex flex-col">
        <a href="#main" className="sr-only focus:not-sr-only focus:fixed focus:left-3 focus:top-3 focus:z-50 focus:bg-sheet focus:px-3 focus:py-2">Skip to content</a>
        <Header />
        {root?.demo && <p role="note" className="border-b border-line px-4 sm:px-6 py-1.5 text-center text-[0.8125rem]">Demo traffic: every figure holds calls that never were, until <code>signalbox seed --remove</code>.</p>}
        <main id="main" tabIndex={-1} className="flex-1 w-full max-w-[84rem] mx-auto px-4 sm:px-6 pb-16 outline-none">{children}</main>
        <Footer version={root?.version ?? ''} links={root?.links ?? {}} />
        <ScrollRestoration nonce={nonce} />
        <Scripts nonce={nonce} />
      </body>
    </html>
  )
}

/** What a wide screen has room for at the foot of the page, and a telephone would be long in scrolling to. */
const MENU_ONLY = [['/status', 'Status'], ['/sdk', 'SDKs']] as const

function Header() {
  const { pathname } = useLocation()
  return (
    <header className="relative border-b border-line bg-paper">
      <div className="max-w-[84rem] mx-auto px-4 sm:px-6 h-14 flex items-center gap-5">
        <Link to="/" className="flex items-center gap-2 font-semibold tracking-tight text-[0.9375rem]"><Mark />Signalbox</Link>
        <nav aria-label="Main" className="hidden lg:flex gap-1">
          {PLACES.map(([to, name]) => (
            <NavLink key={to} to={to} className="px-2 py-1 text-soft hover:text-ink aria-[current=page]:text-ink aria-[current=page]:font-medium">{name}</NavLink>
          ))}
        </nav>
        <div className="relative ml-auto flex-1 max-w-72">
          <form action="/models" role="search">
            <input name="q" type="search" aria-label="Search models" placeholder="Search" className="field w-full" autoComplete="off" />
          </form>
          <PaletteKey />
        </div>
        <ThemeSwitch />
        {/* Of its own address: a move closes it. It covers the page, of which nothing is half behind it then. */}
        <details key={pathname} className="menu lg:hidden">
          <summary className="key list-none px-2" aria-label="Menu"><Menu size={16} aria-hidden /></summary>
          <nav aria-label="Menu" className="absolute inset-x-0 top-full z-30 h-[calc(100dvh-3.5rem)] overflow-y-auto bg-paper px-4 sm:px-6 py-2">
            {[...PLACES, ...MENU_ONLY].map(([to, name]) => <NavLink key={to} to={to} className="block py-3 border-b border-line text-base aria-[current=page]:font-semibold">{name}</NavLink>)}
          </nav>
        </details>
      </div>
    </header>
  )
}

const Palette = lazy(() => import('./ui/palette.tsx'))

/** Opens the search over everything, by its key or by a press; without scripts the field beside it searches models. */
function PaletteKey() {
  const [ready, setReady] = useState<'⌘K' | 'Ctrl K' | null>(null)
  const [open, setOpen] = useState(false)
  useEffect(() => {
    setReady(/mac|iphone|ipad/i.test(navigator.platform) ? '⌘K' : 'Ctrl K')
    const press = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== 'k' || !(event.metaKey || event.ctrlKey) || event.altKey || event.shiftKey) return
      event.preventDefault()
      setOpen(true)
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [])
  if (ready === null) return null
  return (
    <>
      <button type="button" onClick={() => setOpen(true)} aria-haspopup="dialog" aria-label={`Search everything, ${ready}`} className="absolute right-1 top-1 bottom-1 px-1.5 text-xs text-faint hover:text-ink bg-sheet hidden sm:block">{ready}</button>
      {open && <Suspense><Palette onClose={() => setOpen(false)} /></Suspense>}
    </>
  )
}

/** Follows the system until it is pressed. Without scripts there is only the system's theme, and no button. */
function ThemeSwitch() {
  const [dark, setDark] = useState<boolean | null>(null)
  useEffect(() => {
    const chosen = document.documentElement.dataset['theme']
    setDark(chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches)
  }, [])
  if (dark === null) return <span className="w-8" />
  const press = () => {
    const next = dark ? 'light' : 'dark'
    document.documentElement.dataset['theme'] = next
    document.cookie = `theme=${next}; path=/; max-age=31536000; samesite=lax`
    setDark(!dark)
  }
  return (
    <button type="button" onClick={press} className="grid place-items-center w-8 h-8 text-soft hover:text-ink" aria-label={dark ? 'Light theme' : 'Dark theme'}>
      {dark ? <Sun size={16} aria-hidden /> : <Moon size={16} aria-hidden />}
    </button>
  )
}

const SLOTS = { labs: 'Labs', enterprise: 'Enterprise', careers: 'Careers', github: 'GitHub', discord: 'Discord', x: 'X' } as const

function Footer({ version, links }: { readonly version: string; readonly links: OperatorView['links'] }) {
  const slots = (Object.keys(SLOTS) as (keyof typeof SLOTS)[]).flatMap((name) => (links[name] ? [[links[name], SLOTS[name]] as const] : []))
  return (
    <footer className="border-t border-line text-soft">
      <div className="max-w-[84rem] mx-auto px-4 sm:px-6 py-8 flex flex-wrap gap-x-12 gap-y-6 text-[0.8125rem]">
        <div className="mr-auto max-w-xs">
          <p className="flex items-center gap-2 text-ink font-medium"><Mark size={18} />Signalbox {version}</p>
          <p className="mt-1">Every figure on these pages comes from this instance&rsquo;s own traffic.</p>
        </div>
        <FooterColumn title="Catalogue" of={[['/models', 'Models'], ['/providers', 'Providers'], ['/compare', 'Compare'], ['/rankings', 'Rankings'], ['/apps', 'Apps'], ['/state-of-ai', 'State of AI'], ['/models?max_price=0', 'Free models']]} />
        <FooterColumn title="For programs" of={[['/docs', 'Manual'], ['/docs/api-reference/overview', 'API reference'], ['/sdk', 'SDKs'], ['/openapi.json', 'OpenAPI'], ['/api/v1/models', 'Models as JSON'], ['/feed.xml', 'New models, RSS'], ['/llms.txt', 'llms.txt'], ['/sitemap.xml', 'Sitemap']]} plain />
        <FooterColumn title="This instance" of={[['/status', 'Status'], ['/pricing', 'Pricing'], ['/works-with', 'Works with'], ['/data', 'Data'], ['/announcements', 'Announcements'], ['/about', 'About'], ['/support', 'Support'], ['/privacy', 'Privacy'], ['/terms', 'Terms']]} />
        {slots.length > 0 && <FooterColumn title="Elsewhere" of={slots} plain />}
      </div>
    </footer>
  )
}

function FooterColumn({ title, of, plain }: { readonly title: string; readonly of: readonly (readonly [string, string])[]; readonly plain?: true }) {
  return (
    <nav aria-label={title}>
      <p className="label">{title}</p>
      <ul className="mt-1">
        {of.map(([to, name]) => <li key={to}><Link to={to} reloadDocument={plain} className="plain inline-block py-1">{name}</Link></li>)}
      </ul>
    </nav>
  )
}

export default function App() {
  useFocusOnMove()
  const moving = useNavigation().state !== 'idle'
  return (
    <>
      {moving && <div className="moving" aria-hidden />}
      <p role="status" className="sr-only">{moving ? 'Loading' : ''}</p>
      <Outlet />
    </>
  )
}

/** After a move to another page, readers of screens hear its heading; a change of the query alone leaves them where they are. */
function useFocusOnMove() {
  const { pathname } = useLocation()
  const [first] = useState(pathname)
  const [moved, setMoved] = useState(false)
  useEffect(() => {
    if (!moved && pathname === first) return
    setMoved(true)
    document.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true })
  }, [pathname])
}

export function meta({ error }: { readonly error?: unknown }) {
  return error === undefined ? [] : [{ title: `${isRouteErrorResponse(error) && error.status === 404 ? 'Not here' : 'Something broke'} · Signalbox` }]
}

export function ErrorBoundary() {
  const error = useRouteError()
  if (isRouteErrorResponse(error) && error.status === 404) {
    const near = (error.data as { near?: readonly string[] } | null)?.near ?? []
    return (
      <div className="py-20 max-w-prose">
        <p className="label">404</p>
        <h1 tabIndex={-1} className="text-2xl font-semibold mt-1 outline-none">No line leads here</h1>
        <p className="mt-3 text-soft">There is no such page, and no model, author or provider of that name in this instance&rsquo;s catalogue.</p>
        {near.length > 0 && (
          <>
            <p className="mt-6">Did you mean one of these?</p>
            <ul className="mt-2 font-mono text-[0.8125rem]">{near.map((id) => <li key={id} className="py-1"><Link className="prose-link" to={`/${id}`}>{id}</Link></li>)}</ul>
          </>
        )}
        <p className="mt-6"><Link to="/models" className="key">All models</Link></p>
      </div>
    )
  }
  return (
    <div className="py-20 max-w-prose">
      <h1 tabIndex={-1} className="text-2xl font-semibold outline-none">This page could not be made</h1>
      <p className="mt-3 text-soft">The fault is on our side and is in the server&rsquo;s log. Calls to the API do not depend on this page.</p>
      <p className="mt-6"><a href="" className="key">Try again</a></p>
    </div>
  )
}

