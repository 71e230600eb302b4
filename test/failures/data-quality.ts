import { createManualClock } from "../../packages/contracts/dist/index.js";
import * as data from "../../packages/data/dist/index.js";
import { expectations } from "./data-expectations.ts";
import { batch, dataset, mismatch, missing, other, outOfRange, profile, schema, signal } from "./data-samples.ts";
import { type Failures, methods, type Subjects, well } from "./subjects.ts";

const clock = createManualClock(0);
const typed = (call: () => unknown): Failures => ({ DATA_COLUMN_TYPE: call });

const observed = (): data.SchemaObserver => data.createSchemaObserver(schema, { maxRows: 3 });
const observer = observed();
observer.update(batch);
const evidence = observer.evidence();
const inferred = data.schemaFromEvidence(evidence);

const inference: Subjects = {
  inferSchema: well(
    data.inferSchema,
    () => [dataset, { minShare: 0.9, maxRows: 3, maxTexts: 8, nullTexts: ["", "-"], signal }],
    outOfRange(() => data.inferSchema(dataset, { minShare: 2 })),
  ),
  createSchemaObserver: well(
    data.createSchemaObserver,
    () => [schema, { maxRows: 3, maxTexts: 8, nullTexts: [""] }],
    outOfRange(() => data.createSchemaObserver(schema, { maxRows: -1 })),
  ),
  ...methods("createSchemaObserver()", observed, {
    update: [() => [batch], missing(() => observed().update(other))],
    evidence: [],
  }),
  mergeSchemaEvidence: well(
    data.mergeSchemaEvidence,
    () => [evidence, evidence],
    mismatch(() => data.mergeSchemaEvidence(evidence, data.createSchemaObserver(data.schemaOf(other)).evidence())),
    120,
  ),
  schemaFromEvidence: well(data.schemaFromEvidence, () => [evidence, { minShare: 0.9 }], {}, 120),
  fieldsOf: well(data.fieldsOf, () => [inferred]),
};

const constraints = data.suggestConstraints(profile);
const violations = await data.checkConstraints(data.datasetOf([other]), constraints);
const monitorInvalid = (call: () => unknown): Failures => ({ DATA_MODEL_MONITOR_INVALID: call });

const monitoring: Subjects = {
  suggestConstraints: well(data.suggestConstraints, () => [profile, { maxDomainSize: 5, unconstrained: ["at"] }]),
  checkConstraints: well(data.checkConstraints, () => [dataset, constraints, { baseline: profile, signal }], {}, 120),
  toSageMakerConstraints: well(data.toSageMakerConstraints, () => [constraints]),
  parseSageMakerConstraints: well(
    data.parseSageMakerConstraints,
    () => [data.toSageMakerConstraints(constraints)],
    monitorInvalid(() => data.parseSageMakerConstraints({ features: 1 })),
    150,
  ),
  toSageMakerStatistics: well(data.toSageMakerStatistics, () => [profile]),
  parseSageMakerStatistics: well(
    data.parseSageMakerStatistics,
    () => [data.toSageMakerStatistics(profile)],
    monitorInvalid(() => data.parseSageMakerStatistics({ version: 0 })),
    150,
  ),
  toSageMakerViolations: well(data.toSageMakerViolations, () => [violations]),
  parseSageMakerViolations: well(
    data.parseSageMakerViolations,
    () => [data.toSageMakerViolations(violations)],
    monitorInvalid(() => data.parseSageMakerViolations({ violations: 1 })),
    120,
  ),
};

const pii = await data.scanForPii(dataset);
const points = [0, 1, 2, 3].map((at) => ({ timeMs: at * 1_000, value: at }));

