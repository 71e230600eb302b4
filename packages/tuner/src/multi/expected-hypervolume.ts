import type { Random } from "@millwright/contracts";
import type { Acquisition } from "../gp/acquisition.ts";
import type { GaussianProcess, PosteriorAt } from "../gp/gaussian-process.ts";
import { nonDominatedBoxes } from "./box-decomposition.ts";
import type { Losses } from "./domination.ts";
import { type HypervolumeImprovement, type LogImprovement, hypervolumeImprovement } from "./improvement.ts";

const leastVariance = 1e-12;

/**
 * log of the expected hypervolume improvement over `front`, one independent Gaussian process per objective, exactly.
 * @param front Targets of the models, as is `reference`.
 */
export function logHypervolumeImprovement(
  models: readonly GaussianProcess[],
  front: readonly Losses[],
  reference: readonly number[],
): Acquisition {
  const improvement = hypervolumeImprovement(nonDominatedBoxes(front, reference));
  const objectives = models.length;
  const means = new Float64Array(objectives);
  const deviations = new Float64Array(objectives);
  return {
    values(points, count) {
      const posteriors = models.map((model) => model.posterior(points, count));
      const values = new Float64Array(count);
      for (let index = 0; index < count; index += 1) {
        for (const [objective, posterior] of posteriors.entries()) {
          means[objective] = posterior.means[index] as number;
          deviations[objective] = Math.sqrt(Math.max(posterior.variances[index] as number, leastVariance));
        }
        values[index] = improvement.at(means, deviations).value;
      }
      return values;
    },
    evaluate(point, gradient) {
      const posteriors = models.map((model) => model.at(point));
      for (const [objective, { mean, variance }] of posteriors.entries()) {
        means[objective] = mean;
        deviations[objective] = Math.sqrt(Math.max(variance, leastVariance));
      }
      const { value, byMean, byDeviation } = improvement.at(means, deviations);
      for (const [objective, { variance, pull }] of posteriors.entries()) {
        const byVariance =
          variance > leastVariance ? (byDeviation[objective] as number) / (2 * (deviations[objective] as number)) : 0;
        pull(byMean[objective] as number, byVariance, gradient);
      }
      return value;
    },
  };
}

/**
 * The same beyond what pending points will bring, over joint draws of their outcomes: in each the front has grown by them and the means have moved.
 * Sequential greedy q-EHVI: Daulton, Balandat and Bakshy 2020, arXiv 2006.05078.
 * @param models Before the pending points.
 */
export function logHypervolumeImprovementBeyond(
  models: readonly GaussianProcess[],
  front: readonly Losses[],
  reference: readonly number[],
  pending: Pending,
  random: Random,
  draws = 8,
): Acquisition {
  const believing = models.map((model) => model.extend(pending.points, pending.count));
  const fantasies = fantasise(believing, front, reference, pending, draws, random);
  const size = models[0]?.coordinates.dimensions ?? 0;
  const bySolved = believing.map(({ count }) => new Float64Array(count));
  const valueAt = (point: Float64Array): { readonly value: number; readonly posteriors: readonly PosteriorAt[] } => {
    const posteriors = believing.map((model) => model.at(point));
    return { value: valueOverDraws(fantasies, posteriors), posteriors };
  };
  return {
    values: (points, count) =>
      Float64Array.from({ length: count }, (_, row) => valueAt(points.slice(row * size, (row + 1) * size)).value),
    evaluate(point, gradient) {
      const { value, posteriors } = valueAt(point);
      if (value === -Infinity) return value;
      for (const slopes of bySolved) slopes.fill(0);
      const { byMean, byDeviation } = slopesOverDraws(fantasies, posteriors, bySolved);
      for (const [objective, { variance, solved, pullSolved }] of posteriors.entries()) {
        const { whitened } = believing[objective] as GaussianProcess;
        const slopes = bySolved[objective] as Float64Array;
        const deviation = Math.sqrt(Math.max(variance, leastVariance));
        const byVariance = variance > leastVariance ? (byDeviation[objective] as number) / (2 * deviation) : 0;
        for (let k = 0; k < slopes.length; k += 1) {
          const byMeans = (byMean[objective] as number) * (whitened[k] as number);
          slopes[k] = (slopes[k] as number) + byMeans - 2 * byVariance * (solved[k] as number);
        }
        pullSolved(slopes, gradient);
      }
      return value;
    },
  };
}

/** Points under way, row by row. */
export interface Pending {
  readonly points: Float64Array;
  readonly count: number;
}

