import type { Digest, EntityReference, JsonValue, RunId, RunStatus } from "@millwright/contracts";
import { decodeNumbers } from "@millwright/contracts";
import type { Database, SelectQueryBuilder } from "@millwright/storage";
import type { RegistryTables } from "../tables/tables.ts";
import { readMetricValue } from "./metric-value.ts";
import type { Run } from "./run-records.ts";

type Read = Database<RegistryTables>["read"];

/** A row of `registry_runs` with the name of its experiment. */
export interface RunRow extends Readonly<RunTable> {
  readonly experiment: string;
}

type RunTable = RegistryTables["registry_runs"];

/** Runs with the names of their experiments, to be narrowed down. */
export const selectRuns = (
  read: Read,
): SelectQueryBuilder<RegistryTables, "registry_runs" | "registry_experiments", RunRow> =>
  read
    .selectFrom("registry_runs")
    .innerJoin("registry_experiments", "registry_experiments.id", "registry_runs.experiment_id")
    .selectAll("registry_runs")
    .select("registry_experiments.name as experiment");

/** Ids in one query: databases have a limit of values. */
const idsPerQuery = 500;

/** What belongs to the runs of `rows`, in their order: five queries for 500 runs. */
export async function readRuns(read: Read, rows: readonly RunRow[]): Promise<Run[]> {
  const runs: Run[] = [];
  for (let start = 0; start < rows.length; start += idsPerQuery)
    runs.push(...(await readSome(read, rows.slice(start, start + idsPerQuery))));
  return runs;
}

async function readSome(read: Read, rows: readonly RunRow[]): Promise<Run[]> {
  const ids = rows.map(({ id }) => id);
  const [tags, params, series, artifacts, datasets] = await Promise.all([
    read.selectFrom("registry_run_tags").selectAll().where("run", "in", ids).orderBy("name").execute(),
    read
      .selectFrom("registry_params")
      .select(["run", "name", "value"])
      .where("run", "in", ids)
      .orderBy("name")
      .execute(),
    read
      .selectFrom("registry_series")
      .select(["run", "name", "last_value", "last_exact"])
      .where("run", "in", ids)
      .orderBy("name")
      .execute(),
    read.selectFrom("registry_artifacts").selectAll().where("run", "in", ids).orderBy("path").execute(),
    read
      .selectFrom("registry_run_datasets")
      .selectAll()
      .where("run", "in", ids)
      .orderBy("name")
      .orderBy("digest")
      .execute(),
  ]);
  const of = { tags: byRun(tags), params: byRun(params), series: byRun(series), artifacts: byRun(artifacts) };
  const datasetsOf = byRun(datasets);
  return rows.map((row) => ({
    ...plainRun(row),
    tags: Object.fromEntries(listOf(of.tags, row.id).map(({ name, value }) => [name, value])),
    params: Object.fromEntries(
      listOf(of.params, row.id).map(({ name, value }) => [name, decodeNumbers(JSON.parse(value)) as JsonValue]),
    ),
    metrics: Object.fromEntries(
      listOf(of.series, row.id).map(({ name, last_value, last_exact }) => [
        name,
        readMetricValue({ value: last_value, exact: last_exact }),
      ]),
    ),
    artifacts: listOf(of.artifacts, row.id).map(({ path, digest, size_bytes }) => ({
      path,
      digest: digest as Digest,
      sizeBytes: size_bytes,
    })),
    datasets: listOf(datasetsOf, row.id).map((dataset) => ({
      name: dataset.name,
      digest: dataset.digest,
      sourceType: dataset.source_type,
      source: dataset.source,
      schema: dataset.schema ?? undefined,
      profile: dataset.profile ?? undefined,
      context: dataset.context,
    })),
  }));
}

const plainRun = (row: RunRow): Omit<Run, "tags" | "params" | "metrics" | "artifacts" | "datasets"> => ({
  id: row.id as RunId,
  experiment: row.experiment,
  name: row.name,
  parentRunId: row.parent === null ? undefined : (row.parent as RunId),
  status: row.status as RunStatus,
  startedMs: row.started_ms,
  endedMs: row.ended_ms ?? undefined,
  deletedMs: row.deleted_ms ?? undefined,
  startedBy: row.started_by ?? undefined,
  notes: row.notes ?? undefined,
  from: JSON.parse(row.inputs) as readonly EntityReference[],
});

function byRun<Row extends { readonly run: string }>(rows: readonly Row[]): ReadonlyMap<string, readonly Row[]> {
  const lists = new Map<string, Row[]>();
  for (const row of rows) {
    const list = lists.get(row.run);
    if (list === undefined) lists.set(row.run, [row]);
    else list.push(row);
  }
  return lists;
}

const listOf = <Row>(lists: ReadonlyMap<string, readonly Row[]>, run: string): readonly Row[] => lists.get(run) ?? [];
