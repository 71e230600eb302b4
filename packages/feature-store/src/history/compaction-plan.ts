import { type CountedPart, countedParts, type HistoryBatch } from "./history-log.ts";

export interface CompactionLimits {
  /** A day with small files of fewer batches than this is left as it is. */
  readonly minFiles: number;
  /** Files of this size are left as they are. */
  readonly maxFileBytes: number;
}

/** What one entry of a compaction covers: bounded, so that a long compaction is committed bit by bit. */
const STEP_BYTES = 1 << 29;
const STEP_PARTS = 2_000;

/** The small files of each day that has several, in steps of whole days, the oldest first. */
export function planCompaction(
  batches: readonly HistoryBatch[],
  { minFiles, maxFileBytes }: CompactionLimits,
): CountedPart[][] {
  const days = new Map<string, CountedPart[]>();
  for (const each of countedParts(batches)) {
    if (each.part.sizeBytes >= maxFileBytes) continue;
    const day = days.get(each.part.ds);
    if (day === undefined) days.set(each.part.ds, [each]);
    else day.push(each);
  }
  const steps: CountedPart[][] = [];
  let step: CountedPart[] = [];
  let sizeBytes = 0;
  for (const [, parts] of [...days].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    // One compaction may have written several files of a day: those are not merged again.
    if (new Set(parts.map(({ batch }) => batch.number)).size < minFiles) continue;
    if (step.length > 0 && (sizeBytes >= STEP_BYTES || step.length >= STEP_PARTS)) {
      steps.push(step);
      step = [];
      sizeBytes = 0;
    }
    step.push(...parts);
    sizeBytes += parts.reduce((sum, { part }) => sum + part.sizeBytes, 0);
  }
  return step.length === 0 ? steps : [...steps, step];
}

/** The paths of files that a compaction has stood for since before a time. */
export function outdatedParts(batches: readonly HistoryBatch[], beforeMs: number): string[] {
  return batches.flatMap(({ replaces = [], availableMs = 0 }) => (availableMs <= beforeMs ? replaces : []));
}
