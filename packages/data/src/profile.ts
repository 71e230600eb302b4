import type { Batch, CallOptions, Column, ColumnType, Dataset, Schema } from "@millwright/contracts";
import { schemaOf } from "./batch.ts";
import { type DistinctSketch, mergeDistinct } from "./distinct.ts";
import { columnMissing, columnType, schemaMismatch } from "./errors.ts";
import { type FrequentTexts, mergeFrequent } from "./frequent.ts";
import { mergeMoments, type Moments } from "./moments.ts";
import { createColumnProfiler } from "./profiler.ts";
import { mergeQuantileSketches, type QuantileSketch } from "./quantile-sketch.ts";
import { mergeRankSketches, type RankSketch } from "./rank-sketch.ts";

/** What is known of one column without its rows. */
export interface ColumnProfile {
  readonly type: ColumnType;
  /** Rows with a value. */
  readonly count: number;
  /** Rows that are null. */
  readonly missing: number;
  /** Values that are NaN or infinite: counted in `count`, left out of moments, quantiles and distinct values. */
  readonly nonFinite: number;
  /** Numbers, dates, timestamps (days, microseconds) and booleans (0 and 1). */
  readonly moments?: Moments | undefined;
  readonly quantiles?: QuantileSketch | undefined;
  /** Where `rankError` was asked for. */
  readonly ranks?: RankSketch | undefined;
  /** Text and dictionaries; booleans as `true` and `false`. A text of more than some 150 bytes stands by its beginning and a hash. */
  readonly frequent?: FrequentTexts | undefined;
  /** All types but lists and binary. 64-bit integers beyond 2^53 count as the float nearest to them. */
  readonly distinct?: DistinctSketch | undefined;
}

/** What is known of a table without its rows: mergeable, so that parts may be profiled apart. */
export interface Profile {
  readonly rows: number;
  readonly columns: Readonly<Record<string, ColumnProfile>>;
}

export interface ProfileOptions {
  /** Most buckets of a quantile sketch. Default: 2048. */
  readonly maxBuckets?: number | undefined;
  /** Most texts counted a column. Default: 256. */
  readonly maxTexts?: number | undefined;
  /**
   * Most that the rank of a number may be off, as a share of the rows, whatever the numbers are: from 0.0025 to 0.5. Default: no such bound;
   * ranks are then exact between the buckets of the quantile sketch, which bound the error of values.
   */
  readonly rankError?: number | undefined;
}

/** Collects a profile batch by batch: `updateProfile` without copying what was collected. */
export interface Profiler {
  /** Throws `DATA_COLUMN_MISSING`, `DATA_COLUMN_TYPE`; columns outside the schema are not looked at. */
  update(batch: Batch): void;
  /** What was collected so far; more may follow. */
  profile(): Profile;
}

export function createProfiler(schema: Schema, options: ProfileOptions = {}): Profiler {
  const profilers = schema.map(({ name, type }) => ({ name, type, profiler: createColumnProfiler(type, options) }));
  let rows = 0;
  return {
    update(batch) {
      const found = profilers.map(({ name, type }) => columnOfType(batch, name, type));
      for (const [index, { profiler }] of profilers.entries()) profiler.update(found[index] as Column);
      rows += batch.length;
    },
    profile: () => ({
      rows,
      columns: Object.fromEntries(profilers.map(({ name, profiler }) => [name, profiler.profile()])),
    }),
  };
}

function columnOfType(batch: Batch, name: string, type: ColumnType): Column {
  const column = Object.hasOwn(batch.columns, name) ? batch.columns[name] : undefined;
  if (column === undefined) throw columnMissing(name, Object.keys(batch.columns));
  if (column.type !== type) throw columnType(name, column.type, type);
  return column;
}

/** The profile of no rows: merging it with another gives the other. */
export function emptyProfile(schema: Schema, options: ProfileOptions = {}): Profile {
  return createProfiler(schema, options).profile();
}

/** @returns the profile with the batch's rows added; the given one is unchanged. */
export function updateProfile(profile: Profile, batch: Batch): Profile {
  const schema = Object.entries(profile.columns).map(([name, { type }]) => ({ name, type }));
  return mergeProfiles(profile, profileOf(batch, { schema }));
}

/** @returns the profile of one batch; of the schema's columns only, where one is given. */
export function profileOf(
  batch: Batch,
  { schema = schemaOf(batch), ...options }: ProfileOptions & { readonly schema?: Schema | undefined } = {},
): Profile {
  const profiler = createProfiler(schema, options);
  profiler.update(batch);
  return profiler.profile();
}

