import { index, route, type RouteConfig } from '@react-router/dev/routes'

const SHORT = ['pricing', 'works-with', 'data', 'announcements', 'about', 'support', 'privacy', 'terms']

/** The pages. A word that stands first in an address here can never be an author: test/e2e holds the catalogue against it. */
export default [
  index('routes/home.tsx'),
  route('models', 'routes/models.tsx'),
  route('providers', 'routes/providers.tsx'),
  route('providers/:provider', 'routes/provider.tsx'),
  route('provider/:provider', 'routes/provider-old.ts'),
  route('compare', 'routes/compare/page.tsx'),
  // Named as far as a model's page goes: a bare star would lose against it.
  route('compare/:author/:slug/*', 'routes/compare/page.tsx', { id: 'compare-models' }),
  route('rankings', 'routes/boards/rankings.tsx'),
  route('apps', 'routes/boards/apps.tsx'),
  route('apps/:app', 'routes/boards/app.tsx'),
  // Of an app on somebody's own machine, `localhost` and its title.
  route('apps/:app/:title', 'routes/boards/app.tsx', { id: 'app-of-localhost' }),
  route('state-of-ai', 'routes/pages/report.tsx'),
  route('state-of-ai/:month', 'routes/pages/report.tsx', { id: 'report-of-month' }),
  route('status', 'routes/pages/status.tsx'),
  ...SHORT.map((path) => route(path, 'routes/pages/short.tsx', { id: `short-${path}` })),
  route('feed.xml', 'routes/feed.ts'),
  route('sdk', 'routes/docs/sdk.tsx'),
  route('docs', 'routes/docs/layout.tsx', [
    index('routes/docs/home.tsx'),
    route('frameworks', 'routes/docs/frameworks.tsx'),
    route('requests', 'routes/docs/requests.ts'),
    route('api-reference', 'routes/docs/requests.ts', { id: 'docs-reference-old' }),
    route('api-reference/overview', 'routes/docs/reference.tsx'),
    route('api-reference/parameters', 'routes/docs/parameters.tsx'),
    route('api-reference/:operation', 'routes/docs/operation.tsx'),
    route('parameters/:name', 'routes/docs/parameter.tsx'),
    route(':guide', 'routes/docs/guide.tsx'),
  ]),
  // Where `.md` behind a page's address leads (entry.server.tsx).
  route('-/markdown/*', 'routes/markdown.ts'),
  route('search.json', 'routes/search.ts'),
  route('sitemap.xml', 'routes/sitemap.ts'),
  route('llms.txt', 'routes/llms.ts'),
  route('robots.txt', 'routes/robots.ts'),
  route(':author', 'routes/author.tsx'),
  route(':author/:slug', 'routes/model/page.tsx', [
    index('routes/model/overview.tsx'),
    route(':section', 'routes/model/section.tsx'),
  ]),
  route('*', 'routes/nowhere.tsx'),
] satisfies RouteConfig
