/** What stands in the artifact of a chart: JSON with a version, so that readers of later releases know it. */
export type RunChart = TableChart | ConfusionChart | RocChart | PrecisionRecallChart;

export type TableCell = string | number | boolean | null;

/** Rows of a table by its columns. */
export interface TableChart {
  readonly formatVersion: 1;
  readonly kind: "table";
  readonly columns: readonly string[];
  readonly rows: readonly (readonly TableCell[])[];
}

/** How often each class was taken for each. */
export interface ConfusionChart {
  readonly formatVersion: 1;
  readonly kind: "confusion";
  readonly labels: readonly string[];
  /** A row per actual class, a column per predicted one, in the order of `labels`. */
  readonly counts: readonly (readonly number[])[];
}

/** Receiver operating characteristic, from (0, 0) to (1, 1). */
export interface RocChart {
  readonly formatVersion: 1;
  readonly kind: "roc";
  /** `threshold`: the least score that is called positive; null where none is. */
  readonly points: readonly {
    readonly threshold: number | null;
    readonly falsePositiveRate: number;
    readonly truePositiveRate: number;
  }[];
  /** Below the whole curve, by the trapezoidal rule. */
  readonly area: number;
}

export interface PrecisionRecallChart {
  readonly formatVersion: 1;
  readonly kind: "precision-recall";
  /** By falling threshold, recall rises. */
  readonly points: readonly { readonly threshold: number; readonly precision: number; readonly recall: number }[];
  /** Σ (Rₙ − Rₙ₋₁) Pₙ over all thresholds. */
  readonly averagePrecision: number;
}

/** Throws RangeError where columns differ in length, TypeError for a value that is no text, finite number, boolean or null. */
export function tableChart(columns: Readonly<Record<string, readonly TableCell[]>>): TableChart {
  const names = Object.keys(columns);
  const length = columns[names[0] ?? ""]?.length ?? 0;
  for (const name of names) {
    const column = columns[name] as readonly TableCell[];
    if (column.length !== length)
      throw new RangeError(`The column "${name}" has ${column.length} rows, others ${length}.`);
    for (const [row, cell] of column.entries())
      if (!isCell(cell))
        throw new TypeError(`Row ${row} of the column "${name}" is ${typeof cell}, or no finite number.`);
  }
  const rows = Array.from({ length }, (_, row) => names.map((name) => columns[name]?.[row] as TableCell));
  return { formatVersion: 1, kind: "table", columns: names, rows };
}

export const isCell = (cell: unknown): cell is TableCell =>
  cell === null || typeof cell === "string" || typeof cell === "boolean" || Number.isFinite(cell);

/** @param options.labels The classes and their order. Default: those that occur, by name. Throws RangeError for others, or for unequal lengths. */
export function confusionChart(
  actual: readonly string[],
  predicted: readonly string[],
  options: { readonly labels?: readonly string[] | undefined } = {},
): ConfusionChart {
  if (actual.length !== predicted.length)
    throw new RangeError(`There are ${actual.length} actual classes and ${predicted.length} predicted ones.`);
  const labels = options.labels ?? [...new Set([...actual, ...predicted])].toSorted();
  const places = new Map(labels.map((label, place) => [label, place]));
  const counts = labels.map(() => labels.map(() => 0));
  for (const [index, label] of actual.entries()) {
    const row = counts[places.get(label) ?? -1];
    const column = places.get(predicted[index] as string);
    if (row === undefined || column === undefined)
      throw new RangeError(`Row ${index} has a class that is not among the labels ${labels.join(", ")}.`);
    row[column] = (row[column] as number) + 1;
  }
  return { formatVersion: 1, kind: "confusion", labels: [...labels], counts };
}

export interface CurveOptions {
  /** Neighbouring points are dropped while no rate moves by more than 1/`points`. Default: 1000. */
  readonly points?: number | undefined;
}

/**
 * @param actual Whether each example is positive; both must occur.
 * @param scores Greater: more likely positive. Examples of equal scores are called positive together.
 */
