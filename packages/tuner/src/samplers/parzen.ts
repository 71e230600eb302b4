import type { Random } from "@millwright/contracts";
import type { CategoricalParameter, Choice, NumericParameter, Params, Space } from "../space.ts";
import { fromSearchScale, searchRange, toSearchScale } from "../space-scale.ts";
import { logNormalMass } from "./normal-mass.ts";

const LOG_ROOT_TWO_PI = 0.5 * Math.log(2 * Math.PI);

/** A mixture of product kernels over a space: one kernel per observation, and one broad prior. */
export interface ParzenEstimator {
  sample(random: Random): Params;
  /** Log density, up to the same constant for all estimators over one space. */
  logDensity(params: Params): number;
}

interface Dimension {
  sample(kernel: number, random: Random): Choice;
  logDensity(kernel: number, value: Choice): number;
}

/**
 * The multivariate Parzen estimator of Optuna 5 (`optuna/samplers/_tpe/parzen_estimator.py`): truncated normal kernels on the search scale, for
 * grids integrated over each value's cell; widths by the distance to the neighbours, clipped; categorical kernels smoothed by the prior.
 * Watanabe, "Tree-Structured Parzen Estimator", arXiv 2304.11127.
 * @param weights One per observation, oldest first; the prior's is 1.
 */
export function parzenEstimator(
  space: Space,
  observations: readonly Params[],
  weights: readonly number[],
): ParzenEstimator {
  const dimensions = Object.entries(space).map(([name, parameter]): readonly [string, Dimension] => [
    name,
    parameter.kind === "categorical"
      ? categoricalDimension(
          parameter,
          observations.map((params) => params[name] as Choice),
        )
      : numericDimension(
          parameter as NumericParameter,
          observations.map((params) => params[name] as number),
        ),
  ]);
  const total = weights.reduce((sum, weight) => sum + weight, 1);
  const shares = [...weights, 1].map((weight) => weight / total);
  return {
    sample(random) {
      const kernel = draw(shares, random);
      return Object.fromEntries(dimensions.map(([name, dimension]) => [name, dimension.sample(kernel, random)]));
    },
    logDensity(params) {
      const terms = shares.map((share, kernel) => {
        let term = Math.log(share);
        for (const [name, dimension] of dimensions) term += dimension.logDensity(kernel, params[name] as Choice);
        return term;
      });
      const largest = Math.max(...terms);
      if (largest === -Infinity) return -Infinity;
      return largest + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - largest), 0));
    },
  };
}

function draw(shares: readonly number[], random: Random): number {
  let left = random.next();
  for (const [index, share] of shares.entries()) {
    left -= share;
    if (left < 0) return index;
  }
  return shares.length - 1;
}

function categoricalDimension({ choices }: CategoricalParameter, observed: readonly Choice[]): Dimension {
  const kernels = observed.length + 1;
  // Each kernel is its observation smoothed by the prior's weight, shared among all kernels; the last is the prior, uniform.
  const smoothing = 1 / kernels;
  const norm = 1 + smoothing * choices.length;
  const probability = (kernel: number, choice: Choice): number =>
    kernel === observed.length ? 1 / choices.length : ((observed[kernel] === choice ? 1 : 0) + smoothing) / norm;
  return {
    sample: (kernel, random) =>
      choices[
        draw(
          choices.map((choice) => probability(kernel, choice)),
          random,
        )
      ] as Choice,
    logDensity: (kernel, value) => Math.log(probability(kernel, value)),
  };
}

function numericDimension(parameter: NumericParameter, observed: readonly number[]): Dimension {
  const { low, high } = searchRange(parameter);
  const toScale = (value: number): number => toSearchScale(parameter, value);
  const centres = observed.map(toScale);
  if (centres.some((centre) => !(centre >= low && centre <= high)))
    throw new RangeError(`Trials hold values outside ${parameter.low} to ${parameter.high}: ${observed.join(", ")}.`);
  const widths = kernelWidths(centres, low, high);
  centres.push((low + high) / 2);
  widths.push(high - low);
  const logNorms = centres.map((centre, kernel) => {
    const width = widths[kernel] as number;
    return width === 0 ? 0 : logNormalMass((low - centre) / width, (high - centre) / width);
  });
  return {
    sample(kernel, random) {
      const centre = centres[kernel] as number;
      const width = widths[kernel] as number;
      // Centres lie inside the range, so at least a third of the draws do.
      for (;;) {
        const point = centre + width * random.normal();
        if (point >= low && point <= high) return fromSearchScale(parameter, point);
      }
    },
    logDensity(kernel, value) {
      const centre = centres[kernel] as number;
      const width = widths[kernel] as number;
      if (width === 0) return 0;
      if (parameter.step === undefined) {
        const z = (toScale(value as number) - centre) / width;
        return -0.5 * z * z - LOG_ROOT_TWO_PI - Math.log(width) - (logNorms[kernel] as number);
      }
      const half = parameter.step / 2;
      const left = (toScale((value as number) - half) - centre) / width;
      const right = (toScale((value as number) + half) - centre) / width;
      return logNormalMass(left, right) - (logNorms[kernel] as number);
    },
  };
}

/** The larger distance to a neighbour, the range's ends being neighbours too, but not for the outermost where there are two observations or more. */
function kernelWidths(centres: readonly number[], low: number, high: number): number[] {
  const count = centres.length;
  const order = centres.map((_, index) => index).sort((a, b) => (centres[a] as number) - (centres[b] as number));
  const sorted = [low, ...order.map((index) => centres[index] as number), high];
  const smallest = (high - low) / Math.min(100, count + 2);
  const widths = new Array<number>(count).fill(0);
  for (const [rank, index] of order.entries()) {
    const left = (sorted[rank + 1] as number) - (sorted[rank] as number);
    const right = (sorted[rank + 2] as number) - (sorted[rank + 1] as number);
    let width = Math.max(left, right);
    if (count >= 2 && rank === 0) width = right;
    if (count >= 2 && rank === count - 1) width = left;
    widths[index] = Math.min(high - low, Math.max(smallest, width));
  }
  return widths;
}
