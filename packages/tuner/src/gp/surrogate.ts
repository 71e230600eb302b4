import { rowStart, solveLower, factorRows } from "./cholesky.ts";
import { type GaussianProcess, conditionGaussianProcess } from "./gaussian-process.ts";
import { type Fit, fitHyperparameters, lossOf } from "./hyperparameters.ts";
import { type Coordinates, type Hyperparameters, covariances, kernelFrame, toFrame } from "./kernel.ts";
import { type Warp, robustScores, warped } from "./warp.ts";

/** What a fit found, as it stands in a trial's explanation: the next suggestion begins there. */
export interface FitRecord {
  readonly hyperparameters: Hyperparameters;
  /** Of the warp. */
  readonly power: number;
  /** How many observations it was fitted to. */
  readonly fitted: number;
  /** Negative log posterior per observation when it was fitted. */
  readonly loss: number;
}

export interface SurrogateOptions {
  readonly coordinates: Coordinates;
  readonly points: Float64Array;
  readonly losses: Float64Array;
  /** The newest fit there is. */
  readonly record?: FitRecord | undefined;
  readonly warp: boolean;
  readonly deterministic: boolean;
  /** As in `FitOptions`. */
  readonly noiseRate?: number | undefined;
  /** A model of before; makes it quicker, never different. */
  readonly previous?: GaussianProcess | undefined;
}

export interface Surrogate {
  readonly model: GaussianProcess;
  readonly targets: Float64Array;
  readonly record: FitRecord;
}

/** Up to so many observations are fitted again for each new one. */
const ALWAYS_REFIT = 40;
/** Fewer losses say too little of their distribution to be warped. */
const WARP_FROM = 15;
/** Beyond, when there are so many times as many. */
const REFIT_GROWTH = 1.15;
/** Or when the loss per observation has grown by so much. */
const LOSS_SLACK = 0.15;
/** Looked at for every so many observations. */
const CHECK_EVERY = 6;
/** Hyperparameters are fitted to so many observations at most. */
const MOST_FITTED = 200;

const POWERS = [-1, -0.5, 0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2];

/** A model of the losses: with the hyperparameters on record, or fitted again where those are too old. A pure function but for speed. */
export function surrogateOf(options: SurrogateOptions): Surrogate {
  const { coordinates, points, losses, record, previous } = options;
  const scores = robustScores(losses);
  const used = record !== undefined && serves(options, record, scores) ? record : refit(options, scores);
  const { targets } = warped(scores, used.power);
  const model = conditionGaussianProcess(coordinates, used.hyperparameters, { points, targets }, previous);
  return { model, targets, record: used };
}

function serves(options: SurrogateOptions, record: FitRecord, scores: Float64Array): boolean {
  const { coordinates, points, losses, noiseRate } = options;
  const count = losses.length;
  if (record.fitted === count) return true;
  if (count < record.fitted || count <= ALWAYS_REFIT || count >= REFIT_GROWTH * record.fitted) return false;
  if (count % CHECK_EVERY !== 0) return true;
  const sample = subset(points, warped(scores, record.power).targets, coordinates.dimensions);
  return lossOf(coordinates, sample, record.hyperparameters, noiseRate) <= record.loss + LOSS_SLACK;
}

function refit(options: SurrogateOptions, scores: Float64Array): FitRecord {
  const { coordinates, points, record, deterministic, noiseRate } = options;
  const { dimensions } = coordinates;
  const fit = (power: number, start: Hyperparameters | undefined): Fit & { readonly warp: Warp } => {
    const warp = warped(scores, power);
    const sample = subset(points, warp.targets, dimensions);
    return { ...fitHyperparameters(coordinates, sample, { start, deterministic, noiseRate }), warp };
  };
  const count = scores.length;
  if (!options.warp || count < WARP_FROM) {
    const { hyperparameters, loss } = fit(1, record?.hyperparameters);
    return { hyperparameters, power: 1, fitted: count, loss };
  }
  const before = record?.power ?? 1;
  const first = fit(before, record?.hyperparameters);
  const power = bestPower(coordinates, points, scores, first.hyperparameters, before);
  const { hyperparameters, loss } = power === before ? first : fit(power, first.hyperparameters);
  return { hyperparameters, power, fitted: count, loss };
}

/** The warp under which the losses are likeliest, with the hyperparameters held; raw unless another gains a nat. */
function bestPower(
  coordinates: Coordinates,
  points: Float64Array,
  scores: Float64Array,
  hyperparameters: Hyperparameters,
  before: number,
): number {
  const count = Math.min(scores.length, MOST_FITTED);
  const sample = subset(points, scores, coordinates.dimensions);
  const frame = kernelFrame(coordinates, hyperparameters);
  const framed = toFrame(frame, sample.points, count);
  const factor = new Float64Array(rowStart(count));
  for (let row = 0; row < count; row += 1) {
    covariances(frame, framed, row * frame.dimensions, framed, row, factor, rowStart(row));
    factor[rowStart(row) + row] = hyperparameters.scale + hyperparameters.noise;
  }
  if (!factorRows(factor, 0, count)) return before;
  let best = { power: before, likelihood: -Infinity };
  for (const power of POWERS) {
    const { targets, logJacobian } = warped(sample.targets, power);
    solveLower(factor, count, targets);
    let likelihood = logJacobian + (power === 1 ? 1 : 0);
    for (const value of targets) likelihood -= (value * value) / 2;
    if (likelihood > best.likelihood) best = { power, likelihood };
  }
  return best.power;
}

/** The best half and evenly spaced others, where there are more observations than a fit takes. */
function subset(
  points: Float64Array,
  targets: Float64Array,
  dimensions: number,
): { readonly points: Float64Array; readonly targets: Float64Array } {
  const count = targets.length;
  if (count <= MOST_FITTED) return { points, targets };
  const ranked = [...targets.keys()].toSorted((a, b) => (targets[a] as number) - (targets[b] as number));
  const half = MOST_FITTED / 2;
  const rest = ranked.slice(half);
  const chosen = [
    ...ranked.slice(0, half),
    ...Array.from({ length: half }, (_, index) => rest[Math.floor((index * rest.length) / half)] as number),
  ].toSorted((a, b) => a - b);
  const taken = new Float64Array(MOST_FITTED * dimensions);
  for (const [row, index] of chosen.entries())
    taken.set(points.subarray(index * dimensions, (index + 1) * dimensions), row * dimensions);
  return { points: taken, targets: Float64Array.from(chosen, (index) => targets[index] as number) };
}
