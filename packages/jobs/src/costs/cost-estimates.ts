import { type Amount, isFinalJobState, type JobHistoryEntry } from "@millwright/contracts";
import { jobTimes } from "../supervision/job-times.ts";
import { checkAmount, checkNumber, costOfTime, quantileOf, scaled, sumOf } from "./amounts.ts";
import { attemptsOf } from "./job-histories.ts";

/** What work will cost, before it is begun. */
export interface CostEstimate {
  /** From its start to its end; machines that work side by side count once. */
  readonly timeMs: number;
  /** Of all machines together. */
  readonly machineMs: number;
  readonly cost: Amount;
  /** Between which the cost of nine in ten such works is, as far as what the estimate goes by tells; the same as `cost` where it tells nothing. */
  readonly range: { readonly low: Amount; readonly high: Amount };
}

interface Priced {
  /** Of one machine. */
  readonly perHour: Amount;
  /** Of time on what may be taken away, of the full price. Default: 1. */
  readonly priceRatio?: number | undefined;
}

/** How long one run takes: what a dry run says (`estimate.timeMs`), or what earlier runs took. */
export type RunTimes = { readonly timeMs: number } | { readonly histories: readonly (readonly JobHistoryEntry[])[] };

export interface TrainingPlan extends Priced {
  readonly run: RunTimes;
  /** How much longer than those of `run` it will be: twice the epochs is 2. Default: 1. */
  readonly scale?: number | undefined;
  /** Machines that work on it side by side. Default: 1. */
  readonly machines?: number | undefined;
  /** Share of the time that attempts lose which fail or start over, from 0. Default: that of `histories`; 0 for a dry run. */
  readonly lostShare?: number | undefined;
}

interface RunEstimate {
  readonly meanMs: number;
  readonly lowMs: number;
  readonly highMs: number;
  readonly lostShare: number;
}

const isOver = (history: readonly JobHistoryEntry[]): boolean => {
  const last = history.at(-1);
  return last !== undefined && isFinalJobState(last.state);
};

/** Useful time of runs that completed, and what all runs lost for each useful hour. */
function runEstimateOf(run: RunTimes): RunEstimate {
  if ("timeMs" in run) {
    checkNumber("run.timeMs", run.timeMs);
    return { meanMs: run.timeMs, lowMs: run.timeMs, highMs: run.timeMs, lostShare: 0 };
  }
  const over = run.histories.filter(isOver);
  const completed = over.filter((history) => history.at(-1)?.state === "completed");
  if (completed.length === 0)
    throw new RangeError("run.histories must hold a job that completed; without one, take the time of a dry run.");
  const usefulOf = (history: readonly JobHistoryEntry[]): number =>
    attemptsOf(history).reduce((sum, { trainingMs, lost }) => sum + (lost ? 0 : trainingMs), 0);
  const useful = completed.map(usefulOf);
  const usefulMs = useful.reduce((sum, each) => sum + each, 0);
  const allMs = over.reduce((sum, history) => sum + jobTimes(history).trainingMs, 0);
  return {
    meanMs: usefulMs / useful.length,
    lowMs: quantileOf(useful, 0.05),
    highMs: quantileOf(useful, 0.95),
    lostShare: usefulMs === 0 ? 0 : allMs / usefulMs - 1,
  };
}

const check = ({ perHour, priceRatio = 1 }: Priced): void => {
  checkAmount("perHour", perHour);
  checkNumber("priceRatio", priceRatio, { most: 1 });
};

/**
 * What a training will cost: the time of a dry run or the mean of earlier runs, with what attempts lose that fail. Pure. Throws a `RangeError` for numbers out
 * of range, and where no earlier run completed.
 */
export function estimateTraining(plan: TrainingPlan): CostEstimate {
  check(plan);
  const { run, scale = 1, machines = 1, perHour, priceRatio = 1 } = plan;
  checkNumber("scale", scale);
  checkNumber("machines", machines);
  const { meanMs, lowMs, highMs, lostShare: found } = runEstimateOf(run);
  const lostShare = plan.lostShare ?? found;
  checkNumber("lostShare", lostShare);
  const timeMs = meanMs * scale * (1 + lostShare);
  const costOf = (ms: number): Amount => costOfTime(ms * scale * machines * priceRatio, perHour);
  return {
    timeMs,
    machineMs: timeMs * machines,
    cost: costOf(meanMs * (1 + lostShare)),
    range: { low: costOf(lowMs), high: costOf(Math.max(highMs, meanMs) * (1 + lostShare)) },
  };
}

export interface TuningPlan extends TrainingPlan {
  readonly trials: number;
  /** Trials side by side. Default: 1. */
  readonly parallelism?: number | undefined;
  /**
   * Shares of their full time that trials took in an earlier study, from 0 to 1: what pruning left of them. Of successive halving, `halvingShare` says it
   * without one. Default: all of it.
   */
  readonly shares?: readonly number[] | undefined;
}

