import { qualityInvalid } from "../errors.ts";
import {
  baseWeights,
  bootstrapIntervals,
  checkIntervals,
  type IntervalOptions,
  type MetricValue,
  pick,
  proportion,
  withIntervals,
} from "./metric-value.ts";
import { curvesOf, type RankedScores, rankScores } from "./roc.ts";

export type ClassName = string | number | boolean;

export interface ClassesOptions extends IntervalOptions {
  /** All classes, in the order of the probabilities of a row. Default: those that are met, sorted. */
  readonly classes?: readonly ClassName[] | undefined;
  /** Probabilities of the classes, row by row: rows × classes. Default: none, and no `logLoss` nor areas under curves. */
  readonly probabilities?: ArrayLike<number> | undefined;
  /** Answers count as right for `topAccuracy` where the truth is among so many most probable classes. Default: 3. */
  readonly top?: number | undefined;
}

export type ClassesMetric =
  | "accuracy"
  | "balancedAccuracy"
  | "mcc"
  | "kappa"
  | `${"precision" | "recall" | "f1"}${"Macro" | "Micro" | "Weighted"}`
  /** The next four: NaN without probabilities. One class against the rest; classes without rows are left out. */
  | "aucMacro"
  | "aucWeighted"
  | "logLoss"
  | "topAccuracy";

/** One class against all others. What it does not define counts 0, as in scikit-learn's `zero_division=0`. */
export interface ClassQuality {
  readonly name: ClassName;
  /** Weight of the rows whose truth it is. */
  readonly support: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** NaN without probabilities. */
  readonly auc: number;
}

export interface ClassesQuality {
  readonly kind: "classes";
  readonly rows: number;
  /**
   * Rows left out: classes that are not among `classes`, probabilities that are not finite. Of a live monitor: labelled rows of classes beyond the hundred that merged sums hold; they count in
   * `accuracy`, the micro means, `topAccuracy` and `logLoss`, and in nothing else.
   */
  readonly invalid: number;
  readonly classes: readonly ClassQuality[];
  /** `confusion[truth][answer]`: weight of rows, in the order of `classes`. */
  readonly confusion: readonly (readonly number[])[];
  readonly metrics: Readonly<Record<ClassesMetric, MetricValue>>;
}

/** How good answers of one class of many are. Throws `MONITOR_QUALITY_INVALID`. */
export function scoreClasses(
  truth: readonly ClassName[],
  answers: readonly ClassName[],
  options: ClassesOptions = {},
): ClassesQuality {
  const table = tableOf(truth, answers, options);
  const base = baseWeights(options.weights, table.rows);
  const { classes, confusion, metrics } = measure(table, base);
  const drawn = bootstrapIntervals(base, (weights) => measure(table, weights).metrics, options);
  const hit = table.truth.map((each, row) => (each === table.answers[row] ? 1 : 0));
  const [hits, total, squares] = base.reduce(
    ([h, t, s], weight, row) => [h + weight * (hit[row] as number), t + weight, s + weight * weight] as const,
    [0, 0, 0] as readonly [number, number, number],
  );
  const accuracy = proportion(hits, total, squares);
  return {
    kind: "classes",
    rows: table.rows.length,
    invalid: truth.length - table.rows.length,
    classes,
    confusion,
    metrics: withIntervals(
      metrics,
      { accuracy, precisionMicro: accuracy, recallMicro: accuracy, f1Micro: accuracy },
      drawn,
    ),
  };
}

interface ClassTable {
  readonly names: readonly ClassName[];
  readonly rows: Int32Array;
  /** Numbers of classes by row. */
  readonly truth: Float64Array;
  readonly answers: Float64Array;
  readonly top: number;
  /** Of each class, by row. */
  readonly scores: readonly Float64Array[];
  readonly ranked: readonly RankedScores[];
  readonly isTruth: readonly Float64Array[];
}

const byName = (a: ClassName, b: ClassName): number =>
  typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : 1;

function tableOf(truth: readonly ClassName[], answers: readonly ClassName[], options: ClassesOptions): ClassTable {
  const { probabilities, top = 3 } = options;
  if (truth.length !== answers.length)
    throw qualityInvalid(`"truth" has ${truth.length} rows, "answers" ${answers.length}`);
  const names = options.classes ?? [...new Set([...truth, ...answers])].sort(byName);
  if (probabilities !== undefined && probabilities.length !== truth.length * names.length)
    throw qualityInvalid(`${truth.length} rows of ${names.length} classes have ${probabilities.length} probabilities`);
  if (new Set(names).size !== names.length) throw qualityInvalid("a class stands twice among the classes");
  if (!Number.isSafeInteger(top) || top < 1) throw qualityInvalid(`top must be a whole number from 1, not ${top}`);
  checkIntervals(options, truth.length);
  const numbers = new Map(names.map((name, index) => [name, index]));
  const known = (row: number): boolean =>
    numbers.has(truth[row] as ClassName) &&
    numbers.has(answers[row] as ClassName) &&
    (probabilities === undefined ||
      names.every((_, index) => Number.isFinite(probabilities[row * names.length + index])));
  const rows = Int32Array.from(Array.from(truth.keys()).filter(known));
  const numbered = (list: readonly ClassName[]): Float64Array =>
    Float64Array.from(rows, (row) => numbers.get(list[row] as ClassName) as number);
  const scores =
    probabilities === undefined
      ? []
      : names.map((_, index) =>
          pick(
            probabilities,
            rows.map((row) => row * names.length + index),
          ),
        );
  const truths = numbered(truth);
  return {
    names,
    rows,
    truth: truths,
    answers: numbered(answers),
    top,
    scores,
    ranked: scores.map(rankScores),
    isTruth: names.map((_, index) => truths.map((each) => (each === index ? 1 : 0))),
  };
}

