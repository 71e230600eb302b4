import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type CallOptions, type Dataset, type DatasetRef, type Digest, hasCode } from "@millwright/contracts";
import { datasetOf } from "@millwright/data";
import { digestOf, type FeatureView } from "../definition/definition.ts";
import { notePath } from "../erasure/known-paths.ts";
import { type FeatureService } from "../definition/service-definition.ts";
import { leakage, pinDiffers } from "../errors.ts";
import type { HistoryBatch } from "../history/history-log.ts";
import type { HistorySource } from "../history/history-sql.ts";
import { asKnownOptions, type LeakageReport, measureLeakage } from "../inspection/leakage.ts";
import {
  type BatchNumbers,
  checkHistoryOptions,
  hasOnlyFeatures,
  type HistoryOptions,
  holdTrainingSet,
  writeTrainingSet,
} from "./training-set.ts";
import { disposeAll } from "./view-join.ts";

/** All that a training set was made from: enough to make it again, to the byte. JSON-safe. */
export interface TrainingSetPin {
  readonly formatVersion: 1;
  readonly service: string;
  /** Digest of the definition of the service. */
  readonly serviceDigest: Digest;
  /** The labels, in files: their own, or a copy beside the training sets. */
  readonly labels: DatasetRef;
  readonly labelTime: string;
  readonly asKnown?: HistoryOptions["asKnown"];
  /** By view: the numbers of the batches whose rows counted, as ranges with both ends. */
  readonly history: Readonly<Record<string, readonly (readonly [first: number, last: number])[]>>;
  /** Content digest of the training set. */
  readonly digest: Digest;
  readonly rows: number;
}

/** A training set in a file, or in memory where that was asked for. */
export interface TrainingSet extends Dataset {
  /** What was found, where leakage was looked for. */
  readonly leakage?: LeakageReport | undefined;
  /** Says what it was made from, for `replay`; copies labels that are in no file into one. */
  pin(options?: CallOptions): Promise<TrainingSetPin>;
}

export interface ReplayOptions extends CallOptions {
  /** Where the result is written, as Parquet. Default: a file below the history, named by what it was made from. */
  readonly path?: string | undefined;
}

/** Where training sets are written that no path was given for, below the history. */
export const DATASETS_FOLDER = "_datasets";

type BatchesOfViews = Readonly<Record<string, readonly HistoryBatch[]>>;

/** Makes a training set of the history as it is now. One made from the same labels, service and history is taken from its file. */
export async function makeTrainingSet(
  source: HistorySource,
  service: FeatureService,
  options: HistoryOptions,
): Promise<TrainingSet> {
  checkHistoryOptions(options);
  const trainingSet = await joinTrainingSet(source, service, options);
  if (options.leakage === undefined) return trainingSet;
  const known = await joinTrainingSet(source, service, asKnownOptions(service, options));
  const { target, onLeak = "refuse" } = options.leakage;
  const joins = { joined: trainingSet, known };
  const report = await measureLeakage(source, service, joins, { ...options.leakage, signal: options.signal });
  const leaking = report.features.filter(({ verdict }) => verdict !== "ok").map(({ feature }) => feature);
  if (leaking.length > 0 && onLeak === "refuse") throw leakage(service.id, leaking, target);
  return Object.assign(trainingSet, { leakage: report });
}

async function joinTrainingSet(
  source: HistorySource,
  service: FeatureService,
  options: HistoryOptions,
): Promise<TrainingSet> {
  const labels = "schema" in options.labels ? options.labels : datasetOf([options.labels]);
  const batches = await batchesOfViews(source, service);
  const numbers = numbersOf(batches);
  const dataset =
    options.inMemory === true
      ? await holdTrainingSet(source, service, { ...options, labels }, numbers)
      : await trainingFile(source, service, { ...options, labels }, batches);
  return Object.assign(dataset, {
    pin: async ({ signal }: CallOptions = {}): Promise<TrainingSetPin> => ({
      formatVersion: 1,
      service: service.name,
      serviceDigest: service.digest,
      labels: await refOf(source, labels, signal),
      labelTime: options.labelTime,
      ...(options.asKnown === undefined ? {} : { asKnown: options.asKnown }),
      history: Object.fromEntries(Object.entries(numbers).map(([view, all]) => [view, rangesOf(all)])),
      digest: await dataset.digest(),
      rows: dataset.rows ?? 0,
    }),
  });
}

