/** Who serves: keys to providers, how each wants to be shown its key, servers on this machine, and the simulation. */
export { createProviders, type ProviderFacts, type ProviderGrant, type Providers } from './providers.ts'
export { createDemo, type LocalProvider } from './demo.ts'
export { discoverLocal, LOCAL_SERVERS, type LocalFinding } from './local.ts'
export type { Authoriser } from './schemes.ts'
export { createTokens, type Tokens } from './tokens.ts'
