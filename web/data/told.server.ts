import type { RouterContextProvider } from 'react-router'
import { given, siteOf } from '../site.ts'

/** What a block of figures is told. */
export interface Told<T> {
  /** null where they could not be asked for: the rest of the page stands without them. */
  readonly of: T | null
  /** Ms since the epoch, where calls that ended after it are not in them yet. */
  readonly until: number | null
}

/** The figures of a block, whatever becomes of them. What went wrong is in the server's log. */
export async function told<T>(context: Readonly<RouterContextProvider>, asked: Promise<T>): Promise<Told<T>> {
  const lost = (error: unknown): null => {
    context.get(given.reportContext)(error)
    return null
  }
  const [of, until] = await Promise.all([asked.catch(lost), siteOf(context).behind().catch(lost)])
  return { of, until }
}
