/** The environment that tests run in: nothing of the user's data, keys or settings gets in, nothing of ours gets out. */
import path from 'node:path'

/**
 * Variables that a test may see. A list of what is let in, not of what is kept out: a provider's key in the developer's
 * shell (OPENAI_API_KEY and a hundred like it) would switch that provider on, and a story would spend real money there.
 */
const LET_IN = [
  'PATH', 'LANG', 'LC_ALL', 'TERM', 'TZ', 'CI', 'COLUMNS', 'FORCE_COLOR', 'NO_COLOR', 'NODE_COMPILE_CACHE',
  'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'TEST_DATABASE_URL', 'SIGNALBOX_TEST_SEED',
  'SystemRoot', 'SystemDrive', 'ComSpec', 'PATHEXT', 'WINDIR',
]

/** `from` reduced to what tests may see, with home, data, configuration and temporary files inside `scratch`. */
export function cleanEnvironment(from: NodeJS.ProcessEnv, scratch: string): NodeJS.ProcessEnv {
  const kept = LET_IN.flatMap(name => (from[name] === undefined ? [] : [[name, from[name]] as const]))
  return {
    ...Object.fromEntries(kept),
    HOME: path.join(scratch, 'home'),
    USERPROFILE: path.join(scratch, 'home'),
    TMPDIR: scratch,
    TEMP: scratch,
    TMP: scratch,
    SIGNALBOX_HOME: path.join(scratch, 'data'),
    SIGNALBOX_CONFIG: path.join(scratch, 'signalbox.config.yaml'),
  }
}
