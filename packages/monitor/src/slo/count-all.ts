import type { CapturedPrediction } from "@millwright/contracts";
import type { MergedCounts } from "./merged-counts.ts";
import type { AnsweredRequests, Slo } from "./slo.ts";

/** Requests that were counted together. */
export interface AnsweredTogether extends AnsweredRequests {
  readonly requests: number;
  readonly earliestMs: number;
  readonly latestMs: number;
  /** Each for itself. */
  predictions(): Iterable<CapturedPrediction>;
}

/** Counts requests for objectives: at once for those that say at once how many are good, and whose buckets take all of them. */
export function countAll(
  watched: readonly { readonly slo: Slo; readonly counts: MergedCounts }[],
  answered: AnsweredTogether,
): void {
  const { earliestMs, latestMs, requests } = answered;
  const rest = watched.filter(({ slo: { sli }, counts }) => {
    const { bucketMs } = counts.all;
    if (sli.goodOf === undefined || Math.floor(earliestMs / bucketMs) !== Math.floor(latestMs / bucketMs)) return true;
    const good = sli.goodOf(answered);
    if (good === undefined) return false;
    counts.add(earliestMs, good, requests);
    // Nothing more, but of this time.
    counts.add(latestMs, 0, 0);
    return false;
  });
  if (rest.length === 0) return;
  for (const prediction of answered.predictions()) {
    for (const { slo, counts } of rest) {
      const good = slo.sli.classify(prediction);
      if (good !== undefined) counts.add(prediction.timeMs, good ? 1 : 0, 1);
    }
  }
}
