import { type CallOptions, type JsonValue, type Random, createRandom } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import { runUnknown } from "../errors.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { type MetricValues, type PairBasis, pairsOf } from "./metric-pairs.ts";
import { dependentPairs, holm, independentPairs, type PairedDifference } from "../statistics/paired-difference.ts";
import type { RunCharts } from "./run-charts.ts";
import type { Run } from "./run-records.ts";
import { readRuns, selectRuns } from "./run-rows.ts";

export interface CompareOptions extends CallOptions {
  /** Metrics to be tested. Default: those of all the runs, but `system/…`. */
  readonly metrics?: readonly string[] | undefined;
  /** How often a difference may be called where there is none. Default: 0.05. */
  readonly alpha?: number | undefined;
  /** Bootstrap resamples, 100 to 100,000. Default: 1000. */
  readonly resamples?: number | undefined;
  /** Default: a stream that is the same at each call. */
  readonly random?: Random | undefined;
  /** A table chart of each run with a row per example: columns are metrics, and `id` tells which examples are the same. Default: `examples`. */
  readonly examples?: string | undefined;
}

/** One thing of each run, in the order of the runs; undefined where a run does not have it. */
export interface Compared<Value> {
  readonly name: string;
  readonly values: readonly (Value | undefined)[];
  readonly isEqual: boolean;
}

/** How a run's metric differs from the first run's. */
export interface MetricDifference extends Partial<PairedDifference> {
  readonly runId: string;
  /** What was paired: rows of the tables of examples, runs below of the same name, steps; `none`: there was nothing to pair. */
  readonly basis: PairBasis;
  readonly pairs: number;
  /** By Holm over everything that was tested. */
  readonly adjustedPValue?: number | undefined;
  /** Whether the adjusted p-value is at most `alpha`; absent where there was too little to tell by. */
  readonly isDifferent?: boolean | undefined;
}

export interface MetricComparison extends Compared<MetricValues> {
  /** Of each run after the first, in order: its mean minus the first run's. */
  readonly differences: readonly MetricDifference[];
}

export interface RunComparison {
  readonly runs: readonly {
    readonly id: string;
    readonly name: string;
    readonly experiment: string;
    readonly status: string;
  }[];
  readonly params: readonly Compared<JsonValue>[];
  readonly tags: readonly Compared<string>[];
  /** Digests of datasets by name: of those that were logged, and of those that the run was started from. */
  readonly data: readonly Compared<string>[];
  /** Digests of code that the run was started from, by name. */
  readonly code: readonly Compared<string>[];
  /** Digests of artifacts by path. */
  readonly artifacts: readonly Compared<string>[];
  readonly metrics: readonly MetricComparison[];
}

/** Runs side by side. */
export interface RunComparisons {
  /**
   * What 2 to 20 runs have in common and what not; each metric of the others against the first run's, with an interval and a test where there are values
   * to pair: examples before folds (runs below of the same name) before steps. A test of steps says whether two curves differ by more than they waver;
   * whether a recipe is better, only folds or examples can say. Throws `REGISTRY_RUN_UNKNOWN`, RangeError for a wrong number.
   */
  compareRuns(ids: readonly string[], options?: CompareOptions): Promise<RunComparison>;
}

type Read = Database<RegistryTables>["read"];

export function createRunComparisons({ read }: Database<RegistryTables>, charts: RunCharts): RunComparisons {
  return {
    async compareRuns(ids, options = {}) {
      const { alpha = 0.05, resamples = 1000, signal } = options;
      signal?.throwIfAborted();
      if (!Array.isArray(ids) || ids.length < 2 || ids.length > 20 || new Set(ids).size < ids.length)
        throw new RangeError("A comparison takes 2 to 20 runs, each once.");
      if (!(alpha > 0 && alpha < 1)) throw new RangeError(`alpha lies between 0 and 1; it is ${String(alpha)}.`);
      if (!Number.isInteger(resamples) || resamples < 100 || resamples > 100_000)
        throw new RangeError(`Resamples are 100 to 100,000, not ${String(resamples)}.`);
      const runs = await runsOf(read, ids as readonly string[]);
      const metrics = await compareMetrics(read, charts, runs, { ...options, alpha, resamples });
      return { ...compareRecords(runs), metrics };
    },
  };
}

