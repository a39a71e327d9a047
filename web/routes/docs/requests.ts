import { redirect } from 'react-router'

/** Addresses that other pages link to: what a request holds stands in the reference. */
export function loader() {
  return redirect('/docs/api-reference/overview', 308)
}
