import type { Estimate } from "../quality/quality.ts";
import { z95 } from "../statistics/distributions.ts";
import type { ExpectedGain } from "./action-policy.ts";

export interface RetrainGainOptions {
  /** The mean loss of the labelled answers of late. */
  readonly recent: Pick<Estimate, "mean" | "standardError">;
  /** The mean loss that a newly trained model is expected to have: that of the champion when it was new, on data that it had not seen. */
  readonly attainable: Pick<Estimate, "mean" | "standardError">;
  /** Answers that the new model will give before the next training. */
  readonly predictions: number;
  /** What one unit of loss in one answer costs, in the unit of the gain. */
  readonly valueOfLoss: number;
}

/**
 * What training again is expected to bring: (recent − attainable loss) × answers × value, with the 95 % interval of the difference of two means. Noise has an interval
 * around 0, so its lower end is below any cost. Undefined without labels.
 */
export function retrainGain({
  recent,
  attainable,
  predictions,
  valueOfLoss,
}: RetrainGainOptions): ExpectedGain | undefined {
  const difference = recent.mean - attainable.mean;
  const standardError = Math.hypot(recent.standardError, attainable.standardError);
  if (!Number.isFinite(difference) || !Number.isFinite(standardError)) return undefined;
  const worth = predictions * valueOfLoss;
  return { mean: difference * worth, low: (difference - z95 * standardError) * worth };
}
