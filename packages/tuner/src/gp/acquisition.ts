import type { Random } from "@millwright/contracts";
import { type LogImprovement, logImprovement } from "./expected-improvement.ts";
import type { GaussianProcess } from "./gaussian-process.ts";

/** What is made large to find the next point. Points are rows of the encoding's coordinates. */
export interface Acquisition {
  values(points: Float64Array, count: number): Float64Array;
  /** Bounds that values do not exceed, where those cost far less than the values themselves. */
  bounds?(points: Float64Array, count: number): Float64Array;
  /** The value at one point; adds to `gradient`. */
  evaluate(point: Float64Array, gradient: Float64Array): number;
}

/** Least variance told apart from none: below, the improvement is that of the mean alone. */
const LEAST_VARIANCE = 1e-12;

const deviationOf = (variance: number, inflation: number): number =>
  inflation * Math.sqrt(Math.max(variance, LEAST_VARIANCE));

/**
 * log expected improvement below `best`. @param inflation What the model's deviations are multiplied with: above 1, less is exploited of what the model
 * thinks it knows. Wang and de Freitas, arXiv 1406.7758. Default: 1.
 */
export function logImprovementBelow(model: GaussianProcess, best: number, inflation = 1): Acquisition {
  return {
    ...boundsBy(model, best, inflation),
    values(points, count) {
      const { means, variances } = model.posterior(points, count);
      return means.map((mean, index) => {
        const deviation = deviationOf(variances[index] as number, inflation);
        return logImprovement((best - mean) / deviation).log + Math.log(deviation);
      });
    },
    evaluate(point, gradient) {
      const { mean, variance, pull } = model.at(point);
      const deviation = deviationOf(variance, inflation);
      const { log, slope, density } = logImprovement((best - mean) / deviation);
      pull(-slope / deviation, variance > LEAST_VARIANCE ? density / (2 * variance) : 0, gradient);
      return log + Math.log(deviation);
    },
  };
}

/** With fewer observations, values are as quickly had as bounds; of more, so many give the bounds. */
const BOUND_ROWS = 128;

function boundsBy(model: GaussianProcess, best: number, inflation: number): Pick<Acquisition, "bounds"> {
  if (model.count < 1.5 * BOUND_ROWS) return {};
  return {
    bounds(points, count) {
      const { means, variances } = model.outlook(points, count, BOUND_ROWS);
      return means.map((mean, index) => {
        const deviation = deviationOf(variances[index] as number, inflation);
        return logImprovement((best - mean) / deviation).log + Math.log(deviation);
      });
    },
  };
}

/**
 * log of the improvement expected beyond what the pending points will bring, over `draws` joint draws of their outcomes: each draw is an observation
 * of all of them and may lower the best. Sequential greedy q-log-EI. Snoek, Larochelle and Adams (2012), §3.2; arXiv 2310.20708.
 * `inflation` as of `logImprovementBelow`, of what the point itself brings. @param believing The model extended by the pending points at its own means.
 */
export function logImprovementBeyond(
  believing: GaussianProcess,
  pending: number,
  best: number,
  random: Random,
  { draws = 32, inflation = 1 }: { readonly draws?: number; readonly inflation?: number } = {},
): Acquisition {
  const known = believing.count - pending;
  const { whitened } = believing;
  const normals = antithetic(draws * pending, pending, random);
  const bests = believing.drawsOfLast(pending, normals).map((lowest) => Math.min(best, lowest));
  const fantasies = {
    pending,
    inflation,
    normals,
    bests,
    terms: Array.from(bests, () => logImprovement(0)),
    shares: bests.slice(),
  };
  const bySolved = new Float64Array(believing.count);
  return {
    values(points, count) {
      const { means, variances, last } = believing.posterior(points, count, pending);
      return means.map((mean, index) => fantasise(fantasies, mean, variances[index] as number, last, index * pending));
    },
    evaluate(point, gradient) {
      const { mean, variance, solved, pullSolved } = believing.at(point);
      const value = fantasise(fantasies, mean, variance, solved, known);
      const deviation = deviationOf(variance, inflation);
      bySolved.fill(0);
      let byMean = 0;
      let byVariance = 0;
      for (const [draw, { slope, density }] of fantasies.terms.entries()) {
        const share = fantasies.shares[draw] as number;
        const down = (share * slope) / deviation;
        byMean -= down;
        if (variance > LEAST_VARIANCE) byVariance += (share * density) / (2 * variance);
        for (let k = 0; k < pending; k += 1) {
          bySolved[known + k] = (bySolved[known + k] as number) - down * (normals[draw * pending + k] as number);
        }
      }
      for (let k = 0; k < believing.count; k += 1) {
        bySolved[k] =
          (bySolved[k] as number) + byMean * (whitened[k] as number) - 2 * byVariance * (solved[k] as number);
      }
      pullSolved(bySolved, gradient);
      return value;
    },
  };
}

/** Draws of what pending points bring. `terms` and `shares` hold each draw's part of the last value computed. */
interface Fantasies {
  readonly pending: number;
  readonly inflation: number;
  /** Per draw as many as there are pending points. */
  readonly normals: Float64Array;
  /** The lowest loss under each draw. */
  readonly bests: Float64Array;
  readonly terms: LogImprovement[];
  readonly shares: Float64Array;
}

/** log of the mean improvement over the draws. @param solved Holds the pending points' part of L⁻¹ k(x) from `offset` on. */
function fantasise(fantasies: Fantasies, mean: number, variance: number, solved: Float64Array, offset: number): number {
  const { pending, inflation, normals, bests, terms, shares } = fantasies;
  const deviation = deviationOf(variance, inflation);
  let most = -Infinity;
  for (let draw = 0; draw < bests.length; draw += 1) {
    let moved = mean;
    for (let k = 0; k < pending; k += 1)
      moved += (solved[offset + k] as number) * (normals[draw * pending + k] as number);
    const term = logImprovement(((bests[draw] as number) - moved) / deviation);
    terms[draw] = term;
    if (term.log > most) most = term.log;
  }
  let sum = 0;
  for (let draw = 0; draw < bests.length; draw += 1) {
    const share = Math.exp((terms[draw] as LogImprovement).log - most);
    shares[draw] = share;
    sum += share;
  }
  for (let draw = 0; draw < bests.length; draw += 1) shares[draw] = (shares[draw] as number) / sum;
  return most + Math.log(sum / bests.length) + Math.log(deviation);
}

/** Standard normals, every second block of `width` the negative of the one before: their mean is exactly 0. */
function antithetic(size: number, width: number, random: Random): Float64Array {
  const normals = new Float64Array(size);
  for (let at = 0; at < size; at += 1) {
    const mirrored = Math.floor(at / width) % 2 === 1;
    normals[at] = mirrored ? -(normals[at - width] as number) : random.normal();
  }
  return normals;
}

/** `acquisition` less what `penalty` takes, such as the logarithm of a predicted cost. */
export function penalized(acquisition: Acquisition, penalty: GaussianProcess, weight: number): Acquisition {
  return {
    values(points, count) {
      const costs = penalty.means(points, count);
      return acquisition.values(points, count).map((value, index) => value - weight * (costs[index] as number));
    },
    evaluate(point, gradient) {
      const value = acquisition.evaluate(point, gradient);
      const { mean, pull } = penalty.at(point);
      pull(-weight, 0, gradient);
      return value - weight * mean;
    },
  };
}
