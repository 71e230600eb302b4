import { type Batch, createRandom } from "@millwright/contracts";
import { concatBatches } from "@millwright/data";
import { rowsInvalid } from "../errors.ts";
import type { DriftReport, MultivariateReading } from "../drift/compare.ts";
import type { DriftMonitor, DriftMonitorFactory, DriftWindow } from "../drift/drift-monitor.ts";
import { studentTQuantile } from "../statistics/distributions.ts";
import { classifyDomains, type DomainClassifierOptions } from "./domain-classifier.ts";
import {
  type KernelTest,
  type KernelTestOptions,
  leastSquaresDensityDifference,
  maximumMeanDiscrepancy,
} from "./kernel-tests.ts";
import { fitReconstruction, meanError, reconstructionErrors, type ReconstructionOptions } from "./reconstruction.ts";

interface RowsNeeded {
  /** A window with fewer rows is not judged. At least 20. Default: 100. */
  readonly minimumRows?: number | undefined;
  /** Rows that live windows keep for it, a sample of theirs, 1 to 5,000. Default: 500. */
  readonly rows?: number | undefined;
}

/** Live windows keep so many rows for a monitor. */
const liveRows = 500;

const withRows = (
  rows: number = liveRows,
  factory: (history: readonly DriftWindow[]) => DriftMonitor,
): DriftMonitorFactory => Object.assign(factory, { rows });

export interface ReconstructionDriftOptions extends ReconstructionOptions, RowsNeeded {
  /** How many standard deviations of the history's windows a window may be off their mean, above 0. Default: 3, as NannyML. */
  readonly deviations?: number | undefined;
  /**
   * In place of `deviations`, the share of usual windows that may be called drift, in (0, 1): the limits are a prediction interval by Student's distribution, which knows how many windows the history has. With ten of them three
   * deviations call one usual window in forty drift, not one in 370.
   */
  readonly alpha?: number | undefined;
}

export interface DomainClassifierDriftOptions extends Omit<DomainClassifierOptions, "random">, RowsNeeded {
  /** An area below is drift. Default: 0.45, as NannyML. */
  readonly lower?: number | undefined;
  /** An area above is drift. Default: 0.65, as NannyML. */
  readonly upper?: number | undefined;
  /** Default: 0. */
  readonly seed?: number | undefined;
}

export interface KernelDriftOptions extends Omit<KernelTestOptions, "random">, RowsNeeded {
  /** Default: 0. */
  readonly seed?: number | undefined;
}

/** A monitor of windows that carry their rows. */
function monitorOf(minimumRows: number, read: (rows: Batch) => MultivariateReading): DriftMonitor {
  if (!(Number.isInteger(minimumRows) && minimumRows >= 20))
    throw new RangeError(`minimumRows must be a whole number of at least 20, not ${minimumRows}.`);
  return {
    judge: ({ rows }: DriftWindow): DriftReport => {
      const none = { driftedShare: 0, columns: [] };
      if (rows === undefined)
        return { verdict: "not-enough-data", reasons: ["The window does not carry its rows."], ...none };
      if (rows.length < minimumRows) {
        const reasons = [`The window has ${rows.length} rows of the ${minimumRows} that are needed.`];
        return { verdict: "not-enough-data", reasons, ...none };
      }
      const multivariate = read(rows);
      const reasons = reasonsOf(multivariate);
      return { verdict: reasons.length === 0 ? "ok" : "drift", reasons, ...none, multivariate };
    },
  };
}

const rounded = (value: number): string => String(Number(value.toPrecision(3)));

function reasonsOf({ method, value, lower, upper, pValue, alpha }: MultivariateReading): string[] {
  if (pValue !== undefined && alpha !== undefined) {
    // It is right at any number of permutations, the threshold only at many.
    return pValue <= alpha ? [`The ${method} is ${rounded(value)}, with p = ${rounded(pValue)}.`] : [];
  }
  if (upper !== undefined && value > upper) return [`The ${method} is ${rounded(value)}, above ${rounded(upper)}.`];
  if (lower !== undefined && value < lower) return [`The ${method} is ${rounded(value)}, below ${rounded(lower)}.`];
  return [];
}

function rowsOf(history: readonly DriftWindow[]): Batch[] {
  const all = history.flatMap(({ rows }) => (rows === undefined || rows.length === 0 ? [] : [rows]));
  if (all.length === 0) throw rowsInvalid("no window of the history carries any");
  return all;
}

