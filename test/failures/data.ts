import type * as contracts from "../../packages/contracts/dist/index.js";
import * as data from "../../packages/data/dist/index.js";
import { quality } from "./data-quality.ts";
import { type FailureTable, methods, type Subjects, well } from "./subjects.ts";

const { batchOf, column, datasetOf } = data;

const batch = batchOf({
  km: column("float64", [3, null, 8]),
  at: column("timestamp", [new Date(0), new Date(1), new Date(2)]),
  city: column("utf8", ["a", "b", null]),
  late: column("bool", [true, false, null]),
});
const schema = data.schemaOf(batch);
const km = batch.columns["km"]!;
const city = batch.columns["city"]!;
const dataset = datasetOf([batch]);
const profile = data.profileOf(batch);
const sketch = data.mergeQuantileSketches(data.emptyQuantileSketch(64));
const plan = [
  { kind: "numeric", column: "km", impute: "median" },
  { kind: "oneHot", column: "city", maxCategories: 2 },
  { kind: "hash", column: "city", buckets: 4 },
  { kind: "cyclic", column: "km", period: 24 },
] as const;
const fitted = await data.fitTransforms(plan, dataset);
const signal = new AbortController().signal;
const moments = data.momentsOf(Float64Array.of(1, 2));
const empty = batchOf({ km: column("float64", [null]) });
const other = batchOf({ miles: [1] });
const arrow = data.toArrow(batch);

const missing = (call: () => unknown) => ({ DATA_COLUMN_MISSING: call });
const mismatch = (call: () => unknown) => ({ DATA_SCHEMA_MISMATCH: call });

const columns: Subjects = {
  batchOf: well(batchOf, () => [{ a: [1, 2], b: column("utf8", ["x", "y"]) }], {
    DATA_LENGTH_MISMATCH: () => batchOf({ a: [1], b: [1, 2] }),
    DATA_TYPE_AMBIGUOUS: () => batchOf({ a: [null] }),
  }),
  column: well(column, () => ["list", [[1], null], { items: "int32" }], {
    "DATA_VALUE_INVALID: a number": () => column("int8", [300]),
    "DATA_VALUE_INVALID: a text": () => column("utf8", [3]),
    "DATA_VALUE_INVALID: a list": () => column("list", [3], { items: "int8" }),
    DATA_TYPE_AMBIGUOUS: () => column("list", [[1]]),
  }),
  textColumn: well(data.textColumn, () => [["a", "b"]]),
  boolColumn: well(data.boolColumn, () => [Uint8Array.of(3), 2]),
  numericArray: well(data.numericArray, () => ["float32", 3]),
  numericColumn: well(data.numericColumn, () => ["float32", Float32Array.of(1, 2), { length: 2 }]),
  columnOf: well(
    data.columnOf,
    () => [batch, "km"],
    missing(() => data.columnOf(batch, "miles")),
  ),
  fieldOf: well(data.fieldOf, () => ["km", km]),
  schemaOf: well(data.schemaOf, () => [batch]),
  selectColumns: well(
    data.selectColumns,
    () => [batch, ["km", "city"]],
    missing(() => data.selectColumns(batch, ["miles"])),
  ),
  withColumns: well(data.withColumns, () => [batch, { more: column("int8", [1, 2, 3]) }], {
    DATA_LENGTH_MISMATCH: () => data.withColumns(batch, { more: column("int8", [1]) }),
  }),
  assertSchema: well(
    data.assertSchema,
    () => [schema, batch],
    mismatch(() => data.assertSchema(schema, other)),
  ),
  isNull: well(data.isNull, () => [km, 1]),
  nullCount: well(data.nullCount, () => [km]),
  isNumeric: well(data.isNumeric, () => [km]),
  isNumericType: well(data.isNumericType, () => ["int8"]),
  valueAt: well(data.valueAt, () => [km, 0], { RangeError: () => data.valueAt(km, 9) }),
  toArray: well(data.toArray, () => [km]),
  toRows: well(
    data.toRows,
    () => [batch, ["km", "city"]],
    missing(() => data.toRows(batch, ["miles"])),
  ),
  toJsonRows: well(
    data.toJsonRows,
    () => [batch, ["km", "city"]],
    missing(() => data.toJsonRows(batch, ["miles"])),
  ),
  concatBatches: well(data.concatBatches, () => [[batch, batch]], {
    ...mismatch(() => data.concatBatches([batch, other])),
    RangeError: () => data.concatBatches([]),
  }),
  concatColumns: well(data.concatColumns, () => ["km", [km, km]], {
    ...mismatch(() => data.concatColumns("km", [km, city])),
    RangeError: () => data.concatColumns("km", []),
  }),
  copyBatch: well(data.copyBatch, () => [batch]),
  sliceColumn: well(data.sliceColumn, () => [km, 0, 2]),
  sliceBatch: well(data.sliceBatch, () => [batch, 0, 2]),
  takeRows: well(data.takeRows, () => [batch, Int32Array.of(2, 0)], {
    RangeError: () => data.takeRows(batch, Int32Array.of(7)),
  }),
  takeColumn: well(data.takeColumn, () => [km, Int32Array.of(2, 0)]),
  asFloat64: well(data.asFloat64, () => [km], { DATA_COLUMN_TYPE: () => data.asFloat64(city) }),
  writeFloat64: well(data.writeFloat64, () => [km, new Float64Array(4), 1], {
    DATA_COLUMN_TYPE: () => data.writeFloat64(city, new Float64Array(3)),
  }),
  transferables: well(data.transferables, () => [batch]),
  hashBytes: well(data.hashBytes, () => [Uint8Array.of(1, 2), 0, 2, 1]),
  hashText: well(data.hashText, () => ["text", 1]),
};

