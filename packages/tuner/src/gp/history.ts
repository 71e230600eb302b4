import { lossOf } from "../outcome.ts";
import type { Space } from "../space.ts";
import { validateParams } from "../space-check.ts";
import type { Direction, Trial } from "../trial.ts";
import type { Lattice } from "./lattice.ts";

/** What a study's trials tell a model. Points are rows of the encoding's coordinates, by trial number. */
export interface History {
  readonly points: Float64Array;
  /** Less is better; finite. */
  readonly losses: Float64Array;
  /** Trial numbers of the observations. */
  readonly numbers: readonly number[];
  /** Points of trials under way, row by row. */
  readonly pending: Float64Array;
  readonly pendingCount: number;
  /** Points that gave no value, row by row: the newest. */
  readonly failed: Float64Array;
  readonly failedCount: number;
}

/** So many failed trials are remembered. */
const MOST_FAILED = 200;

/**
 * Completed trials with a finite loss; pruned ones with their last intermediate value, but not as better than the best completed. Trials that
 * wait, run or are paused are pending. No value is made up for what failed.
 */
export function historyOf(space: Space, lattice: Lattice, trials: readonly Trial[], direction: Direction): History {
  const known = trials.filter((trial) => fits(space, trial)).toSorted((a, b) => a.number - b.number);
  let best = Infinity;
  for (const trial of known) {
    const loss = trial.state === "completed" ? lossOf(trial, direction) : undefined;
    if (loss !== undefined && Number.isFinite(loss) && loss < best) best = loss;
  }
  const observed: { readonly trial: Trial; readonly loss: number }[] = [];
  const open: Trial[] = [];
  const failed: Trial[] = [];
  for (const trial of known) {
    const loss = observedLoss(trial, direction, best);
    if (loss !== undefined) observed.push({ trial, loss });
    else if (trial.state === "running" || trial.state === "waiting" || trial.state === "paused") open.push(trial);
    else failed.push(trial);
  }
  const gone = failed.slice(-MOST_FAILED);
  return {
    points: encodeAll(
      lattice,
      observed.map(({ trial }) => trial),
    ),
    losses: Float64Array.from(observed, ({ loss }) => loss),
    numbers: observed.map(({ trial }) => trial.number),
    pending: encodeAll(lattice, open),
    pendingCount: open.length,
    failed: encodeAll(lattice, gone),
    failedCount: gone.length,
  };
}

function observedLoss(trial: Trial, direction: Direction, best: number): number | undefined {
  if (trial.state === "completed") {
    const loss = lossOf(trial, direction);
    return loss !== undefined && Number.isFinite(loss) ? loss : undefined;
  }
  if (trial.state !== "pruned") return undefined;
  const last = trial.intermediates.at(-1)?.[1];
  if (last === undefined || !Number.isFinite(last)) return undefined;
  const loss = direction === "minimize" ? last : -last;
  return Number.isFinite(best) ? Math.max(loss, best) : loss;
}

/** Trials of an earlier shape of the space tell nothing about this one. */
export function fits(space: Space, { params }: Trial): boolean {
  try {
    validateParams(space, params);
    return true;
  } catch {
    return false;
  }
}

/** The trials' points of the cube, row by row. */
export function encodeAll({ encoding }: Lattice, trials: readonly Trial[]): Float64Array {
  const size = encoding.dimensions.length;
  const points = new Float64Array(trials.length * size);
  for (const [row, { params }] of trials.entries()) points.set(encoding.encode(params), row * size);
  return points;
}
