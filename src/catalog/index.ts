/** What can be asked for and who serves it: models, endpoints, providers and prices, with the operator's word on top. */
export { createCatalog, type Catalog, type CatalogInput, type Discovery } from './catalog.ts'
export { sellerOf, type ListPrice, type ModelEntry, type Snapshot } from './snapshot.ts'
export type { CatalogRecipe } from './recipe.ts'
export {
  ConfigError, NO_OVERLAY, type EndpointPatch, type EndpointRow, type ModelPatch, type ModelRow, type Overlay, type ProviderPatch,
  type ProviderRow,
} from './rows.ts'
export { overlaySchemas, unknownKeys, unknownKeySentence, type UnknownKey } from './overlay-check.ts'
export { nearest } from './nearest.ts'
export { DEMO } from './builtin.ts'
export {
  anthropicModelShape, endpointShape, endpointsShape, googleModelShape, isListed, modelShape, openAiModelShape, openAiModelsShape, providersShape, zdrShape,
  type FiguresOf, type ModelShape,
} from './shapes.ts'
export { checkProbeFilter, probedOf, type Probed } from './probed.ts'
export { pricingShape, topEndpoint } from './pricing-shape.ts'
export { asksForFigures, queryModels, type ModelList, type QueryContext } from './query.ts'
export { compare, diffTable, overlayYaml, syncCatalog, type Change, type SyncOverlay, type SyncResult } from './sync.ts'
