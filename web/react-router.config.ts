import type { Config } from '@react-router/dev/config'

export default {
  appDirectory: '.',
  // bin/site.mjs names the folder after what is in the sources, so that a running server keeps the build that it began with.
  buildDirectory: process.env['SIGNALBOX_SITE_BUILD'] ?? 'build/development',
  ssr: true,
  // A manifest of all routes in each page is smaller than asking for them one by one, and needs no request.
  routeDiscovery: { mode: 'initial' },
} satisfies Config
