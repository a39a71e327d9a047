/** IBM watsonx's text chat. */
import type { Dialect } from '../dialect.ts'
import { DIALECT, outbound } from './outbound.ts'

export const watsonxTextChat: Dialect = { name: DIALECT, outbound }
