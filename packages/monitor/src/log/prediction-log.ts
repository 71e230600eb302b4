import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  type Batch,
  type CallOptions,
  type Clock,
  createIdSource,
  type IdSource,
  type JsonObject,
  systemClock,
} from "@millwright/contracts";
import { toArray } from "@millwright/data";
import { readingOf, type VariantReading } from "../alerts/alert-rule.ts";
import type { AnswerSource } from "../capture/answer-lookup.ts";
import { rowsOfBatch } from "../capture/arrow-segment.ts";
import { parseState, stateToJson, type VariantState } from "../capture/monitor-state.ts";
import { segmentMs } from "../capture/segment-file.ts";
import { lazyWindow } from "../capture/window.ts";
import { captureUnreadable } from "../errors.ts";
import { findAnswers } from "./find-answers.ts";
import { compactSegments } from "./log-compaction.ts";
import {
  commitManifest,
  isMissing,
  listed,
  type LogFile,
  logFolder,
  type LogManifest,
  readManifest,
  writeDurable,
} from "./log-manifest.ts";
import { conditionOf, filtered, literal, type PredictionQuery, whereOf } from "./log-query.ts";
import { begunMs, isSegment, readSegment } from "./log-segments.ts";
import { coarser, createSummarizer, type Summarizer } from "./log-summaries.ts";

/** What is asked of DuckDB: `openDuckDb` of `@millwright/duckdb` gives one. */
export interface ParquetEngine {
  query(
    sql: string,
    options?: { readonly params?: readonly (string | number)[]; readonly signal?: AbortSignal | undefined },
  ): AsyncIterable<Batch>;
  register(
    name: string,
    source: AsyncIterable<Batch>,
    options?: CallOptions,
  ): Promise<AsyncDisposable & { readonly sql: string; readonly rows: number }>;
  writeParquet(source: string, path: string, options?: CallOptions): Promise<unknown>;
}

export interface PredictionLogOptions {
  /** The directory of an Arrow or NDJSON capture, that may be written to meanwhile. */
  readonly directory: string;
  readonly duckdb: ParquetEngine;
  readonly clock?: Clock | undefined;
}

export interface CompactOptions extends CallOptions {
  /** Segments that began so long ago are whole; their writers have begun others. Default, and least where writers may be alive: 600,000. */
  readonly settleMs?: number | undefined;
  /** Files that count no more are deleted after so long: whoever reads them has ended then. Default: 600,000. */
  readonly graceMs?: number | undefined;
  /** About the most bytes of segments that become one file. Default: 128 MiB. */
  readonly fileBytes?: number | undefined;
}

export interface RollUpOptions extends CallOptions {
  /** Requests older than this become profiles of an hour. Default: 7 days. */
  readonly hourlyAfterMs?: number | undefined;
  /** Those become profiles of a day when they are older than this. Default: 30 days. */
  readonly dailyAfterMs?: number | undefined;
  /** Those are forgotten when they are older than this. Default: never. */
  readonly forgetAfterMs?: number | undefined;
  /** Default: 600,000. */
  readonly graceMs?: number | undefined;
}

export interface LogReport {
  /** The files that count now. */
  readonly files: readonly LogFile[];
  /** Requests that were moved from one tier to the next. */
  readonly moved: number;
  /** Requests that are in no tier any more. */
  readonly forgotten: number;
}

/**
 * Captured requests, in tiers: segments as they were written, Parquet, profiles of hours, profiles of days. A move between tiers counts all at once or not at all, whenever
 * the process ends: no request is lost or doubled. One process at a time moves; a second one gets `MONITOR_LOG_CONFLICT`.
 */
