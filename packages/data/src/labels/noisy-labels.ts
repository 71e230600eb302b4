import { type Batch, type Column, createRandom } from "@millwright/contracts";
import { columnOf } from "../batch.ts";
import { isNumericType } from "../column.ts";
import { columnType } from "../errors.ts";
import { asFloat64 } from "../float64.ts";
import { keyTexts } from "../key-text.ts";
import { momentsOf, varianceOf } from "../moments.ts";

export interface NoisyLabelOptions {
  /** The column of classes: any type but float and list. */
  readonly label: string;
  /** Default: all other columns. Numbers, times and booleans are standardized; of text, being different counts as one standard deviation. */
  readonly features?: readonly string[] | undefined;
  /** Neighbours that vote, from 1. Default: 10. */
  readonly neighbours?: number | undefined;
  /** A row's neighbours come from the other folds, from 2. Default: 5. */
  readonly folds?: number | undefined;
  /** Another seed makes other folds. Default: 0. */
  readonly seed?: number | undefined;
  /** Most rows named. Default: 100. */
  readonly limit?: number | undefined;
  /** Most rows looked at: time grows with their square, a few seconds at 20,000 with ten features. Default: 20,000. */
  readonly maxRows?: number | undefined;
}

/** A label that its neighbours doubt. */
export interface SuspiciousLabel {
  /** From 0. */
  readonly row: number;
  readonly label: string;
  /** The label that most neighbours have, other than the row's own. */
  readonly suggested: string;
  /** Share of the neighbours with the suggested label less that with the row's own, in [-1, 1]: 1 where all neighbours have the other. */
  readonly score: number;
}

/** JSON-safe. */
export interface NoisyLabelReport {
  readonly formatVersion: 1;
  /** Rows with a label. */
  readonly rows: number;
  /** How many labels are likely wrong, by confident learning (Northcutt, Jiang and Chuang, 2021): rows whose neighbours are surer of another class than is usual for that class. */
  readonly estimatedErrors: number;
  /** The most doubtful first; at most `limit`, and none with a score below 0. */
  readonly suspicious: readonly SuspiciousLabel[];
}

/**
 * Ranks the labels of a table by how much the nearest rows of other folds contradict them. The same seed gives the same ranking on every machine.
 * Throws `DATA_COLUMN_MISSING`, `DATA_COLUMN_TYPE`, and a RangeError for options out of range or more than `maxRows` rows.
 */
export function rankNoisyLabels(batch: Batch, options: NoisyLabelOptions): NoisyLabelReport {
  const { neighbours = 10, folds = 5, seed = 0, limit = 100 } = options;
  assertOptions(batch, options);
  const { rows, labels, names } = readLabels(batch, options.label);
  if (rows.length < folds || names.length < 2)
    return { formatVersion: 1, rows: rows.length, estimatedErrors: 0, suspicious: [] };
  const features = options.features ?? Object.keys(batch.columns).filter((name) => name !== options.label);
  const points = readPoints(batch, features, rows);
  const votes = voteOf(points, labels, names.length, foldsOf(rows.length, folds, seed), neighbours);
  const suspicious = labels
    .map((label, index) => suspicionOf(votes.subarray(index * names.length, (index + 1) * names.length), label, index))
    .filter(({ score }) => score >= 0)
    .sort((a, b) => b.score - a.score || a.index - b.index)
    .slice(0, limit)
    .map(({ index, suggested, score }) => ({
      row: rows[index] as number,
      label: names[labels[index] as number] as string,
      suggested: names[suggested] as string,
      score,
    }));
  return { formatVersion: 1, rows: rows.length, estimatedErrors: countErrors(votes, labels, names.length), suspicious };
}

function assertOptions(
  batch: Batch,
  { neighbours = 10, folds = 5, limit = 100, maxRows = 20_000 }: NoisyLabelOptions,
): void {
  for (const [name, value, least] of [
    ["neighbours", neighbours, 1],
    ["folds", folds, 2],
    ["limit", limit, 0],
    ["maxRows", maxRows, 1],
  ] as const) {
    if (!(Number.isInteger(value) && value >= least))
      throw new RangeError(`${name} must be an integer from ${least}, not ${value}.`);
  }
  if (batch.length > maxRows)
    throw new RangeError(
      `The batch has ${batch.length} rows, more than maxRows ${maxRows}. Take a sample, or raise maxRows.`,
    );
}

interface Labels {
  /** Rows with a label. */
  readonly rows: readonly number[];
  /** The number of each one's class. */
  readonly labels: readonly number[];
  readonly names: readonly string[];
}

function readLabels(batch: Batch, name: string): Labels {
  const column = columnOf(batch, name);
  if (column.type === "float32" || column.type === "float64") throw columnType(name, column.type, "a type of classes");
  const labelAt = keyTexts(name, column);
  const numbers = new Map<string, number>();
  const rows: number[] = [];
  const labels: number[] = [];
  for (let row = 0; row < batch.length; row += 1) {
    const text = labelAt(row);
    if (text === undefined) continue;
    const number = numbers.get(text) ?? numbers.size;
    numbers.set(text, number);
    rows.push(row);
    labels.push(number);
  }
  return { rows, labels, names: [...numbers.keys()] };
}

