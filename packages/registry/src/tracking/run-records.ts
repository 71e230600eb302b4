import type { CallOptions, Digest, EntityReference, JsonValue, RunId, RunStatus } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import { runUnknown } from "../errors.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { type MetricColumns, decodeChunk, mergeChunks } from "./metric-chunk.ts";
import { type RunRow, readRuns, selectRuns } from "./run-rows.ts";

/** A dataset that a run read. */
export interface RunDataset {
  readonly name: string;
  readonly digest: string;
  readonly sourceType: string;
  readonly source: string;
  /** As whoever logged it wrote it: JSON. */
  readonly schema?: string | undefined;
  readonly profile?: string | undefined;
  /** What it was read for, such as `training`; empty where nobody said. */
  readonly context: string;
}

/** A run as it stands in the registry. */
export interface Run {
  readonly id: RunId;
  readonly experiment: string;
  readonly name: string;
  readonly parentRunId?: RunId | undefined;
  readonly status: RunStatus;
  /** UTC, milliseconds. */
  readonly startedMs: number;
  readonly endedMs?: number | undefined;
  /** When it was deleted; it can be restored. */
  readonly deletedMs?: number | undefined;
  readonly startedBy?: string | undefined;
  readonly notes?: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly from: readonly EntityReference[];
  readonly params: Readonly<Record<string, JsonValue>>;
  /** The value at the greatest step by metric name; of several at that step the last logged. */
  readonly metrics: Readonly<Record<string, number>>;
  /** By path. */
  readonly artifacts: readonly { readonly path: string; readonly digest: Digest; readonly sizeBytes: number }[];
  readonly datasets: readonly RunDataset[];
}

export interface RunQuery extends CallOptions {
  /** Default: all. */
  readonly experiment?: string | undefined;
  readonly status?: RunStatus | undefined;
  /** Only runs below this one. */
  readonly parentRunId?: RunId | undefined;
  /** Most runs given. Default: 100. */
  readonly limit?: number | undefined;
}

export interface SeriesPoint {
  readonly step: number;
  readonly value: number;
  /** UTC, milliseconds. */
  readonly timeMs: number;
}

/** An experiment is there as soon as a run names it. */
export interface Experiment {
  readonly name: string;
  readonly runs: number;
  /** Runs by status; a status that no run has is 0. */
  readonly byStatus: Readonly<Record<RunStatus, number>>;
  /** When its newest run started; UTC, milliseconds. */
  readonly lastStartedMs: number;
}

/** Runs, read back. */
export interface RunRecords {
  /** Throws `REGISTRY_RUN_UNKNOWN`. */
  run(id: string, options?: CallOptions): Promise<Run>;
  /** The newest first; of those that started in one millisecond the greater id. */
  runs(query?: RunQuery): Promise<readonly Run[]>;
  /** By step; points of one step as they were logged. Throws `REGISTRY_RUN_UNKNOWN`. */
  series(id: string, metric: string, options?: CallOptions): Promise<readonly SeriesPoint[]>;
  /** By name. */
  experiments(options?: CallOptions): Promise<readonly Experiment[]>;
}

type Read = Database<RegistryTables>["read"];

export function createRunRecords(read: Read): RunRecords {
  const one = async (id: string): Promise<RunRow> => {
    const row = await selectRuns(read).where("registry_runs.id", "=", id).executeTakeFirst();
    if (row === undefined) throw runUnknown(id);
    return row;
  };
  return {
    async run(id, { signal } = {}) {
      signal?.throwIfAborted();
      const [run] = await readRuns(read, [await one(id)]);
      return run as Run;
    },
    async runs({ experiment, status, parentRunId, limit = 100, signal } = {}) {
      signal?.throwIfAborted();
      let query = selectRuns(read).where("registry_runs.deleted_ms", "is", null);
      if (experiment !== undefined) query = query.where("registry_experiments.name", "=", experiment);
      if (status !== undefined) query = query.where("status", "=", status);
      if (parentRunId !== undefined) query = query.where("parent", "=", parentRunId);
      const newest = query.orderBy("started_ms", "desc").orderBy("registry_runs.id", "desc").limit(limit);
      return readRuns(read, await newest.execute());
    },
    async series(id, metric, { signal } = {}) {
      signal?.throwIfAborted();
      const { steps, timesMs, values } = await readSeries(read, id, metric);
      if (steps.length === 0) await one(id);
      return Array.from(steps, (step, index) => ({
        step,
        timeMs: timesMs[index] as number,
        value: values[index] as number,
      }));
    },
    async experiments({ signal } = {}) {
      signal?.throwIfAborted();
      return readExperiments(read);
    },
  };
}

/** Every point of a series, by step. */
export async function readSeries(read: Read, run: string, metric: string): Promise<MetricColumns> {
  const chunks = await read
    .selectFrom("registry_chunks")
    .innerJoin("registry_series", "registry_series.id", "registry_chunks.series")
    .select("registry_chunks.data")
    .where("registry_series.run", "=", run)
    .where("registry_series.name", "=", metric)
    .orderBy("registry_chunks.id")
    .execute();
  return mergeChunks(chunks.map(({ data }) => decodeChunk(data)));
}

async function readExperiments(read: Read): Promise<Experiment[]> {
  const rows = await read
    .selectFrom("registry_runs")
    .innerJoin("registry_experiments", "registry_experiments.id", "registry_runs.experiment_id")
    .select(["registry_experiments.name as experiment", "registry_runs.status"])
    .select(({ fn }) => [fn.countAll<number>().as("runs"), fn.max("started_ms").as("last_started_ms")])
    .where("registry_runs.deleted_ms", "is", null)
    .where("registry_experiments.deleted_ms", "is", null)
    .groupBy(["registry_experiments.name", "registry_runs.status"])
    .orderBy("registry_experiments.name")
    .execute();
  const byName = new Map<string, Experiment>();
  for (const { experiment: name, status, runs, last_started_ms } of rows) {
    const known = byName.get(name);
    byName.set(name, {
      name,
      runs: (known?.runs ?? 0) + runs,
      byStatus: { running: 0, finished: 0, failed: 0, killed: 0, ...known?.byStatus, [status]: runs },
      lastStartedMs: Math.max(known?.lastStartedMs ?? 0, last_started_ms),
    });
  }
  return [...byName.values()];
}
