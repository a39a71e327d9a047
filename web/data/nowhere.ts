import { data } from 'react-router'

/** What a loader throws when nothing stands at its address; `near` are ids that were perhaps meant. */
export function nowhere(near: readonly string[] = []) {
  return data({ near }, { status: 404 })
}