const inspection: Subjects = {
  judgeMetric: well(
    data.judgeMetric,
    () => [
      points,
      { timeMs: 4_000, value: 9 },
      { periodMs: 1_000, toleranceMs: 10, threshold: 3, minCycles: 2, scale: "difference" },
    ],
    outOfRange(() => data.judgeMetric(points, { timeMs: 4_000, value: 9 }, { periodMs: 0 })),
    120,
  ),
  scanForPii: well(data.scanForPii, () => [dataset, { columns: ["mail"], kinds: ["email"], minShare: 0.5, signal }], {
    ...missing(() => data.scanForPii(dataset, { columns: ["letters"] })),
    ...outOfRange(() => data.scanForPii(dataset, { minShare: 2 })),
  }),
  mergePiiReports: well(data.mergePiiReports, () => [pii, pii], {}, 120),
  checkLabels: well(
    data.checkLabels,
    () => [dataset, { label: "city", features: ["km"], baseline: { a: 3, b: 1 }, maxImbalance: 5, maxKeys: 9, signal }],
    {
      ...missing(() => data.checkLabels(dataset, { label: "town" })),
      ...outOfRange(() => data.checkLabels(dataset, { label: "city", maxImbalance: 0 })),
    },
    120,
  ),
  rankNoisyLabels: well(
    data.rankNoisyLabels,
    () => [batch, { label: "city", features: ["km"], neighbours: 1, folds: 2, seed: 1, limit: 3, maxRows: 10 }],
    {
      ...missing(() => data.rankNoisyLabels(batch, { label: "town" })),
      ...outOfRange(() => data.rankNoisyLabels(batch, { label: "city", folds: 1 })),
    },
    120,
  ),
};

const ranks = (): data.RankSketcher => data.createRankSketcher({ epsilon: 0.1 });
const filled = ranks();
filled.addAll(Float64Array.of(1, 2, 3));
const rankSketch = filled.sketch();
const quantiles = profile.columns["km"]!.quantiles!;

const sketches: Subjects = {
  createRankSketcher: well(
    data.createRankSketcher,
    () => [{ epsilon: 0.1 }],
    outOfRange(() => data.createRankSketcher({ epsilon: 0 })),
  ),
  ...methods("createRankSketcher()", ranks, {
    addAll: [() => [Float64Array.of(1, 2), 2]],
    addSketch: [() => [rankSketch]],
    sketch: [],
  }),
  emptyRankSketch: well(data.emptyRankSketch, () => [{ epsilon: 0.1 }]),
  mergeRankSketches: well(data.mergeRankSketches, () => [rankSketch, rankSketch]),
  rankInSketch: well(data.rankInSketch, () => [rankSketch, 2]),
  quantilesInSketch: well(
    data.quantilesInSketch,
    () => [rankSketch, [0.1, 0.5]],
    outOfRange(() => data.quantilesInSketch(rankSketch, [2])),
  ),
  rankSketchToJson: well(data.rankSketchToJson, () => [rankSketch]),
  parseRankSketch: well(
    data.parseRankSketch,
    () => [data.rankSketchToJson(rankSketch)],
    {
      DATA_PROFILE_INVALID: () => data.parseRankSketch({ ...data.rankSketchToJson(rankSketch), epsilon: "small" }),
      DATA_VERSION_UNSUPPORTED: () => data.parseRankSketch({ ...data.rankSketchToJson(rankSketch), formatVersion: 9 }),
    },
    150,
  ),
  histogramOf: well(
    data.histogramOf,
    () => [quantiles, [0, 5, 10]],
    outOfRange(() => data.histogramOf(quantiles, [2, 1])),
  ),
  emptyDistinct: well(data.emptyDistinct),
  addNumbersToDistinct: well(data.addNumbersToDistinct, () => [data.emptyDistinct(), Float64Array.of(1, 2), 2]),
  addBytesToDistinct: well(data.addBytesToDistinct, () => [data.emptyDistinct(), Uint8Array.of(97, 98), 0, 2]),
  addTextToDistinct: well(data.addTextToDistinct, () => [data.emptyDistinct(), "a"]),
  mergeDistinct: well(data.mergeDistinct, () => [data.emptyDistinct(), data.emptyDistinct()]),
  distributionDistance: well(data.distributionDistance, () => [
    profile.columns["km"],
    profile.columns["km"],
    { method: "Robust" },
  ]),
  profileWithin: well(
    data.profileWithin,
    () => [dataset, { budget: { rows: 2, timeMs: 5, values: 10 }, confidence: 0.9, seed: 1, clock, signal }],
    outOfRange(() => data.profileWithin(dataset, { budget: { rows: 0 } })),
    120,
  ),
};

const before = data.dataReport(profile).json;

