import type { LoaderFunctionArgs } from 'react-router'
import { siteOf } from '../site.ts'

const MOST = 20

/** What lists of suggestions ask as somebody types: `?q=`, and `kind=model` for models alone. */
export async function loader({ request, context }: LoaderFunctionArgs) {
  const query = new URL(request.url).searchParams
  const kind = query.get('kind')
  const hits = await siteOf(context).search(query.get('q') ?? '', kind === null ? MOST : MOST * 4)
  return Response.json({ hits: hits.filter((hit) => kind === null || hit.kind === kind).slice(0, MOST) })
}
