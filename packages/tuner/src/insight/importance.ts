import { type TreePartition, partitionOf } from "../forest/leaf-boxes.ts";
import { predictForest } from "../forest/regression-forest.ts";
import { treeCovariance } from "../forest/variance-shares.ts";
import type { StudyRecord } from "./record.ts";
import { type ImportanceOptions, type TrialRows, importanceForest, trialRows } from "./surrogate.ts";

/** Parts of the variance of the objective over the whole space; of what a forest says the objective is. */
export interface VarianceShares {
  /** By parameter, what it explains alone, from 0 to 1. */
  readonly parameters: Readonly<Record<string, number>>;
  /** By pair, what the two explain together beyond what each does alone; the largest first. */
  readonly interactions: readonly { readonly parameters: readonly [string, string]; readonly share: number }[];
  /** Completed trials it rests on; with fewer than some dozens the shares are guesses. */
  readonly trials: number;
}

export interface VarianceOptions extends ImportanceOptions {
  /** Default: true. */
  readonly interactions?: boolean | undefined;
  /**
   * `within-trees`: of each tree, as the paper has it, and Optuna; what is chance in a tree counts as interactions. `between-trees`: of what two trees of the forest agree
   * on, which leaves chance out. Default: `within-trees`.
   */
  readonly estimate?: "within-trees" | "between-trees" | undefined;
}

/**
 * Functional analysis of variance: Hutter, Hoos, Leyton-Brown, ICML 2014. A forest is fitted to the completed trials; its trees' means over all other parameters are
 * exact. Numbers count uniformly on their search scale; a parameter without a value has one by chance, which explains nothing. All shares are 0
 * where the values do not differ.
 */
export function varianceShares(
  record: StudyRecord,
  { interactions = true, estimate = "within-trees", ...options }: VarianceOptions = {},
): VarianceShares {
  if (estimate !== "between-trees" && estimate !== "within-trees")
    throw new RangeError(`estimate is ${String(estimate)}; it must be between-trees or within-trees.`);
  const rows = trialRows(record, options);
  const { parameters, trials, tableColumns } = rows;
  const pairs = interactions
    ? parameters.flatMap((first, index) => parameters.slice(index + 1).map((second) => ({ first, second })))
    : [];
  const alone = new Map(parameters.map(({ name }) => [name, 0]));
  const together = pairs.map(() => 0);
  const forest = trials.length < 2 ? undefined : importanceForest(rows, rows.rows, rows.values, options.trees);
  const partitions = (forest?.trees ?? []).map((tree) => partitionOf(tree, tableColumns));
  const step = estimate === "between-trees" && partitions.length > 1 ? 1 : 0;
  const covariances = partitions.map((own, index) =>
    treeCovariance(own, partitions[(index + step) % partitions.length] as TreePartition),
  );
  const total = covariances.reduce((sum, covariance) => sum + covariance.total, 0);
  for (const { given } of total > 0 ? covariances : []) {
    const own = new Map(parameters.map(({ name, columns }) => [name, given(columns)]));
    for (const [name, variance] of own) alone.set(name, (alone.get(name) as number) + variance / total);
    for (const [index, { first, second }] of pairs.entries()) {
      const joint = given([...first.columns, ...second.columns]);
      const beyond = joint - (own.get(first.name) as number) - (own.get(second.name) as number);
      together[index] = (together[index] as number) + beyond / total;
    }
  }
  return {
    parameters: Object.fromEntries(Object.keys(record.space).map((name) => [name, Math.max(0, alone.get(name) ?? 0)])),
    interactions: pairs
      .map(({ first, second }, index) => ({
        parameters: [first.name, second.name] as const,
        share: Math.max(0, together[index] as number),
      }))
      .sort((a, b) => b.share - a.share),
    trials: trials.length,
  };
}

const repeats = 10;
const folds = 5;

/**
 * By parameter, how much worse a forest predicts trials it was not fitted to when the parameter's values are shuffled among them: the mean increase of the squared error
 * over twice the variance that the forest explains. It is the part of that variance which would be left if all other parameters were known (Sobol's total effect), so
 * that interactions count for each of their parameters. Breiman, Machine Learning 45 (2001), section 10. All are 0 where the forest explains nothing.
 */
export function permutationImportances(
  record: StudyRecord,
  options: ImportanceOptions = {},
): Readonly<Record<string, number>> {
  const data = trialRows(record, options);
  const count = data.values.length;
  const increases = new Map(Object.keys(record.space).map((name) => [name, 0]));
  let explained = 0;
  const order = shuffled(count, data);
  for (let fold = 0; fold < folds && count >= 2 * folds; fold += 1) {
    const held = order.filter((_, index) => index % folds === fold);
    const kept = order.filter((_, index) => index % folds !== fold);
    const values = Float64Array.from(kept, (row) => data.values[row] as number);
    const forest = importanceForest(data, gather(data, kept), values, options.trees);
    const own = gather(data, held);
    const targets = Float64Array.from(held, (row) => data.values[row] as number);
    const predict = (rows: Float64Array): Float64Array =>
      targets.map((_, row) => predictForest(forest, rows, row * data.tableColumns.length).mean);
    const predicted = predict(own);
    explained += covarianceSum(targets, predicted);
    for (const { name, columns } of data.parameters) {
      let increase = 0;
      for (let repeat = 0; repeat < repeats; repeat += 1)
        increase += errorSum(targets, predict(permuted(own, columns, data))) - errorSum(targets, predicted);
      increases.set(name, (increases.get(name) as number) + increase / repeats);
    }
  }
  return Object.fromEntries(
    [...increases].map(([name, increase]) => [name, explained > 0 ? Math.max(0, increase / (2 * explained)) : 0]),
  );
}

const errorSum = (a: Float64Array, b: Float64Array): number =>
  a.reduce((sum, value, index) => sum + (value - (b[index] as number)) ** 2, 0);

function covarianceSum(a: Float64Array, b: Float64Array): number {
  const meanOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [first, second] = [meanOf(a), meanOf(b)];
  return a.reduce((sum, value, index) => sum + (value - first) * ((b[index] as number) - second), 0);
}

/** The numbers below `count` in random order. */
function shuffled(count: number, { random }: Pick<TrialRows, "random">): readonly number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let index = count - 1; index > 0; index -= 1) {
    const other = random.integer(index + 1);
    [order[index], order[other]] = [order[other] as number, order[index] as number];
  }
  return order;
}

function gather({ rows, tableColumns }: TrialRows, chosen: readonly number[]): Float64Array {
  const width = tableColumns.length;
  const gathered = new Float64Array(chosen.length * width);
  for (const [index, row] of chosen.entries())
    gathered.set(rows.subarray(row * width, (row + 1) * width), index * width);
  return gathered;
}

/** The columns' values go to other rows, together. */
function permuted(rows: Float64Array, columns: readonly number[], data: TrialRows): Float64Array {
  const width = data.tableColumns.length;
  const result = rows.slice();
  for (const [row, from] of shuffled(rows.length / width, data).entries())
    for (const column of columns) result[row * width + column] = rows[from * width + column] as number;
  return result;
}
