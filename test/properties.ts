/**
 * fast-check for tests of properties, drawing the same cases in every run: what a run says is about the change, and not
 * about the draw. SIGNALBOX_TEST_SEED=4711 draws others; whoever looks for cases that nobody thought of runs with many.
 */
// oxlint-disable-next-line no-restricted-imports
import { configureGlobal } from 'fast-check'

configureGlobal({ seed: Number(process.env['SIGNALBOX_TEST_SEED'] ?? 20_261_120) })

// oxlint-disable-next-line no-restricted-imports
export * as fc from 'fast-check'
