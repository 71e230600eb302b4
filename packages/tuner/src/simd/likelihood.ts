import { rowStart } from "../gp/cholesky.ts";
import { type Machine, machine } from "./machine.ts";

/** With fewer observations, copying costs more than it saves. */
const FEWEST_ROWS = 12;

/** Squared differences of all pairs of observations by coordinate, and their targets. */
export interface PairData {
  /** Pair after pair, `dimensions` numbers each. */
  readonly squares: Float64Array;
  readonly targets: Float64Array;
  readonly dimensions: number;
}

export interface LikelihoodAnswer {
  /** Minus the log marginal likelihood, up to a constant; infinite where the covariance is not positive definite. */
  readonly value: number;
  /** By the scale, and by the noise not yet multiplied by it. */
  readonly byScale: number;
  readonly byNoise: number;
}

/** Writes the derivatives by the weights, not yet multiplied by these, where they are asked for. */
export type Likelihood = (
  weights: Float64Array,
  scale: number,
  diagonal: number,
  byWeights: Float64Array | undefined,
) => LikelihoodAnswer;

type Starts = readonly [
  squares: number,
  covariance: number,
  slope: number,
  factor: number,
  lower: number,
  inverse: number,
  weights: number,
  targets: number,
  gradient: number,
  block: number,
];

/** The likelihood two numbers at a time. `undefined` where it is no gain, or cannot be done. */
export function quickLikelihood(data: PairData): Likelihood | undefined {
  const count = data.targets.length;
  const own = machine();
  if (own === undefined || count < FEWEST_ROWS) return undefined;
  const pairs = (count * (count - 1)) / 2;
  const width = data.dimensions + (data.dimensions % 2);
  const size = rowStart(count);
  let starts: Starts | undefined;
  const prepare = (): Starts | undefined => {
    if (starts !== undefined && own.belongsTo(data)) return starts;
    starts = own.take(data, [
      (pairs + 2) * width,
      pairs + 2,
      pairs + 2,
      size,
      size,
      size,
      width,
      count,
      width + 2,
      4 * count,
    ]);
    if (starts !== undefined) writePairs(own.floats, starts[0], data, pairs, width);
    return starts;
  };
  if (prepare() === undefined) return undefined;
  return (weights, scale, diagonal, byWeights) => {
    const at = prepare();
    if (at === undefined) throw new RangeError("There is no memory left for the likelihood.");
    return evaluate(own, at, data, { weights, scale, diagonal }, byWeights);
  };
}

function writePairs(
  floats: Float64Array,
  start: number,
  { squares, dimensions }: PairData,
  pairs: number,
  width: number,
): void {
  if (width === dimensions) {
    floats.set(squares, start);
    floats.fill(0, start + pairs * width, start + (pairs + 2) * width);
    return;
  }
  floats.fill(0, start, start + (pairs + 2) * width);
  for (let pair = 0, from = 0, to = start; pair < pairs; pair += 1, to += width)
    for (let k = 0; k < dimensions; k += 1, from += 1) floats[to + k] = squares[from] as number;
}

function evaluate(
  { kernels, floats }: Machine,
  [squares, covariance, slope, factor, lower, inverse, ownWeights, solved, gradient, block]: Starts,
  { targets, dimensions }: PairData,
  { weights, scale, diagonal }: { readonly weights: Float64Array; readonly scale: number; readonly diagonal: number },
  byWeights: Float64Array | undefined,
): LikelihoodAnswer {
  const count = targets.length;
  const width = dimensions + (dimensions % 2);
  const pairs = (count * (count - 1)) / 2;
  floats.fill(0, ownWeights, ownWeights + width);
  floats.set(weights, ownWeights);
  kernels.pairCovariances(8 * squares, pairs, width, 8 * ownWeights, scale, 8 * covariance, 8 * slope);
  kernels.toTriangle(8 * covariance, count, diagonal, 8 * factor);
  if (kernels.factorRows(8 * factor, 0, count, 8 * block) === 0) return { value: Infinity, byScale: 0, byNoise: 0 };
  floats.set(targets, solved);
  kernels.solveLower(8 * factor, count, 8 * solved);
  let value = 0;
  for (let row = 0; row < count; row += 1) {
    const target = floats[solved + row] as number;
    value += (target * target) / 2 + Math.log(floats[factor + rowStart(row + 1) - 1] as number);
  }
  if (byWeights === undefined) return { value, byScale: 0, byNoise: 0 };
  kernels.solveUpper(8 * factor, count, 8 * solved);
  kernels.inverseOf(8 * factor, count, 8 * lower, 8 * inverse);
  kernels.likelihoodGradient(
    8 * squares,
    count,
    width,
    8 * covariance,
    8 * slope,
    scale,
    8 * inverse,
    8 * solved,
    8 * gradient,
  );
  byWeights.set(floats.subarray(gradient, gradient + dimensions));
  return { value, byScale: floats[gradient + width] as number, byNoise: floats[gradient + width + 1] as number };
}
