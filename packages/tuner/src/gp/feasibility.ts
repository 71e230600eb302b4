import type { Space } from "../space.ts";
import { validateParams } from "../space-check.ts";
import type { Explanation, Trial } from "../trial.ts";
import type { Acquisition } from "./acquisition.ts";
import { logNormalCdf } from "./expected-improvement.ts";
import { type GaussianProcess, conditionGaussianProcess } from "./gaussian-process.ts";
import { fitHyperparameters } from "./hyperparameters.ts";
import type { Coordinates, Hyperparameters } from "./kernel.ts";
import type { Lattice } from "./lattice.ts";

/** A model of one measured constraint, whose targets are feasible up to `threshold`. */
export interface ConstraintModel {
  /** Where its fit stands in an explanation. */
  readonly key: string;
  readonly model: GaussianProcess;
  readonly threshold: number;
  /** How many values the hyperparameters were fitted to. */
  readonly fitted: number;
}

interface ConstraintFit {
  readonly hyperparameters: Hyperparameters;
  readonly fitted: number;
}

/** Models of the constraints that trials measured, by position; a trial counts for those that it measured. None for a constraint that is the same everywhere. */
export function constraintModels(space: Space, lattice: Lattice, trials: readonly Trial[]): readonly ConstraintModel[] {
  const { coordinates, encoding } = lattice;
  const most = trials.reduce((count, { constraintValues = [] }) => Math.max(count, constraintValues.length), 0);
  return Array.from({ length: most }, (_, position) => position).flatMap((position) => {
    const key = `constraint${position}`;
    const measured = trials
      .filter((trial) => Number.isFinite(trial.constraintValues?.[position]) && fits(space, trial))
      .toSorted((a, b) => a.number - b.number);
    const points = new Float64Array(measured.length * coordinates.dimensions);
    for (const [row, { params }] of measured.entries())
      points.set(encoding.encode(params), row * coordinates.dimensions);
    const values = Float64Array.from(measured, ({ constraintValues }) => constraintValues?.[position] as number);
    const model = constraintModel(coordinates, points, values, fitOf(trials, key, coordinates.dimensions));
    return model === undefined ? [] : [{ key, ...model }];
  });
}

/** The fits, to begin from in the next suggestion. */
export function explainConstraints(models: readonly ConstraintModel[]): Explanation {
  return Object.fromEntries(
    models.map(({ key, model: { hyperparameters }, fitted }) => [
      key,
      [...hyperparameters.weights, hyperparameters.scale, hyperparameters.noise, fitted],
    ]),
  );
}

function fitOf(trials: readonly Trial[], key: string, dimensions: number): ConstraintFit | undefined {
  const list = trials.findLast(({ explanation }) => explanation[key] !== undefined)?.explanation[key];
  if (typeof list !== "object" || list.length !== dimensions + 3) return undefined;
  if (!list.every((value) => Number.isFinite(value) && value > 0)) return undefined;
  const [scale, noise, fitted] = list.slice(dimensions) as [number, number, number];
  return { hyperparameters: { weights: Float64Array.from(list.slice(0, dimensions)), scale, noise }, fitted };
}

/** Trials of an earlier shape of the space tell nothing about this one. */
function fits(space: Space, { params }: Trial): boolean {
  try {
    validateParams(space, params);
    return true;
  } catch {
    return false;
  }
}

/** A fit takes so many values at most: the newest. */
const mostFitted = 150;
/** Up to so many values the model is fitted again for each new one; beyond, when there are an eighth more. */
const alwaysRefit = 30;

/**
 * Models a constraint by its measured values, so that how far a trial is from the bound counts, not only on which side: on the scale asinh(value / median
 * size), which keeps the sign and tames what is violated by far. `undefined` where all values are equal: nothing is known of where it bends.
 */
export function constraintModel(
  coordinates: Coordinates,
  points: Float64Array,
  values: Float64Array,
  record: ConstraintFit | undefined,
): Omit<ConstraintModel, "key"> | undefined {
  const sizes = values.map(Math.abs).toSorted();
  const typical = sizes[sizes.length >> 1] || sizes.at(-1) || 1;
  const scaled = values.map((value) => Math.asinh(Math.min(1e6, Math.max(-1e6, value / typical))));
  const mean = scaled.reduce((sum, value) => sum + value, 0) / scaled.length;
  const deviation = Math.sqrt(scaled.reduce((sum, value) => sum + (value - mean) ** 2, 0) / scaled.length);
  if (!(deviation > 1e-12)) return undefined;
  const targets = scaled.map((value) => (value - mean) / deviation);
  const kept = record !== undefined && serves(record.fitted, targets.length) ? record : undefined;
  const from = Math.max(0, targets.length - mostFitted);
  const observations = { points: points.subarray(from * coordinates.dimensions), targets: targets.subarray(from) };
  const hyperparameters =
    kept?.hyperparameters ??
    fitHyperparameters(coordinates, observations, { start: record?.hyperparameters }).hyperparameters;
  return {
    model: conditionGaussianProcess(coordinates, hyperparameters, { points, targets }),
    threshold: -mean / deviation,
    fitted: kept?.fitted ?? targets.length,
  };
}

const serves = (fitted: number, count: number): boolean =>
  fitted === count || (count > alwaysRefit && count > fitted && count < 1.125 * fitted);

const leastVariance = 1e-12;

/**
 * log of the probability that a point is feasible, as if the constraints were independent: the sum over them of log Φ((threshold − mean) / deviation).
 * Gardner et al., "Bayesian Optimization with Inequality Constraints", ICML 2014.
 */
export function logFeasibility(constraints: readonly ConstraintModel[]): Acquisition {
  return {
    values(points, count) {
      const total = new Float64Array(count);
      for (const { model, threshold } of constraints) {
        const { means, variances } = model.posterior(points, count);
        for (let index = 0; index < count; index += 1) {
          const deviation = Math.sqrt(Math.max(variances[index] as number, leastVariance));
          total[index] = (total[index] as number) + logNormalCdf((threshold - (means[index] as number)) / deviation);
        }
      }
      return total;
    },
    evaluate(point, gradient) {
      let total = 0;
      for (const { model, threshold } of constraints) {
        const { mean, variance, pull } = model.at(point);
        const deviation = Math.sqrt(Math.max(variance, leastVariance));
        const z = (threshold - mean) / deviation;
        const log = logNormalCdf(z);
        total += log;
        const slope = Math.exp(-0.5 * z * z - 0.5 * Math.log(2 * Math.PI) - log);
        pull(-slope / deviation, variance > leastVariance ? (-slope * z) / (2 * variance) : 0, gradient);
      }
      return total;
    },
  };
}

/** The sum of acquisitions in logarithms: an improvement weighed by its probability of being feasible. */
export function combined(acquisitions: readonly Acquisition[]): Acquisition {
  const [only] = acquisitions;
  if (only !== undefined && acquisitions.length === 1) return only;
  return {
    values(points, count) {
      const total = new Float64Array(count);
      for (const acquisition of acquisitions) {
        const values = acquisition.values(points, count);
        for (let index = 0; index < count; index += 1)
          total[index] = (total[index] as number) + (values[index] as number);
      }
      return total;
    },
    evaluate: (point, gradient) =>
      acquisitions.reduce((total, acquisition) => total + acquisition.evaluate(point, gradient), 0),
  };
}