/** One array a feature: standardized numbers, or the numbers of texts. */
interface Points {
  readonly length: number;
  readonly numbers: readonly Float64Array[];
  readonly categories: readonly Int32Array[];
}

function readPoints(batch: Batch, features: readonly string[], rows: readonly number[]): Points {
  const numbers: Float64Array[] = [];
  const categories: Int32Array[] = [];
  for (const name of features) {
    const column = columnOf(batch, name);
    if (isNumericType(column.type) || column.type === "bool") numbers.push(standardized(column, rows));
    else categories.push(numbered(name, column, rows));
  }
  return { length: rows.length, numbers, categories };
}

/** Missing and infinite numbers stand at the mean. */
function standardized(column: Column, rows: readonly number[]): Float64Array {
  const all = asFloat64(column);
  const values = Float64Array.from(rows, (row) => all[row] as number);
  const moments = momentsOf(values);
  const deviation = Math.sqrt(varianceOf(moments));
  return values.map((value) => (Number.isFinite(value) && deviation > 0 ? (value - moments.mean) / deviation : 0));
}

function numbered(name: string, column: Column, rows: readonly number[]): Int32Array {
  const keyAt = keyTexts(name, column);
  const numbers = new Map<string | undefined, number>();
  return Int32Array.from(rows, (row) => {
    const key = keyAt(row);
    const number = numbers.get(key) ?? numbers.size;
    numbers.set(key, number);
    return number;
  });
}

function foldsOf(rows: number, folds: number, seed: number): Int32Array {
  const random = createRandom(seed);
  const fold = Int32Array.from({ length: rows }, (_, index) => index % folds);
  // Fisher and Yates.
  for (let index = rows - 1; index > 0; index -= 1) {
    const other = random.integer(index + 1);
    [fold[index], fold[other]] = [fold[other] as number, fold[index] as number];
  }
  return fold;
}

/** @returns the neighbours' votes, by row and class: shares. */
function voteOf(
  points: Points,
  labels: readonly number[],
  classes: number,
  folds: Int32Array,
  neighbours: number,
): Float64Array {
  const votes = new Float64Array(points.length * classes);
  const distances = new Float64Array(points.length);
  for (let row = 0; row < points.length; row += 1) {
    writeDistances(points, row, distances);
    const nearest = nearestOf(distances, folds, folds[row] as number, neighbours);
    const counts = votes.subarray(row * classes, (row + 1) * classes);
    for (const other of nearest) {
      const label = labels[other] as number;
      counts[label] = (counts[label] as number) + 1;
    }
    for (let label = 0; label < classes; label += 1) counts[label] = (counts[label] as number) / nearest.length;
  }
  return votes;
}

/** Squared. */
function writeDistances({ length, numbers, categories }: Points, row: number, distances: Float64Array): void {
  distances.fill(0);
  for (const values of numbers) {
    const here = values[row] as number;
    for (let other = 0; other < length; other += 1) {
      const difference = (values[other] as number) - here;
      distances[other] = (distances[other] as number) + difference * difference;
    }
  }
  for (const values of categories) {
    const here = values[row];
    for (let other = 0; other < length; other += 1) {
      if (values[other] !== here) distances[other] = (distances[other] as number) + 1;
    }
  }
}

/** The nearest rows of other folds; the earlier row where two are equally near. */
function nearestOf(distances: Float64Array, folds: Int32Array, fold: number, count: number): readonly number[] {
  const nearest: number[] = [];
  for (let row = 0; row < distances.length; row += 1) {
    if (folds[row] === fold) continue;
    const distance = distances[row] as number;
    if (nearest.length === count && distance >= (distances[nearest[count - 1] as number] as number)) continue;
    let place = nearest.length;
    while (place > 0 && (distances[nearest[place - 1] as number] as number) > distance) place -= 1;
    nearest.splice(place, 0, row);
    if (nearest.length > count) nearest.pop();
  }
  return nearest;
}

function suspicionOf(
  votes: Float64Array,
  label: number,
  index: number,
): { readonly index: number; readonly suggested: number; readonly score: number } {
  let suggested = label === 0 ? 1 : 0;
  for (let other = 0; other < votes.length; other += 1) {
    if (other !== label && (votes[other] as number) > (votes[suggested] as number)) suggested = other;
  }
  return { index, suggested, score: (votes[suggested] as number) - (votes[label] as number) };
}

/** Off the diagonal of the confident joint. */
function countErrors(votes: Float64Array, labels: readonly number[], classes: number): number {
  const usual = new Float64Array(classes);
  const members = new Float64Array(classes);
  for (const [index, label] of labels.entries()) {
    usual[label] = (usual[label] as number) + (votes[index * classes + label] as number);
    members[label] = (members[label] as number) + 1;
  }
  return labels.reduce((errors, label, index) => {
    let surest = -1;
    for (let other = 0; other < classes; other += 1) {
      const share = votes[index * classes + other] as number;
      const isSure = share >= (usual[other] as number) / (members[other] as number);
      if (isSure && (surest < 0 || share > (votes[index * classes + surest] as number))) surest = other;
    }
    return surest >= 0 && surest !== label ? errors + 1 : errors;
  }, 0);
}