const datasets: Subjects = {
  datasetOf: well(datasetOf, () => [[batch], { schema }], {
    ...mismatch(() => datasetOf([batch], { schema: data.schemaOf(other) })),
    RangeError: () => datasetOf([]),
  }),
  createDataset: well(data.createDataset, () => [{ schema, rows: 3, walk: () => [batch] }]),
  ...methods("datasetOf()", () => dataset, {
    batches: [
      () => [{ columns: ["km"], batchRows: 2, signal }],
      {
        ...missing(async () => {
          for await (const _ of dataset.batches({ columns: ["miles"] })) break;
        }),
        RangeError: async () => {
          for await (const _ of dataset.batches({ batchRows: 0 })) break;
        },
      },
    ],
    digest: [],
    slice: [() => [1, 3], { RangeError: () => dataset.slice!(-1, 2) }],
    ref: [() => [], { PORT_UNSUPPORTED: () => dataset.ref() }],
  }),
  collect: well(
    data.collect,
    () => [dataset, { columns: ["km"], signal }],
    missing(() => data.collect(dataset, { columns: ["miles"] })),
  ),
  iterateDataset: well(
    data.iterateDataset,
    () => [
      dataset,
      {
        columns: ["km"],
        batchRows: 2,
        shuffle: { seed: 2, bufferRows: 2, blockRows: 1 },
        worker: { index: 0, count: 2 },
        signal,
      },
    ],
    {
      DATA_ITERATOR_DIVERGED: () =>
        data.iterateDataset(dataset, { epoch: 1, state: data.iterateDataset(dataset).state() }),
      DATA_VERSION_UNSUPPORTED: () =>
        data.iterateDataset(dataset, { state: { ...data.iterateDataset(dataset).state(), formatVersion: 2 as 1 } }),
      RangeError: () => data.iterateDataset(dataset, { batchRows: 0 }),
    },
  ),
  ...methods("iterateDataset()", () => data.iterateDataset(dataset), { next: [], return: [], state: [] }),
  createRowOrder: well(data.createRowOrder, () => [{ rows: 10, seed: 1, epoch: 0, bufferRows: 4, blockRows: 2 }], {
    RangeError: () => data.createRowOrder({ rows: 10, seed: 1, epoch: 0, bufferRows: 0 }),
  }),
  ...methods("createRowOrder()", () => data.createRowOrder({ rows: 10, seed: 1, epoch: 0, bufferRows: 4 }), {
    windowAt: [() => [5]],
    window: [() => [1]],
  }),
  emptyBatch: well(data.emptyBatch, () => [schema, ["km"]]),
  mapDataset: well(
    data.mapDataset,
    () => [dataset, (each: contracts.Batch) => each, { schema, columns: schema.map(({ name }) => name) }],
    mismatch(() => data.collect(data.mapDataset(dataset, () => other, { schema }))),
  ),
  filterRows: well(
    data.filterRows,
    () => [dataset, "km", () => () => true],
    missing(() => data.filterRows(dataset, "miles", () => () => true)),
  ),
  splitByTime: well(data.splitByTime, () => [dataset, { column: "at", boundaries: [new Date(1)] }], {
    ...missing(() => data.splitByTime(dataset, { column: "on", boundaries: [1] })),
    DATA_COLUMN_TYPE: () => data.splitByTime(dataset, { column: "city", boundaries: [1] }),
    RangeError: () => data.splitByTime(dataset, { column: "km", boundaries: [2, 1] }),
  }),
  splitByHash: well(data.splitByHash, () => [dataset, { key: "city", shares: { a: 0.5, b: 0.5 }, seed: 1 }], {
    ...missing(() => data.splitByHash(dataset, { key: "no", shares: { a: 1 } })),
    DATA_COLUMN_TYPE: () => data.splitByHash(dataset, { key: "km", shares: { a: 1 } }),
    RangeError: () => data.splitByHash(dataset, { key: "city", shares: { a: 0.4 } }),
  }),
  createBatchDigester: well(data.createBatchDigester, () => [schema]),
  ...methods("createBatchDigester()", () => data.createBatchDigester(schema), {
    update: [() => [batch], missing(() => data.createBatchDigester(schema).update(other))],
    digest: [],
  }),
  digestBatches: well(
    data.digestBatches,
    () => [schema, [batch]],
    missing(() => data.digestBatches(schema, [other])),
  ),
  toArrow: well(data.toArrow, () => [[batch]], { RangeError: () => data.toArrow([]) }),
  arrowDataOf: well(data.arrowDataOf, () => [km]),
  columnFromArrow: well(data.columnFromArrow, () => [arrow.getChildAt(0)!.data[0], "km"]),
  fromArrow: well(data.fromArrow, () => [arrow]),
  tensorColumns: well(data.tensorColumns, () => [{ x: { dtype: "float32", shape: [1], data: Float32Array.of(1) } }]),
  stridedColumn: well(data.stridedColumn, () => ["float32", Float32Array.of(1, 2), { rows: 1, width: 2, at: 1 }]),
  createIpcWriter: well(data.createIpcWriter, () => [schema], {
    DATA_SCHEMA_MISMATCH: () => data.createIpcWriter(schema)(other),
  }),
  toIpc: well(data.toIpc, () => [[batch]], { RangeError: () => data.toIpc([]) }),
  fromIpc: well(data.fromIpc, () => [data.toIpc(batch)], {
    DATA_ARROW_INVALID: () => data.fromIpc(data.toIpc(batch).subarray(0, 40)),
  }),
};