/** The training set in a file: one that is there already, unless a path was given. */
async function trainingFile(
  source: HistorySource,
  service: FeatureService,
  options: HistoryOptions & { readonly labels: Dataset },
  batches: BatchesOfViews,
): Promise<Dataset> {
  const path = options.path ?? (await defaultPath(source, service, options, batches));
  const made = options.path === undefined ? await scanWhole(source, path, options) : undefined;
  if (options.path !== undefined) await notePath(await datasetsFolder(source), path);
  const existing = options.path === undefined ? "keep" : "replace";
  return made ?? (await writeTrainingSet(source, service, options, { path, batches: numbersOf(batches), existing }));
}

/** What `warm` did with a view. */
export interface WarmedView {
  readonly view: string;
  /** False for a view with aggregates, and one that does not fit: it is joined by DuckDB. */
  readonly isLoaded: boolean;
  readonly rows: number;
  readonly sizeBytes: number;
}

/** Loads the rows of a service's views into memory. @returns one entry a view, in their order. */
export async function warmViews(
  source: HistorySource,
  service: FeatureService,
  { signal }: CallOptions,
): Promise<readonly WarmedView[]> {
  const numbers = numbersOf(await batchesOfViews(source, service));
  const warmed: WarmedView[] = [];
  for (const view of service.views) {
    const options = { batches: numbers[view.id] ?? new Set<number>(), load: "now", signal } as const;
    const readers = hasOnlyFeatures(view) ? await source.segments.find(source, view, options) : undefined;
    const segments = (readers ?? []).map(({ segment }) => segment);
    const sum = (what: "rows" | "sizeBytes"): number => segments.reduce((all, each) => all + each[what], 0);
    const isLoaded = readers !== undefined && segments.every(({ isHeld }) => isHeld);
    warmed.push({ view: view.id, isLoaded, rows: sum("rows"), sizeBytes: sum("sizeBytes") });
    await disposeAll(readers ?? []);
  }
  return warmed;
}

/** Leaves the rows of a view in a file that the first `history` of a process reads. */
export async function keepSegmentFile(
  source: HistorySource,
  view: FeatureView,
  { signal }: CallOptions,
): Promise<void> {
  if (!hasOnlyFeatures(view)) return;
  const batches = (await (await source.log(view.id)).batches()).filter(({ origin }) => origin !== "compaction");
  await source.segments.keepFile(source, view, { batches: new Set(batches.map(({ number }) => number)), signal });
}

/** Makes a pinned training set again. Throws `FEATURE_STORE_PIN_DIFFERS` where what it was made from is not there any more. */
export async function replayTrainingSet(
  source: HistorySource,
  service: FeatureService,
  pin: TrainingSetPin,
  { path, signal }: ReplayOptions,
): Promise<TrainingSet> {
  if (service.digest !== pin.serviceDigest) {
    throw pinDiffers(service.name, `its definition has the digest ${service.digest}, not ${pin.serviceDigest}`);
  }
  const labels = source.duckdb.openRef(pin.labels);
  // What was ingested since does not count: DuckDB leaves it out, and what is in memory stays there for the history as it is now.
  const options = { labels, labelTime: pin.labelTime, asKnown: pin.asKnown, engine: "asof", signal } as const;
  const known = await batchesOfViews(source, service);
  const pinned: Record<string, readonly HistoryBatch[]> = {};
  for (const [view, ranges] of Object.entries(pin.history)) {
    const wanted = numbersIn(ranges);
    pinned[view] = (known[view] ?? []).filter(({ number }) => wanted.has(number));
    const missing = [...wanted].find((number) => !pinned[view]!.some((batch) => batch.number === number));
    if (missing !== undefined) throw pinDiffers(service.name, `batch ${missing} of the view "${view}" is gone`);
  }
  const write = async (existing: "replace" | "keep"): Promise<Dataset> => {
    const target = path ?? (await defaultPath(source, service, options, pinned));
    if (path !== undefined) await notePath(await datasetsFolder(source), path);
    return await writeTrainingSet(source, service, options, { path: target, batches: numbersOf(pinned), existing });
  };
  const { dataset, digest } = await writeLike(pin.digest, path === undefined, write).catch((error: unknown) => {
    throw hasCode(error, "DUCKDB_FILE_MISSING") ? pinDiffers(service.name, "the file of its labels is gone") : error;
  });
  if (digest !== pin.digest) throw pinDiffers(service.name, `its rows have the digest ${digest}, not ${pin.digest}`);
  return Object.assign(dataset, { pin: async () => pin });
}

