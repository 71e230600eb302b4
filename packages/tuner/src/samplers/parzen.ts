import type { Random } from "@millwright/contracts";
import type { Axis } from "./parzen-axes.ts";
import { createMixtureDensity } from "./parzen-density.ts";
import {
  type MixtureTools,
  type NormalKernels,
  categoricalKernels,
  normalKernels,
  permutationKernels,
} from "./parzen-kernels.ts";
import type { WidthRule } from "./parzen-widths.ts";

/** A mixture of product kernels: one kernel per observation, and one broad prior. */
export interface Mixture {
  /** Draws a point into the columns of the mixture's axes. */
  sample(random: Random, row: Float64Array): void;
  /** Log densities of rows, up to the same constant for all mixtures over one set of axes. */
  logDensities(rows: readonly Float64Array[]): Float64Array;
}

export interface MixtureRules {
  readonly width: WidthRule;
  /** Beside the observations' weights. */
  readonly priorWeight: number;
}

/**
 * The Parzen estimator of the tree-structured Parzen estimator: truncated normal kernels on the search scale, for grids integrated over each value's
 * cell; categorical kernels smoothed by the prior; Mallows' kernels for permutations.
 * Watanabe, "Tree-Structured Parzen Estimator", arXiv 2304.11127, section 3.3.
 * @param rows Observations, with a value on every axis.
 * @param tools Their scratch may not begin anew while the mixture is in use.
 * @param weights One per observation. The prior alone is left where there are none.
 */
export function createMixture(
  axes: readonly Axis[],
  rows: readonly Float64Array[],
  weights: ArrayLike<number>,
  tools: MixtureTools,
  { width, priorWeight }: MixtureRules,
): Mixture {
  tools.orders.select(rows);
  const normalsOf = (kind: Axis["kind"]): NormalKernels =>
    normalKernels(
      axes.filter((axis) => axis.kind === kind),
      rows.length,
      tools,
      width,
      axes.length,
    );
  const continuous = normalsOf("continuous");
  const discrete = normalsOf("discrete");
  const categoricals = axes
    .filter(({ kind }) => kind === "categorical")
    .map((axis) => categoricalKernels(axis, rows, priorWeight));
  const permutations = axes.filter(({ kind }) => kind === "permutation").map((axis) => permutationKernels(axis, rows));
  const { shares, cumulative } = kernelShares(weights, rows.length, priorWeight, tools);
  const all = [continuous, discrete, ...categoricals, ...permutations];
  return {
    logDensities: createMixtureDensity({ continuous, discrete, categoricals, permutations }, shares, tools),
    sample(random, row) {
      const kernel = drawKernel(cumulative, random);
      for (const kernels of all) kernels.sample(kernel, random, row);
    },
  };
}

function kernelShares(
  weights: ArrayLike<number>,
  count: number,
  priorWeight: number,
  { scratch }: MixtureTools,
): { readonly shares: Float64Array; readonly cumulative: Float64Array } {
  const shares = scratch.floats(count + 1);
  let total = 0;
  for (let index = 0; index <= count; index += 1) {
    shares[index] = index < count ? (weights[index] as number) : count === 0 ? 1 : priorWeight;
    total += shares[index] as number;
  }
  const cumulative = scratch.floats(count + 1);
  let sum = 0;
  for (let kernel = 0; kernel <= count; kernel += 1) {
    shares[kernel] = (shares[kernel] as number) / total;
    sum += shares[kernel] as number;
    cumulative[kernel] = sum;
  }
  return { shares, cumulative };
}

/** The first kernel whose cumulative share is above a uniform draw. */
function drawKernel(cumulative: Float64Array, random: Random): number {
  const drawn = random.next();
  let low = 0;
  let high = cumulative.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((cumulative[middle] as number) > drawn) high = middle;
    else low = middle + 1;
  }
  return low;
}
