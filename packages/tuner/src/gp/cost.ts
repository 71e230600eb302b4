import type { Trial } from "../trial.ts";
import { type Acquisition, penalized } from "./acquisition.ts";
import { conditionGaussianProcess } from "./gaussian-process.ts";
import { fitHyperparameters } from "./hyperparameters.ts";
import type { Lattice } from "./lattice.ts";
import { standardized } from "./warp.ts";

/** Costs are learned from so many trials at most: the newest. */
const MOST_TRIALS = 64;
const FEWEST_TRIALS = 4;

/**
 * `acquisition` per unit of predicted cost, where costs of at least four trials are known and differ: its logarithm less that of the cost, which a
 * Gaussian process of its own predicts. "EI per second" of Snoek, Larochelle and Adams, NIPS 2012, §3.2.
 */
export function perCost(
  acquisition: Acquisition,
  lattice: Lattice,
  trials: readonly Trial[],
  unit: string,
): Acquisition {
  const { dimensions } = lattice.coordinates;
  const known = trials
    .filter(({ state, cost }) => (state === "completed" || state === "pruned") && (cost?.[unit] ?? 0) > 0)
    .slice(-MOST_TRIALS);
  if (known.length < FEWEST_TRIALS) return acquisition;
  const points = new Float64Array(known.length * dimensions);
  for (const [row, { params }] of known.entries()) points.set(lattice.encoding.encode(params), row * dimensions);
  const logs = Float64Array.from(known, ({ cost }) => Math.log(cost?.[unit] as number));
  const targets = standardized(logs);
  const mean = logs.reduce((sum, value) => sum + value, 0) / logs.length;
  const deviation = Math.sqrt(logs.reduce((sum, value) => sum + (value - mean) ** 2, 0) / logs.length);
  if (!(deviation > 1e-9)) return acquisition;
  const { hyperparameters } = fitHyperparameters(lattice.coordinates, { points, targets }, { evaluations: 25 });
  return penalized(
    acquisition,
    conditionGaussianProcess(lattice.coordinates, hyperparameters, { points, targets }),
    deviation,
  );
}
