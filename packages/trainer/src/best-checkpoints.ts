import { isGrowing } from "./early-stopping.ts";

/** A checkpoint that is kept because its metric is among the best. */
export interface KeptCheckpoint {
  readonly epoch: number;
  readonly step: number;
  readonly value: number;
}

/**
 * The best `keep` of those kept and a new one, best first; of equal ones the earlier. One whose value is no number is never kept. Pure.
 */
export function rankCheckpoints(
  kept: readonly KeptCheckpoint[],
  candidate: KeptCheckpoint,
  { metric, keep }: { readonly metric: string; readonly keep: number },
): readonly KeptCheckpoint[] {
  if (Number.isNaN(candidate.value)) return kept;
  const sign = isGrowing(metric) ? -1 : 1;
  return [...kept, candidate].toSorted((a, b) => sign * (a.value - b.value) || a.step - b.step).slice(0, keep);
}
