import type { ReactNode } from 'react'
import { useLocation, useNavigation } from 'react-router'
import type { Told } from '../data/told.server.ts'
import { clock, day } from '../data/format.ts'

/**
 * A block of figures in whichever state they are: there, being asked for anew, older than they should be, or not to be
 * had. That there are none yet is for the block to say, which knows what would bring them.
 */
export function Block<T>({ told, children }: { readonly told: Told<T>; children(of: T): ReactNode }) {
  const { pathname } = useLocation()
  // Another window of the same page: what is shown stays until it comes.
  const busy = useNavigation().location?.pathname === pathname
  if (told.of === null) return <Lost />
  return (
    <div aria-busy={busy} className="block-of-figures">
      {children(told.of)}
      {told.until !== null && <p role="note" className="mt-3 border-l-2 border-caution pl-3 text-[0.8125rem] text-soft">As of {day(told.until)}, {clock(told.until)} UTC: calls that ended later are not added up yet.</p>}
    </div>
  )
}

/** What stands where figures could not be asked for. */
export function Lost() {
  return (
    <div role="note" className="border-l-2 border-danger pl-4 py-1 max-w-prose">
      <p className="font-medium">These figures could not be asked for</p>
      <p className="text-soft mt-0.5">The fault is on our side and is in the server&rsquo;s log; the rest of the page stands without them. <a href="" className="prose-link">Try again</a></p>
    </div>
  )
}