export interface ProfileDatasetOptions extends ProfileOptions, CallOptions {
  /** Only these columns, in this order. Default: all. Throws `DATA_COLUMN_MISSING`. */
  readonly columns?: readonly string[] | undefined;
  /** Told as rows are read. Where columns are read one after another, `rows` is the share of the work that is done. Default: nobody is told. */
  readonly progress?: ((done: { readonly rows: number; readonly totalRows?: number | undefined }) => void) | undefined;
}

/**
 * A dataset that may know a cheaper way to its profile than its batches, as those of `@millwright/duckdb` do. What comes out is the same: counts, quantile sketches and
 * distinct values exactly, mean and variance up to rounding, and counts of more texts than are kept within their error; and each time the same.
 */
export interface ProfilableDataset extends Dataset {
  /**
   * At least one column. An own property that is not enumerable: a copy that gives other batches, `{ ...dataset, batches }`, must not have the profile of those it was
   * copied from.
   */
  profile?(options?: ProfileDatasetOptions): Promise<Profile>;
}

/** @returns the profile of all rows of a dataset, by its own way where it has one, and otherwise batch by batch. */
export async function profileDataset(
  dataset: ProfilableDataset,
  options: ProfileDatasetOptions = {},
): Promise<Profile> {
  const { columns, progress, signal, ...profiling } = options;
  signal?.throwIfAborted();
  const schema = fieldsOf(dataset.schema, columns);
  const names = schema.map(({ name }) => name);
  if (dataset.profile !== undefined && names.length > 0) return await dataset.profile({ ...options, columns: names });
  const profiler = createProfiler(schema, profiling);
  const { rows: totalRows } = dataset;
  let rows = 0;
  // Rows cannot be read without any column.
  const read = names.length > 0 ? columns : dataset.schema.slice(0, 1).map(({ name }) => name);
  for await (const batch of dataset.batches({ columns: read, signal })) {
    profiler.update(batch);
    rows += batch.length;
    progress?.({ rows, totalRows });
  }
  return profiler.profile();
}

function fieldsOf(schema: Schema, columns: readonly string[] | undefined): Schema {
  if (columns === undefined) return schema;
  const fields = new Map(schema.map((field) => [field.name, field]));
  return columns.map((name) => {
    const field = fields.get(name);
    if (field === undefined) throw columnMissing(name, [...fields.keys()]);
    return field;
  });
}

/**
 * The profile of the rows of all. Associative: exactly for counts, ranks, distinct values and exact texts, up to rounding for mean and variance.
 * Throws `DATA_SCHEMA_MISMATCH`.
 */
export function mergeProfiles(first: Profile, ...rest: readonly Profile[]): Profile {
  const names = Object.keys(first.columns);
  for (const { columns } of rest) {
    const others = Object.keys(columns);
    if (names.length !== others.length || names.some((name) => !Object.hasOwn(columns, name))) {
      throw schemaMismatch(`one profile has the columns ${names.join(", ")}, the other ${others.join(", ")}`);
    }
  }
  const all = [first, ...rest];
  const merged = names.map(
    (name) =>
      [
        name,
        mergeColumns(
          name,
          all.map(({ columns }) => columns[name] as ColumnProfile),
        ),
      ] as const,
  );
  return { rows: sumOf(all.map(({ rows }) => rows)), columns: Object.fromEntries(merged) };
}

const sumOf = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);

function mergeColumns(name: string, columns: readonly ColumnProfile[]): ColumnProfile {
  const [first] = columns as [ColumnProfile];
  for (const { type } of columns) {
    if (type !== first.type)
      throw schemaMismatch(`the column "${name}" is ${first.type} in one profile and ${type} in the other`);
  }
  const parts = <Part>(part: (column: ColumnProfile) => Part | undefined): readonly Part[] =>
    columns.map(part).filter((each) => each !== undefined);
  const [sketch, ...sketches] = parts(({ quantiles }) => quantiles);
  const ranks = parts(({ ranks: sample }) => sample);
  const [distinct, ...distincts] = parts(({ distinct: registers }) => registers);
  return {
    type: first.type,
    count: sumOf(columns.map(({ count }) => count)),
    missing: sumOf(columns.map(({ missing }) => missing)),
    nonFinite: sumOf(columns.map(({ nonFinite }) => nonFinite)),
    ...(first.moments === undefined ? {} : { moments: parts(({ moments }) => moments).reduce(mergeMoments) }),
    ...(sketch === undefined ? {} : { quantiles: mergeQuantileSketches(sketch, ...sketches) }),
    // Rows of a part that has no sample would be missing in it.
    ...(ranks[0] === undefined || ranks.length < columns.length
      ? {}
      : { ranks: mergeRankSketches(ranks[0], ...ranks.slice(1)) }),
    ...(first.frequent === undefined ? {} : { frequent: parts(({ frequent }) => frequent).reduce(mergeFrequent) }),
    ...(distinct === undefined ? {} : { distinct: mergeDistinct(distinct, ...distincts) }),
  };
}
