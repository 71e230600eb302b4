import type { Amount } from "@millwright/contracts";
import { type Encoding, createEncoding } from "../samplers/encoding.ts";
import type { Params, Space } from "../space.ts";
import type { Trial } from "../trial.ts";

/** What a trial of these parameters is expected to cost. */
export interface CostPrediction {
  /** By unit: the geometric mean. */
  readonly expected: Amount;
  /** By unit: two standard deviations above, on a logarithmic scale; those of a few trials are taken as larger than they look. */
  readonly high: Amount;
}

export interface CostModel {
  /** `undefined` while nothing is known of the unit, or of any. */
  predict(params: Params): CostPrediction | undefined;
}

const ridge = 0.1;
/** More do not make it better, and take their time. */
const mostTrials = 400;

/**
 * Learns what trials cost from those that ended: for each unit a ridge regression of the cost's logarithm on the encoded parameters and their squares.
 * Costs are products of what parameters ask for as a rule, so that their logarithms are sums. Where trials have no cost, their time in seconds is it. Pure.
 */
export function learnCosts(space: Space, trials: readonly Trial[]): CostModel {
  const ended = trials.filter(({ state }) => state === "completed" || state === "pruned" || state === "failed");
  const whole = ended.filter(({ state }) => state === "completed");
  const known = (whole.length > 0 ? whole : ended).slice(-mostTrials).map((trial) => ({ trial, cost: costOf(trial) }));
  const units = new Set(known.flatMap(({ cost }) => Object.keys(cost)));
  const encoding = createEncoding(space);
  const features = featuresOf(encoding);
  const models = [...units].flatMap((unit) => {
    const rows = known.filter(({ cost }) => (cost[unit] ?? 0) > 0);
    if (rows.length === 0) return [];
    const inputs = rows.map(({ trial }) => features(trial.params));
    const targets = rows.map(({ cost }) => Math.log(cost[unit] as number));
    return [{ unit, model: fitRidge(inputs, targets) }];
  });
  return {
    predict(params) {
      if (models.length === 0) return undefined;
      const input = features(params);
      const at = (spreads: number): Amount =>
        Object.fromEntries(
          models.map(({ unit, model }) => [unit, Math.exp(model.predict(input) + spreads * model.spread)]),
        );
      return { expected: at(0), high: at(2) };
    },
  };
}

function costOf({ cost, startedMs, endedMs }: Trial): Amount {
  if (cost !== undefined) return cost;
  return startedMs === undefined || endedMs === undefined ? {} : { seconds: (endedMs - startedMs) / 1_000 };
}

function featuresOf(encoding: Encoding): (params: Params) => number[] {
  const { dimensions } = encoding;
  return (params) => {
    const point = encoding.encode(params);
    return dimensions.flatMap(({ kind, levels }, index) => {
      const at = (point[index] as number) - 0.5;
      if (kind !== "categorical") return [at, at * at];
      const chosen = Math.floor((point[index] as number) * levels);
      return Array.from({ length: levels }, (_, level) => (level === chosen ? 1 : 0));
    });
  };
}

interface Regression {
  predict(input: readonly number[]): number;
  /** Standard deviation of what it did not explain, at least 1/√n. */
  readonly spread: number;
}

/** Around the mean: minimises Σ(y − ȳ − βx)² + ridge·|β|², by Cholesky's factors. Hoerl and Kennard, Technometrics 12 (1970). */
function fitRidge(inputs: readonly (readonly number[])[], targets: readonly number[]): Regression {
  const mean = targets.reduce((sum, value) => sum + value, 0) / targets.length;
  const size = inputs[0]?.length ?? 0;
  const gram = Array.from({ length: size }, (_, row) =>
    Array.from({ length: size }, (_column, column) => (row === column ? ridge : 0)),
  );
  const moment = new Array<number>(size).fill(0);
  for (const [index, input] of inputs.entries()) {
    const rest = (targets[index] as number) - mean;
    for (let row = 0; row < size; row += 1) {
      const value = input[row] as number;
      moment[row] = (moment[row] as number) + value * rest;
      const line = gram[row] as number[];
      for (let column = 0; column <= row; column += 1)
        line[column] = (line[column] as number) + value * (input[column] as number);
    }
  }
  const weights = solve(gram, moment);
  const predict = (input: readonly number[]): number =>
    mean + input.reduce((sum, value, index) => sum + value * (weights[index] as number), 0);
  const errors = inputs.map((input, index) => (targets[index] as number) - predict(input));
  const spread = Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / Math.max(1, errors.length - 1));
  return { predict, spread: Math.max(spread, 1 / Math.sqrt(targets.length)) };
}

/** Solves A·x = b for a symmetric positive definite A, of which the lower half is read and overwritten. */
function solve(a: number[][], b: readonly number[]): number[] {
  const size = b.length;
  const at = (row: number, column: number): number => (a[row] as number[])[column] as number;
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column <= row; column += 1) {
      let sum = at(row, column);
      for (let k = 0; k < column; k += 1) sum -= at(row, k) * at(column, k);
      (a[row] as number[])[column] = row === column ? Math.sqrt(sum) : sum / at(column, column);
    }
  }
  const x = [...b];
  for (let row = 0; row < size; row += 1) {
    for (let k = 0; k < row; k += 1) x[row] = (x[row] as number) - at(row, k) * (x[k] as number);
    x[row] = (x[row] as number) / at(row, row);
  }
  for (let row = size - 1; row >= 0; row -= 1) {
    for (let k = row + 1; k < size; k += 1) x[row] = (x[row] as number) - at(k, row) * (x[k] as number);
    x[row] = (x[row] as number) / at(row, row);
  }
  return x;
}
