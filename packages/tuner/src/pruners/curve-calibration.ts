import { type Curve, forecast, noiseOf, studentBelow } from "./curve-fit.ts";

/** What a curve that was cut at a step says of its value at the horizon. */
export interface Outlook {
  /** Mean of its newest eighth. */
  readonly newest: number;
  /** Of the extrapolation. */
  readonly mean: number;
  /** Of the extrapolation, above 0. */
  readonly deviation: number;
  below(bound: number): number;
}

/** The outlook of a trial that completed, at the step in question, and what it came to. */
export interface KnownOutcome {
  readonly outlook: Outlook;
  readonly loss: number;
}

/** Prior deviations, in those of the extrapolation and per unit: of an error all have in common, of one with the way still to go, and of one with the level. */
const priorDeviations = [2, 0.3, 0.3] as const;
/** How many outcomes the belief counts for that extrapolations are as uncertain as they say. */
const priorOutcomes = 1;

/** @param curve At least 3 reports, all finite. */
export function outlookOf(curve: Curve, horizon: number): Outlook {
  const { losses } = curve;
  const { mean, deviation, below } = forecast(curve, horizon, noiseOf(losses));
  const last = losses.slice(-Math.ceil(losses.length / 8));
  const newest = last.reduce((sum, loss) => sum + loss, 0) / last.length;
  return { newest, mean, deviation: Math.max(deviation, Number.MIN_VALUE * 2 ** 60), below };
}

/** A Student t distribution. */
export interface CalibratedOutlook {
  readonly mean: number;
  below(bound: number): number;
  /** Standard deviation of the errors, in those that the extrapolations give; 1 where they are honest. */
  readonly error: number;
}

/**
 * The extrapolation of a curve, corrected by how far those of completed trials were off when they had come as far: Bayesian linear regression of the errors, over their own
 * deviations, on a shift, on the difference to the newest loss, and on the newest loss, with a normal-inverse-gamma prior (Murphy, Machine Learning, 2012, 7.6.3). Where curves
 * say little early, errors are large and with them the deviation; where all fall late, the shift is learned.
 */
export function calibrate(outlook: Outlook, outcomes: readonly KnownOutcome[]): CalibratedOutlook {
  const known = outcomes.map((outcome) => outcome.outlook);
  const level = meanOf(known.map(({ newest }) => newest)) ?? outlook.newest;
  const unit = Math.sqrt(meanOf([outlook, ...known].map(({ deviation }) => deviation ** 2)) ?? 1);
  const featuresOf = ({ newest, mean, deviation }: Outlook): Triple => [
    unit / deviation,
    (newest - mean) / deviation,
    (newest - level) / deviation,
  ];
  const [p, q, r] = priorDeviations.map((deviation) => deviation ** -2) as [number, number, number];
  const precision: Matrix = [
    [p, 0, 0],
    [0, q, 0],
    [0, 0, r],
  ];
  const moments: Triple = [0, 0, 0];
  let squares = 0;
  for (const { outlook: seen, loss } of outcomes) {
    const features = featuresOf(seen);
    const error = (loss - seen.mean) / seen.deviation;
    squares += error * error;
    for (const row of places) {
      moments[row] += features[row] * error;
      for (const column of places) precision[row][column] += features[row] * features[column];
    }
  }
  const coefficients = solve(precision, moments);
  const degrees = priorOutcomes + outcomes.length;
  const variance = (priorOutcomes + Math.max(0, squares - dot(coefficients, moments))) / degrees;
  const features = featuresOf(outlook);
  const mean = outlook.mean + outlook.deviation * dot(features, coefficients);
  const scale = outlook.deviation * Math.sqrt(variance * (1 + dot(features, solve(precision, features))));
  return { mean, error: Math.sqrt(variance), below: (bound) => studentBelow((bound - mean) / scale, degrees) };
}

type Triple = [number, number, number];
type Matrix = [Triple, Triple, Triple];
const places = [0, 1, 2] as const;

const dot = (a: Triple, b: Triple): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const meanOf = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;

/** A x = b of a symmetric positive definite A, by its Cholesky factor. */
function solve(matrix: Matrix, right: Triple): Triple {
  const factor: Matrix = [
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
  ];
  for (const row of places) {
    for (const column of places.slice(0, row + 1)) {
      let value = matrix[row][column];
      for (const k of places.slice(0, column)) value -= factor[row][k] * factor[column][k];
      factor[row][column] = row === column ? Math.sqrt(value) : value / factor[column][column];
    }
  }
  const solved: Triple = [...right];
  for (const row of places) {
    for (const k of places.slice(0, row)) solved[row] -= factor[row][k] * solved[k];
    solved[row] /= factor[row][row];
  }
  for (const row of places.toReversed()) {
    for (const k of places.slice(row + 1)) solved[row] -= factor[k][row] * solved[k];
    solved[row] /= factor[row][row];
  }
  return solved;
}