function measure(
  table: ClassTable,
  weights: Float64Array,
): Pick<ClassesQuality, "classes" | "confusion"> & {
  readonly metrics: Readonly<Record<ClassesMetric, number>>;
} {
  const { names, truth, answers } = table;
  const confusion = names.map(() => new Array<number>(names.length).fill(0));
  for (let row = 0; row < truth.length; row += 1) {
    const line = confusion[truth[row] as number] as number[];
    line[answers[row] as number] = (line[answers[row] as number] as number) + (weights[row] as number);
  }
  const found = confusionQuality(names, confusion);
  const classes = found.classes.map((each, index): ClassQuality => {
    const [scores, isTruth] = [table.ranked[index], table.isTruth[index]];
    const auc = scores === undefined ? Number.NaN : curvesOf(scores, isTruth as Float64Array, weights).auc;
    return { ...each, auc };
  });
  return { classes, confusion, metrics: { ...found.metrics, ...byProbability(table, weights, classes) } };
}

/** What a confusion matrix alone says of classes; their areas under curves are NaN. */
export function confusionQuality(
  names: readonly ClassName[],
  confusion: readonly (readonly number[])[],
): MarginQuality {
  return marginQuality(names, {
    hits: names.map((_, index) => (confusion[index] as readonly number[])[index] as number),
    support: confusion.map((line) => sum(line)),
    answered: names.map((_, index) => sum(confusion.map((line) => line[index] as number))),
  });
}

/** All of a confusion matrix that the metrics rest on, by class. */
export interface Margins {
  /** The diagonal. */
  readonly hits: readonly number[];
  /** Rows whose truth it is. */
  readonly support: readonly number[];
  /** Rows that were answered so. */
  readonly answered: readonly number[];
}

export interface MarginQuality {
  readonly classes: readonly ClassQuality[];
  readonly metrics: Readonly<Record<Exclude<ClassesMetric, ByProbability>, number>>;
}

/** As `confusionQuality`, in steps as many as classes. */
export function marginQuality(names: readonly ClassName[], margins: Margins): MarginQuality {
  const classes = names.map((name, index): ClassQuality => {
    const [hits, support, answered] = [margins.hits[index], margins.support[index], margins.answered[index]] as [
      number,
      number,
      number,
    ];
    return {
      name,
      support,
      precision: share(hits, answered),
      recall: share(hits, support),
      f1: share(2 * hits, answered + support),
      auc: Number.NaN,
    };
  });
  return { classes, metrics: overall(classes, margins) };
}

const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0);
const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

export type ByProbability = "aucMacro" | "aucWeighted" | "logLoss" | "topAccuracy";

function overall(
  classes: readonly ClassQuality[],
  { hits: ofClasses, answered }: Margins,
): Record<Exclude<ClassesMetric, ByProbability>, number> {
  const total = sum(classes.map(({ support }) => support));
  const hits = sum(ofClasses);
  const accuracy = hits / total;
  // Classes that are neither true nor answered anywhere are no part of a mean.
  const met = classes.filter(({ support }, index) => support > 0 || (answered[index] as number) > 0);
  const macro = (part: "precision" | "recall" | "f1"): number => sum(met.map((each) => each[part])) / met.length;
  const weighted = (part: "precision" | "recall" | "f1"): number =>
    sum(classes.map((each) => each[part] * each.support)) / total;
  const seen = classes.filter(({ support }) => support > 0);
  const [truths, both] = [
    sum(classes.map(({ support }) => support ** 2)),
    sum(classes.map(({ support }, index) => support * (answered[index] as number))),
  ];
  const answers = sum(answered.map((each) => each ** 2));
  const root = Math.sqrt((total * total - answers) * (total * total - truths));
  return {
    accuracy,
    balancedAccuracy: sum(seen.map(({ recall }) => recall)) / seen.length,
    mcc: root === 0 && total > 0 ? 0 : (hits * total - both) / root,
    kappa: (accuracy - both / total ** 2) / (1 - both / total ** 2),
    precisionMacro: macro("precision"),
    recallMacro: macro("recall"),
    f1Macro: macro("f1"),
    precisionMicro: accuracy,
    recallMicro: accuracy,
    f1Micro: accuracy,
    precisionWeighted: weighted("precision"),
    recallWeighted: weighted("recall"),
    f1Weighted: weighted("f1"),
  };
}

function byProbability(
  { truth, scores, top }: ClassTable,
  weights: Float64Array,
  classes: readonly ClassQuality[],
): Record<ByProbability, number> {
  if (scores.length === 0)
    return { aucMacro: Number.NaN, aucWeighted: Number.NaN, logLoss: Number.NaN, topAccuracy: Number.NaN };
  let [loss, hits, total] = [0, 0, 0];
  for (let row = 0; row < truth.length; row += 1) {
    const weight = weights[row] as number;
    const own = (scores[truth[row] as number] as Float64Array)[row] as number;
    const all = scores.reduce((whole, each) => whole + (each[row] as number), 0);
    loss -= weight * Math.log(Math.min(1, Math.max(Number.EPSILON, own / all)));
    // Of equal probabilities the later class comes first, as in scikit-learn.
    const before = scores.filter(
      (each, index) => (each[row] as number) > own || (each[row] === own && index > (truth[row] as number)),
    ).length;
    if (before < top) hits += weight;
    total += weight;
  }
  const areas = classes.filter(({ auc }) => !Number.isNaN(auc));
  return {
    aucMacro: sum(areas.map(({ auc }) => auc)) / areas.length,
    aucWeighted: sum(areas.map(({ auc, support }) => auc * support)) / sum(areas.map(({ support }) => support)),
    logLoss: loss / total,
    topAccuracy: hits / total,
  };
}
