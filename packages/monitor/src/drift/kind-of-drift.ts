import type { Batch, Column } from "@millwright/contracts";
import { isNumeric, toArray, type Value } from "@millwright/data";
import { rowsInvalid } from "../errors.ts";
import { chiSquaredContingency, twoProportions } from "../statistics/count-tests.ts";
import { chiSquaredSurvival } from "../statistics/distributions.ts";
import { kolmogorovSmirnov } from "../statistics/sample-tests.ts";

/** What a model saw, said, and was told, row by row. */
export interface OutcomeWindow {
  readonly features: Batch;
  /** The probability of the label 1, or the number that was predicted; one for each row. */
  readonly predictions: ArrayLike<number>;
  /** 0 and 1, or the numbers that came; NaN for rows whose label is not there yet. Absent: none came. */
  readonly labels?: ArrayLike<number> | undefined;
}

export interface KindOfDriftOptions {
  /** The chance of naming a drift where there is none, in (0, 1). Default: 0.01. */
  readonly alpha?: number | undefined;
  /** Fewest rows, and labelled rows, on both sides. Default: 200. */
  readonly minimumSamples?: number | undefined;
  /** Ranges of the prediction within which labels are compared, cut at the reference's quantiles. Default: 10. */
  readonly bins?: number | undefined;
  /** Smallest mean change of the share of labels within those ranges that counts as another concept, in [0, 1]: no model is so exact that its inputs may move without any. Default: 0.02. */
  readonly minimumChange?: number | undefined;
}

/** p-values; those over several columns are adjusted (Bonferroni). Absent where labels are too few. */
export interface KindOfDriftEvidence {
  /** P(x): the features. */
  readonly features: number;
  /** P(ŷ): the predictions. */
  readonly predictions: number;
  /** P(y): the labels. */
  readonly labels?: number | undefined;
  /** P(y | ŷ): the labels where predictions are alike. */
  readonly labelsGivenPredictions?: number | undefined;
  /** Mean absolute change of the share of labels where predictions are alike, weighted by the current rows. */
  readonly changeGivenPredictions?: number | undefined;
  /** P(x | y): features and predictions where labels are alike. */
  readonly featuresGivenLabels?: number | undefined;
}

/**
 * `covariate`: P(x) moved, P(y | x) did not. `prior`: P(y) moved, P(x | y) did not. `concept`: P(y | x) moved. `unlabelled`: features or predictions moved, and too few
 * labels came to tell which of the three it is.
 */
export type DriftKind = "none" | "covariate" | "prior" | "concept" | "unlabelled" | "not-enough-data";

export interface KindOfDrift {
  /** What matters most. */
  readonly kind: DriftKind;
  /** All that was found: a change of the concept may come with one of the features. */
  readonly kinds: readonly DriftKind[];
  /** Whether the distribution of the predictions moved, whatever moved it. */
  readonly predictionDrift: boolean;
  readonly evidence: KindOfDriftEvidence;
  readonly reasons: readonly string[];
}

interface Side {
  readonly features: Batch;
  readonly predictions: Float64Array;
  /** Rows whose label came. */
  readonly labelled: readonly number[];
  readonly labels: ArrayLike<number>;
}

function sideOf(window: OutcomeWindow, name: string): Side {
  const { features, predictions, labels = [] } = window;
  const numbers = Float64Array.from(predictions);
  if (numbers.length !== features.length || (labels.length !== 0 && labels.length !== features.length))
    throw rowsInvalid(
      `the ${name} side has ${features.length} rows, ${numbers.length} predictions and ${labels.length} labels`,
    );
  if (numbers.some((value) => !Number.isFinite(value)))
    throw rowsInvalid(`a prediction of the ${name} side is no finite number`);
  const labelled = Array.from({ length: labels.length }, (_, row) => row).filter((row) => Number.isFinite(labels[row]));
  return { features, predictions: numbers, labelled, labels };
}

/**
 * Tells drift of features, of labels and of the concept apart, by which conditional distribution stayed as it was. Labels that are not 0 and 1 are told apart at the reference's
 * median. Pure. Throws `MONITOR_ROWS_INVALID`.
 */