const profiles: Subjects = {
  createProfiler: well(data.createProfiler, () => [schema, { maxBuckets: 64, maxTexts: 8 }]),
  ...methods("createProfiler()", () => data.createProfiler(schema), {
    update: [
      () => [batch],
      {
        ...missing(() => data.createProfiler(schema).update(other)),
        DATA_COLUMN_TYPE: () => data.createProfiler(schema).update(batchOf({ ...batch.columns, km: city })),
      },
    ],
    profile: [],
  }),
  emptyProfile: well(data.emptyProfile, () => [schema, { maxBuckets: 64 }]),
  updateProfile: well(
    data.updateProfile,
    () => [profile, batch],
    missing(() => data.updateProfile(profile, other)),
  ),
  profileOf: well(data.profileOf, () => [batch, { schema, maxTexts: 8 }]),
  profileDataset: well(data.profileDataset, () => [dataset, { columns: ["km"], maxTexts: 8, signal }]),
  mergeProfiles: well(
    data.mergeProfiles,
    () => [profile, profile],
    mismatch(() => data.mergeProfiles(profile, data.profileOf(other))),
  ),
  summarizeProfile: well(data.summarizeProfile, () => [profile]),
  profileToJson: well(data.profileToJson, () => [profile]),
  parseProfile: well(data.parseProfile, () => [data.profileToJson(profile)], {
    DATA_PROFILE_INVALID: () => data.parseProfile({ formatVersion: 1, rows: "many" }),
    DATA_VERSION_UNSUPPORTED: () => data.parseProfile({ ...data.profileToJson(profile), formatVersion: 2 }),
  }),
  createQuantileSketcher: well(data.createQuantileSketcher, () => [64], {
    RangeError: () => data.createQuantileSketcher(1),
  }),
  ...methods("createQuantileSketcher()", () => data.createQuantileSketcher(64), {
    addAll: [() => [Float64Array.of(1, 2), 2]],
    addSketch: [() => [sketch]],
    sketch: [],
  }),
  emptyQuantileSketch: well(data.emptyQuantileSketch, () => [64], { RangeError: () => data.emptyQuantileSketch(0.5) }),
  mergeQuantileSketches: well(data.mergeQuantileSketches, () => [sketch, sketch]),
  relativeErrorOf: well(data.relativeErrorOf, () => [sketch]),
  bucketsOf: well(data.bucketsOf, () => [sketch]),
  rankBounds: well(data.rankBounds, () => [sketch, 1]),
  rankOf: well(data.rankOf, () => [sketch, 1]),
  quantileOf: well(data.quantileOf, () => [sketch, 0.5], { RangeError: () => data.quantileOf(sketch, 2) }),
  mostFrequent: well(data.mostFrequent, () => [profile.columns["city"]!.frequent, 2]),
  distinctOf: well(data.distinctOf, () => [profile.columns["city"]!.distinct]),
  momentsOf: well(data.momentsOf, () => [Float64Array.of(1, 2), 2]),
  mergeMoments: well(data.mergeMoments, () => [moments, moments]),
  varianceOf: well(data.varianceOf, () => [moments]),
};

