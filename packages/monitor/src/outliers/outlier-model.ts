import { type Batch, createRandom, type Random } from "@millwright/contracts";
import { takeRows } from "@millwright/data";
import { rowsInvalid } from "../errors.ts";
import { fitScores, type ScoreColumn, scoresOf } from "../features/standard-scores.ts";
import { shuffled } from "../multivariate/kernel.ts";
import { covarianceOf, eigenOf, fitReconstruction } from "../multivariate/reconstruction.ts";
import { type Forest, growForest } from "./isolation-forest.ts";
import { compileScorer } from "./outlier-scorer.ts";

interface OutlierModelBase {
  readonly formatVersion: 1;
  readonly columns: readonly ScoreColumn[];
  /** A score above is an outlier. */
  readonly threshold: number;
  /** Rows that the threshold was set by, and how many of them are above it: what is known of the share of outliers among usual rows. Absent in models of earlier releases. */
  readonly usual?: { readonly rows: number; readonly above: number } | undefined;
}

/** A fitted judge of rows. JSON-safe. */
export type OutlierModel =
  | (OutlierModelBase & { readonly kind: "isolation-forest"; readonly forest: Forest })
  /** The distance is the norm of the directions' products with the standard scores, less those of the mean. */
  | (OutlierModelBase & { readonly kind: "mahalanobis"; readonly directions: readonly (readonly number[])[] })
  | (OutlierModelBase & { readonly kind: "reconstruction"; readonly components: readonly (readonly number[])[] });

export interface OutlierOptions {
  /** Default: all numbers, booleans and texts. */
  readonly columns?: readonly string[] | undefined;
  /**
   * How many usual rows may be called outliers, in (0, 1): a fifth of the rows is held out, and the threshold is what that share of them exceeds at most (split conformal: Vovk and others, 2005). Default: 0.01.
   */
  readonly falseAlarmShare?: number | undefined;
  /** In place of `falseAlarmShare`, how many of the rows are taken to be outliers themselves, in (0, 0.5]: no row is held out, and so many exceed the threshold, as in scikit-learn. */
  readonly contamination?: number | undefined;
  /** Which rows are held out, and what trees are grown. Default: a stream that begins the same in each call. */
  readonly random?: Random | undefined;
}

export interface IsolationForestOptions extends OutlierOptions {
  /** 1 to 1,000. Default: 100. */
  readonly trees?: number | undefined;
  /** Rows that each tree is grown on, 2 to 4,096. Default: 256. */
  readonly sampleRows?: number | undefined;
}

export interface ReconstructionOutlierOptions extends OutlierOptions {
  /** As many principal components are kept as explain more than this share of the variance, in (0, 1). Default: 0.65. */
  readonly varianceShare?: number | undefined;
}

type Unjudged<Model = OutlierModel> = Model extends OutlierModel ? Omit<Model, "threshold" | "usual"> : never;

/** Fits on all rows, or on four fifths, and sets the threshold. */
function fitWith(rows: Batch, options: OutlierOptions, fit: (rows: Batch, random: Random) => Unjudged): OutlierModel {
  const { contamination, falseAlarmShare = 0.01, random = createRandom(0) } = options;
  if (contamination !== undefined && !(contamination > 0 && contamination <= 0.5))
    throw new RangeError(`The contamination must be in (0, 0.5], not ${contamination}.`);
  if (!(falseAlarmShare > 0 && falseAlarmShare < 1))
    throw new RangeError(`The share of false alarms must be in (0, 1), not ${falseAlarmShare}.`);
  if (rows.length < 2) throw rowsInvalid(`there are ${rows.length}, and two are the least`);
  const scoresWith = (model: Unjudged, judged: Batch): Float64Array =>
    compileScorer({ ...model, threshold: Infinity } as OutlierModel)
      .scores(judged)
      .sort();
  if (contamination !== undefined) {
    const model = fit(rows, random);
    const scores = scoresWith(model, rows);
    return judged(model, scores, Math.max(1, Math.ceil(scores.length * (1 - contamination))));
  }
  const order = Int32Array.from(shuffled(rows.length, random));
  const held = Math.floor(rows.length / 5);
  // So that at most the share of rows like the held-out ones exceeds it, whatever their distribution.
  const place = Math.ceil((held + 1) * (1 - falseAlarmShare));
  if (place > held)
    throw rowsInvalid(
      `there are ${rows.length}, and a false-alarm share of ${falseAlarmShare} takes ${5 * Math.ceil(1 / falseAlarmShare)}`,
    );
  const model = fit(takeRows(rows, order.subarray(held)), random);
  return judged(model, scoresWith(model, takeRows(rows, order.subarray(0, held))), place);
}

/** @param scores By rising score. @param place Of the threshold among them, from 1 on. */
const judged = (model: Unjudged, scores: Float64Array, place: number): OutlierModel =>
  ({
    ...model,
    threshold: scores[place - 1]!,
    usual: { rows: scores.length, above: scores.length - place },
  }) as OutlierModel;

const between = (what: string, value: number, least: number, most: number): void => {
  if (!(Number.isInteger(value) && value >= least && value <= most))
    throw new RangeError(`${what} must be a whole number from ${least} to ${most}, not ${value}.`);
};

/**
 * An isolation forest, as scikit-learn's: its scores are those of scikit-learn with the sign turned, in (0, 1]. Texts count by how frequent they are. Throws `MONITOR_ROWS_INVALID`, and a RangeError
 * for options out of range.
 */
export function fitIsolationForest(rows: Batch, options: IsolationForestOptions = {}): OutlierModel {
  const { trees = 100, sampleRows = 256, columns: names } = options;
  between("The number of trees", trees, 1, 1_000);
  between("sampleRows", sampleRows, 2, 4_096);
  return fitWith(rows, options, (fitted, random) => {
    const columns = fitScores(fitted, names);
    const forest = growForest(scoresOf(fitted, columns), trees, sampleRows, random);
    return { formatVersion: 1, kind: "isolation-forest", columns, forest };
  });
}

/** Directions without any variance count as if they had this share of the largest: what breaks a strict rule is far away, and rounding is not. */
const leastVariance = 1e-6;

/**
 * Mahalanobis's distance from the mean, by the covariance of the rows (n − 1). The score has no upper end. Throws `MONITOR_ROWS_INVALID`, and a RangeError for options out of range.
 */
export function fitMahalanobis(rows: Batch, options: OutlierOptions = {}): OutlierModel {
  return fitWith(rows, options, (fitted) => {
    const columns = fitScores(fitted, options.columns);
    const { values, vectors } = eigenOf(covarianceOf(scoresOf(fitted, columns)));
    const unbiased = fitted.length / (fitted.length - 1);
    const least = Math.max(values[0]! * leastVariance, Number.MIN_VALUE);
    if (!(values[0]! > 0)) throw rowsInvalid("all columns are constant");
    const directions = vectors.map((vector, index) => {
      const spread = Math.sqrt(Math.max(values[index]!, least) * unbiased);
      return vector.map((value) => value / spread);
    });
    return { formatVersion: 1, kind: "mahalanobis", columns, directions };
  });
}

/** How far a row is from what the principal components make of it, as in `reconstructionDrift`. Throws `MONITOR_ROWS_INVALID`, and a RangeError for options out of range. */
export function fitReconstructionOutliers(rows: Batch, options: ReconstructionOutlierOptions = {}): OutlierModel {
  const { columns: names, varianceShare } = options;
  return fitWith(rows, options, (fitted) => {
    const { columns, components } = fitReconstruction(fitted, { columns: names, varianceShare });
    return { formatVersion: 1, kind: "reconstruction", columns, components };
  });
}
