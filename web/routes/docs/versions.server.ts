import manifest from '../../../package.json'

/** The version of a client that the tests of this version of the program ran. */
export const testedVersion = (name: string): string | null => (manifest.devDependencies as Readonly<Record<string, string>>)[name] ?? null