/**
 * Drift where the mean reconstruction error of a window leaves mean ± k·σ of the history's windows, whose rows the components are fitted on: NannyML's data reconstruction, a chunk being a window.
 * The factory throws `MONITOR_ROWS_INVALID` for a history of fewer than two windows with rows.
 */
export function reconstructionDrift(options: ReconstructionDriftOptions = {}): DriftMonitorFactory {
  const { deviations = 3, alpha, minimumRows = 100, rows: kept, ...fit } = options;
  if (alpha !== undefined && !(alpha > 0 && alpha < 1)) throw new RangeError(`alpha must be in (0, 1), not ${alpha}.`);
  if (!(deviations > 0)) throw new RangeError(`deviations must be above 0, not ${deviations}.`);
  return withRows(kept, (history) => {
    const chunks = rowsOf(history);
    if (chunks.length < 2) throw rowsInvalid("one window of the history carries some, and two are the least");
    const model = fitReconstruction(concatBatches(chunks), fit);
    const limits = deviationLimits(
      chunks.map((rows) => meanError(reconstructionErrors(model, rows)).value),
      alpha === undefined ? deviations : predictionDeviations(chunks.length, alpha),
    );
    return monitorOf(minimumRows, (rows) => {
      const { value } = meanError(reconstructionErrors(model, rows));
      return { method: "reconstruction-error", value, ...limits };
    });
  });
}

/** How many of the population's deviations of n values the next one stays within, but for the share α: t·√((n + 1)/(n − 1)), t with n − 1 degrees of freedom. */
const predictionDeviations = (n: number, alpha: number): number =>
  studentTQuantile(1 - alpha / 2, n - 1) * Math.sqrt((n + 1) / (n - 1));

/** mean ± k·σ, σ the population's; a lower limit that is not above 0 is none. */
export function deviationLimits(
  values: readonly number[],
  deviations: number,
): { readonly lower?: number; readonly upper: number } {
  const mean = values.reduce((sum, each) => sum + each, 0) / values.length;
  const spread = Math.sqrt(values.reduce((sum, each) => sum + (each - mean) ** 2, 0) / values.length);
  const [lower, upper] = [mean - deviations * spread, mean + deviations * spread];
  return lower > 0 ? { lower, upper } : { upper };
}

/** Drift where a classifier tells a window's rows from those of the history: an area under the ROC curve outside `lower` to `upper`. The factory throws `MONITOR_ROWS_INVALID`. */
export function domainClassifierDrift(options: DomainClassifierDriftOptions = {}): DriftMonitorFactory {
  const { lower = 0.45, upper = 0.65, minimumRows = 100, seed = 0, rows: kept, ...rest } = options;
  if (!(lower >= 0 && lower < upper && upper <= 1))
    throw new RangeError(`lower and upper must rise within [0, 1], not be ${lower} and ${upper}.`);
  return withRows(kept, (history) => {
    const reference = concatBatches(rowsOf(history));
    return monitorOf(minimumRows, (rows) => {
      const { auc } = classifyDomains(reference, rows, { ...rest, random: createRandom(seed) });
      return { method: "domain-classifier", value: auc, lower, upper };
    });
  });
}

const kernelDrift = (
  method: MultivariateReading["method"],
  test: (reference: Batch, current: Batch, options: KernelTestOptions) => KernelTest,
  { minimumRows = 100, seed = 0, rows: kept, ...rest }: KernelDriftOptions,
): DriftMonitorFactory =>
  withRows(kept, (history) => {
    const reference = concatBatches(rowsOf(history));
    return monitorOf(minimumRows, (rows) => {
      const { statistic, pValue, threshold } = test(reference, rows, { ...rest, random: createRandom(seed) });
      return { method, value: statistic, upper: threshold, pValue, alpha: rest.alpha ?? 0.05 };
    });
  });

/** Drift where `maximumMeanDiscrepancy` of a window against the history's rows has p ≤ `alpha`. The factory throws `MONITOR_ROWS_INVALID`. */
export const meanDiscrepancyDrift = (options: KernelDriftOptions = {}): DriftMonitorFactory =>
  kernelDrift("maximum-mean-discrepancy", maximumMeanDiscrepancy, options);

/** Drift where `leastSquaresDensityDifference` of a window against the history's rows has p ≤ `alpha`. The factory throws `MONITOR_ROWS_INVALID`. */
export const densityDifferenceDrift = (options: KernelDriftOptions = {}): DriftMonitorFactory =>
  kernelDrift("least-squares-density-difference", leastSquaresDensityDifference, options);