/** What a study will cost: its trials at the mean share of a run's time. Pure. Throws what `estimateTraining` throws. */
export function estimateTuning(plan: TuningPlan): CostEstimate {
  const { trials, parallelism = 1, shares = [1], machines = 1 } = plan;
  checkNumber("trials", trials);
  checkNumber("parallelism", parallelism, { least: 1 });
  if (shares.length === 0) throw new RangeError("shares must hold at least one share.");
  for (const share of shares) checkNumber("shares", share, { most: 1 });
  const one = estimateTraining(plan);
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  const machineMs = one.machineMs * mean * trials;
  const side = Math.min(Math.max(1, trials), parallelism);
  // Means of many trials spread less than one does.
  const spread = (amount: Amount): Amount => {
    return Object.fromEntries(
      Object.entries(one.cost).map(([unit, value]) => {
        const away = ((amount[unit] ?? value) - value) / Math.sqrt(Math.max(1, trials));
        return [unit, (value + away) * mean * trials];
      }),
    );
  };
  return {
    // The last trials leave some of the places empty: half a trial's time on the average.
    timeMs: machineMs / machines / side + (side > 1 ? (one.timeMs * mean) / 2 : 0),
    machineMs,
    cost: scaled(one.cost, mean * trials),
    range: { low: spread(one.range.low), high: spread(one.range.high) },
  };
}

/**
 * The mean share of its full time that a trial of successive halving takes: all of them the first of `rungs` equal parts, one in `reduction` of those the next,
 * and so on. Pure. Throws a `RangeError` for a reduction of 1 or less, or for rungs that are no whole number from 1 to 64.
 */
export function halvingShare(rungs: number, reduction: number): number {
  if (!Number.isInteger(rungs) || rungs < 1 || rungs > 64)
    throw new RangeError(`rungs must be a whole number from 1 to 64, not ${rungs}.`);
  if (!(reduction > 1 && Number.isFinite(reduction)))
    throw new RangeError(`reduction must be a finite number above 1, not ${reduction}.`);
  const parts = Array.from({ length: rungs }, (_, rung) => reduction ** -rung);
  return parts.reduce((sum, part) => sum + part, 0) / rungs;
}

export interface BatchPlan extends Priced {
  readonly rows: number;
  /** Of one machine, as a trial on some rows measures it. */
  readonly rowsPerSecond: number;
  /** Before a machine's first row: start, download, loading the model. Default: 0. */
  readonly startMs?: number | undefined;
  /** Machines side by side. Default: 1. */
  readonly machines?: number | undefined;
  /** Share of rows that are done twice, because a machine was lost. Default: 0. */
  readonly lostShare?: number | undefined;
}

/** What predicting for a table will cost. Pure. Throws a `RangeError` for numbers out of range. */
export function estimateBatch(plan: BatchPlan): CostEstimate {
  check(plan);
  const { rows, rowsPerSecond, startMs = 0, machines = 1, lostShare = 0, perHour, priceRatio = 1 } = plan;
  checkNumber("rows", rows);
  checkNumber("rowsPerSecond", rowsPerSecond, { least: Number.MIN_VALUE });
  checkNumber("startMs", startMs);
  checkNumber("machines", machines, { least: 1 });
  checkNumber("lostShare", lostShare);
  const workMs = (rows * 1_000 * (1 + lostShare)) / rowsPerSecond;
  const machineMs = workMs + startMs * machines;
  const cost = costOfTime(machineMs * priceRatio, perHour);
  return { timeMs: workMs / machines + startMs, machineMs, cost, range: { low: cost, high: cost } };
}

export interface DeploymentPlan extends Priced {
  /** For how long it is to be served. */
  readonly hours: number;
  /** Requests a second, hour by hour of a day or a week, over and over; one number where it is always the same. */
  readonly requestsPerSecond: readonly number[];
  /** Of one machine at the latency that is wanted. */
  readonly capacityPerSecond: number;
  /** Load at which another machine is taken, from above 0 to 1. Default: 0.7. */
  readonly targetUtilization?: number | undefined;
  /** Default: 1. */
  readonly minMachines?: number | undefined;
  /** Default: as many as it takes. */
  readonly maxMachines?: number | undefined;
  /** What a thousand requests cost besides machines: storage of captured data, calls to others. Default: nothing. */
  readonly perThousandRequests?: Amount | undefined;
}

/** What serving will cost, with as many machines each hour as its requests take. Pure. Throws a `RangeError` for numbers out of range. */
export function estimateDeployment(plan: DeploymentPlan): CostEstimate {
  check(plan);
  const { hours, requestsPerSecond, capacityPerSecond, perHour, priceRatio = 1, perThousandRequests = {} } = plan;
  const { targetUtilization = 0.7, minMachines = 1, maxMachines = Infinity } = plan;
  checkNumber("hours", hours, { most: 24 * 366 * 10 });
  checkNumber("capacityPerSecond", capacityPerSecond, { least: Number.MIN_VALUE });
  checkNumber("targetUtilization", targetUtilization, { least: Number.MIN_VALUE, most: 1 });
  checkNumber("minMachines", minMachines);
  if (!(maxMachines >= minMachines)) throw new RangeError(`maxMachines must be from minMachines, not ${maxMachines}.`);
  checkAmount("perThousandRequests", perThousandRequests);
  if (requestsPerSecond.length === 0) throw new RangeError("requestsPerSecond must hold at least one hour.");
  for (const rate of requestsPerSecond) checkNumber("requestsPerSecond", rate);
  let machineHours = 0;
  let requests = 0;
  for (let hour = 0; hour < hours; hour += 1) {
    const rate = requestsPerSecond[hour % requestsPerSecond.length] ?? 0;
    const part = Math.min(1, hours - hour);
    const wanted = Math.ceil(rate / (capacityPerSecond * targetUtilization));
    machineHours += part * Math.min(maxMachines, Math.max(minMachines, wanted));
    requests += part * rate * 3_600;
  }
  const machineMs = machineHours * 3_600_000;
  const cost = sumOf([costOfTime(machineMs * priceRatio, perHour), scaled(perThousandRequests, requests / 1_000)]);
  return { timeMs: hours * 3_600_000, machineMs, cost, range: { low: cost, high: cost } };
}
