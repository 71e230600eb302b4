import { isFinalJobState, type JobHistoryEntry, type JobState } from "@millwright/contracts";

/** How a job's time was spent; all in milliseconds. */
export interface JobTimes {
  /** From its first state to its last, or to now where it goes on. */
  readonly totalMs: number;
  /** Waiting for its turn, for the next try, or for a machine: in `pending` and `interrupted`. */
  readonly waitingMs: number;
  readonly startingMs: number;
  /** SageMaker's training time: in `downloading`, `training`, `uploading` and `stopping`, all attempts together. */
  readonly trainingMs: number;
  /** SageMaker's billable time: the training time at the price of what it ran on. */
  readonly billableMs: number;
  /** SageMaker's savings of managed spot training: (1 − billable / training) · 100; 0 where there was no training. */
  readonly savingsPercent: number;
  /** Attempts that were begun. */
  readonly attempts: number;
  /** Attempts that ended in an interruption, not in a failure. */
  readonly interruptions: number;
}

export interface JobTimesOptions {
  /** As the job's `spot` says. Default: 1. */
  readonly priceRatio?: number | undefined;
  /** Where a job that is not over has come to. Default: its last state's time. */
  readonly nowMs?: number | undefined;
}

const partOf = (state: JobState, begun: boolean): "waitingMs" | "startingMs" | "trainingMs" | undefined => {
  switch (state) {
    case "pending":
    case "interrupted":
      return "waitingMs";
    case "starting":
      return "startingMs";
    case "stopping":
      return begun ? "trainingMs" : undefined;
    case "downloading":
    case "training":
    case "uploading":
      return "trainingMs";
    default:
      return undefined;
  }
};

/**
 * How the time of a job was spent, from its history. Pure. Throws a `RangeError` for a price ratio that is not from 0 to 1.
 * @see https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html (`BillableTimeInSeconds`)
 */
export function jobTimes(history: readonly JobHistoryEntry[], options: JobTimesOptions = {}): JobTimes {
  const { priceRatio = 1, nowMs } = options;
  if (!(priceRatio >= 0 && priceRatio <= 1)) throw new RangeError(`priceRatio must be from 0 to 1, not ${priceRatio}.`);
  const spent = { waitingMs: 0, startingMs: 0, trainingMs: 0 };
  const firstMs = history[0]?.timeMs ?? 0;
  const last = history.at(-1);
  const isOver = last === undefined || isFinalJobState(last.state);
  const lastMs = Math.max(last?.timeMs ?? 0, isOver ? 0 : (nowMs ?? 0));
  let attempts = 0;
  let interruptions = 0;
  let begun = false;
  for (const [index, { state, timeMs, cause }] of history.entries()) {
    if (state === "starting") attempts += 1;
    if (state === "interrupted" && (cause ?? "interrupted") === "interrupted") interruptions += 1;
    const part = partOf(state, begun);
    if (part !== undefined) spent[part] += Math.max(0, (history[index + 1]?.timeMs ?? lastMs) - timeMs);
    begun = state !== "pending" && state !== "interrupted";
  }
  const billableMs = spent.trainingMs * priceRatio;
  return {
    totalMs: Math.max(0, lastMs - firstMs),
    ...spent,
    billableMs,
    savingsPercent: spent.trainingMs === 0 ? 0 : (1 - billableMs / spent.trainingMs) * 100,
    attempts,
    interruptions,
  };
}