export function kindOfDrift(
  reference: OutcomeWindow,
  current: OutcomeWindow,
  { alpha = 0.01, minimumSamples = 200, bins = 10, minimumChange = 0.02 }: KindOfDriftOptions = {},
): KindOfDrift {
  if (!(alpha > 0 && alpha < 1)) throw rowsInvalid(`alpha must be in (0, 1), not ${alpha}`);
  if (!(Number.isInteger(bins) && bins >= 1 && bins <= 1000))
    throw rowsInvalid(`bins must be a whole number from 1 to 1000, not ${bins}`);
  const sides = [sideOf(reference, "reference"), sideOf(current, "current")] as const;
  if (Math.min(...sides.map(({ features }) => features.length)) < Math.max(1, minimumSamples))
    return nothing("not-enough-data", `One side has fewer than ${minimumSamples} rows.`);
  const [all, some] = sides.map(({ features }) => Array.from({ length: features.length }, (_, row) => row)) as [
    number[],
    number[],
  ];
  const features = featuresPValue(sides, all, some);
  const predictions = kolmogorovSmirnov(sides[0].predictions, sides[1].predictions).pValue;
  const labelled = Math.min(...sides.map((side) => side.labelled.length)) >= Math.max(1, minimumSamples);
  // Four questions share the risk.
  const level = alpha / 4;
  const evidence = { features, predictions, ...(labelled ? labelEvidence(sides, bins) : {}) };
  return { ...judge(evidence, level, minimumChange), predictionDrift: predictions <= level, evidence };
}

const nothing = (kind: DriftKind, reason: string): KindOfDrift => ({
  kind,
  kinds: [kind],
  predictionDrift: false,
  evidence: { features: 1, predictions: 1 },
  reasons: [reason],
});

function judge(
  {
    features,
    predictions,
    labels,
    labelsGivenPredictions,
    changeGivenPredictions = 0,
    featuresGivenLabels,
  }: KindOfDriftEvidence,
  level: number,
  minimumChange: number,
): Pick<KindOfDrift, "kind" | "kinds" | "reasons"> {
  if (labels === undefined || labelsGivenPredictions === undefined || featuresGivenLabels === undefined) {
    return Math.min(features, predictions) <= level
      ? {
          kind: "unlabelled",
          kinds: ["unlabelled"],
          reasons: ["Features or predictions moved, and too few labels came to tell why."],
        }
      : { kind: "none", kinds: ["none"], reasons: [] };
  }
  const movedFeatures = Math.min(features, predictions) <= level;
  const movedConcept = labelsGivenPredictions <= level && changeGivenPredictions >= minimumChange;
  const mayBePrior = labels <= level && featuresGivenLabels > level;
  const mayBeCovariate = movedFeatures && !movedConcept;
  if (mayBePrior && (!mayBeCovariate || featuresGivenLabels >= labelsGivenPredictions))
    return {
      kind: "prior",
      kinds: ["prior"],
      reasons: ["Labels come in other shares, and features where labels are alike are distributed as before."],
    };
  if (movedConcept) {
    const reasons = ["Where predictions are alike, labels come in other shares."];
    return movedFeatures && featuresGivenLabels <= level && features <= level
      ? {
          kind: "concept",
          kinds: ["concept", "covariate"],
          reasons: [...reasons, "Features are distributed otherwise."],
        }
      : { kind: "concept", kinds: ["concept"], reasons };
  }
  if (movedFeatures)
    return {
      kind: "covariate",
      kinds: ["covariate"],
      reasons: ["Features are distributed otherwise, and labels where predictions are alike come in the same shares."],
    };
  return { kind: "none", kinds: ["none"], reasons: [] };
}

/** Least p-value over the columns, adjusted for their number. */
function featuresPValue([a, b]: readonly [Side, Side], rowsA: readonly number[], rowsB: readonly number[]): number {
  const names = Object.keys(a.features.columns);
  const pValues = names.map((name) => {
    const other = Object.hasOwn(b.features.columns, name) ? b.features.columns[name] : undefined;
    if (other === undefined) throw rowsInvalid(`the current side has no column "${name}"`);
    return columnPValue(a.features.columns[name] as Column, other, rowsA, rowsB);
  });
  return Math.min(1, ...pValues.map((pValue) => pValue * Math.max(1, names.length)));
}

function columnPValue(a: Column, b: Column, rowsA: readonly number[], rowsB: readonly number[]): number {
  const [x, y] = [pick(a, rowsA), pick(b, rowsB)];
  if (isNumeric(a) && isNumeric(b)) {
    const numbers = [x, y].map((values) =>
      values
        .filter((value) => value !== null)
        .map(Number)
        .filter(Number.isFinite),
    );
    const [left, right] = numbers as [number[], number[]];
    return left.length === 0 || right.length === 0 ? 1 : kolmogorovSmirnov(left, right).pValue;
  }
  const counts = new Map<string, [number, number]>();
  for (const [side, values] of [x, y].entries()) {
    for (const value of values) {
      const pair = counts.get(String(value)) ?? [0, 0];
      pair[side as 0 | 1] += 1;
      counts.set(String(value), pair);
    }
  }
  // Rare ones together: the chi-squared distribution asks for five of each.
  const common = [...counts.values()].filter(([left, right]) => left + right >= 10);
  const rest = [x.length - sum(common, 0), y.length - sum(common, 1)] as const;
  const pairs = rest[0] + rest[1] > 0 ? [...common, rest] : common;
  if (pairs.length < 2) return 1;
  return chiSquaredContingency(
    pairs.map(([left]) => left),
    pairs.map(([, right]) => right),
  ).pValue;
}

