import { createRandom, type Random } from "@millwright/contracts";
import type { CalibrationMap } from "@millwright/model";
import { rowsInvalid } from "../errors.ts";
import { binaryErrors, binaryMetricsOf, type BinaryRows } from "./binary-metrics.ts";
import { calibrated, fitIsotonic } from "./calibration.ts";
import {
  calibrationOf,
  type CalibrationOptions,
  checkedNumbers,
  confidenceAssumes,
  isShare,
  labelDraws,
  type Numbers,
  recordOf,
  replicaCount,
} from "./confidence-based.ts";
import {
  blindSpots,
  checkOptions,
  chunkLimits,
  chunksOf,
  metricEstimate,
  type MetricEstimate,
  type MetricReference,
  type PerformanceEstimate,
  standardDeviation,
} from "./performance-estimate.ts";

/** All but the accuracy are means over the classes, each against the rest. */
export type MulticlassMetric = "accuracy" | "auc" | "f1" | "precision" | "recall" | "specificity";

const averaged = ["auc", "f1", "precision", "recall", "specificity"] as const;
const multiclassMetrics: readonly MulticlassMetric[] = [...averaged, "accuracy"];

/** What a classifier of several classes said, and what came true. */
export interface LabelledClasses {
  /** For each class its scores, in [0, 1]. */
  readonly scores: Readonly<Record<string, Numbers>>;
  /** A class a row. */
  readonly labels: readonly string[];
  /** A class a row. Default: the one of the highest score. */
  readonly predictions?: readonly string[] | undefined;
}

/** What is known of a classifier from a labelled reference. JSON-safe. */
export interface MulticlassEstimator {
  readonly formatVersion: 1;
  readonly kind: "multiclass";
  readonly classes: readonly string[];
  readonly deviations: number;
  /** One a class, `null` where its scores are probabilities already. */
  readonly calibrations: readonly (CalibrationMap | null)[];
  /** The same of the reference's rows drawn anew, with replacement: how sure the calibrations are. */
  readonly replicas: readonly (readonly (CalibrationMap | null)[])[];
  readonly metrics: Readonly<Record<MulticlassMetric, MetricReference>>;
  /** By the true class, then the predicted one. */
  readonly confusion: readonly (readonly MetricReference[])[];
}

export interface MulticlassEstimate extends PerformanceEstimate<MulticlassMetric> {
  /** Counts of rows: `confusion[true class][predicted class]`. */
  readonly confusion: Readonly<Record<string, Readonly<Record<string, MetricEstimate>>>>;
}

interface Table {
  readonly rows: number;
  /** For each class. */
  readonly scores: readonly Float64Array[];
  /** For each class how sure each row is of it: labels, or probabilities. */
  readonly positive: readonly Float64Array[];
  /** For each class 1 where it was predicted. */
  readonly predicted: readonly Float64Array[];
}

const share = { least: 0, most: 1 };
const count = { least: 0, most: Infinity };

function scoresOf(classes: readonly string[], scores: LabelledClasses["scores"]): Float64Array[] {
  const rows = scores[classes[0]!]?.length ?? 0;
  if (rows === 0) throw rowsInvalid("there is none");
  return classes.map((name) => {
    const given = Object.hasOwn(scores, name) ? scores[name] : undefined;
    if (given === undefined) throw rowsInvalid(`the class "${name}" has no scores`);
    return checkedNumbers(`scores of "${name}"`, given, rows, isShare);
  });
}

/** For each class 1 in the rows that are of it. */
function membersOf(what: string, classes: readonly string[], names: readonly string[], rows: number): Float64Array[] {
  if (names.length !== rows) throw rowsInvalid(`there are ${names.length} ${what} for ${rows} rows`);
  const stranger = names.find((name) => !classes.includes(name));
  if (stranger !== undefined) throw rowsInvalid(`the ${what} have "${stranger}", which is none of the classes`);
  return classes.map((name) => Float64Array.from(names, (each) => (each === name ? 1 : 0)));
}

function predictedOf(
  classes: readonly string[],
  scores: readonly Float64Array[],
  given: readonly string[] | undefined,
) {
  const rows = scores[0]!.length;
  const best = (row: number): string => {
    let winner = 0;
    for (let index = 1; index < classes.length; index += 1)
      if (scores[index]![row]! > scores[winner]![row]!) winner = index;
    return classes[winner]!;
  };
  return membersOf("predictions", classes, given ?? Array.from({ length: rows }, (_, row) => best(row)), rows);
}

