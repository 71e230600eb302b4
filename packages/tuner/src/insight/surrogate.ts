import { type Random, createRandom } from "@millwright/contracts";
import { type RegressionForest, fitForest } from "../forest/regression-forest.ts";
import type { Column } from "../forest/split.ts";
import { trialTable } from "../forest/trial-table.ts";
import { createEncoding } from "../samplers/encoding.ts";
import type { Trial } from "../trial.ts";
import { type StudyRecord, scoredTrials } from "./record.ts";

export interface ImportanceOptions {
  /** Which objective, by its place in the study's directions. Default: 0. */
  readonly objective?: number | undefined;
  /** Trees of the forest that is fitted to the trials, from 1. Default: 64. */
  readonly trees?: number | undefined;
  /** A whole number; the same gives the same result. Default: 0. */
  readonly seed?: number | undefined;
}

/** Completed trials as rows of a table, and which columns each parameter has. */
export interface TrialRows {
  readonly tableColumns: readonly Column[];
  readonly trials: readonly Trial[];
  readonly rows: Float64Array;
  readonly values: Float64Array;
  /** Parameters of more than one value. */
  readonly parameters: readonly { readonly name: string; readonly columns: readonly number[] }[];
  readonly random: Random;
}

/** Throws RangeError for options that make no sense. */
export function trialRows(record: StudyRecord, { objective = 0, trees = 64, seed = 0 }: ImportanceOptions): TrialRows {
  if (!Number.isSafeInteger(objective) || objective < 0 || objective >= record.directions.length)
    throw new RangeError(`objective is ${String(objective)}; the study has ${record.directions.length}.`);
  if (!Number.isSafeInteger(trees) || trees < 1)
    throw new RangeError(`trees is ${String(trees)}; it must be a whole number from 1.`);
  if (!Number.isSafeInteger(seed)) throw new RangeError(`seed is ${String(seed)}; it must be a whole number.`);
  const scored = scoredTrials(record, objective).filter(({ value }) => Number.isFinite(value));
  const encoding = createEncoding(record.space);
  const table = trialTable(record.space, encoding);
  const random = createRandom(seed);
  const width = table.columns.length;
  const tableColumns = table.columns.map((column, index) =>
    column.kind === "categorical" && table.absent[index] !== undefined ? { ...column, size: column.size - 1 } : column,
  );
  const rows = new Float64Array(scored.length * width);
  for (const [index, { trial }] of scored.entries()) {
    const row = table.rowOf(trial.params);
    // Absence would tell of the parent, and take the parent's effect; a value by chance tells of nothing.
    for (const [at, mark] of table.absent.entries())
      if (mark !== undefined && row[at] === mark) row[at] = byChance(tableColumns[at] as Column, random);
    rows.set(row, index * width);
  }
  const columns = new Map<string, number[]>();
  for (const [index, { parameter }] of encoding.dimensions.entries()) {
    const own = columns.get(parameter);
    if (own === undefined) columns.set(parameter, [index]);
    else own.push(index);
  }
  return {
    tableColumns,
    trials: scored.map(({ trial }) => trial),
    rows,
    values: Float64Array.from(scored, ({ value }) => value),
    parameters: [...columns].map(([name, own]) => ({ name, columns: own })),
    random,
  };
}

const byChance = (column: Column, random: Random): number =>
  column.kind === "numeric" ? random.next() : random.integer(column.size);

/** The forest of importances: trees on bootstrap samples, without limits but the least rows of a leaf. */
export function importanceForest(
  { tableColumns, random }: TrialRows,
  rows: Float64Array,
  values: Float64Array,
  trees = 64,
): RegressionForest {
  return fitForest(tableColumns, rows, values, { trees, thresholds: "middle" }, random);
}