const sum = (pairs: readonly (readonly [number, number])[], side: 0 | 1): number =>
  pairs.reduce((total, pair) => total + pair[side], 0);

function pick(column: Column, rows: readonly number[]): Value[] {
  const values = toArray(column);
  return rows.map((row) => values[row] ?? null);
}

/** What labels add. Labels become 0 and 1. */
function labelEvidence(sides: readonly [Side, Side], bins: number): Partial<KindOfDriftEvidence> {
  const known = sides[0].labelled.map((row) => sides[0].labels[row] as number).toSorted((a, b) => a - b);
  const isBinary = sides.every(({ labelled, labels }) =>
    labelled.every((row) => labels[row] === 0 || labels[row] === 1),
  );
  const cut = isBinary ? 0.5 : (known[known.length >> 1] as number);
  const positive = (side: Side, row: number): boolean => (side.labels[row] as number) > cut;
  const hits = sides.map((side) => side.labelled.filter((row) => positive(side, row)).length) as [number, number];
  const totals = sides.map(({ labelled }) => labelled.length) as [number, number];
  const given = [true, false].map((wanted) => {
    const [rowsA, rowsB] = sides.map((side) => side.labelled.filter((row) => positive(side, row) === wanted)) as [
      number[],
      number[],
    ];
    if (rowsA.length === 0 || rowsB.length === 0) return 1;
    const predicted = sides.map((side, index) =>
      (index === 0 ? rowsA : rowsB).map((row) => side.predictions[row] as number),
    );
    const byPrediction = kolmogorovSmirnov(predicted[0] as number[], predicted[1] as number[]).pValue;
    return Math.min(1, 2 * Math.min(byPrediction, featuresPValue(sides, rowsA, rowsB)));
  });
  return {
    labels: twoProportions(hits[0], totals[0], hits[1], totals[1]).pValue,
    featuresGivenLabels: Math.min(1, 2 * Math.min(...given)),
    ...givenPredictions(sides, positive, bins),
  };
}

/** Compares the shares of labels within ranges of the prediction: a sum of squared z-scores, chi-squared by the number of ranges. */
function givenPredictions(
  sides: readonly [Side, Side],
  positive: (side: Side, row: number) => boolean,
  bins: number,
): Pick<KindOfDriftEvidence, "labelsGivenPredictions" | "changeGivenPredictions"> {
  const ordered = sides[0].labelled.map((row) => sides[0].predictions[row] as number).toSorted((a, b) => a - b);
  const edges = Array.from(
    { length: bins - 1 },
    (_, index) => ordered[Math.floor(((index + 1) * ordered.length) / bins)] as number,
  );
  const table = Array.from({ length: bins }, () => [0, 0, 0, 0] as [number, number, number, number]);
  for (const [index, side] of sides.entries()) {
    for (const row of side.labelled) {
      const prediction = side.predictions[row] as number;
      const cell = table[edges.filter((edge) => prediction >= edge).length] as [number, number, number, number];
      cell[index === 0 ? 1 : 3] += 1;
      if (positive(side, row)) cell[index === 0 ? 0 : 2] += 1;
    }
  }
  let [squares, ranges, change, weight] = [0, 0, 0, 0];
  for (const [hitsA, totalA, hitsB, totalB] of table) {
    const share = (hitsA + hitsB) / (totalA + totalB);
    const smallest = Math.min(share, 1 - share) * Math.min(totalA, totalB);
    // Fewer than five expected: no normal approximation.
    if (!(smallest >= 5)) continue;
    const difference = hitsA / totalA - hitsB / totalB;
    squares += difference ** 2 / (share * (1 - share) * (1 / totalA + 1 / totalB));
    ranges += 1;
    change += totalB * Math.max(0, Math.abs(difference) - Math.sqrt(share * (1 - share) * (1 / totalA + 1 / totalB)));
    weight += totalB;
  }
  return {
    labelsGivenPredictions: ranges === 0 ? 1 : chiSquaredSurvival(squares, ranges),
    changeGivenPredictions: weight === 0 ? 0 : change / weight,
  };
}
