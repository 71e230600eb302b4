import { type Batch, createRandom, type Random } from "@millwright/contracts";
import { rowsInvalid } from "../errors.ts";
import { type Feature, fitFeatures, readFeatures } from "../features/feature-table.ts";
import { shuffled } from "../multivariate/kernel.ts";
import { benjaminiHochberg } from "../statistics/count-tests.ts";
import { normalSurvival, z95 } from "../statistics/distributions.ts";
import { describeCondition, meets, type SliceCondition } from "./slice-condition.ts";
import { type Candidate, type SearchOptions, searchSlice } from "./slice-search.ts";

export interface FindSlicesOptions {
  /** Default: all numbers, booleans and texts. */
  readonly columns?: readonly string[] | undefined;
  /** Most conditions of a slice, 1 to 3. Default: 3. */
  readonly maxConditions?: number | undefined;
  /** Fewest rows of a slice in each of the two halves, at least 10. Default: 30. */
  readonly minimumRows?: number | undefined;
  /** The false-discovery rate, in (0, 1): the expected share of slices found that are no worse than the rest. Default: 0.05. */
  readonly alpha?: number | undefined;
  /** Ranges of a column of numbers, by its quantiles, 2 to 20. Default: 4. */
  readonly bins?: number | undefined;
  /** Slices that are looked further into, 1 to 200. Default: 20. */
  readonly beamWidth?: number | undefined;
  /** Most slices that are tested, 1 to 50. Default: 5. */
  readonly candidates?: number | undefined;
  /** Which rows are searched and which tested. Default: a stream that begins the same in each call. */
  readonly random?: Random | undefined;
}

/**
 * Rows that have something in common, and lose more than the rest. All figures but `rows` and `share` are of the half that was not searched, without the rows of slices that were found before it: a slice is worse
 * for reasons of its own, not since it holds a part of a worse one.
 */
export interface Slice {
  readonly conditions: readonly SliceCondition[];
  /** The conditions as a sentence. */
  readonly text: string;
  /** Of all rows. */
  readonly rows: number;
  readonly share: number;
  readonly testedRows: number;
  readonly meanLoss: number;
  readonly restLoss: number;
  /** `meanLoss` − `restLoss`, and its 95 % interval (Welch's standard error). */
  readonly difference: number;
  readonly lower: number;
  readonly upper: number;
  /** One-sided, that so many rows drawn at random lose as much. */
  readonly pValue: number;
  /** After Benjamini and Hochberg over all slices tested. */
  readonly adjustedPValue: number;
}

export interface SliceReport {
  /** Those with an adjusted p-value of at most `alpha`, that with the highest lower end of its interval first: large and sure. */
  readonly slices: readonly Slice[];
  /** How many were tested. */
  readonly tested: number;
  readonly rows: number;
  readonly meanLoss: number;
}

interface Checked extends SearchOptions {
  readonly candidates: number;
  readonly alpha: number;
  readonly random: Random;
}

/** Throws a RangeError for options out of range. */
export function checkedSearch(options: FindSlicesOptions): Checked {
  const { maxConditions = 3, minimumRows = 30, alpha = 0.05, bins = 4, beamWidth = 20, candidates = 5 } = options;
  const whole = (what: string, value: number, least: number, most: number): void => {
    if (!(Number.isInteger(value) && value >= least && value <= most))
      throw new RangeError(`${what} must be a whole number from ${least} to ${most}, not ${value}.`);
  };
  whole("maxConditions", maxConditions, 1, 3);
  whole("minimumRows", minimumRows, 10, 1_000_000_000);
  whole("bins", bins, 2, 20);
  whole("beamWidth", beamWidth, 1, 200);
  whole("candidates", candidates, 1, 50);
  if (!(alpha > 0 && alpha < 1)) throw new RangeError(`alpha must be in (0, 1), not ${alpha}.`);
  const { random = createRandom(0) } = options;
  return { maxConditions, minimumRows, alpha, bins, beamWidth, candidates, random };
}

/**
 * Finds the slices of rows on which a model does worst: beam search over up to three conditions on one half of the rows, and tests of what it found on the other, with the false-discovery rate held.
 * The search cannot make the tests lie, since they see rows that it did not. Throws `MONITOR_ROWS_INVALID`, and a RangeError for options out of range.
 * @param losses Of each row, the higher the worse: 1 for a wrong class, an absolute error, a log loss.
 */