const oneOf = ({ scores, positive, predicted }: Table, index: number): BinaryRows => ({
  scores: scores[index]!,
  positive: positive[index]!,
  predictions: predicted[index]!,
});

function metricsOf(table: Table): Record<MulticlassMetric, number> {
  const each = table.scores.map((_, index) => binaryMetricsOf(oneOf(table, index)));
  const means = recordOf(averaged, (metric) => each.reduce((sum, values) => sum + values[metric], 0) / each.length);
  return { ...means, accuracy: each.reduce((sum, { truePositives }) => sum + truePositives, 0) / table.rows };
}

/** The expected share of the rows that are of one class and predicted as another. */
function cellOf({ positive, predicted, rows }: Table, truth: number, said: number): number {
  let sum = 0;
  for (let row = 0; row < rows; row += 1) sum += positive[truth]![row]! * predicted[said]![row]!;
  return sum / rows;
}

const partOf = ({ scores, positive, predicted }: Table, start: number, end: number): Table => {
  const cut = (columns: readonly Float64Array[]) => columns.map((column) => column.subarray(start, end));
  return { rows: end - start, scores: cut(scores), positive: cut(positive), predicted: cut(predicted) };
};

/** The errors of the classes' means: those of the classes as if they were independent; NannyML adds a fifth for the area, which this was found to fall short by. */
function errorsOf(table: Table): Record<MulticlassMetric, number> {
  const each = table.scores.map((_, index) => binaryErrors(oneOf(table, index)));
  const means = recordOf(averaged, (metric) => {
    const variance = each.reduce((sum, errors, index) => {
      const { deviation, share: part } = errors[metric];
      // NannyML leaves F1's own factor out where there are several classes.
      const factor = metric === "f1" ? factorOf(table, index) : 1;
      return sum + (deviation / factor) ** 2 / part;
    }, 0);
    return (Math.sqrt(variance) / each.length) * (metric === "auc" ? 1.2 : 1);
  });
  const hits = Float64Array.from({ length: table.rows }, (_, row) =>
    table.positive.reduce((sum, positive, index) => sum + positive[row]! * table.predicted[index]![row]!, 0),
  );
  return { ...means, accuracy: standardDeviation(hits) };
}

function factorOf(table: Table, index: number): number {
  const { truePositives: tp, falsePositives: fp, falseNegatives: fn } = binaryMetricsOf(oneOf(table, index));
  return (tp + fp + fn) / ((fn + fp) / 2 + tp);
}

/**
 * As `fitCbpe` for several classes: each class against the rest, calibrated on its own, and probabilities scaled to a sum of 1, as NannyML does it. Throws `MONITOR_ROWS_INVALID`, also where
 * there are fewer than two classes or one never came true, and a RangeError for options out of range.
 */
export function fitMulticlassCbpe(reference: LabelledClasses, options: CalibrationOptions = {}): MulticlassEstimator {
  checkOptions(options);
  const { deviations = 3 } = options;
  const classes = Object.keys(reference.scores).sort();
  if (classes.length < 2) throw rowsInvalid(`they have scores of ${classes.length} classes, and two are the least`);
  const scores = scoresOf(classes, reference.scores);
  const rows = scores[0]!.length;
  const positive = membersOf("labels", classes, reference.labels, rows);
  const absent = classes.find((_, index) => positive[index]!.every((label) => label === 0));
  if (absent !== undefined) throw rowsInvalid(`no label is "${absent}"`);
  const table: Table = { rows, scores, positive, predicted: predictedOf(classes, scores, reference.predictions) };
  const { chunkRows = Math.max(2, Math.ceil(rows / 10)) } = options;
  const chunks = chunksOf(rows, chunkRows).map(([start, end]) => partOf(table, start, end));
  const calibrations = classes.map((_, index) => calibrationOf(scores[index]!, positive[index]!, options) ?? null);
  const [realized, errors, chunkMetrics] = [metricsOf(table), errorsOf(table), chunks.map(metricsOf)];
  return {
    formatVersion: 1,
    kind: "multiclass",
    classes,
    deviations,
    calibrations,
    replicas: replicasOf(table, calibrations, options.random ?? createRandom(0)),
    metrics: recordOf(multiclassMetrics, (metric) => {
      const limits = chunkLimits(
        chunkMetrics.map((values) => values[metric]),
        share,
        deviations,
      );
      return { realized: realized[metric], limits, deviation: errors[metric], share: 1 };
    }),
    confusion: classes.map((_, truth) =>
      classes.map((__, said): MetricReference => {
        const cell = cellOf(table, truth, said);
        const limits = chunkLimits(
          chunks.map((chunk) => cellOf(chunk, truth, said)),
          share,
          deviations,
        );
        return { realized: cell, limits, deviation: Math.sqrt(cell * (1 - cell)), share: 1, total: true };
      }),
    ),
  };
}

