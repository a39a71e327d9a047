/** What the operator set, by environment and file: one frozen value, parsed once; and how a new file is taken. */
export { readConfig, type Config, type Environment, type Limits, type ProviderSettings, type Timeouts } from './read.ts'
export { DEFAULTS, fileSchema, FILE_NOT_YET, VARIABLES, VARIABLES_NOT_YET, type ConfigFile } from './schema.ts'
export { Secret } from './secret.ts'
export { createLiveConfig, watchConfig, type LiveConfig } from './watch.ts'
export { ConfigError } from '../catalog/index.ts'