export function findSlices(rows: Batch, losses: ArrayLike<number>, options: FindSlicesOptions = {}): SliceReport {
  const { alpha, random, candidates, ...search } = checkedSearch(options);
  const all = Float64Array.from(losses, Number);
  if (all.length !== rows.length) throw rowsInvalid(`there are ${all.length} losses for ${rows.length} rows`);
  const bad = all.findIndex((loss) => !Number.isFinite(loss));
  if (bad >= 0) throw rowsInvalid(`the loss of row ${bad} is ${all[bad]}`);
  const features = fitFeatures(rows, options.columns);
  const columns = readFeatures(rows, features);
  const order = shuffled(rows.length, random);
  const middle = rows.length >> 1;
  let [searched, tested] = [order.slice(0, middle), order.slice(middle)];
  const at = (values: Float64Array, which: Uint32Array) => Float64Array.from(which, (row) => values[row]!);
  const slices: Omit<Slice, "adjustedPValue">[] = [];
  while (slices.length < candidates) {
    const parts = columns.map((column) => at(column, searched));
    const found = searchSlice(features, parts, at(all, searched), search);
    if (found === undefined || found.z < leastZ) break;
    const conditions = inOrder(found, features);
    const members = membersOf(conditions, features, columns, rows.length);
    const size = members.reduce((sum, each) => sum + each, 0);
    const judged = judge(conditions, members, at(all, tested), tested, random);
    slices.push({ ...judged, rows: size, share: size / rows.length });
    [searched, tested] = [searched, tested].map((half) => half.filter((row) => members[row] === 0)) as [
      Uint32Array<ArrayBuffer>,
      Uint32Array<ArrayBuffer>,
    ];
  }
  const adjusted = benjaminiHochberg(slices.map(({ pValue }) => pValue));
  return {
    slices: slices
      .map((slice, index) => ({ ...slice, adjustedPValue: adjusted[index]! }))
      .filter(({ adjustedPValue }) => adjustedPValue <= alpha)
      .sort((a, b) => b.lower - a.lower),
    tested: slices.length,
    rows: rows.length,
    meanLoss: all.reduce((sum, each) => sum + each, 0) / rows.length,
  };
}

/** What is not even this many standard errors worse in the half that was searched for it is not tested. */
const leastZ = 2;

/** 1 for each row that meets all conditions. */
function membersOf(
  conditions: readonly SliceCondition[],
  features: readonly Feature[],
  columns: readonly Float64Array[],
  rows: number,
): Uint8Array {
  const members = new Uint8Array(rows).fill(1);
  for (const condition of conditions) {
    const index = features.findIndex(({ name }) => name === condition.column);
    const holds = meets(condition, features[index]!);
    for (let row = 0; row < rows; row += 1) if (!holds(columns[index]![row]!)) members[row] = 0;
  }
  return members;
}

/** The conditions in the order of the columns. */
function inOrder({ conditions }: Candidate, features: readonly Feature[]): SliceCondition[] {
  const place = ({ column }: SliceCondition): number => features.findIndex(({ name }) => name === column);
  return [...conditions].sort((a, b) => place(a) - place(b));
}

const meanAndError = (values: readonly number[]): readonly [number, number] => {
  const mean = values.reduce((sum, each) => sum + each, 0) / values.length;
  const squares = values.reduce((sum, each) => sum + (each - mean) ** 2, 0);
  return [mean, squares / Math.max(1, values.length - 1) / values.length];
};

function judge(
  conditions: readonly SliceCondition[],
  members: Uint8Array,
  losses: Float64Array,
  tested: Uint32Array,
  random: Random,
) {
  const inside: number[] = [];
  const outside: number[] = [];
  for (const [place, row] of tested.entries()) (members[row] === 1 ? inside : outside).push(losses[place]!);
  const [[meanLoss, inError], [restLoss, outError]] = [meanAndError(inside), meanAndError(outside)];
  const difference = meanLoss - restLoss;
  const width = z95 * Math.sqrt(inError + outError);
  return {
    conditions,
    text: conditions.map(describeCondition).join(" and "),
    testedRows: inside.length,
    meanLoss,
    restLoss,
    difference,
    lower: difference - width,
    upper: difference + width,
    pValue: inside.length === 0 || outside.length === 0 ? 1 : drawnPValue(inside, losses, random),
  };
}

/** Sums of so many rows are as good as normal, whatever the losses. */
const manyRows = 500;
const draws = 2_000;

/** How probable it is that as many of the rows, drawn without replacement, lose as much in sum: by drawing, or for many rows by the normal distribution. */
function drawnPValue(inside: readonly number[], losses: Float64Array, random: Random): number {
  const [rows, count] = [losses.length, inside.length];
  const sum = inside.reduce((total, each) => total + each, 0);
  const mean = losses.reduce((total, each) => total + each, 0) / rows;
  const variance = losses.reduce((total, each) => total + (each - mean) ** 2, 0) / rows;
  const z = (sum / count - mean) / Math.sqrt((variance / count) * ((rows - count) / (rows - 1)));
  if (variance === 0) return 1;
  if (Math.min(count, rows - count) > manyRows) return normalSurvival(z);
  const pool = losses.slice();
  let reached = 0;
  // A sum of the same rows in another order is as large.
  const least = sum - 1e-9 * Math.abs(sum);
  for (let draw = 0; draw < draws; draw += 1) {
    let drawn = 0;
    for (let place = 0; place < count; place += 1) {
      const other = place + random.integer(rows - place);
      const value = pool[other]!;
      pool[other] = pool[place]!;
      pool[place] = value;
      drawn += value;
    }
    if (drawn >= least) reached += 1;
  }
  return (1 + reached) / (1 + draws);
}
