/** The pages of the site: what they are told, and how what was built from `web/` is served. */
export { createSite } from './create.ts'
export { createPages, type Pages, type PageReply } from './serve.ts'
