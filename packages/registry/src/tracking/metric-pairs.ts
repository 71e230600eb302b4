import { hasCode } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import type { RegistryTables } from "../tables/tables.ts";
import type { TableChart } from "./charts.ts";
import { readMetricValue } from "./metric-value.ts";
import type { RunCharts } from "./run-charts.ts";
import { type Run, readSeries } from "./run-records.ts";

/** What the values of two runs are paired by. */
export type PairBasis = "examples" | "folds" | "steps" | "none";

/** A metric of one run, in short. */
export interface MetricValues {
  readonly last: number;
  /** NaN aside; absent where there is nothing else. */
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly points: number;
}

export interface Pairs {
  readonly basis: PairBasis;
  /** Of each pair the second run's value minus the first's; finite. */
  readonly differences: readonly number[];
}

export interface PairSource {
  /** Of any of the runs, by name. */
  readonly metrics: readonly string[];
  /** In the order of the runs. */
  values(metric: string): readonly (MetricValues | undefined)[];
  pairs(metric: string, first: Run, second: Run): Promise<Pairs>;
}

type Read = Database<RegistryTables>["read"];

/** Steps that differ are put together until there are no more of them than this: the bootstrap takes its time. */
const mostSteps = 512;
/** A longer series is not paired step by step. */
const mostPoints = 2_000_000;
const mostExamples = 1_000_000;

export async function pairsOf(
  read: Read,
  charts: RunCharts,
  runs: readonly Run[],
  examples: string,
  signal: AbortSignal | undefined,
): Promise<PairSource> {
  const ids = runs.map(({ id }) => id as string);
  const rows = await read
    .selectFrom("registry_series")
    .select(["run", "name", "points", "last_value", "last_exact", "min_value", "max_value"])
    .where("run", "in", ids)
    .orderBy("name")
    .execute();
  const shorts = new Map<string, MetricValues>();
  for (const { run, name, points, last_value, last_exact, min_value, max_value } of rows) {
    const last = readMetricValue({ value: last_value, exact: last_exact });
    shorts.set(keyOf(run, name), { last, min: min_value ?? undefined, max: max_value ?? undefined, points });
  }
  const folds = await foldsOf(read, ids);
  const tables = new Map<string, TableChart>();
  for (const id of ids) {
    const table = await tableOf(charts, id, examples, signal);
    if (table !== undefined) tables.set(id, table);
  }
  const inTables = [...tables.values()].flatMap(({ columns }) => columns.filter((column) => column !== "id"));
  const inFolds = [...folds.values()].flatMap((each) => [...each.keys()].map((key) => keyParts(key)[1] as string));
  return {
    metrics: [...new Set([...rows.map(({ name }) => name), ...inTables, ...inFolds])].toSorted(),
    values: (metric) => ids.map((id) => shorts.get(keyOf(id, metric))),
    async pairs(metric, first, second) {
      const byExample = exampleDifferences(tables.get(first.id), tables.get(second.id), metric);
      if (byExample.length > 1) return { basis: "examples", differences: byExample };
      const byFold = foldDifferences(folds.get(first.id), folds.get(second.id), metric);
      if (byFold.length > 1) return { basis: "folds", differences: byFold };
      const lengths = [first, second].map(({ id }) => shorts.get(keyOf(id, metric))?.points ?? 0);
      if (Math.min(...lengths) < 2 || Math.max(...lengths) > mostPoints) return { basis: "none", differences: [] };
      const [a, b] = [await stepsOf(read, first.id, metric), await stepsOf(read, second.id, metric)];
      const byStep = [...a].flatMap(([step, value]) => differenceOf(value, b.get(step)));
      return byStep.length === 0
        ? { basis: "none", differences: [] }
        : { basis: "steps", differences: together(byStep) };
    },
  };
}

const keyOf = (first: string, second: string): string => JSON.stringify([first, second]);
const keyParts = (key: string): readonly string[] => JSON.parse(key) as string[];

function differenceOf(first: number | undefined, second: number | undefined): readonly number[] {
  const difference = (second ?? Number.NaN) - (first ?? Number.NaN);
  return Number.isFinite(difference) ? [difference] : [];
}

/** The last values of the runs below each run, by the names of those runs and the metric. */
async function foldsOf(read: Read, ids: readonly string[]): Promise<ReadonlyMap<string, ReadonlyMap<string, number>>> {
  const rows = await read
    .selectFrom("registry_series")
    .innerJoin("registry_runs", "registry_runs.id", "registry_series.run")
    .select([
      "registry_runs.parent",
      "registry_runs.name as fold",
      "registry_series.name",
      "registry_series.last_value",
      "registry_series.last_exact",
    ])
    .where("registry_runs.parent", "in", ids)
    .where("registry_runs.deleted_ms", "is", null)
    .orderBy("registry_runs.started_ms")
    .execute();
  const folds = new Map<string, Map<string, number>>();
  for (const { parent, fold, name, last_value, last_exact } of rows) {
    const own = folds.get(parent as string) ?? new Map<string, number>();
    folds.set(parent as string, own.set(keyOf(fold, name), readMetricValue({ value: last_value, exact: last_exact })));
  }
  return folds;
}

function foldDifferences(
  first: ReadonlyMap<string, number> = new Map(),
  second: ReadonlyMap<string, number> = new Map(),
  metric: string,
): readonly number[] {
  return [...first].flatMap(([key, value]) =>
    keyParts(key)[1] === metric ? differenceOf(value, second.get(key)) : [],
  );
}

/** A run without such a table, or with something else of that name, has no examples. */
async function tableOf(
  charts: RunCharts,
  id: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<TableChart | undefined> {
  try {
    const chart = await charts.chart(id, name, { limit: mostExamples, signal });
    return chart.kind === "table" ? chart : undefined;
  } catch (error) {
    if (hasCode(error, "REGISTRY_CHART_UNKNOWN") || hasCode(error, "REGISTRY_CHART_INVALID")) return undefined;
    throw error;
  }
}

function exampleDifferences(
  first: TableChart | undefined,
  second: TableChart | undefined,
  metric: string,
): readonly number[] {
  if (first === undefined || second === undefined) return [];
  const [a, b] = [columnById(first, metric), columnById(second, metric)];
  return [...a].flatMap(([id, value]) => differenceOf(value, b.get(id)));
}

/** Numbers of a column by the table's `id`, by their place where it has none. */
function columnById({ columns, rows }: TableChart, metric: string): ReadonlyMap<unknown, number> {
  const [column, id] = [columns.indexOf(metric), columns.indexOf("id")];
  const numbers = new Map<unknown, number>();
  for (const [place, row] of rows.entries()) {
    const value = row[column];
    if (typeof value === "number") numbers.set(id < 0 ? place : row[id], value);
  }
  return numbers;
}

/** By step; of one step the last logged. */
async function stepsOf(read: Read, run: string, metric: string): Promise<ReadonlyMap<number, number>> {
  const { steps, values } = await readSeries(read, run, metric);
  const byStep = new Map<number, number>();
  for (const [index, step] of steps.entries()) byStep.set(step, values[index] as number);
  return byStep;
}

/** Means of neighbours, as many together as make no more than `mostSteps` of them; those at the end that are too few for a mean are left out. */
function together(values: readonly number[]): readonly number[] {
  const width = Math.ceil(values.length / mostSteps);
  if (width === 1) return values;
  return Array.from({ length: Math.floor(values.length / width) }, (_, place) => {
    const own = values.slice(place * width, (place + 1) * width);
    return own.reduce((sum, value) => sum + value, 0) / width;
  });
}
