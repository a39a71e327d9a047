/** Optional layers over canonical values, one file each. They see neither HTTP, dialects nor SQL. */
export { cacheMarks } from './cache-marks.ts'
export { contextCompression } from './context-compression.ts'
export { fileParser, type FileParserBounds } from './file-parser.ts'
export { reasoningExclude } from './reasoning-exclude.ts'
export { repairs } from './repair-json.ts'
export { responseHealing, type Enforced } from './response-healing.ts'
export { variants } from './variants.ts'
export { webSearch } from './web-search.ts'
