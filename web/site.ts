import { createContext, type RouterContextProvider } from 'react-router'
import type { Site } from '../src/site.ts'

/** Under these the server's values reach loaders and the document. They are made here, once: the server takes them from the build. */
const siteContext = createContext<Site>()
const nonceContext = createContext<string>()

const reportContext = createContext<(error: unknown) => void>()

export const given = { siteContext, nonceContext, reportContext }

export const siteOf = (context: Readonly<RouterContextProvider>): Site => context.get(siteContext)
