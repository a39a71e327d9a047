// Runs in a page before anything of it. The event's own stamp is where the clock starts; a frame's callback, and then a
// message's, run after what was drawn has been handed to the screen.
globalThis.deed = { began: 0, heard: 0, shown: 0, answered: 0 }

const afterPaint = (then) => {
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel()
    port1.addEventListener('message', () => then(performance.now()), { once: true })
    port1.start()
    port2.postMessage(0)
  })
}

addEventListener('change', ({ timeStamp: began }) => {
  const list = () => [...document.querySelectorAll('main [aria-busy] a[href]')].map((link) => link.getAttribute('href')).join()
  const before = list()
  const it = globalThis.deed = { began, heard: 0, shown: 0, answered: 0 }
  afterPaint((now) => { it.heard = now - began })
  const seen = new MutationObserver(() => {
    if (document.querySelector('main [aria-busy=true]') !== null || list() === before) return
    seen.disconnect()
    // The router's own listener may have asked a moment before this one heard.
    const answers = performance.getEntriesByType('resource').filter(({ startTime }) => startTime > began - 50)
    it.answered = Math.max(...answers.map(({ responseEnd }) => responseEnd)) - began
    afterPaint((now) => { it.shown = now - began })
  })
  seen.observe(document.body, { subtree: true, childList: true, attributes: true })
}, { capture: true })

globalThis.painted = () => {
  const entries = (type) => {
    const observer = new PerformanceObserver(() => {})
    observer.observe({ type, buffered: true })
    return observer.takeRecords()
  }
  return {
    lcp: entries('largest-contentful-paint').at(-1)?.startTime ?? 0,
    shift: entries('layout-shift').reduce((sum, { value }) => sum + value, 0),
    answered: performance.getEntriesByType('navigation')[0].responseStart,
  }
}
