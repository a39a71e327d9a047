/** Search engines of the operator's: one driver for each, each with its own words for the same question. */
export { createSearch, type Search } from './search.ts'
export { createPageReader, type Page, type PageReader } from './page.ts'
