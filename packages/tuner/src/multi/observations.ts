import { encodeAll, fits } from "../gp/history.ts";
import type { Lattice } from "../gp/lattice.ts";
import { isFeasible } from "../outcome.ts";
import type { Space } from "../space.ts";
import type { Direction, Trial } from "../trial.ts";
import { lossesOf } from "./front.ts";

/** What a study of several objectives tells its models. Points are rows of the encoding's coordinates, by trial number. */
export interface Observations {
  readonly points: Float64Array;
  /** One row of finite losses per observed trial. */
  readonly losses: readonly (readonly number[])[];
  readonly feasible: readonly boolean[];
  /** Of trials under way. */
  readonly pending: { readonly points: Float64Array; readonly count: number };
  /** Points that gave no values: the newest. */
  readonly failed: Float64Array;
}

/** So many failed trials are remembered. */
const mostFailed = 200;

export function observe(
  space: Space,
  lattice: Lattice,
  trials: readonly Trial[],
  directions: readonly Direction[],
): Observations {
  const known = trials.filter((trial) => fits(space, trial)).toSorted((a, b) => a.number - b.number);
  const observed = known.flatMap((trial) => {
    const losses = trial.state === "completed" ? lossesOf(trial, directions) : undefined;
    return losses?.every((loss) => Number.isFinite(loss)) === true ? [{ trial, losses }] : [];
  });
  const open = known.filter(({ state }) => state === "running" || state === "waiting" || state === "paused");
  const failed = known.filter(({ state }) => state === "failed").slice(-mostFailed);
  return {
    points: encodeAll(
      lattice,
      observed.map(({ trial }) => trial),
    ),
    losses: observed.map(({ losses }) => losses),
    feasible: observed.map(({ trial }) => isFeasible(trial)),
    pending: { points: encodeAll(lattice, open), count: open.length },
    failed: encodeAll(lattice, failed),
  };
}
