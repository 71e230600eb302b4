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
export { stridedColumn, tensorColumns } from "./tensor-columns.ts";
export { transferables } from "./transfer.ts";
export { toArray, toJsonRows, toRows, valueAt } from "./value.ts";
export {
  type DistinctSketch,
  addBytesToDistinct,
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
  type ProfilableDataset,
  type Profile,
  type ProfileDatasetOptions,
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
export { profileOfCounts } from "./profile-counts.ts";
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
export {
  type FitOptions,
  type OutOfFoldOptions,
  type OutOfFoldTransforms,
  fitTransforms,
  fitTransformsOutOfFold,
} from "./fit-transforms.ts";
export {
  type HashSplitOptions,
  type RollingOriginOptions,
  type TimeSplitOptions,
  type TrainValidation,
  filterRows,
  splitByHash,
  splitByRollingOrigin,
  splitByTime,
} from "./split.ts";
export type {
  BucketStep,
  CyclicStep,
  DatePart,
  DatePartsStep,
  FittedStep,
  FittedTransforms,
  HashStep,
  NgramStep,
  NumericStep,
  OneHotStep,
  TargetStep,
  TransformPlan,
  TransformStep,
} from "./transform-plan.ts";
export { type CompiledTransforms, type TransformedBatch, applyTransforms, compileTransforms } from "./transforms.ts";
export { parseTransforms } from "./parse-transforms.ts";
export { assertTransformable, transformSchema, transformSchemaDigest } from "./transform-schema.ts";
export { columnFromArrow, fromArrow, fromIpc } from "./from-arrow.ts";
export type { ByteReader, ByteSource } from "./ipc-source.ts";
export { fromIpcStream, type IpcStreamOptions } from "./ipc-stream.ts";
export { createIpcWriter } from "./ipc-writer.ts";
export { arrowDataOf, toArrow, toIpc } from "./to-arrow.ts";
export { type DistributionDistanceOptions, distributionDistance } from "./distribution-distance.ts";
export {
  type ExpectationDraft,
  defineExpectations,
  expectBetween,
  expectCompare,
  expectComplete,
  expectDistribution,
  expectFresh,
  expectMatch,
  expectMonotonic,
  expectOneOf,
  expectReferences,
  expectRowCount,
  expectStatistic,
  expectUnique,
} from "./expectations/define-expectations.ts";
export {
  type EvaluateExpectationsOptions,
  type ExpectationRun,
  type ExpectationRunOptions,
  type ExpectationState,
  createExpectationRun,
  evaluateExpectations,
  mergeExpectationStates,
} from "./expectations/evaluate-expectations.ts";
export type { CheckLimits, CheckState, ExpectationProblem } from "./expectations/check-state.ts";
export type {
  ColumnStatistic,
  ComparisonOperator,
  DriftMethod,
  Expectation,
  ExpectationBounds,
  ExpectationOptions,
  ExpectationSet,
  ExpectationSeverity,
  RowExpectationOptions,
} from "./expectations/expectation.ts";
export { parseExpectations } from "./expectations/expectation-json.ts";
export {
  type ExpectationOutcome,
  type ExpectationReport,
  type ExpectationReportOptions,
  type ExpectationResult,
  reportExpectations,
} from "./expectations/expectation-report.ts";
export { type ReferenceKeys, type ReferenceKeysOptions, readReferenceKeys } from "./expectations/reference-keys.ts";
export {
  type InferredColumn,
  type InferredSchema,
  type InferredType,
  type InferenceOptions,
  type InferSchemaOptions,
  fieldsOf,
  inferSchema,
  schemaFromEvidence,
} from "./inference/infer-schema.ts";
export {
  type ColumnEvidence,
  type EvidenceLimits,
  type KindEvidence,
  type SchemaEvidence,
  type SchemaObserver,
  type SchemaObserverOptions,
  createSchemaObserver,
  mergeSchemaEvidence,
} from "./inference/schema-evidence.ts";
export type { ValueKind } from "./inference/text-kind.ts";
export {
  type ColumnConstraint,
  type ConstraintCheckType,
  type ConstraintReport,
  type Constraints,
  type ConstraintType,
  type ConstraintViolation,
  type MonitoringConfig,
} from "./constraints/constraints.ts";
export { type CheckConstraintsOptions, checkConstraints } from "./constraints/check-constraints.ts";
export { parseSageMakerStatistics } from "./constraints/parse-sagemaker-statistics.ts";
export { parseSageMakerConstraints, toSageMakerConstraints } from "./constraints/sagemaker-constraints.ts";
export { toSageMakerStatistics } from "./constraints/sagemaker-statistics.ts";
export { parseSageMakerViolations, toSageMakerViolations } from "./constraints/sagemaker-violations.ts";
export { type SuggestConstraintsOptions, suggestConstraints } from "./constraints/suggest-constraints.ts";
export {
  type MetricAnomalyOptions,
  type MetricPoint,
  type MetricVerdict,
  judgeMetric,
} from "./history/metric-anomaly.ts";
export type { PiiKind } from "./pii/detector.ts";
export { piiKinds } from "./pii/detectors.ts";
export {
  type PiiColumn,
  type PiiReport,
  type PiiScanOptions,
  mergePiiReports,
  scanForPii,
} from "./pii/scan-for-pii.ts";
export { type CheckLabelsOptions, type LabelReport, checkLabels } from "./labels/check-labels.ts";
export {
  type NoisyLabelOptions,
  type NoisyLabelReport,
  type SuspiciousLabel,
  rankNoisyLabels,
} from "./labels/noisy-labels.ts";
export { type HistogramBin, histogramOf } from "./histogram.ts";
export {
  type RankSketch,
  type RankSketcher,
  type RankSketchOptions,
  createRankSketcher,
  emptyRankSketch,
  mergeRankSketches,
  quantilesInSketch,
  rankInSketch,
} from "./rank-sketch.ts";
export { parseRankSketch, rankSketchToJson } from "./rank-sketch-json.ts";
export {
  type ProfileBudget,
  type ProfileProgress,
  type ProfileWithinOptions,
  type SampleBound,
  type SampledProfile,
  profileWithin,
} from "./profile-within.ts";
export { type RandomSplitOptions, splitAtRandom } from "./split-at-random.ts";
export { type RowPlace, type SplitCheckOptions, type SplitReport, assertSplit, checkSplit } from "./split-check.ts";
export {
  type ColumnReport,
  type DataReport,
  type DataReportOptions,
  type NumbersReport,
  type RenderedDataReport,
  type TextsReport,
  dataReport,
} from "./data-report.ts";
export { type DataReportChange, type DataReportDiff, diffDataReports } from "./data-report-diff.ts";
export { type DatasetIterator, iterateDataset } from "./iterator/iterate-dataset.ts";
export type { IterateOptions, MappedBatch, ShuffleOptions } from "./iterator/iterator-options.ts";
export type { IteratorState } from "./iterator/iterator-state.ts";
export {
  type RowOrder,
  type RowOrderOptions,
  type RowRange,
  type RowWindow,
  createRowOrder,
} from "./iterator/row-order.ts";
