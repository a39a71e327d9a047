import { reactRouter } from '@react-router/dev/vite'
import tailwindcss from '@tailwindcss/vite'
import { defineConfig } from 'vite'

export default defineConfig({
  plugins: [tailwindcss(), reactRouter()],
  // One file for the server: lucide alone would be two thousand modules to load.
  ssr: { noExternal: true },
  // The server is started without NODE_ENV, and React would take that for a developer's machine.
  define: { 'process.env.NODE_ENV': JSON.stringify('production') },
  // Blocks that come later are small and come by themselves: the means to fetch theirs ahead would be in every page.
  build: { assetsInlineLimit: 0, sourcemap: false, modulePreload: false },
  // What is not there is not held in memory either.
  environments: {
    ssr: { build: { minify: true } },
    // What every page needs is one file: it compresses better than seven do.
    client: { build: { rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'base', test: /node_modules[\\/](?:react|react-dom|react-router|scheduler|lucide-react[\\/]dist[\\/]esm[\\/](?!icons))/ }] } } } } },
  },
  logLevel: 'warn',
})