const transforms: Subjects = {
  fitTransforms: well(data.fitTransforms, () => [plan, dataset, { signal }], {
    ...missing(() => data.fitTransforms([{ kind: "cyclic", column: "miles", period: 2 }], dataset)),
    DATA_COLUMN_TYPE: () => data.fitTransforms([{ kind: "cyclic", column: "city", period: 2 }], dataset),
    DATA_FIT_EMPTY: () => data.fitTransforms([{ kind: "numeric", column: "km" }], datasetOf([empty])),
    DATA_TRANSFORMS_INVALID: () => data.fitTransforms([{ kind: "hash", column: "city", buckets: 0 }], dataset),
  }),
  parseTransforms: well(data.parseTransforms, () => [fitted], {
    DATA_TRANSFORMS_INVALID: () => data.parseTransforms({ formatVersion: 1, steps: [{ kind: "odd" }] }),
    DATA_VERSION_UNSUPPORTED: () => data.parseTransforms({ formatVersion: 3, steps: [] }),
  }),
  compileTransforms: well(data.compileTransforms, () => [fitted]),
  ...methods("compileTransforms()", () => data.compileTransforms(fitted), {
    batch: [() => [batch], missing(() => data.compileTransforms(fitted).batch(other))],
    write: [
      () => [batch, new Float32Array(200), 1],
      {
        ...missing(() => data.compileTransforms(fitted).write(other, new Float32Array(200))),
        RangeError: () => data.compileTransforms(fitted).write(batch, new Float32Array(1)),
      },
    ],
    row: [
      () => [{ km: 1, city: "a" }],
      {
        ...missing(() => data.compileTransforms(fitted).row({ km: 1 })),
        DATA_VALUE_INVALID: () => data.compileTransforms(fitted).row({ km: "far", city: "a" }),
      },
    ],
  }),
  applyTransforms: well(
    data.applyTransforms,
    () => [fitted, batch],
    missing(() => data.applyTransforms(fitted, other)),
  ),
};

export const openTable = (): FailureTable => ({
  subjects: { ...columns, ...datasets, ...profiles, ...transforms, ...quality },
  elsewhere: {
    DATA_ARROW_TYPE_UNSUPPORTED: "packages/data/test/arrow.test.ts",
    DATA_COLUMN_TOO_LARGE: "it takes more than 2 GiB of text",
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
});
