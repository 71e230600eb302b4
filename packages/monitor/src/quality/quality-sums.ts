import { addClasses, addClassOutcome, type ClassOutcome, type ClassSums, emptyClasses } from "./class-sums.ts";

/** What is summed of the answers of one score bin: those that were given, those that are labelled, and of these the truths and losses. */
export interface ScoreCell {
  answers: number;
  labels: number;
  actual: number;
  logLoss: number;
  brier: number;
}

/** Sums that quality is computed from: they merge by adding, and a corrected label takes its first part back. */
export type QualitySums = {
  predictions: number;
  labels: number;
  /** Labelled answers that are not among `predictions`: their windows were lost, and they were found again. */
  recovered: number;
  lagMs: number;
  largestLagMs: number;
  logLoss: number;
  logLossSquared: number;
  brier: number;
  brierSquared: number;
  predicted: number;
  actual: number;
  /** Labelled answers at or above the threshold whose label is positive, and so on; 0 for `regression`. */
  truePositives: number;
  falsePositives: number;
  trueNegatives: number;
  falseNegatives: number;
  /** Of answers of one class of many; undefined without labels, and for other kinds. */
  classes: ClassSums | undefined;
  /** By bin of scores, which grows with them. */
  readonly cells: Map<number, ScoreCell>;
  /** Labels by bin of lags: the lag is about 2^(bin/8) ms. */
  readonly lags: Map<number, number>;
  /** The same of the answers of one value of a segment column, by `segmentKey`. */
  readonly segments: Map<string, QualitySums>;
};

/** How scores are put in bins and judged; of `classes` the score is the largest probability. */
export interface Scoring {
  readonly kind: "binary" | "regression" | "classes";
  readonly threshold: number;
}

const numbers = [
  "predictions",
  "labels",
  "recovered",
  "lagMs",
  "logLoss",
  "logLossSquared",
  "brier",
  "brierSquared",
  "predicted",
  "actual",
  "truePositives",
  "falsePositives",
  "trueNegatives",
  "falseNegatives",
] as const;

/** Names of the sums that are plain numbers and add up. */
export const summedNumbers: readonly (typeof numbers)[number][] = numbers;

/** Most values of all segment columns of a window; what comes beyond counts under `otherValue`. */
const mostSegments = 200;
export const otherValue = "(other)";

export const segmentKey = (column: string, value: string): string => JSON.stringify([column, value]);

export function emptyQuality(): QualitySums {
  const zeros = Object.fromEntries(numbers.map((name) => [name, 0])) as Record<(typeof numbers)[number], number>;
  return { ...zeros, largestLagMs: 0, classes: undefined, cells: new Map(), lags: new Map(), segments: new Map() };
}

/** Associative. */
export function mergeQuality(a: QualitySums, b: QualitySums): QualitySums {
  const sum = emptyQuality();
  for (const part of [a, b]) addQuality(sum, part);
  return sum;
}

/** Adds sums to others in place. */
export function addQuality(into: QualitySums, part: QualitySums): void {
  for (const name of numbers) into[name] += part[name];
  into.largestLagMs = Math.max(into.largestLagMs, part.largestLagMs);
  if (part.classes !== undefined) addClasses((into.classes ??= emptyClasses(part.classes.names)), part.classes);
  for (const [bin, cell] of part.cells) {
    const own = cellOf(into, bin);
    own.answers += cell.answers;
    own.labels += cell.labels;
    own.actual += cell.actual;
    own.logLoss += cell.logLoss;
    own.brier += cell.brier;
  }
  for (const [bin, count] of part.lags) into.lags.set(bin, (into.lags.get(bin) ?? 0) + count);
  for (const [key, segment] of part.segments) addQuality(segmentOf(into, key), segment);
}

function cellOf({ cells }: QualitySums, bin: number): ScoreCell {
  let cell = cells.get(bin);
  if (cell === undefined) cells.set(bin, (cell = { answers: 0, labels: 0, actual: 0, logLoss: 0, brier: 0 }));
  return cell;
}