async function runsOf(read: Read, ids: readonly string[]): Promise<readonly Run[]> {
  const rows = await selectRuns(read).where("registry_runs.id", "in", ids).execute();
  const found = await readRuns(read, rows);
  return ids.map((id) => {
    const run = found.find((each) => each.id === id);
    if (run === undefined) throw runUnknown(id);
    return run;
  });
}

function compareRecords(runs: readonly Run[]): Omit<RunComparison, "metrics"> {
  const referred = ({ from }: Run, kind: string): Record<string, string> =>
    Object.fromEntries(from.filter((each) => each.kind === kind).map((each) => [each.name ?? each.kind, each.id]));
  return {
    runs: runs.map(({ id, name, experiment, status }) => ({ id, name, experiment, status })),
    params: compareMembers(runs.map(({ params }) => params)),
    tags: compareMembers(runs.map(({ tags }) => tags)),
    data: compareMembers(
      runs.map((run) => ({
        ...referred(run, "dataset"),
        ...Object.fromEntries(run.datasets.map(({ name, digest }) => [name, digest])),
      })),
    ),
    code: compareMembers(runs.map((run) => referred(run, "code"))),
    artifacts: compareMembers(
      runs.map((run) => Object.fromEntries(run.artifacts.map(({ path, digest }) => [path, digest as string]))),
    ),
  };
}

function compareMembers<Value>(members: readonly Readonly<Record<string, Value>>[]): readonly Compared<Value>[] {
  const names = [...new Set(members.flatMap((each) => Object.keys(each)))].toSorted();
  return names.map((name) => {
    const values = members.map((each) => (Object.hasOwn(each, name) ? each[name] : undefined));
    // Not by ===: NaN is what NaN is, and objects are what they hold.
    const texts = new Set(values.map((value) => (typeof value === "number" ? String(value) : JSON.stringify(value))));
    return { name, values, isEqual: texts.size === 1 };
  });
}

async function compareMetrics(
  read: Read,
  charts: RunCharts,
  runs: readonly Run[],
  {
    metrics,
    alpha,
    resamples,
    random = createRandom(0),
    examples = "examples",
    signal,
  }: CompareOptions & { readonly alpha: number; readonly resamples: number },
): Promise<readonly MetricComparison[]> {
  const source = await pairsOf(read, charts, runs, examples, signal);
  const compared: MetricComparison[] = [];
  for (const name of source.metrics) {
    const values = source.values(name);
    const isTested = metrics === undefined ? !name.startsWith("system/") : metrics.includes(name);
    const differences: MetricDifference[] = [];
    for (const run of isTested ? runs.slice(1) : []) {
      signal?.throwIfAborted();
      const { basis, differences: pairs } = await source.pairs(name, runs[0] as Run, run);
      const own = { alpha, resamples, random: random.fork(`${name}/${run.id}`) };
      const measure = basis === "steps" ? dependentPairs(pairs, own) : independentPairs(pairs, own);
      differences.push({ runId: run.id, basis, pairs: pairs.length, ...(pairs.length === 0 ? {} : measure) });
    }
    const isEqual =
      new Set(values.map((value) => JSON.stringify([value?.last === undefined ? null : String(value.last)]))).size ===
      1;
    compared.push({ name, values, isEqual, differences });
  }
  return adjust(compared, alpha);
}

/** Holm's adjustment over everything that was tested. */
function adjust(compared: readonly MetricComparison[], alpha: number): readonly MetricComparison[] {
  const tested = compared.flatMap(({ differences }) => differences).filter(({ pValue }) => pValue !== undefined);
  const adjusted = holm(tested.map(({ pValue }) => pValue as number));
  const of = new Map(tested.map((difference, index) => [difference, adjusted[index] as number]));
  return compared.map((each) => ({
    ...each,
    differences: each.differences.map((difference) => {
      const adjustedPValue = of.get(difference);
      return adjustedPValue === undefined
        ? difference
        : { ...difference, adjustedPValue, isDifferent: adjustedPValue <= alpha };
    }),
  }));
}
