export {
  type ColumnInput,
  assertSchema,
  batchOf,
  columnOf,
  fieldOf,
  schemaOf,
  selectColumns,
  withColumns,
} from "./batch.ts";
export {
  type ColumnOptions,
  type Value,
  type ValueInput,
  boolColumn,
  column,
  isNull,
  isNumeric,
  isNumericType,
  nullCount,
  numericArray,
  numericColumn,
  textColumn,
} from "./column.ts";
export { concatBatches, concatColumns, copyBatch } from "./concat.ts";
export {
  type DatasetOptions,
  type DatasetSource,
  type MapDatasetOptions,
  collect,
  createDataset,
  datasetOf,
  emptyBatch,
  mapDataset,
} from "./dataset.ts";
export { type BatchDigester, createBatchDigester, digestBatches } from "./digest.ts";
export { DataError, type DataErrorCode } from "./errors.ts";
export { asFloat64, writeFloat64 } from "./float64.ts";
export { sliceBatch, sliceColumn, takeColumn, takeRows } from "./rows.ts";
export { transferables } from "./transfer.ts";
export { toArray, valueAt } from "./value.ts";
export {
  type DistinctSketch,
  addNumbersToDistinct,
  addTextToDistinct,
  distinctOf,
  emptyDistinct,
  mergeDistinct,
} from "./distinct.ts";
export { type FrequentTexts, mostFrequent } from "./frequent.ts";
export { hashBytes, hashText } from "./hash.ts";
export { type Moments, emptyMoments, mergeMoments, momentsOf, varianceOf } from "./moments.ts";
export {
  type ColumnProfile,
  type Profile,
  type ProfileOptions,
  type Profiler,
  createProfiler,
  emptyProfile,
  mergeProfiles,
  profileDataset,
  profileOf,
  updateProfile,
} from "./profile.ts";
export { parseProfile, profileToJson } from "./profile-json.ts";
export { type ColumnSummary, summarizeProfile } from "./profile-summary.ts";
export {
  type QuantileBucket,
  type QuantileSketch,
  type QuantileSketcher,
  bucketsOf,
  createQuantileSketcher,
  emptyQuantileSketch,
  mergeQuantileSketches,
  quantileOf,
  rankBounds,
  rankOf,
  relativeErrorOf,
} from "./quantile-sketch.ts";
export { fitTransforms } from "./fit-transforms.ts";
export { type HashSplitOptions, type TimeSplitOptions, filterRows, splitByHash, splitByTime } from "./split.ts";
export type {
  CyclicStep,
  FittedStep,
  FittedTransforms,
  HashStep,
  NumericStep,
  OneHotStep,
  TransformPlan,
  TransformStep,
} from "./transform-plan.ts";
export {
  type CompiledTransforms,
  type TransformedBatch,
  applyTransforms,
  compileTransforms,
  parseTransforms,
} from "./transforms.ts";
export { columnFromArrow, fromArrow, fromIpc } from "./from-arrow.ts";
export { arrowDataOf, toArrow, toIpc } from "./to-arrow.ts";
