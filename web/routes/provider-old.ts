import { redirect, type LoaderFunctionArgs } from 'react-router'

/** The address that OpenRouter's pages link to. */
export function loader({ params }: LoaderFunctionArgs) {
  return redirect(`/providers/${encodeURIComponent(params['provider'] ?? '')}`, 308)
}
