import type { Acquisition } from "./acquisition.ts";
import {
  type Coordinates,
  type Hyperparameters,
  distance,
  kernelFrame,
  matern,
  maternSlope,
  toFrame,
} from "./kernel.ts";

export interface FailureOptions {
  readonly coordinates: Coordinates;
  /** Of the model of the losses; failures are remembered within half its length scales at most. */
  readonly hyperparameters: Hyperparameters;
  /** Points that gave a value, row by row. */
  readonly succeeded: Float64Array;
  readonly failed: Float64Array;
}

/** What one failure without a success about it costs, in units of the logarithm. */
const WEIGHT = 2;
/** Failures are remembered within at most so much of the cube's side, times √dimensions. */
const REACH = 0.2;

/**
 * `acquisition` less 2 Σ k over failures / (1 + Σ k over successes), with k the similarity to a point. Failures that come at random lower it about alike
 * everywhere and change little; a region where all fails is left after a few.
 */
export function avoidingFailures(acquisition: Acquisition, options: FailureOptions): Acquisition {
  const { coordinates, hyperparameters, succeeded, failed } = options;
  const { dimensions } = coordinates;
  const weights = hyperparameters.weights.map((weight) => Math.max(4 * weight, 1 / (REACH * REACH * dimensions)));
  const frame = kernelFrame(coordinates, { weights, scale: 1, noise: 0 });
  const good = toFrame(frame, succeeded, succeeded.length / dimensions);
  const bad = toFrame(frame, failed, failed.length / dimensions);
  const near = (point: Float64Array, offset: number, others: Float64Array): number => {
    let sum = 0;
    for (let at = 0; at < others.length; at += dimensions) sum += matern(1, distance(frame, point, offset, others, at));
    return sum;
  };
  /** Adds factor · d `near` / d point. */
  const pull = (point: Float64Array, others: Float64Array, factor: number, gradient: Float64Array): void => {
    for (let at = 0; at < others.length; at += dimensions) {
      const slope = 2 * factor * maternSlope(1, distance(frame, point, 0, others, at));
      for (let place = 0; place < frame.numeric; place += 1) {
        const index = frame.order[place] as number;
        const away = (point[place] as number) - (others[at + place] as number);
        gradient[index] = (gradient[index] as number) + slope * away * (frame.roots[place] as number);
      }
    }
  };
  return {
    values(points, count) {
      const framed = toFrame(frame, points, count);
      return acquisition.values(points, count).map((value, row) => {
        const success = 1 + near(framed, row * dimensions, good);
        return value - (WEIGHT * near(framed, row * dimensions, bad)) / success;
      });
    },
    evaluate(point, gradient) {
      const framed = toFrame(frame, point, 1);
      const success = 1 + near(framed, 0, good);
      const ratio = near(framed, 0, bad) / success;
      pull(framed, good, (WEIGHT * ratio) / success, gradient);
      pull(framed, bad, -WEIGHT / success, gradient);
      return acquisition.evaluate(point, gradient) - WEIGHT * ratio;
    },
  };
}
