import { checkedScores } from "./calibrate.ts";

export interface ReliabilityOptions {
  /** Probabilities of 1, or of the class that is judged: of several classes give the largest probability, and as label whether it was right. */
  readonly scores: ArrayLike<number>;
  /** 0 and 1. */
  readonly labels: ArrayLike<number>;
  /** Default: each row counts once. */
  readonly weights?: ArrayLike<number> | undefined;
  /** From 1 to 10,000. Default: 15, as Guo and others (2017). */
  readonly bins?: number | undefined;
  /** `width`: bins of one width. `mass`: bins of about as many rows, parted at quantiles. Default: `"width"`. */
  readonly binning?: "mass" | "width" | undefined;
}

/** What is said and what happens, bin by bin. JSON-safe. */
export interface Reliability {
  /** Expected calibration error: the mean distance between score and frequency, by weight (Naeini and others, 2015). */
  readonly expectedError: number;
  /** The largest distance of a bin. */
  readonly largestError: number;
  /** Mean square of score minus label. */
  readonly brier: number;
  /** Bins with rows, ascending: scores above `from` (the first also at it), at most `to`. */
  readonly curve: readonly {
    readonly from: number;
    readonly to: number;
    readonly rows: number;
    /** Mean score and share of 1, by weight. */
    readonly score: number;
    readonly frequency: number;
  }[];
}

/** How far probabilities can be taken at their word. Throws `ALGORITHMS_SCORES_UNFIT`; a RangeError for options. */
export function reliabilityOf(options: ReliabilityOptions): Reliability {
  const { bins = 15, binning = "width" } = options;
  if (!(Number.isInteger(bins) && bins >= 1 && bins <= 10_000))
    throw new RangeError("bins must be a whole number from 1 to 10,000.");
  if (binning !== "width" && binning !== "mass") throw new RangeError("The binning must be width or mass.");
  const { scores, labels, weights } = checkedScores(options, 1);
  const edges = edgesOf(scores, bins, binning);
  const sums = Array.from({ length: bins }, () => ({ rows: 0, weight: 0, score: 0, label: 0 }));
  let [total, brier] = [0, 0];
  for (const [row, score] of scores.entries()) {
    let bin = 0;
    while (bin < bins - 1 && score > edges[bin + 1]!) bin += 1;
    const sum = sums[bin]!;
    const weight = weights[row]!;
    sum.rows += 1;
    sum.weight += weight;
    sum.score += weight * score;
    sum.label += weight * labels[row]!;
    total += weight;
    brier += weight * (score - labels[row]!) ** 2;
  }
  const curve = sums.flatMap(({ rows, weight, score, label }, bin) =>
    weight === 0
      ? []
      : [{ from: edges[bin]!, to: edges[bin + 1]!, rows, weight, score: score / weight, frequency: label / weight }],
  );
  const distance = ({ score, frequency }: (typeof curve)[number]): number => Math.abs(score - frequency);
  return {
    expectedError: curve.reduce((sum, bin) => sum + (bin.weight * distance(bin)) / total, 0),
    largestError: Math.max(...curve.map(distance)),
    brier: brier / total,
    curve: curve.map(({ from, to, rows, score, frequency }) => ({ from, to, rows, score, frequency })),
  };
}

/** One more than bins. Quantiles are on the straight line between neighbours, numpy's default. */
function edgesOf(scores: Float64Array, bins: number, binning: "mass" | "width"): Float64Array {
  const sorted = scores.toSorted();
  return Float64Array.from({ length: bins + 1 }, (_, bin) => {
    if (binning === "width") return bin / bins;
    const place = (bin / bins) * (sorted.length - 1);
    const below = Math.floor(place);
    const value = sorted[below]!;
    return value + (place - below) * ((sorted[below + 1] ?? value) - value);
  });
}

/** What an answer costs, in any unit; a negative cost is a gain. */
export interface DecisionCosts {
  readonly falsePositive: number;
  readonly falseNegative: number;
  /** Default: 0. */
  readonly truePositive?: number | undefined;
  /** Default: 0. */
  readonly trueNegative?: number | undefined;
}

export interface ThresholdOptions {
  readonly scores: ArrayLike<number>;
  /** 0 and 1. */
  readonly labels: ArrayLike<number>;
  /** Default: each row counts once. */
  readonly weights?: ArrayLike<number> | undefined;
  readonly costs: DecisionCosts;
}

/** JSON-safe. */
export interface ChosenThreshold {
  /** Say 1 where the score is at least this: halfway between two scores; the lowest score for always; a little above the highest for never. */
  readonly threshold: number;
  /** Of all rows, by weight, and of one. */
  readonly cost: number;
  readonly meanCost: number;
  /** Weights of the rows of each kind. */
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly trueNegatives: number;
  readonly falseNegatives: number;
  /** The threshold that would be best if the scores were the true probabilities (Elkan, 2001, equation 2); undefined where one answer never pays. */
  readonly ifCalibrated: number | undefined;
}

/**
 * The threshold of least cost on these rows, over all that tell them apart; of several the largest. Throws `ALGORITHMS_SCORES_UNFIT`; a RangeError for costs
 * that are not finite.
 */
export function chooseThreshold(options: ThresholdOptions): ChosenThreshold {
  const { falsePositive, falseNegative, truePositive = 0, trueNegative = 0 } = options.costs;
  for (const cost of [falsePositive, falseNegative, truePositive, trueNegative])
    if (!Number.isFinite(cost)) throw new RangeError("Costs must be finite numbers.");
  const { scores, labels, weights } = checkedScores(options, 1);
  const order = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!);
  const total = { positive: 0, negative: 0 };
  for (const [row, label] of labels.entries()) total[label === 1 ? "positive" : "negative"] += weights[row]!;
  const caught = { positive: 0, negative: 0 };
  const costNow = (): number =>
    caught.positive * truePositive +
    caught.negative * falsePositive +
    (total.positive - caught.positive) * falseNegative +
    (total.negative - caught.negative) * trueNegative;
  const highest = scores[order[0]!]!;
  let best = { cost: costNow(), threshold: highest + Math.max(Number.MIN_VALUE, highest * 2 ** -52), ...caught };
  for (const [place, row] of order.entries()) {
    caught[labels[row] === 1 ? "positive" : "negative"] += weights[row]!;
    const next = order[place + 1];
    if (next !== undefined && scores[next] === scores[row]) continue;
    const cost = costNow();
    if (cost < best.cost)
      best = { cost, threshold: next === undefined ? scores[row]! : (scores[row]! + scores[next]!) / 2, ...caught };
  }
  const wrongly = falsePositive - trueNegative;
  const missed = falseNegative - truePositive;
  return {
    threshold: best.threshold,
    cost: best.cost,
    meanCost: best.cost / (total.positive + total.negative),
    truePositives: best.positive,
    falsePositives: best.negative,
    trueNegatives: total.negative - best.negative,
    falseNegatives: total.positive - best.positive,
    ifCalibrated: wrongly > 0 && missed > 0 ? wrongly / (wrongly + missed) : undefined,
  };
}