const reports: Subjects = {
  dataReport: well(data.dataReport, () => [profile, { title: "flights", before }], {}, 150),
  diffDataReports: well(data.diffDataReports, () => [before, before], {}, 150),
};

const apart = { train: data.datasetOf([batch]), test: data.datasetOf([data.sliceBatch(batch, 3, 4)]) };
const plan = [
  { kind: "bucket", column: "km", edges: { quantiles: 2 } },
  { kind: "target", column: "city", target: "km" },
  { kind: "ngram", column: "mail", buckets: 4, sizes: [1, 2] },
  { kind: "dateParts", column: "at", parts: ["hour"] },
] as const;
const fitted = await data.fitTransforms(plan, dataset);
const repeated = data.datasetOf([batch, batch, batch, batch]);
const outOfFold = await data.fitTransformsOutOfFold(plan, repeated, { folds: 2 });

const splits: Subjects = {
  splitAtRandom: well(
    data.splitAtRandom,
    () => [dataset, { shares: { a: 0.5, b: 0.5 }, stratifyBy: "city", seed: 1, signal }],
    {
      ...missing(() => data.splitAtRandom(dataset, { shares: { a: 1 }, stratifyBy: "town" })),
      ...outOfRange(() => data.splitAtRandom(dataset, { shares: { a: 0.4 } })),
    },
    120,
  ),
  splitByRollingOrigin: well(
    data.splitByRollingOrigin,
    () => [dataset, { column: "at", origins: [new Date(1), new Date(2)], horizon: 1_000, gap: 0, window: 1_000 }],
    {
      ...missing(() => data.splitByRollingOrigin(dataset, { column: "on", origins: [1], horizon: 1 })),
      ...typed(() => data.splitByRollingOrigin(dataset, { column: "city", origins: [1], horizon: 1 })),
      ...outOfRange(() => data.splitByRollingOrigin(dataset, { column: "at", origins: [2, 1], horizon: 1 })),
    },
    120,
  ),
  checkSplit: well(
    data.checkSplit,
    () => [apart, { entity: "city", time: "at", nearDuplicates: true, similarity: 0.9, columns: ["km"], signal }],
    missing(() => data.checkSplit(apart, { entity: "town" })),
    120,
  ),
  assertSplit: well(data.assertSplit, () => [{ train: apart.train }, { entity: "city" }], {
    DATA_SPLIT_LEAKS: () => data.assertSplit(apart, { entity: "city" }),
  }),
  fitTransformsOutOfFold: well(
    data.fitTransformsOutOfFold,
    () => [plan, repeated, { folds: 2, seed: 1, signal }],
    {
      ...missing(() => data.fitTransformsOutOfFold([{ kind: "target", column: "no", target: "km" }], dataset)),
      ...outOfRange(() => data.fitTransformsOutOfFold(plan, repeated, { folds: 1 })),
    },
    150,
  ),
  ...methods("fitTransformsOutOfFold()", () => outOfFold, {
    trainBatch: [() => [batch, 0], missing(() => outOfFold.trainBatch(other, 0))],
  }),
  transformSchemaDigest: well(data.transformSchemaDigest, () => [fitted.steps]),
  transformSchema: well(data.transformSchema, () => [fitted]),
  assertTransformable: well(
    data.assertTransformable,
    () => [fitted, schema],
    mismatch(() => data.assertTransformable(fitted, data.schemaOf(other))),
  ),
};

const counted: Subjects = {
  profileOfCounts: well(
    data.profileOfCounts,
    () => [batch.columns["km"]!, Array.from({ length: batch.length }, () => 2), { maxBuckets: 64, maxTexts: 8 }],
    outOfRange(() => data.profileOfCounts(batch.columns["km"]!, [-1])),
  ),
};

const streams: Subjects = {
  fromIpcStream: well(data.fromIpcStream, () => [[data.toIpc(batch)]], {
    DATA_ARROW_INVALID: async () => data.fromIpcStream([]).next(),
  }),
};

/** Expectations, inference, constraints, personal data, labels, sketches, reports, splits and streams. */
export const quality: Subjects = {
  ...counted,
  ...streams,
  ...expectations,
  ...inference,
  ...monitoring,
  ...inspection,
  ...sketches,
  ...reports,
  ...splits,
};