function segmentOf(sums: QualitySums, key: string): QualitySums {
  const known = sums.segments.get(key);
  if (known !== undefined) return known;
  const isFull = sums.segments.size >= mostSegments;
  const name = isFull ? segmentKey((JSON.parse(key) as [string])[0], otherValue) : key;
  const made = sums.segments.get(name) ?? emptyQuality();
  sums.segments.set(name, made);
  return made;
}

/** The sums of all answers, and of the segments that an answer belongs to. */
const withSegments = (sums: QualitySums, segments: readonly string[]): QualitySums[] => [
  sums,
  ...segments.map((key) => segmentOf(sums, key)),
];

/** Counts an answer that a label may come for. @param segments Keys of those it belongs to. */
export function addAnswer(sums: QualitySums, score: number, scoring: Scoring, segments: readonly string[]): void {
  for (const each of withSegments(sums, segments)) {
    each.predictions += 1;
    if (Number.isFinite(score)) cellOf(each, binOf(score, scoring)).answers += 1;
  }
}

/** Counts an answer that was found again, whose window was lost before. */
export function addRecovered(sums: QualitySums, score: number, scoring: Scoring, segments: readonly string[]): void {
  for (const each of withSegments(sums, segments)) {
    each.recovered += 1;
    cellOf(each, binOf(score, scoring)).answers += 1;
  }
}

/** One labelled answer. */
export interface Outcome {
  readonly predicted: number;
  readonly actual: number;
  readonly lagMs: number;
  readonly segments: readonly string[];
  /** For `classes`: what else is counted, and the losses of all probabilities. Default: the losses of `predicted`. */
  readonly classes?: (ClassOutcome & { readonly logLoss: number; readonly brier: number }) | undefined;
}

/** Counts one labelled answer; `sign` −1 takes it back. */
export function addOutcome(sums: QualitySums, outcome: Outcome, scoring: Scoring, sign: 1 | -1): void {
  const { predicted, actual, lagMs, segments } = outcome;
  const clipped = Math.min(1 - 1e-15, Math.max(1e-15, predicted));
  const { logLoss, brier } = outcome.classes ?? {
    logLoss: -(actual * Math.log(clipped) + (1 - actual) * Math.log1p(-clipped)),
    brier: (predicted - actual) ** 2,
  };
  const bin = binOf(predicted, scoring);
  const lagBin = lagMs < 1 ? 0 : Math.round(Math.log2(lagMs) * 8);
  const answered = predicted >= scoring.threshold;
  const cellName =
    actual === 1 ? (answered ? "truePositives" : "falseNegatives") : answered ? "falsePositives" : "trueNegatives";
  for (const each of withSegments(sums, segments)) {
    each.labels += sign;
    each.lagMs += sign * lagMs;
    if (sign > 0) each.largestLagMs = Math.max(each.largestLagMs, lagMs);
    each.logLoss += sign * logLoss;
    each.logLossSquared += sign * logLoss * logLoss;
    each.brier += sign * brier;
    each.brierSquared += sign * brier * brier;
    each.predicted += sign * predicted;
    each.actual += sign * actual;
    if (scoring.kind === "binary") each[cellName] += sign;
    const { classes } = outcome;
    if (classes !== undefined) addClassOutcome((each.classes ??= emptyClasses(classes.names)), classes, sign);
    const cell = cellOf(each, bin);
    cell.labels += sign;
    cell.actual += sign * actual;
    cell.logLoss += sign * logLoss;
    cell.brier += sign * brier;
    each.lags.set(lagBin, (each.lags.get(lagBin) ?? 0) + sign);
  }
}

const float = new Float64Array(1);
const word = new Int32Array(float.buffer);

/**
 * Bins that grow with the score. Probabilities: sixteenths of log-odds, from −35 to 35. Other numbers: the sign, the exponent and five more bits of the float, which
 * is some 3 % of the number.
 */
function binOf(score: number, { kind }: Scoring): number {
  if (kind !== "regression") {
    const clipped = Math.min(1 - 1e-15, Math.max(1e-15, score));
    return Math.floor(16 * (Math.log(clipped) - Math.log1p(-clipped)));
  }
  float[0] = score + 0;
  const high = word[1] as number;
  return (high >= 0 ? high : high ^ 0x7fffffff) >> 15;
}
