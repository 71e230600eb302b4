import type { CalibrationMap } from "@millwright/model";
import { scoresUnfit } from "./errors.ts";

export interface CalibrationOptions {
  /** Probabilities that a model gave to rows that it was not fitted to: one a row, or `outputs` a row. */
  readonly scores: ArrayLike<number>;
  /** 0 and 1; with several outputs the position of each row's class. */
  readonly labels: ArrayLike<number>;
  /** Default: each row counts once. */
  readonly weights?: ArrayLike<number> | undefined;
  /**
   * `platt`: a logistic curve over the logarithm of the odds, for few rows; `isotonic`: whatever rises, from about a thousand rows on; `temperature`: one
   * number, which leaves every row's most probable class as it is. With several outputs `temperature` alone.
   */
  readonly method: CalibrationMap["kind"];
  /** Numbers a row. Default: 1. */
  readonly outputs?: number | undefined;
}

/**
 * Fits a map from a model's probabilities to calibrated ones, for `writeCalibration` of `@millwright/model` and `packFitted`. Of Platt's method with the targets of
 * Platt (1999), equations 3; isotonic regression by pooling adjacent violators (Ayer and others, 1955); the temperature of least log loss (Guo and others, 2017).
 * Throws `ALGORITHMS_SCORES_UNFIT` for what cannot be learned from; a RangeError for a method that there is not.
 */
export function fitCalibration(options: CalibrationOptions): CalibrationMap {
  const { method, outputs = 1 } = options;
  if (method !== "platt" && method !== "isotonic" && method !== "temperature")
    throw new RangeError("The method must be platt, isotonic or temperature.");
  if (!(Number.isInteger(outputs) && outputs > 0)) throw new RangeError("outputs must be a whole number above 0.");
  if (outputs > 1 && method !== "temperature")
    throw scoresUnfit(`${method} takes one output, and there are ${outputs}`, "Calibrate several by temperature.");
  const rows = checkedScores(options, outputs);
  if (method === "temperature") return fitTemperature(rows, outputs);
  return method === "platt" ? fitPlatt(rows) : fitIsotonic(rows);
}

export interface ScoredRows {
  readonly scores: Float64Array;
  readonly labels: Float64Array;
  readonly weights: Float64Array;
}

/** Throws `ALGORITHMS_SCORES_UNFIT`. */
export function checkedScores(
  given: {
    readonly scores: ArrayLike<number>;
    readonly labels: ArrayLike<number>;
    readonly weights?: ArrayLike<number> | undefined;
  },
  outputs: number,
): ScoredRows {
  const [scores, labels] = [given.scores, given.labels].map((list) => Float64Array.from(list)) as [
    Float64Array,
    Float64Array,
  ];
  const weights =
    given.weights === undefined ? new Float64Array(labels.length).fill(1) : Float64Array.from(given.weights);
  const remedy = "Give a probability, a label and, if any, a weight of each row.";
  if (labels.length === 0) throw scoresUnfit("there are no rows", remedy);
  if (scores.length !== labels.length * outputs || weights.length !== labels.length)
    throw scoresUnfit(
      `there are ${scores.length} scores and ${weights.length} weights for ${labels.length} rows`,
      remedy,
    );
  const badScore = scores.findIndex((score) => !(score >= 0 && score <= 1));
  if (badScore >= 0) throw scoresUnfit(`score ${badScore} is ${scores[badScore]}`, "Give probabilities from 0 to 1.");
  const classes = Math.max(2, outputs);
  const badLabel = labels.findIndex((label) => !(Number.isInteger(label) && label >= 0 && label < classes));
  if (badLabel >= 0)
    throw scoresUnfit(`label ${badLabel} is ${labels[badLabel]}`, `Give whole numbers from 0 to ${classes - 1}.`);
  const badWeight = weights.findIndex((weight) => !(weight >= 0 && weight < Infinity));
  if (badWeight >= 0)
    throw scoresUnfit(`weight ${badWeight} is ${weights[badWeight]}`, "Give finite weights of 0 or more.");
  if (weights.every((weight) => weight === 0)) throw scoresUnfit("all weights are 0", remedy);
  return { scores, labels, weights };
}

const logit = (probability: number): number => {
  const within = Math.min(1 - 1e-15, Math.max(1e-15, probability));
  return Math.log(within / (1 - within));
};