type Calibrations = readonly (CalibrationMap | null)[];

function replicasOf({ scores, positive, rows }: Table, calibrations: Calibrations, random: Random): Calibrations[] {
  if (calibrations.every((map) => map === null)) return [];
  return Array.from({ length: replicaCount }, () => {
    const drawn = Uint32Array.from({ length: rows }, () => random.integer(rows));
    const at = (values: Float64Array) => Float64Array.from(drawn, (row) => values[row]!);
    return calibrations.map((map, index) =>
      map === null ? null : fitIsotonic(at(scores[index]!), at(positive[index]!)),
    );
  });
}

/** For each class how probable each row is of it: calibrated, and scaled to a sum of 1. */
function probabilitiesOf(scores: readonly Float64Array[], maps: Calibrations): Float64Array[] {
  const positive = scores.map((each, index) => calibrated(each, maps[index] ?? undefined).slice());
  for (let row = 0; row < scores[0]!.length; row += 1) {
    const total = positive.reduce((sum, each) => sum + each[row]!, 0);
    for (const each of positive) each[row] = total === 0 ? 1 / scores.length : each[row]! / total;
  }
  return positive;
}

/** A class for each row, drawn from its probabilities: for each class 1 where it was drawn. */
function drawLabels(probabilities: readonly Float64Array[], random: Random): Float64Array[] {
  const labels = probabilities.map(({ length }) => new Float64Array(length));
  for (let row = 0; row < labels[0]!.length; row += 1) {
    let rest = random.next();
    const drawn = probabilities.findIndex((each) => (rest -= each[row]!) < 0);
    labels[drawn < 0 ? labels.length - 1 : drawn]![row] = 1;
  }
  return labels;
}

/**
 * As `estimateCbpe` for several classes; the confusion matrix has NannyML's sampling error alone. Throws `MONITOR_ROWS_INVALID`.
 */
export function estimateMulticlassCbpe(
  estimator: MulticlassEstimator,
  current: Pick<LabelledClasses, "predictions" | "scores">,
  { random = createRandom(0) }: { readonly random?: Random | undefined } = {},
): MulticlassEstimate {
  const { classes, calibrations, replicas, deviations, metrics, confusion } = estimator;
  const scores = scoresOf(classes, current.scores);
  const rows = scores[0]!.length;
  const positive = probabilitiesOf(scores, calibrations);
  const table: Table = { rows, scores, positive, predicted: predictedOf(classes, scores, current.predictions) };
  const values = metricsOf(table);
  const sure = (replicas.length === 0 ? [calibrations] : replicas).map((maps) => probabilitiesOf(scores, maps));
  const realized = Array.from({ length: labelDraws }, (_, draw) =>
    metricsOf({ ...table, positive: drawLabels(sure[draw % sure.length]!, random) }),
  );
  const errorOf = (metric: MulticlassMetric): number =>
    standardDeviation(realized.map((each) => each[metric]).filter((value) => value === value));
  return {
    rows,
    metrics: recordOf(multiclassMetrics, (metric) =>
      metricEstimate(values[metric], rows, metrics[metric], share, deviations, errorOf(metric) || 0),
    ),
    confusion: recordOf(classes, (truth) =>
      recordOf(classes, (said) => {
        const [t, s] = [classes.indexOf(truth), classes.indexOf(said)];
        return metricEstimate(cellOf(table, t, s) * rows, rows, confusion[t]![s]!, count, deviations);
      }),
    ),
    assumes: confidenceAssumes,
    blindTo: blindSpots,
  };
}
