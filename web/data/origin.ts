/** The address that a reader sees, `https://host`: what samples must name. A proxy in front says what it was asked as. */
export function originOf(request: Request): string {
  const { headers } = request
  const host = first(headers.get('x-forwarded-host')) ?? headers.get('host') ?? new URL(request.url).host
  const scheme = first(headers.get('x-forwarded-proto')) === 'https' ? 'https' : 'http'
  // What is no host would turn up in code that people paste into a shell.
  return `${scheme}://${/^[\w.:[\]-]+$/.test(host) ? host : new URL(request.url).host}`
}

function first(header: string | null): string | null {
  return header?.split(',')[0]?.trim() || null
}
