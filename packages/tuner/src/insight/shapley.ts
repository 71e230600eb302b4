import { predictForest } from "../forest/regression-forest.ts";
import type { StudyRecord } from "./record.ts";
import { type ImportanceOptions, type TrialRows, importanceForest, trialRows } from "./surrogate.ts";

export interface ShapleyOptions extends ImportanceOptions {
  /** Orders of the parameters that are drawn for each trial, each also taken backwards; from 1. Default: 32. */
  readonly orders?: number | undefined;
  /** Numbers of the trials to explain. Default: all completed ones. */
  readonly trials?: readonly number[] | undefined;
}

/** Why the forest predicts for a trial what it does. */
export interface ShapleyTrial {
  readonly number: number;
  readonly predicted: number;
  /** What is predicted on the average of the other trials it was held against; `predicted` is this and all `values`. */
  readonly base: number;
  /** By parameter, what its value adds. */
  readonly values: Readonly<Record<string, number>>;
  /** Standard errors of the values, for the orders were drawn. */
  readonly errors: Readonly<Record<string, number>>;
}

export interface ShapleyImportances {
  /** By parameter, the mean of the absolute values; all add up to 1, or are 0. */
  readonly parameters: Readonly<Record<string, number>>;
  readonly trials: readonly ShapleyTrial[];
}

/**
 * Shapley values of the parameters for a forest fitted to the completed trials, against the other trials as background: Štrumbelj and Kononenko, "Explaining prediction
 * models and individual predictions with feature contributions", Knowledge and Information Systems 41 (2014), algorithm 2; orders are taken forwards and backwards.
 * Lundberg and Lee (SHAP), arXiv 1705.07874.
 */
export function shapleyImportances(
  record: StudyRecord,
  { orders = 32, trials: chosen, ...options }: ShapleyOptions = {},
): ShapleyImportances {
  if (!Number.isSafeInteger(orders) || orders < 1)
    throw new RangeError(`orders is ${String(orders)}; it must be a whole number from 1.`);
  const data = trialRows(record, options);
  const wanted = chosen === undefined ? undefined : new Set(chosen);
  const explained = [...data.trials.keys()].filter((row) => wanted?.has(data.trials[row]?.number ?? -1) ?? true);
  const names = Object.keys(record.space);
  if (data.trials.length < 2) return { parameters: Object.fromEntries(names.map((name) => [name, 0])), trials: [] };
  const forest = importanceForest(data, data.rows, data.values, options.trees);
  const predict = (row: Float64Array): number => predictForest(forest, row).mean;
  const trials = explained.map((row) => explainRow(data, row, { predict, orders, names }));
  const sums = names.map((name) => trials.reduce((sum, { values }) => sum + Math.abs(values[name] ?? 0), 0));
  const total = sums.reduce((sum, value) => sum + value, 0);
  return {
    parameters: Object.fromEntries(names.map((name, index) => [name, total > 0 ? (sums[index] as number) / total : 0])),
    trials,
  };
}

interface Explaining {
  readonly predict: (row: Float64Array) => number;
  readonly orders: number;
  readonly names: readonly string[];
}

function explainRow(
  { rows, tableColumns, trials, parameters, random }: TrialRows,
  row: number,
  { predict, orders, names }: Explaining,
): ShapleyTrial {
  const width = tableColumns.length;
  const own = rows.subarray(row * width, (row + 1) * width);
  const sums = new Float64Array(parameters.length);
  const squares = new Float64Array(parameters.length);
  let base = 0;
  for (let draw = 0; draw < orders; draw += 1) {
    const background = random.integer(trials.length);
    const order = parameters.map((_, index) => ({ index, key: random.next() })).sort((a, b) => a.key - b.key);
    const gained = new Float64Array(parameters.length);
    for (const direction of [order, order.toReversed()]) {
      const mixed = rows.slice(background * width, (background + 1) * width);
      let before = predict(mixed);
      base += before / (2 * orders);
      for (const { index } of direction) {
        for (const column of (parameters[index] as TrialRows["parameters"][number]).columns)
          mixed[column] = own[column] as number;
        const after = predict(mixed);
        gained[index] = (gained[index] as number) + (after - before) / 2;
        before = after;
      }
    }
    for (const [index, gain] of gained.entries()) {
      sums[index] = (sums[index] as number) + gain;
      squares[index] = (squares[index] as number) + gain * gain;
    }
  }
  const byName = (valueOf: (index: number) => number): Readonly<Record<string, number>> =>
    Object.fromEntries(
      names.map((name) => {
        const index = parameters.findIndex((parameter) => parameter.name === name);
        return [name, index < 0 ? 0 : valueOf(index)];
      }),
    );
  const meanOf = (index: number): number => (sums[index] as number) / orders;
  return {
    number: trials[row]?.number ?? -1,
    predicted: predict(Float64Array.from(own)),
    base,
    values: byName(meanOf),
    errors: byName((index) =>
      Math.sqrt(Math.max(0, (squares[index] as number) / orders - meanOf(index) ** 2) / Math.max(1, orders - 1)),
    ),
  };
}
