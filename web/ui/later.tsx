import { lazy, Suspense, type ComponentType } from 'react'

/**
 * A block whose script a reader needs only once they do something with it. It stands as the server made it, with links
 * that are links, until a key or a button is pressed anywhere: the press may be a move, and React finishes what stands
 * before it moves. A block that can do what a reader has to see, such as a button that copies, is loaded when it comes
 * into view. `at` are the ids that its heading may have; where there is none of them the reader has moved here within the
 * site, and nothing waits.
 */
export function later<P extends object>(at: readonly string[], load: () => Promise<ComponentType<P>>, when: 'pressed' | 'seen' = 'pressed'): ComponentType<P> {
  const Block = lazy(async () => {
    if (typeof document !== 'undefined') await needed(at.map((id) => document.getElementById(id)).find((heading) => heading !== null), when)
    return { default: await load().catch(startOver) }
  })
  return function Later(props) {
    return <Suspense><Block {...props} /></Suspense>
  }
}

function needed(heading: HTMLElement | undefined, when: 'pressed' | 'seen'): Promise<void> | undefined {
  if (heading === undefined) return undefined
  return new Promise((resolve) => {
    const go = () => resolve()
    for (const event of ['pointerdown', 'keydown', 'popstate']) addEventListener(event, go, { capture: true, once: true })
    if (when === 'pressed') return
    const seeing = new IntersectionObserver((seen) => {
      if (!seen.some(({ isIntersecting }) => isIntersecting)) return
      seeing.disconnect()
      go()
    })
    seeing.observe(heading.closest('section') ?? heading)
  })
}

/** A tab that was open while the server got a new build asks for files that are there no more: the router's answer to that, too. */
function startOver(): Promise<never> {
  location.reload()
  return new Promise(() => {})
}
