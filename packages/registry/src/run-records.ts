import {
  type CallOptions,
  type Digest,
  type EntityReference,
  type JsonValue,
  type RunId,
  type RunStatus,
  decodeNumbers,
} from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import { runUnknown } from "./errors.ts";
import { readMetricValue } from "./metric-value.ts";
import type { RegistryTables } from "./tables.ts";

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
  readonly tags: Readonly<Record<string, string>>;
  readonly from: readonly EntityReference[];
  readonly params: Readonly<Record<string, JsonValue>>;
  /** The value at the greatest step by metric name; of several at that step the last logged. */
  readonly metrics: Readonly<Record<string, number>>;
  /** By path. */
  readonly artifacts: readonly { readonly path: string; readonly digest: Digest; readonly sizeBytes: number }[];
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
    const row = await read.selectFrom("registry_runs").selectAll().where("id", "=", id).executeTakeFirst();
    if (row === undefined) throw runUnknown(id);
    return row;
  };
  return {
    async run(id, { signal } = {}) {
      signal?.throwIfAborted();
      return readRun(read, await one(id));
    },
    async runs({ experiment, status, parentRunId, limit = 100, signal } = {}) {
      signal?.throwIfAborted();
      let query = read.selectFrom("registry_runs").selectAll();
      if (experiment !== undefined) query = query.where("experiment", "=", experiment);
      if (status !== undefined) query = query.where("status", "=", status);
      if (parentRunId !== undefined) query = query.where("parent", "=", parentRunId);
      const rows = await query.orderBy("started_ms", "desc").orderBy("id", "desc").limit(limit).execute();
      return Promise.all(rows.map((row) => readRun(read, row)));
    },
    async series(id, metric, { signal } = {}) {
      signal?.throwIfAborted();
      const points = await readSeries(read, id, metric);
      if (points.length === 0) await one(id);
      return points;
    },
    async experiments({ signal } = {}) {
      signal?.throwIfAborted();
      return readExperiments(read);
    },
  };
}

type RunRow = RegistryTables["registry_runs"];

async function readRun(read: Read, row: RunRow): Promise<Run> {
  const params = await read
    .selectFrom("registry_params")
    .select(["name", "value"])
    .where("run", "=", row.id)
    .orderBy("name")
    .execute();
  const artifacts = await read
    .selectFrom("registry_artifacts")
    .select(["path", "digest", "size_bytes"])
    .where("run", "=", row.id)
    .orderBy("path")
    .execute();
  return {
    id: row.id as RunId,
    experiment: row.experiment,
    name: row.name,
    parentRunId: row.parent === null ? undefined : (row.parent as RunId),
    status: row.status as RunStatus,
    startedMs: row.started_ms,
    endedMs: row.ended_ms ?? undefined,
    tags: JSON.parse(row.tags) as Run["tags"],
    from: JSON.parse(row.inputs) as Run["from"],
    params: Object.fromEntries(params.map(({ name, value }) => [name, decodeNumbers(JSON.parse(value)) as JsonValue])),
    metrics: await lastValues(read, row.id),
    artifacts: artifacts.map(({ path, digest, size_bytes }) => ({
      path,
      digest: digest as Digest,
      sizeBytes: size_bytes,
    })),
  };
}

/** One look-up in the index per metric, however many points there are. */
async function lastValues(read: Read, run: string): Promise<Run["metrics"]> {
  const rows = await read
    .selectFrom("registry_series as series")
    .innerJoin("registry_points as point", "point.series", "series.id")
    .select(["series.name", "point.value", "point.exact"])
    .where("series.run", "=", run)
    .where((last) =>
      last(
        "point.step",
        "=",
        last
          .selectFrom("registry_points as other")
          .select((other) => other.fn.max("other.step").as("step"))
          .whereRef("other.series", "=", "series.id"),
      ),
    )
    .where((last) =>
      last(
        "point.sequence",
        "=",
        last
          .selectFrom("registry_points as other")
          .select((other) => other.fn.max("other.sequence").as("sequence"))
          .whereRef("other.series", "=", "series.id")
          .whereRef("other.step", "=", "point.step"),
      ),
    )
    .orderBy("series.name")
    .execute();
  return Object.fromEntries(rows.map((row) => [row.name, readMetricValue(row)]));
}

async function readSeries(read: Read, run: string, metric: string): Promise<SeriesPoint[]> {
  const rows = await read
    .selectFrom("registry_points as point")
    .innerJoin("registry_series as series", "series.id", "point.series")
    .select(["point.step", "point.time_ms", "point.value", "point.exact"])
    .where("series.run", "=", run)
    .where("series.name", "=", metric)
    .orderBy("point.step")
    .orderBy("point.sequence")
    .execute();
  return rows.map((row) => ({ step: row.step, timeMs: row.time_ms, value: readMetricValue(row) }));
}

async function readExperiments(read: Read): Promise<Experiment[]> {
  const rows = await read
    .selectFrom("registry_runs")
    .select(["experiment", "status"])
    .select(({ fn }) => [fn.countAll<number>().as("runs"), fn.max("started_ms").as("last_started_ms")])
    .groupBy(["experiment", "status"])
    .orderBy("experiment")
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
