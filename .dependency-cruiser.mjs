// For `node_modules/.bin/depcruise src` by hand; `npm test` takes the same rules in test/architecture.test.ts.
import { forbidden } from './test/rooms.ts'

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden,
  options: {
    // Through TypeScript 7, which has no parser that others can call, dependency-cruiser sees no module and passes.
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '/fixtures/' },
    // Without these a package's subpath (`pkg/part`) counts as missing.
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
}
