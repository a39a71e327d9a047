/** Settings that requests are filled in with under a name, in versions: kept by workspace, at hand in memory. */
export { absent, createPresets, STATUSES, type Preset, type Presets, type PresetVersion } from './presets.ts'
