import type { Batch } from "@millwright/contracts";
import { toArray } from "@millwright/data";
import { rowsInvalid } from "../errors.ts";
import { type Feature, fitFeatures, readFeatures } from "../features/feature-table.ts";
import { binsOf, edgesOf, binOf } from "../learners/feature-bins.ts";
import { jensenShannon } from "../statistics/count-tests.ts";
import { z95 } from "../statistics/distributions.ts";

export interface DriftImpactOptions {
  /** Default: all numbers, booleans and texts. */
  readonly columns?: readonly string[] | undefined;
  /** How much a model rests on each column, at least 0, in any unit: permutation importances, mean absolute Shapley values. Default: none, and `weightedShift` is absent. */
  readonly importances?: Readonly<Record<string, number>> | undefined;
  /** Parts of a column of numbers, by the reference's quantiles, 2 to 200. Default: 50. */
  readonly bins?: number | undefined;
  /**
   * What to estimate in place of the mean loss, the higher the worse, of the reference's rows with these weights (their mean is 1): one less the weighted area under the ROC curve, say. Its error
   * comes from leaving out a twentieth of the rows at a time.
   */
  readonly metric?: ((weights: Float64Array) => number) | undefined;
}

export interface ColumnImpact {
  readonly name: string;
  /** Jensen–Shannon distance of the two sides, base 2, in [0, 1]. */
  readonly shift: number;
  /** importance × shift. */
  readonly weightedShift?: number | undefined;
  /** By how much the loss is expected to rise where this column alone becomes distributed as it is now: the reference's rows are weighted so that it is. Below 0: it falls. */
  readonly impact: number;
  /**
   * impact · max(0, 1 − (w / impact)²), w half the interval's width: 0 where the interval holds 0, nearly all of the impact where it is far from that (the positive part of James and Stein, 1961). A large
   * shift leaves few rows of the reference to judge by, and an uncertain impact.
   */
  readonly shrunkenImpact: number;
  /** The 95 % interval of the impact. */
  readonly lower: number;
  readonly upper: number;
  /** Share of the current rows with a text that no reference row has, or a number beyond all of theirs. What it does to the loss is not known. */
  readonly unseenShare: number;
}

export interface DriftImpactReport {
  /** By the shrunken impact, the most harmful first. */
  readonly columns: readonly ColumnImpact[];
  /** Names by importance × shift, the largest first; empty without importances. */
  readonly byImportance: readonly string[];
  /** The mean loss of the reference, or its metric. */
  readonly reference: number;
}

/** Rows in each part of a column; the last part is that of missing values. */
interface Parts {
  /** The part of each reference row. */
  readonly partOf: Uint16Array;
  readonly before: Float64Array;
  readonly now: Float64Array;
  readonly unseen: number;
}

function partsOf(
  feature: Feature,
  before: Float64Array,
  now: Float64Array,
  texts: readonly unknown[] | undefined,
  bins: number,
): Parts {
  const { bins: partOf, count } = binsOf(
    feature,
    before,
    feature.kind === "category" ? feature.categories.length : bins,
  );
  const [counts, current] = [new Float64Array(count + 1), new Float64Array(count + 1)];
  for (const part of partOf) counts[part]! += 1;
  const edges = feature.kind === "category" ? undefined : edgesOf(before, bins);
  let [least, most, unseen] = [Infinity, -Infinity, 0];
  for (const value of before) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  for (const [row, value] of now.entries()) {
    const isNew = texts !== undefined && value !== value && texts[row] !== null && texts[row] !== "";
    const part = value !== value ? count : edges === undefined ? value : binOf(edges, value);
    if (isNew || value < least || value > most || counts[part] === 0) unseen += 1;
    // Numbers beyond the ends are taken as like those at the ends; new texts are like nothing.
    if (!isNew) current[part]! += 1;
  }
  return { partOf, before: counts, now: current, unseen };
}

/** Weights of the reference's rows that make a column distributed as it is now, of those parts that the reference has; their mean is 1. */
function weightsOf({ partOf, before, now }: Parts): Float64Array {
  const known = now.reduce((sum, count, part) => sum + (before[part]! > 0 ? count : 0), 0);
  const ratio = now.map((count, part) =>
    before[part]! > 0 && known > 0 ? (count / known) * (partOf.length / before[part]!) : 0,
  );
  return known === 0 ? new Float64Array(partOf.length).fill(1) : Float64Array.from(partOf, (part) => ratio[part]!);
}

/**
 * The change of the mean loss and its standard error: the means of the parts, weighted as now, less weighted as before (post-stratification: Holt and Smith, 1979). The error has the losses' spread within
 * parts and the chance in both sides' counts.
 */
