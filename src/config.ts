import { readSettings, type Config, type Environment } from './config/index.ts'

/** What the operator set: one frozen value, parsed once. The only reader of process.env. */
export { ConfigError } from './catalog/index.ts'
export {
  createLiveConfig, DEFAULTS, fileSchema, FILE_NOT_YET, Secret, VARIABLES, VARIABLES_NOT_YET, watchConfig,
  type Config, type ConfigFile, type Environment, type Limits, type LiveConfig, type ProviderSettings, type Timeouts,
} from './config/index.ts'

/**
 * Reads the configuration. Throws a ConfigError that names the setting, what is wrong with it and what would be
 * right; no message holds a secret.
 */
export function readConfig(env: Environment = process.env, cwd: string = process.cwd()): Config {
  return readSettings(env, cwd)
}