/** A file whose path says what is in it is left to those who read it, as long as it does hold that. */
async function writeLike(
  wanted: Digest,
  isNamedByContent: boolean,
  write: (existing: "replace" | "keep") => Promise<Dataset>,
): Promise<{ readonly dataset: Dataset; readonly digest: Digest }> {
  if (isNamedByContent) {
    const dataset = await write("keep");
    const digest = await dataset.digest();
    if (digest === wanted) return { dataset, digest };
  }
  const dataset = await write("replace");
  return { dataset, digest: await dataset.digest() };
}

async function batchesOfViews(source: HistorySource, service: FeatureService): Promise<BatchesOfViews> {
  const entries = service.views.map(async ({ id }) => {
    const batches = await (await source.log(id)).batches();
    return [id, batches.filter(({ origin }) => origin !== "compaction")] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

const numbersOf = (batches: BatchesOfViews): BatchNumbers =>
  Object.fromEntries(Object.entries(batches).map(([view, all]) => [view, new Set(all.map(({ number }) => number))]));

/** Runs of numbers that follow each other. */
function rangesOf(numbers: ReadonlySet<number>): (readonly [number, number])[] {
  const ranges: [number, number][] = [];
  for (const number of [...numbers].toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges;
}

function numbersIn(ranges: readonly (readonly [number, number])[]): Set<number> {
  return new Set(
    ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, step) => first + step)),
  );
}

/** The same labels, service and history give the same name. */
async function defaultPath(
  source: HistorySource,
  service: FeatureService,
  { labels, labelTime, asKnown }: HistoryOptions & { readonly labels: Dataset },
  batches: BatchesOfViews,
): Promise<string> {
  const digest = digestOf({
    service: service.digest,
    labelTime,
    ...(asKnown === undefined ? {} : { asKnown }),
    labels: await labels.digest(),
    history: service.views.map(({ id }) => (batches[id] ?? []).map((batch) => [batch.number, batch.digest])),
  });
  return join(await datasetsFolder(source), `${service.name}-${shortened(digest)}.parquet`);
}

async function datasetsFolder({ directory }: HistorySource): Promise<string> {
  const folder = join(directory, DATASETS_FOLDER);
  await mkdir(folder, { recursive: true });
  return folder;
}

const shortened = (digest: Digest): string => digest.slice("sha256:".length, "sha256:".length + 24);

async function refOf(source: HistorySource, labels: Dataset, signal: AbortSignal | undefined): Promise<DatasetRef> {
  try {
    return await labels.ref();
  } catch (error) {
    if (!hasCode(error, "PORT_UNSUPPORTED")) throw error;
    // Columns in memory or the rows of a query: a copy in a file can be referred to.
    const digest = await labels.digest();
    const path = join(await datasetsFolder(source), `labels-${shortened(digest)}.parquet`);
    const kept = await (await scanWhole(source, path, { signal }))?.ref();
    if (kept?.digest === digest) return kept;
    await source.duckdb.writeParquet(labels, path, { existing: kept === undefined ? "keep" : "replace", signal });
    return await (await source.duckdb.scan(path, { signal })).ref();
  }
}

/** The dataset in a file; undefined where there is none, or it is damaged, and then it is removed. */
async function scanWhole(
  { duckdb }: HistorySource,
  path: string,
  { signal }: CallOptions,
): Promise<Dataset | undefined> {
  try {
    return await duckdb.scan(path, { signal });
  } catch (error) {
    if (hasCode(error, "DUCKDB_FILE_MISSING")) return undefined;
    if (!hasCode(error, "DUCKDB_FILE_CORRUPT")) throw error;
    await rm(path, { force: true });
    return undefined;
  }
}