export interface PredictionLog extends AnswerSource {
  /** Requests that fit, as the capture drivers give them: from Parquet by time, then from segments. Rolled-up ones are gone. Throws `MONITOR_CAPTURE_UNREADABLE`. */
  rows(query?: PredictionQuery, options?: CallOptions): AsyncGenerator<JsonObject, void, undefined>;
  /** What the requests that fit did, from all tiers: rolled-up windows that overlap the span count whole. */
  read(query?: Omit<PredictionQuery, "where">, options?: CallOptions): Promise<VariantReading>;
  /** Turns whole segments into Parquet, sorted by time. Throws `MONITOR_CAPTURE_UNREADABLE`, `MONITOR_WRITE_FAILED`, `MONITOR_LOG_CONFLICT`, and what the engine throws. */
  compact(options?: CompactOptions): Promise<LogReport>;
  /** Turns old Parquet into profiles. Throws as `compact`. */
  rollUp(options?: RollUpOptions): Promise<LogReport>;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

export function openPredictionLog({ directory, duckdb, clock = systemClock }: PredictionLogOptions): PredictionLog {
  const log: LogContext = { directory, duckdb, clock, ids: createIdSource(clock) };
  return {
    async *rows(query = {}, { signal } = {}) {
      signal?.throwIfAborted();
      const manifest = await readManifest(directory);
      const files = manifest.files.filter((file) => overlaps(file, query)).toSorted((a, b) => a.fromMs - b.fromMs);
      for (const file of files) yield* rowsOfFile(log, file, query, signal);
      for (const name of await openSegments(directory, manifest)) {
        signal?.throwIfAborted();
        const { batches, rows } = await readSegment(directory, name);
        for (const row of [...batches.flatMap((batch) => [...rowsOfBatch(batch)]), ...rows]) {
          const fitting = filtered(row, query);
          if (fitting !== undefined) yield fitting;
        }
      }
    },
    async *findAll(requestIds, options = {}) {
      options.signal?.throwIfAborted();
      const manifest = await readManifest(directory);
      const files = manifest.files.filter(isRows).toReversed();
      yield* findAnswers(log, files, await openSegments(directory, manifest), requestIds, options);
    },
    async read(query = {}, { signal } = {}) {
      signal?.throwIfAborted();
      return readTiers(log, query, signal);
    },
    async compact({ settleMs = 2 * segmentMs, graceMs = 600_000, fileBytes = 128 * 2 ** 20, signal } = {}) {
      signal?.throwIfAborted();
      await mkdir(logFolder(directory), { recursive: true });
      const manifest = await readManifest(directory);
      const nowMs = clock.nowMs();
      const whole = (await openSegments(directory, manifest)).filter((name) => !(begunMs(name) > nowMs - settleMs));
      const files = await compactSegments({ ...log, names: whole, fileBytes, signal });
      const moved = files.reduce((sum, { requests }) => sum + requests, 0);
      const retired = whole.map((name) => ({ name, atMs: nowMs }));
      const next = { files: [...manifest.files, ...files], retired: [...manifest.retired, ...retired] };
      return { files: (await commit(log, manifest, next, graceMs)).files, moved, forgotten: 0 };
    },
    async rollUp(options = {}) {
      options.signal?.throwIfAborted();
      await mkdir(logFolder(directory), { recursive: true });
      return rollUpOld(log, options);
    },
  };
}

export interface LogContext {
  readonly directory: string;
  readonly duckdb: ParquetEngine;
  readonly clock: Clock;
  readonly ids: IdSource;
}

const isRows = ({ kind }: LogFile): boolean => kind === "tables" || kind === "lines";

const overlaps = ({ fromMs: first, toMs: last }: LogFile, { fromMs, toMs }: PredictionQuery): boolean =>
  !(fromMs !== undefined && last < fromMs) && !(toMs !== undefined && first >= toMs);

/** Segments that no file of the log holds. */
async function openSegments(directory: string, { retired }: LogManifest): Promise<readonly string[]> {
  const gone = new Set(retired.map(({ name }) => name));
  return (await listed(directory)).filter((name) => isSegment(name) && !gone.has(name)).toSorted();
}

/** Makes the change count, then deletes what counts no more and nobody can still be reading. */
async function commit(
  log: LogContext,
  before: LogManifest,
  next: Omit<LogManifest, "version">,
  graceMs: number,
): Promise<LogManifest> {
  const { directory, clock, ids } = log;
  const nowMs = clock.nowMs();
  const pathOf = (name: string): string => join(isSegment(name) ? directory : logFolder(directory), name);
  // What is named as retired may be deleted; only what is gone may be forgotten.
  for (const { name, atMs } of before.retired) if (atMs <= nowMs - graceMs) await rm(pathOf(name), { force: true });
  await sweep(log, next, nowMs);
  const present = new Set([...(await listed(directory)), ...(await listed(logFolder(directory)))]);
  const retired = next.retired.filter(({ name }) => present.has(name));
  return commitManifest(directory, before, { files: next.files, retired }, ids);
}

/** Deletes what a move wrote that was killed before it counted: it is not named, and so old that no other move can be about to name it. */
async function sweep({ directory }: LogContext, next: Omit<LogManifest, "version">, nowMs: number): Promise<void> {
  const named = new Set([...next.files, ...next.retired].map(({ name }) => name));
  for (const name of await listed(logFolder(directory)))
    if (!named.has(name) && begunMs(name) < nowMs - hourMs) await rm(join(logFolder(directory), name), { force: true });
}

async function* batchesOfFile(
  { directory, duckdb }: LogContext,
  file: LogFile,
  query: PredictionQuery,
  signal: AbortSignal | undefined,
): AsyncGenerator<Batch, void, undefined> {
  const features = file.kind === "tables" ? whereOf(query, file.columns) : { sql: "true", params: [] };
  if (features === undefined) return;
  const { sql, params } = conditionOf(query);
  const from = `read_parquet(${literal(join(logFolder(directory), file.name))})`;
  yield* duckdb.query(`SELECT * FROM ${from} WHERE ${sql} AND ${features.sql}`, {
    params: [...params, ...features.params],
    signal,
  });
}

async function* rowsOfFile(
  log: LogContext,
  file: LogFile,
  query: PredictionQuery,
  signal: AbortSignal | undefined,
): AsyncGenerator<JsonObject, void, undefined> {
  if (!isRows(file)) return;
  for await (const batch of batchesOfFile(log, file, query, signal)) {
    if (file.kind === "tables") yield* rowsOfBatch(batch);
    else
      for (const text of toArray(batch.columns["json"] as NonNullable<(typeof batch.columns)[string]>)) {
        const row = filtered(JSON.parse(text as string) as JsonObject, query);
        if (row !== undefined) yield row;
      }
  }
}

async function readTiers(
  log: LogContext,
  query: Omit<PredictionQuery, "where">,
  signal: AbortSignal | undefined,
): Promise<VariantReading> {
  const manifest = await readManifest(log.directory);
  const summarizer = createSummarizer(hourMs);
  const states: VariantState[] = [];
  for (const file of manifest.files.filter((each) => overlaps(each, query))) {
    if (isRows(file)) await summarize(log, file, summarizer, query, signal);
    else states.push(...(await readStates(log.directory, file.name)));
  }
  for (const name of await openSegments(log.directory, manifest)) {
    signal?.throwIfAborted();
    const { batches, rows } = await readSegment(log.directory, name);
    for (const row of [...batches.flatMap((batch) => [...rowsOfBatch(batch)]), ...rows]) {
      const fitting = filtered(row, query);
      if (fitting !== undefined) summarizer.addRow(fitting);
    }
  }
  const { endpoint, variant, modelName, modelVersion, modelDigest } = query;
  const { fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY } = query;
  const fits = (wanted: string | number | undefined, value: unknown): boolean =>
    wanted === undefined || wanted === value;
  const windows = [...states, ...summarizer.states()]
    .filter((each) => fits(endpoint, each.endpoint) && fits(variant, each.variant) && fits(modelName, each.model?.name))
    .filter(({ model }) => fits(modelVersion, model?.version) && fits(modelDigest, model?.digest))
    .flatMap((each) => each.windows)
    .filter(({ startMs, lengthMs }) => startMs + lengthMs > fromMs && startMs < toMs);
  return readingOf(lazyWindow(windows.toSorted((a, b) => a.startMs - b.startMs).map(({ summary }) => summary)));
}

async function summarize(
  log: LogContext,
  file: LogFile,
  summarizer: Summarizer,
  query: PredictionQuery,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (file.kind === "tables")
    for await (const batch of batchesOfFile(log, file, query, signal)) summarizer.addTable(batch);
  else for await (const row of rowsOfFile(log, file, query, signal)) summarizer.addRow(row);
}

async function readStates(directory: string, name: string): Promise<readonly VariantState[]> {
  try {
    return parseState(JSON.parse(await readFile(join(logFolder(directory), name), "utf8"))).variants;
  } catch (error) {
    throw isMissing(error) ? captureUnreadable(name, "it is gone", error) : error;
  }
}

async function rollUpOld(log: LogContext, options: RollUpOptions): Promise<LogReport> {
  const { hourlyAfterMs = 7 * dayMs, dailyAfterMs = 30 * dayMs, forgetAfterMs, graceMs = 600_000, signal } = options;
  const manifest = await readManifest(log.directory);
  const nowMs = log.clock.nowMs();
  const isOld = ({ toMs }: LogFile, ageMs: number): boolean => toMs < nowMs - ageMs;
  const forgotten = manifest.files.filter((file) => forgetAfterMs !== undefined && isOld(file, forgetAfterMs));
  const rest = manifest.files.filter((file) => !forgotten.includes(file));
  const raw = rest.filter((file) => isRows(file) && isOld(file, hourlyAfterMs));
  const hours = rest.filter((file) => file.kind === "hours" && isOld(file, dailyAfterMs));
  const summarizer = createSummarizer(hourMs);
  for (const file of raw) await summarize(log, file, summarizer, {}, signal);
  const days = (await Promise.all(hours.map(({ name }) => readStates(log.directory, name)))).flat();
  const made = [
    ...(await writeStates(log, "hours", raw, summarizer.states())),
    ...(await writeStates(log, "days", hours, coarser(days, dayMs))),
  ];
  signal?.throwIfAborted();
  const left = [...forgotten, ...raw, ...hours];
  const retired = [...manifest.retired, ...left.map(({ name }) => ({ name, atMs: nowMs }))];
  const files = [...rest.filter((file) => !left.includes(file)), ...made];
  const count = (of: readonly LogFile[]): number => of.reduce((sum, { requests }) => sum + requests, 0);
  const after = left.length === 0 ? manifest : await commit(log, manifest, { files, retired }, graceMs);
  return { files: after.files, moved: count(raw) + count(hours), forgotten: count(forgotten) };
}

async function writeStates(
  { directory, ids }: LogContext,
  kind: "hours" | "days",
  from: readonly LogFile[],
  variants: readonly VariantState[],
): Promise<readonly LogFile[]> {
  if (from.length === 0) return [];
  const name = `${ids.next()}.json`;
  const state = { variants, objectives: [], toldMs: Number.NEGATIVE_INFINITY, waiting: undefined };
  await writeDurable(join(logFolder(directory), name), JSON.stringify(stateToJson(state)), ids);
  const requests = variants.flatMap(({ windows }) => windows).reduce((sum, { summary }) => sum + summary.requests, 0);
  const fromMs = Math.min(...from.map((file) => file.fromMs));
  return [{ name, kind, requests, fromMs, toMs: Math.max(...from.map((file) => file.toMs)), columns: [] }];
}