/** By Newton's method with steps halved where they do not help, as Lin, Lin and Weng (2007). */
function fitPlatt({ scores, labels, weights }: ScoredRows): CalibrationMap {
  const logits = scores.map(logit);
  let [positive, negative] = [0, 0];
  for (const [row, label] of labels.entries()) {
    if (label === 1) positive += weights[row]!;
    else negative += weights[row]!;
  }
  const targets = labels.map((label) => (label === 1 ? (positive + 1) / (positive + 2) : 1 / (negative + 2)));
  let [slope, intercept] = [0, Math.log((positive + 1) / (negative + 1))];
  const lossAt = (a: number, b: number): number =>
    logits.reduce((sum, score, row) => {
      const z = a * score + b;
      return sum + weights[row]! * (Math.max(z, 0) - z * targets[row]! + Math.log1p(Math.exp(-Math.abs(z))));
    }, 0);
  let loss = lossAt(slope, intercept);
  for (let iteration = 0; iteration < 200; iteration += 1) {
    let [ga, gb, haa, hab, hbb] = [0, 0, 1e-12, 0, 1e-12];
    for (const [row, score] of logits.entries()) {
      const probability = 1 / (1 + Math.exp(-(slope * score + intercept)));
      const error = weights[row]! * (probability - targets[row]!);
      const curvature = weights[row]! * probability * (1 - probability);
      ga += error * score;
      gb += error;
      haa += curvature * score * score;
      hab += curvature * score;
      hbb += curvature;
    }
    const determinant = haa * hbb - hab * hab;
    // Scores that are all one tell nothing of the slope.
    if (!(determinant > 1e-14 * haa * hbb)) return { kind: "platt", slope: 0, intercept };
    const [da, db] = [(hbb * ga - hab * gb) / determinant, (haa * gb - hab * ga) / determinant];
    let share = 1;
    while (share > 1e-10 && lossAt(slope - share * da, intercept - share * db) > loss) share /= 2;
    [slope, intercept] = [slope - share * da, intercept - share * db];
    loss = lossAt(slope, intercept);
    if (Math.abs(da) + Math.abs(db) < 1e-12 * (1 + Math.abs(slope) + Math.abs(intercept))) break;
  }
  return { kind: "platt", slope, intercept };
}

function fitIsotonic({ scores, labels, weights }: ScoredRows): CalibrationMap {
  const order = [...scores.keys()].filter((row) => weights[row]! > 0).sort((a, b) => scores[a]! - scores[b]!);
  /** Runs of scores that share a mean. */
  const blocks: { sum: number; weight: number; readonly from: number; to: number }[] = [];
  for (const row of order) {
    const score = scores[row]!;
    const last = blocks.at(-1);
    const [sum, weight] = [weights[row]! * labels[row]!, weights[row]!];
    // Equal scores are one point, whatever their labels.
    if (last !== undefined && last.to === score && last.from === score) {
      last.sum += sum;
      last.weight += weight;
    } else blocks.push({ sum, weight, from: score, to: score });
  }
  const pooled: typeof blocks = [];
  for (const block of blocks) {
    let top = { ...block };
    for (
      let last = pooled.at(-1);
      last !== undefined && last.sum * top.weight >= top.sum * last.weight;
      last = pooled.at(-1)
    ) {
      pooled.pop();
      top = { sum: last.sum + top.sum, weight: last.weight + top.weight, from: last.from, to: top.to };
    }
    pooled.push(top);
  }
  const points = pooled.flatMap(({ sum, weight, from, to }) => {
    const probability = sum / weight;
    return from === to ? [[from, probability] as const] : [[from, probability] as const, [to, probability] as const];
  });
  return { kind: "isotonic", scores: points.map(([score]) => score), probabilities: points.map(([, value]) => value) };
}

/** The log loss is convex in 1 / T: Newton's method within the bounds that its derivative's sign gives. */
function fitTemperature({ scores, labels, weights }: ScoredRows, outputs: number): CalibrationMap {
  const width = Math.max(2, outputs);
  const logs = new Float64Array(labels.length * width);
  for (let at = 0; at < logs.length; at += 1) {
    if (outputs === 1) logs[at] = at % 2 === 1 ? logit(scores[at >> 1]!) : 0;
    else logs[at] = Math.log(Math.max(scores[at]!, 1e-300));
  }
  let [low, high] = [1e-3, 1e3];
  let cooled = 1;
  for (let iteration = 0; iteration < 200 && high - low > 1e-14 * cooled; iteration += 1) {
    const [slope, curvature] = derivativesAt(logs, labels, weights, width, cooled);
    if (slope > 0) high = cooled;
    else low = cooled;
    const next = cooled - slope / curvature;
    const moved = next > low && next < high ? next : Math.sqrt(low * high);
    if (Math.abs(moved - cooled) < 1e-14 * cooled) break;
    cooled = moved;
  }
  return { kind: "temperature", temperature: 1 / cooled };
}

/** First and second derivative of the log loss by β = 1 / T: Σ (mean of the logs under softmax − the label's), and their variance. */
function derivativesAt(
  logs: Float64Array,
  labels: Float64Array,
  weights: Float64Array,
  width: number,
  beta: number,
): readonly [number, number] {
  let [slope, curvature] = [0, 1e-300];
  for (const [row, label] of labels.entries()) {
    const own = logs.subarray(row * width, (row + 1) * width);
    const largest = own.reduce((most, each) => Math.max(most, each), -Infinity);
    let [total, mean, square] = [0, 0, 0];
    for (const each of own) {
      const power = Math.exp(beta * (each - largest));
      total += power;
      mean += power * each;
      square += power * each * each;
    }
    mean /= total;
    slope += weights[row]! * (mean - own[label]!);
    curvature += weights[row]! * Math.max(0, square / total - mean * mean);
  }
  return [slope, curvature];
}