function meanImpact({ partOf, before, now }: Parts, losses: Float64Array): readonly [number, number] {
  const parts = before.length;
  const [means, spreads] = [new Float64Array(parts), new Float64Array(parts)];
  for (const [row, part] of partOf.entries()) means[part]! += losses[row]! / before[part]!;
  for (const [row, part] of partOf.entries()) spreads[part]! += (losses[row]! - means[part]!) ** 2;
  const known = now.reduce((sum, count, part) => sum + (before[part]! > 0 ? count : 0), 0);
  if (known === 0) return [0, Infinity];
  let [impact, variance] = [0, 0];
  const moments = { before: [0, 0], now: [0, 0] };
  for (let part = 0; part < parts; part += 1) {
    const count = before[part]!;
    if (count === 0) continue;
    const [was, is] = [count / partOf.length, now[part]! / known];
    impact += (is - was) * means[part]!;
    variance += ((is - was) ** 2 * spreads[part]!) / Math.max(1, count - 1) / count;
    for (const [side, share] of [
      ["before", was],
      ["now", is],
    ] as const) {
      moments[side][0]! += share * means[part]!;
      moments[side][1]! += share * means[part]! ** 2;
    }
  }
  for (const [side, rows] of [
    ["before", partOf.length],
    ["now", known],
  ] as const)
    variance += Math.max(0, moments[side][1]! - moments[side][0]! ** 2) / rows;
  return [impact, Math.sqrt(variance)];
}

const groups = 20;

/** The change of a metric and its standard error, by leaving out one group of rows at a time. */
function metricImpact(weights: Float64Array, metric: (weights: Float64Array) => number): readonly [number, number] {
  const change = (kept: (row: number) => boolean): number => {
    const scaled = (each: Float64Array): Float64Array => {
      const masked = each.map((weight, row) => (kept(row) ? weight : 0));
      const mean = masked.reduce((sum, weight) => sum + weight, 0) / masked.length;
      return mean === 0 ? masked : masked.map((weight) => weight / mean);
    };
    const moved = metric(scaled(weights)) - metric(scaled(new Float64Array(weights.length).fill(1)));
    if (!Number.isFinite(moved)) throw rowsInvalid("the metric is not finite for some weights");
    return moved;
  };
  const without = Array.from({ length: groups }, (_, group) => change((row) => row % groups !== group));
  const mean = without.reduce((sum, each) => sum + each, 0) / groups;
  const squares = without.reduce((sum, each) => sum + (each - mean) ** 2, 0);
  return [change(() => true), Math.sqrt(((groups - 1) / groups) * squares)];
}

/**
 * Which columns' drift matters: by how much each alone is expected to change a model's loss, and by importance × shift. A large shift of a column that the model hardly looks at comes last; a small one where the
 * model is bad comes first. Throws `MONITOR_ROWS_INVALID`, and a RangeError for options out of range.
 * @param losses Of each reference row, the higher the worse.
 */
export function rankDriftImpact(
  reference: Batch,
  current: Batch,
  losses: ArrayLike<number>,
  options: DriftImpactOptions = {},
): DriftImpactReport {
  const { columns: names, importances, bins = 50, metric } = options;
  if (!(Number.isInteger(bins) && bins >= 2 && bins <= 200))
    throw new RangeError(`bins must be a whole number from 2 to 200, not ${bins}.`);
  const lost = Float64Array.from(losses, Number);
  if (lost.length !== reference.length)
    throw rowsInvalid(`there are ${lost.length} losses for ${reference.length} rows`);
  if (!lost.every(Number.isFinite)) throw rowsInvalid("a loss is not finite");
  if (current.length === 0) throw rowsInvalid("there is no current one");
  const features = fitFeatures(reference, names);
  const [before, now] = [readFeatures(reference, features), readFeatures(current, features)];
  const columns = features.map((feature, index): ColumnImpact => {
    const texts = feature.kind === "category" ? toArray(current.columns[feature.name]!) : undefined;
    const parts = partsOf(feature, before[index]!, now[index]!, texts, bins);
    const [impact, error] = metric === undefined ? meanImpact(parts, lost) : metricImpact(weightsOf(parts), metric);
    const shift = shiftOf(parts, current.length);
    return {
      name: feature.name,
      shift,
      ...(importances === undefined ? {} : { weightedShift: importanceOf(importances, feature.name) * shift }),
      impact,
      shrunkenImpact: impact === 0 ? 0 : impact * Math.max(0, 1 - ((z95 * error) / impact) ** 2),
      lower: impact - z95 * error,
      upper: impact + z95 * error,
      unseenShare: parts.unseen / current.length,
    };
  });
  const ranked = [...columns].sort((a, b) => (b.weightedShift ?? 0) - (a.weightedShift ?? 0));
  return {
    columns: columns.sort((a, b) => b.shrunkenImpact - a.shrunkenImpact || b.impact - a.impact),
    byImportance: importances === undefined ? [] : ranked.map(({ name }) => name),
    reference:
      metric?.(new Float64Array(lost.length).fill(1)) ?? lost.reduce((sum, each) => sum + each, 0) / lost.length,
  };
}

function importanceOf(importances: Readonly<Record<string, number>>, name: string): number {
  const importance = Object.hasOwn(importances, name) ? importances[name] : 0;
  if (typeof importance !== "number" || !(importance >= 0 && importance < Infinity))
    throw new RangeError(`The importance of ${name} must be at least 0 and finite, not ${String(importance)}.`);
  return importance;
}

/** What no reference row has is a part of its own. */
function shiftOf({ before, now }: Parts, rows: number): number {
  const strange = rows - now.reduce((sum, count) => sum + count, 0);
  return jensenShannon([...before, 0], [...now, strange]);
}