export function rocChart(
  actual: readonly boolean[],
  scores: readonly number[],
  { points = 1000 }: CurveOptions = {},
): RocChart {
  const cuts = cutsOf(actual, scores, points);
  const { positives, negatives } = cuts.at(-1) as Cut;
  if (negatives === 0) throw new RangeError("A ROC curve needs an example that is not positive.");
  const curve = [{ threshold: null as number | null, falsePositiveRate: 0, truePositiveRate: 0 }];
  let area = 0;
  let before: Omit<Cut, "threshold"> = { positives: 0, negatives: 0 };
  for (const cut of cuts) {
    area += ((cut.negatives - before.negatives) * (cut.positives + before.positives)) / 2;
    before = cut;
    curve.push({
      threshold: cut.threshold,
      falsePositiveRate: cut.negatives / negatives,
      truePositiveRate: cut.positives / positives,
    });
  }
  const kept = thin(curve, points, ({ falsePositiveRate, truePositiveRate }) => [falsePositiveRate, truePositiveRate]);
  return { formatVersion: 1, kind: "roc", points: kept, area: area / positives / negatives };
}

/** @param actual and `scores` as for `rocChart`; one example at least is positive. */
export function precisionRecallChart(
  actual: readonly boolean[],
  scores: readonly number[],
  { points = 1000 }: CurveOptions = {},
): PrecisionRecallChart {
  const cuts = cutsOf(actual, scores, points);
  const { positives: all } = cuts.at(-1) as Cut;
  let averagePrecision = 0;
  let before = 0;
  const curve = cuts.map(({ threshold, positives, negatives }) => {
    const precision = positives / (positives + negatives);
    averagePrecision += ((positives - before) / all) * precision;
    before = positives;
    return { threshold, precision, recall: positives / all };
  });
  const kept = thin(curve, points, ({ precision, recall }) => [precision, recall]);
  return { formatVersion: 1, kind: "precision-recall", points: kept, averagePrecision };
}

/** Examples with a score of `threshold` or more. */
interface Cut {
  readonly threshold: number;
  readonly positives: number;
  readonly negatives: number;
}

/** By falling threshold, one for each score there is. */
function cutsOf(actual: readonly boolean[], scores: readonly number[], points: number): readonly Cut[] {
  if (!Number.isInteger(points) || points < 2) throw new RangeError(`A curve has 2 points or more, not ${points}.`);
  if (actual.length !== scores.length)
    throw new RangeError(`There are ${actual.length} actual classes and ${scores.length} scores.`);
  if (!scores.every((score) => Number.isFinite(score))) throw new RangeError("Every score is a finite number.");
  const order = Uint32Array.from(scores, (_, index) => index).sort(
    (a, b) => (scores[b] as number) - (scores[a] as number),
  );
  const cuts: Cut[] = [];
  let positives = 0;
  for (const [rank, index] of order.entries()) {
    if (actual[index] === true) positives += 1;
    const threshold = scores[index] as number;
    if (scores[order[rank + 1] ?? -1] === threshold) continue;
    cuts.push({ threshold, positives, negatives: rank + 1 - positives });
  }
  if (positives === 0) throw new RangeError("A curve needs an example that is positive.");
  return cuts;
}

/** Without the points between which nothing moves by more than 1/`points`. */
function thin<Point>(
  curve: readonly Point[],
  points: number,
  rates: (point: Point) => readonly [number, number],
): readonly Point[] {
  const kept: Point[] = [];
  for (const [index, point] of curve.entries()) {
    const last = kept.at(-1);
    const next = curve[index + 1];
    if (last === undefined || next === undefined) {
      kept.push(point);
      continue;
    }
    const [a, b] = rates(last);
    const [c, d] = rates(next);
    if (Math.abs(c - a) > 1 / points || Math.abs(d - b) > 1 / points) kept.push(point);
  }
  return kept;
}
