import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { CallOptions, Clock, Schema } from "@millwright/contracts";
import type { DuckDb } from "@millwright/duckdb";
import { compactedSql } from "./compaction-sql.ts";
import { outdatedParts, planCompaction } from "./compaction-plan.ts";
import { digestOf, type FeatureView } from "../definition/definition.ts";
import { historyCorrupt } from "../errors.ts";
import { compactionId, withoutParts } from "./history-fold.ts";
import type { CountedPart, HistoryDraft, HistoryLog, HistorySnapshot } from "./history-log.ts";
import { commitOrDiscard, writeHistoryParts } from "./history-parts.ts";
import { checkParts, namingFile, readingHistory } from "./history-sql.ts";

export interface CompactOptions extends CallOptions {
  /** A day with fewer small files than this is left as it is; from 2 on. Default: 2. */
  readonly minFiles?: number | undefined;
  /** Files of this size or more are left as they are. Default: 256 MiB. */
  readonly maxFileBytes?: number | undefined;
  /**
   * How long files stay after others took their place, milliseconds: longer than any read takes from its list of files to its last row. Default: one hour.
   */
  readonly graceMs?: number | undefined;
  /** Told after each step, which is committed then. */
  readonly onProgress?: ((progress: CompactProgress) => void) | undefined;
}

export interface CompactProgress {
  /** The view's id. */
  readonly view: string;
  readonly doneFiles: number;
  /** Files of this view that are merged in all. */
  readonly totalFiles: number;
}

export interface CompactResult {
  /** Files whose rows stand in merged ones now. */
  readonly mergedFiles: number;
  /** The files that they were merged into. */
  readonly writtenFiles: number;
  /** Rows in them: none is lost, and none doubled. */
  readonly rows: number;
  /** Merged files of earlier compactions that were deleted, their grace period being over. */
  readonly deletedFiles: number;
}

export interface CompactionTarget {
  readonly duckdb: DuckDb;
  readonly log: HistoryLog;
  readonly view: FeatureView;
  readonly clock: Clock;
}

/** Entries of batches that are kept in files of their own, before they are folded into one. */
const LOOSE_ENTRIES = 64;

/**
 * Merges the small files of each day into one, sorted by keys and event time, with every row that they hold. Each step is committed by one entry, so a crash
 * leaves the old files or the new ones; of two compactions at once, one counts. Throws `FEATURE_STORE_HISTORY_CORRUPT`.
 */
export async function compactHistory(target: CompactionTarget, options: CompactOptions = {}): Promise<CompactResult> {
  const { minFiles = 2, maxFileBytes = 2 ** 28, graceMs = 3_600_000, signal, onProgress } = options;
  if (!(minFiles >= 2)) throw new RangeError(`minFiles must be 2 or more, not ${minFiles}.`);
  if (!(graceMs >= 0)) throw new RangeError(`graceMs must be 0 or more, not ${graceMs}.`);
  const { log, clock, view } = target;
  const done = { mergedFiles: 0, writtenFiles: 0, rows: 0 };
  for (;;) {
    signal?.throwIfAborted();
    const merged = await readingHistory(async () => {
      const snapshot = await log.snapshot();
      const [step, ...later] = planCompaction(snapshot.batches, { minFiles, maxFileBytes });
      if (step === undefined) return undefined;
      const leftFiles = later.reduce((sum, each) => sum + each.length, 0);
      return { step, leftFiles, ...(await mergeParts(target, snapshot, step, { signal })) };
    });
    if (merged === undefined) break;
    // Another compaction came first: what it left is looked at anew.
    if (merged.files === undefined) continue;
    done.mergedFiles += merged.step.length;
    done.writtenFiles += merged.files;
    done.rows += merged.rows ?? 0;
    onProgress?.({ view: view.id, doneFiles: done.mergedFiles, totalFiles: done.mergedFiles + merged.leftFiles });
  }
  return { ...done, deletedFiles: await cleanUp(log, clock.nowMs() - graceMs) };
}

export interface MergeOptions extends CallOptions {
  /** Rows that are left out: SQL that is true of them, and how many they are. */
  readonly without?: { readonly isEntity: string; readonly rows: number } | undefined;
}

/** Puts files of the same rows in the place of parts. @returns undefined where another compaction came first. Throws `FEATURE_STORE_HISTORY_CORRUPT`. */
export async function mergeParts(
  target: CompactionTarget,
  { compactions }: HistorySnapshot,
  step: readonly CountedPart[],
  { without, signal }: MergeOptions,
): Promise<{ readonly files: number; readonly rows: number } | undefined> {
  const { log, view } = target;
  await checkParts(view, log, step);
  const number = await log.claim();
  const schema = unitedSchema(step);
  const { sql, hasFailedRules } = compactedSql(view, log.directory, step, { schema, without: without?.isEntity });
  await using written = await writeHistoryParts(target, sql, { number, signal }).catch(async (error: unknown) => {
    throw await namingFile({ duckdb: target.duckdb, log: async () => log }, view, error);
  });
  const rows = written.parts.reduce((sum, part) => sum + part.rows, 0);
  const replaces = step.map(({ part }) => part.path);
  const wanted = step.reduce((sum, { part }) => sum + part.rows, 0) - (without?.rows ?? 0);
  if (rows !== wanted) {
    await written.discard();
    throw historyCorrupt(view.name, log.directory, `has ${rows} rows in files whose entries name ${wanted}`);
  }
  const sources = new Set(step.map(({ batch }) => batch));
  const draft: HistoryDraft = {
    id: compactionId(compactions + 1),
    digest: digestOf(replaces),
    number,
    schema,
    rows,
    skippedRows: 0,
    parts: written.parts,
    origin: "compaction",
    hasMarks: [...sources].some(({ hasMarks }) => hasMarks === true),
    longestTtlMs: Math.max(0, ...[...sources].map(({ longestTtlMs = 0 }) => longestTtlMs)),
    replaces,
    ...(hasFailedRules ? { hasFailedRules } : {}),
  };
  return (await commitOrDiscard(log, draft, written)) ? { files: written.parts.length, rows } : undefined;
}

/** All columns that the parts have. One that some lack was added to the view later. */
function unitedSchema(step: readonly CountedPart[]): Schema {
  const fields = new Map(step.flatMap(({ batch }) => batch.schema.map((field) => [field.name, field] as const)));
  return [...fields.values()];
}

/** Deletes files whose grace period is over, and puts many small entries into one. @returns how many files that were. */
async function cleanUp(log: HistoryLog, beforeMs: number): Promise<number> {
  const snapshot = await log.snapshot();
  const outdated = outdatedParts(snapshot.batches, beforeMs);
  if (outdated.length === 0 && snapshot.names.length < LOOSE_ENTRIES) return 0;
  for (const path of outdated) await rm(join(log.directory, path), { force: true });
  await log.fold(snapshot, withoutParts(snapshot.batches, new Set(outdated)));
  return outdated.length;
}