/** Draws of what pending points bring. */
interface Fantasies {
  /** Pending points. */
  readonly width: number;
  /** Standard normals: draw by draw, objective by objective, one per pending point. */
  readonly normals: Float64Array;
  /** Beyond the front of each draw. */
  readonly improvements: readonly HypervolumeImprovement[];
  /** Each draw's part of the last value computed. */
  readonly shares: Float64Array;
}

/** The mean under one draw: moved by the part of L⁻¹ k(x) that belongs to the pending points. */
function movedMean({ width, normals }: Fantasies, offset: number, { mean, solved }: PosteriorAt): number {
  const known = solved.length - width;
  let moved = mean;
  for (let k = 0; k < width; k += 1) moved += (solved[known + k] as number) * (normals[offset + k] as number);
  return moved;
}

function improvementUnder(fantasies: Fantasies, draw: number, posteriors: readonly PosteriorAt[]): LogImprovement {
  const objectives = posteriors.length;
  const means = posteriors.map((posterior, objective) =>
    movedMean(fantasies, (draw * objectives + objective) * fantasies.width, posterior),
  );
  const deviations = posteriors.map(({ variance }) => Math.sqrt(Math.max(variance, leastVariance)));
  return (fantasies.improvements[draw] as HypervolumeImprovement).at(means, deviations);
}

/** log of the mean improvement over the draws. */
function valueOverDraws(fantasies: Fantasies, posteriors: readonly PosteriorAt[]): number {
  const { shares } = fantasies;
  let largest = -Infinity;
  for (let draw = 0; draw < shares.length; draw += 1) {
    const { value } = improvementUnder(fantasies, draw, posteriors);
    shares[draw] = value;
    largest = Math.max(largest, value);
  }
  if (largest === -Infinity) return largest;
  let total = 0;
  for (let draw = 0; draw < shares.length; draw += 1) {
    shares[draw] = Math.exp((shares[draw] as number) - largest);
    total += shares[draw] as number;
  }
  for (let draw = 0; draw < shares.length; draw += 1) shares[draw] = (shares[draw] as number) / total;
  return largest + Math.log(total / shares.length);
}

/** Adds to `bySolved` what the pending points' part has to do with the value, after `valueOverDraws`. */
function slopesOverDraws(
  fantasies: Fantasies,
  posteriors: readonly PosteriorAt[],
  bySolved: readonly Float64Array[],
): { readonly byMean: Float64Array; readonly byDeviation: Float64Array } {
  const { shares, width, normals } = fantasies;
  const objectives = posteriors.length;
  const byMean = new Float64Array(objectives);
  const byDeviation = new Float64Array(objectives);
  for (let draw = 0; draw < shares.length; draw += 1) {
    const share = shares[draw] as number;
    if (share < 1e-12) continue;
    const slopes = improvementUnder(fantasies, draw, posteriors);
    for (let objective = 0; objective < objectives; objective += 1) {
      const weight = share * (slopes.byMean[objective] as number);
      byMean[objective] = (byMean[objective] as number) + weight;
      byDeviation[objective] = (byDeviation[objective] as number) + share * (slopes.byDeviation[objective] as number);
      const target = bySolved[objective] as Float64Array;
      const offset = (draw * objectives + objective) * width;
      for (let k = 0; k < width; k += 1) {
        const place = target.length - width + k;
        target[place] = (target[place] as number) + weight * (normals[offset + k] as number);
      }
    }
  }
  return { byMean, byDeviation };
}

/** What each draw makes of the pending points' outcomes: the front with them. Every second draw mirrors the one before. */
function fantasise(
  believing: readonly GaussianProcess[],
  front: readonly Losses[],
  reference: readonly number[],
  { points, count }: Pending,
  draws: number,
  random: Random,
): Fantasies {
  const objectives = believing.length;
  const block = objectives * count;
  const normals = new Float64Array(draws * block);
  for (let index = 0; index < normals.length; index += 1)
    normals[index] = Math.floor(index / block) % 2 === 1 ? -(normals[index - block] as number) : random.normal();
  const drawn = { width: count, normals, improvements: [], shares: new Float64Array(draws) };
  const size = points.length / count;
  const outcomes = Array.from({ length: draws }, () =>
    Array.from({ length: count }, () => new Float64Array(objectives)),
  );
  for (const [objective, model] of believing.entries()) {
    for (let row = 0; row < count; row += 1) {
      const posterior = model.at(points.slice(row * size, (row + 1) * size));
      for (const [draw, outcome] of outcomes.entries())
        (outcome[row] as Float64Array)[objective] = movedMean(drawn, draw * block + objective * count, posterior);
    }
  }
  const improvements = outcomes.map((outcome) =>
    hypervolumeImprovement(nonDominatedBoxes([...front, ...outcome], reference)),
  );
  return { ...drawn, improvements };
}
