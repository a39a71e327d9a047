/** Where things are kept: one schema and one set of queries, on SQLite for one machine or Postgres for many. */
export { StoreError, type AddedColumns, type Row, type Store } from './engine.ts'
export { readPrivateJson, replacePrivateFile } from './folder.ts'
export { openStore } from './open.ts'
export { readColumn, storable } from './text.ts'
export type {
  AppTable, Flag, GenerationTable, KeyTable, ParameterRollupTable, PepperTable, PresetTable, PresetVersionTable, ResponseEventTable, ResponseTable, RollupTable,
  Schema, WorkspaceTable,
} from './schema.ts'
